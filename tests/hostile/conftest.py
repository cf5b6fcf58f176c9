"""The engine and images of the contract tests, the attacked repository, and what must stay as it was."""

from tests.contract.conftest import api, build_testbed, engine

__all__ = ["api", "build_testbed", "engine"]
