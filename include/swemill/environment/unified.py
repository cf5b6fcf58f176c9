"""The unified default configuration: the baseline rung of the ladder, as published and no better.

The Skywork-SWE paper (section 3.1) installs every repository in one way: Python 3.9, make and gcc, the requirements
file, a list of common packages for tests, and the project with fallbacks such as ``.[test]``; 84% of its instances do
not survive that. The configuration itself is the default specification of Nebius' SWE-bench-extra (``constants.py``
there), which SWE-bench's harness executes: ``PACKAGES`` and ``REQUIREMENTS`` are its lists, in its order. As in the
harness the first file of requirements that is there has to install, and so has the project; its extras need not.

Apart from it: uv installs and not pip, a tag is made for version tools because the checkout has no history, and the
compilers come from the base image. What would help beyond this belongs into other strategies: this one is what they
are measured against.
"""

from swemill.environment.image_plans import Recipe
from swemill.environment.scripts import CHECKOUT, CLOSING, NOT_INSTALLED, PRELUDE, TAGGED
from swemill.values import InstanceSpec, Strategy

PACKAGES = (
    "pytest cython distro pytest-cov pytest-xdist pytest-mock pytest-asyncio pytest-bdd pytest-benchmark "
    "pytest-randomly responses mock hypothesis freezegun trustme requests-mock requests tomlkit"
)
REQUIREMENTS = "requirements.txt requirements-dev.txt requirements-test.txt requirements_test.txt requirements_dev.txt"


def unified(instance: InstanceSpec, *, python: str) -> Recipe:
    """The recipe with nothing pinned."""
    del instance, python  # one configuration for all
    return Recipe(strategy=Strategy.UNIFIED, script=INSTALL_SH)


INSTALL_SH = f"""\
{PRELUDE}{CHECKOUT}{TAGGED}
say 'virtual environment'
uv venv -q --seed --allow-existing --python "$PYTHON" /opt/venv || {{ index_answers; exit {NOT_INSTALLED}; }}

for file in {REQUIREMENTS}; do
    if [ -f "$file" ]; then attempt uv pip install -r "$file" || exit {NOT_INSTALLED}; break; fi
done
attempt uv pip install {PACKAGES} || exit {NOT_INSTALLED}
tag
attempt uv pip install --reinstall -e . || exit {NOT_INSTALLED}
for extra in test testing tests dev; do attempt uv pip install -e ".[$extra]" || true; done
untag
{CLOSING}"""
