"""Draw a digit: a pad whose drawing is read by the learner's model at every stroke."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from course_utils.data import Split
from course_utils.explore.palette import COLORMAPS, COLORS

from .familiarity import Familiarity
from .faults import Fault, borrowed, describe
from .live import LiveTool
from .recording import Answer, Recording, padded
from .strokes import IMAGE_SIZE, MAX_POINTS, PEN_RADIUS, Stroke, rasterize, sample_strokes

__all__ = ["DigitPad", "Reading", "draw_digit"]

NEAREST = 5
UNUSUAL = 90.0  # percentile from which a drawing is called unusual
STORY = ("3", "7", "house", "star")
PACE = 90  # milliseconds between two pictures of the recording
PAUSE = 14  # pictures for which a finished drawing stands still

ALT = (
    "Four drawings as the model sees them, each with the probability of every digit and the five "
    "nearest training digits; a drawing far from all of them is marked."
)


@dataclass(frozen=True)
class Reading:
    """What a model makes of a drawing; all but `empty` is None for an empty one.

    Attributes:
        empty: there is no ink.
        image: float32 (28, 28), what the model sees.
        probabilities: float32 (C,), the softmax of the model's logits.
        prediction: the most probable class.
        distance: Euclidean distance to the nearest example.
        percentile: percent of the examples that lie closer to their own nearest neighbor.
        unlike: the percentile exceeds that of the pad: do not trust the prediction.
        nearest: (place in the examples, label, distance), nearest first.
    """

    empty: bool
    image: Tensor | None = None
    probabilities: Tensor | None = None
    prediction: int | None = None
    distance: float | None = None
    percentile: float | None = None
    unlike: bool | None = None
    nearest: list[tuple[int, int, float]] | None = None

    @property
    def guess(self) -> str:
        """The prediction as a sentence."""
        if self.empty:
            return "The pad is empty. Draw a digit."
        share = float(self.probabilities[self.prediction])
        second = int(self.probabilities.topk(2).indices[1])
        chance = float(self.probabilities[second])
        rival = f", then {second} ({_percent(chance)})" if chance >= 0.005 else ""
        return f"The model says {self.prediction} ({_percent(share)}){rival}."

    @property
    def familiarity(self) -> str:
        """How near the training digits are, as a sentence."""
        if self.empty:
            return ""
        if self.unlike:
            return (
                f"Unlike the training digits: {self.percentile:.1f}% of them have a nearer "
                "neighbor. Do not trust the prediction."
            )
        word = "Unusual" if self.percentile > UNUSUAL else "Familiar"
        return f"{word}: {self.percentile:.0f}% of the training digits have a nearer neighbor."


def _percent(share: float) -> str:
    if 0.995 <= share < 0.9995:
        return f"{100 * share:.1f}%"
    return f"{100 * share:.0f}%"


def draw_digit(
    model: nn.Module,
    examples: Split | tuple[Tensor, Tensor],
    *,
    preprocess: Callable[[Tensor], Tensor] | None = None,
    percentile: float = 99.0,
    title: str = "Draw a digit",
    alt: str | None = None,
) -> DigitPad:
    """A pad to draw on, read by a model that you have just trained.

    The strokes are centered and scaled as the pictures of MNIST were. The pad shows the model's
    probabilities, the nearest training digits, and whether the drawing is like any of them.

    Args:
        model: returns logits (1, C) for a batch of one.
        examples: training digits: a `Split`, or images (N, 28, 28) from 0 to 1 and labels (N,).
        preprocess: makes the model's input of a float32 batch (1, 28, 28); by default it is
            flattened to (1, 784). For a convolutional network: ``lambda x: x.unsqueeze(1)``.
        percentile: a drawing is unlike the examples if more than this percentage of them lie
            closer to their own nearest neighbor than the drawing does to its.
        title: heading of the pad.
        alt: text alternative of its picture.

    Returns:
        The pad; let it be the last line of a cell.

    Raises:
        TypeError: if the model is not a module, or the examples are not tensors.
        ValueError: if shapes or ranges are wrong.
    """
    return DigitPad(
        model, examples, preprocess=preprocess, percentile=percentile, title=title, alt=alt
    )


class DigitPad(LiveTool):
    """See `draw_digit`."""

    page, kind = "pad", "Drawing pad"

    def __init__(
        self,
        model: nn.Module,
        examples: Split | tuple[Tensor, Tensor],
        *,
        preprocess: Callable[[Tensor], Tensor] | None = None,
        percentile: float = 99.0,
        title: str = "Draw a digit",
        alt: str | None = None,
    ) -> None:
        super().__init__(title, alt or ALT)
        if not isinstance(model, nn.Module):
            what = model.__name__ if isinstance(model, type) else type(model).__name__
            raise TypeError(f"model must be an nn.Module, got {what}. Give the trained object.")
        if preprocess is not None and not callable(preprocess):
            raise TypeError("preprocess must be a function of a batch (1, 28, 28).")
        if not 0 < percentile < 100:
            raise ValueError(f"percentile must lie between 0 and 100, got {percentile}.")
        images, labels = _checked_examples(examples)
        self.model, self.preprocess, self.percentile = model, preprocess, float(percentile)
        self.familiarity = Familiarity(images, labels)

    # --- reading a drawing -----------------------------------------------------------------------

    def read(self, strokes: Sequence[Stroke]) -> Reading:
        """What the model makes of a drawing.

        Args:
            strokes: each a list of (x, y), x to the right and y down, from 0 to 1.

        Returns:
            The reading.

        Raises:
            ValueError: if the strokes are not points on the pad.
            Fault: if the model's output is not logits (1, C); other errors of the model pass.
        """
        return self.read_image(rasterize(strokes))

    def read_image(self, image: Tensor) -> Reading:
        """What the model makes of a finished picture.

        Args:
            image: (28, 28), from 0 (paper) to 1 (ink).

        Returns:
            The reading; an image without ink is empty.

        Raises:
            ValueError: if the image has another shape.
            Fault: if the model's output is not logits (1, C); other errors of the model pass.
        """
        if tuple(image.shape) != (IMAGE_SIZE, IMAGE_SIZE):
            raise ValueError(f"The image must have the shape (28, 28), not {tuple(image.shape)}.")
        image = image.detach().float().cpu()
        if not image.any():
            return Reading(empty=True)
        probabilities = self._probabilities(image)
        places, distances = self.familiarity.nearest(image, NEAREST)
        percentile = self.familiarity.percentile(distances[0])
        rows = zip(places, distances, strict=True)
        return Reading(
            empty=False,
            image=image,
            probabilities=probabilities,
            prediction=int(probabilities.argmax()),
            distance=distances[0],
            percentile=percentile,
            unlike=percentile > self.percentile,
            nearest=[
                (int(self.familiarity.index[k]), int(self.familiarity.labels[k]), distance)
                for k, distance in rows
            ],
        )

    def _probabilities(self, image: Tensor) -> Tensor:
        """(C,) softmax of the model's logits; leaves the model as it was."""
        batch = image.clone()[None]
        parameter = next(self.model.parameters(), None)
        if parameter is not None:
            batch = batch.to(parameter.device)
        inner = self.preprocess if isinstance(self.preprocess, nn.Module) else None
        with borrowed(self.model, inner):
            ready = batch.flatten(1) if self.preprocess is None else self.preprocess(batch)
            logits = self.model(ready)
        if not isinstance(logits, Tensor):
            raise Fault(f"The model returned {type(logits).__name__}, not a tensor of logits.")
        if logits.ndim != 2 or len(logits) != 1 or not 2 <= logits.shape[1] <= 36:
            raise Fault(
                "The model must return logits of shape (1, C), one for each class, but returned "
                f"{tuple(logits.shape)} for an input of shape {tuple(ready.shape)}."
            )
        if not torch.isfinite(logits).all():
            raise Fault("The model's logits are not finite (NaN or infinity).")
        return logits.float().softmax(1)[0].cpu()

    # --- messages --------------------------------------------------------------------------------

    def handle(self, request: dict[str, Any]) -> Answer:
        """Answer one message of the browser."""
        if request["kind"] == "strokes":
            return self._answer(request.get("strokes", []))
        return Answer({"kind": "ready"})

    def _answer(self, strokes: Sequence[Stroke]) -> Answer:
        try:
            reading = self.read(strokes)
        except Exception as error:
            return Answer({"kind": "fault", "text": describe(error, self.model, self.preprocess)})
        return self._message(reading)

    def _message(self, reading: Reading) -> Answer:
        header: dict[str, Any] = {"kind": "reading", "empty": reading.empty}
        header["guess"] = reading.guess
        if reading.empty:
            return Answer(header)
        places = {int(index): k for k, index in enumerate(self.familiarity.index)}
        near = [self.familiarity.images[places[index]] for index, _, _ in reading.nearest]
        pictures = torch.stack([reading.image, *near]).clamp(0, 1)
        header |= {
            "probabilities": [round(p, 5) for p in reading.probabilities.tolist()],
            "prediction": reading.prediction,
            "distance": round(reading.distance, 3),
            "percentile": round(reading.percentile, 2),
            "unlike": reading.unlike,
            "familiarity": reading.familiarity,
            "nearest": [[label, round(distance, 2)] for _, label, distance in reading.nearest],
        }
        return Answer(header, padded((pictures * 255).round().to(torch.uint8).numpy().tobytes()))

    # --- the recording ---------------------------------------------------------------------------

    def _record(self) -> Recording:
        """The prepared drawings, growing stroke by stroke, with the model's answers."""
        recording = Recording(pace=PACE)
        for name in STORY:
            for strokes in _growing(sample_strokes(name)):
                answer = self._answer(strokes)
                header = answer.header | {"strokes": _rounded(strokes)}
                recording.answers.append(Answer(header, answer.data))
            last = recording.answers[-1]
            recording.answers[-1] = Answer(last.header | {"hold": PAUSE}, last.data)
        return recording

    def _draw(self) -> bytes:
        from .pad_story import draw

        return draw(self, STORY)

    def describe(self) -> dict[str, Any]:
        """What the browser needs to build the pad."""
        return {
            "title": self.title,
            "alt": self.alt,
            "colors": COLORS,
            "colormaps": COLORMAPS,
            "size": IMAGE_SIZE,
            "pen": PEN_RADIUS,
            "max_points": MAX_POINTS,
            "percentile": self.percentile,
            "recording": self.recording().describe(),
        }


