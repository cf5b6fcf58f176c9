"""Signs of failed builds: compilers, linkers, build back ends, setup.py."""

import re

from swemill.environment.failures.kinds import FailureKind as Kind
from swemill.environment.failures.signs import BUILDS, MODULE, NAME, Named, Sign, Where, sign

_OF_PYTHON = re.compile(
    r"(?:pgenheaders|longintrepr|code|frameobject|grammar|node|graminit|parsetok|token|ast|asdl|symtable|Python-ast|"
    r"pyarena|bitset|metagrammar|pycore_\w{1,30}|internal/\w{1,30})\.h"
)
"""Headers that Python's own include folder used to have."""
_PYTHON_NAME = re.compile(r"_?Py[A-Z_]|struct _?Py|_is\b|_ts\b|_frame\b|CObject|tp_print|ob_size|ob_refcnt")
_STRICT = re.compile(
    r"\[-W(?:error=)?(?P<warning>implicit-function-declaration|incompatible-pointer-types|int-conversion|implicit-int)\]"
)
_CONFIG_PROGRAMS = (
    r"(?:pg|mysql|mariadb|krb5|curl|gdal|geos|freetype|net-snmp|xml2|xslt|apr-1|llvm|nc|python3|sdl2?|wx)[-_]config"
)


def _header(match: re.Match[str], where: Where) -> Named:
    del where
    header = match["subject"]
    if header == "Python.h":
        return Kind.MISSING_HEADER, header
    return (Kind.C_API_REMOVED if _OF_PYTHON.fullmatch(header) else Kind.MISSING_HEADER), header


def _compile_error(match: re.Match[str], where: Where) -> Named | None:
    """An error of the compiler in C code: Python's own names first, then what compilers used to let pass."""
    del where
    words = match["words"]
    if _PYTHON_NAME.search(words):
        found = re.search(r"[‘'`](?P<name>[A-Za-z_]\w{1,60})", words)
        return Kind.C_API_REMOVED, found["name"] if found else "Python.h"
    if strict := _STRICT.search(words):
        return Kind.COMPILER_TOO_STRICT, strict["warning"]
    return None


def _not_found(match: re.Match[str], where: Where) -> Named | None:
    """``[Errno 2]``: a bare word was meant to be run, all else to be read."""
    path = match["subject"]
    if re.fullmatch(r"[a-z][a-z0-9_+-]{1,30}(?:\.exe)?", path) and path.upper() not in ("README", "VERSION"):
        return Kind.MISSING_PROGRAM, path
    return (Kind.MISSING_FILE, path) if where.phase in BUILDS else None


def _back_end(match: re.Match[str], where: Where) -> Named:
    del where
    module = match["subject"].partition(".")[0]
    return Kind.EDITABLE_UNSUPPORTED, {"poetry": "poetry-core", "mesonpy": "meson-python"}.get(
        module, module.replace("_", "-")
    )


