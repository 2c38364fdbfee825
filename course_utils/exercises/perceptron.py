"""The exercises of lesson 3.1, The perceptron."""

from __future__ import annotations

import itertools

import torch
from torch import Tensor

from course_utils.exercises import (
    AnswerError,
    ChoiceExercise,
    FunctionExercise,
    Misconception,
    Prediction,
    Probe,
    ValueExercise,
)

# --- 01.1: weights for a gate ------------------------------------------------------------------

ALL_TRIPLES = torch.tensor(list(itertools.product([0.0, 1.0], repeat=3)))  # (8, 3)


def _four_numbers(answer: object) -> tuple[float, ...]:
    """Read ``(w1, w2, w3, b)`` from a tuple, list or tensor of four numbers."""
    values = answer.tolist() if hasattr(answer, "tolist") else answer
    if not isinstance(values, (tuple, list)):
        raise AnswerError(f"expected four numbers (w1, w2, w3, b), got {type(answer).__name__}.")
    if len(values) != 4:
        raise AnswerError(
            f"expected four numbers (w1, w2, w3, b), got {len(values)}. Three inputs need three "
            "weights, and the bias comes last."
        )
    try:
        return tuple(float(value) for value in values)
    except (TypeError, ValueError):
        raise AnswerError("all four entries must be plain numbers, such as 1.0 or -2.5.") from None


def _fires_on_triples(weights: tuple[float, ...]) -> dict[str, int]:
    """Return the neuron's answer on each of the eight inputs."""
    *w, b = weights
    fires = (ALL_TRIPLES @ torch.tensor(w) + b > 0).int()
    names = ["votes {:.0f} {:.0f} {:.0f}".format(*votes) for votes in ALL_TRIPLES.tolist()]
    return dict(zip(names, fires.tolist(), strict=True))


majority_weights = ValueExercise(
    id="01.1",
    title="A neuron that takes a vote",
    statement=(
        "Choose w1, w2, w3 and b so that one step neuron answers 1 exactly when at least two of "
        "its three binary inputs are 1. Write them as `majority = (w1, w2, w3, b)`."
    ),
    name="majority",
    solution=(1.0, 1.0, 1.0, -1.5),
    parse=_four_numbers,
    observe=_fires_on_triples,
    alternatives=(
        [2, 2, 2, -3],
        torch.tensor([1.0, 1.0, 1.0, -1.0]),
        (0.6, 0.5, 0.4, -0.85),
    ),
    misconceptions=(
        Misconception(
            "fires on one vote",
            (1.0, 1.0, 1.0, -0.5),
            "Your neuron already fires on a single vote: that is a three-input OR. One vote gives "
            "z = w + b, which must not be positive; make the bias more negative.",
        ),
        Misconception(
            "needs all votes",
            (1.0, 1.0, 1.0, -2.5),
            "Your neuron waits for all three votes: that is a three-input AND. Two votes give "
            "z = 2w + b, which must be strictly positive: 0 does not fire.",
        ),
        Misconception(
            "sign of the bias",
            (1.0, 1.0, 1.0, 1.5),
            "Your neuron fires always. z = w·x + b has a plus sign, so a threshold of 1.5 enters "
            "as the bias -1.5.",
        ),
        Misconception(
            "minority",
            (-1.0, -1.0, -1.0, 1.5),
            "Your neuron does the opposite: it fires when most inputs are 0. Multiply the weights "
            "and the bias by -1.",
        ),
        Misconception(
            "never fires",
            (0.0, 0.0, 0.0, 0.0),
            "Your neuron never fires. Even with three votes z stays at or below 0.",
        ),
    ),
    hints=(
        "With equal weights only the number of ones matters, so there are four cases: 0, 1, 2 or "
        "3 votes.",
        "With w1 = w2 = w3 = 1, z = votes + b. Which b makes z negative for 1 vote and positive "
        "for 2 votes?",
        "Any b strictly between -2 and -1 works with unit weights (and b = -1 too, because the "
        "step answers 0 at z = 0).",
    ),
    reasoning=(
        "With unit weights z = votes + b. The bias -1.5 puts the threshold halfway between one "
        "vote (z = -0.5) and two votes (z = +0.5)."
    ),
)

