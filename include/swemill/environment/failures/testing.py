"""Signs of suites that do not run: pytest's age, its plugins, and what tests expect beside them."""

import re

from swemill.environment.failures.kinds import FailureKind as Kind
from swemill.environment.failures.signs import NAME, TESTS, Named, Refine, Sign, Where, sign


def _direct(match: re.Match[str], where: Where) -> Named:
    """A plugin that makes pytest's nodes the old way, where one is to blame; else the repository's conftest."""
    del match
    blamed = where.package and where.package != "pytest"
    return (Kind.PLUGIN_TOO_OLD if blamed else Kind.PYTEST_TOO_NEW), "direct construction"


def _hook(match: re.Match[str], where: Where) -> Named:
    blamed = where.package.startswith("pytest-") or "site-packages" in match.string
    return (Kind.PLUGIN_TOO_OLD if blamed else Kind.PYTEST_TOO_NEW), match["subject"]


def _missing(what: str) -> Refine:
    """A missing plugin, told by ``what``."""

    def refine(match: re.Match[str], where: Where) -> Named:
        del where
        return Kind.MISSING_PLUGIN, f"{what} {match['subject']}"

    return refine


def _too_new(subject: str, pattern: str) -> Sign:
    return sign(Kind.PYTEST_TOO_NEW, pattern, phases=TESTS, subject=subject)


def _plugin(what: str, pattern: str) -> Sign:
    return sign(Kind.MISSING_PLUGIN, pattern, phases=TESTS, refine=_missing(what))


def _service(name: str, pattern: str) -> Sign:
    return sign(Kind.NEEDS_SERVICE, pattern, phases=TESTS, subject=name)


REFUSED: tuple[Sign, ...] = (
    sign(Kind.PYTEST_TOO_OLD, r"error: unrecognized arguments: --rootdir", phases=TESTS, subject="3.0"),
    _plugin("option", r"error: unrecognized arguments: (?P<subject>--?[A-Za-z][\w-]{0,40})"),
    _plugin("plugin", rf"Missing required plugins: (?P<subject>{NAME})"),
    _plugin("import", r"Error importing plugin \"(?P<subject>[\w.]{1,80})\""),
    _plugin("setting", r"^(?:ERROR: |\S{0,20}Error: )Unknown config option: (?P<subject>\w{1,60})"),
    sign(Kind.PYTEST_TOO_OLD, r"'minversion' requires pytest-(?P<subject>[\d.]{1,12})", phases=TESTS),
    _too_new("setup.cfg section", r"\[pytest\] section in setup\.cfg files is no longer supported"),
    sign(Kind.PYTEST_TOO_NEW, r"unknown hook '(?P<subject>\w{1,60})'", phases=TESTS, refine=_hook),
    sign(
        Kind.PYTEST_TOO_NEW,
        r"hook '?(?P<subject>pytest_\w{1,60})'?[^\n]{0,80}(?:argument|Argument)\(?s?\)?[^\n]{0,60}(?:not|can't|cannot)",
        phases=TESTS,
        refine=_hook,
    ),
    sign(
        Kind.PYTEST_TOO_NEW,
        r"Plugin '[\w./-]{1,200}' for hook '(?P<subject>pytest_\w{1,60})'",
        phases=TESTS,
        refine=_hook,
    ),
    sign(
        Kind.PYTEST_TOO_OLD,
        r"(?:ImportError|ModuleNotFoundError|AttributeError): [^\n]{0,80}(?:'_pytest\.assertion|ast\.Str\b)",
        phases=TESTS,
        subject="",
    ),
)
"""pytest, or a plugin of it, does not even start."""

