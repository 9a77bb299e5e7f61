"""Write messages and a store. `python -m benchmarks.upgrade` runs this file with the code of 0.1.0.

So it uses only what both versions have. It writes `messages.jsonl` (records of Kafka), `store.db`, and `store.json`
(the rows of the store, by table) into the folder that it is given.
"""

import base64
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
from sqlalchemy import MetaData, create_engine, select

from pipeline.contract.cloud_events import encode_event
from pipeline.contract.messages import Alternative, AudioChunk, Flag, Hit, Message, Transcript, Utterance, Word
from pipeline.contract.topology import AUDIO, FLAGS, TRANSCRIPTS, UTTERANCES
from pipeline.review.accounts import accounts
from pipeline.review.appeals import appeals, reports
from pipeline.review.appeals.reports import Complaint
from pipeline.review.cases import deciding, leases
from pipeline.review.cases.ranking import Ranking
from pipeline.review.cases.values import Choice, Evidence
from pipeline.review.database import Database
from pipeline.review.delivery import event_outbox
from pipeline.review.privacy import holds
from pipeline.review.quality import quality_checks
from pipeline.review.review_store import SqlReviewStore
from pipeline.speech.audio.encode import encode_flac

NOON = 1_767_268_800.0
"""2026-01-01 12:00 UTC, in UTC seconds."""
PEOPLE = (("ana", "moderator"), ("ben", "moderator"), ("lea", "lead"))
SPEAKERS = ("pending", "upheld", "dismissed", "escalated", "overturned", "undone", "taken back")
"""What becomes of the case of each speaker."""


def main(folder: Path) -> None:
    """Write all files into `folder`."""
    (folder / "messages.jsonl").write_text("".join(f"{line}\n" for line in map(record, messages())), "utf-8")
    database = Database(f"sqlite:///{folder / 'store.db'}")
    fill(database)
    database.close()
    stored = json.dumps(rows(folder / "store.db"), ensure_ascii=False, indent=1, default=bytes.hex)
    (folder / "store.json").write_text(stored, "utf-8")


def messages() -> list[tuple[str, Message]]:
    """Return messages of each kind, with their topics: with few fields, and with all fields of 0.1.0."""
    sound = (8_000 * np.sin(np.arange(8_000) * 0.3)).astype(np.int16)
    who: dict[str, Any] = {"room": "茶馆", "speaker": "本", "room_type": "game", "start": NOON + 0.25}
    least: dict[str, Any] = {"room": "lobby", "speaker": "ann", "start": NOON}
    session: dict[str, Any] = {"session": "session-1", "first_sample": 16_000, "final": True}
    heard = Transcript(
        **who,
        id="t-1",
        utterance="u-1",
        end=NOON + 2,
        text="我要弄死你",
        language="zh",
        confidence=0.8,
        no_speech=0.1,
        marks=("low_confidence",),
        words=(Word("我要", NOON + 0.25, NOON + 1, 0.9), Word("弄死你", NOON + 1, NOON + 2)),
        alternatives=(Alternative("我要弄死你", -0.2), Alternative("我要弄你", -0.9)),
        model="whisper-base",
        address="voice.utterances/0/7",
    )
    skipped = Transcript(
        **least,
        id="t-2",
        utterance="u-2",
        end=NOON + 1,
        text="",
        language="en",
        confidence=0.0,
        skipped=True,
        model="none",
    )
    return [
        (AUDIO.name, AudioChunk(**who, **session, sequence=3, data=sound.tobytes())),
        (AUDIO.name, AudioChunk(**least, sequence=0, sample_rate=8_000, data=sound[:800].tobytes())),
        (UTTERANCES.name, utterance(who, "u-1", sound, forced=True, overlap=0.5)),
        (UTTERANCES.name, utterance(least, "u-2", sound)),
        (TRANSCRIPTS.name, heard),
        (TRANSCRIPTS.name, skipped),
        (FLAGS.name, flag("pending", 0)),
        (FLAGS.name, flag("new", 500, suggestion="block")),
        (FLAGS.name, flag("harmless", 600, suggestion="pass", flagged=(), hits=(), reasons=())),
    ]


def utterance(who: dict[str, Any], name: str, sound: Any, **more: Any) -> Utterance:
    data = encode_flac(sound.astype(np.float32) / 32_768)
    return Utterance(**who, id=name, end=who["start"] + len(sound) / 16_000, data=data, **more)


