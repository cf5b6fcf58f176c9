"""Reads evaluation sets from folders: the lists of ``config/evaluation`` and whatever a user puts beside them.

A set is a ``*.toml`` with

    name = "SWE-bench"
    source = "where the list comes from"
    repositories = ["owner/name"]      # or ["*"], with a cutoff
    cutoff = 2025-01-01                # optional: only what was merged from that day on
    instances = "tasks.jsonl"          # optional: tasks in SWE-bench's format, in the same folder (or .json, .parquet)

and a ``*.jsonl`` that no TOML file names is a set of its own: its statements and patches, no repositories.

A set that is read wrongly leaks, and nobody notices. So whatever cannot be understood is an error, none is skipped.
"""

import re
import tomllib
from collections.abc import Iterator
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from swemill.contamination import EVERY_REPOSITORY, EvaluationInstance, EvaluationSet, EvaluationSets
from swemill.errors import ConfigurationError

_KEYS = ("name", "source", "repositories", "cutoff", "instances")
_REPOSITORY = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*/[A-Za-z0-9_.-]+")


class _Line(BaseModel):
    """What counts of a SWE-bench task. The rest of its fields are ignored."""

    model_config = ConfigDict(strict=True)

    instance_id: str
    problem_statement: str | None = None
    patch: str | None = None
    test_patch: str | None = None


_LINES = TypeAdapter(list[_Line])


def load(*folders: Path) -> EvaluationSets:
    """All sets of these folders together.

    Raises:
        ConfigurationError: a folder or file is missing or wrong; the message names the file, and the line where it has
            one.
    """
    return EvaluationSets(one for folder in dict.fromkeys(folders) for one in _sets(folder))


def _sets(folder: Path) -> Iterator[EvaluationSet]:
    if not folder.is_dir():
        raise ConfigurationError(f"the folder of evaluation sets {folder} does not exist: see SWEMILL_EVALUATION_DIR")
    named: set[Path] = set()
    for path in sorted(folder.glob("[!.]*.toml")):
        one, file = _Document(path).read()
        named.update([file] if file else [])
        yield one
    for path in sorted(set(folder.glob("[!.]*.jsonl")) - named):
        yield EvaluationSet(name=path.stem, instances=_instances(path))


