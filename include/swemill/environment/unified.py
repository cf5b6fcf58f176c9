"""The unified default configuration: the baseline rung of the ladder, after the Skywork-SWE paper (section 3.1).

One configuration for every repository: the base image's Python and compilers, ``requirements.txt``, an editable
install with fallbacks (``.[test]`` and kin), pytest and hypothesis, the newest versions of everything. Dependency
groups (PEP 735) are the present form of those extras. A file of requirements that fails to install is noted and
skipped: whether the environment works is decided by the tests, not by the installer.
"""

from swemill.environment.dockerfile import INDEX_SILENT, NOT_INSTALLED, NOT_PRUNED, Recipe
from swemill.values import InstanceSpec, Strategy


def unified(instance: InstanceSpec, *, python: str) -> Recipe:
    """The recipe with nothing pinned."""
    del instance, python  # one configuration for all
    return Recipe(strategy=Strategy.UNIFIED, script=INSTALL_SH)


INSTALL_SH = f"""\
#!/bin/sh
# Builds /opt/venv and /opt/testbed. Runs as the unprivileged user; see the module that holds this text.
set -eu
. /opt/build/options.sh
. /etc/swemill/build.env
export HOME=/tmp/home UV_CACHE_DIR=/tmp/uv-cache UV_LINK_MODE=copy UV_NO_PROGRESS=1
export UV_PYTHON_DOWNLOADS=never UV_HTTP_RETRIES=5
export UV_CONFIG_FILE=/opt/build/uv.toml PYTHONDONTWRITEBYTECODE=1 GIT_TERMINAL_PROMPT=0 NO_COLOR=1
mkdir -p "$HOME"

say() {{ printf '\\n== %s\\n' "$*"; }}

# A failure may be the index's and not the repository's: then the whole build counts for nothing.
index_failed() {{
    say "the package index does not answer"
    exit {INDEX_SILENT}
}}
index_answers() {{
    uv pip install -q --dry-run --refresh --no-deps --target /tmp/probe pytest >/dev/null 2>&1 || index_failed
}}
attempt() {{
    say "$*"
    if "$@" >/tmp/attempt.log 2>&1; then cat /tmp/attempt.log; return 0; fi
    cat /tmp/attempt.log
    # The index may be back by now; what uv said of the network counts as well.
    if grep -Eq 'Request failed after|client error|error sending request|dns error' /tmp/attempt.log; then
        index_failed
    fi
    index_answers
    say "failed: $*"
    return 1
}}

say "checking out $BASE_COMMIT"
tar -xf /opt/build/snapshot.tar -C /opt/build
mv /opt/build/repo.git /testbed/.git
cd /testbed
git config core.bare false
git config user.name 'SWE-Mill'
git config user.email 'mill@localhost'
git config advice.detachedHead false
git checkout -q -f -B main "$BASE_COMMIT"
git remote | while read -r remote; do git remote remove "$remote"; done
git for-each-ref --format='%(refname)' | grep -vx refs/heads/main >/tmp/refs || true
while read -r ref; do git update-ref -d "$ref"; done </tmp/refs
git reflog expire --expire=now --all
rm -f .git/FETCH_HEAD .git/ORIG_HEAD
# No object of the future: checked, not assumed.
commits=$(git cat-file --batch-all-objects --batch-check='%(objecttype) %(objectname)' | grep '^commit' || true)
stored=$(git cat-file --batch-all-objects --batch-check | wc -l)
reachable=$(git rev-list --objects "$BASE_COMMIT" | wc -l)
if [ "$commits" != "commit $BASE_COMMIT" ] || [ "$stored" != "$reachable" ]; then
    say "the snapshot holds more than the base commit: $stored objects, $reachable of them its own"
    exit {NOT_PRUNED}
fi

say 'virtual environment'
uv venv -q --seed --allow-existing --python /usr/bin/python3 /opt/venv || {{ index_answers; exit {NOT_INSTALLED}; }}

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
    # Version tools ask git for a tag; it lives for the time of the build.
    git tag "$VERSION"; git tag "v$VERSION"
    editable . || exit {NOT_INSTALLED}
    extra=$(extras | first_of)
    if [ -n "$extra" ]; then editable ".[$extra]" || true; fi
    git tag -d "$VERSION" "v$VERSION" >/dev/null
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

say 'installed'
uv pip list --format freeze | tee /opt/lock.txt

# The work folder holds exactly the base commit, plus what the build needs and git shall not see.
find . -name __pycache__ -type d -prune -exec rm -rf {{}} +
git reset -q --hard "$BASE_COMMIT"
mkdir -p .git/info
git ls-files --others --exclude-standard --directory | sed 's|^|/|' >>.git/info/exclude
git reflog expire --expire=now --all
rm -f .git/ORIG_HEAD
cp -a /testbed/. /opt/testbed/
find /testbed /opt/build -mindepth 1 -delete
rm -rf /tmp/home /tmp/uv-cache /tmp/probe /tmp/attempt.log
"""
