"""What a repository tells about its own installation, read from its files: ``infer``.

Every file here is a stranger's: nothing is run, every size is bounded, and what does not parse tells nothing. A place
where the repository runs its tests (tox, nox, continuous integration, make, documents) becomes a ``Context``; every
module about one concern (versions of Python, requirements, system packages, test command, variables) reads those.
"""

from swemill.environment.inference.inferring import infer
from swemill.environment.inference.tooling import is_tooling
from swemill.environment.inference.wanted import is_wanted

__all__ = ["infer", "is_tooling", "is_wanted"]
