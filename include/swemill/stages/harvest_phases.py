"""A batch of one repository's pull requests on its way to instances, in phases from the cheapest to the dearest.

What the record alone tells comes first, then the touched paths, the issues that its own words close, and the diff: most
pull requests are lost before anything dear is asked for.
"""

from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeVar
from urllib.parse import urlsplit

from swemill.closing import closing_numbers
from swemill.contamination import EvaluationSets
from swemill.filters import (
    empty_statement,
    first,
    no_code_change,
    no_linked_issue,
    no_test_change,
    patch_too_large,
    too_many_paths,
)
from swemill.patches import BadPatch, TestLayout, changed_paths, split
from swemill.ports import Forge, ForgeApi
from swemill.reasons import Reason
from swemill.stages.harvest_results import Candidate, HarvestConfig, Rejected
from swemill.stages.statement import hints, problem_statement, statement_parts, statement_source
from swemill.values import (
    Change,
    Drop,
    InstanceSpec,
    Issue,
    PullRequestRecord,
    RepositoryRecord,
    StatementSource,
    instance_id,
)

T = TypeVar("T")
U = TypeVar("U")


def harvest_pulls(
    forge: Forge,
    repository: RepositoryRecord,
    pulls: Sequence[PullRequestRecord],
    *,
    config: HarvestConfig,
    evaluation: EvaluationSets,
    api: ForgeApi | None = None,
    present_name: str = "",
) -> Iterator[Candidate | Rejected]:
    """A batch of one repository's pull requests, each once, the first losses first.

    Args:
        forge: where commits come from.
        repository: whose they are.
        pulls: a few hundred at most.
        config: what is kept.
        evaluation: what must not become training data.
        api: the metered side of the forge. With it, issues are looked up that a pull request closes by its own words,
            and candidates come without hints: see ``with_hints``. Without it the records hold all that is known.
        present_name: what the repository is called now, where that may be another name than its first.

    Raises:
        Infrastructure: as the ports do; what was yielded before holds.
    """
    names = tuple(dict.fromkeys((present_name or repository.name, repository.name)))
    batch = _Batch(forge=forge, repository=repository, names=names, config=config, evaluation=evaluation, api=api)
    told = yield from batch.sift(pulls, lambda pull: pull, batch.by_record)
    if told:
        forge.prepare(repository, [item.told for item in told])
    touching = yield from batch.sift(told, _told, batch.by_paths)
    issues = batch.named_issues(touching)
    linked = yield from batch.sift(touching, _told, lambda item: batch.by_issues(item, issues))
    if linked:
        forge.fill(repository, [item.told for item in linked])
    for item in linked:
        result = batch.by_change(item)
        yield batch.lost(item.told, result) if isinstance(result, Drop) else result


@dataclass(frozen=True, kw_only=True)
class _Item:
    """A pull request on its way through the phases."""

    told: PullRequestRecord
    pull: PullRequestRecord
    """With the issues that were looked up since."""
    named: tuple[int, ...] = ()
    """Numbers that its own words close, still to be looked up."""


def _told(item: _Item) -> PullRequestRecord:
    return item.told


