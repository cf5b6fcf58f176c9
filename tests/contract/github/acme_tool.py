"""The repository that the stand-in's own tests ask about, and how they ask by GraphQL."""

from pathlib import Path

import httpx

from tests.github_standin.build import WorldBuilder
from tests.github_standin.model import World


def tool_world(folder: Path) -> World:
    """``acme/tool``, once ``acme/former``: an issue (1), four merged pull requests (2, 3, 4, 6) and an open one (5).

    ``acme/plain`` beside it has no commit, no licence and no language.
    """
    builder = WorldBuilder(folder)
    tool = builder.repository("acme/former")
    issue = tool.issue("It is broken", "Always.", comments=[(tool.clock, "Here too."), (tool.clock, "And here.")])
    for way in ("merge", "squash", "rebase", "unmerged", "merge"):
        tool.pull(way, issues=[issue])
    builder.repository("acme/plain", empty=True, licence=None, language=None)
    world = builder.build()
    world.rename("acme/former", "acme/tool")
    return world


def ask(http: httpx.Client, query: str, **variables: object) -> dict:
    """The whole answer, errors and all."""
    answer = http.post("/graphql", json={"query": query, "variables": variables})
    assert answer.status_code == 200
    return answer.json()
