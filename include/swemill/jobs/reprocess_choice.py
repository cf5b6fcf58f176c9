"""What somebody wants done again, from their own words, and what comes of it in words: no database."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Any, NamedTuple

from swemill.errors import UserError
from swemill.jobs.repository_patterns import repository_patterns
from swemill.jobs.rollout import Subject
from swemill.jobs.windows import window
from swemill.reasons import Reason, Stage
from swemill.store.reprocess import Lost
from swemill.values import Window

STAGES = (Stage.INSTALL, Stage.VALIDATE, Stage.REVALIDATE, Stage.ROLLOUT, Stage.JUDGE)
"""What can be done again one by one."""

_NAMED = 3
"""Repositories that a line names."""


@dataclass(frozen=True, kw_only=True)
class Choice:
    """Which losses are to be done again."""

    stage: Stage
    window: Window
    """When the loss was recorded."""
    reasons: tuple[Reason, ...] = ()
    """None: all."""
    repositories: tuple[str, ...] = ()
    """``owner/name``, with ``*`` and ``?`` for any letters. None: all."""
    strategies: tuple[str, ...] = ()
    """Of install; none: those of the ladder."""
    limit: int | None = None
    """Most losses, the oldest first."""

    def has(self, repository: str) -> bool:
        """Whether a repository is one of those."""
        return not self.repositories or any(fnmatchcase(repository, pattern) for pattern in self.repositories)


class Standing(StrEnum):
    """Why a loss will be done again."""

    ASKED_NOW = "asked_now"
    ASKED_BEFORE = "asked_before"
    PENDING = "pending"
    """Anyway: the settings, the code or the input are others than those that lost it."""


class Again(NamedTuple):
    """One loss that will be done again."""

    lost: Lost
    standing: Standing


@dataclass(frozen=True)
class Count:
    """Losses by reason and repository."""

    reason: str
    repository: str
    count: int


@dataclass(frozen=True, kw_only=True)
class Reprocessed:
    """What will be done again; after a dry run, what would be."""

    choice: Choice
    dry_run: bool
    found: tuple[Again, ...]
    further: int = 0
    """Losses that match and are more than the limit."""
    unknown_policies: tuple[str, ...] = ()
    """Their rollouts match, and cannot be made any more."""
    has: Mapping[str, int] | None = None
    """Where nothing was found: what the stage has lost at all, by reason."""

    @property
    def subjects(self) -> list[str]:
        """What to work on, each once."""
        return list(dict.fromkeys(again.lost.subject for again in self.found))

    def counts(self) -> list[Count]:
        """By reason and repository, the most first."""
        counted = Counter((again.lost.reason, again.lost.repository) for again in self.found)
        return [
            Count(reason, repository, count)
            for (reason, repository), count in sorted(counted.items(), key=lambda item: (-item[1], item[0]))
        ]

    def standings(self) -> dict[Standing, int]:
        """How many by standing."""
        counted = Counter(again.standing for again in self.found)
        return {standing: counted[standing] for standing in Standing}

    def form(self) -> dict[str, Any]:
        """The fields of the stage's trigger form that make a run of exactly these."""
        form: dict[str, Any] = {"only": self.subjects}
        if self.choice.stage is Stage.INSTALL:
            form["strategies"] = list(self.choice.strategies)
        if self.choice.stage is Stage.ROLLOUT:
            rollouts = [Subject.parse(subject) for subject in self.subjects]
            form["policies"] = sorted({one.policy for one in rollouts})
            form["attempts"] = max((one.number for one in rollouts), default=1)
        return form

    def command(self) -> str:
        """The command that does the work."""
        form = self.form()
        options = [f"--strategy {name}" for name in form.get("strategies", ())]
        options += [f"--policy {name}" for name in form.get("policies", ())]
        if form.get("attempts", 1) > 1:
            options.append(f"--attempts {form['attempts']}")
        return " ".join(["swemill", self.choice.stage.value, *options])

    def by_reason(self) -> list[str]:
        """A line a reason: how many, and where most of them are."""
        counts = self.counts()
        totals = Counter[str]()
        for one in counts:
            totals[one.reason] += one.count
        return [
            f"{reason}: {total} in {_places([one for one in counts if one.reason == reason])}"
            for reason, total in totals.most_common()
        ]

    def summary(self) -> list[str]:
        """What a person is told, in lines."""
        stage = self.choice.stage.value
        gone = [
            f"left out are rollouts of {', '.join(self.unknown_policies)}: there is no such policy any more"
            for _ in self.unknown_policies[:1]
        ]
        if not self.found:
            return [f"no loss of {stage} matches: there is nothing to do again", *gone, self._way_out()]
        standings = self.standings()
        told = [
            f"{standings[Standing.ASKED_NOW]} {'would be ' if self.dry_run else ''}asked for now",
            f"{standings[Standing.ASKED_BEFORE]} asked for before and not done yet",
            f"{standings[Standing.PENDING]} pending anyway (settings, code or input have changed since)",
        ]
        losses = "1 loss" if len(self.found) == 1 else f"{len(self.found)} losses"
        lines = [f"{losses} of {stage}: {', '.join(told)}", *gone]
        if self.further:
            lines.append(f"{self.further} more match and are over the limit")
        return lines + (["dry run: nothing was changed"] if self.dry_run else [])

    def _way_out(self) -> str:
        if not self.has:
            return (
                f"{self.choice.stage.value} has lost nothing that could be done again (withdrawn instances and those "
                "that a later attempt got through are left out); `swemill funnel` counts all losses"
            )
        lost = ", ".join(f"{reason} {count}" for reason, count in sorted(self.has.items()))
        return f"{self.choice.stage.value} has lost: {lost}; give fewer or other reasons, repositories or dates"


def _places(counts: Sequence[Count]) -> str:
    if len(counts) == 1:
        return counts[0].repository
    named = ", ".join(f"{one.repository} {one.count}" for one in counts[:_NAMED])
    return f"{len(counts)} repositories ({named}{', ...' if len(counts) > _NAMED else ''})"


def choice(
    stage: str,
    *,
    reasons: Iterable[str] = (),
    repositories: Iterable[str] = (),
    since: str | None = None,
    until: str | None = None,
    strategies: Iterable[str] = (),
    limit: int | None = None,
) -> Choice:
    """A choice from the words of a command or a form; dates are of the loss, ``until`` is the first that is left out.

    Raises:
        UserError: a word, date or pattern cannot be meant; it names the nearest that can.
    """
    chosen = Stage(_known("stage", stage, [each.value for each in STAGES]))
    rungs = tuple(dict.fromkeys(strategies))
    if rungs and chosen is not Stage.INSTALL:
        raise UserError(f"a strategy is for the stage install, and {chosen.value} has none")
    patterns = repository_patterns(repositories)
    known = [reason.value for reason in Reason]
    return Choice(
        stage=chosen,
        window=window(since, until),
        reasons=tuple(dict.fromkeys(Reason(_known("reason", name, known)) for name in reasons)),
        repositories=patterns,
        strategies=rungs,
        limit=limit,
    )


def _known(what: str, name: str, known: Sequence[str]) -> str:
    if name in known:
        return name
    near = get_close_matches(name, known, n=3)
    meant = f"did you mean {' or '.join(near)}?" if near else f"there are: {', '.join(known)}"
    raise UserError(f"no {what} {'of reprocess ' if what == 'stage' else ''}is called {name!r}; {meant}")
