"""The explorers of lesson 3.0, Foundations."""

from __future__ import annotations

import functools
import math

from course_utils.explore import (
    Choice,
    Explorer,
    Label,
    Line,
    Panel,
    Points,
    Scene,
    Slider,
    Toggle,
)

# --- E1: the 2-2-1 network, forward and backward -------------------------------------------------

W_HIDDEN = ((1.0, -0.5), (-1.5, 2.0))  # row j: the weights into hidden unit j
B_HIDDEN = (0.0, -0.5)
W_OUTPUT = (-2.0, -1.0)
B_OUTPUT = 0.5
PLACES = {"x1": (1.0, 4.6), "x2": (1.0, 1.4), "h1": (5.0, 4.6), "h2": (5.0, 1.4), "out": (8.9, 3.0)}
EDGES = {
    "w11": ("x1", "h1"),
    "w12": ("x1", "h2"),
    "w21": ("x2", "h1"),
    "w22": ("x2", "h2"),
    "v1": ("h1", "out"),
    "v2": ("h2", "out"),
}
LABELS = {  # where on an edge its number stands, and how far above it
    "w11": (0.5, 0.32),
    "w12": (0.39, 0.55),
    "w21": (0.39, -0.55),
    "w22": (0.5, -0.32),
    "v1": (0.5, 0.42),
    "v2": (0.5, -0.42),
}
NODE_RADIUS = 25  # px
NODE_ROOM = 0.8  # in units of the panel: what the lines leave free around a node's center
FORWARD = {"x1": "water x₁", "x2": "sun x₂", "h1": "h₁", "h2": "h₂", "out": "ŷ"}
BACKWARD = {"x1": "∂L/∂x₁", "x2": "∂L/∂x₂", "h1": "δ₁", "h2": "δ₂", "out": "δ of ŷ"}


def sigmoid(z: float) -> float:
    """1 / (1 + exp(-z))."""
    return 1.0 / (1.0 + math.exp(-z))


def forward_and_backward(
    x1: float, x2: float, w11: float, v1: float, target: float
) -> tuple[dict[str, float], dict[str, float]]:
    """Run the 2-2-1 network with squared error forward and backward.

    Args:
        x1: first input.
        x2: second input.
        w11: weight from x1 to the first hidden unit.
        v1: weight from the first hidden unit to the output.
        target: what the output should be.

    Returns:
        Two dictionaries over the same names: nodes (``x1`` ... ``out``), weights (``w11``, from
        unit 1 to unit 1, ... ``v2``) and ``loss``. The first holds values. The second holds
        gradients: for the inputs with respect to themselves, for the other nodes with respect to
        their weighted sum, which is also the gradient of their bias.
    """
    value = dict(x1=x1, x2=x2, w11=w11, v1=v1, v2=W_OUTPUT[1])
    value |= dict(w12=W_HIDDEN[1][0], w21=W_HIDDEN[0][1], w22=W_HIDDEN[1][1])
    value["h1"] = sigmoid(w11 * x1 + value["w21"] * x2 + B_HIDDEN[0])
    value["h2"] = sigmoid(value["w12"] * x1 + value["w22"] * x2 + B_HIDDEN[1])
    value["out"] = sigmoid(v1 * value["h1"] + value["v2"] * value["h2"] + B_OUTPUT)
    value["loss"] = (value["out"] - target) ** 2
    slope = {name: value[name] * (1 - value[name]) for name in ("h1", "h2", "out")}
    gradient = {"loss": 1.0, "out": 2 * (value["out"] - target) * slope["out"]}
    for name in ("h1", "h2"):
        gradient[name] = gradient["out"] * value[f"v{name[1]}"] * slope[name]
    for name in ("x1", "x2"):
        ways = (gradient[f"h{j}"] * value[f"w{name[1]}{j}"] for j in (1, 2))
        gradient[name] = sum(ways)
    for edge, (start, end) in EDGES.items():
        gradient[edge] = gradient[end] * value[start]
    return value, gradient


def _number(value: float, digits: int) -> str:
    """A number with a real minus sign, and never minus zero."""
    text = f"{value:.{digits}f}"
    if float(text) == 0:
        text = text.lstrip("-")
    return text.replace("-", "\N{MINUS SIGN}")


