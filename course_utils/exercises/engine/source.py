"""Source text of reference solutions, as a learner would write them."""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
from collections.abc import Callable
from typing import Any


def source_of(solution: Callable[..., Any], name: str) -> str:
    """Source of a reference function or class under the name that the notebook uses.

    Args:
        solution: Function or class written with ``def`` or ``class`` in a file.
        name: Name of the notebook's stub.

    Returns:
        Dedented source without decorators' leftovers; ends without a newline.

    Raises:
        ValueError: If there is no source, or it is not a ``def`` or ``class``.
    """
    try:
        text = textwrap.dedent(inspect.getsource(solution)).strip()
    except (OSError, TypeError) as error:
        raise ValueError(f"no source for the solution {name!r}: write it in a file") from error
    own = solution.__name__
    if not re.search(rf"^(async )?(def|class) {re.escape(own)}\b", text, re.MULTILINE):
        raise ValueError(f"the solution {name!r} must be written with def or class")
    return re.sub(rf"\b{re.escape(own)}\b", name, text)


def stub_of(source: str) -> str:
    """Turn a reference solution into the notebook's stub: same signatures, bodies of ``...``."""
    node = ast.parse(source).body[0]
    methods = node.body if isinstance(node, ast.ClassDef) else [node]
    for method in methods:
        if isinstance(method, ast.FunctionDef):
            method.body = [ast.Expr(ast.Constant(...))]
            method.returns = None
    if isinstance(node, ast.ClassDef):
        node.body = [m for m in methods if isinstance(m, ast.FunctionDef)] or [
            ast.Expr(ast.Constant(...))
        ]
    return ast.unparse(node)
