"""One job of continuous integration, before it is known whether it runs tests."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class Job:
    """What a job says."""

    path: str
    """The file that it stands in."""
    name: str = ""
    pythons: tuple[str, ...] = ()
    script: str = ""
    packages: tuple[str, ...] = ()
    variables: Mapping[str, str] = field(default_factory=dict)
    whole: bool = False
    """It is all that the service does, so it is about tests whatever it says."""
