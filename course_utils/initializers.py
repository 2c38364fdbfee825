"""The registry of initializations: one entry for each, from which lesson 3.4 makes its table.

Every entry states the standard deviation that it promises as a function of the fans, so that the
lesson can draw weights and hold the promise against them.

References:
    LeCun, Bottou, Orr and Müller (1998), 1/√fan-in; Glorot and Bengio (2010), Xavier; Saxe,
    McClelland and Ganguli (2014), orthogonal; He, Zhang, Ren and Sun (2015), Kaiming.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from torch import Tensor, nn

__all__ = ["INITIALIZERS", "Initializer", "table"]


@dataclass(frozen=True)
class Initializer:
    r"""What the course knows about one initialization.

    Attributes:
        name: Name in prose.
        code: How it is written; ``w`` is the weight.
        formula: LaTeX of the standard deviation or bound, without dollar signs.
        suits: Where it belongs.
        pitfall: What goes wrong with it.
        fill: Fills a weight (out, in) in place.
        std: Standard deviation that it promises for ``fan_in`` and ``fan_out``.
    """

    name: str
    code: str
    formula: str
    suits: str
    pitfall: str
    fill: Callable[[Tensor], Tensor]
    std: Callable[[int, int], float]


INITIALIZERS = (
    Initializer(
        name="zeros, constant",
        code="zeros_(w)",
        formula=r"\text{std} = 0",
        suits="biases; never the weights of a hidden layer",
        pitfall="all units of a layer stay equal",
        fill=nn.init.zeros_,
        std=lambda i, o: 0.0,
    ),
    Initializer(
        name="Xavier (Glorot) normal",
        code="xavier_normal_(w)",
        formula=r"\text{std} = \sqrt{2/(n_\text{in}+n_\text{out})}",
        suits="tanh, linear layers, attention",
        pitfall="fades under ReLU",
        fill=nn.init.xavier_normal_,
        std=lambda i, o: math.sqrt(2 / (i + o)),
    ),
    Initializer(
        name="Xavier (Glorot) uniform",
        code="xavier_uniform_(w)",
        formula=r"\pm\sqrt{6/(n_\text{in}+n_\text{out})}",
        suits="the same; equal in effect",
        pitfall="the bound is not the std: std = bound/√3",
        fill=nn.init.xavier_uniform_,
        std=lambda i, o: math.sqrt(2 / (i + o)),
    ),
    Initializer(
        name="Kaiming (He) normal",
        code='kaiming_normal_(w, nonlinearity="relu")',
        formula=r"\text{std} = \sqrt{2/n_\text{in}}",
        suits="ReLU and its relatives",
        pitfall="for leaky slopes pass `a`; too large for logits",
        fill=lambda w: nn.init.kaiming_normal_(w, nonlinearity="relu"),
        std=lambda i, o: math.sqrt(2 / i),
    ),
    Initializer(
        name="Kaiming (He) uniform",
        code='kaiming_uniform_(w, nonlinearity="relu")',
        formula=r"\pm\sqrt{6/n_\text{in}}",
        suits="the same; equal in effect",
        pitfall="its defaults are `a=0` and leaky_relu: the gain is √2 anyway",
        fill=lambda w: nn.init.kaiming_uniform_(w, nonlinearity="relu"),
        std=lambda i, o: math.sqrt(2 / i),
    ),
    Initializer(
        name="Kaiming, fan-out",
        code='kaiming_normal_(w, mode="fan_out", nonlinearity="relu")',
        formula=r"\text{std} = \sqrt{2/n_\text{out}}",
        suits="convolutions followed by a normalization",
        pitfall="enormous in a linear layer with few outputs",
        fill=lambda w: nn.init.kaiming_normal_(w, mode="fan_out", nonlinearity="relu"),
        std=lambda i, o: math.sqrt(2 / o),
    ),
    Initializer(
        name="orthogonal",
        code="orthogonal_(w, gain)",
        formula=r"\text{std} = g/\sqrt{\max(n_\text{in}, n_\text{out})}",
        suits="recurrent weights, very deep stacks",
        pitfall="a stack of gates is not orthogonal gate by gate",
        fill=nn.init.orthogonal_,
        std=lambda i, o: 1 / math.sqrt(max(i, o)),
    ),
    Initializer(
        name="truncated normal",
        code="trunc_normal_(w, std=s, a=-2*s, b=2*s)",
        formula=r"\text{std} \approx 0.88\,s",
        suits="transformers, with s = 0.02",
        pitfall="a and b are absolute bounds, ±2 by default",
        fill=lambda w: nn.init.trunc_normal_(w, std=0.02, a=-0.04, b=0.04),
        std=lambda i, o: 0.02 * TRUNCATED_AT_2,
    ),
    Initializer(
        name="PyTorch's default",
        code="kaiming_uniform_(w, a=math.sqrt(5))",
        formula=r"\pm 1/\sqrt{n_\text{in}},\ \text{std} = 1/\sqrt{3\,n_\text{in}}",
        suits="shallow networks; networks with normalization",
        pitfall="called Kaiming, but √6 smaller: fades with depth",
        fill=lambda w: nn.init.kaiming_uniform_(w, a=math.sqrt(5)),
        std=lambda i, o: 1 / math.sqrt(3 * i),
    ),
)

_DENSITY_AT_2 = math.exp(-2) / math.sqrt(2 * math.pi)
TRUNCATED_AT_2 = math.sqrt(1 - 4 * _DENSITY_AT_2 / math.erf(math.sqrt(2)))
"""Standard deviation of a standard normal number that is cut off at ±2, about 0.880."""


def table(entries: Iterable[Initializer] = INITIALIZERS) -> str:
    """Write the registry as a markdown table.

    Args:
        entries: Which entries; all by default.

    Returns:
        The table, with formulas in LaTeX.
    """
    rows = [
        "| initialization | in `nn.init` | std or bound | suits | pitfall |",
        "|---|---|---|---|---|",
    ]
    for e in entries:
        rows.append(f"| {e.name} | `{e.code}` | ${e.formula}$ | {e.suits} | {e.pitfall} |")
    return "\n".join(rows)
