"""What Python code says without being run: literals, and names that a module binds to them.

``setup.py`` and ``noxfile.py`` are a stranger's programs. They are read as syntax trees; what is not plainly a literal
is unknown and counts as absent.
"""

import ast
import re
import warnings
from collections.abc import Iterator, Mapping
from typing import Any

LARGEST_PROGRAM = 64 << 10
"""Characters of a program that is read; what configures a build or a session is far smaller."""
_DEEPEST = 30
_LARGEST = 2_000
"""Items of a list or table that is put together."""
_MOST_WORK = 500_000
"""Items and letters that are copied on the way to the literals of one scope."""
_PRINT = re.compile(
    r"^(\s*(?:(?:if|elif|else|for|while|try|except|finally)\b[^#'\"]*:\s*)?)"
    r"(print\s*(?![(=\s.,\])])|exec\s+['\"\w]|raise\s+\w+\s*,).*$"
)
_CAUGHT = re.compile(r"^(\s*except\s+[\w.() ,]+?)\s*,\s*(\w+)\s*:")


class Unknown(Exception):
    """An expression that is no literal."""


def parse_python(text: str) -> ast.Module:
    """The syntax tree; an empty one when it is no Python or too large. What only Python 2 understood is mended once."""
    if len(text) > LARGEST_PROGRAM:
        return ast.Module(body=[], type_ignores=[])
    for attempt in (text, _modern(text)):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                return ast.parse(attempt)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            continue
    return ast.Module(body=[], type_ignores=[])


def _modern(text: str) -> str:
    lines = (_CAUGHT.sub(r"\1 as \2:", _PRINT.sub(r"\1pass", line)) for line in text.split("\n") if len(line) < 1_000)
    return "\n".join(line.expandtabs() for line in lines)