# --- 01.2: predict without a loop --------------------------------------------------------------


def predict(X, w, b):
    """Answer 1.0 where w·x + b > 0, else 0.0: X (N, D), w (D,), b () -> (N,)."""
    return (X @ w + b > 0).float()


def _predict_einsum(X, w, b):
    z = torch.einsum("nd,d->n", X, w) + b
    return torch.where(z > 0, 1.0, 0.0)


def _predict_heaviside(X, w, b):
    z = (X * w).sum(dim=1) + b
    return torch.heaviside(z, torch.zeros(()))


def _predict_loop(X, w, b):
    answers = [1.0 if float(sum(x * w) + b) > 0 else 0.0 for x in X]
    return torch.tensor(answers)


def _predict_tie(X, w, b):
    return (X @ w + b >= 0).float()


def _predict_no_bias(X, w, b):
    return (X @ w > 0).float()


def _predict_raw(X, w, b):
    return X @ w + b


def _predict_bool(X, w, b):
    return X @ w + b > 0


def _predict_column(X, w, b):
    return (X @ w[:, None] + b > 0).float()


def _predict_sign(X, w, b):
    return torch.sign(X @ w + b)


def _rows() -> tuple[Tensor, Tensor, Tensor]:
    X = torch.tensor([[1.0, 2.0, 0.5], [-1.0, 0.0, 2.0], [0.0, -3.0, 1.0], [0.25, 1.0, -1.0]])
    return X, torch.tensor([1.0, -0.5, 2.0]), torch.tensor(-2.0)


