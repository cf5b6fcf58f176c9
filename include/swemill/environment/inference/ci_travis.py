"""The build of Travis CI: one, with a matrix of Pythons (Travis documentation, "Build Config Reference")."""

from collections.abc import Iterator, Mapping
from typing import Any

from swemill.environment.inference.ci_job import Job
from swemill.environment.inference.command_lines import split_words
from swemill.environment.inference.contexts import is_other_work
from swemill.environment.inference.sources import Sources, as_list, as_table, as_text, as_texts, at
from swemill.environment.inference.versions import minors

_PHASES = ("before_install", "install", "before_script", "script")


def travis_jobs(sources: Sources) -> Iterator[Job]:
    """The build, with what the jobs of its matrix add."""
    document = sources.yaml(".travis.yml")
    if not document:
        return
    stages = [
        as_table(job)
        for key in ("matrix", "jobs")
        for job in as_list(at(document, key).get("include"))[:100]
        if not _is_foreign(as_table(job))
    ]
    own = [job for job in stages if _has_script(job)]
    script = "\n".join(_phase(document, phase) for phase in _PHASES)
    if not _phase(document, "script"):
        script += "\n" + "\n".join(_phase(job, phase) for job in own[:10] for phase in _PHASES)
    yield Job(
        path=".travis.yml",
        pythons=tuple(_pythons(document, stages)),
        script=script,
        packages=tuple(package for job in (document, *stages) for package in _packages(job)),
        variables=_variables(document.get("env")),
        whole=True,
    )


def _is_foreign(job: Mapping[str, Any]) -> bool:
    name = f"{as_text(job.get('name'))} {as_text(job.get('stage'))}"
    return (
        as_text(job.get("os")) in ("osx", "windows")
        or is_other_work(name)
        or as_text(job.get("if")) == "tag IS present"
    )


def _has_script(job: Mapping[str, Any]) -> bool:
    return any(_phase(job, phase) for phase in _PHASES)


def _phase(table: Mapping[str, Any], phase: str) -> str:
    return "\n".join(text for item in as_list(table.get(phase)) for text in as_texts(item))


def _pythons(document: Mapping[str, Any], jobs: list[Mapping[str, Any]]) -> list[str]:
    texts = [text for table in (document, *jobs) for text in as_texts(table.get("python"))]
    settings = [text for table in (document, *jobs) for text in _settings(table.get("env"))]
    for text in settings:
        for word in split_words(text):
            name, _, value = word.partition("=")
            if name in ("TOXENV", "TOX_ENV", "NOXSESSION"):
                texts += value.replace("-", ",").split(",")
            elif name in ("PYTHON", "PYTHON_VERSION", "PYTHONVERSION", "CONDA_PY", "PY"):
                texts.append(value)
    return minors(texts)


def _settings(value: Any) -> list[str]:
    """The lines of ``env``: a list, or tables ``global``, ``matrix`` and ``jobs`` of lists."""
    table = as_table(value)
    parts = [*as_list(table.get("global")), *as_list(table.get("matrix")), *as_list(table.get("jobs"))]
    plain = [] if table else as_list(value)
    pairs = [f"{name}={text}" for item in (table, *parts) for name, text in as_table(item).items() if as_text(text)]
    return [*as_texts(plain), *as_texts(parts), *pairs]


def _variables(value: Any) -> dict[str, str]:
    """What is set for all jobs, and for one where there is no other."""
    table = as_table(value)
    general = _settings({"global": table.get("global")}) if "global" in table else []
    alone = _settings(value) if not general and len(_settings(value)) == 1 else []
    words = [word for line in (*general, *alone) for word in split_words(line)]
    return {name: text for word in words for name, sign, text in [word.partition("=")] if sign}


def _packages(table: Mapping[str, Any]) -> list[str]:
    addons = at(table, "addons")
    apt = addons.get("apt")
    named = as_texts(addons.get("apt_packages")) + as_texts(as_table(apt).get("packages"))
    return [package for text in named for package in text.split()]
