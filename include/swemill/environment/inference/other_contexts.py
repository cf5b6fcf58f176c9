"""Where else a repository says how it is tested: task runners, wheels' tests, Makefile, Dockerfile, documents."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from swemill.environment.inference.ci import image_pythons, with_scripts
from swemill.environment.inference.command_lines import Command, commands
from swemill.environment.inference.contexts import Context, Kind, Wants, is_other_work, is_test_work, runs_tests
from swemill.environment.inference.installs import requirement_file_line
from swemill.environment.inference.makefile import makefile
from swemill.environment.inference.sources import Sources, as_list, as_table, as_text, as_texts, at
from swemill.environment.inference.versions import minors

_DOCUMENTS = ("README*", "INSTALL*", "CONTRIBUTING*", "HACKING*", "DEVELOP*", "TESTING*", "doc*/*", ".github/*.md")
_COMMAND_LINE = re.compile(
    r"(?:[$>#%]\s+|`+|RUN\s+)?(?P<command>(?:sudo\s+)?(?:pip3?|python3?|py\.test|pytest|apt|apt-get|aptitude|tox|nox|uv"
    r"|poetry|pdm|pipenv|make|nosetests|conda|yum|dnf)\s[^`]*)`*"
)


def other_contexts(sources: Sources) -> list[Context]:
    """All of them, the most telling first."""
    return [
        *_hatch(sources),
        *_tasks(sources),
        *_wheels(sources),
        *_make(sources),
        *_docker(sources),
        *_documents(sources),
    ]


def _hatch(sources: Sources) -> Iterator[Context]:
    """Environments of hatch; that of ``hatch test`` comes with pytest of its own."""
    for path, table in (
        ("pyproject.toml", at(sources.toml("pyproject.toml"), "tool", "hatch", "envs")),
        ("hatch.toml", at(sources.toml("hatch.toml"), "envs")),
    ):
        for name, environment in list(table.items())[:30]:
            one = as_table(environment)
            scripts = "\n".join(
                _hatch_script(text)
                for title, value in at(one, "scripts").items()
                if is_test_work(title) or title in ("all", "run", "cov", "default", "_cov")
                for text in as_texts(value)
            )
            if is_other_work(name) or not (is_test_work(name) or (name == "default" and runs_tests(commands(scripts)))):
                continue
            wants = Wants(
                extras=tuple(as_texts(one.get("features"))), groups=tuple(as_texts(one.get("dependency-groups")))
            )
            for line in as_texts(one.get("dependencies")) + as_texts(one.get("extra-dependencies")):
                wants += requirement_file_line(line)
            versions = [text for row in as_list(one.get("matrix")) for text in as_texts(as_table(row).get("python"))]
            yield Context(
                kind=Kind.TASKS,
                where=f"{path} hatch {name}",
                pythons=tuple(minors(versions)),
                commands=commands(scripts),
                wants=wants,
                variables={key: as_text(value) for key, value in at(one, "env-vars").items()},
            )


def _hatch_script(text: str) -> str:
    return re.sub(r"\{args:?([^{}]*)\}", r"\1", text)


def _tasks(sources: Sources) -> Iterator[Context]:
    """Scripts that pdm, poe, taskipy and pipenv run."""
    tool = at(sources.toml("pyproject.toml"), "tool")
    tables = [("pdm", at(tool, "pdm", "scripts")), ("poe", at(tool, "poe", "tasks"))]
    tables += [("taskipy", at(tool, "taskipy", "tasks")), ("rye", at(tool, "rye", "scripts"))]
    tables += [("pipenv", at(sources.toml("Pipfile"), "scripts"))]
    for runner, table in tables:
        texts = [
            (name, text)
            for name, value in list(table.items())[:50]
            if is_test_work(name) and not is_other_work(name)
            for text in _task_texts(value)
        ]
        if texts:
            script = "\n".join(text for name, text in texts)
            yield Context(kind=Kind.TASKS, where=f"{runner} {texts[0][0]}", commands=commands(script))


def _task_texts(value: Any) -> list[str]:
    table = as_table(value)
    return as_texts(value) if not table else as_texts(table.get("cmd")) + as_texts(table.get("shell"))


def _wheels(sources: Sources) -> Iterator[Context]:
    """How cibuildwheel tests the wheels that it made."""
    table = at(sources.toml("pyproject.toml"), "tool", "cibuildwheel")
    wants = Wants(extras=tuple(as_texts(table.get("test-extras"))), groups=tuple(as_texts(table.get("test-groups"))))
    for line in [part for text in as_texts(table.get("test-requires")) for part in text.split()]:
        wants += requirement_file_line(line)
    script = "\n".join(as_texts(table.get("test-command"))).replace("{project}/", "").replace("{package}/", "")
    before = as_texts(table.get("before-all")) + as_texts(at(table, "linux").get("before-all"))
    if script or before:
        run = commands("\n".join([*before, script]))
        yield Context(kind=Kind.TASKS, where="pyproject.toml cibuildwheel", commands=run, wants=wants)


def _make(sources: Sources) -> Iterator[Context]:
    file = makefile(sources)
    for target in ("test", "tests", "check", "unittest", "unit", "pytest", "test-unit", "testall", "unit-test"):
        run = file.recipe(target)
        if runs_tests(run):
            yield Context(kind=Kind.MAKE, where=f"{file.path} {target}", commands=with_scripts(run, sources))
            return


def _docker(sources: Sources) -> Iterator[Context]:
    for path in sources.matching("*Dockerfile*", "*dockerfile*")[:5]:
        text = sources.text(path).replace("\\\n", " ")
        images = re.findall(r"(?im)^FROM\s+(?:--\S+\s+)?(\S{1,200})", text)
        arguments = dict(re.findall(r"(?im)^ARG\s+(\w{1,40})=\"?([\w.:-]{1,60})", text))
        run = "\n".join(re.findall(r"(?im)^RUN\s+(.{1,4000})$", text))
        versions = [version for image in images for version in image_pythons(_with_arguments(image, arguments))]
        yield Context(
            kind=Kind.DOCKER,
            where=path,
            pythons=tuple(versions),
            commands=with_scripts(commands(re.sub(r"--mount=\S+", "", run)), sources),
        )


def _with_arguments(image: str, arguments: Mapping[str, str]) -> str:
    return re.sub(r"\$\{?(\w+)\}?", lambda found: arguments.get(found[1], ""), image)


def _documents(sources: Sources) -> Iterator[Context]:
    """Commands that stand on lines of their own, as people copy them."""
    for path in sources.matching(*_DOCUMENTS):
        lines = sources.text(path).replace("\\\n", " ").splitlines()[:5_000]
        found = [
            match["command"] for line in lines if len(line) < 400 and (match := _COMMAND_LINE.fullmatch(line.strip()))
        ]
        run: tuple[Command, ...] = commands("\n".join(found[:200]))
        if run:
            yield Context(kind=Kind.DOCUMENT, where=path, commands=run)
