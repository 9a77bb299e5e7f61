"""`voxwarden store`: prepare the review store."""

import typer

from agents.commands.app import app, settings_of, stdout

store = typer.Typer(no_args_is_help=True, help="Prepare the review store.")
app.add_typer(store, name="store")


@store.callback()
def _group() -> None:
    """Keep `migrate` a command of its own: without a callback, Typer would make it the group."""


@store.command()
def migrate(ctx: typer.Context) -> None:
    """Create the tables of the review store, or update them for this version.

    Use it before you start a new version. If the update fails, the old version still runs. Without this command, the
    first `deliver` or console of the new version updates the tables when it starts. You can repeat it safely. No
    command undoes it: back up the database first.

    Example:
      VOXWARDEN_STORE__URL=postgresql://voxwarden@db/voxwarden voxwarden store migrate
    """
    from pipeline.review.database import Database

    database = Database(settings_of(ctx).database_url)
    database.close()
    stdout.print(f"{database.name} has the tables of this version.", highlight=False, markup=False, soft_wrap=True)