class Names:
    """The names of a module, or of a function in it, as far as literals are bound to them."""

    def __init__(self, outer: Mapping[str, Any] | None = None) -> None:
        self.known: dict[str, Any] = dict(outer or {})
        self._left = _MOST_WORK

    def read(self, statements: list[ast.stmt]) -> None:
        """Take in the assignments of these statements, in order; branches and loops are passed over."""
        for statement in statements:
            if isinstance(statement, ast.Assign):
                for target in statement.targets:
                    self._assign(target, statement.value)
            elif isinstance(statement, ast.AnnAssign) and statement.value is not None:
                self._assign(statement.target, statement.value)
            elif isinstance(statement, ast.AugAssign):
                self._extend(statement.target, statement.value)
            elif isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call):
                self._method(statement.value)

    def value(self, node: ast.AST | None, depth: int = 0) -> Any:
        """The literal that an expression stands for. Raises Unknown."""
        if depth > _DEEPEST or node is None:
            raise Unknown
        if isinstance(node, ast.Constant):
            return node.value
        if isinstance(node, ast.Name):
            if node.id not in self.known:
                raise Unknown
            return self.known[node.id]
        if isinstance(node, (ast.List, ast.Tuple, ast.Set)):
            return self._items(node.elts, depth)
        if isinstance(node, ast.Dict):
            return self._table(node, depth)
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
            return self._sum(self.value(node.left, depth + 1), self.value(node.right, depth + 1))
        if isinstance(node, ast.Subscript):
            return _item(self.value(node.value, depth + 1), self.value(node.slice, depth + 1))
        if isinstance(node, ast.Call):
            return self._call(node, depth)
        return self._composed(node, depth)

    def _composed(self, node: ast.AST, depth: int) -> Any:
        if isinstance(node, ast.JoinedStr):
            return "".join(str(self.value(part, depth + 1)) for part in node.values)
        if isinstance(node, ast.FormattedValue):
            return self.value(node.value, depth + 1)
        if isinstance(node, ast.BoolOp) and isinstance(node.op, ast.Or):
            return next((found for part in node.values if (found := self.get(part, depth=depth + 1))), None)
        raise Unknown

    def get(self, node: ast.AST | None, *, depth: int = 0) -> Any:
        """The literal, or None."""
        try:
            return self.value(node, depth)
        except Unknown:
            return None

    def keywords(self, call: ast.Call) -> dict[str, Any]:
        """The keyword arguments that are literals, ``**name`` included."""
        found: dict[str, Any] = {}
        for keyword in call.keywords[:200]:
            value = self.get(keyword.value)
            if keyword.arg is not None and value is not None:
                found[keyword.arg] = value
            elif keyword.arg is None and isinstance(value, dict):
                found.update(value)
        return found

    def _sum(self, left: Any, right: Any) -> Any:
        if not any(isinstance(left, kind) and isinstance(right, kind) for kind in (list, str)):
            raise Unknown
        self._pay(len(left) + len(right))
        return left + right

    def _pay(self, work: int) -> None:
        self._left -= work
        if self._left < 0:
            raise Unknown

    def _items(self, nodes: list[ast.expr], depth: int) -> list[Any]:
        found: list[Any] = []
        for node in nodes[:_LARGEST]:
            starred = isinstance(node, ast.Starred)
            try:
                value = self.value(node.value if isinstance(node, ast.Starred) else node, depth + 1)
            except Unknown:
                continue  # the rest of the list is still true
            found += value if starred and isinstance(value, list) else [value]
            if len(found) > _LARGEST:
                raise Unknown
        return found

    def _table(self, node: ast.Dict, depth: int) -> dict[Any, Any]:
        found: dict[Any, Any] = {}
        for key, value in zip(node.keys[:_LARGEST], node.values[:_LARGEST], strict=True):
            try:
                if key is None:
                    more = _checked(self.value(value, depth + 1), dict)
                    self._pay(len(more))
                    found |= more
                else:
                    found[_checked(self.value(key, depth + 1), str)] = self.value(value, depth + 1)
            except Unknown:
                continue
        return found

    def _call(self, node: ast.Call, depth: int) -> Any:
        name = node.func
        if isinstance(name, ast.Name) and name.id == "dict" and not node.args:
            return self.keywords(node)
        if isinstance(name, ast.Name) and name.id in ("list", "sorted", "set", "tuple") and len(node.args) == 1:
            return _checked(self.value(node.args[0], depth + 1), list)
        if isinstance(name, ast.Name) and name.id == "filter" and len(node.args) == 2:
            items = _checked(self.value(node.args[1], depth + 1), list)
            self._pay(len(items))
            return [item for item in items if item]
        if isinstance(name, ast.Attribute) and name.attr in ("split", "splitlines", "strip") and len(node.args) <= 1:
            text = _checked(self.value(name.value, depth + 1), str)
            self._pay(len(text))
            if name.attr == "strip":
                return text.strip()
            by_line = name.attr == "splitlines" or bool(node.args)
            return [line.strip() for line in (text.splitlines() if by_line else text.split()) if line.strip()]
        raise Unknown

    def _assign(self, target: ast.expr, value: ast.expr) -> None:
        if isinstance(target, ast.Name):
            self.known.pop(target.id, None)
            if (found := self.get(value)) is not None:
                self.known[target.id] = found
        elif isinstance(target, ast.Subscript):
            table, key, found = self.get(target.value), self.get(target.slice), self.get(value)
            if isinstance(table, dict) and isinstance(key, str) and found is not None and len(table) < _LARGEST:
                table[key] = found

    def _extend(self, target: ast.expr, value: ast.expr) -> None:
        if isinstance(target, ast.Name) and target.id in self.known:
            try:
                self.known[target.id] = self._sum(self.known[target.id], self.value(value))
            except Unknown:
                return

    def _method(self, call: ast.Call) -> None:
        if not isinstance(call.func, ast.Attribute) or len(call.args) != 1:
            return
        held, given = self.get(call.func.value), self.get(call.args[0])
        if isinstance(held, list) and len(held) < _LARGEST:
            if call.func.attr == "append" and isinstance(given, str):
                held.append(given)
            elif call.func.attr == "extend" and isinstance(given, list) and len(given) < _LARGEST:
                held.extend(given)
        elif isinstance(held, dict) and isinstance(given, dict) and call.func.attr == "update":
            held.update(given)


def calls(tree: ast.AST, *names: str) -> Iterator[ast.Call]:
    """The calls of functions or methods of these names, in the order of the text."""
    found = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and (node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")) in names
    ]
    yield from sorted(found, key=lambda call: (call.lineno, call.col_offset))


def _checked(value: Any, kind: type) -> Any:
    if not isinstance(value, kind):
        raise Unknown
    return value


def _item(holder: Any, key: Any) -> Any:
    if isinstance(holder, dict) and isinstance(key, str) and key in holder:
        return holder[key]
    raise Unknown
