"""What tox would do in the environment that runs the tests, from whichever of its files configures it.

Of all environments one is chosen, because their factors exclude each other: the last that is about tests and about no
development version of something. Factors that name a Python stay open: they become environment markers.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from packaging.markers import Marker

from swemill.environment.inference.command_lines import Command, command, split_words
from swemill.environment.inference.contexts import Context, Kind, Wants, is_other_work, is_test_program, is_test_work
from swemill.environment.inference.factors import applies, expanded, is_python_factor, python_of
from swemill.environment.inference.installs import requirement_file_line
from swemill.environment.inference.sources import Sources, as_table, as_text, as_texts, at, lines_of

Sections = Mapping[str, Mapping[str, str]]
_REFERENCE = re.compile(r"\{([^{}]*)\}")
_LARGEST = 20_000
_LONGEST = 2_000
_MOST_SECTIONS = 100
_MOST_NAMES = 300
_ANY_PYTHON = "3.9"
"""Stands for the interpreter of an environment that names none."""
_UNSTABLE = frozenset({"dev", "devel", "master", "main", "latest", "lowest", "pre", "predeps", "edge", "trunk"})


def tox_contexts(sources: Sources) -> list[Context]:
    """The test environment of tox, if there is one."""
    for where, sections in _classic(sources):
        if found := _of_ini(where, sections):
            return [found]
    for where, table in (("tox.toml", sources.toml("tox.toml")), ("pyproject.toml", _tool(sources))):
        if found := _of_toml(where, table):
            return [found]
    return []


def tox_environments(sources: Sources) -> list[tuple[str, str]]:
    """Every environment of the lists, with the file that names it: ``("py36-django22", "tox.ini")``."""
    found = [
        (name, where)
        for where, sections in _classic(sources)
        for name in _environments(sections.get("tox", {}).get("envlist") or sections.get("tox", {}).get("env_list", ""))
    ]
    for where, table in (("tox.toml", sources.toml("tox.toml")), ("pyproject.toml", _tool(sources))):
        found += [(name, where) for entry in as_texts(table.get("env_list")) for name in expanded(entry)]
    return found


def _classic(sources: Sources) -> Iterable[tuple[str, Sections]]:
    if sections := sources.ini("tox.ini"):
        yield "tox.ini", sections
    cfg = sources.ini("setup.cfg")
    if "tox:tox" in cfg or "testenv" in cfg:
        yield "setup.cfg", {**cfg, "tox": cfg.get("tox:tox", {})}
    if text := as_text(_tool(sources).get("legacy_tox_ini")):
        yield "pyproject.toml", sources.ini_text(text)


def _tool(sources: Sources) -> Mapping[str, object]:
    return at(sources.toml("pyproject.toml"), "tool", "tox")


def _environments(text: str) -> list[str]:
    return [name for line in lines_of(text) for name in expanded(line.partition(" #")[0])]


def _of_ini(where: str, sections: Sections) -> Context | None:
    environments = _Environments.of(sections)
    chosen = environments.chosen()
    if chosen is None:
        return None
    factors = frozenset(chosen.split("-"))
    merged = environments.merged(chosen)
    newest = _newest(chosen)
    python = ".".join(map(str, newest)) if newest > (0, 0) else _ANY_PYTHON

    def conditional(key: str) -> list[tuple[str, str]]:
        text = _substituted(merged.get(key, ""), sections)
        return [line for raw in lines_of(text) if (line := applies(raw, factors)) is not None]

    def value(key: str) -> list[str]:
        return [line for line, marker in conditional(key)]

    wants = Wants(
        extras=tuple(name for line in value("extras") for name in re.split(r"[\s,]+", line) if name),
        groups=tuple(name for line in value("dependency_groups") for name in re.split(r"[\s,]+", line) if name),
    )
    for line, marker in conditional("deps"):
        wants += _marked(requirement_file_line(line), marker, python)
    run = [*value("commands_pre"), *value("commands")]
    return Context(
        kind=Kind.TOX,
        where=f"{where} {chosen}",
        commands=tuple(_commands(run)),
        wants=wants,
        variables=_variables([*value("setenv"), *value("set_env")]),
    )


@dataclass(frozen=True)
class _Environments:
    """The environments of a configuration: those of the list, and those with a section of their own."""

    sections: Sections
    listed: list[str]
    own: Mapping[str, list[str]]
    """Titles of the sections of each name."""

    @classmethod
    def of(cls, sections: Sections) -> "_Environments":
        tox = sections.get("tox", {})
        own: dict[str, list[str]] = {}
        titles = [title for title in sections if title.startswith("testenv:")][:_MOST_SECTIONS]
        for title in titles:
            for name in expanded(title.removeprefix("testenv:")):
                own.setdefault(name, []).append(title)
        return cls(sections, _environments(tox.get("envlist") or tox.get("env_list", ""))[:_MOST_NAMES], own)

    def chosen(self) -> str | None:
        """The environment to believe: a listed one before one that is not, the newest Python, the fewest conditions.

        None: there is no environment at all.
        """
        if not self.listed and not self.own and "testenv" not in self.sections:
            return None
        names = list(dict.fromkeys([*self.listed, *self.own]))[:_MOST_NAMES]
        usual = [name for name in names if not is_other_work(name) and "pypy" not in name]
        running = [name for name in usual if self._runs(name)]
        named = running or [name for name in usual if is_test_work(name)]

        def rank(name: str) -> tuple[bool, bool, bool, tuple[int, int], int, int]:
            parts = name.split("-")
            stable = not any(part in _UNSTABLE or part.startswith(("min", "old")) for part in parts)
            modern = not any((python_of(part) or "3").startswith("2") for part in parts)
            narrow = sum(not is_python_factor(part) for part in parts)
            return (stable, modern, name in self.listed, _newest(name), -narrow, named.index(name))

        return max(named, key=rank) if named else "py"

    def merged(self, name: str) -> Mapping[str, str]:
        """The section of an environment over the one that it starts from."""
        merged = dict(self.sections.get("testenv", {}))
        for title in self.own.get(name, []):
            section = self.sections[title]
            base = section.get("base", "")
            merged |= {**self.sections.get(f"testenv:{base}", {}), **section}
        return merged

    def _runs(self, name: str) -> bool:
        """Whether an environment's own commands run tests: they, and not what they call."""
        factors = frozenset(name.split("-"))
        text = _substituted(self.merged(name).get("commands", "")[:_LARGEST], self.sections)
        lines = [line for raw in lines_of(text)[:50] if (line := applies(raw, factors)) is not None]
        return any(is_test_program(one) or "test" in one.words for one in _commands(line for line, marker in lines))


