"""Fills a store with the data of a large app: tallies of a quarter of speech, and its cases, without their audio.

It writes the tables directly, because `add` would take days. The rows have the shape and the number that `add`,
decisions and the audit log would give, but random content.
"""

import random
import uuid
from collections.abc import Iterable, Iterator
from contextlib import closing
from itertools import islice
from typing import Any

import msgspec
from sqlalchemy import Connection, Table, insert, text

from pipeline.review import audit_log
from pipeline.review.accounts.presence import QUARTER
from pipeline.review.database import Database
from pipeline.review.delivery.speech_tallies import DELAYS
from pipeline.review.tables.assessment_tables import ACTIONS, ROOM_HOURS, ROOM_TYPES, TALLIES
from pipeline.review.tables.case_tables import APPEALS, CHECKS, REPORTS
from pipeline.review.tables.core import ACCOUNTS, AUDIT, CASES, DECISIONS, EVIDENCE, FLAGS
from pipeline.review.tables.people_tables import DUTY

BEGIN = 1_775_001_600.0
"""2026-04-01 00:00 UTC."""
DAYS = 91
HOURS = DAYS * 24
SECONDS = DAYS * 86_400.0

CHUNK = 20_000
CACHE_KIBIBYTES = 4_000_000
KINDS = ("game", "karaoke", "dating", "kids", "music", "default")
LANGUAGES = ("zh", "en", "ja", "es")
LABELS = ("violence", "fraud", "sexual", "ads_spam", "abuse", "hate")
MARKS = ("no_speech", "repetition", "silence_phrase", "low_confidence")
BUCKETS = tuple(f"{tenth / 10:.1f}" for tenth in range(11))
DELAY_BUCKETS = tuple(f"{bound:g}" for bound in DELAYS if 0.5 <= bound <= 20)
VERSIONS = (("default@1", "model-a"), ("default@2", "model-a"), ("default@2", "model-b"))
"""Policy and model of each third of the quarter."""
MODERATORS = 200
SAMPLES = 48_000
"""Length of an utterance at 16 kHz: 3 s."""
HIT_RATE = 0.01

Row = dict[str, Any]
Cell = tuple[str, str, str, str, str, str, str]
"""Measure, bucket, type of room, language, label, policy, model."""


def fill(database: Database, utterances: int, cases: int, days: int = DAYS) -> None:
    """Fill an empty store with a quarter of speech and its cases. Only the last `days` have tallies and duty."""
    rng = random.Random(1)
    # One transaction, and with SQLite all of it in memory: each chunk changes nearly all pages of the indexes of ids.
    with database.write() as connection:
        if connection.dialect.name == "sqlite":
            connection.execute(text(f"PRAGMA cache_size = -{CACHE_KIBIBYTES}"))
        else:  # No triggers: in one transaction, they get slower with each row.
            connection.execute(text("SET LOCAL session_replication_role = replica"))
        _insert(connection, TALLIES, tallies(utterances, days))
        _insert(connection, ROOM_TYPES, ({"name": kind, "first_seen_at": BEGIN} for kind in KINDS))
        _insert(connection, ROOM_HOURS, ledger())
        _insert(connection, ACCOUNTS, accounts())
        _insert(connection, DUTY, duty(days))
        for tables in _chunks(_stories(rng, cases), CHUNK):
            for table in (CASES, FLAGS, EVIDENCE, DECISIONS, ACTIONS, AUDIT, CHECKS, APPEALS, REPORTS):
                _insert(connection, table, (row for story in tables for row in story.get(table.name, ())))
        if connection.dialect.name == "postgresql":  # autovacuum does it; nothing does it on SQLite
            connection.execute(text("ANALYZE"))


