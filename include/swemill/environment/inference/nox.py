"""What nox would do in the sessions that run the tests. ``noxfile.py`` is read as a syntax tree and never run."""

import ast
from collections.abc import Iterator
from typing import Any

from swemill.environment.inference.command_lines import command
from swemill.environment.inference.contexts import Context, Kind, Wants, is_other_work, is_test_work, runs_tests
from swemill.environment.inference.installs import pip_arguments
from swemill.environment.inference.literals import Names, calls, parse_python
from swemill.environment.inference.sources import Sources, as_texts
from swemill.environment.inference.versions import minors

_INSTALLS = ("install",)
_RUNS = ("run", "run_always", "run_install")


def nox_contexts(sources: Sources) -> list[Context]:
    """The sessions that run tests, those named after them first."""
    tree = parse_python(sources.text("noxfile.py"))
    names = Names()
    names.read(tree.body)
    found = [
        session
        for function in tree.body
        if isinstance(function, ast.FunctionDef) and (session := _session(function, names)) is not None
    ]
    return sorted(found, key=lambda context: not is_test_work(context.where.partition(" ")[2]))[:3]


def _session(function: ast.FunctionDef, outer: Names) -> Context | None:
    settings = _settings(function, outer)
    if settings is None:
        return None
    name = next(iter(as_texts(settings.get("name"))), function.name)
    names = Names(outer.known)
    names.read(function.body)
    words = [(call, _words(call, names)) for call in calls(function, *_INSTALLS, *_RUNS)]
    commands = tuple(command(run) for call, run in words if _method(call) in _RUNS and run)
    if is_other_work(name) or not (is_test_work(name) or runs_tests(commands)):
        return None
    wants = Wants()
    for call, arguments in words:
        if _method(call) in _INSTALLS:
            wants += pip_arguments(arguments)
    return Context(
        kind=Kind.NOX,
        where=f"noxfile.py {name}",
        pythons=tuple(minors(as_texts(settings.get("python")))),
        commands=commands,
        wants=wants,
        variables=_variables(function, names),
    )


def _settings(function: ast.FunctionDef, names: Names) -> dict[str, Any] | None:
    """The arguments of ``@nox.session``; None when the function is no session."""
    found: dict[str, Any] | None = None
    for decorator in function.decorator_list:
        call = decorator if isinstance(decorator, ast.Call) else None
        target = call.func if call else decorator
        name = target.attr if isinstance(target, ast.Attribute) else getattr(target, "id", "")
        if name == "session":
            found = {**(found or {}), **(names.keywords(call) if call else {})}
            if call and call.args:
                found.setdefault("python", names.get(call.args[0]))
        elif name == "parametrize" and call and len(call.args) >= 2 and names.get(call.args[0]) == "python":
            found = {**(found or {}), "python": names.get(call.args[1])}
    return found


def _words(call: ast.Call, names: Names) -> list[str]:
    """The arguments that are texts; ``*session.posargs`` and what is computed are left out."""
    return list(_texts(call, names))[:200]


def _texts(call: ast.Call, names: Names) -> Iterator[str]:
    for argument in call.args:
        if isinstance(argument, ast.Starred):
            yield from as_texts(names.get(_otherwise(argument.value)))
        else:
            value = names.get(argument)
            if isinstance(value, str):
                yield value


def _otherwise(node: ast.expr) -> ast.expr:
    """The default of ``session.posargs or ["tests"]``, also in brackets and as a conditional expression."""
    if isinstance(node, ast.BoolOp):
        return node.values[-1]
    return node.orelse if isinstance(node, ast.IfExp) else node


def _method(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else ""


def _variables(function: ast.FunctionDef, names: Names) -> dict[str, str]:
    found: dict[str, str] = {}
    for call in calls(function, *_RUNS):
        given = names.keywords(call).get("env")
        for name, value in given.items() if isinstance(given, dict) else ():
            if isinstance(name, str) and isinstance(value, str):
                found[name] = value
    return found
