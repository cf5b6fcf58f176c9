"""The arguments of ``setup()`` in a ``setup.py``, as far as they are literals. The file is never run."""

import ast
import re
from collections.abc import Mapping
from typing import Any

from swemill.environment.inference.literals import Names, calls, parse_python

_REQUIRES_PYTHON = re.compile(r"python_requires\s*=\s*['\"]([^'\"]{1,100})['\"]")


def setup_arguments(text: str) -> Mapping[str, Any]:
    """Keyword arguments of ``setup(...)``: those that are literals, or names bound to literals.

    Args:
        text: the content of ``setup.py``.
    """
    if not text.strip():
        return {}
    tree = parse_python(text)
    names = Names()
    names.read(tree.body)
    found: dict[str, Any] = {}
    for scope in (tree, *_functions(tree)):
        inner = names
        if isinstance(scope, ast.FunctionDef):
            inner = Names(names.known)
            inner.read(scope.body)
        for call in calls(scope, "setup"):
            for name, value in inner.keywords(call).items():
                found.setdefault(name, value)
    if "python_requires" not in found and (said := _REQUIRES_PYTHON.search(text)):
        found["python_requires"] = said[1]
    return found


def _functions(tree: ast.Module) -> list[ast.FunctionDef]:
    """The functions of the module, and the branches like ``if __name__ == "__main__"`` count as the module."""
    return [node for node in tree.body if isinstance(node, ast.FunctionDef)][:50]
