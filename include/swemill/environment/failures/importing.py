"""Signs of failed imports and vanished names: whose module it is decides what was wrong."""

import re

from swemill.environment.failures.kinds import FailureKind as Kind
from swemill.environment.failures.signs import BUILDS, MODULE, NAME, TESTS, Named, Sign, Where, sign
from swemill.environment.failures.stdlib import added_in, is_python2, is_stdlib, minor, removed_in

NAMESPACES = frozenset(
    [
        "google",
        "zope",
        "ruamel",
        "backports",
        "jaraco",
        "sphinxcontrib",
        "repoze",
        "paste",
        "plone",
        "azure",
        "logilab",
        "mpl_toolkits",
        "oslo",
        "flaskext",
        "keystoneauth1",
        "lazr",
        "twisted.plugins",
        "pkg_resources.extern",
        "airflow.providers",
        "opentelemetry",
    ]
)
"""Packages that many distributions share: what is below them is a distribution of its own."""


ADDED_TO_PYTEST = {"pytest.hookimpl": "3.0", "pytest.hookspec": "3.0", "pytest.param": "3.1", "pytest.Config": "7.0"}
"""Names that reporters and plugins need -> the version of pytest that has them."""


def _module(match: re.Match[str], where: Where) -> Named | None:
    """A module that cannot be found: of Python itself, of a dependency, or nobody's."""
    module = match["module"]
    of_python = _of_python(module, where)
    if of_python:
        return of_python
    top, _, below = module.partition(".")
    if top == "pkg_resources":
        return Kind.PKG_RESOURCES_MISSING, module
    if top == "setuptools" and below:
        return Kind.SETUPTOOLS_TOO_NEW, module
    if top in ("_pytest", "pytest") and below:
        return Kind.PYTEST_TOO_NEW, module
    if top == "numpy" and below:
        return Kind.NUMPY_TOO_NEW, below
    if is_stdlib(top) and below:
        return Kind.REMOVED_STDLIB, module
    if top == "tkinter" or module == "_tkinter":
        return Kind.MISSING_LIBRARY, "tkinter"
    if below and top not in NAMESPACES:
        return Kind.REMOVED_API, module
    return (Kind.BUILD_NEEDS_MODULE if where.phase in BUILDS else Kind.MISSING_MODULE), module


def _name(match: re.Match[str], where: Where) -> Named | None:
    """A module that lacks a name."""
    line = match.string
    if "circular import" in line or "partially initialized" in line:
        return None
    module, name = match["module"], match["name"]
    full = f"{module}.{name}"
    top = module.partition(".")[0]
    if of_python := _of_python(full, where):
        return of_python
    if full in ADDED_TO_PYTEST:
        return Kind.PYTEST_TOO_OLD, ADDED_TO_PYTEST[full]
    if top in ("_pytest", "pytest", "py"):
        return (Kind.PLUGIN_TOO_OLD if where.package.startswith("pytest-") else Kind.PYTEST_TOO_NEW), full
    if top == "numpy":
        return Kind.NUMPY_TOO_NEW, full.removeprefix("numpy.")
    if top == "pkg_resources":
        return Kind.SETUPTOOLS_TOO_NEW, full
    if is_stdlib(top):
        return Kind.REMOVED_STDLIB, full
    return Kind.REMOVED_API, full


def _of_python(full: str, where: Where) -> Named | None:
    now = minor(where.python)
    if full.partition(".")[0] == "distutils" and now >= 12:
        return Kind.DISTUTILS_MISSING, full
    if is_python2(full):
        return Kind.PYTHON2_ONLY, full
    added = added_in(full)
    if added and now < minor(added):
        return Kind.PYTHON_TOO_OLD, added
    removed = removed_in(full)
    if removed and now >= minor(removed):
        return _blame(Kind.REMOVED_STDLIB, where), full
    return None


def _blame(kind: Kind, where: Where) -> Kind:
    """pytest itself uses what Python no longer has."""
    return Kind.PYTEST_TOO_OLD if where.package in ("pytest", "pluggy", "py") else kind


def _method(match: re.Match[str], where: Where) -> Named | None:
    """``'X' object has no attribute 'y'``: only known ones mean anything."""
    full = f"{match['module']}.{match['name']}"
    if match["name"] in ("iteritems", "iterkeys", "itervalues", "has_key"):
        return Kind.PYTHON2_ONLY, match["name"]
    if match["name"] in _UNITTEST_ALIASES and minor(where.python) >= 12:
        return Kind.REMOVED_STDLIB, f"unittest.{match['name']}"
    if of_python := _of_python(full, where):
        return of_python
    return (Kind.REMOVED_API, _METHODS[full]) if full in _METHODS else None


_UNITTEST_ALIASES = frozenset(
    [
        "failUnless",
        "failUnlessEqual",
        "failIf",
        "failIfEqual",
        "failUnlessRaises",
        "assertEquals",
        "assertNotEquals",
        "assert_",
        "assertAlmostEquals",
        "assertNotAlmostEquals",
        "assertRegexpMatches",
        "assertRaisesRegexp",
        "assertNotRegexpMatches",
        "assertItemsEqual",
        "assertDictContainsSubset",
    ]
)
_METHODS = {
    "EntryPoints.get": "importlib_metadata.EntryPoints.get",
    "Graph.node": "networkx.Graph.node",
    "DiGraph.node": "networkx.Graph.node",
    "DataFrame.append": "pandas.DataFrame.append",
    "Series.append": "pandas.DataFrame.append",
    "DataFrame.ix": "pandas.DataFrame.ix",
    "DataFrame.iteritems": "pandas.DataFrame.append",
    "Engine.execute": "sqlalchemy.Engine.execute",
    "FunctionSpace.cython_sources": "cython",
}


