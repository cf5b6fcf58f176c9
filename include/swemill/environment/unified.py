"""The unified default configuration: the baseline rung of the ladder, after the Skywork-SWE paper (section 3.1).

One configuration for every repository: the base image's Python and compilers, ``requirements.txt``, an editable
install with fallbacks (``.[test]`` and kin), pytest and hypothesis, the newest versions of everything. Dependency
groups (PEP 735) are the present form of those extras. A file of requirements that fails to install is noted and
skipped: whether the environment works is decided by the tests, not by the installer.
"""

from swemill.environment.image_plans import Recipe
from swemill.environment.scripts import CHECKOUT, CLOSING, NOT_INSTALLED, PRELUDE, TAGGED
from swemill.values import InstanceSpec, Strategy


def unified(instance: InstanceSpec, *, python: str) -> Recipe:
    """The recipe with nothing pinned."""
    del instance, python  # one configuration for all
    return Recipe(strategy=Strategy.UNIFIED, script=INSTALL_SH)


INSTALL_SH = f"""\
{PRELUDE}{CHECKOUT}{TAGGED}
say 'virtual environment'
uv venv -q --seed --allow-existing --python "$PYTHON" /opt/venv || {{ index_answers; exit {NOT_INSTALLED}; }}

requirements() {{ # installs those that are there; false when none is
    absent=1
    for file in "$@"; do
        if [ -f "$file" ]; then absent=0; attempt uv pip install -r "$file" || true; fi
    done
    return "$absent"
}}
editable() {{
    attempt uv pip install -e "$1" && return
    attempt env SETUPTOOLS_SCM_PRETEND_VERSION="$VERSION" PBR_VERSION="$VERSION" PDM_BUILD_SCM_VERSION="$VERSION" \\
        POETRY_DYNAMIC_VERSIONING_BYPASS="$VERSION" uv pip install -e "$1" && return
    attempt uv pip install setuptools wheel || return
    attempt env SETUPTOOLS_SCM_PRETEND_VERSION="$VERSION" PBR_VERSION="$VERSION" \\
        uv pip install --no-build-isolation -e "$1"
}}
extras() {{
    python - <<'PYTHON'
import importlib.metadata, json
for distribution in importlib.metadata.distributions():
    if json.loads(distribution.read_text("direct_url.json") or "{{}}").get("dir_info", {{}}).get("editable"):
        print("\\n".join(distribution.metadata.get_all("Provides-Extra") or ()))
PYTHON
}}
first_of() {{ # the first of test, tests, testing, dev that standard input names
    names=$(cat)
    for name in test tests testing dev; do
        if printf '%s\\n' "$names" | grep -qx "$name"; then echo "$name"; return; fi
    done
}}

requirements requirements.txt requirements/base.txt requirements/main.txt requirements/requirements.txt || true
if [ -f setup.py ] || [ -f pyproject.toml ]; then
    tag
    editable . || exit {NOT_INSTALLED}
    extra=$(extras | first_of)
    if [ -n "$extra" ]; then editable ".[$extra]" || true; fi
    untag
    if [ -f pyproject.toml ]; then
        groups=$(sed -n '/^\\[dependency-groups\\]/,/^\\[[a-z]/s/^\\([A-Za-z0-9_-]*\\) *=.*/\\1/p' pyproject.toml)
        group=$(echo "$groups" | first_of)
        if [ -n "$group" ]; then attempt uv pip install --group "$group" || true; fi
    fi
fi
# The first kind only: a file for developers asks for documentation and lint tools as well, and these for more.
for name in test tests testing dev; do
    requirements "requirements-$name.txt" "requirements_$name.txt" "$name-requirements.txt" \\
        "${{name}}_requirements.txt" "requirements/$name.txt" "requirements/requirements-$name.txt" \\
        "$name/requirements.txt" && break
done
attempt uv pip install pytest hypothesis || exit {NOT_INSTALLED}
# A file of pinned requirements may have put a release of the project itself in the place of the checkout.
if [ -f setup.py ] || [ -f pyproject.toml ]; then
    uv pip list -q --editable --format freeze | grep -q . || editable . || exit {NOT_INSTALLED}
fi
{CLOSING}"""
