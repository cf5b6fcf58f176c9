"""What a checkout needs beside the commit's own files: submodules, and files that git-lfs holds."""

import re
from pathlib import PurePosixPath

from swemill.environment.inference.sources import Sources, lines_of
from swemill.values import Submodule

_MOST = 50
_URL = re.compile(r"(https?|git|ssh)://[\w.@:/~+%-]+|[A-Za-z0-9][\w.-]*@[\w.-]+:[\w./~+%-]+|\.{1,2}/[\w./~+%-]+")


def submodules(sources: Sources) -> tuple[Submodule, ...]:
    """Those of the tree with a path inside it and a plain address; documents' themes and examples are not needed."""
    found = [one for one in sources.tree.submodules if _inside(one.path) and _URL.fullmatch(one.url)]
    return tuple(one for one in found if PurePosixPath(one.path).parts[0].lower() not in ("doc", "docs", "examples"))[
        :_MOST
    ]


def git_lfs(sources: Sources) -> tuple[str, ...]:
    """Patterns whose files are kept by git-lfs."""
    found = [
        words[0]
        for line in lines_of(sources.text(".gitattributes"))[:2_000]
        if (words := line.split()) and "filter=lfs" in words[1:]
    ]
    return tuple(dict.fromkeys(pattern for pattern in found if len(pattern) <= 200 and pattern.isprintable()))[:_MOST]


def _inside(path: str) -> bool:
    pure = PurePosixPath(path)
    return bool(pure.parts) and not pure.is_absolute() and ".." not in pure.parts and path.isprintable()
