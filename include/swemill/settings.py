"""The only reader of ``os.environ``: every setting, its default and its meaning.

``Settings.load()`` is cheap and pure apart from reading the environment; everything else gets the values it needs as
arguments. A wrong value raises ``ConfigurationError`` naming the variable.
"""

import contextlib
import errno
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from urllib.parse import urlsplit

from swemill.errors import ConfigurationError, DiskFull

CHECKOUT = Path(__file__).resolve().parents[2]
"""The checkout (or image folder) that holds ``dags/``, ``plugins/``, ``include/`` and ``training/``."""

PROVIDER_KEYS = (
    "OPENAI_API_KEY",
    "ANTHROPIC_API_KEY",
    "GEMINI_API_KEY",
    "DEEPSEEK_API_KEY",
    "OPENROUTER_API_KEY",
)
"""Variables that hold provider keys. They are read here, given to the gateway, and never to a sandbox."""

LADDER = "adaptive,reuse"
LARGEST_SHARD = 64
"""Most items of one task: with that many, starting it costs a tenth of a second an item."""
"""The default of ``SWEMILL_LADDER``."""

_CA_VARIABLES = ("SWEMILL_CA_BUNDLE", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")


@dataclass(frozen=True, kw_only=True)
class Settings:
    """All settings, one field each; the variable of field ``x`` is ``SWEMILL_X`` unless said otherwise."""

    home: Path
    """Folder of everything this installation writes: blobs, logs, work files. Default: ``<checkout>/.swemill``."""
    database_url: str | None
    """SQLAlchemy URL of the data's PostgreSQL. None: the embedded PostgreSQL."""
    blobs_url: str
    """fsspec URL of the blob store (a folder, ``s3://...``, ``gs://...``). Default: ``<home>/blobs``."""
    postgres_dir: Path
    """Data folder of the embedded PostgreSQL. As root outside the checkout: the server drops to its own user."""
    releases_list: Path
    """The checked-in list of PyPI release steps. Default: ``config/releases.toml``."""
    archive_dir: Path | None
    """Default folder of the ``archive`` source."""
    policies_file: Path
    """Agent policies (agent, model, prompt, limits). Default: ``config/policies.toml``."""
    setup_policies_file: Path
    """Policies of the strategy ``agent``; the first with a key proposes. Default: ``config/setup-policies.toml``."""
    docker_host: str | None
    """Address of the Docker engine; None: ``DOCKER_HOST`` or the local socket."""
    base_image_source: str
    """``auto`` (registry if reachable, else debootstrap), ``registry`` or ``debootstrap``."""
    debian_suite: str
    """Debian release of the base image, which fixes its Python: bullseye 3.9, bookworm 3.11, trixie 3.13."""
    debian_mirror: str
    """Package mirror for debootstrap. Empty: the one of the host's own apt configuration or debootstrap's default."""
    ca_bundle: Path | None
    """CA bundle to trust inside builds (a corporate proxy's). Default: ``SSL_CERT_FILE`` and kin, when set."""
    index_url: str | None
    """Package index for builds (``PIP_INDEX_URL``). Must carry no credentials: they would stay in an image layer."""
    build_timeout: int
    """Seconds one environment build may take."""
    build_disk: int
    """Bytes one build may write. Memory and cores of a build are those of a sandbox."""
    build_pids: int
    """Processes and threads one build may hold."""
    registry: str
    """Image registry (``registry.example.com/swemill``) that images are pushed to and pulled from; empty: none."""
    image_budget: int
    """Bytes that the images of environments and instances may take on the engine; the collector keeps below it."""
    ladder: tuple[str, ...]
    """Strategies of installation, in the order in which they are tried, comma-separated."""
    test_timeout: int
    """Seconds one test run may take."""
    validation_rounds: int
    """Rounds of a validation, two runs of the tests each."""
    wrong_patches: int
    """Most wrong patches that the tests of an instance are tried with."""
    revalidation_share: float
    """Share of the accepted instances that are tried again each week."""
    shard: int
    """Items of one task of Airflow in the stages that have a task an item."""
    sandbox_memory: int
    """Bytes of memory (and memory+swap) of a sandbox."""
    sandbox_cpus: float
    """CPU quota of a sandbox, in cores."""
    sandbox_pids: int
    """Processes and threads a sandbox may hold."""
    sandbox_disk: int
    """Bytes of the writable tmpfs of a sandbox, each of its work folder and ``/tmp``."""
    sandbox_runtime: str
    """OCI runtime (``runc``, ``runsc``). An unknown one fails closed."""
    max_patch_bytes: int
    """Larger patches are rejected at harvest."""
    holdout_percent: int
    """Share of repositories (by hash of the name) held out for evaluation, never released for training."""
    ui_port: int
    """Preferred port of the Airflow UI on 127.0.0.1; the next free one is taken when it is in use."""
    provider_keys: Mapping[str, str]
    """Provider keys found in the environment, by variable name."""
    github_token: str | None
    """``GITHUB_TOKEN``, for the source ``github``. Without token and App it goes by REST, 60 requests an hour."""
    github_app_id: str | None
    """An App's id, in place of a token; it needs the two settings below."""
    github_app_key_file: Path | None
    """The App's private key (PEM)."""
    github_app_installations: tuple[int, ...]
    """Ids of the App's installations, comma-separated; each has a quota of its own."""
    github_api_url: str
    """Root of the REST API: ``https://api.github.com``, or ``https://HOST/api/v3`` of a GitHub Enterprise Server."""
    mirrors_dir: Path
    """Blobless clones of the source ``github``. Default: ``<home>/mirrors``."""
    evaluation_dir: Path
    """Folder of evaluation sets that must not be trained on, besides ``config/evaluation``, whose lists always hold."""

    def __repr__(self) -> str:
        """Show the settings without any secret."""
        hidden = {"provider_keys", "github_token", "database_url"}
        shown = ", ".join(f"{f.name}={getattr(self, f.name)!r}" for f in fields(self) if f.name not in hidden)
        return f"Settings({shown}, provider_keys={sorted(self.provider_keys)})"

    @classmethod
    def load(cls, environ: Mapping[str, str] | None = None) -> "Settings":
        """Read the settings from ``environ`` (default: the process environment).

        Raises:
            ConfigurationError: a value has the wrong form, or the home cannot be used. DiskFull: no room for the home.
        """
        env = os.environ if environ is None else environ
        home = Path(env.get("SWEMILL_HOME") or CHECKOUT / ".swemill").absolute()
        index_url = env.get("SWEMILL_INDEX_URL") or env.get("PIP_INDEX_URL") or None
        if index_url and "@" in urlsplit(index_url).netloc:
            raise ConfigurationError(
                "PIP_INDEX_URL carries credentials, which would stay readable in image layers; "
                "give the builds a proxy without credentials and set SWEMILL_INDEX_URL to it"
            )
        app = ("SWEMILL_GITHUB_APP_ID", "SWEMILL_GITHUB_APP_KEY_FILE", "SWEMILL_GITHUB_APP_INSTALLATIONS")
        if missing := [name for name in app if not env.get(name)] if any(env.get(name) for name in app) else []:
            raise ConfigurationError(f"a GitHub App needs {', '.join(app)}; not set: {', '.join(missing)}")
        if env.get("GITHUB_TOKEN") and env.get("SWEMILL_GITHUB_APP_ID"):
            raise ConfigurationError(
                "both GITHUB_TOKEN and SWEMILL_GITHUB_APP_ID are set; unset one: quotas of several "
                "accounts may not be pooled (GitHub's terms of service)"
            )
        source = env.get("SWEMILL_BASE_IMAGE_SOURCE") or "auto"
        if source not in ("auto", "registry", "debootstrap"):
            raise ConfigurationError(f"SWEMILL_BASE_IMAGE_SOURCE is {source!r}; use auto, registry or debootstrap")
        return cls(
            home=home,
            database_url=_database_url(env),
            blobs_url=env.get("SWEMILL_BLOBS_URL") or str(home / "blobs"),
            postgres_dir=Path(env.get("SWEMILL_POSTGRES_DIR") or _default_postgres_dir(home)),
            releases_list=Path(env.get("SWEMILL_RELEASES_LIST") or CHECKOUT / "config" / "releases.toml"),
            archive_dir=Path(env["SWEMILL_ARCHIVE_DIR"]) if env.get("SWEMILL_ARCHIVE_DIR") else None,
            policies_file=Path(env.get("SWEMILL_POLICIES_FILE") or CHECKOUT / "config" / "policies.toml"),
            setup_policies_file=Path(
                env.get("SWEMILL_SETUP_POLICIES_FILE") or CHECKOUT / "config" / "setup-policies.toml"
            ),
            docker_host=env.get("SWEMILL_DOCKER_HOST") or env.get("DOCKER_HOST") or None,
            base_image_source=source,
            debian_suite=env.get("SWEMILL_DEBIAN_SUITE") or "bullseye",
            debian_mirror=env.get("SWEMILL_DEBIAN_MIRROR", ""),
            ca_bundle=next((Path(env[name]) for name in _CA_VARIABLES if env.get(name)), None),
            index_url=index_url,
            build_timeout=_number(env, "SWEMILL_BUILD_TIMEOUT", 900),
            build_disk=_number(env, "SWEMILL_BUILD_DISK", 8 << 30),
            build_pids=_number(env, "SWEMILL_BUILD_PIDS", 1024),
            registry=(env.get("SWEMILL_REGISTRY") or "").rstrip("/"),
            image_budget=_number(env, "SWEMILL_IMAGE_BUDGET", 200 << 30),
            ladder=tuple(word.strip() for word in (env.get("SWEMILL_LADDER") or LADDER).split(",") if word.strip()),
            test_timeout=_number(env, "SWEMILL_TEST_TIMEOUT", 600),
            validation_rounds=_number(env, "SWEMILL_VALIDATION_ROUNDS", 3),
            wrong_patches=_number(env, "SWEMILL_WRONG_PATCHES", 4, least=0),
            revalidation_share=_share(env, "SWEMILL_REVALIDATION_SHARE", 0.1),
            shard=_number(env, "SWEMILL_SHARD", 1, most=LARGEST_SHARD),
            sandbox_memory=_number(env, "SWEMILL_SANDBOX_MEMORY", 4 << 30),
            sandbox_cpus=_cores(env, "SWEMILL_SANDBOX_CPUS", 1.0),
            sandbox_pids=_number(env, "SWEMILL_SANDBOX_PIDS", 512),
            sandbox_disk=_number(env, "SWEMILL_SANDBOX_DISK", 1 << 30),
            sandbox_runtime=env.get("SWEMILL_SANDBOX_RUNTIME") or "runc",
            max_patch_bytes=_number(env, "SWEMILL_MAX_PATCH_BYTES", 1 << 20),
            holdout_percent=_number(env, "SWEMILL_HOLDOUT_PERCENT", 20, least=0, most=100),
            ui_port=_number(env, "SWEMILL_UI_PORT", 8080),
            provider_keys={name: env[name] for name in PROVIDER_KEYS if env.get(name)},
            github_token=env.get("GITHUB_TOKEN") or None,
            github_app_id=env.get("SWEMILL_GITHUB_APP_ID") or None,
            github_app_key_file=Path(key) if (key := env.get("SWEMILL_GITHUB_APP_KEY_FILE")) else None,
            github_app_installations=_numbers(env, "SWEMILL_GITHUB_APP_INSTALLATIONS"),
            github_api_url=_url(env, "SWEMILL_GITHUB_API_URL", "https://api.github.com"),
            mirrors_dir=Path(env.get("SWEMILL_MIRRORS_DIR") or home / "mirrors"),
            evaluation_dir=Path(env.get("SWEMILL_EVALUATION_DIR") or CHECKOUT / "config" / "evaluation"),
        )


def _number(env: Mapping[str, str], name: str, default: int, *, least: int = 1, most: int | None = None) -> int:
    """A whole number. Zero is refused by default: to the container engine a limit of 0 means no limit at all."""
    value = env.get(name) or str(default)
    try:
        number = int(value)
    except ValueError:
        raise ConfigurationError(f"{name} is {value!r}; it must be a whole number") from None
    if number < least:
        raise ConfigurationError(f"{name} is {value}; it must be at least {least}")
    if most is not None and number > most:
        raise ConfigurationError(f"{name} is {value}; it must be at most {most}")
    return number


def _numbers(env: Mapping[str, str], name: str) -> tuple[int, ...]:
    try:
        return tuple(int(word) for word in (env.get(name) or "").split(",") if word.strip())
    except ValueError:
        raise ConfigurationError(f"{name} is {env[name]!r}; it must be whole numbers with commas between") from None


def _url(env: Mapping[str, str], name: str, default: str) -> str:
    url = env.get(name) or default
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or "@" in parts.netloc:
        raise ConfigurationError(f"{name} must be a plain http or https URL without credentials, such as {default}")
    return url.rstrip("/")


def _cores(env: Mapping[str, str], name: str, default: float) -> float:
    value = env.get(name) or str(default)
    try:
        cores = float(value)
    except ValueError:
        raise ConfigurationError(f"{name} is {value!r}; it must be a number of cores, such as 1.5") from None
    if not 0.01 <= cores <= 1024:  # also refuses NaN
        raise ConfigurationError(f"{name} is {value}; it must be a number of cores from 0.01 to 1024")
    return cores


def _share(env: Mapping[str, str], name: str, default: float) -> float:
    value = env.get(name) or str(default)
    try:
        share = float(value)
    except ValueError:
        raise ConfigurationError(f"{name} is {value!r}; it must be a share, such as 0.1") from None
    if not 0 <= share <= 1:  # also refuses NaN
        raise ConfigurationError(f"{name} is {value}; it must be a share from 0 to 1")
    return share


def _database_url(env: Mapping[str, str]) -> str | None:
    """The URL, checked as far as no password can get into the message."""
    url = env.get("SWEMILL_DATABASE_URL") or None
    if url is None:
        return None
    wanted = "it must look like postgresql+psycopg2://USER:PASSWORD@HOST:5432/DATABASE"
    try:
        parts = urlsplit(url)
        _ = parts.port  # raises when it is no number
    except ValueError:
        raise ConfigurationError(f"SWEMILL_DATABASE_URL cannot be read; {wanted}") from None
    if parts.scheme not in ("postgresql", "postgresql+psycopg2") or "://" not in url:
        raise ConfigurationError(f"SWEMILL_DATABASE_URL is no PostgreSQL URL; {wanted}")
    # Without a driver SQLAlchemy takes another one than ours, which is not installed.
    return f"postgresql+psycopg2://{url.partition('://')[2]}"


def _default_postgres_dir(home: Path) -> Path:
    if os.geteuid() != 0:
        return home / "postgres"
    # As root the server drops to a user of its own, which must be able to reach its folder: never let that open up a
    # home directory. The folder belongs to this very `home`, not to its path: who deletes `home` starts afresh, and
    # never meets a database whose blobs are gone.
    return Path("/var/lib/swemill") / _installation(home) / "postgres"


def _installation(home: Path) -> str:
    """A random mark of this home, made on first use: whole or not at all, since two may be first at once."""
    mark = home / "installation"
    try:
        if not mark.exists():
            token = secrets.token_hex(6)
            home.mkdir(parents=True, exist_ok=True)
            draft = home / f".installation.{token}"
            try:
                draft.write_text(token)
                with contextlib.suppress(FileExistsError):
                    mark.hardlink_to(draft)
            finally:
                draft.unlink(missing_ok=True)
        return mark.read_text()
    except OSError as cause:
        if cause.errno == errno.ENOSPC:
            raise DiskFull(f"no room left in {home}: free some disk space, or set SWEMILL_HOME elsewhere") from cause
        raise ConfigurationError(
            f"the folder {home} cannot be used ({cause.strerror}): set SWEMILL_HOME to a folder of yours"
        ) from cause
