"""Packages that grow with the interpreter."""

from collections.abc import Iterable

_RUNNERS_AND_BUILDERS = """
coverage cython importlib-metadata iniconfig packaging pip pluggy py pytest setuptools typed-ast typing-extensions
wheel zipp
"""
"""They reach into the interpreter: its syntax tree, its import system, its distutils."""

_PLUGINS = """
execnet pytest-aiohttp pytest-asyncio pytest-benchmark pytest-cases pytest-celery pytest-check pytest-console-scripts
pytest-cov pytest-custom-exit-code pytest-datadir pytest-describe pytest-django pytest-env pytest-expect
pytest-faulthandler pytest-flask pytest-forked pytest-freezegun pytest-httpbin pytest-httpserver pytest-httpx
pytest-lazy-fixture pytest-localserver pytest-mock pytest-mpl pytest-order pytest-ordering pytest-param-files
pytest-profiling pytest-raises pytest-regressions pytest-rerunfailures pytest-runner pytest-services pytest-socket
pytest-subprocess pytest-subtests pytest-tornado pytest-tornasync pytest-trio pytest-twisted pytest-vcr pytest-xdist
pytest-xprocess
"""
"""They hook into pytest, which is as young as Python: older ones name hooks that it no longer has."""

_COMPILED = """
argon2-cffi-bindings bcrypt bitarray blis blosc bottleneck brotli cassandra-driver cchardet cffi cftime confluent-kafka
contourpy cryptography cytoolz dm-tree duckdb fastavro fastparquet fiona gensim gevent greenlet grpcio grpcio-tools
h5py hiredis httptools jpype1 kiwisolver lazy-object-proxy llvmlite lmdb lxml lz4 markupsafe matplotlib msgpack
murmurhash mysqlclient netcdf4 ninja numba numcodecs numexpr numpy opencv-python opencv-python-headless orjson pandas
pillow preshed psutil psycopg2 psycopg2-binary pyarrow pybind11 pycares pycparser pycryptodome pycryptodomex pycurl
pydantic-core pygit2 pymssql pynacl pyodbc pyproj python-levenshtein pyuv pywavelets pyyaml pyzmq rapidfuzz rasterio
regex rpds-py rtree ruamel-yaml-clib safetensors scikit-image scikit-learn scipy sentencepiece setproctitle shapely
simplejson spacy srsly statsmodels tables thinc tiktoken tokenizers torch torchvision ujson uvloop watchdog wrapt
xxhash zope-interface zstandard
"""
"""C, C++, Rust or Fortran against the interpreter's headers: releases from before have no wheels for it, and building
one takes minutes and mostly fails."""

_WITH_COMPILED = """
cycler fonttools imageio joblib networkx oldest-supported-numpy patsy pyparsing python-dateutil pytz threadpoolctl
tifffile tzdata zope-event
"""
"""What those need, by lower bounds that grow with them: held back, it drags them back to releases without wheels."""

INTERPRETER_BOUND = tuple(
    sorted({*_RUNNERS_AND_BUILDERS.split(), *_PLUGINS.split(), *_COMPILED.split(), *_WITH_COMPILED.split()})
)
"""Packages that need releases as young as the interpreter, whatever the date of the commit.

They reach into it (C code against its headers, its syntax tree, its import system), so a release from before a Python
was out rarely works on it. That some change their interface too is no reason: an older release cannot be had at all.
What has a pure Python build for want of a compiler (tornado, aiohttp, protobuf) is not here.
Where a Python stands in for an older one, the candidate maker lets these be as young as that Python. All others keep
the date of the commit until a build fails.
"""

_IMPORTED_AS = {
    "netcdf4": "netCDF4",
    "opencv-python": "cv2",
    "pillow": "PIL",
    "scikit-image": "skimage",
    "scikit-learn": "sklearn",
}
_NEVER_BUILT = """
cryptography grpcio h5py llvmlite lxml matplotlib netcdf4 numba numexpr numpy opencv-python pandas pillow pyarrow
pywavelets scikit-image scikit-learn scipy spacy statsmodels tables torch torchvision
"""


def never_built(own: Iterable[str]) -> tuple[str, ...]:
    """Packages of which only wheels are taken on a Python that stands in for an older one.

    Each has wheels for every Python, and takes minutes to build, mostly in vain.

    Args:
        own: names under which the repository's own code is imported: it may be one of them.
    """
    return tuple(name for name in _NEVER_BUILT.split() if _IMPORTED_AS.get(name, name) not in set(own))