def _newest(name: str) -> tuple[int, int]:
    versions = [version for part in name.split("-") if (version := python_of(part))]
    return max((int(version.split(".")[0]), int(version.split(".")[1])) for version in versions) if versions else (0, 0)


def _substituted(text: str, sections: Sections) -> str:
    """The text without references: those to other values are followed, ``{posargs:default}`` is its default."""
    kept: list[str] = []
    for raw in text.splitlines()[:1_000]:
        line = raw[:_LONGEST]
        for _ in range(6):
            replaced = _REFERENCE.sub(lambda found: _referred(found, sections), line)
            if replaced == line or len(replaced) > _LARGEST:
                break
            line = replaced
        kept += line.splitlines()
    return "\n".join(kept[:1_000])


def _referred(found: re.Match[str], sections: Sections) -> str:
    inner = found[1]
    if inner.startswith("["):
        section, _, key = inner[1:].partition("]")
        return sections.get(section, {}).get(key, "")[: 4 * _LONGEST]
    name, _, otherwise = inner.partition(":")
    if name == "posargs":
        return otherwise
    if name in ("env", "tty"):
        return otherwise.partition(":")[2]
    if "," in inner or re.fullmatch(r"\d+-\d+", inner):
        return found[0]  # a set of factors and no reference
    return {"toxinidir": ".", "tox_root": ".", "envpython": "python"}.get(inner, "$TOX")


def _marked(wants: Wants, marker: str, python: str) -> Wants:
    """What a condition on Python leaves: lines get its marker, files are taken or not, for they cannot have one.

    What holds for the newest Python of the list is meant for those that came later, too.
    """
    if not marker:
        return wants
    holds = Marker(marker).evaluate({"python_version": python, "extra": ""})
    if holds and "!=" not in marker:
        marker = f'{marker} or python_version > "{python}"'
    return replace(
        wants if holds else Wants(requirements=wants.requirements),
        requirements=tuple(line if ";" in line else f"{line}; {marker}" for line in wants.requirements),
    )


def _commands(lines: Iterable[str]) -> list[Command]:
    joined = "\n".join(lines).replace("\\\n", " ").splitlines()
    split = (split_words(re.split(r"\s#", line, maxsplit=1)[0].lstrip("-! ")) for line in joined)
    return [command(words) for words in split if words]


def _variables(lines: Iterable[str]) -> dict[str, str]:
    pairs = (line.partition("=") for line in lines)
    return {name.strip(): value.strip() for name, sign, value in pairs if sign}


def _of_toml(where: str, table: Mapping[str, object]) -> Context | None:
    base = at(table, "env_run_base")
    own = at(table, "env")
    named = next((name for name in own if is_test_work(name) and not is_other_work(name)), "")
    merged = {**base, **as_table(own.get(named))}
    if not merged:
        return None
    wants = Wants(extras=tuple(as_texts(merged.get("extras"))), groups=tuple(as_texts(merged.get("dependency_groups"))))
    for line in as_texts(merged.get("deps")):
        wants += requirement_file_line(line.replace("{tox_root}/", ""))
    run = merged.get("commands")
    words = [as_texts(line) + _default_arguments(line) for line in run] if isinstance(run, list) else []
    return Context(
        kind=Kind.TOX,
        where=f"{where} {named or 'env_run_base'}",
        commands=tuple(command(line) for line in words if line),
        wants=wants,
        variables={name: as_text(value) for name, value in at(merged, "set_env").items()},
    )


def _default_arguments(line: object) -> list[str]:
    parts = line if isinstance(line, list) else []
    return [text for part in parts for text in as_texts(as_table(part).get("default"))]
