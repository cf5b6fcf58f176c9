"""What a command installs: pip, uv, poetry, pdm, pipenv and conda, read from their arguments."""

import re
from collections.abc import Iterable
from itertools import pairwise
from pathlib import PurePosixPath

from swemill.environment.inference.command_lines import Command, split_words
from swemill.environment.inference.conda import pip_requirement
from swemill.environment.inference.contexts import Wants

_VALUED = frozenset(
    {"-i", "--index-url", "--extra-index-url", "-f", "--find-links", "-t", "--target", "--upgrade-strategy", "--python"}
    | {"--prefix", "--root", "--src", "--cache-dir", "--trusted-host", "--progress-bar", "--no-binary", "--only-binary"}
    | {"--config-settings", "-C", "--global-option", "--install-option", "--log", "--timeout", "--retries", "-p", "-n"}
    | {"--build-option", "--index", "--default-index", "--exclude-newer", "--resolution", "--report", "--proxy"}
    | {
        "--channel",
        "--name",
        "--no-build-isolation-package",
        "--reinstall-package",
        "--upgrade-package",
        "--constraints",
    }
)
_EXTRA = re.compile(r"(?:file://)?(?:\.{1,2}/?|\.?/[\w./-]*|\$\{?\w+\}?/?|\{[\w ]+\}/?)\[([^\[\]]*)\].*")
_EDITABLE = re.compile(r"^(--editable=|-e\s*(?=[./]))")
_NAMED_PLACE = re.compile(r"[A-Za-z0-9][\w.-]*(\[[\w,\s.-]*\])?\s*@\s*(git\+|https?://)\S+")
_EGG = re.compile(r"[#&]egg=([A-Za-z0-9][A-Za-z0-9._-]*)")
_REQUIREMENT = re.compile(r"[A-Za-z0-9][\w.-]*(\s*\[[\w.,\s-]*\])?(\s*[<>=!~(].*|\s*;.*)?")


def installed_by(command: Command) -> Wants:
    """What the command installs; nothing for any other command."""
    words = command.run if command.run[:1] and _program(command.run) in _READERS else command.words
    program = _program(words)
    if (
        program in ("uv", "rye", "pdm", "hatch", "poetry", "pipenv", "conda", "mamba", "micromamba")
        or program in _READERS
    ):
        return _READERS[program](list(words[1:])) if program in _READERS else Wants()
    return Wants()


def pip_arguments(words: Iterable[str]) -> Wants:
    """What these arguments of ``pip install`` ask for."""
    requirements: list[str] = []
    files: list[str] = []
    constraints: list[str] = []
    extras: list[str] = []
    groups: list[str] = []
    lists = {"-r": files, "--requirement": files, "--requirements": files, "-c": constraints}
    lists |= {"--constraint": constraints, "--group": groups, "--extra": extras}
    rest = [word.strip() for word in words]
    while rest:
        word = _EDITABLE.sub("", rest.pop(0))
        name, _, value = word.partition("=")
        if word in lists and rest:
            lists[word].append(rest.pop(0))
        elif name in lists and value:
            lists[name].append(value)
        elif word[:2] in ("-r", "-c") and len(word) > 2 and not word.startswith("--"):
            lists[word[:2]].append(word[2:].strip())
        elif word in _VALUED and rest:
            rest.pop(0)
        elif found := _EXTRA.fullmatch(word):
            extras += found[1].split(",")
        elif line := _requirement(word):
            requirements.append(line)
    return Wants(
        requirements=tuple(requirements),
        files=tuple(_file(name) for name in files),
        constraints=tuple(_file(name) for name in constraints),
        extras=tuple(name for extra in extras if (name := _variable_part(extra)) and name[0].isalpha()),
        groups=tuple(group.rpartition(":")[2] for group in groups),
    )


def requirement_file_line(line: str) -> Wants:
    """What one line of a requirements file, or of tox's ``deps``, asks for."""
    line = line.partition(" #")[0].strip()
    if line.startswith(("-", ".", "{", "$", "/")):
        return pip_arguments(split_words(line))
    found = _requirement(line)
    return Wants(requirements=(found,)) if found else Wants()