def _gate_rows() -> tuple[Tensor, Tensor, Tensor]:
    X = torch.tensor([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    return X, torch.ones(2), torch.tensor(-1.0)  # two rows lie exactly on the line: z = 0


predict_batch = FunctionExercise(
    id="01.2",
    title="Predict without a loop",
    statement=(
        "Write `predict(X, w, b)` for a whole batch: X has shape (N, D), w has shape (D,), b is a "
        "scalar tensor. Return a float tensor of shape (N,): 1.0 where z > 0, else 0.0."
    ),
    solution=predict,
    alternatives=(_predict_einsum, _predict_heaviside, _predict_loop),
    probes=(
        Probe("four points in three dimensions", _rows),
        Probe("two points exactly on the line", _gate_rows),
        Probe("one point", lambda: (torch.ones(1, 2), torch.ones(2), torch.tensor(-0.5))),
        Probe(
            "just above the line", lambda: (torch.ones(1, 1), torch.ones(1), torch.tensor(-0.9999))
        ),
        Probe("an empty batch", lambda: (torch.zeros(0, 2), torch.ones(2), torch.tensor(0.5))),
    ),
    misconceptions=(
        Misconception(
            "fires at zero",
            _predict_tie,
            "A point exactly on the line (z = 0) must answer 0 here. Use `>` instead of `>=`.",
        ),
        Misconception(
            "forgets the bias",
            _predict_no_bias,
            "The bias b is missing: without it every boundary passes through the origin.",
        ),
        Misconception(
            "returns z",
            _predict_raw,
            "You return the weighted sum z itself. The step is missing: compare z with 0.",
        ),
        Misconception(
            "returns booleans",
            _predict_bool,
            "The decisions are right, but as True/False. A comparison gives a bool tensor; add "
            "`.float()` so that answers can be averaged and fed to the next neuron.",
        ),
        Misconception(
            "a column instead of a vector",
            _predict_column,
            "You return a column (N, 1). Against targets of shape (N,) a column broadcasts to "
            "(N, N) without any error. Multiply by w of shape (D,), or squeeze the result.",
        ),
        Misconception(
            "sign instead of step",
            _predict_sign,
            "With torch.sign the neuron answers -1, 0 or +1. This one answers 0 or 1.",
        ),
    ),
    hints=(
        "One weighted sum per row: which single operation turns (N, D) and (D,) into (N,)?",
        "`X @ w` gives all N weighted sums. Add b, which broadcasts, and compare with 0.",
        "`X @ w + b > 0` is a bool tensor of shape (N,). What turns it into floats?",
    ),
    reasoning=(
        "`X @ w` is the matrix-vector product: row n of the result is the weighted sum of point "
        "n. The scalar b broadcasts over the N rows, and `.float()` turns True/False into 1/0."
    ),
)

# --- 01.3: Rosenblatt's update -----------------------------------------------------------------


def update(w, b, x, y):
    """One look at the example (x, y), y in {0., 1.}: return the new w (D,) and b ()."""
    prediction = (w @ x + b > 0).float()
    error = y - prediction  # -1, 0 or +1
    return w + error * x, b + error


def _update_with_if(w, b, x, y):
    if w @ x + b > 0:
        answer = 1.0
    else:
        answer = 0.0
    if answer == y:
        return w, b
    return (w + x, b + 1) if y == 1 else (w - x, b - 1)


def _update_clone(w, b, x, y):
    w, b = w.clone(), b.clone()
    error = y - torch.heaviside(x @ w + b, torch.zeros(()))
    w += error * x
    b += error
    return w, b


def _update_sign(w, b, x, y):
    error = (w @ x + b > 0).float() - y
    return w + error * x, b + error


def _update_no_bias(w, b, x, y):
    error = y - (w @ x + b > 0).float()
    return w + error * x, b


def _update_hebb(w, b, x, y):
    return w + y * x, b + y


def _update_adaline(w, b, x, y):
    error = y - (w @ x + b)
    return w + error * x, b + error


def _update_logistic(w, b, x, y):
    error = y - torch.sigmoid(w @ x + b)
    return w + error * x, b + error


def _update_no_x(w, b, x, y):
    error = y - (w @ x + b > 0).float()
    return w + error, b + error


def _update_in_place(w, b, x, y):
    error = y - (w @ x + b > 0).float()
    w += error * x
    b += error
    return w, b


def _example(w: list[float], b: float, x: list[float], y: float):
    tensors = torch.tensor(w), torch.tensor(b), torch.tensor(x), torch.tensor(y)
    return lambda: tuple(tensor.clone() for tensor in tensors)


update_rule = FunctionExercise(
    id="01.3",
    title="Rosenblatt's update",
    statement=(
        "Write `update(w, b, x, y)`: predict with the step neuron, then return the new `(w, b)`. "
        "A right answer changes nothing; a wrong one adds or subtracts the input. x and w have "
        "shape (D,), y is 0. or 1., and the learning rate is 1."
    ),
    solution=update,
    alternatives=(_update_with_if, _update_clone),
    probes=(
        Probe("said 0, should say 1", _example([0.0, 0.0], 0.0, [1.0, 2.0], 1.0)),
        Probe("said 1, should say 0", _example([1.0, 0.5], 0.25, [2.0, -1.0], 0.0)),
        Probe("right: said 1", _example([1.0, 1.0], -0.5, [1.0, 0.5], 1.0)),
        Probe("right: said 0", _example([1.0, 1.0], -0.5, [0.25, 0.125], 0.0)),
        Probe("on the line, should say 0", _example([0.0, 0.0], 0.0, [1.0, 2.0], 0.0)),
        Probe("a small z, should say 0", _example([0.125, 0.0], 0.0, [1.0, 2.0], 0.0)),
        Probe("a small z, right", _example([0.25, 0.0], 0.125, [1.0, 2.0], 1.0)),
        Probe("five inputs", _example([0.5] * 5, -1.0, [1.0, 0.0, 2.0, 0.0, 1.0], 0.0)),
    ),
    misconceptions=(
        Misconception(
            "the error's sign",
            _update_sign,
            "The update goes the wrong way: the error is y minus the prediction, so that a missed "
            "1 adds the input and raises z.",
        ),
        Misconception(
            "forgets the bias",
            _update_no_bias,
            "The weights are right, but b does not get the error. The bias is a weight whose input "
            "is always 1: b becomes b + error, with the error from before the update.",
        ),
        Misconception(
            "Hebb's rule",
            _update_hebb,
            "You add x whenever y is 1, even when the neuron was already right, and never "
            "subtract. Multiply by the error y - prediction instead of by y.",
        ),
        Misconception(
            "error without the step",
            _update_adaline,
            "You compare y with z instead of with the step's answer. That is the delta rule of "
            "Widrow and Hoff (1960): it keeps changing weights that already decide rightly.",
        ),
        Misconception(
            "sigmoid instead of step",
            _update_logistic,
            "You compare y with σ(z). That is one gradient step of logistic regression, the "
            "subject of section 6; Rosenblatt's rule uses the hard answer 0 or 1.",
        ),
        Misconception(
            "forgets the input",
            _update_no_x,
            "Every weight moves by the same amount. A weight must move by error · its input: an "
            "input of 0 had no part in the mistake.",
        ),
        Misconception(
            "changes the caller's tensors",
            _update_in_place,
            "The numbers are right, but `w += …` overwrites the caller's tensor. Return new "
            "tensors, `w + …`, or work on a clone.",
        ),
    ),
    hints=(
        "First predict: 1 if w·x + b > 0, else 0. Then compare with y. How many different values "
        "can y - prediction take?",
        "error = y - prediction is -1, 0 or +1, so one formula covers all three cases.",
        "Return `w + error * x, b + error`.",
    ),
    reasoning=(
        "The error is 0 for a right answer, so nothing changes. For a missed 1 the new z is "
        "(w + x)·x + b + 1 = z + |x|² + 1: higher than before. For a false alarm it is lower."
    ),
)

# --- 01.4: XOR from NANDs ----------------------------------------------------------------------


def xor_from_nand(x1, x2, nand):
    """XOR of two float tensors (N,) built only from calls of ``nand(a, b)``."""
    both = nand(x1, x2)
    return nand(nand(x1, both), nand(x2, both))


def _xor_five_gates(x1, x2, nand):
    not_x1, not_x2 = nand(x1, x1), nand(x2, x2)
    return nand(nand(x1, not_x2), nand(not_x1, x2))


def _xor_or_and(x1, x2, nand):
    either = nand(nand(x1, x1), nand(x2, x2))
    not_both = nand(x1, x2)
    not_result = nand(either, not_both)
    return nand(not_result, not_result)


def _xor_plain_python(x1, x2, nand):
    return (x1 != x2).float()


def _xor_and(x1, x2, nand):
    return nand(nand(x1, x2), nand(x1, x2))


def _xor_or(x1, x2, nand):
    return nand(nand(x1, x1), nand(x2, x2))


def _xor_not_both(x1, x2, nand):
    return nand(x1, x2)


def _xor_inverted(x1, x2, nand):
    result = xor_from_nand(x1, x2, nand)
    return nand(result, result)


def _count_nands(answer, x1: Tensor, x2: Tensor) -> dict[str, object]:
    """Run ``answer`` with a NAND neuron that remembers what went in and what came out."""
    signals = [x1, x2]
    foreign = 0

    def nand(a, b):
        nonlocal foreign
        foreign += sum(not _is_signal(value, signals) for value in (a, b))
        pair = torch.broadcast_tensors(*(torch.as_tensor(v, dtype=torch.float32) for v in (a, b)))
        signals.append((torch.stack(pair, dim=-1) @ torch.tensor([-1.0, -1.0]) + 1.5 > 0).float())
        return signals[-1]

    output = answer(x1, x2, nand)
    pure = foreign == 0 and any(output is signal for signal in signals[2:])
    return {"output": output, "made by nand calls only": pure}


def _is_signal(value: object, signals: list[Tensor]) -> bool:
    """Whether a value is an input, the output of a neuron, or a constant."""
    if not isinstance(value, Tensor) or any(value is signal for signal in signals):
        return True
    return bool((value == value.flatten()[0]).all())


nand_xor = FunctionExercise(
    id="01.4",
    title="XOR from NAND neurons",
    statement=(
        "One neuron cannot compute XOR, but a few can. Write `xor_from_nand(x1, x2, nand)` with "
        "calls of the given NAND neuron only: `nand(a, b)` takes two float tensors of shape (N,) "
        "and returns one; no other arithmetic. Four calls are enough; any number is accepted."
    ),
    solution=xor_from_nand,
    alternatives=(_xor_five_gates, _xor_or_and),
    observe=_count_nands,
    probes=(
        Probe(
            "the truth table 00, 01, 10, 11",
            lambda: (torch.tensor([0.0, 0.0, 1.0, 1.0]), torch.tensor([0.0, 1.0, 0.0, 1.0])),
        ),
        Probe("one pair", lambda: (torch.tensor([1.0]), torch.tensor([1.0]))),
    ),
    misconceptions=(
        Misconception(
            "no neuron used",
            _xor_plain_python,
            "The answers are right, but they do not come out of NAND neurons alone. Give `nand` "
            "only x1, x2, or what another call returned, and return what a call returned.",
        ),
        Misconception(
            "that is AND",
            _xor_and,
            "This is AND: NAND followed by NOT. XOR must answer 1 for 01 and 10, and 0 for 11.",
        ),
        Misconception(
            "that is OR",
            _xor_or,
            "This is OR. It is right in three of four cases; XOR must answer 0 for 11.",
        ),
        Misconception(
            "that is NAND",
            _xor_not_both,
            "This is NAND alone. It is right in three of four cases; XOR must answer 0 for 00.",
        ),
        Misconception(
            "inverted",
            _xor_inverted,
            "Every answer is inverted: you built XNOR (equality). One NAND too many at the end?",
        ),
    ),
    hints=(
        "XOR is 'at least one, but not both'. NAND itself already says 'not both'.",
        "NOT a is nand(a, a), and a OR b is nand(NOT a, NOT b).",
        "Compute both = nand(x1, x2) once, then combine nand(x1, both) and nand(x2, both).",
    ),
    reasoning=(
        "both = NAND(x1, x2) is 0 only for 11. NAND(x1, both) is 0 only for 10 and "
        "NAND(x2, both) is 0 only for 01, so the last NAND answers 1 exactly in these two cases."
    ),
)

# --- 01.5: two ways to learn -------------------------------------------------------------------

two_rules = ChoiceExercise(
    id="01.5",
    title="Two ways to learn",
    question=(
        "On separable data both end with a separating line. Which statement is true of the loop "
        "with BCEWithLogitsLoss, and false of Rosenblatt's rule?"
    ),
    options={
        "a": "It changes the weights only when a point is on the wrong side.",
        "b": "It keeps changing the weights when every point is already on the right side.",
        "c": "It needs targets of -1 and +1.",
        "d": "It cannot be used on data that no line separates.",
    },
    correct="b",
    reasons={
        "a": "That describes Rosenblatt's rule: its error y - step(z) is 0 for a right answer.",
        "b": (
            "On paper y - σ(z) is 0 for no finite z, so each step still lengthens w: the loss can "
            "always be lowered a little by being more certain."
        ),
        "c": "BCEWithLogitsLoss takes targets between 0 and 1, as floats.",
        "d": (
            "It is the other way round: Rosenblatt's rule never settles on such data, while the "
            "loss of logistic regression has a minimum there."
        ),
    },
    hints=(
        "Write both updates as (y - something) · x. What is the something?",
        "When is y - step(z) zero? When is y - σ(z) zero?",
        "Look at the norm of w in section 6 after 100, 1,000 and 10,000 steps.",
    ),
)

# --- predictions -------------------------------------------------------------------------------

gates_guess = Prediction(
    "01.p1",
    "There are 16 functions of two binary inputs. How many can a single step neuron compute?",
    options={"a": "all 16", "b": "15: all but XOR", "c": "14", "d": "8: one half"},
)
hidden_guess = Prediction(
    "01.p2",
    "A 2-2-1 network with ReLU can represent XOR. Out of 200 random starts, how many will learn "
    "it?",
    options={"a": "all 200", "b": "about 190", "c": "about 140", "d": "fewer than 100"},
)
parity_guess = Prediction(
    "01.p3",
    "A linear model sees a 28×28 digit and says 'odd' or 'even'. Coin flipping gives 50 %. "
    "What will it reach on unseen digits?",
    options={"a": "about 50 %", "b": "about 70 %", "c": "about 87 %", "d": "about 99 %"},
)
