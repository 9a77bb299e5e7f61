"""`voxwarden assess answer`: the fields of the report that people fill in."""

import sys
import time
from pathlib import Path
from typing import Annotated

import typer

from agents.commands.assess import assess
from agents.commands.assess_words import By, author, language, say, show
from agents.commands.store_access import database_of


@assess.command()
def answer(
    ctx: typer.Context,
    identity: Annotated[str | None, typer.Argument(help="Id of the assessment. Default: the newest one.")] = None,
    file: Annotated[Path | None, typer.Option(help="YAML file with the answers.")] = None,
    template: Annotated[bool, typer.Option("--template", help="Print a YAML file to fill in.")] = False,
    by: By = None,
) -> None:
    """Fill in the fields of a report, or list the required ones that are still empty.

    The template has every field, with its answer so far and with comments. A field that you leave out stays as it is.
    An empty value clears the answer. Each change is stored with its author and time.

    Examples:
      voxwarden assess answer --template > answers.yaml
      voxwarden assess answer --file answers.yaml --by lin
      voxwarden assess answer
    """
    from pipeline.assessment import forms
    from pipeline.assessment.report import assessments

    given = forms.read_file(file) if file else None
    with database_of(ctx) as database:
        with database.read() as connection:
            assessment = assessments.find(connection, identity).id
            text = forms.template(connection, assessment, language()) if template else ""
        if given is not None:
            with database.write() as connection:
                changed = forms.answer(connection, assessment, given, author(by), time.time())
            say("{n} answers changed.", n=len(changed))
        with database.read() as connection:
            missing = forms.missing(connection, assessment)
    if template:
        sys.stdout.write(text)
        return
    for each in missing:
        show(f"{each.field.part:5} {each.id:24} {each.field.name(language())}")
    say("{n} required fields of assessment {id} are empty.", n=len(missing), id=assessment)
