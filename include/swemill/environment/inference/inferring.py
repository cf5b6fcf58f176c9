"""All inferences about one commit, put together."""

from swemill.environment.inference import checkout, python_versions, requirements, test_command, version_from_tags
from swemill.environment.inference.ci import ci_contexts
from swemill.environment.inference.contexts import Context
from swemill.environment.inference.findings import Finding, evidence, values
from swemill.environment.inference.nox import nox_contexts
from swemill.environment.inference.other_contexts import other_contexts
from swemill.environment.inference.project import project_of
from swemill.environment.inference.sources import Sources, unique
from swemill.environment.inference.system_packages import system_packages
from swemill.environment.inference.tox import tox_contexts
from swemill.environment.inference.variables import variables
from swemill.environment.inference.versions import in_order
from swemill.values import CommitTree, Inference, TestRunner


def infer(tree: CommitTree) -> Inference:
    """What the commit tells about its own installation. Nothing is run, and nothing it holds makes this raise.

    Args:
        tree: the commit, with the contents of those files that ``is_wanted`` names.
    """
    sources = Sources(tree)
    project = project_of(sources)
    contexts = contexts_of(sources)
    needs = requirements.needs(sources, project, contexts)
    pythons = python_versions.supported(sources, project, contexts)
    preferred = python_versions.preferred(sources, contexts)
    bound = python_versions.required(sources, project)
    packages = system_packages(sources, contexts, needs.system, own=project.name)
    runner = test_command.runner(sources, project, contexts)
    paths = test_command.test_paths(sources, project, contexts)
    environment = variables(sources, contexts)
    from_tags = version_from_tags.version_from_tags(sources, project)
    version_file = version_from_tags.version_file(sources, project) if from_tags else None
    kinds = [
        ("python", pythons),
        ("preferred python", _some(preferred)),
        ("requires-python", _some(bound)),
        ("project", [Finding(project.folder, project.where)] if project.exists else []),
        ("build requirement", project.build_requires),
        ("extra", needs.extras),
        ("group", needs.groups),
        ("requirement file", needs.files),
        ("constraint file", needs.constraints),
        ("requirement", needs.requirements),
        ("system package", packages),
        ("runner", _some(runner)),
        ("test path", paths),
        ("variable", [Finding(f"{name}={value}", where) for name, (value, where) in environment.items()]),
        ("version from tags", from_tags),
        ("version file", _some(version_file)),
    ]
    return Inference(
        pythons=tuple(in_order(finding.value for finding in pythons)),
        preferred_python=preferred.value if preferred else "",
        requires_python=bound.value if bound and bound.value.isprintable() else "",
        has_project=project.exists,
        project_dir=project.folder,
        build_backend=project.backend,
        build_requires=requirements.pep508(project.build_requires),
        extras=values(needs.extras),
        groups=values(needs.groups),
        requirement_files=values(needs.files),
        constraint_files=values(needs.constraints),
        requirements=values(needs.requirements),
        system_packages=values(packages, 60),
        runner=TestRunner(runner.value) if runner else TestRunner.PYTEST,
        test_paths=values(paths, 50),
        environment={name: value for name, (value, where) in environment.items()},
        version_from_tags=bool(from_tags),
        version_file=unique(finding.value for finding in _some(version_file))[0] if version_file else "",
        submodules=checkout.submodules(sources),
        git_lfs=checkout.git_lfs(sources),
        evidence=evidence(kinds),
    )


def contexts_of(sources: Sources) -> list[Context]:
    """Every place where the tests are run, the most telling first."""
    found = [*tox_contexts(sources), *nox_contexts(sources), *other_contexts(sources), *ci_contexts(sources)]
    return sorted(found, key=lambda context: context.kind)


def _some(finding: Finding | None) -> list[Finding]:
    return [finding] if finding else []
