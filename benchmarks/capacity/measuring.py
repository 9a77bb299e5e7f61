"""Measures the costs of scenes, and the size of the review store. `FIT` fits the model, and `HELD_OUT` checks it."""

import tempfile
from collections.abc import Sequence
from pathlib import Path

from msgspec import Struct, structs
from pydantic import SecretStr
from rich.progress import track
from sqlalchemy import text

from benchmarks.capacity.deployment import Deployment
from benchmarks.capacity.scene import LoadScene, Observation
from benchmarks.report import machine, notes
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

SIZE = "select pg_database_size(current_database())"
ROWS = 1_000
"""Utterances, and flags, for the size of the store."""
BATCH = 16
FLAG_EVERY = 30.0
"""Seconds between two flags of a speaker: no two of them become one case."""


class StoreCost(Struct, frozen=True):
    """The bytes of the review store for one utterance that passes, and for one flag that opens a case."""

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
    """By database: postgresql."""


def measure(
    seconds: float, scenes: Sequence[LoadScene] = FIT, held_out: Sequence[LoadScene] = HELD_OUT
) -> CostMeasurement:
    """Play all scenes on one deployment, each for `seconds`, and measure the store."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        store = {"postgresql": store_cost(folder)}
        notes.print("the store is measured; Kafka and the models start")
        with Broker(folder) as broker, Deployment(folder, broker).running() as deployment:
            told = [*scenes, *held_out]
            found = [deployment.observe(scene, seconds) for scene in track(told, "playing scenes", console=notes)]
    date, _, where = machine().partition(", ")
    return CostMeasurement(date, where, found[: len(scenes)], found[len(scenes) :], store)


def store_cost(folder: Path) -> StoreCost:
    """Write utterances and flags into PostgreSQL, as deliver does."""
    passed = [_flag(number, "pass") for number in range(ROWS)]
    caught = [_flag(number, "review") for number in range(ROWS, 2 * ROWS)]
    with postgres.server() as url:
        settings = Settings(data_dir=folder, store=Store(url=SecretStr(url)))
        utterances, flags = _grown(settings, passed), _grown(settings, caught)
    return StoreCost(utterances / ROWS, (flags - utterances) / ROWS)


def _flag(number: int, suggestion: str) -> Flag:
    start = FLAG_EVERY * number
    made = flag(f"flag-{number}", start, start + 4.0, room=f"room-{number % 50}", speaker=f"speaker-{number % 500}")
    return structs.replace(made, suggestion=suggestion, text="this is what somebody said in a room of the app", hits=())


def _grown(settings: Settings, flags: Sequence[Flag]) -> int:
    """Write the flags and their utterances in batches. Returns the bytes that the tables and indexes grew."""
    messages: list[Flag | SpeechStatus] = [*(status_of(each, "segmented") for each in flags), *flags]
    store, database = open_store(settings), Database(settings.database_url)
    try:
        with database.read() as connection:
            before = int(connection.scalar(text(SIZE)) or 0)
        for at in range(0, len(messages), BATCH):
            store.add(messages[at : at + BATCH], NOON)
        with database.read() as connection:
            return int(connection.scalar(text(SIZE)) or 0) - before
    finally:
        database.close()
        store.close()
