"""git over the network: one fetch, hardened, limited, and its failures told apart.

``run_git`` allows no transport at all; this is the one place that does, and only http and https. The URL is ours, never
one of a mirror's configuration. Objects are checked against their ids by git itself. ``fetch.fsckObjects`` stays off:
it refuses whole histories for harmless old faults (a zero-padded mode, a date without a zone), and what it guards
against, a checkout with hostile names, does not happen here; patches with such names are refused by ``patches``.
"""

import base64
import os
import re
import signal
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import getproxies_environment

from swemill.adapters.git_command import Ended, execute
from swemill.errors import ConfigurationError, ForgeUnavailable, SourceError

FETCH_TIMEOUT = 3600.0
"""Seconds one fetch may take."""
PAUSES = (0.5, 2.0)
"""Seconds before the second and the third try."""
_SOON = 60.0
"""Seconds; what took longer to fail is left to whoever drives the work."""
_REMOTE = "origin"
_SAFE = {
    "protocol.https.allow": "always",
    "protocol.http.allow": "always",
    "http.followRedirects": "initial",  # of a renamed repository; never in the middle of a conversation
    "http.lowSpeedLimit": "1",  # while a server prepares a large pack it only sends signs of life
    "http.lowSpeedTime": "120",
    "credential.helper": "",
    "core.askPass": "",
    "fetch.fsckObjects": "false",
    "fetch.showForcedUpdates": "false",
    "fetch.writeCommitGraph": "false",
    "fetch.recurseSubmodules": "no",
    "fetch.negotiationAlgorithm": "default",
    "transfer.bundleURI": "false",
    "submodule.recurse": "false",
    # on the command line only: read commands then know of no promisor, and never fetch one object by themselves
    f"remote.{_REMOTE}.promisor": "true",
    f"remote.{_REMOTE}.partialclonefilter": "blob:none",
}
_MISSING = re.compile(r"(?:couldn't find remote ref|not our ref|unadvertised object) +(\S+)")
_GONE = re.compile(
    r"(?i)repository not found|repository '[^']*' not found|returned error: (?:404|410|451)|dmca takedown"
    r"|access to this repository has been disabled|repository unavailable"
)
_NO_ENTRY = re.compile(r"(?i)could not read Username|Authentication failed|returned error: 401")
_TOO_LARGE = re.compile(rf"died of signal {signal.SIGXFSZ:d}\b|File too large")
_NOT_AUTHORISED = re.compile(r"(?i)SAML SSO|IP allow list")


class RepositoryGone(SourceError):
    """The forge has no such repository, or shows it to nobody with our credentials."""


class NotOnServer(SourceError):
    """The forge has the repository, but not ``name`` (a reference or an object id) that was asked for."""

    def __init__(self, message: str, *, name: str) -> None:
        super().__init__(message)
        self.name = name


class PackTooLarge(SourceError):
    """What the forge sent exceeds the limit given; nothing of it is kept."""


@dataclass(frozen=True, kw_only=True)
class Remote:
    """Where to fetch from. The token is asked for at each fetch, because an App's lives for an hour only."""

    url: str
    ca_bundle: Path | None = None
    token: Callable[[], str | None] | None = field(default=None, repr=False)
    """For private repositories: only ever given for URLs of the forge's own host."""
    timeout: float = FETCH_TIMEOUT

    def __post_init__(self) -> None:
        parts = urlsplit(self.url)
        if parts.scheme not in ("http", "https") or not parts.hostname or "@" in parts.netloc:
            raise SourceError(f"{self.url!r} is no plain http or https URL without credentials: nothing is fetched")


def fetch(
    repository: Path,
    remote: Remote,
    *options: str,
    wanted: Iterable[str],
    keep: Sequence[int] = (),
    plain: bool = False,
    most_bytes: int | None = None,
) -> None:
    """Fetch references or objects without file contents; contents come only when asked for by their ids.

    Args:
        repository: the bare repository.
        remote: where from.
        options: more options of ``git fetch``.
        wanted: refspecs or object ids; any number.
        keep: file descriptors for git to inherit (see ``execute``).
        plain: send no account of what is here, as git does when it fetches single objects.
        most_bytes: of the pack that comes.

    Raises:
        RepositoryGone, NotOnServer: what is asked for is not there.
        PackTooLarge: more than ``most_bytes`` came.
        ForgeUnavailable: anything that may pass: time limit, 5xx, refused or broken connections.
        ConfigurationError: the token is refused.
        DiskFull: no room left.
    """
    fixed = ("--no-tags", "--no-write-fetch-head", "--recurse-submodules=no", "--no-auto-maintenance", "--quiet")
    arguments = ("fetch", *fixed, "--filter=blob:none", "--stdin", *options, _REMOTE)
    names = [f"{name}\n".encode() for name in wanted]

    def attempt() -> Ended:
        return execute(
            repository,
            arguments,
            settings=_settings(remote) | ({"fetch.negotiationAlgorithm": "noop"} if plain else {}),
            environment=_environment(remote, remote.token() if remote.token else None),
            stdin=names,
            timeout=remote.timeout,
            keep=keep,
            largest_file=most_bytes,
        )

    _insisting(attempt, remote)


