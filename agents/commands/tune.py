"""`voxwarden tune`: find the fastest settings of the speech recogniser on this machine."""

from pathlib import Path
from typing import Annotated, Any

import typer
import yaml

from agents.commands.app import app, settings_of
from agents.commands.terminal import stderr, stdout
from pipeline.base import yaml_reading
from pipeline.base.errors import ConfigError
from pipeline.base.user_files import config_file


@app.command()
def tune(
    ctx: typer.Context,
    write: Annotated[bool, typer.Option("--write", help="Write the values into the settings file.")] = False,
) -> None:
    """Find the values of `asr.workers` and `asr.batch` that transcribe the most speech on this machine.

    Use it once on each kind of machine. It takes some minutes.

    Examples:
      voxwarden tune
      voxwarden --config mine.yaml tune --write
    """
    from pipeline.speech.asr.recogniser_tuning import figures

    asr, found = settings_of(ctx).asr, []
    for figure in figures(asr):
        stderr.print(f"{_words(figure.changes):24} {figure.speed:6.1f} s of speech a second", highlight=False)
        found.append(figure)
    chosen = max(found, key=lambda figure: figure.speed).changes
    stdout.print(yaml.safe_dump({"asr": chosen}, sort_keys=False).rstrip(), highlight=False)
    if write:
        put(config_file(), chosen)
        stderr.print(f"[green]written[/] to {config_file()}", highlight=False)


def put(path: Path, chosen: dict[str, Any]) -> None:
    """Write the values into the section `asr` of a settings file.

    The comments of the file are lost, so the old file stays beside it as `.yaml.old`. Raises ConfigError if the file
    cannot be written.
    """
    try:
        old = path.read_text("utf-8")
        tree = yaml_reading.parse_yaml(old, str(path)) or {}
        tree["asr"] = (tree.get("asr") or {}) | chosen
        path.with_suffix(".yaml.old").write_text(old, "utf-8")
        path.write_text(yaml.safe_dump(tree, sort_keys=False, allow_unicode=True), "utf-8")
    except OSError as error:
        raise ConfigError(f"{path} cannot be written: {error.strerror}", "Name another file with --config.") from error


def _words(changes: dict[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in changes.items())
