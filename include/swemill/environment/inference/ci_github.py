"""Jobs of GitHub Actions (GitHub documentation, "Workflow syntax for GitHub Actions")."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from swemill.environment.inference.ci_job import Job
from swemill.environment.inference.command_lines import commands
from swemill.environment.inference.contexts import runs_tests
from swemill.environment.inference.sources import Sources, as_list, as_table, as_text, as_texts, at
from swemill.environment.inference.versions import minors

_MOST_JOBS = 60
_SAVES_WORK = re.compile(r"NO_(C_?)?EXT|PURE_PYTHON|NO_CYTHON|SKIP_CYTHON|DISABLE_(C_?)?EXT|WITHOUT_(C_?)?EXT")
_EXPRESSION = re.compile(r"\$\{\{\s*(?:matrix|env)\.([\w.-]+)\s*\}\}")
_ABOUT_PYTHON = re.compile(
    r"(?i)(.*[-_.])?(python|py|pyver|pythons|python3)([-_.]?(versions?|vers?))?|toxenv|tox[-_.]?env|tox|nox[-_.]?session|session"
)


def github_jobs(sources: Sources) -> Iterator[Job]:
    """Every job of every workflow that is at hand."""
    for path in sources.matching(".github/workflows/*.yml", ".github/workflows/*.yaml"):
        document = sources.yaml(path)
        for name, job in list(at(document, "jobs").items())[:_MOST_JOBS]:
            if not as_text(as_table(job).get("runs-on")).startswith(("windows", "macos")):
                yield _job(path, name, as_table(job), document, sources)


def _job(path: str, name: str, job: Mapping[str, Any], document: Mapping[str, Any], sources: Sources) -> Job:
    matrix = at(job, "strategy", "matrix")
    chosen = _representative(matrix)
    steps = _steps(job, sources)
    variables: dict[str, str] = {}
    testing = [step for step in steps if runs_tests(commands(as_text(step.get("run"))))]
    for table in (document, job, *testing):
        for key, value in at(table, "env").items():
            # What the matrix varies is no condition of the tests, except where it saves building something.
            values = chosen if _SAVES_WORK.search(key) else {}
            variables[key] = _filled(as_text(value), values)
    values = {**{key: value for key, value in variables.items() if "$UNKNOWN" not in value}, **chosen}
    script = [_filled(as_text(step.get("run")), values) for step in steps]
    return Job(
        path=path,
        name=f"{_stem(path)}/{name}",
        pythons=tuple(_pythons(matrix, [job, *steps])),
        script="\n".join(script),
        packages=tuple(package for step in steps for package in _packages(step)),
        variables=variables,
    )


def _stem(path: str) -> str:
    return path.rpartition("/")[2].partition(".")[0]


def _steps(job: Mapping[str, Any], sources: Sources) -> list[Mapping[str, Any]]:
    """The steps, those of actions of the repository itself in their place, and none that is for another system."""
    found: list[Mapping[str, Any]] = []
    for step in map(as_table, as_list(job.get("steps"))[:100]):
        found.append(step)
        uses = as_text(step.get("uses"))
        if uses.startswith("./.github/actions/"):
            action = sources.yaml(f"{uses[2:].rstrip('/')}/action.yml") or sources.yaml(
                f"{uses[2:].rstrip('/')}/action.yaml"
            )
            found += map(as_table, as_list(at(action, "runs").get("steps"))[:100])
    return [step for step in found if not _is_foreign(step)]


def _is_foreign(step: Mapping[str, Any]) -> bool:
    condition = as_text(step.get("if")).lower()
    foreign = re.search(r"(?<!!)=\s*'?\"?(windows|macos|darwin)|startswith\([\w. ]*os, *'(windows|macos)", condition)
    return as_text(step.get("shell")) in ("pwsh", "powershell", "cmd") or bool(foreign and "!=" not in condition)


def _pythons(matrix: Mapping[str, Any], tables: list[Mapping[str, Any]]) -> list[str]:
    found: list[str] = []
    for table in (matrix, *map(as_table, as_list(matrix.get("include")))):
        for key, value in table.items():
            if _ABOUT_PYTHON.fullmatch(key):
                found += minors(_version_texts(value))
    for table in tables:
        for key, value in at(table, "with").items():
            if _ABOUT_PYTHON.fullmatch(key):
                found += minors(_version_texts(value))
    return list(dict.fromkeys(found))


def _version_texts(value: Any) -> list[str]:
    """The texts of a value of the matrix: a list, a table a version, or JSON in a text; ``py310-x`` counts."""
    texts = [text for item in as_list(value) for text in (as_texts(item) or as_texts(list(as_table(item).values())))]
    return [*texts, *(part for text in texts for part in text.replace(":", "-").split("-")[:3] if part[:2] == "py")]


def _representative(matrix: Mapping[str, Any]) -> dict[str, str]:
    """One value of each dimension: the last, which is usually the newest."""
    found: dict[str, str] = {}
    for table in (matrix, *map(as_table, as_list(matrix.get("include")))):
        for key, value in table.items():
            if key in ("include", "exclude", "os"):
                continue
            last = as_list(value)[-1] if as_list(value) else ""
            if as_text(last):
                found.setdefault(key, as_text(last))
            for inner, text in as_table(last).items():
                found.setdefault(f"{key}.{inner}", as_text(text))
    return found


def _filled(text: str, values: Mapping[str, str]) -> str:
    known = _EXPRESSION.sub(lambda found: values.get(found[1], found[0]), text[:20_000])
    return re.sub(r"\$\{\{[^{}]*\}\}", "$UNKNOWN", known)


def _packages(step: Mapping[str, Any]) -> list[str]:
    """Packages that an action installs (``awalsh128/cache-apt-pkgs-action`` and its kin)."""
    if "apt" not in as_text(step.get("uses")):
        return []
    return re.split(r"[\s,]+", as_text(at(step, "with").get("packages")))