def pull_numbers(repository: Path, remote: Remote) -> set[int]:
    """Numbers of all pull requests whose heads the forge still has. Raises as ``fetch``."""

    def attempt() -> Ended:
        return execute(
            repository,
            ("ls-remote", "--quiet", _REMOTE, "refs/pull/*/head"),
            settings=_settings(remote),
            environment=_environment(remote, remote.token() if remote.token else None),
            timeout=remote.timeout,
        )

    ended = _insisting(attempt, remote)
    return {int(number) for number in re.findall(rb"\trefs/pull/(\d{1,18})/head\n", ended.output)}


def repack(repository: Path, *, keep: Sequence[int] = ()) -> None:
    """Make one pack of the many that fetching leaves. Raises ForgeUnavailable (time limit) and DiskFull."""
    settings = {name: value for name, value in _SAFE.items() if name.startswith("remote.")}
    ended = execute(repository, ("repack", "-a", "-d", "-q"), settings=settings, timeout=FETCH_TIMEOUT, keep=keep)
    if ended.exit_code != 0:
        raise ForgeUnavailable(
            f"git repack in {repository} failed: {ended.said}; remove the mirror to have it made anew"
        )


def _insisting(attempt: Callable[[], Ended], remote: Remote) -> Ended:
    """The ended command. What failed within seconds is tried again after a pause: most such faults pass by then."""
    for pause in PAUSES:
        began = time.monotonic()
        try:
            return _checked(attempt(), remote)
        except ForgeUnavailable:
            if time.monotonic() - began > _SOON:
                raise
            time.sleep(pause)
    return _checked(attempt(), remote)


def _settings(remote: Remote) -> dict[str, str]:
    certificates = {"http.sslCAInfo": str(remote.ca_bundle)} if remote.ca_bundle else {}
    return {**_SAFE, **certificates, f"remote.{_REMOTE}.url": remote.url}


def _environment(remote: Remote, token: str | None) -> dict[str, str]:
    """Secrets go here: not in argv, which all users see, and not in the mirror's configuration, which stays."""
    proxies = getproxies_environment()  # the variables that every HTTP library of Python obeys
    environment = {f"{name}_proxy": value for name, value in proxies.items() if name in ("http", "https", "all", "no")}
    environment |= {"GIT_ALLOW_PROTOCOL": "http:https", "GIT_ASKPASS": os.devnull}
    if token is not None:
        parts = urlsplit(remote.url)
        signed = base64.b64encode(f"x-access-token:{token}".encode()).decode()
        environment |= {
            "GIT_CONFIG_COUNT": "1",
            "GIT_CONFIG_KEY_0": f"http.{parts.scheme}://{parts.netloc}/.extraHeader",
            "GIT_CONFIG_VALUE_0": f"Authorization: Basic {signed}",
        }
    return environment


def _checked(ended: Ended, remote: Remote) -> Ended:
    if ended.exit_code == 0:
        return ended
    signed = remote.token is not None and remote.token() is not None
    said = "; ".join(line.strip() for line in ended.said.splitlines() if line.strip())[:500]
    if _TOO_LARGE.search(ended.said):
        raise PackTooLarge(f"{remote.url} sends more than is allowed here")
    if missing := _MISSING.search(ended.said):
        raise NotOnServer(f"{remote.url} does not have {missing[1]}", name=missing[1])
    if (signed and _NOT_AUTHORISED.search(ended.said)) or _NO_ENTRY.search(ended.said):
        if signed:
            raise ConfigurationError(
                f"the credentials are refused for {remote.url}; give GITHUB_TOKEN, or the App, access to it ({said})"
            )
        raise RepositoryGone(f"{remote.url} is not there, or is private ({said})")
    if _GONE.search(ended.said):
        raise RepositoryGone(f"{remote.url} is not there any more ({said})")
    raise ForgeUnavailable(f"fetching {remote.url} failed: {said or f'exit code {ended.exit_code}'} (try again later)")
