"""The scripts of the levels: find the versions, install a lock, put a checkout and its project on top."""

from swemill.environment.scripts import CHECKOUT, CLOSING, NOT_INSTALLED, NOT_RESOLVED, PRELUDE, TAGGED

LOCK = "/opt/lock.txt"

_ANOTHER_VERSION = r"""
# For the time of the build too: the checkout is what it was when the image is closed.
another_version() {
    if [ -z "$VALID_VERSION" ] || [ ! -f setup.py ]; then return 0; fi
    export VALID_VERSION
    cp setup.py /opt/build/setup_of_the_commit.py
    cat >setup.py <<'END'
import sys
sys.path.insert(0, "/opt/build")
import valid_version
with open("/opt/build/setup_of_the_commit.py", "rb") as source:
    exec(compile(source.read(), __file__, "exec"))
END
    [ ! -f setup.cfg ] || sed -i -E '/^[[:space:]]*tag[_-](build|date|svn[_-]revision)[[:space:]]*[=:]/d' setup.cfg
}
"""

RESOLVE_SH = f"""\
{PRELUDE}{CHECKOUT}{TAGGED}{_ANOTHER_VERSION}
set -- /opt/build/requirements.in /opt/build/build-requirements.in
cd "/testbed/$PROJECT_DIR"
if [ -n "$HAS_PROJECT" ]; then
    for file in pyproject.toml setup.py setup.cfg; do
        if [ -f "$file" ]; then set -- "$@" "$file"; break; fi
    done
    for extra in $EXTRAS; do set -- "$@" --extra "$extra"; done
    for group in $GROUPS; do set -- "$@" --group "$group"; done
fi
tag
another_version
if [ -z "$ISOLATED" ]; then
    # Reading its requirements runs its setup.py, which imports what it is built with.
    uv venv -q --allow-existing --python "$PYTHON" /opt/venv || {{ index_answers; exit {NOT_RESOLVED}; }}
    attempt uv pip install -c /opt/build/constraints.txt setuptools wheel -r /opt/build/build-requirements.in \\
        || exit {NOT_RESOLVED}
    set -- --no-build-isolation "$@"
    PYTHON=/opt/venv/bin/python
fi
compile() {{
    attempt uv pip compile -q --python "$PYTHON" --no-header --no-annotate -o /tmp/lock.txt \\
        --constraint /opt/build/constraints.txt --build-constraint /opt/build/constraints.txt \\
        --override /opt/build/overrides.txt "$@"
}}
compile "$@" || {{
    export SETUPTOOLS_SCM_PRETEND_VERSION="$VERSION" PBR_VERSION="$VERSION" PDM_BUILD_SCM_VERSION="$VERSION"
    export POETRY_DYNAMIC_VERSIONING_BYPASS="$VERSION"
    compile "$@" || exit {NOT_RESOLVED}
}}
say 'resolved'
tee {LOCK} </tmp/lock.txt
"""

ENVIRONMENT_SH = f"""\
{PRELUDE}
uv venv -q --allow-existing --python "$PYTHON" /opt/venv || {{ index_answers; exit {NOT_INSTALLED}; }}
attempt uv pip install --no-deps --build-constraint /opt/build/constraints.txt -r /opt/build/lock.txt \\
    || exit {NOT_INSTALLED}
say 'installed'
uv pip list --format freeze | tee {LOCK}
find /opt/build -mindepth 1 -delete
rm -rf /tmp/home /tmp/uv-cache /tmp/probe /tmp/attempt.log
"""

INSTANCE_SH = f"""\
{PRELUDE}{CHECKOUT}{TAGGED}{_ANOTHER_VERSION}
editable() {{ attempt uv pip install --no-deps --build-constraint /opt/build/constraints.txt "$@" -e .; }}
project() {{
    editable "$@" && return
    export SETUPTOOLS_SCM_PRETEND_VERSION="$VERSION" PBR_VERSION="$VERSION" PDM_BUILD_SCM_VERSION="$VERSION"
    export POETRY_DYNAMIC_VERSIONING_BYPASS="$VERSION"
    editable "$@" && return
    # The way of old: no back end is asked, and what is tested is the checkout all the same.
    if [ -f setup.py ] && attempt python setup.py develop --no-deps; then return 0; fi
    # A back end that knows no editable installs: install, then put the checkout in the place of the copy.
    attempt uv pip install --no-deps --build-constraint /opt/build/constraints.txt "$@" . \\
        && attempt python /opt/build/in_place.py .
}}
cd "/testbed/$PROJECT_DIR"
if [ -n "$HAS_PROJECT" ]; then
    tag
    another_version
    if [ -n "$ISOLATED" ]; then project; else project --no-build-isolation; fi || exit {NOT_INSTALLED}
    untag
fi
{CLOSING}"""
