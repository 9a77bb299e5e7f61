"""A detection drill through a live `voxwarden run`: gateway, Whisper, judge and store, from the shipped recordings."""

import asyncio
from pathlib import Path

import pytest
from sqlalchemy import select
from typer.testing import CliRunner

from agents.commands.command_line import app
from agents.one_machine import run_one_machine
from pipeline.assessment import drills
from pipeline.review.database import Database
from pipeline.review.tables.assessment_tables import TALLIES
from pipeline.review.tables.core import CASES
from pipeline.settings import Settings
from tests.agents.test_one_machine import Host

MISSED = 2
"""The most risky lines of a language that may be missed."""


@pytest.mark.full
@pytest.mark.weights
@pytest.mark.timeout(300)
@pytest.mark.parametrize("language", ["zh", "en"])
async def test_a_drill_finds_the_lines_of_each_label_and_no_tally_counts_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, language: str
) -> None:
    for name in ("GATEWAY", "METRICS", "CONSOLE"):
        monkeypatch.setenv(f"VOXWARDEN_{name}__PORT", "0")
    settings = Settings(data_dir=tmp_path)
    host, stop = Host(), asyncio.Event()
    running = asyncio.create_task(run_one_machine(settings, host, stop))
    await asyncio.wait([running, asyncio.create_task(host.ready.wait())], return_when=asyncio.FIRST_COMPLETED)
    given = ("--gateway", f"ws://127.0.0.1:{host.gateway.port}", "--token", host.gateway.generated_token or "")
    command = ["--set", f"data_dir={tmp_path}", "assess", "drill", "run", "--language", language, *given]
    result = await asyncio.to_thread(CliRunner().invoke, app, command)
    stop.set()
    await running
    assert result.exit_code == 0, result.output
    assert "no recording" not in result.stderr
    database = Database(settings.database_url)
    try:
        with database.read() as connection:
            (drill,) = drills.all_drills(connection)
            found = drills.results(connection, drill.id)
            cases = {tuple(row) for row in connection.execute(select(CASES.c.room, CASES.c.drill))}
            assert connection.execute(select(TALLIES)).all() == []
    finally:
        database.close()
    assert [line.text for line in found if not line.label and not line.right] == []
    missed = [f"{line.text} heard: {line.heard}" for line in found if line.label and not line.right]
    assert len(missed) <= MISSED, missed
    assert cases == {(line.room, drill.id) for line in found if line.caught}
