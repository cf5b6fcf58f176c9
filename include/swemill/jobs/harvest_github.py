"""Harvest a metered forge: which repositories have something new, their pull requests, and what becomes of each.

Listing and harvesting are facts of their own: a killed run goes on at the page, and then at the pull request, where it
was. Nothing depends on the order in which windows are asked for.
"""

import logging
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import groupby

from swemill.errors import UnknownSubject
from swemill.jobs import discover
from swemill.jobs.harvest import Harvested
from swemill.jobs.harvest_run import FORGE, Run, Say, present_effect
from swemill.jobs.listing import look
from swemill.jobs.newest_pulls import begin_walks
from swemill.jobs.perform import noting_incidents
from swemill.reasons import Stage
from swemill.store.facts import Ending, insert_attempt, renewed
from swemill.store.listings import ask_windows, first_end, input_key, repositories_with_pending
from swemill.store.loading import held_pulls
from swemill.store.repositories import KnownRepository, known_repositories, names_of_all
from swemill.values import Window
from swemill.wiring import Mill

log = logging.getLogger(__name__)

MISSED = timedelta(days=31)
"""How far back missed nights are made up for; what is older is a backfill's."""


def plan(mill: Mill, window: Window, *, names: Sequence[str] = (), say: Say = log.info) -> list[str]:
    """First names of the known repositories (or of those named) that have something to do for ``window``.

    It is noted that the window is wanted of all of them, and where those are now that moved.

    Raises:
        UnknownSubject: a name is not harvested. RateLimited, ForgeUnavailable: the forge cannot be asked now.
    """
    withdraw_claimed(mill, say=say)
    repositories = _known(mill, names)
    ids = [repository.id for repository in repositories]
    with mill.store.session() as session:
        ask_windows(session, ids, window)
    with noting_incidents(mill, Stage.HARVEST, f"source:{FORGE}"):
        looks = look(mill, mill.forge_api(FORGE), repositories, window, strangers=True, say=say)
    with mill.store.session() as session:
        waiting = repositories_with_pending(session, ids, present_effect(mill).config_key)
    return [
        one.repository.record.name for one in looks if one.is_behind or (one.repository.id in waiting and not one.gone)
    ]


def made_up(mill: Mill, window: Window) -> Window:
    """``window`` with the nights before it that were missed within the last month: the machine was off, a run was long.

    What was asked for until some day of that month, and not from then on, is asked for up to the window.
    """
    with mill.store.session() as session:
        since = first_end(session, FORGE, Window(since=window.since - MISSED, until=window.since))
    return window if since is None else replace(window, since=since)


def withdraw_claimed(mill: Mill, *, say: Say = log.info) -> int:
    """Reject the instances of repositories that an evaluation set claims by now; returns how many.

    Such a repository is harvested no longer, by its first name or its present one, so nobody else would come to them.
    """
    effect, sets = present_effect(mill), mill.evaluation_sets
    with mill.store.session() as session:
        all_names = names_of_all(session, FORGE)
    drops = {first: drop for first, now in all_names if (drop := sets.repository(now, None, first)) is not None}
    if not drops:
        return 0
    with mill.store.session() as session:
        held = held_pulls(session, FORGE, list(drops))
        for pull in held:
            work = effect.work(
                pull.instance_id,
                repository=pull.repository,
                input_key=input_key(pull.content_hash, pull.revision),
                instance_id=pull.instance_id,
            )
            drop = drops[pull.repository]
            ending = Ending(passed=False, started_at=datetime.now(UTC), reason=drop.reason, detail=drop.detail)
            insert_attempt(session, renewed(session, work, anyway=True) or work, ending)
    for pull in held:
        say(f"{pull.instance_id}: withdrawn ({drops[pull.repository].reason.value}) {drops[pull.repository].detail}")
    return len(held)


def unknown(mill: Mill, names: Sequence[str]) -> list[str]:
    """Those of the names that are not among the repositories to harvest: never discovered, or lost."""
    if not names:
        return []
    with mill.store.session() as session:
        return _unmatched(names, known_repositories(session, FORGE, names))


def harvest_repositories(mill: Mill, names: Sequence[str], window: Window, *, say: Say = log.info) -> Harvested:
    """List what was merged in ``window`` and harvest what is pending, of each of these repositories.

    Raises:
        RateLimited: at once; what was done is saved.
        ForgeUnavailable: at the end, when some repositories could not be worked on; the message names them.
        AlreadyClaimed: at the end, when another live process worked on some of them all the while.
        UnknownSubject: a name is not harvested.
    """
    if not names:
        return Harvested(kept=0, rejected=0, new=0)
    run = Run.of(mill, say)
    repositories = _known(mill, names)
    with mill.store.session() as session:
        ask_windows(session, [repository.id for repository in repositories], window)
    with noting_incidents(mill, Stage.HARVEST, f"source:{FORGE}"):
        looks = look(mill, run.api, repositories, window, strangers=False, say=say)
    looks = begin_walks(run, looks, window)
    taken = []
    for number, one in enumerate(looks, 1):
        if len(looks) > 1:
            say(f"[{number}/{len(looks)}] {one.repository.present_name}")
        if not run.repository(one, window):
            taken.append(one)
    run.give_hints()
    still = [one.repository.present_name for one in taken if not run.repository(one, window)]
    run.end(still)
    return run.counts()


def harvest_named(mill: Mill, pulls: Sequence[tuple[str, int]], *, say: Say = log.info) -> Harvested:
    """Harvest single pull requests (``owner/name``, number), whenever they were merged.

    One that is known is not asked for again: what was edited since is seen by the next listing.

    Raises:
        UnknownSubject: the forge, or this installation, has no such repository. Else as ``harvest_repositories``.
    """
    run = Run.of(mill, say)
    wanted = sorted(dict.fromkeys(pulls))
    strangers = unknown(mill, [name for name, _ in wanted])
    if strangers:
        discover.add(mill, strangers, forge=FORGE, say=say)
    taken: list[str] = []
    for name, group in groupby(wanted, key=lambda pull: pull[0]):
        numbers = [number for _, number in group]
        for repository in _known(mill, [name]):
            if not run.named(repository, numbers):
                taken.append(name)
    run.end(taken)
    return run.counts()


def _known(mill: Mill, names: Sequence[str]) -> list[KnownRepository]:
    """The known repositories, or those of these names. Raises UnknownSubject."""
    with mill.store.session() as session:
        found = known_repositories(session, FORGE, names)
    if strangers := _unmatched(names, found):
        raise UnknownSubject(
            f"{', '.join(strangers)}: not among the repositories to harvest; `swemill repositories` tells why, "
            "`swemill discover --repository OWNER/NAME` adds one"
        )
    return found


def _unmatched(names: Sequence[str], found: Sequence[KnownRepository]) -> list[str]:
    called = {name.lower() for one in found for name in (one.record.name, one.present_name)}
    return [name for name in dict.fromkeys(names) if name.lower() not in called]
