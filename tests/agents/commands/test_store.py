"""`voxwarden store migrate` makes the tables before a new version starts."""

import os

import pytest
from sqlalchemy import create_engine, inspect, make_url
from typer.testing import CliRunner

from agents.commands import store
from agents.commands.command_line import app


def test_the_tables_are_made_once(empty_postgres_url: str) -> None:
    """The password is not shown."""
    url = make_url(empty_postgres_url).set(password="hidden")  # noqa: S106 - the server trusts everybody
    command = ["--set", f"store.url={url.render_as_string(hide_password=False)}", "store", "migrate"]
    first, second = (CliRunner().invoke(app, command) for _ in range(2))
    assert first.exit_code == 0, first.output
    assert first.output == second.output == f"{url} has the tables of this version.\n".replace("ql://", "ql+psycopg://")
    engine = create_engine(url.set(drivername="postgresql+psycopg"))
    assert "cases" in inspect(engine).get_table_names()
    engine.dispose()


def test_the_actor_is_the_user_of_the_system() -> None:
    assert store.actor().startswith("cli:")


def test_a_user_without_a_name_is_a_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "getuid", lambda: 4_711_000)
    assert store.actor() == "cli:4711000"
