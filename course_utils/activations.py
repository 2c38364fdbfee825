"""The registry of activation functions: one entry for each, used by tables, figures and explorers.

Whatever a lesson says about an activation comes from here, so the table, the figures, the explorers
and the checks of lesson 3.2 cannot disagree. The formulas in code are not here: the lesson writes
them by hand, in front of the reader, and compares them with torch.

References:
    Maas, Hannun and Ng (2013), leaky ReLU; Clevert, Unterthiner and Hochreiter (2016), ELU;
    Klambauer et al. (2017), SELU; Hendrycks and Gimpel (2016), GELU; Ramachandran, Zoph and Le
    (2017), Swish; Misra (2020), Mish; Howard et al. (2019), hard swish.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

LINE_STYLES = {"solid": "-", "dashed": "--", "dotted": ":"}

SELU_SCALE = 1.0507009873554805
SELU_ALPHA = 1.6732632423543772


@dataclass(frozen=True)
class Activation:
    r"""What the course knows about one activation function.

    Attributes:
        key: Name in code, for example ``"leaky_relu"``.
        name: Name in prose and legends.
        formula: LaTeX of f(x), without dollar signs.
        derivative: LaTeX of f'(x), without dollar signs.
        range: LaTeX of the set of values.
        use: Where it is the usual choice, in a few words.
        module: The module form, as code.
        functional: The functional form, as code.
        build: Makes the module.
        function: The functional form, as a function of one tensor.
        color: Name of its color in every figure (Okabe-Ito).
        dash: Its line style in every figure: solid, dashed or dotted.
        minimum: Lowest value the function takes or approaches; minus infinity if none.
        maximum: Highest value the function takes or approaches; infinity if none.
        elementwise: False for functions of a whole vector (softmax, log-softmax).
    """

    key: str
    name: str
    formula: str
    derivative: str
    range: str
    use: str
    module: str
    functional: str
    build: Callable[[], nn.Module]
    function: Callable[[Tensor], Tensor]
    color: str
    dash: str
    minimum: float
    maximum: float
    elementwise: bool = True

    def __call__(self, x: Tensor) -> Tensor:
        """Apply the functional form to a tensor of any shape; the shape stays."""
        return self.function(x)

    @property
    def style(self) -> dict[str, str]:
        """Color, line style and label for ``ax.plot(x, y, **activation.style)``."""
        from course_utils.plotting import OKABE_ITO

        return {
            "color": OKABE_ITO[self.color],
            "linestyle": LINE_STYLES[self.dash],
            "label": self.name,
        }


_INF = float("inf")

_ENTRIES = (
    Activation(
        key="sigmoid",
        name="Sigmoid",
        formula=r"\sigma(x) = \frac{1}{1 + e^{-x}}",
        derivative=r"\sigma(x)\,(1 - \sigma(x))",
        range=r"(0, 1)",
        use="a probability of one event; gates in an LSTM",
        module="nn.Sigmoid()",
        functional="torch.sigmoid(x)",
        build=nn.Sigmoid,
        function=torch.sigmoid,
        color="vermillion",
        dash="solid",
        minimum=0.0,
        maximum=1.0,
    ),
    Activation(
        key="tanh",
        name="Tanh",
        formula=r"\tanh x = \frac{e^{x} - e^{-x}}{e^{x} + e^{-x}}",
        derivative=r"1 - \tanh^2 x",
        range=r"(-1, 1)",
        use="the state of an RNN or LSTM; outputs bounded on both sides",
        module="nn.Tanh()",
        functional="torch.tanh(x)",
        build=nn.Tanh,
        function=torch.tanh,
        color="purple",
        dash="dashed",
        minimum=-1.0,
        maximum=1.0,
    ),
    Activation(
        key="relu",
        name="ReLU",
        formula=r"\max(0, x)",
        derivative=r"1 \text{ if } x > 0 \text{ else } 0",
        range=r"[0, \infty)",
        use="hidden layers: the simple first choice",
        module="nn.ReLU()",
        functional="F.relu(x)",
        build=nn.ReLU,
        function=F.relu,
        color="blue",
        dash="solid",
        minimum=0.0,
        maximum=_INF,
    ),
    Activation(
        key="leaky_relu",
        name="LeakyReLU",
        formula=r"x \text{ if } x > 0 \text{ else } a x,\; a = 0.01",
        derivative=r"1 \text{ if } x > 0 \text{ else } a",
        range=r"(-\infty, \infty)",
        use="hidden layers where ReLU units die",
        module="nn.LeakyReLU(0.01)",
        functional="F.leaky_relu(x, 0.01)",
        build=lambda: nn.LeakyReLU(0.01),
        function=lambda x: F.leaky_relu(x, 0.01),
        color="sky",
        dash="dotted",
        minimum=-_INF,
        maximum=_INF,
    ),
    Activation(
        key="elu",
        name="ELU",
        formula=r"x \text{ if } x > 0 \text{ else } \alpha(e^{x} - 1),\; \alpha = 1",
        derivative=r"1 \text{ if } x > 0 \text{ else } \alpha e^{x}",
        range=r"(-\alpha, \infty)",
        use="hidden layers; outputs nearer to zero mean",
        module="nn.ELU(1.0)",
        functional="F.elu(x, 1.0)",
        build=lambda: nn.ELU(1.0),
        function=lambda x: F.elu(x, 1.0),
        color="green",
        dash="dashed",
        minimum=-1.0,
        maximum=_INF,
    ),
    Activation(
        key="selu",
        name="SELU",
        formula=r"\lambda \cdot \mathrm{ELU}_{\alpha}(x),\; \lambda \approx 1.051,\; "
        r"\alpha \approx 1.673",
        derivative=r"\lambda \text{ if } x > 0 \text{ else } \lambda \alpha e^{x}",
        range=r"(-\lambda\alpha, \infty)",
        use="deep plain networks with weights of variance 1/fan-in",
        module="nn.SELU()",
        functional="F.selu(x)",
        build=nn.SELU,
        function=F.selu,
        color="green",
        dash="dotted",
        minimum=-SELU_SCALE * SELU_ALPHA,
        maximum=_INF,
    ),
    Activation(
        key="gelu",
        name="GELU",
        formula=r"x\,\Phi(x)",
        derivative=r"\Phi(x) + x\,\varphi(x)",
        range=r"[-0.17, \infty)",
        use="many transformers (BERT, GPT-2, ViT)",
        module="nn.GELU()",
        functional="F.gelu(x)",
        build=nn.GELU,
        function=F.gelu,
        color="orange",
        dash="dotted",
        minimum=-0.16997,
        maximum=_INF,
    ),
    Activation(
        key="silu",
        name="SiLU (Swish)",
        formula=r"x\,\sigma(x)",
        derivative=r"\sigma(x)\,(1 + x\,(1 - \sigma(x)))",
        range=r"[-0.28, \infty)",
        use="hidden layers of EfficientNet; inside the SwiGLU blocks of LLaMA",
        module="nn.SiLU()",
        functional="F.silu(x)",
        build=nn.SiLU,
        function=F.silu,
        color="black",
        dash="dashed",
        minimum=-0.27847,
        maximum=_INF,
    ),
    Activation(
        key="mish",
        name="Mish",
        formula=r"x\,\tanh(\mathrm{softplus}(x))",
        derivative=r"t + x\,(1 - t^2)\,\sigma(x),\; t = \tanh(\mathrm{softplus}(x))",
        range=r"[-0.31, \infty)",
        use="a smooth alternative to ReLU (YOLOv4)",
        module="nn.Mish()",
        functional="F.mish(x)",
        build=nn.Mish,
        function=F.mish,
        color="purple",
        dash="solid",
        minimum=-0.30884,
        maximum=_INF,
    ),
    Activation(
        key="hardswish",
        name="Hardswish",
        formula=r"x \cdot \min(\max(x + 3, 0), 6) / 6",
        derivative=r"0,\; (2x + 3)/6,\; 1 \text{ (left of } -3 \text{, between, right of } 3)",
        range=r"[-0.375, \infty)",
        use="small models on phones (MobileNetV3)",
        module="nn.Hardswish()",
        functional="F.hardswish(x)",
        build=nn.Hardswish,
        function=F.hardswish,
        color="sky",
        dash="dashed",
        minimum=-0.375,
        maximum=_INF,
    ),
    Activation(
        key="softplus",
        name="Softplus",
        formula=r"\ln(1 + e^{x})",
        derivative=r"\sigma(x)",
        range=r"(0, \infty)",
        use="outputs that must be positive: a variance, a rate",
        module="nn.Softplus()",
        functional="F.softplus(x)",
        build=nn.Softplus,
        function=F.softplus,
        color="vermillion",
        dash="dotted",
        minimum=0.0,
        maximum=_INF,
    ),
    Activation(
        key="softmax",
        name="Softmax",
        formula=r"p_i = \frac{e^{x_i}}{\sum_j e^{x_j}}",
        derivative=r"\partial p_i / \partial x_j = p_i\,(\delta_{ij} - p_j)",
        range=r"(0, 1) \text{, sum } 1",
        use="to report class probabilities; attention weights",
        module="nn.Softmax(dim=-1)",
        functional="torch.softmax(x, dim=-1)",
        build=lambda: nn.Softmax(dim=-1),
        function=lambda x: torch.softmax(x, dim=-1),
        color="blue",
        dash="dotted",
        minimum=0.0,
        maximum=1.0,
        elementwise=False,
    ),
    Activation(
        key="log_softmax",
        name="LogSoftmax",
        formula=r"\ln p_i = x_i - \ln \sum_j e^{x_j}",
        derivative=r"\partial \ln p_i / \partial x_j = \delta_{ij} - p_j",
        range=r"(-\infty, 0)",
        use="log-probabilities, for example with `nn.NLLLoss`",
        module="nn.LogSoftmax(dim=-1)",
        functional="torch.log_softmax(x, dim=-1)",
        build=lambda: nn.LogSoftmax(dim=-1),
        function=lambda x: torch.log_softmax(x, dim=-1),
        color="purple",
        dash="dotted",
        minimum=-_INF,
        maximum=0.0,
        elementwise=False,
    ),
)

ACTIVATIONS: dict[str, Activation] = {entry.key: entry for entry in _ENTRIES}
"""Key -> entry, in the order in which lesson 3.2 presents them."""

ELEMENTWISE: tuple[str, ...] = tuple(entry.key for entry in _ENTRIES if entry.elementwise)
"""Keys of the functions that act on each number by itself."""

_COLUMNS = ("Name", "f(x)", "f′(x)", "Values", "Usual place", "Module", "Function")


def get(key: str) -> Activation:
    """Return one entry of the registry.

    Raises:
        KeyError: if there is no such activation; the message lists those there are.
    """
    if key not in ACTIVATIONS:
        raise KeyError(f"no activation {key!r}; choose one of {', '.join(ACTIVATIONS)}")
    return ACTIVATIONS[key]


def table(keys: Iterable[str] = tuple(ACTIVATIONS)) -> str:
    """The registry as a Markdown table, one row for each activation.

    Args:
        keys: Which activations, in which order; all of them by default.

    Returns:
        Markdown text; show it with ``IPython.display.Markdown``.
    """
    rows = [_COLUMNS, ("---",) * len(_COLUMNS)]
    for entry in map(get, keys):
        rows.append(
            (
                entry.name,
                f"${entry.formula}$",
                f"${entry.derivative}$",
                f"${entry.range}$",
                entry.use,
                f"`{entry.module}`",
                f"`{entry.functional}`",
            )
        )
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)
