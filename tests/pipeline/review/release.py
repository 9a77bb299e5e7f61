"""A store and messages as 0.1.0 wrote them. The code of 0.1.0 made the files."""

import base64
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from sqlalchemy import MetaData, create_engine, insert

from pipeline.contract.cloud_events import Event
from pipeline.review.database import JSON, MIGRATIONS, _url
from tests.builders import NOON

FOLDER = Path(__file__).parents[2] / "data" / "upgrade"
REVISION = "0005"
"""The last migration of 0.1.0."""
COOKIE = "cookie of ana"
"""The cookie of a session."""


def rows() -> dict[str, list[dict[str, Any]]]:
    """Return the rows of the store, by table."""
    found: dict[str, list[dict[str, Any]]] = json.loads((FOLDER / "store.json").read_text("utf-8"))
    return found | _written_here(found["reports"][0]["case_id"], found["golden"][0]["case_id"])


def _written_here(reported: str, golden: str) -> dict[str, list[dict[str, Any]]]:
    """Return rows of the tables that the script of the benchmark leaves empty."""
    audit = {"case_id": golden, "kind": "audit", "original": None, "probability": 0.5, "drawn_at": NOON, "done": True}
    session = {"id": hashlib.sha256(COOKIE.encode()).hexdigest(), "csrf": "csrf", "created_at": NOON, "seen_at": NOON}
    times = {"started_at": NOON - 900, "ended_at": NOON - 300, "lease": None, "left_seconds": 0.0}
    return {
        "breaks": [{"account": "ben", **times}],
        "checks": [audit],
        "erasures": [{"speaker": "gone", "asked_by": "lea", "asked_at": NOON}],
        "listened": [{"account": "ana", "at": NOON, "seconds": 90.0}],
        "sessions": [{"account": "ana", **session}],
        "voices": [{"case_id": reported, "speaker": "ben"}],
    }


def records() -> Iterator[tuple[str, str, Event]]:
    """Yield the topic, the name of the kind, and the record of each message."""
    for line in (FOLDER / "messages.jsonl").read_text("utf-8").splitlines():
        found = json.loads(line)
        headers = [(name, value.encode()) for name, value in found["headers"]]
        event = Event(found["key"].encode(), base64.b64decode(found["value"]), headers)
        yield found["topic"], found["kind"], event


def make_store(url: str) -> None:
    """Fill an empty database as 0.1.0 left it."""
    engine, metadata = create_engine(_url(url), **JSON), MetaData()
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, REVISION)
        metadata.reflect(connection)
        stored = rows()
        for table in metadata.sorted_tables:
            if table.name != "alembic_version":
                connection.execute(insert(table), stored[table.name])
    engine.dispose()
