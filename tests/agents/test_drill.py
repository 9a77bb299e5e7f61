"""A detection drill through a live `voxwarden run`: gateway, Whisper, judge and store, from the shipped recordings."""

import asyncio
from pathlib import Path

import pytest
from sqlalchemy import select

from agents.one_machine import run_one_machine
from pipeline.assessment import drill_speech, drills
from pipeline.assessment.drill_speech import send
from pipeline.review.database import Database
from pipeline.review.tables.assessment_tables import TALLIES
from pipeline.review.tables.core import CASES
from pipeline.settings import Settings
from tests.agents.test_one_machine import Host
from tests.builders import NOON

CHOSEN = {"en-clean-1", "en-violence-1", "zh-violence-1"}


@pytest.mark.weights
async def test_the_lines_of_a_drill_get_verdicts_and_no_tally_counts_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("GATEWAY", "METRICS", "CONSOLE"):
        monkeypatch.setenv(f"VOXWARDEN_{name}__PORT", "0")
    settings = Settings(data_dir=tmp_path)
    host, stop = Host(), asyncio.Event()
    running = asyncio.create_task(run_one_machine(settings, host, stop))
    await asyncio.wait([running, asyncio.create_task(host.ready.wait())], return_when=asyncio.FIRST_COMPLETED)
    database = Database(settings.database_url)
    try:
        drill, ended = await spoken(database, host)
        stop.set()
        await running
        with database.read() as connection:
            found = {(line.language, line.label): line for line in drills.results(connection, drill.id)}
            cases = connection.execute(select(CASES.c.room, CASES.c.drill)).all()
            assert connection.execute(select(TALLIES)).all() == []
    finally:
        database.close()
    assert {key: line.right for key, line in found.items()} == dict.fromkeys(found, True)
    assert "kill you" in found["en", "violence"].heard
    assert {(room, mark) for room, mark in cases} == {
        (found[key].room, drill.id) for key in (("en", "violence"), ("zh", "violence"))
    }
    assert min(ended) > NOON


async def spoken(database: Database, host: Host) -> tuple[drills.Drill, list[float]]:
    """Begin the drill, and send its lines at the same time. Return when each ended."""
    book = drill_speech.book()
    every = {"en": {"violence"}, "zh": {"violence"}}
    lines = [line for line in drill_speech.lines_of(book, every) if line.name in CHOSEN]
    with database.write() as connection:
        drill, rooms = drills.begin(connection, lines, "lea", NOON)
    speak, address = drill_speech.shipped(book), f"ws://127.0.0.1:{host.gateway.port}"
    sent = [
        asyncio.to_thread(send, address, host.gateway.generated_token or "", drill.id, room, samples)
        for room, line in rooms.items()
        if (samples := speak(line)) is not None
    ]
    return drill, await asyncio.gather(*sent)