def _growing(strokes: list[list[tuple[float, float]]], steps: int = 9) -> list[list]:
    """The drawing as it grows: `steps` stages with equally many more points each."""
    total = sum(map(len, strokes))
    stages = []
    for stage in range(1, steps + 1):
        left = max(2, round(total * stage / steps))
        part = []
        for stroke in strokes:
            if left > 0:
                part.append(stroke[:left])
            left -= len(stroke)
        stages.append(part)
    return stages


def _rounded(strokes: list[list[tuple[float, float]]]) -> list[list[list[float]]]:
    return [[[round(x, 3), round(y, 3)] for x, y in stroke] for stroke in strokes]


def _checked_examples(examples: Any) -> tuple[Tensor, Tensor]:
    if not isinstance(examples, (Split, tuple, list)) or len(tuple(examples)) != 2:
        raise TypeError("examples must be a Split, such as digits.train, or (images, labels).")
    images, labels = examples
    if not isinstance(images, Tensor) or not isinstance(labels, Tensor):
        raise TypeError("The images and labels of the examples must be tensors.")
    if images.ndim == 2 and images.shape[1] == IMAGE_SIZE**2:
        images = images.unflatten(1, (IMAGE_SIZE, IMAGE_SIZE))
    if images.ndim == 4 and images.shape[1] == 1:
        images = images[:, 0]
    if images.ndim != 3 or tuple(images.shape[1:]) != (IMAGE_SIZE, IMAGE_SIZE):
        raise ValueError(f"The images must have the shape (N, 28, 28), not {tuple(images.shape)}.")
    if labels.shape != (len(images),):
        raise ValueError(f"{len(images)} images need as many labels, not {tuple(labels.shape)}.")
    if len(images) < NEAREST + 1:
        raise ValueError(f"Give at least {NEAREST + 1} examples.")
    if not images.is_floating_point() or images.min() < 0 or images.max() > 1:
        raise ValueError(
            "The images must be floats from 0 (paper) to 1 (ink). Standardize them in `preprocess`."
        )
    return images, labels
