"""The faults that a doctor of the clinic has in mind, each with what it shows and its test."""

from __future__ import annotations

from dataclasses import dataclass

from course_utils.exercises.engine import text


@dataclass(frozen=True)
class Fault:
    """One kind of fault.

    Attributes:
        name: what is wrong.
        shows: what it would show, as the end of "it would show: ...".
    """

    name: str
    shows: str


FAULTS: dict[str, Fault] = {
    "a": Fault(
        "the learning rate is far too large",
        "a loss that starts at its usual value and jumps up within the first updates",
    ),
    "b": Fault(
        "the learning rate is far too small",
        "a loss that falls all the time, evenly and hardly at all, with updates of 1e-5 of the "
        "weights or less",
    ),
    "c": Fault(
        "old gradients are not cleared",
        "gradients that grow with the number of updates although the parts, in a loop of your "
        "own, train well",
    ),
    "d": Fault(
        "softmax stands before a loss that has its own",
        "outputs that are probabilities, and a loss that cannot fall below about 1.46 for ten "
        "classes",
    ),
    "e": Fault(
        "softmax or argmax runs along the wrong dimension",
        "a prediction for one image that changes with the other images of its batch",
    ),
    "f": Fault(
        "the inputs are not scaled",
        "inputs in the hundreds, and a loss at the start far above ln(classes)",
    ),
    "g": Fault(
        "training and evaluation number the classes differently",
        "a training loss that falls well, and an accuracy below guessing",
    ),
    "h": Fault(
        "the images and their labels are in different orders",
        "a loss that stays at ln(classes) on all data, and guessing on new data, although eight "
        "samples can be learned by heart",
    ),
    "i": Fault(
        "training goes on in evaluation mode",
        "model.training being False at the updates, and running statistics that never change",
    ),
    "j": Fault(
        "the evaluation runs in training mode",
        "two evaluations of the same model that differ, and a report below the training accuracy",
    ),
    "k": Fault(
        "the optimizer does not hold all parameters",
        "layers that are used and never move, and whose weights model.parameters() does not list",
    ),
    "l": Fault(
        "the graph is cut inside the model",
        "parameters of the optimizer that require a gradient and whose .grad is None after "
        "backward",
    ),
    "m": Fault(
        "layers are frozen",
        "parameters whose requires_grad is False",
    ),
    "n": Fault(
        "shapes broadcast in the loss",
        "an output (N, 1) against a target (N,), a table of N × N differences, and the same "
        "prediction for every input",
    ),
    "o": Fault(
        "an activation at the output cuts off answers",
        "outputs that never leave the range of that activation, whatever the targets are",
    ),
    "p": Fault(
        "the validation data have leaked into the training",
        "a report that new data do not confirm, and that stays high when the labels are shuffled",
    ),
    "q": Fault(
        "all weights start equal",
        "rows of the weight matrix that are equal, at the start and for ever",
    ),
    "r": Fault(
        "the gradients vanish on their way back",
        "gradient norms that fall by a factor from each layer to the one before it",
    ),
    "s": Fault(
        "the model is too small for the task",
        "a healthy loss curve that levels off too high, for the training data as well, and eight "
        "samples that are still learned",
    ),
    "t": Fault(
        "it overfits",
        "a training accuracy near 1 and an honest report that is far lower",
    ),
}
"""Letter -> fault; there are more faults than patients."""


def faults() -> None:
    """Print the faults that a patient may have, with their letters."""
    for letter, fault in FAULTS.items():
        print(text.wrap(f"{letter}) {fault.name}", hang="   "))
