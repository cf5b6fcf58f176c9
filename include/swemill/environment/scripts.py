"""The shell that all builds share: making the checkout, telling a failure of the index apart, closing the image.

A build script is one file of ``sh``, put together from these parts. It runs as the unprivileged user, with nothing but
the package index in reach, and ends with one of the exit codes below, which the stages interpret.
"""

INDEX_SILENT = 90
"""Exit code when the package index does not answer: says nothing about the repository."""
NOT_PRUNED = 81
"""Exit code when the repository holds objects beyond those of the base commit."""
NOT_INSTALLED = 80
"""Exit code when no way of installing the project worked."""
NOT_RESOLVED = 82
"""Exit code when no set of versions was found."""

PRELUDE = f"""\
#!/bin/sh
# Runs as the unprivileged user; see the module that holds this text.
set -eu
. /opt/build/options.sh
# Certificates and index where this runs without the mill's own network (an exported Dockerfile).
if [ -z "${{UV_DEFAULT_INDEX:-}}" ] && [ -r /etc/swemill/build.env ]; then . /etc/swemill/build.env; fi
export HOME=/tmp/home UV_CACHE_DIR=/tmp/uv-cache UV_LINK_MODE=copy UV_NO_PROGRESS=1
export UV_PYTHON_DOWNLOADS=never UV_HTTP_RETRIES=5 UV_HTTP_TIMEOUT=120
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
"""

CHECKOUT = f"""
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
# Files of submodules, without their history; git knows them as not checked out.
if [ -d /opt/build/submodules ]; then cp -a /opt/build/submodules/. /testbed/; fi
"""

TAGGED = """
# Version tools ask git for a tag; it lives for the time of the build.
tag() { git tag "$VERSION"; git tag "v$VERSION"; }
untag() { git tag -d "$VERSION" "v$VERSION" >/dev/null; }
"""

FILLING = "cp -al /testbed/. /opt/testbed/"
"""Gives the checkout its second name, as hard links, which take no room.

A sandbox puts a tmpfs over ``/testbed`` and fills it from ``/opt/testbed``. Whoever runs the image otherwise, as
SWE-bench's harness does, finds the checkout in ``/testbed``.
"""

CLOSING = f"""
say 'installed'
uv pip list --format freeze | tee /opt/lock.txt

# The work folder holds exactly the base commit, plus what the build needs and git shall not see.
cd /testbed
find . -name __pycache__ -type d -prune -exec rm -rf {{}} +
git reset -q --hard "$BASE_COMMIT"
if [ -d /opt/build/submodules ]; then cp -a /opt/build/submodules/. /testbed/; fi
mkdir -p .git/info
git ls-files --others --exclude-standard --directory | sed 's|^|/|' >>.git/info/exclude
git reflog expire --expire=now --all
rm -f .git/ORIG_HEAD
{FILLING}
find /opt/build -mindepth 1 -delete
rm -rf /tmp/home /tmp/uv-cache /tmp/probe /tmp/attempt.log /tmp/refs
"""