def tallies(utterances: int, days: int = DAYS) -> Iterator[Row]:
    """Yield the rows of TALLIES that an app of this size has: for each hour of the last `days`, a row for each cell.

    `utterances` is their number in the whole quarter.
    """
    each = max(1, utterances // HOURS // len(KINDS) // len(LANGUAGES))
    first = int(BEGIN // 3_600)
    for hour in range(first + (DAYS - days) * 24, first + HOURS):
        policy, model = VERSIONS[(hour - first) * len(VERSIONS) // HOURS]
        for cell, count in _cells(each, policy, model, hour % 24 == 0):
            names = ("measure", "bucket", "room_type", "language", "label", "policy", "model")
            yield {"hour": hour, **dict(zip(names, cell, strict=True)), "count": count, "samples": count * SAMPLES}


def _cells(each: int, policy: str, model: str, midnight: bool) -> Iterator[tuple[Cell, int]]:
    """Yield the cells of an hour. `each` is the number of utterances of a type of room in a language."""
    if midnight:
        yield ("speakers", "", "", "", "", "", ""), each * 8
    for kind in KINDS:
        every = each * len(LANGUAGES)
        yield ("segmented", "", kind, "", "", "", ""), every + 2
        yield ("rooms", "", kind, "", "", "", ""), every // 60 + 1
        yield ("listened", "", kind, "", "", "", ""), every * 40
        yield ("skipped", "overload", kind, "", "", "", ""), 1
        yield ("failed", "transcribe", kind, "", "", "", ""), 1
        for verified, share in (("yes", 0.9), ("no", 0.05), ("unknown", 0.05)):
            yield ("identity", verified, kind, "", "", "", ""), round(every * share)
        for language in LANGUAGES:
            yield from _cells_of(each, kind, language, policy, model)


def _cells_of(each: int, kind: str, language: str, policy: str, model: str) -> Iterator[tuple[Cell, int]]:
    yield ("monitored", "", kind, language, "", "", ""), each
    for bucket in BUCKETS:
        yield ("confidence", bucket, kind, language, "", "", ""), each // len(BUCKETS) + 1
    for mark in MARKS:
        yield ("marked", mark, kind, language, "", "", ""), each // 50 + 1
    for suggestion, share in (("pass", 1 - HIT_RATE), ("review", HIT_RATE * 0.8), ("block", HIT_RATE * 0.2)):
        yield ("judged", suggestion, kind, language, "", policy, model), round(each * share) + 1
        if suggestion != "pass":
            for label in LABELS:
                yield ("flagged", suggestion, kind, language, label, policy, model), round(each * share) // 6 + 1
    for bucket in DELAY_BUCKETS:
        yield ("delay", bucket, kind, language, "", policy, model), each // 3_700 + 1


def ledger() -> Iterator[Row]:
    """Yield the app's ledger."""
    first = int(BEGIN // 3_600)
    for hour in range(first, first + HOURS):
        for kind in KINDS:
            yield {"hour": hour, "room_type": kind, "rooms": 140, "seconds": 300_000.0, "received_at": BEGIN}


def accounts() -> Iterator[Row]:
    """Yield the accounts of the moderators."""
    for number in range(MODERATORS):
        yield {
            "name": f"moderator{number}",
            "role": "moderator",
            "totp_step": 0,
            "disabled": False,
            "failures": 0,
            "locked_until": 0.0,
            "preferences": {},
            "created_at": BEGIN,
        }


def duty(days: int = DAYS) -> Iterator[Row]:
    """Yield who was on duty in the last `days`: three shifts of all moderators."""
    end = int((BEGIN + SECONDS) // QUARTER)
    for quarter in range(end - days * 86_400 // QUARTER, end):
        shift = quarter * QUARTER % 86_400 // 28_800
        for number in range(shift, MODERATORS, 3):
            yield {"quarter": quarter, "account": f"moderator{number}", "role": "moderator"}


def _stories(rng: random.Random, cases: int) -> Iterator[dict[str, list[Row]]]:
    """Yield, for each case, its rows in all tables, in order of time."""
    seq, head = 0, audit_log.GENESIS
    for number in range(cases):
        story = _story(rng, number, BEGIN + SECONDS * number / cases)
        for row in story.get("audit", ()):
            line = audit_log.following(seq, head, **row)
            row.update(msgspec.structs.asdict(line))
            seq, head = line.seq, line.hash
        yield story


def _story(rng: random.Random, number: int, at: float) -> dict[str, list[Row]]:
    drawn = rng.random()
    audited, reported = drawn < 0.05, 0.05 <= drawn < 0.07
    case = _case(rng, number, at, audited, reported)
    story: dict[str, list[Row]] = {"cases": [case], "evidence": [_clip(case)]}
    if not reported:
        story["flags"] = [_flag(rng, case)]
    if audited:
        story["checks"] = [_check(rng, case, "audit", None, 0.001)]
    if reported:
        story["reports"] = [_report(rng, case)]
    if rng.random() < 0.97:
        _decide(rng, story, case)
    return story


def _decide(rng: random.Random, story: dict[str, list[Row]], case: Row) -> None:
    person, at = f"moderator{rng.randrange(MODERATORS)}", case["created_at"] + rng.expovariate(1 / 600)
    given = _decision(rng, case, person, at)
    case |= {"status": "decided", "verdict": given["verdict"], "version": 2}
    story["decisions"] = [given]
    claimed = at - rng.uniform(5, 60)
    story["audit"] = [_line(person, claimed, "case.claim", case), _line(person, at, "case.decide", case)]
    if given["action"] and rng.random() < 0.9:
        story["actions"] = [_confirmed(given, at + 15)]
    if given["action"] and rng.random() < 0.03:
        story["appeals"] = [_appeal(given, case)]
        resolution = _decision(rng, case, "lead", at + 90_000)
        story["decisions"].append(resolution)
        story["appeals"][0]["resolution"] = resolution["id"]
    if rng.random() < 0.05 and "flags" in story:
        _copy(rng, story, case, at + 600)


def _copy(rng: random.Random, story: dict[str, list[Row]], case: Row, at: float) -> None:
    """Add a decided second opinion."""
    second = case | {"id": _id(rng), "created_at": at}
    story["cases"].append(second)
    story["flags"].append(story["flags"][0] | {"id": _id(rng), "case_id": second["id"], "stored_at": None})
    story.setdefault("checks", []).append(_check(rng, second, "second", case["id"], 0.05) | {"done": True})
    story["decisions"].append(_decision(rng, second, f"moderator{rng.randrange(MODERATORS)}", at + 900))


def _case(rng: random.Random, number: int, at: float, audited: bool, reported: bool) -> Row:
    severity = 0 if audited else rng.randrange(4)
    return {
        "id": _id(rng),
        "room": f"room {rng.randrange(50_000)}",
        "speaker": f"speaker {rng.randrange(300_000)}",
        "room_type": "default" if reported else rng.choice(KINDS),
        "start": at - 5,
        "end": at - 2,
        "label": "" if audited else rng.choice(LABELS),
        "suggestion": "pass" if audited else rng.choice(("review", "review", "block")),
        "risk": 0.5,
        "language": "" if reported else rng.choice(LANGUAGES),
        "text": "words that somebody said in a room, about as long as a sentence is",
        "status": "pending",
        "version": 1,
        "created_at": at,
        "hits": [],
        "policy": "report" if reported else VERSIONS[int((at - BEGIN) / SECONDS * len(VERSIONS))][0],
        "severity": severity,
        "due_at": at + 900,
        "urgency": at + 900,
        "rank": 4 - severity,
        "verdict": None,
        "drill": "",
    }


def _flag(rng: random.Random, case: Row) -> Row:
    label = case["label"]
    term = {"term": f"term {rng.randrange(500)}", "label": label, "level": "high", "start": 0, "end": 5}
    names = (
        "room",
        "speaker",
        "room_type",
        "start",
        "end",
        "text",
        "language",
        "suggestion",
        "risk",
        "policy",
        "drill",
    )
    return {name: case[name] for name in names} | {
        "id": _id(rng),
        "case_id": case["id"],
        "utterance": _id(rng),
        "transcript": _id(rng),
        "confidence": 0.8,
        "labels": dict.fromkeys(LABELS, 0.1),
        "flagged": [label] if label else [],
        "hits": [term] if label else [],
        "marks": [],
        "reasons": ["lexicon"],
        "words": [],
        "model": VERSIONS[int((case["created_at"] - BEGIN) / SECONDS * len(VERSIONS))][1],
        "address": "voice.utterances/0/123456",
        "linked": False,
        "listeners": rng.randrange(200),
        "identity_verified": True,
        "stored_at": case["created_at"],
    }


def _clip(case: Row) -> Row:
    path = f"2026/04/01/{case['id']}.ogg"
    fixed = {"codec": "opus", "seconds": 8.0, "bytes": 20_000, "sha256": "0" * 64, "timeline": []}
    return fixed | {"path": path, "case_id": case["id"], "start": case["start"], "end": case["end"]}


def _check(rng: random.Random, case: Row, kind: str, original: str | None, probability: float) -> Row:
    at, done = case["created_at"], rng.random() < 0.97
    fixed = {"case_id": case["id"], "kind": kind, "original": original, "probability": probability}
    return fixed | {"drawn_at": at, "done": done}


def _report(rng: random.Random, case: Row) -> Row:
    at = case["created_at"]
    names = {"room": case["room"], "speaker": case["speaker"], "reporter": f"user {rng.randrange(10**6)}"}
    fixed = {"id": _id(rng), "case_id": case["id"], "label": case["label"], "text": "", "audio": "kept"}
    return fixed | names | {"at": case["end"], "created_at": at}


def _decision(rng: random.Random, case: Row, person: str, at: float) -> Row:
    upheld = rng.random() < 0.7 if case["suggestion"] != "pass" else rng.random() < 0.02
    action = "mute" if upheld and rng.random() < 0.8 else None
    fixed = {"id": _id(rng), "case_id": case["id"], "moderator": person, "label": None, "reason": "", "note": ""}
    return fixed | {"verdict": "uphold" if upheld else "dismiss", "action": action, "at": at, "undone": None}


def _confirmed(given: Row, at: float) -> Row:
    fixed = {"decision": given["id"], "action": given["action"], "result": "done", "detail": ""}
    return fixed | {"at": at, "received_at": at + 1}


def _appeal(given: Row, case: Row) -> Row:
    fixed = {"id": str(uuid.uuid5(uuid.NAMESPACE_URL, given["id"])), "case_id": case["id"], "decision": given["id"]}
    return fixed | {"appellant": case["speaker"], "statement": "", "created_at": given["at"] + 3_600}


def _line(person: str, at: float, action: str, case: Row) -> Row:
    return {"at": at, "actor": person, "action": action, "subject": case["id"]}


def _id(rng: random.Random) -> str:
    return str(uuid.UUID(int=rng.getrandbits(128), version=5))


def _insert(connection: Connection, table: Table, rows: Iterable[Row]) -> None:
    for chunk in _chunks(iter(rows), CHUNK):
        if connection.dialect.name == "postgresql":
            _copy_in(connection, table, chunk)
        else:
            connection.execute(insert(table), chunk)


def _copy_in(connection: Connection, table: Table, rows: list[Row]) -> None:
    """Insert rows by COPY. An INSERT of many rows takes several times as long."""
    names = list(rows[0])
    binds = [table.c[name].type.bind_processor(connection.dialect) for name in names]
    columns = ", ".join(f'"{name}"' for name in names)
    with (
        closing(connection.connection.cursor()) as cursor,
        cursor.copy(f'COPY "{table.name}" ({columns}) FROM STDIN') as copy,
    ):
        for row in rows:
            copy.write_row([bind(row[name]) if bind else row[name] for name, bind in zip(names, binds, strict=True)])


def _chunks(items: Iterator[Any], size: int) -> Iterator[list[Any]]:
    while chunk := list(islice(items, size)):
        yield chunk
