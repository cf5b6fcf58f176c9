"""pytest plugins that are missing: by fixture, option, marker or setting."""

from swemill.environment.failures import FailureKind as Kind
from swemill.environment.failures import distribution
from swemill.environment.repairs.changes import lift_to_settled, require
from swemill.environment.repairs.rules import Means, rule
from swemill.values import Candidate, Failure

_FIXTURES = """
    mocker pytest-mock | mock pytest-mock | module_mocker pytest-mock | requests_mock requests-mock
    httpbin pytest-httpbin | httpbin_secure pytest-httpbin | httpserver pytest-httpserver
    localserver pytest-localserver | smtpserver pytest-localserver | benchmark pytest-benchmark | db pytest-django
    transactional_db pytest-django | rf pytest-django | admin_client pytest-django | django_user_model pytest-django
    django_assert_num_queries pytest-django | settings pytest-django | mailoutbox pytest-django
    django_db_setup pytest-django | live_server pytest-django | loop pytest-aiohttp | test_client pytest-aiohttp
    test_server pytest-aiohttp | aiohttp_client pytest-aiohttp | aiohttp_server pytest-aiohttp
    event_loop pytest-asyncio | unused_tcp_port pytest-asyncio | event_loop_policy pytest-asyncio | qtbot pytest-qt
    qapp pytest-qt | freezer pytest-freezegun | faker faker | celery_app celery | celery_worker pytest-celery
    snapshot syrupy | data_regression pytest-regressions | file_regression pytest-regressions
    num_regression pytest-regressions | image_regression pytest-regressions | datadir pytest-datadir
    shared_datadir pytest-datadir | lazy_datadir pytest-datadir | subtests pytest-subtests | respx_mock respx
    httpx_mock pytest-httpx | vcr pytest-recording | vcr_cassette pytest-vcr | cov pytest-cov
    xprocess pytest-xprocess | sanic_client pytest-sanic | fs pyfakefs | dash_duo dash | anyio_backend anyio
    nursery pytest-trio | autojump_clock pytest-trio | make_app sphinx | http_client pytest-tornado
    http_server pytest-tornado | io_loop pytest-tornado | aresponses aresponses | aioresponses aioresponses
    betamax_session betamax | tmp_home pytest-home | console pytest-console-scripts
    script_runner pytest-console-scripts | cli_runner pytest-click | fake_process pytest-subprocess
    fp pytest-subprocess | socket_enabled pytest-socket | socket_disabled pytest-socket
    record_testsuite_property pytest | ipython pytest-ipython | jp_fetch pytest-jupyter
    jp_serverapp pytest-jupyter | notebook pytest-notebook | lazy_fixture pytest-lazy-fixture
    reactor pytest-twisted | worker_id pytest-xdist | testrun_uid pytest-xdist | mongodb pytest-mongodb
    selenium pytest-selenium | page pytest-playwright | timezone pytest-timezones | gitlab pytest-gitlab
    git_repo pytest-git | virtualenv pytest-virtualenv | workspace pytest-shutil | server pytest-server-fixtures
    check pytest-check | regtest pytest-regtest | cases pytest-cases
"""
_OPTIONS = """
    --cov pytest-cov | --no-cov pytest-cov | -n pytest-xdist | --dist pytest-xdist | --numprocesses pytest-xdist
    --tx pytest-xdist | --looponfail pytest-xdist | -f pytest-xdist | --boxed pytest-forked | --forked pytest-forked
    --asyncio pytest-asyncio | --timeout pytest-timeout | --flake8 pytest-flake8 | --pep8 pytest-pep8
    --pylint pytest-pylint | --mypy pytest-mypy | --black pytest-black | --isort pytest-isort | --ruff pytest-ruff
    --flakes pytest-flakes | --codestyle pytest-codestyle | --pycodestyle pytest-pycodestyle
    --pydocstyle pytest-pydocstyle | --ds pytest-django | --dc pytest-django | --reuse-db pytest-django
    --create-db pytest-django | --nomigrations pytest-django | --no-migrations pytest-django
    --migrations pytest-django | --fail-on-template-vars pytest-django | --benchmark pytest-benchmark
    --reruns pytest-rerunfailures | --html pytest-html | --self-contained-html pytest-html
    --random-order pytest-random-order | --randomly pytest-randomly | --instafail pytest-instafail
    --mpl pytest-mpl | --doctest-plus pytest-doctestplus | --doctest-rst pytest-doctestplus
    --remote-data pytest-remotedata | --open-files pytest-openfiles | --arraydiff pytest-arraydiff
    --hypothesis hypothesis | --tap pytest-tap | --record-mode pytest-recording | --block-network pytest-recording
    --disable-network pytest-recording | --vcr-record pytest-vcr | --disable-socket pytest-socket
    --allow-hosts pytest-socket | --allow-unix-socket pytest-socket | --count pytest-repeat | --picked pytest-picked
    --testmon pytest-testmon | --alluredir allure-pytest | --nbval nbval | --nbmake nbmake | --memray pytest-memray
    --snapshot-update syrupy | --check-links pytest-check-links | --splits pytest-split | --no-flaky-report flaky
    --force-flaky flaky | --max-runs flaky | --driver pytest-selenium | --no-xvfb pytest-xvfb
    --profile pytest-profiling | --durations-min pytest | --logbook pytest-logbook | --capturelog pytest-capturelog
    --catchlog pytest-catchlog | --spec pytest-spec | --bdd pytest-bdd | --gherkin-terminal-reporter pytest-bdd
    --mccabe pytest-mccabe | --import-check pytest-importcheck | --typeguard-packages typeguard
    --beartype-packages pytest-beartype | --xdoctest xdoctest | --xdoc xdoctest | --sugar pytest-sugar
    --icdiff pytest-icdiff | --clarity pytest-clarity | --md-report pytest-md-report
    --doctest-cython pytest-cython | --aiohttp-fast pytest-aiohttp | --aiohttp-loop pytest-aiohttp
    --loop pytest-aiohttp | --fast pytest-aiohttp | --reactor pytest-twisted | --qt-no-capture pytest-qt
    --sw pytest-stepwise | --docker pytest-docker | --github pytest-github-actions-annotate-failures
    --order-scope pytest-order | --indulgent-ordering pytest-order | --json-report pytest-json-report
    --jsonreport pytest-json | --metadata pytest-metadata | --env-file pytest-dotenv
"""
_MARKERS = """
    asyncio pytest-asyncio | async pytest-asyncio | trio pytest-trio | anyio anyio | django_db pytest-django
    urls pytest-django | timeout pytest-timeout | flaky pytest-rerunfailures | benchmark pytest-benchmark
    xdist_group pytest-xdist | forked pytest-forked | mpl_image_compare pytest-mpl | remote_data pytest-remotedata
    openfiles_ignore pytest-openfiles | gen_test pytest-tornado | twisted pytest-twisted
    inlineCallbacks pytest-twisted | vcr pytest-recording | block_network pytest-recording
    freeze_time pytest-freezegun | dependency pytest-dependency | order pytest-order | run pytest-ordering
    repeat pytest-repeat | random_order pytest-random-order | httpx_mock pytest-httpx | respx respx
    doctest_plus pytest-doctestplus | sphinx sphinx | celery celery | parametrize_with_cases pytest-cases
    allow_hosts pytest-socket | disable_socket pytest-socket | enable_socket pytest-socket
    script_launch_mode pytest-console-scripts | array_compare pytest-arraydiff | curio pytest-curio
"""
_SETTINGS = """
    asyncio_mode pytest-asyncio | asyncio_default_fixture_loop_scope pytest-asyncio
    DJANGO_SETTINGS_MODULE pytest-django | DJANGO_CONFIGURATION pytest-django | django_find_project pytest-django
    timeout pytest-timeout | timeout_method pytest-timeout | env pytest-env | env_files pytest-dotenv
    python_paths pytest-pythonpath | site_dirs pytest-pythonpath | pep8ignore pytest-pep8
    pep8maxlinelength pytest-pep8 | flakes pytest-flakes | mock_use_standalone_module pytest-mock | qt_api pytest-qt
    doctest_plus pytest-doctestplus | doctest_rst pytest-doctestplus | looponfailroots pytest-xdist
    mccabe pytest-mccabe | isort_ignore pytest-isort | codestyle_max_line_length pytest-codestyle
    remote_data_strict pytest-remotedata | open_files_ignore pytest-openfiles | text_file_format pytest-doctestplus
    norandom pytest-randomly | trio_mode pytest-trio | bdd_features_base_dir pytest-bdd
    mypy_plugins pytest-mypy-plugins | xvfb_width pytest-xvfb | celery_worker pytest-celery
"""