SUITE: tuple[Sign, ...] = (
    sign(
        Kind.PYTEST_TOO_NEW,
        r"Direct construction of [\w.]{1,100} has been deprecated|Can't instantiate abstract class \w{1,60} with "
        r"abstract methods? \w{0,40}(?:reportinfo|runtest|collect)|Flake8Item|Pep8Item",
        phases=TESTS,
        refine=_direct,
    ),
    sign(Kind.PYTEST_TOO_NEW, r"pytest\.PytestRemovedIn(?P<subject>\d{1,2})Warning", phases=TESTS),
    _too_new("fixture called directly", r"Fixture \"\w{1,80}\" called directly"),
    _too_new("yield test", r"'yield' keyword is allowed in fixtures, but not in tests"),
    _too_new("fixture name", r"fixture uses reserved argument name|ScopeMismatch: You tried to access"),
    _too_new("get_marker", r"'\w{1,40}' object has no attribute 'get_marker'"),
    _too_new("_fixtureinfo", r"'\w{1,40}' object has no attribute '(?:_fixtureinfo|fspath|funcargnames)'"),
    _too_new("message", r"(?:raises|fail|skip|exit)\(\) got an unexpected keyword argument '(?:message|msg)'"),
    _too_new("warns(None)", r"exceptions must be derived from Warning, not <class 'NoneType'>"),
    _plugin("fixture", r"fixture '(?P<subject>\w{1,60})' not found"),
    _plugin("marker", r"'(?P<subject>\w{1,60})' not found in `markers` configuration option"),
    _plugin("marker", r"(?P<subject>asyncio) is not a registered marker"),
    _plugin("marker", r"(?P<subject>async) def functions are not natively supported"),
    sign(
        Kind.WARNING_AS_ERROR,
        r"^E\s{1,8}(?:\w{1,40}\.)?(?P<subject>(?:Pending)?(?:Deprecation|Future|User|Resource)Warning: [^\n]{1,120})",
        phases=TESTS,
    ),
    sign(Kind.LOCALE, r"unsupported locale setting|unknown locale: ", phases=TESTS),
    sign(
        Kind.DISPLAY,
        r"no display name and no \$DISPLAY|couldn't connect to display|could not connect to display|"
        r"[Cc]annot connect to (?:X server|display)|No available video device|no Qt platform plugin could be",
        phases=TESTS,
    ),
)
"""Tests are found, but they, or the files they are in, fail for one of these."""

SURROUNDINGS: tuple[Sign, ...] = (
    _service("redis", r"redis\.exceptions\.ConnectionError|Error \d{1,3} connecting to [^\n]{1,60}:6379"),
    _service("postgres", r"psycopg2?[\w.]{0,20}\.OperationalError|asyncpg[^\n]{0,40}Connection"),
    _service("mysql", r"\(2003, \"Can't connect|\(2002, [\"']Can't connect"),
    _service("mongodb", r"ServerSelectionTimeoutError"),
    _service("rabbitmq", r"AMQPConnectionError|amqp://[^\n]{0,60}refused"),
    _service("docker", r"docker\.errors\.DockerException|Cannot connect to the Docker daemon"),
    _service("elasticsearch", r"(?:elasticsearch|elastic_transport)\.[\w.]{0,30}ConnectionError"),
    _service("memcached", r"(?:Error connecting to|MemcacheUnexpectedClose)[^\n]{0,40}11211"),
    sign(Kind.NEEDS_SERVICE, r"ConnectionRefusedError: \[Errno 111\]", phases=TESTS, subject=""),
    sign(
        Kind.NEEDS_NETWORK,
        r"Name or service not known|Temporary failure in name resolution|Network is unreachable|"
        r"nodename nor servname|Could not resolve host|No address associated with hostname|NameResolutionError",
        phases=TESTS,
    ),
    sign(Kind.NOT_CONFIGURED, r"ImproperlyConfigured: [^\n]{1,120}|DJANGO_SETTINGS_MODULE", phases=TESTS),
    sign(Kind.IMPORT_MISMATCH, r"import file mismatch", phases=TESTS),
)
"""What no change of the environment mends."""

GENERAL: tuple[Sign, ...] = (
    _too_new("yield test", r"yield tests were removed"),
    sign(Kind.CRASHED, r"Fatal Python error|Segmentation fault|^Aborted|core dumped", phases=TESTS),
    sign(Kind.NOTHING_COLLECTED, r"collected 0 items(?! /)|no tests ran|no tests collected", phases=TESTS),
)

LIMITS: tuple[Sign, ...] = (
    sign(Kind.OUT_OF_MEMORY, r"Killed signal terminated program|signals?\.SIGKILL|^\s*MemoryError|std::bad_alloc"),
    sign(Kind.OUT_OF_MEMORY, r"[Vv]irtual memory exhausted|Cannot allocate memory|failed to map segment"),
    sign(Kind.TIMED_OUT, r"Failed: Timeout >|Timeout \(>[\d.]{1,10}s\) from pytest-timeout"),
    sign(Kind.DISK_FULL, r"No space left on device"),
)
"""What ran out."""