SYSTEM: tuple[Sign, ...] = (
    sign(Kind.MISSING_HEADER, r"fatal error: (?P<subject>[\w./+-]{1,100}): No such file or directory", refine=_header),
    sign(Kind.MISSING_LIBRARY, r"cannot find -l(?P<subject>[\w.+-]{1,60})"),
    sign(
        Kind.MISSING_LIBRARY,
        r"\blib(?P<subject>[\w+-]{1,60})(?:-[\d.]{1,8})?\.so[\d.]{0,12}: cannot open shared object",
    ),
    sign(Kind.MISSING_LIBRARY, r"no library called \"(?:lib)?(?P<subject>[\w.+-]{1,60}?)(?:-\d)?\" was found"),
    sign(Kind.MISSING_LIBRARY, r"Could not find (?:library|lib) (?P<subject>[\w.+-]{1,60})"),
    sign(Kind.MISSING_LIBRARY, r"failed to find lib(?P<subject>magic)"),
    sign(Kind.MISSING_LIBRARY, r"headers or library files could not be found for (?P<subject>\w{1,40})"),
    sign(Kind.MISSING_LIBRARY, r"[Uu]nable to load (?:HDF5|library|dependency) (?P<subject>(?:lib)?[\w]{1,40})"),
    sign(Kind.MISSING_LIBRARY, r"error: #error \"FreeType version", subject="freetype"),
    sign(Kind.MISSING_LIBRARY, r"undefined symbol: Error_GetLastErrorNum", subject="spatialindex"),
    sign(Kind.MISSING_PKG_CONFIG, r"No package '(?P<subject>[\w.+-]{1,60})' found"),
    sign(
        Kind.MISSING_PKG_CONFIG, r"Package '?(?P<subject>[\w.+-]{1,60})'?,? (?:was )?not found in the pkg-config search"
    ),
    sign(Kind.MISSING_PKG_CONFIG, r"Dependency \"(?P<subject>[\w.+-]{1,60})\" not found"),
    sign(Kind.MISSING_PKG_CONFIG, r"Command 'pkg-config --exists (?P<subject>[\w.+-]{1,60})' returned non-zero"),
    sign(Kind.MISSING_PROGRAM, r"(?P<subject>xmlsec1) is not installed or not in path"),
    sign(Kind.MISSING_PROGRAM, rf"(?P<subject>{_CONFIG_PROGRAMS})(?: executable)? not found"),
    sign(
        Kind.MISSING_PROGRAM,
        rf"Command '(?P<subject>{_CONFIG_PROGRAMS})[^']{{0,80}}' returned non-zero exit status 127",
    ),
    sign(Kind.MISSING_PROGRAM, r"error: command '(?P<subject>[\w.+-]{1,40})' failed: No such file or directory"),
    sign(Kind.MISSING_PROGRAM, r"unable to execute '(?P<subject>[\w.+-]{1,40})': No such file or directory"),
    sign(
        Kind.MISSING_PROGRAM, r"(?:\bsh: (?:line )?\d{1,4}: |bash: )(?P<subject>[\w.+-]{1,40}): (?:command )?not found"
    ),
    sign(
        Kind.MISSING_PROGRAM,
        r"(?:requires Rust|installing a Rust compiler|can't find Rust compiler|cargo`? metadata)",
        subject="rustc",
    ),
    sign(Kind.MISSING_PROGRAM, r"(?:CMake must be installed|Could not find the `?cmake)", subject="cmake"),
    sign(
        Kind.MISSING_PROGRAM, r"(?:no Fortran compiler found|Unknown compiler\(s\): \[\['gfortran)", subject="gfortran"
    ),
    sign(
        Kind.MISSING_PROGRAM,
        r"(?:FileNotFoundError|OSError)[^\n]{0,30}\[Errno 2\] No such file or directory: '(?P<subject>[^'\n]{1,200})'",
        refine=_not_found,
    ),
)

