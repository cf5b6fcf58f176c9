"""Which distribution brings a module, where the names differ. Where they do not, the name is the answer."""

from packaging.utils import canonicalize_name

_DIFFERENT = """
    Crypto pycryptodome | Cryptodome pycryptodomex | OpenSSL pyopenssl | PIL pillow | Image pillow
    Xlib python-xlib | attr attrs | bs4 beautifulsoup4 | BeautifulSoup beautifulsoup4 | cairo pycairo | gi pygobject
    cv2 opencv-python-headless | dateutil python-dateutil | dns dnspython | docx python-docx | dotenv python-dotenv
    engineio python-engineio | socketio python-socketio | flask_sqlalchemy flask-sqlalchemy | flaskext flask
    fitz pymupdf | git gitpython | github pygithub | gitlab python-gitlab | google.protobuf protobuf
    google.cloud.storage google-cloud-storage | google.auth google-auth | google.oauth2 google-auth
    googleapiclient google-api-python-client | grpc grpcio | grpc_tools grpcio-tools | igraph python-igraph
    jenkins python-jenkins | jose python-jose | jwt pyjwt | ldap python-ldap | ldap3 ldap3
    levenshtein python-levenshtein | Levenshtein python-levenshtein | magic python-magic | markdown markdown
    memcache python-memcached | mpl_toolkits matplotlib | MySQLdb mysqlclient | nacl pynacl
    pkg_resources setuptools | setuptools setuptools | psycopg2 psycopg2-binary | pwiz peewee | playhouse peewee
    pylab matplotlib | pythonjsonlogger python-json-logger | pyximport cython | Cython cython | _pytest pytest
    rest_framework djangorestframework | ruamel.yaml ruamel-yaml | ruamel ruamel-yaml | serial pyserial
    skimage scikit-image | sklearn scikit-learn | slugify python-slugify | snappy python-snappy
    telegram python-telegram-bot | tlz toolz | usb pyusb | vcr vcrpy | webob webob | webtest webtest
    win32api pywin32 | wx wxpython | yaml pyyaml | zmq pyzmq | zope.interface zope-interface
    zope.component zope-component | backports.zoneinfo backports-zoneinfo
    backports.ssl_match_hostname backports-ssl-match-hostname | mpl matplotlib | genshi genshi | kazoo kazoo
    lxml lxml | html5lib html5lib | faker faker | factory factory-boy | freezegun freezegun | responses responses
    mock mock | nose nose | nose2 nose2 | pytest_asyncio pytest-asyncio | pytest_mock pytest-mock
    pytest_cov pytest-cov | xdist pytest-xdist | pytestqt pytest-qt | pytest_django pytest-django
    pytest_flask pytest-flask | anyio anyio | aiohttp aiohttp | async_timeout async-timeout
    aiounittest aiounittest | asynctest asynctest | testfixtures testfixtures | test_utils test-utils
    tests_require tests-require | parameterized parameterized | ddt ddt | sure sure | hypothesis hypothesis
    httpretty httpretty | requests_mock requests-mock | requests_toolbelt requests-toolbelt | moto moto | boto boto
    pyasn1_modules pyasn1-modules | flask_login flask-login | flask_wtf flask-wtf | flask_testing flask-testing
    flask_cors flask-cors | flask_restful flask-restful | flask_migrate flask-migrate | flask_mail flask-mail
    django django | debug_toolbar django-debug-toolbar | django_filters django-filter | model_mommy model-mommy
    model_bakery model-bakery | guardian django-guardian | crispy_forms django-crispy-forms | mptt django-mptt
    taggit django-taggit | reversion django-reversion | environ django-environ | storages django-storages
    south south | celery celery | kombu kombu | djcelery django-celery | phonenumbers phonenumbers
    pyparsing pyparsing | odf odfpy | openpyxl openpyxl | pptx python-pptx | xlsxwriter xlsxwriter | tables tables
    netCDF4 netcdf4 | osgeo gdal | ogr gdal | shapefile pyshp | mapnik mapnik | Bio biopython | rdkit rdkit
    Quandl quandl | sphinx sphinx | docutils docutils | recommonmark recommonmark | IPython ipython
    nbformat nbformat | zstd zstandard | lzo python-lzo | lz4 lz4 | brotli brotli | pynput pynput | Xlib python-xlib
    dbus dbus-python | pycurl pycurl | sqlalchemy_utils sqlalchemy-utils | flask_babel flask-babel
    speaklater speaklater | pyramid pyramid | mako mako | typing_extensions typing-extensions
    importlib_metadata importlib-metadata | importlib_resources importlib-resources | more_itertools more-itertools
    six six | past future | future future | builtins future | configobj configobj | tomli tomli | toml toml
    tomlkit tomlkit | pytz pytz | tzlocal tzlocal | unittest2 unittest2 | coverage coverage | pep8 pep8
    flake8 flake8 | simplejson simplejson | ujson ujson | termcolor termcolor | colorama colorama
    tabulate tabulate
"""
_PAIRS = [pair.split() for line in _DIFFERENT.splitlines() for pair in line.split("|") if pair.strip()]
_DISTRIBUTION = {pair[0]: pair[1] for pair in _PAIRS}

NOBODYS = frozenset(
    [
        "test",
        "tests",
        "testing",
        "conftest",
        "setup",
        "utils",
        "util",
        "helpers",
        "helper",
        "common",
        "config",
        "settings",
        "base",
        "core",
        "lib",
        "src",
        "main",
        "app",
        "api",
        "models",
        "data",
        "examples",
        "example",
        "scripts",
        "tools",
        "docs",
        "build",
        "plugins",
        "local_settings",
        "test_settings",
        "test_utils",
        "testlib",
        "manage",
        "version",
        "_version",
        "fixtures",
        "mocks",
        "support",
        "compat",
        "constants",
        "types_",
        "versioneer",
        "shared",
        "runtests",
        "tests_require",
    ]
)
"""Modules of repositories' own: whatever an index has under such a name, it is not what is missing."""


def distribution(module: str) -> str:
    """The distribution of a module (``yaml`` -> ``pyyaml``), by its longest known part, else by its top name."""
    parts = module.split(".")
    for length in range(len(parts), 0, -1):
        if found := _DISTRIBUTION.get(".".join(parts[:length])):
            return found
    return canonicalize_name(parts[0])


def is_guess(module: str) -> bool:
    """No table says so: that the distribution bears the module's name is only likely."""
    return not any(known in _DISTRIBUTION for known in (module, module.partition(".")[0]))
