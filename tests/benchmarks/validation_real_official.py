"""What SWE-bench's official harness says of the same patches, by its own command in an environment of its own."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from swemill.errors import SandboxUnavailable
from swemill.jobs.load import instance_spec
from swemill.settings import Settings
from swemill.store.loading import load_instance
from swemill.testreports.official import VERSION
from swemill.wiring import Mill
from tests.benchmarks.validation_real_arms import ARMS, NOTHING, Journal, Judged, patch_of

_NOTES = b"diff --git a/NOTES b/NOTES\nnew file mode 100644\n--- /dev/null\n+++ b/NOTES\n@@ -0,0 +1 @@\n+nothing\n"
"""No patch: the harness runs nothing for an empty one."""


def official_verdicts(
    settings: Settings, dataset: Path, names: Sequence[str], journal: Journal, *, where: str, jobs: int
) -> None:
    """Evaluate what the journal lacks.

    Raises:
        SandboxUnavailable: the command makes no report, or came to no verdict for an instance; the others are kept.
    """
    mill = Mill.open(settings)
    for arm in ARMS:
        patches = {}
        for name in names:
            with mill.store.session() as session:
                patch = patch_of(instance_spec(mill, load_instance(session, name).instance, None), arm)
            if patch is not None and not journal.holds(name, arm, where):
                patches[name] = _NOTES if arm == NOTHING else patch
        if patches:
            print(f"{where}: {arm}, {len(patches)} instances", file=sys.stderr, flush=True)
            verdicts = evaluated(settings, dataset, patches, arm, jobs=jobs)
            for name, resolved in verdicts.items():
                journal.add(Judged(instance_id=name, arm=arm, where=where, resolved=resolved))
            if missing := sorted(patches.keys() - verdicts.keys()):
                raise SandboxUnavailable(f"the official harness has no verdict of {arm} for {', '.join(missing)}")


def evaluated(settings: Settings, dataset: Path, patches: dict[str, bytes], run: str, *, jobs: int) -> dict[str, bool]:
    """Whether a patch resolves its instance, of those that came to an end. Raises SandboxUnavailable."""
    work = dataset.parent / "official" / f"{run}-{len(patches)}"
    work.mkdir(parents=True, exist_ok=True)
    lines = [
        {"instance_id": name, "model_patch": patch.decode("utf-8", "surrogateescape"), "model_name_or_path": "m"}
        for name, patch in patches.items()
    ]
    (work / "predictions.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    host = {"DOCKER_HOST": settings.docker_host} if settings.docker_host else {}
    timeout = str(settings.test_timeout + 600)
    command = [_program(settings.home), "eval", dataset, "-p", "predictions.jsonl", "--run-id", "real"]
    with (work / "log").open("w") as log:
        subprocess.run(
            [*command, "-j", str(jobs), "--timeout", timeout],
            cwd=work,
            env={**os.environ, **host, "HF_HUB_OFFLINE": "1", "HF_HOME": str(work / "hf")},
            stdout=log,
            stderr=log,
            check=False,
        )
    summary = work / "m.real.json"
    if not summary.exists():
        raise SandboxUnavailable(f"the official harness made no report: see {work / 'log'}")
    told = json.loads(summary.read_text())
    resolved = set(told["resolved_ids"])
    return {name: name in resolved for name in patches if name in set(told["completed_ids"])}


def _program(home: Path) -> Path:
    """The official command, installed once below ``home``."""
    folder = home / f"swebench-{VERSION}"
    command = folder / "bin" / "swebench"
    if not (folder / "complete").exists():
        uv = Path(sys.executable).parent / "uv"
        subprocess.run([uv, "venv", "-q", "--clear", "--python", sys.executable, folder], check=True)
        install = [uv, "pip", "install", "-q", "--python", folder / "bin" / "python", f"swebench=={VERSION}"]
        subprocess.run(install, check=True)
        (folder / "complete").touch()
    return command