CODE: tuple[Sign, ...] = (
    sign(Kind.C_API_REMOVED, r"\d: (?:fatal )?error: (?P<words>[^\n]{1,300})", phases=BUILDS, refine=_compile_error),
    sign(
        Kind.C_API_REMOVED,
        r"error: too (?:few|many) arguments to function [‘'](?P<subject>_?Py\w{1,60})",
        phases=BUILDS,
    ),
    sign(
        Kind.BUILD_NEEDS_MODULE,
        r"Trying to build without Cython|Cython (?:is )?(?:required|not found)",
        phases=BUILDS,
        subject="Cython",
    ),
    sign(Kind.CYTHON_TOO_NEW, r"has no attribute 'cython_sources'", phases=BUILDS),
    sign(Kind.CYTHON_TOO_NEW, r"Cython\.Compiler\.Errors\.CompileError: (?P<subject>[\w./-]{1,100})", phases=BUILDS),
    sign(Kind.SETUPTOOLS_TOO_NEW, r"use_2to3 is invalid", phases=BUILDS, subject="use_2to3"),
    sign(
        Kind.SETUPTOOLS_TOO_NEW,
        r"cannot import name '(?:build_py|copydir_run|Mixin)_2to3'",
        phases=BUILDS,
        subject="use_2to3",
    ),
    sign(
        Kind.MISSING_SUBMODULE,
        r"git submodule (?:update|sync|init)|[Ii]nstall submodules when building",
        phases=BUILDS,
        subject="",
    ),
    sign(Kind.SETUPTOOLS_TOO_NEW, r"cannot import name '(?P<subject>\w{1,60})' from 'setuptools[\w.]{0,60}'"),
    sign(
        Kind.SETUPTOOLS_TOO_NEW,
        r"module 'setuptools[\w.]{0,60}' has no attribute '(?P<subject>(?!build_editable)\w{1,60})'",
    ),
    sign(
        Kind.SETUPTOOLS_TOO_NEW,
        r"No module named '(?P<subject>setuptools\.(?:command\.test|extern|_distutils|py\w{1,20}))",
    ),
    sign(
        Kind.SETUPTOOLS_TOO_NEW,
        r"No module named '(?P<subject>distutils\.(?:msvccompiler|command\.\w{1,30}|log))'",
        phases=BUILDS,
    ),
    sign(
        Kind.SETUPTOOLS_TOO_NEW,
        r"Multiple top-level (?P<subject>packages|modules) discovered in a flat-layout",
        phases=BUILDS,
        subject="flat-layout",
    ),
    sign(Kind.SETUPTOOLS_TOO_NEW, r"Invalid dash-separated key", phases=BUILDS, subject="dash-separated"),
    sign(Kind.INVALID_VERSION, r"(?:cause|InvalidVersion): Invalid version: ", phases=BUILDS, subject="version"),
    sign(
        Kind.SETUPTOOLS_TOO_NEW,
        r"setup command: '(?:install|extras|tests|setup)_requires?' must be",
        phases=BUILDS,
        subject="requirements",
    ),
    sign(Kind.SETUPTOOLS_TOO_NEW, r"unexpected keyword argument '(?P<subject>strip_trailing_zero)'", phases=BUILDS),
    sign(Kind.SETUPTOOLS_TOO_NEW, r"NameError: name 'CCompiler' is not defined", phases=BUILDS, subject="CCompiler"),
    sign(
        Kind.SETUPTOOLS_TOO_NEW,
        r"(?P<subject>dry_run|convert_2to3_doctests|install_layout|SandboxViolation)['\"]? ?(?:is|object|:|$)",
        phases=BUILDS,
    ),
    sign(
        Kind.EDITABLE_UNSUPPORTED,
        rf"module '(?P<subject>{MODULE})' has no attribute '(?:build|prepare_metadata_for_build)_editable'",
        phases=BUILDS,
        refine=_back_end,
    ),
    sign(Kind.BACK_END_TOO_OLD, r"Metadata field Name not found", phases=BUILDS, subject="setuptools"),
    sign(Kind.BACK_END_TOO_OLD, r"\[tool\.poetry\] section not found", phases=BUILDS, subject="poetry-core"),
    sign(
        Kind.BACK_END_TOO_OLD,
        r"configuration error: `project(?:\.\w{1,20})?` must",
        phases=BUILDS,
        subject="setuptools",
    ),
    sign(Kind.BACK_END_TOO_OLD, r"invalid pyproject\.toml config: `project", phases=BUILDS, subject="setuptools"),
    sign(
        Kind.VERSION_FROM_TAGS, r"setuptools-scm was unable to detect version", phases=BUILDS, subject="setuptools-scm"
    ),
    sign(Kind.VERSION_FROM_TAGS, r"Versioning for this project requires either an sdist", phases=BUILDS, subject="pbr"),
    sign(Kind.VERSION_FROM_TAGS, r"Error getting the version from source `(?P<subject>[\w-]{1,40})`", phases=BUILDS),
    sign(Kind.VERSION_FROM_TAGS, r"Cannot find the version from SCM", phases=BUILDS, subject="pdm"),
    sign(
        Kind.VERSION_FROM_TAGS,
        r"(?P<subject>vcversioner|versioneer)[:.][^\n]{0,60}(?:no VCS|unable to|not found)",
        phases=BUILDS,
    ),
    sign(
        Kind.MISSING_FILE, r"(?:gcc|g\+\+|cc|clang): error: (?P<subject>[\w./+-]{1,200}): No such file", phases=BUILDS
    ),
    sign(
        Kind.MISSING_FILE,
        r"(?:Readme|License|VERSION) file does not exist: (?P<subject>[\w./+-]{1,200})",
        phases=BUILDS,
    ),
    sign(
        Kind.MISSING_FILE,
        r"error: (?:package directory|file) '(?P<subject>[\w./+-]{1,200})' does not exist",
        phases=BUILDS,
    ),
)

GENERAL: tuple[Sign, ...] = (
    sign(
        Kind.SOURCE_BUILD_FAILED,
        r"\.(?:c|cc|cpp|cxx|h|hpp|pyx|f|f90):\d+:\d+: error: (?P<subject>[^\n]{1,200})",
        phases=BUILDS,
    ),
    sign(
        Kind.SOURCE_BUILD_FAILED,
        rf"(?:Failed to (?:download and )?build|build backend returned an error) ?`?(?:{NAME})?",
        phases=BUILDS,
    ),
    sign(Kind.SOURCE_BUILD_FAILED, r"Call to `[\w.:]{1,80}` failed", phases=BUILDS),
)
