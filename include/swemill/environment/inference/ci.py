"""Jobs of continuous integration that run the tests, whichever service they were written for.

A job that runs no test, by its commands, tells nothing about running them and is passed over.
"""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any

from swemill.environment.inference.ci_github import github_jobs
from swemill.environment.inference.ci_job import Job
from swemill.environment.inference.ci_travis import travis_jobs
from swemill.environment.inference.command_lines import Command, commands
from swemill.environment.inference.contexts import Context, Kind, is_other_work, is_test_work, runs_tests, words_of
from swemill.environment.inference.makefile import makefile
from swemill.environment.inference.sources import Sources, as_list, as_table, as_text, as_texts, at
from swemill.environment.inference.versions import minors

_MOST_JOBS = 40
_MOST_COMMANDS = 1_000
_DEEPEST = 2


def ci_contexts(sources: Sources) -> list[Context]:
    """The jobs that run tests, those called after tests and nothing else first."""
    jobs = sorted(_jobs(sources), key=_by_name)
    return [context for job in jobs if (context := _context(job, sources)) is not None][:_MOST_JOBS]


def _by_name(job: Job) -> tuple[bool, int]:
    name = job.name.rpartition("/")[2]
    return (not is_test_work(name), len(words_of(name)))


def _jobs(sources: Sources) -> Iterator[Job]:
    yield from github_jobs(sources)
    yield from travis_jobs(sources)
    yield from _gitlab(sources)
    yield from _circle(sources)
    yield from _azure(sources)
    yield from _cirrus(sources)


def _context(job: Job, sources: Sources) -> Context | None:
    run = with_scripts(commands(job.script), sources)
    if not job.whole and (is_other_work(job.name) or not runs_tests(run)):
        return None
    return Context(
        kind=Kind.CI,
        where=f"{job.path} {job.name}".strip(),
        pythons=job.pythons,
        commands=run,
        packages=job.packages,
        variables=job.variables,
    )


def with_scripts(run: Iterable[Command], sources: Sources, depth: int = 0) -> tuple[Command, ...]:
    """The commands, each script or target of the repository's own that they call followed by what it does."""
    found: list[Command] = []
    for one in run:
        found.append(one)
        if depth < _DEEPEST:
            found += with_scripts(_called(one, sources), sources, depth + 1)
        if len(found) > _MOST_COMMANDS:
            break
    return tuple(found[:_MOST_COMMANDS])


def _called(one: Command, sources: Sources) -> tuple[Command, ...]:
    words = one.run[1:] if one.run[:1] in (("bash",), ("sh",), ("source",), (".",)) else one.run
    if words[:1] == ("make",):
        return tuple(command for target in words[1:5] for command in makefile(sources).recipe(target))
    path = str(PurePosixPath(words[0])) if words else ""
    readable = sources.has(path) and not path.endswith((".py", ".toml", ".cfg", ".txt", ".ini"))
    return commands(sources.text(path)) if readable else ()


def _gitlab(sources: Sources) -> Iterator[Job]:
    document = sources.yaml(".gitlab-ci.yml")
    before = _lines(document.get("before_script")) or _lines(at(document, "default").get("before_script"))
    for name, job in list(document.items())[:_MOST_JOBS]:
        own = _lines(as_table(job).get("before_script")) or before
        script = _lines(as_table(job).get("script"))
        if script:
            image = as_table(job).get("image", document.get("image"))
            yield Job(
                path=".gitlab-ci.yml",
                name=name,
                pythons=tuple(image_pythons(as_text(image) or as_text(as_table(image).get("name")))),
                script="\n".join([own, script]),
                variables={**_variables(document.get("variables")), **_variables(as_table(job).get("variables"))},
            )


def _circle(sources: Sources) -> Iterator[Job]:
    path = next((name for name in (".circleci/config.yml", ".circleci/config.yaml") if sources.has(name)), "")
    document = sources.yaml(path) if path else {}
    for name, job in list(at(document, "jobs").items())[:_MOST_JOBS]:
        images = [as_text(as_table(entry).get("image")) for entry in as_list(as_table(job).get("docker"))]
        yield Job(
            path=path,
            name=name,
            pythons=tuple(version for image in images for version in image_pythons(image)),
            script="\n".join(_circle_steps(as_table(job).get("steps"), document)),
            variables=_variables(as_table(job).get("environment")),
        )


def _circle_steps(steps: Any, document: Mapping[str, Any], depth: int = 0) -> list[str]:
    found: list[str] = []
    for step in as_list(steps)[:100]:
        run = as_table(step).get("run")
        found.append(as_text(run) or as_text(as_table(run).get("command")))
        called = as_text(step) or next(iter(as_table(step)), "")
        if depth < _DEEPEST and called in at(document, "commands"):
            found += _circle_steps(at(document, "commands", called).get("steps"), document, depth + 1)
    return found


def _azure(sources: Sources) -> Iterator[Job]:
    for path in sources.matching(
        "azure-pipelines.yml", ".azure-pipelines.yml", "*azure-pipelines*/*.y*ml", "ci/azure*"
    ):
        document = sources.yaml(path)
        scripts: list[str] = []
        pythons: list[str] = []
        _walk_azure(document, scripts, pythons)
        if scripts:
            yield Job(path=path, pythons=tuple(dict.fromkeys(pythons)), script="\n".join(scripts))


def _walk_azure(value: Any, scripts: list[str], pythons: list[str], depth: int = 0) -> None:
    """Collect scripts and versions wherever they are: stages, jobs and templates nest in many ways."""
    if depth > 20:
        return
    for key, inner in as_table(value).items():
        if key in ("script", "bash") and as_text(inner):
            scripts.append(as_text(inner))
        elif key.lower() in ("versionspec", "python.version", "pythonversion", "python_version", "python", "py"):
            pythons += minors(as_texts(inner))
        elif key in ("toxenv", "env", "TOXENV"):
            pythons += minors(part for text in as_texts(inner) for part in text.split("-"))
        _walk_azure(inner, scripts, pythons, depth + 1)
    if isinstance(value, list):
        for inner in value:
            _walk_azure(inner, scripts, pythons, depth + 1)


def _cirrus(sources: Sources) -> Iterator[Job]:
    for name, task in list(sources.yaml(".cirrus.yml").items())[:_MOST_JOBS]:
        table = as_table(task)
        scripts = [_lines(value) for key, value in table.items() if key.endswith("script")]
        if scripts:
            image = as_text(at(table, "container").get("image"))
            pythons = tuple(image_pythons(image))
            yield Job(path=".cirrus.yml", name=name, pythons=pythons, script="\n".join(scripts))


def image_pythons(image: str) -> list[str]:
    """The version of an image such as ``python:3.8-slim`` or ``cimg/python:3.9.1``."""
    name, _, tag = image.rpartition(":")
    return minors([tag.partition("-")[0]]) if name.rpartition("/")[2] == "python" else []


def _lines(value: Any) -> str:
    nested = (text for item in as_list(value) for text in as_texts(item))
    return "\n".join(nested)


def _variables(value: Any) -> dict[str, str]:
    return {name: as_text(text) for name, text in as_table(value).items()}
