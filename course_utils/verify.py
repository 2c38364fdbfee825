"""Claims with evidence: every number and every takeaway of a lesson stands on a ``verify``."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

__all__ = ["ClaimError", "verify"]

_FEW = 8  # arrays up to this many elements are shown in full


class ClaimError(AssertionError):
    """A claim does not hold.

    Attributes:
        claim: the sentence that was claimed.
        evidence: the values passed beside it, by name.
    """

    def __init__(self, claim: str, evidence: dict[str, Any] | None = None) -> None:
        self.claim = claim
        self.evidence = dict(evidence or {})
        super().__init__(claim, self.evidence)

    def __str__(self) -> str:
        lines = [f"✗ {self.claim}"]
        if self.evidence:
            width = max(len(name) for name in self.evidence)
            indent = " " * (width + 5)
            for name, value in self.evidence.items():
                text = _show(value).replace("\n", "\n" + indent)
                lines.append(f"  {name:<{width}} = {text}")
        else:
            lines.append(
                "  (no evidence was given: pass the values, as in verify(claim, a < b, a=a, b=b))"
            )
        return "\n".join(lines)


def verify(claim: str, holds: object, **evidence: Any) -> None:
    """Print ``✓ claim`` if the claim holds, otherwise raise with the claim and its evidence.

    Args:
        claim: a full sentence a reader can agree or disagree with.
        holds: a bool, a NumPy bool, or a bool tensor or array with exactly one element.
        **evidence: values to show if the claim does not hold. They are not printed otherwise.

    Raises:
        ClaimError: (an ``AssertionError``) if ``holds`` is false.
        TypeError: if ``claim`` is not a sentence or ``holds`` is not a single truth value.

    Example:
        >>> slope = torch.tensor([0.10, 0.25, 0.10])
        >>> verify("Sigmoid's slope never exceeds 1/4", slope.max() <= 0.25, slope=slope)
        ✓ Sigmoid's slope never exceeds 1/4
    """
    if not isinstance(claim, str) or not claim.strip():
        raise TypeError(
            "verify(claim, holds): the claim is a sentence in quotes and comes first; "
            f"got {type(claim).__name__}."
        )
    if not _truth(holds):
        raise ClaimError(claim, evidence)
    print(f"✓ {claim}")


def _truth(holds: object) -> bool:
    """The truth value of ``holds``; refuses whatever Python would guess about."""
    if isinstance(holds, (bool, np.bool_)):
        return bool(holds)
    if isinstance(holds, torch.Tensor):
        kind, is_bool, size = "tensor", holds.dtype == torch.bool, holds.numel()
        shape = tuple(holds.shape)
    elif isinstance(holds, np.ndarray):
        kind, is_bool, size, shape = "array", holds.dtype == np.bool_, holds.size, holds.shape
    else:
        hint = "Compare something: a == b, a < b, torch.allclose(a, b)."
        if isinstance(holds, str):
            hint = "The claim comes first and the truth value second. " + hint
        elif isinstance(holds, (list, tuple)):
            hint = "For several truth values use all(...) or any(...)."
        raise TypeError(f"verify needs one truth value, got {_kind(holds)}. {hint}")
    if not is_bool:
        raise TypeError(
            f"verify needs a truth value, got a {kind} of {holds.dtype}. Compare it first: "
            "value == expected, value < bound, torch.allclose(a, b)."
        )
    if size != 1:
        raise TypeError(
            f"verify needs one truth value, got a bool {kind} of shape {shape}. "
            "Say what you mean: (…).all() or (…).any()."
        )
    return bool(holds)


def _kind(value: object) -> str:
    return "None" if value is None else f"{type(value).__name__} {value!r:.60}"


def _show(value: object) -> str:
    """One readable line for a value: numbers to 8 digits, long arrays by shape and range."""
    if isinstance(value, torch.Tensor):
        value = value.detach().cpu()
        value = value.float().numpy() if value.dtype == torch.bfloat16 else value.numpy()
    if isinstance(value, (np.ndarray, np.generic)):
        if value.ndim == 0:
            return _show(value.item())
        if value.size <= _FEW:
            return np.array2string(value, precision=8, separator=", ")
        text = f"array of shape {value.shape}, {value.dtype}"
        if value.dtype == np.bool_:
            return f"{text}, {int(value.sum())} of {value.size} true"
        if value.dtype.kind in "iuf":
            nan = int(np.isnan(value).sum())
            if nan == value.size:
                return f"{text}, all NaN"
            text += f", from {_show(np.nanmin(value).item())} to {_show(np.nanmax(value).item())}"
            return text + (f", {nan} NaN" if nan else "")
        return text
    if isinstance(value, float):
        return f"{value:.8g}"
    text = repr(value)
    return text if len(text) <= 300 else text[:299] + "…"
