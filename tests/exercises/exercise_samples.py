"""Two exercises on which the engine is tested; each call makes new ones."""

import torch

from course_utils.exercises import FunctionExercise, Misconception, Probe, ValueExercise

X = torch.tensor([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
W = torch.tensor([1.0, 1.0])


def predict(X, w, b):
    """Return 1. where the neuron fires."""
    return (X @ w + b >= 0).float()


def by_loop(X, w, b):
    return torch.tensor([1.0 if float(x @ w) + b >= 0 else 0.0 for x in X])


def strict(X, w, b):
    return (X @ w + b > 0).float()


def probability(X, w, b):
    return torch.sigmoid(X @ w + b)


def transposed(X, w, b):
    return (X.T @ w + b >= 0).float()


def predict_exercise(**changes):
    parts = {
        "id": "01.2",
        "title": "Predict without a loop",
        "statement": "Write `predict(X, w, b)` for a batch.",
        "solution": predict,
        "reasoning": "One product gives all sums.",
        "alternatives": (by_loop,),
        "misconceptions": (
            Misconception("strict", strict, "On the line the neuron fires: use >=."),
            Misconception("probability", probability, "That is a probability, not a decision."),
            Misconception("transposed", transposed, "The batch comes first: X @ w."),
        ),
        "hints": ("All sums at once: X @ w.", "Compare with 0.", "`.float()` turns bools to 0/1."),
        "probes": (
            Probe("a gate", lambda: (X, W, -1.0)),
            Probe("three inputs", lambda: (torch.ones(1, 3), torch.ones(3), -2.5)),
            Probe("an empty batch", lambda: (X[:0], W, 0.0)),
        ),
    }
    return FunctionExercise(**(parts | changes))


def square(x):
    return x * x


def square_no_gradient(x):
    return x.detach() * x


def square_exercise(**changes):
    parts = {
        "id": "01.3",
        "title": "Square",
        "statement": "Write `square(x)`.",
        "solution": square,
        "hints": ("x * x",),
        "gradient": True,
        "misconceptions": (
            Misconception("half the gradient", square_no_gradient, "Half the gradient is lost."),
        ),
        "probes": (
            Probe("one", lambda: torch.tensor([2.0], requires_grad=True)),
            Probe("three", lambda: torch.tensor([1.0, -2.0, 3.0], requires_grad=True)),
        ),
    }
    return FunctionExercise(**(parts | changes))


def gate_exercise(**changes):
    def fires(answer):
        w, b = answer
        return (X @ w + b > 0).tolist()

    parts = {
        "id": "01.1",
        "title": "A gate",
        "statement": "Give w and b so that the neuron is an AND gate.",
        "name": "gate",
        "solution_source": "gate = (torch.tensor([1.0, 1.0]), -1.5)",
        "hints": ("b is negative.",),
        "observe": fires,
        "alternatives": ((torch.tensor([2.0, 2.0]), -3.0),),
        "misconceptions": (
            Misconception("or", (torch.tensor([1.0, 1.0]), -0.5), "That is OR: lower b."),
        ),
    }
    return ValueExercise(**(parts | changes))


def said(capsys, exercise, answer):
    """Check an answer and return the verdict, having seen that its message is what was printed."""
    capsys.readouterr()
    verdict = exercise.check(answer)
    assert capsys.readouterr().out == verdict.message + "\n"
    lines = verdict.message.splitlines()
    assert len(lines) <= 25
    assert max(map(len, lines)) <= 120
    return verdict