def _table(text: str) -> dict[str, str]:
    pairs = [pair.split() for line in text.splitlines() for pair in line.split("|") if pair.strip()]
    return {pair[0]: pair[1] for pair in pairs}


_PLUGINS = {
    "fixture": _table(_FIXTURES),
    "option": _table(_OPTIONS),
    "marker": _table(_MARKERS),
    "setting": _table(_SETTINGS),
}


def plugin_for(subject: str) -> str:
    """The distribution of a missing plugin (``fixture mocker`` -> ``pytest-mock``); empty where none is known.

    Options are known by their longest part: ``--cov-report`` is of ``--cov``.
    """
    what, _, name = subject.partition(" ")
    if what == "plugin":
        return name
    if what == "import":
        return distribution(name)
    table = _PLUGINS.get(what, {})
    while name.strip("-"):
        if name in table:
            return table[name]
        name = name.rpartition("-")[0] if what == "option" else ""
    return ""


@rule(Kind.MISSING_PLUGIN, name="plugin for")
def missing_plugin(candidate: Candidate, failure: Failure, means: Means) -> Candidate | None:
    """Install the plugin."""
    del means
    plugin = plugin_for(failure.subject)
    return require(candidate, plugin) if plugin else None


@rule(Kind.MISSING_PLUGIN, name="younger plugin for")
def younger_plugin(candidate: Candidate, failure: Failure, means: Means) -> Candidate | None:
    """The plugin is asked for already, but its release of the day does not have it, or not with this pytest."""
    del means
    plugin = plugin_for(failure.subject)
    return lift_to_settled(candidate, plugin) if plugin else None