class _Document:
    """One TOML file; ``wrong`` finds the line of what is wrong with it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._text = _read(path).replace("\r\n", "\n")

    def read(self) -> tuple[EvaluationSet, Path | None]:
        """The set, and the file of its instances."""
        try:
            table = tomllib.loads(self._text)
        except (ValueError, RecursionError) as cause:
            raise ConfigurationError(f"{self._path} is no TOML: {cause}") from cause
        for key in table:
            if key not in _KEYS:
                raise self.wrong(f"unknown key {key!r}; known are {', '.join(_KEYS)}", key)
        name, _ = self._words(table, "name"), self._words(table, "source")
        cutoff = self._cutoff(table.get("cutoff"))
        repositories = self._repositories(table.get("repositories", []), cutoff)
        file = self._file(table.get("instances"))
        if not repositories and file is None:
            raise self.wrong("it names neither repositories nor instances, so it would exclude nothing")
        if cutoff and not repositories:
            raise self.wrong(f'a cutoff is about repositories; for all of them: ["{EVERY_REPOSITORY}"]', "cutoff")
        instances = _instances(file) if file else ()
        return EvaluationSet(name=name, repositories=repositories, cutoff=cutoff, instances=instances), file

    def wrong(self, what: str, near: str = "") -> ConfigurationError:
        lines = self._text.split("\n")
        at = next((number for number, line in enumerate(lines, start=1) if near and near in line.split("#")[0]), None)
        return ConfigurationError(f"{self._path}{f':{at}' if at else ''}: {what}")

    def _words(self, table: dict[str, Any], key: str) -> str:
        value = table.get(key)
        if not isinstance(value, str) or not value.strip():
            raise self.wrong(f"{key} must be a text", key)
        return value.strip()

    def _cutoff(self, value: Any) -> datetime | None:
        if value is None or (isinstance(value, datetime) and value.tzinfo is not None):
            return value
        if not isinstance(value, date) or isinstance(value, datetime):
            raise self.wrong(f"cutoff is {value!r}; it must be a day without quotes, such as 2025-01-01", "cutoff")
        return datetime.combine(value, time(), tzinfo=UTC)

    def _repositories(self, value: Any, cutoff: datetime | None) -> tuple[str, ...]:
        if not isinstance(value, list):
            raise self.wrong("repositories must be a list of names", "repositories")
        if value == [EVERY_REPOSITORY]:
            if cutoff is None:
                raise self.wrong(f'"{EVERY_REPOSITORY}" without a cutoff would exclude everything', "repositories")
            return (EVERY_REPOSITORY,)
        for name in value:
            if not isinstance(name, str) or not _REPOSITORY.fullmatch(name):
                near = name if isinstance(name, str) and name else "repositories"
                raise self.wrong(f"{name!r} is no repository; it must look like owner/name", near)
        return tuple(value)

    def _file(self, value: Any) -> Path | None:
        if value is None:
            return None
        if not isinstance(value, str) or not value or Path(value).name != value:
            raise self.wrong(f"instances is {value!r}; it must be the name of a file in the same folder", "instances")
        path = self._path.with_name(value)
        if path.suffix not in (".jsonl", ".json", ".parquet"):
            raise self.wrong(f"{value} is none of .jsonl, .json and .parquet", value)
        if not path.is_file():
            raise self.wrong(f"the file {path} does not exist", value)
        return path


def _instances(path: Path) -> tuple[EvaluationInstance, ...]:
    if path.suffix == ".jsonl":
        # Only a line feed ends a line: JSON texts may hold what Python also takes for one.
        lines = [(f"{path}:{number}", line) for number, line in enumerate(_read(path).split("\n"), start=1)]
        found = tuple(_instance(where, _line(where, line)) for where, line in lines if line.strip())
    else:
        records = _table(path) if path.suffix == ".parquet" else _list(path)
        found = tuple(_instance(f"{path}, task {number}", record) for number, record in enumerate(records, start=1))
    if not found:
        raise ConfigurationError(f"{path} is empty: it would exclude nothing")
    return found


def _list(path: Path) -> list[_Line]:
    try:
        return _LINES.validate_json(_read(path))
    except ValidationError as cause:
        raise ConfigurationError(f"{path} must hold a list of tasks: {_first(cause)}") from cause


def _table(path: Path) -> list[_Line]:
    from pyarrow import ArrowException
    from pyarrow.parquet import read_table

    try:
        return _LINES.validate_python(read_table(path).to_pylist())
    except (ArrowException, OSError) as cause:
        raise ConfigurationError(f"{path} is no readable Parquet file: {cause}") from cause
    except ValidationError as cause:
        raise ConfigurationError(f"{path} must be a table of tasks: {_first(cause)}") from cause


def _line(where: str, line: str) -> _Line:
    try:
        return _Line.model_validate_json(line)
    except ValidationError as cause:
        raise ConfigurationError(f"{where}: {_first(cause)}") from cause


def _instance(where: str, record: _Line) -> EvaluationInstance:
    if not (record.problem_statement or record.patch or record.test_patch):
        raise ConfigurationError(f"{where}: it has neither problem_statement nor patch nor test_patch to look for")
    return EvaluationInstance(
        instance_id=record.instance_id,
        problem_statement=record.problem_statement or "",
        patch=(record.patch or "").encode("utf-8", "surrogateescape"),
        test_patch=(record.test_patch or "").encode("utf-8", "surrogateescape"),
    )


def _first(cause: ValidationError) -> str:
    error = cause.errors(include_url=False, include_input=False)[0]
    return f"{'.'.join(map(str, error['loc'])) or 'record'}: {error['msg']}"


def _read(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8-sig")
    except OSError as cause:
        raise ConfigurationError(f"{path} cannot be read: {cause.strerror}") from cause
    except UnicodeDecodeError as cause:
        line = cause.object[: cause.start].count(b"\n") + 1
        raise ConfigurationError(f"{path}:{line}: not UTF-8") from cause
