"""Modules that nothing installed: their distribution, as of the date of the commit."""

import re

from swemill.environment.failures import NOBODYS, distribution, is_guess, is_stdlib
from swemill.environment.failures import FailureKind as Kind
from swemill.environment.repairs.changes import require
from swemill.environment.repairs.rules import Means, rule
from swemill.values import Candidate, Failure

_LIKELY = re.compile(r"[A-Za-z][A-Za-z0-9_]{2,60}")


@rule(Kind.MISSING_MODULE, name="distribution of")
def missing_module(candidate: Candidate, failure: Failure, means: Means) -> Candidate | None:
    """Install the distribution that brings the module.

    Not for a module of the repository's own, nor for names that every repository has (``utils``): what an index has
    under such a name is something else.
    """
    module = failure.subject
    top = module.partition(".")[0]
    if top.lower() in means.own_modules or top in NOBODYS or is_stdlib(top):
        return None
    if is_guess(module) and not _LIKELY.fullmatch(top):
        return None
    return require(candidate, distribution(module))
