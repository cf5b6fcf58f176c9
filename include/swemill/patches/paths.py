"""What a file is, by its path alone: a test, a configuration of tests, documentation. One rule for everybody.

Also in containers of SWE-bench's harness, where a copy of this file runs: standard library only, Python 3.6 syntax.
"""

import re
from pathlib import PurePosixPath

_TEST_WORDS = frozenset({"test", "tests", "testing", "unittest", "unittests", "testdata", "testsuite", "e2e"})
_CODE_SUFFIXES = frozenset(
    {".py", ".pyi", ".pyx", ".ipynb", ".js", ".mjs", ".cjs", ".jsx", ".ts", ".tsx", ".go", ".rs", ".rb", ".java"}
    | {".kt", ".c", ".cc", ".cpp", ".h", ".hpp", ".cs", ".php", ".pl", ".sh", ".t"}
)
_TEST_CONFIG = frozenset(
    {"conftest.py", "pytest.ini", ".pytest.ini", "pytest.toml", ".pytest.toml", "tox.ini", "setup.cfg"}
    | {"pyproject.toml", "noxfile.py", "sitecustomize.py", "usercustomize.py", ".coveragerc"}
)
_STARTS_BY_ITSELF = re.compile(r"(?i)(^|/)(sitecustomize|usercustomize)([./]|$)|\.(egg|dist)-info(/|$)|\.egg-link$")
_DOC_SUFFIXES = frozenset({".md", ".rst", ".adoc", ".mdx"})
_DOC_FOLDERS = frozenset({"doc", "docs", "documentation", "changelog.d", "changes", "news", "newsfragments", ".github"})
_DOC_NAMES = re.compile(
    r"(?i)^(change(s|log)|history|news|readme|authors|contributors|licen[cs]e|copying|todo)([._-].*)?$"
)


def is_test_path(path: str) -> bool:
    """Whether a file belongs to the tests, by whole path components and file-name conventions.

    Words count, never substrings: ``latest/``, ``contest.py`` and ``attestation/`` are no tests. Anything below a test
    folder counts, data included; so does ``conftest.py`` anywhere. A module ``testing.py`` does not: it is usually
    something that a library offers.
    """
    pure = PurePosixPath(path.lower())
    return any(_is_test_folder(part) for part in pure.parts[:-1]) or _is_test_file(pure)


def _is_test_folder(name: str) -> bool:
    words = [word for word in re.split(r"[-_.]+", name) if word]
    return name == "t" or any(word in _TEST_WORDS for word in (*words[:1], *words[-1:]))


def _is_test_file(path: PurePosixPath) -> bool:
    stem = path.name.split(".", 1)[0]
    inner = path.name.split(".")[1:-1]  # app.test.js, app.spec.ts
    return path.suffix in _CODE_SUFFIXES and (
        stem in ("test", "tests", "conftest")
        or stem.startswith(("test_", "tests_"))
        or stem.endswith(("_test", "_tests"))
        or any(word in ("test", "spec") for word in inner)
    )


def is_test_config(path: str) -> bool:
    """Whether a file can change how tests are found, run or reported, wherever it lies."""
    name = PurePosixPath(path.lower()).name
    return name in _TEST_CONFIG or name.endswith(".pth")


def starts_by_itself(path: str) -> bool:
    """Whether Python or pytest takes up a file unasked where the work folder is on the path, as in an editable install.

    Packages and compiled modules of these names as well as files, and the metadata by which pytest finds plugins.
    """
    return bool(_STARTS_BY_ITSELF.search(path))


def is_documentation(path: str) -> bool:
    """Whether a file is documentation, changelog or forge housekeeping: a change of such files alone fixes nothing."""
    pure = PurePosixPath(path.lower())
    return pure.parts[0] in _DOC_FOLDERS or pure.suffix in _DOC_SUFFIXES or bool(_DOC_NAMES.match(pure.name))


def shown(path: str) -> str:
    """A path fit for messages and databases: undecodable bytes as ``\\xNN``."""
    return path.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace").replace("\0", "\\0")
