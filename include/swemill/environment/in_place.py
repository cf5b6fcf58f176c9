"""Turns a plain installation of the checkout into one that uses the checkout itself.

For projects whose build back end is from before editable installs: what was installed would hide every later change of
the sources. So the copies of the checkout's own packages are removed and the folders they came from are put on the
path. Compiled modules, which the checkout lacks, move into it. Runs in the environment's Python, as a file of a build.
"""

import importlib.metadata
import json
import shutil
import sys
from pathlib import Path

PLACES = (".", "src", "lib", "python")
"""Folders of a project that packages lie in."""
COMPILED = (".so", ".pyd")


def main(project: Path) -> int:
    """Put ``project`` in the place of its copy. Returns 1 when nothing of what was installed lies in the checkout."""
    roots = set()
    for distribution in importlib.metadata.distributions():
        origin = json.loads(distribution.read_text("direct_url.json") or "{}").get("url", "")
        if origin != f"file://{project}":
            continue
        site = Path(str(distribution.locate_file(".")))
        tops = {file.parts[0] for file in distribution.files or () if not file.parts[0].endswith(".dist-info")}
        for top in sorted(tops - {"..", "__pycache__"}):
            root = next((project / place for place in PLACES if (project / place / top).exists()), None)
            if root is not None:
                roots.add(str(root.resolve()))
                _replace(site / top, root / top)
        if roots:
            (site / "checkout.pth").write_text("".join(f"{root}\n" for root in sorted(roots)))
    print("\n".join(sorted(roots)) or "nothing of the installation lies in the checkout")
    return 0 if roots else 1


def _replace(installed: Path, source: Path) -> None:
    """Move compiled modules to the sources and remove the copy."""
    if not installed.is_dir():
        installed.unlink()
        return
    for file in installed.rglob("*"):
        target = source / file.relative_to(installed)
        if file.name.endswith(COMPILED) and target.parent.is_dir():
            shutil.copy2(str(file), str(target))
    shutil.rmtree(str(installed))


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]).resolve()))
