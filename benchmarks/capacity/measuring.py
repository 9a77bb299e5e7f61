"""Measures the costs of scenes, and the size of the review store. `FIT` fits the model, and `HELD_OUT` checks it."""

import platform
import tempfile
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from msgspec import Struct, structs
from rich.console import Console
from rich.progress import track
from sqlalchemy import text

from benchmarks.capacity.deployment import Deployment
from benchmarks.capacity.scene import LoadScene, Observation
from pipeline.base.cpu import cores
from pipeline.contract.messages import Flag, SpeechStatus
from pipeline.contract.speech_status import status_of
from pipeline.review.database import Database
from pipeline.review.review_store import open_store
from pipeline.settings import Settings, Store
from tests.broker import Broker
from tests.builders import NOON, flag
from tests.pipeline.review import postgres

FIT = (
    LoadScene(),
    LoadScene(rooms=3, microphones=4),
    LoadScene(rooms=6, microphones=50),
    LoadScene(rooms=3, microphones=4, steady=8),
    LoadScene(rooms=3, microphones=4, steady=8, codec="pcm"),
    LoadScene(rooms=8, microphones=4, codec="pcm"),
    LoadScene(rooms=2, microphones=300),
)
HELD_OUT = (LoadScene(rooms=10, microphones=20, steady=2),)
"""Larger than every scene that fits the model, and with another mix."""

PG_BYTES = "select pg_database_size(current_database())"
ROWS = 1_000
"""Utterances, and flags, for the costs of the store."""
BATCH = 16
FLAG_EVERY = 30.0
"""Seconds between two flags of a speaker: no two of them become one case."""


class StoreCost(Struct, frozen=True):
    """The bytes of the review store for one utterance that passes, and for one flag that opens a case."""

    utterance_ms: float
    """CPU of the process that writes, without that of a database server."""
    flag_ms: float
    utterance_bytes: float
    """Kept as long as Kafka keeps its messages: the id of the utterance."""
    flag_bytes: float


class CostMeasurement(Struct, frozen=True):
    """The results of one run of `measure`."""

    date: str
    machine: str
    fit: list[Observation]
    held_out: list[Observation]
    store: dict[str, StoreCost]
    """By database: sqlite, postgresql."""
    series: dict[str, int]
    """Time series that one process of each role shows to Prometheus."""


def measure(
    seconds: float, scenes: Sequence[LoadScene] = FIT, held_out: Sequence[LoadScene] = HELD_OUT
) -> CostMeasurement:
    """Play all scenes on one deployment, each for `seconds`, and measure the store."""
    screen = Console(stderr=True)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        store = stored(folder)
        screen.print("the store is measured; Kafka and the models start")
        with Broker(folder) as broker, Deployment(folder, broker).running() as deployment:
            told = [*scenes, *held_out]
            found = [deployment.observe(scene, seconds) for scene in track(told, "playing scenes", console=screen)]
            series = deployment.series()
    fitting = len(scenes)
    date, machine = datetime.now(UTC).date().isoformat(), f"{cores()} cores, {platform.machine()}"
    return CostMeasurement(date, machine, found[:fitting], found[fitting:], store, series)


def stored(folder: Path) -> dict[str, StoreCost]:
    """Write utterances and flags into each database, as deliver does."""
    (folder / "sqlite").mkdir()
    costs = {"sqlite": _store_cost(Settings(data_dir=folder / "sqlite"))}
    with postgres.server() as url:
        costs["postgresql"] = _store_cost(Settings(data_dir=folder, store=Store.model_validate({"url": url})))
    return costs


def _store_cost(settings: Settings) -> StoreCost:
    passed = [_flag(number, "pass") for number in range(ROWS)]
    caught = [_flag(number, "review") for number in range(ROWS, 2 * ROWS)]
    utterances = _written(settings, [*map(_segmented, passed), *passed])
    flags = _written(settings, [*map(_segmented, caught), *caught])
    extra = {name: flags[name] - utterances[name] for name in flags}
    return StoreCost(
        1000 * utterances["cpu"] / ROWS,
        1000 * extra["cpu"] / ROWS,
        utterances["bytes"] / ROWS,
        extra["bytes"] / ROWS,
    )


def _flag(number: int, suggestion: str) -> Flag:
    start = FLAG_EVERY * number
    made = flag(f"flag-{number}", start, start + 4.0, room=f"room-{number % 50}", speaker=f"speaker-{number % 500}")
    return structs.replace(made, suggestion=suggestion, text="this is what somebody said in a room of the app", hits=())


def _segmented(message: Flag) -> SpeechStatus:
    return status_of(message, "segmented")


def _written(settings: Settings, messages: Sequence[Flag | SpeechStatus]) -> Mapping[str, float]:
    """Write `messages` in batches. Returns the CPU seconds of this process, and the bytes that the database grew."""
    store = open_store(settings)
    try:
        before, began = database_bytes(settings), time.process_time()
        for at in range(0, len(messages), BATCH):
            store.add(messages[at : at + BATCH], NOON)
        cpu = time.process_time() - began
    finally:
        store.close()
    return {"cpu": cpu, "bytes": database_bytes(settings) - before}


def database_bytes(settings: Settings) -> int:
    """Bytes of all tables and indexes."""
    sqlite = settings.database_url.startswith("sqlite")
    query = "select page_count * page_size from pragma_page_count, pragma_page_size" if sqlite else PG_BYTES
    database = Database(settings.database_url)
    try:
        with database.read() as connection:
            return int(connection.scalar(text(query)) or 0)
    finally:
        database.close()
