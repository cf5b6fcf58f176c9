"""Debian packages that a proposal asks for: ``RUN apt-get install`` is read, and never run.

The packages become those of the base image, which the builder makes with a command of its own. So there is no root
shell for a proposal, and what looks like one is refused by name.
"""

import re
import shlex

from swemill.environment.proposal_lines import Refused

MOST_PACKAGES = 200

_APT = ("apt-get", "apt")
_ROOT_COMMANDS = (*_APT, "aptitude", "dpkg", "add-apt-repository", "apt-key", "sudo", "su", "doas")
_SEPARATORS = ("&&", ";")
_PUNCTUATION = frozenset("();<>|&")
_OPTIONS = frozenset(
    ("-y", "--yes", "--assume-yes", "-q", "-qq", "-qy", "-yq", "-yqq", "-qqy", "--quiet", "--no-install-recommends")
)
_TIDYING = frozenset(("clean", "autoclean", "autoremove", "autopurge"))
_CACHES = ("/var/lib/apt/lists", "/var/cache/apt", "/tmp/", "/var/tmp/")
# Debian Policy, 5.6.1 (Source), without a trailing minus, by which apt-get means to remove a package.
_NAME = re.compile(r"[a-z0-9][a-z0-9+.-]*[a-z0-9+]")


def mentions_root(command: str) -> bool:
    """True when a shell command calls one of the programs that only root can use, anywhere a command may begin."""
    try:
        words = _split(command)
    except ValueError:
        return False  # an open quote: the shell will say so
    begins = True
    for word in words:
        if begins and word in _ROOT_COMMANDS:
            return True
        begins = set(word) <= _PUNCTUATION or (begins and re.match(r"[A-Za-z_]\w*=", word) is not None)
    return False


def packages(command: str, line: int) -> tuple[str, ...]:
    """Names of the packages that an ``apt-get`` command installs. Raises Refused when it does anything else."""
    names: list[str] = []
    for segment in _segments(_split(command)):
        while segment and segment[0].startswith("DEBIAN_FRONTEND="):
            segment = segment[1:]
        if not segment:
            raise Refused(line, "an empty command between && and &&")
        if segment[0] == "rm" and _only_caches(segment[1:]):
            continue
        if segment[0] not in _APT:
            raise Refused(line, f"a RUN with apt-get may do nothing else, and this one calls {segment[0][:60]!r}")
        names += _asked(segment[1:], line)
    return tuple(names)


def _asked(words: list[str], line: int) -> list[str]:
    words = [word for word in words if word not in _OPTIONS]
    verb, names = (words[0], words[1:]) if words else ("", [])
    if (verb == "update" or verb in _TIDYING) and not names:
        return []
    if verb != "install":
        raise Refused(line, f"of apt-get there is `update`, `install NAMES` and `clean`, not {' '.join(words)[:60]!r}")
    for name in names:
        if not _NAME.fullmatch(name):
            raise Refused(line, f"{name[:60]!r} is no name of a Debian package (no versions, options, files or URLs)")
    return names


def _only_caches(words: list[str]) -> bool:
    paths = [word for word in words if word not in ("-rf", "-fr", "-r", "-f")]
    return bool(paths) and all(path.startswith(_CACHES) and ".." not in path for path in paths)


def _segments(words: list[str]) -> list[list[str]]:
    found: list[list[str]] = [[]]
    for word in words:
        if word in _SEPARATORS:
            found.append([])
        else:
            found[-1].append(word)
    return found if found[-1] else found[:-1]


def _split(command: str) -> list[str]:
    lexer = shlex.shlex(command, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    lexer.commenters = ""
    return list(lexer)