def _edge(name: str, strength: float, unit: float, digits: int) -> tuple[Line, Label]:
    """One connection: orange and solid where positive, blue and dashed where negative."""
    (x0, y0), (x1, y1) = (PLACES[end] for end in EDGES[name])
    width = min(max(1.0, round(2 * abs(strength) / unit) / 2), 7.0)
    color = "muted" if strength == 0 else "orange" if strength > 0 else "blue"
    dash = "dotted" if strength == 0 else "solid" if strength > 0 else "dashed"
    cut = NODE_ROOM / math.hypot(x1 - x0, y1 - y0)  # the line ends where the nodes begin
    x = [x0 + cut * (x1 - x0), x1 - cut * (x1 - x0)]
    y = [y0 + cut * (y1 - y0), y1 - cut * (y1 - y0)]
    at, lift = LABELS[name]
    text = _number(strength, digits)
    label = Label(x0 + at * (x1 - x0), y0 + at * (y1 - y0) + lift, text, color=color)
    return Line(x, y, color=color, dash=dash, width=width), label


def _graph(
    title: str,
    nodes: dict[str, float],
    edges: dict[str, float],
    names: dict[str, str],
    unit: float,
    digits: int,
) -> Panel:
    """The network with numbers in the nodes and on the edges.

    Args:
        title: above the panel.
        nodes: number of each node.
        edges: number of each connection, which also sets its color, dash and width.
        names: caption of each node.
        unit: what one pixel of width stands for.
        digits: decimals of all numbers.
    """
    marks: list = []
    for name in EDGES:
        marks += _edge(name, edges[name], unit, digits)
    for name, (x, y) in PLACES.items():
        marks.append(Points([x], [y], color="text", marker="ring", size=NODE_RADIUS))
        marks.append(Label(x, y, _number(nodes[name], digits)))
        marks.append(Label(x, y + (1.1 if y > 2 else -1.1), names[name], color="muted"))
    frame = dict(xlim=(0.0, 10.0), ylim=(0.0, 6.0), xticks=[], yticks=[])
    return Panel(marks, title=title, **frame)


def _remark(value: dict[str, float], gradient: dict[str, float]) -> str:
    """The most telling thing about a position, in one sentence."""
    if value["v1"] == 0:
        return "The weight from h₁ is 0: nothing flows back through it to h₁ and its weights."
    if value["x1"] == 0 and value["x2"] == 0:
        return "Both inputs are 0, so no weight of the first layer gets a gradient."
    if value["x1"] == 0:
        return "Water is 0, so the two weights that start there get no gradient."
    slope = value["h1"] * (1 - value["h1"])
    if slope < 0.05:
        return f"h₁ is nearly flat here, with slope {slope:.3f}: little flows back through it."
    move = "lower" if gradient["w11"] > 0 else "raise"
    return f"A step against the gradient would {move} the weight from water to h₁."


def _network_scene(x1: float, x2: float, w11: float, v1: float, thrives: bool) -> Scene:
    value, gradient = forward_and_backward(x1, x2, w11, v1, float(thrives))
    forward = _graph("forward: activations and weights", value, value, FORWARD, 0.6, 2)
    backward = _graph("backward: gradients of the loss", gradient, gradient, BACKWARD, 0.05, 3)
    status = (
        f"ŷ = {value['out']:.2f}, target {int(thrives)}: the loss is {value['loss']:.3f}. "
        f"{_remark(value, gradient)}"
    )
    return Scene([forward, backward], status=status)


@functools.cache
def network() -> Explorer:
    """The 2-2-1 network of the lesson: activations forward, gradients backward."""
    return Explorer(
        name="foundations-network",
        title="Forward and backward through nine parameters",
        controls=dict(
            x1=Slider("water x₁", -2.0, 2.0, 1.0, start=1.0),
            x2=Slider("sun x₂", -1.0, 1.0, 0.5, start=0.5),
            w11=Slider("weight w₁₁, water to h₁", -3.0, 3.0, 1.0, start=1.0),
            v1=Slider("weight v₁, h₁ to ŷ", -4.0, 4.0, 2.0, start=-2.0),
            thrives=Toggle("the plant thrives (y = 1)", start=True),
        ),
        scene=_network_scene,
        storyboard=[
            dict(),
            dict(thrives=False),
            dict(v1=0.0),
            dict(x1=2.0, w11=3.0),
        ],
        alt=(
            "A network of two inputs, two hidden units and one output, drawn twice: on the left "
            "with its activations and weights, on the right with the gradient of the loss at every "
            "unit and weight."
        ),
    )