def _requirement(word: str) -> str:
    """The word as a requirement; empty when it is a place, a variable or nonsense. Of a repository the name remains."""
    if egg := _EGG.search(word):
        return egg[1]
    if _NAMED_PLACE.fullmatch(word):
        return word.partition("@")[0].strip()
    unsafe = any(letter in word for letter in "$`{}\\") or word.endswith((".whl", ".gz", ".zip", ".txt", ".git"))
    return word if not unsafe and _REQUIREMENT.fullmatch(word) else ""


def _variable_part(extra: str) -> str:
    """An extra without the variable that may stand behind it; empty for what is no name."""
    plain = extra.split("$")[0].strip()
    return plain if re.fullmatch(r"[\w.-]+", plain) else ""


def _file(name: str) -> str:
    """A path from the root: what tox and the shell put in front is taken away."""
    name = re.sub(r"^(\{(toxinidir|tox_root|toxworkdir)\}|\$\{?[A-Za-z_]\w*\}?|\$\{\{[^}]*\}\}|\.)[/\\]", "", name)
    return str(PurePosixPath(name)) if name else ""


def _program(words: tuple[str, ...]) -> str:
    name = words[0].rpartition("/")[2] if words else ""
    return "pip" if re.fullmatch(r"pip[0-9.]*|\$\{?PIP\}?", name) else name


def _pip(words: list[str]) -> Wants:
    return pip_arguments(words[words.index("install") + 1 :]) if "install" in words[:4] else Wants()


def _uv(words: list[str]) -> Wants:
    if words[:2] == ["pip", "install"]:
        return pip_arguments(words[2:])
    if words[:2] == ["pip", "sync"]:
        return Wants(files=tuple(_file(word) for word in words[2:] if not word.startswith("-")))
    if words[:1] == ["sync"] or words[:1] == ["run"]:
        found = _named_options(words[1:])
        if words[0] == "run":
            more = [value for option, value in pairwise(words) if option == "--with"]
            return found + pip_arguments(part for value in more for part in value.split(","))
        return found
    return Wants()


def _grouped(words: list[str]) -> Wants:
    """``poetry install``, ``pdm install``, ``pdm sync``."""
    if words[:1] not in (["install"], ["sync"]):
        return Wants()
    return _named_options(words[1:])


def _named_options(words: list[str]) -> Wants:
    options = {"--group": "groups", "-G": "groups", "-dG": "groups", "--with": "groups", "--only-group": "groups"}
    options |= {"--extra": "extras", "--extras": "extras", "-E": "extras"}
    found: dict[str, list[str]] = {"groups": [], "extras": []}
    rest = list(words)
    while rest:
        name, _, value = rest.pop(0).partition("=")
        if name in options and (value or rest):
            found[options[name]] += re.split(r"[\s,]+", value or rest.pop(0))
        elif not name.startswith("-"):
            break
    return Wants(
        extras=tuple(name for name in found["extras"] if re.fullmatch(r"[\w.-]+", name)),
        groups=tuple(name for name in found["groups"] if re.fullmatch(r"[\w.-]+", name)),
        all_groups=True,
    )


def _pipenv(words: list[str]) -> Wants:
    return Wants(all_groups="install" in words[:1] or "sync" in words[:1])


def _conda(words: list[str]) -> Wants:
    files = [value for option, value in pairwise(words) if option in ("-f", "--file")]
    if words[:1] not in (["install"], ["create"], ["env"]):
        return Wants()
    conda_files = tuple(_file(name) for name in files if name.endswith((".yml", ".yaml")))
    texts = tuple(_file(name) for name in files if name.endswith(".txt"))
    if words[0] == "env":
        return Wants(conda_files=conda_files)
    loose = (line for word in _without_options(words[1:]) if (line := pip_requirement(word)))
    return Wants(files=texts, conda_files=conda_files, requirements=tuple(loose))


def _without_options(words: list[str]) -> list[str]:
    return [
        word
        for before, word in zip(["", *words], words, strict=False)
        if not word.startswith("-") and before not in _VALUED and before not in ("-c", "-f", "--file")
    ]


_READERS = {
    "pip": _pip,
    "uv": _uv,
    "poetry": _grouped,
    "pdm": _grouped,
    "pipenv": _pipenv,
    "conda": _conda,
    "mamba": _conda,
    "micromamba": _conda,
}