def flag(speaker: str, start: float, **changes: Any) -> Flag:
    """Return a flag of 5 s of `speaker`, `start` seconds after NOON."""
    fields: dict[str, Any] = {
        "room": "茶馆",
        "speaker": speaker,
        "start": NOON + start,
        "end": NOON + start + 5,
        "id": f"flag-{speaker}",
        "utterance": f"utterance-{speaker}",
        "transcript": f"transcript-{speaker}",
        "text": "我要弄死你",
        "language": "zh",
        "confidence": 0.8,
        "suggestion": "review",
        "risk": 0.6,
        "labels": {"violence": 0.6},
        "flagged": ("violence",),
        "hits": (Hit("弄死你", "violence", "high", 2, 5, NOON + start + 1, NOON + start + 2),),
        "reasons": ("lexicon: 弄死你",),
        "policy": "default@1a2b3c4d",
        "model": "shipped-1",
    }
    return Flag(**fields | changes)


def record(sent: tuple[str, Message]) -> str:
    """Return a message as a line of JSON: topic, kind, key, headers, and value in base64."""
    topic, message = sent
    event = encode_event(message, "test")
    headers = [(name, value.decode()) for name, value in event.headers]
    value = base64.b64encode(event.value).decode()
    found = {"topic": topic, "kind": type(message).__name__, "key": event.key.decode(), "headers": headers}
    return json.dumps(found | {"value": value}, ensure_ascii=False)


def fill(database: Database) -> None:
    """Let people work for an hour."""
    with database.write() as connection:
        for name, role in PEOPLE:
            accounts.add_account(connection, name, role, NOON, "setup")  # type: ignore[arg-type]
    store = SqlReviewStore(database)
    flags = [flag(speaker, 10.0 * number) for number, speaker in enumerate(SPEAKERS)]
    cases = {one.speaker: made.case for one, made in zip(flags, store.add(flags, NOON + 100), strict=True)}
    clip = Evidence(
        path="ab/clip.ogg",
        case=cases["upheld"],
        start=NOON + 5,
        end=NOON + 15,
        seconds=10.0,
        bytes=4_096,
        sha256="ab" * 32,
    )
    store.attach(clip)
    decide(database, cases)
    store.add([flag("dismissed", 20.0, id="flag-again")], NOON + 300)


def decide(database: Database, cases: dict[str, str]) -> None:
    """Decide the cases, undo some decisions, settle an appeal, and file a report."""
    mute, none = Choice(verdict="uphold", action="mute"), Choice(verdict="dismiss", reason="quote", note="引用")
    with database.write() as connection:
        deciding.decide(connection, cases["upheld"], "ana", mute, NOON + 110)
        deciding.decide(connection, cases["dismissed"], "ana", none, NOON + 120)
        deciding.decide(connection, cases["escalated"], "ben", Choice(verdict="escalate"), NOON + 130)
        deciding.decide(connection, cases["overturned"], "ben", mute, NOON + 140)
        early = deciding.decide(connection, cases["undone"], "ben", mute, NOON + 150)
        deciding.undo(connection, early.id, "ben", NOON + 152)
        late = deciding.decide(connection, cases["taken back"], "ben", mute, NOON + 160)
        connection.exec_driver_sql("UPDATE outbox SET status = 'sent' WHERE about = ?", (late.id,))
        deciding.undo(connection, late.id, "ben", NOON + 165)
        appeal, _ = appeals.lodge(connection, cases["overturned"], "overturned", "It was a joke.", NOON + 200, 10.0)
        appeals.settle(connection, appeal.id, "lea", Choice(verdict="dismiss"), NOON + 210, 10.0)
        complaint = Complaint(room="茶馆", reporter="reader", label="abuse", text="他骂人", at=NOON + 220)
        reports.file(connection, complaint, NOON + 221, Ranking({}), 180.0)
        holds.place_hold(connection, "case", cases["upheld"], "police 7", "lea", NOON + 230)
        quality_checks.mark_golden(connection, cases["dismissed"], "lea", "dismiss", NOON + 240)
        leases.claim(connection, cases["pending"], "ana", NOON + 250)
        event_outbox.store_event(connection, "case.decided", "of a deleted case", {"room": "gone"}, NOON, NOON + 900)


def rows(file: Path) -> dict[str, list[dict[str, Any]]]:
    """Return the rows of a SQLite store, by table."""
    engine, metadata = create_engine(f"sqlite:///{file}"), MetaData()
    metadata.reflect(engine)
    with engine.connect() as connection:
        found = {
            table.name: [
                {str(name): value for name, value in row._mapping.items()} for row in connection.execute(select(table))
            ]
            for table in metadata.sorted_tables
            if table.name != "alembic_version"
        }
    engine.dispose()
    return {name: table for name, table in found.items() if table}


if __name__ == "__main__":
    main(Path(sys.argv[1]))
