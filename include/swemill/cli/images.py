"""The verb about images: list them, keep them within a budget, or write how they are made."""

import json
from pathlib import Path
from typing import Annotated

import typer

from swemill.cli.context import open_mill, say
from swemill.cli.tables import print_images
from swemill.errors import UserError
from swemill.jobs import collect_images
from swemill.jobs.collect_images import ImageLine, in_units
from swemill.jobs.export_images import export_images
from swemill.values import ImageLevel


def register(app: typer.Typer) -> None:
    """Add these commands to ``app``."""
    verb = typer.Typer(invoke_without_command=True, callback=images)
    verb.command()(export)
    app.add_typer(verb, name="images")


def export(
    instance: Annotated[str, typer.Argument(help="Its id.")],
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A new or empty folder.")],
) -> None:
    """Write the Dockerfiles of an instance's images, with all that they need."""
    written = export_images(open_mill(), instance, folder)
    say(f"{folder}: {', '.join(image.level.value for image in written)}; README.md tells how they are built")


def images(
    context: typer.Context,
    level: Annotated[ImageLevel | None, typer.Option(help="Only these.")] = None,
    repository: Annotated[str, typer.Option(help="Repository of the instances, or a part of its name.")] = "",
    collect: Annotated[bool, typer.Option("--collect", help="Remove images until the budget is kept.")] = False,
    budget: Annotated[
        int | None, typer.Option(min=0, help="Bytes for environments and instances; default: SWEMILL_IMAGE_BUDGET.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="With --collect: only tell what would be removed.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Machine-readable.")] = False,
) -> None:
    """List the images on the Docker engine, or remove those that are needed least until a budget is kept."""
    if context.invoked_subcommand:
        if level or repository or collect or as_json or budget is not None or dry_run:
            raise UserError(f"`images {context.invoked_subcommand}` takes none of the options of the list")
        return
    if (budget is not None or dry_run) and not collect:
        raise UserError("--budget and --dry-run are for --collect: nothing is removed without it")
    if collect and (level or repository):
        raise UserError("--collect goes by what is needed least; --level and --repository are for the list")
    mill = open_mill()
    if collect:
        done = collect_images.collect(mill, budget=budget, dry_run=dry_run)
        if as_json:
            removed = [
                {"image": one.image.name, "bytes": one.image.bytes, "why": one.why.value} for one in done.removed
            ]
            typer.echo(json.dumps({"removed": removed, "before": done.before, "after": done.after}, indent=2))
            return
        for one in done.removed:
            say(f"{one.image.name}  {in_units(one.image.bytes)}  {one.why.value}")
        say(done.line())
        return
    lines = collect_images.listing(mill, level=level, repository=repository)
    if as_json:
        typer.echo(json.dumps([_as_json(line) for line in lines], indent=2))
    else:
        print_images(lines)


def _as_json(line: ImageLine) -> dict[str, object]:
    return {
        "id": line.image.id,
        "tags": line.image.tags,
        "level": line.image.level.value if line.image.level else None,
        "bytes": line.image.bytes,
        "stands_on": line.image.parent or None,
        "created": line.image.created.isoformat(),
        "last_used": line.last_used.isoformat(),
        "in_use": line.image.in_use,
        "pending": line.pending,
        "instance": line.use.instance_id if line.use else None,
        "instances": line.use.instances if line.use else 0,
        "repository": line.use.repository if line.use else None,
    }
