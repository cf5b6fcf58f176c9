"""From rows back to values."""

from sqlalchemy.orm import Session

from swemill.errors import UnknownSubject
from swemill.models import Environment, Instance, Validation
from swemill.store.loading import LoadedInstance, load_instance
from swemill.store.quarantine import refuse_quarantined
from swemill.values import BaseInference, InstanceSpec, RepositoryRecord, StatementSource, TestRunner
from swemill.wiring import Mill


def instance_spec(mill: Mill, row: Instance, environment: Environment | None) -> InstanceSpec:
    """The instance with its patches, as its tests are run in ``environment``; by pytest while it has none."""
    return InstanceSpec(
        instance_id=row.instance_id,
        repository=row.repository,
        forge=row.forge,
        number=row.number,
        base_commit=row.base_commit,
        base_committed_at=row.base_committed_at,
        patch=mill.blobs.get(row.patch_blob),
        test_patch=mill.blobs.get(row.test_patch_blob),
        problem_statement=row.problem_statement,
        hints_text=row.hints_text,
        statement_source=StatementSource(row.statement_source),
        base_inference=BaseInference(row.base_inference),
        created_at=row.created_at,
        version=row.version,
        issue_numbers=tuple(row.issue_numbers),
        runner=TestRunner(environment.test_runner) if environment else TestRunner.PYTEST,
        licence_path=row.licence_path,
        licence=mill.blobs.get(row.licence_blob) if row.licence_blob else b"",
    )


def repository_record(loaded: LoadedInstance) -> RepositoryRecord:
    """The repository of an instance, for its forge: by its first name, at its present place."""
    row = loaded.repository
    if row is None:
        raise UnknownSubject(f"the repository of {loaded.instance.instance_id} is not in the store; harvest it again")
    return RepositoryRecord(forge=row.forge, name=row.name, location=loaded.location, forge_id=row.forge_id)


def environment_of(session: Session, instance_id: str) -> tuple[LoadedInstance, Environment, str]:
    """An installed instance: its facts, its newest environment and that one's effect key.

    Raises:
        UnknownSubject: not harvested, or not installed yet.
    """
    loaded = load_instance(session, instance_id)
    if loaded.environment is None or loaded.environment_effect is None:
        raise UnknownSubject(f"{instance_id} has no environment yet; run `swemill install {instance_id}` first")
    return loaded, loaded.environment, loaded.environment_effect


def validation_of(session: Session, instance_id: str) -> tuple[LoadedInstance, Validation, str]:
    """A validated instance: its facts with the environment of its newest validation, that one and its effect key.

    Raises:
        UnknownSubject: not harvested, installed or validated yet.
    """
    loaded, _, _ = environment_of(session, instance_id)
    if loaded.validation is None or loaded.validation_effect is None:
        raise UnknownSubject(f"{instance_id} is not validated; run `swemill validate {instance_id}` first")
    environment = session.get_one(Environment, loaded.validation.environment_id)
    return loaded._replace(environment=environment), loaded.validation, loaded.validation_effect


def standing_validation_of(session: Session, instance_id: str) -> tuple[LoadedInstance, Validation, str]:
    """The same, of an instance that may be worked on.

    Raises:
        UnknownSubject: likewise. UserError: it is quarantined.
    """
    found = validation_of(session, instance_id)
    refuse_quarantined(session, instance_id)
    return found