@dataclass(frozen=True, kw_only=True)
class _Batch:
    """What the phases share. Each phase gives what goes on, or the loss."""

    forge: Forge
    repository: RepositoryRecord
    names: tuple[str, ...]
    """Its present one and its first: people and evaluation sets may use either."""
    config: HarvestConfig
    evaluation: EvaluationSets
    api: ForgeApi | None

    def sift(
        self, items: Sequence[T], told: Callable[[T], PullRequestRecord], phase: Callable[[T], U | Drop]
    ) -> Generator[Rejected, None, list[U]]:
        """Yields the losses of a phase, returns what goes on."""
        kept: list[U] = []
        for item in items:
            result = phase(item)
            if isinstance(result, Drop):
                yield self.lost(told(item), result)
            else:
                kept.append(result)
        return kept

    def lost(self, pull: PullRequestRecord, drop: Drop) -> Rejected:
        subject = instance_id(self.repository.name, pull.number)
        return Rejected(repository_name=self.repository.name, subject=subject, drop=drop, pull_request=pull)

    def by_record(self, pull: PullRequestRecord) -> _Item | Drop:
        named: tuple[int, ...] = ()
        if self.api is not None and pull.statement_source is StatementSource.ISSUE and not pull.issues:
            host = urlsplit(self.repository.location).netloc or "github.com"
            named = closing_numbers(pull.title, pull.body, *self.names, host=host)
        drop = first(
            (
                lambda: self.evaluation.repository(self.names[0], pull.merged_at, *self.names[1:]),
                lambda: no_linked_issue(pull, required=self.config.require_issue and not named),
                lambda: None if named else self.by_statement(pull),
            )
        )
        return drop or _Item(told=pull, pull=pull, named=named)

    def by_statement(self, pull: PullRequestRecord) -> Drop | None:
        statement = problem_statement(pull)
        # One issue of several may be the evaluation set's: beside the others it would not be alike any more.
        texts = dict.fromkeys((statement, *statement_parts(pull)))
        return first(
            (
                lambda: empty_statement(statement, statement_source(pull)),
                *(partial(self.evaluation.statement, text) for text in texts),
            )
        )

    def by_paths(self, item: _Item) -> _Item | Drop:
        touched = self.forge.touched(self.repository, item.told)
        if isinstance(touched, Drop):
            return touched
        layout = TestLayout.of(touched.configuration)
        drop = first(
            (
                lambda: too_many_paths(touched.paths, limit=self.config.max_patch_bytes),
                lambda: no_test_change(touched.paths, layout),
                lambda: no_code_change(touched.paths, layout),
            )
        )
        return drop or item

    def named_issues(self, items: Sequence[_Item]) -> dict[int, Issue]:
        """The issues that the batch's own words close, asked for together."""
        numbers = sorted({number for item in items for number in item.named})
        return dict(self.api.issues(self.repository, numbers)) if self.api is not None and numbers else {}

    def by_issues(self, item: _Item, issues: dict[int, Issue]) -> _Item | Drop:
        if not item.named:
            return item
        found = tuple(issues[number] for number in item.named if number in issues)
        pull = replace(item.pull, issues=found)
        drop = first(
            (
                lambda: no_linked_issue(pull, required=self.config.require_issue),
                lambda: self.by_statement(pull),
            )
        )
        return drop or replace(item, pull=pull)

    def by_change(self, item: _Item) -> Candidate | Drop:
        change = self.forge.change(self.repository, item.told)
        if isinstance(change, Drop):
            return change
        layout = TestLayout.of(change.configuration)
        try:
            patch, test_patch = split(change.diff, layout)
            drop = first(
                (
                    lambda: no_test_change(changed_paths(test_patch), layout),
                    lambda: no_code_change(changed_paths(patch), layout),
                    lambda: patch_too_large(len(patch) + len(test_patch), limit=self.config.max_patch_bytes),
                    lambda: self.evaluation.patch(patch, test_patch),
                )
            )
        except BadPatch as error:
            return Drop(reason=Reason.MALFORMED_RECORD, detail=f"its diff: {error}")
        return drop or self._candidate(item, change, patch, test_patch)

    def _candidate(self, item: _Item, change: Change, patch: bytes, test_patch: bytes) -> Candidate:
        pull, until = item.pull, change.first_authored_at or item.pull.merged_at
        instance = InstanceSpec(
            instance_id=instance_id(self.repository.name, pull.number),
            repository=self.repository.name,
            forge=self.forge.name,
            number=pull.number,
            base_commit=change.base_commit,
            base_committed_at=change.base_committed_at,
            patch=patch,
            test_patch=test_patch,
            problem_statement=problem_statement(pull),
            hints_text=hints([comment for issue in pull.issues for comment in issue.comments], until),
            statement_source=statement_source(pull),
            base_inference=change.base_inference,
            created_at=pull.created_at or pull.merged_at,
            version=change.version or pull.version,
            issue_numbers=tuple(issue.number for issue in pull.issues),
            licence_path=change.licence_path,
            licence=change.licence,
        )
        return Candidate(
            repository=self.repository,
            pull_request=item.told,
            instance=instance,
            issues=pull.issues,
            hints_until=until,
            present_name=self.names[0],
        )