def _syntax(match: re.Match[str], where: Where) -> Named:
    del where
    words = match["words"]
    if "call to 'print'" in words or "call to 'exec'" in words or "leading zeros" in words:
        return Kind.PYTHON2_ONLY, "print" if "print" in words else "syntax"
    if "multiple exception types must be parenthesized" in words:
        return Kind.PYTHON2_ONLY, "except"
    return Kind.SYNTAX_ERROR, words[:80]


def _union(match: re.Match[str], where: Where) -> Named | None:
    del match
    return (Kind.PYTHON_TOO_OLD, "3.10") if minor(where.python) < 10 else None


def _old_bytecode(match: re.Match[str], where: Where) -> Named | None:
    """``types.CodeType`` takes more arguments since 3.8, and the syntax tree has more fields."""
    del match
    return (_blame(Kind.REMOVED_STDLIB, where), "types.CodeType") if minor(where.python) >= 8 else None


SPECIFIC: tuple[Sign, ...] = (
    sign(
        Kind.DEPENDENCY_TOO_OLD,
        r"(?:attr|attrs|attrib)\(\) got an unexpected keyword argument "
        r"'(?:type|eq|order|converter|factory|kw_only|slots)'",
        subject="attrs",
    ),
    sign(Kind.REMOVED_API, r"attrib\(\) got an unexpected keyword argument 'convert'", subject="attr.ib.convert"),
    sign(Kind.REMOVED_API, r"load\(\) missing 1 required positional argument: 'Loader'", subject="yaml.load"),
    sign(Kind.REMOVED_API, r"`BaseSettings` has been moved to", subject="pydantic.BaseSettings"),
    sign(Kind.REMOVED_API, r"use `pydantic\.RootModel`|errors\.pydantic\.dev/2\.\d{1,3}/u/", subject="pydantic.v1"),
    sign(
        Kind.REMOVED_API,
        r"__init__\(\) got an unexpected keyword argument '(?:missing|default)'",
        subject="marshmallow.fields.missing",
    ),
    sign(
        Kind.NUMPY_ABI,
        r"numpy\.(?P<subject>ndarray|dtype|ufunc) size changed|module compiled against (?:ABI|API) version|"
        r"numpy\.core\.multiarray failed to import|A module that was compiled using NumPy 1",
    ),
    sign(Kind.NUMPY_TOO_NEW, r"module 'numpy' has no attribute '(?P<subject>\w{1,40})'"),
    sign(Kind.NUMPY_TOO_NEW, r"`np\.(?P<subject>\w{1,40})` was removed in"),
    sign(Kind.PYTHON_TOO_OLD, r"unexpected keyword argument '(?:slots|kw_only)'[^\n]{0,10}$", subject="3.10"),
    sign(
        Kind.PYTHON_TOO_OLD,
        r"unsupported operand type\(s\) for \|: '(?:type|NoneType|_GenericAlias|ABCMeta|str)'",
        refine=_union,
    ),
    sign(
        Kind.REMOVED_STDLIB,
        r"got an unexpected keyword argument '(?P<subject>loop|encoding)'[^\n]{0,10}$",
        subject="asyncio.loop",
    ),
    sign(Kind.REMOVED_STDLIB, r"global flags not at the start of the expression", subject="re.global_flags"),
    sign(Kind.PYTEST_TOO_OLD, r"required field \"(?:lineno|posonlyargs|type_ignores|end_lineno)\" missing", subject=""),
    sign(
        Kind.REMOVED_STDLIB,
        r"TypeError: (?:an integer is required \(got type bytes\)|code\(\) (?:takes|argument|expected))|"
        r"code expected at least 1[68] arguments",
        refine=_old_bytecode,
    ),
    sign(Kind.MISSING_MODULE, rf"No module named '?(?P<module>{MODULE})'?(?:[;.]|$|\s|\))", refine=_module),
    sign(
        Kind.MISSING_MODULE, rf"cannot import name '?(?P<name>\w{{1,80}})'? from '(?P<module>{MODULE})'", refine=_name
    ),
    sign(Kind.REMOVED_API, rf"module '(?P<module>{MODULE})' has no attribute '(?P<name>\w{{1,80}})'", refine=_name),
    sign(Kind.REMOVED_API, r"'(?P<module>\w{1,60})' object has no attribute '(?P<name>\w{1,60})'", refine=_method),
    sign(
        Kind.SYNTAX_ERROR, r"(?:^|\s)(?:SyntaxError|TabError|IndentationError): (?P<words>[^\n]{1,200})", refine=_syntax
    ),
    sign(
        Kind.MISSING_MODULE,
        rf"DistributionNotFound: The '(?P<subject>{NAME})[^']{{0,60}}' distribution was not found",
        phases=TESTS,
    ),
)