# --- E2: gradient descent on a parabola ----------------------------------------------------------

START, LOWEST = -1.0, 1.0  # where the walk starts, and where the minimum is
STEPS = 12
FLOOR, CEILING = 1e-5, 1e4
CURVATURES = {"1": 1.0, "2": 2.0, "4": 4.0}


def descend(curvature: float, lr: float, steps: int) -> list[float]:
    """Positions of gradient descent on ``curvature / 2 * (w - LOWEST)**2``: steps + 1 numbers."""
    w = [START]
    for _ in range(steps):
        w.append(w[-1] - lr * curvature * (w[-1] - LOWEST))
    return w


def behavior(factor: float) -> str:
    """What a walk does whose distance from the minimum is multiplied by ``factor`` each step."""
    if math.isclose(abs(factor), 1.0, abs_tol=1e-9):
        return "it jumps to and fro forever: the border"
    if abs(factor) > 1:
        return "it moves away: diverging"
    if math.isclose(factor, 0.0, abs_tol=1e-9):
        return "one step is enough"
    if factor < 0:
        return "it swings from side to side, closer each time: oscillating"
    return "it creeps closer: slow" if factor > 0.75 else "it comes closer steadily: good"


def _parabola(w: float, curvature: float) -> float:
    return curvature / 2 * (w - LOWEST) ** 2


def _descent_scene(curvature: str, lr: float, step: int) -> Scene:
    bend = CURVATURES[curvature]
    path = descend(bend, lr, int(step))
    grid = [-2.5 + 0.05 * k for k in range(141)]
    losses = [_parabola(w, bend) for w in path]
    valley = [
        Line(grid, [_parabola(w, bend) for w in grid], color="muted", label="loss"),
        Line(path, losses, color="blue", width=1.5, label="steps"),
        Points(path, losses, color="blue", size=4),
        Points([path[-1]], [losses[-1]], color="vermillion", marker="diamond", size=7, label="now"),
    ]
    shown = [min(max(loss, FLOOR), CEILING) for loss in losses]
    history = [
        Line(range(len(shown)), shown, color="blue", label="loss by step"),
        Points([len(shown) - 1], [shown[-1]], color="vermillion", marker="diamond", size=7),
    ]
    factor = 1 - lr * bend
    status = (
        f"Learning rate × curvature = {lr * bend:.2f}. Each step multiplies the distance from the "
        f"minimum by {_number(factor, 2)}: {behavior(factor)}."
    )
    top = 2.4 * _parabola(START, bend)
    panels = [
        Panel(valley, xlim=(-2.5, 4.5), ylim=(-0.06 * top, top), xlabel="weight w", ylabel="loss"),
        Panel(
            history,
            xlim=(-0.4, STEPS + 0.4),
            ylim=(FLOOR / 2, CEILING),
            yscale="log",
            xlabel="step",
            ylabel="loss (log scale)",
        ),
    ]
    return Scene(panels, status=status, diverged=abs(factor) > 1 + 1e-9)


@functools.cache
def descent() -> Explorer:
    """Gradient descent on a parabola: slow, good, oscillating, diverging."""
    return Explorer(
        name="foundations-descent",
        title="One weight, one learning rate",
        controls=dict(
            lr=Slider("learning rate η", 0.05, 2.2, 0.05, start=0.1),
            curvature=Choice("curvature", list(CURVATURES), start="2"),
            step=Slider("step", 0, STEPS, 1, start=STEPS),
        ),
        scene=_descent_scene,
        storyboard=[dict(lr=0.1), dict(lr=0.4), dict(lr=0.9), dict(lr=1.05)],
        alt=(
            "A parabola with the path of gradient descent on it, and the loss after each step on a "
            "log axis. A small learning rate creeps, a larger one arrives, an even larger one "
            "swings from side to side, and beyond a border the path leaves the valley."
        ),
    )
