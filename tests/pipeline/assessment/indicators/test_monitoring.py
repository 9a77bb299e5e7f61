"""Coverage, loss and hard-to-hear speech equal a count of the messages themselves."""

import random
from collections.abc import Iterable, Sequence
from typing import Any

import pytest
from msgspec.structs import replace
from sqlalchemy import insert

from pipeline.assessment.indicators import monitoring
from pipeline.assessment.options import DAY_SECONDS, Options
from pipeline.contract.messages import Flag, SpeechState, SpeechStatus
from pipeline.contract.speech_status import status_of
from pipeline.review.database import Database
from pipeline.review.delivery.room_counts import RoomHour, store_ledger
from pipeline.review.delivery.speech_tallies import HOUR
from pipeline.review.quality.figure import Window
from pipeline.review.review_store import SqlReviewStore
from pipeline.review.tables.assessment_tables import REGISTER
from tests.builders import NOON, flag
from tests.pipeline.assessment.reading import WEEK, figures

OPTIONS = Options(low_confidence=0.3, languages=frozenset({"zh", "en"}), settled=0.0)
NOON_HOUR = int(NOON) // HOUR


def speech(number: int, rng: random.Random) -> Flag:
    start = rng.uniform(0, 6 * DAY_SECONDS)
    changes: dict[str, Any] = {
        "room": rng.choice(["r1", "r2", "r3"]),
        "room_type": rng.choice(["game", "kids"]),
        "language": rng.choice(["zh", "en", "th"]),
        "confidence": rng.choice([0.0, 0.12, 0.29999, 0.3, 0.55, 1.0]),
        "identity_verified": rng.choice([True, False, None]),
    }
    return flag(str(number), start, start + rng.uniform(0.3, 15), suggestion="pass", flagged=(), hits=(), **changes)


def status(about: Flag, state: SpeechState, reason: str = "") -> SpeechStatus:
    return status_of(about, state, reason)


@pytest.fixture(scope="module")
def said() -> list[Flag]:
    rng = random.Random(27)  # noqa: S311 - no secret
    return [speech(number, rng) for number in range(400)]


def keep(database: Database, messages: Iterable[Flag | SpeechStatus]) -> None:
    SqlReviewStore(database).add(list(messages), NOON)


def fate(one: Flag) -> str:
    """Of ten utterances, one is skipped, one fails, one is lost, and seven get a verdict."""
    return {0: "skipped", 1: "failed", 2: "lost"}.get(int(one.id) % 10, "monitored")


def seconds(chosen: Sequence[Flag]) -> float:
    """Return their length in whole samples, as the tallies count it."""
    return sum(round(one.end * 16_000) - round(one.start * 16_000) for one in chosen) / 16_000


@pytest.fixture
def filled(database: Database, said: list[Flag]) -> Database:
    keep(database, [status(one, "segmented") for one in said])
    keep(database, [status(one, "skipped", "overload") for one in said if fate(one) == "skipped"])
    keep(database, [status(one, "failed", "judge") for one in said if fate(one) == "failed"])
    keep(database, [one for one in said if fate(one) == "monitored"])
    return database


def test_speech_coverage_is_the_share_of_voiced_seconds_with_a_verdict(filled: Database, said: list[Flag]) -> None:
    found = figures(filled, monitoring.speech_coverage, OPTIONS)
    for part, chosen in {(): said, ("room_type", "kids"): [one for one in said if one.room_type == "kids"]}.items():
        heard = [one for one in chosen if fate(one) == "monitored"]
        assert found["share", *part].value == pytest.approx(seconds(heard) / seconds(chosen), abs=1e-12)
        assert found["share", *part].n == len(chosen)
        assert found["monitored", *part].value == pytest.approx(seconds(heard))
        verified = [one for one in heard if one.identity_verified]
        assert found["verified", *part].value == pytest.approx(seconds(verified) / seconds(heard), abs=1e-12)
    assert {key[2] for key in found if len(key) > 1} == {"game", "kids"}


def test_loss_has_every_reason(filled: Database, said: list[Flag]) -> None:
    found = figures(filled, monitoring.loss, OPTIONS)
    assert found["share",].value == pytest.approx(0.3)
    for reason in ("overload", "judge", "lost"):
        assert (found["utterances", "reason", reason].value, found["share", "reason", reason].value) == (40, 0.1)
    kids = [one for one in said if one.room_type == "kids"]
    lost = sum(fate(one) != "monitored" for one in kids)
    assert found["share", "room_type", "kids"].value == pytest.approx(lost / len(kids))


def test_a_reason_is_left_out_if_all_its_utterances_got_a_flag_later(database: Database) -> None:
    late = flag("late")
    keep(database, [status(late, "failed", "transcribe")])
    assert ("utterances", "reason", "transcribe") in figures(database, monitoring.loss, OPTIONS)
    keep(database, [late])
    assert ("utterances", "reason", "transcribe") not in figures(database, monitoring.loss, OPTIONS)


def test_loss_waits_until_no_message_about_the_speech_can_arrive(filled: Database, said: list[Flag]) -> None:
    later = Options(settled=2 * DAY_SECONDS)
    moved = [one for one in said if one.start < WEEK.until - 2 * DAY_SECONDS]
    assert figures(filled, monitoring.loss, later)["share",].n == len(moved) < len(said)
    next_week = Window(WEEK.until, WEEK.until + WEEK.seconds)
    assert figures(filled, monitoring.loss, later, next_week)["share",].n == len(said) - len(moved)


def test_loss_is_whole_only_if_the_earlier_speech_was_counted_too(filled: Database, said: list[Flag]) -> None:
    first = min(int(one.start) // HOUR for one in said) * HOUR
    options = Options(settled=2 * DAY_SECONDS)
    for compute in (monitoring.loss, monitoring.stability):
        for since, whole in ((first + 2 * DAY_SECONDS, True), (first + DAY_SECONDS, False)):
            found = figures(filled, compute, options, Window(since, since + WEEK.seconds))
            assert found["share",].whole == whole


def test_speech_is_hard_to_hear_by_confidence_or_language(filled: Database, said: list[Flag]) -> None:
    found = figures(filled, monitoring.hard_to_hear, OPTIONS)
    heard = [one for one in said if fate(one) == "monitored"]
    for part, chosen in {
        (): heard,
        ("language", "zh"): [one for one in heard if one.language == "zh"],
        ("room_type", "game"): [one for one in heard if one.room_type == "game"],
    }.items():
        low = [one for one in chosen if one.confidence < 0.3]
        other = [one for one in chosen if one.language == "th"]
        hard = [one for one in chosen if one.confidence < 0.3 or one.language == "th"]
        for key, which in {"low_confidence": low, "other_language": other, "share": hard}.items():
            assert found[key, *part].value == pytest.approx(seconds(which) / seconds(chosen), abs=1e-12)


def test_speech_in_another_language_is_not_covered(database: Database) -> None:
    heard, odd = flag("a", 0, 6, language="en"), flag("b", 6, 7, language="th")
    other = [
        replace(status(flag(name, at, at + seconds), "skipped", "language"), language=language)
        for name, at, seconds, language in (("c", 10, 2, "fr"), ("d", 12, 1, "fr"), ("e", 20, 2, "de"))
    ]
    keep(database, [heard, odd, *other, status(flag("f", 30, 90), "skipped", "overload")])
    found = figures(database, monitoring.hard_to_hear, OPTIONS)
    for key, share in {"other_language": 0.5, "share": 0.5, "low_confidence": 0.0}.items():
        assert found[key,].value == pytest.approx(share)
    assert found["share",].n == 5
    spoken = {key[2]: one.value for key, one in found.items() if key[0] == "spoken"}
    assert spoken == {"fr": pytest.approx(0.25), "de": pytest.approx(2 / 12), "th": pytest.approx(1 / 12)}
    assert figures(database, monitoring.loss, OPTIONS)["utterances", "reason", "language"].value == 3


@pytest.mark.parametrize(("reason", "language"), [("language", "fr"), ("no_words", "")])
def test_speech_that_cannot_be_judged_makes_no_hour_unstable(database: Database, reason: str, language: str) -> None:
    keep(database, [flag("a", 0, 6), replace(status(flag("b", 9, 19), "skipped", reason), language=language)])
    assert figures(database, monitoring.stability, OPTIONS)["share",].value == 1.0
    keep(database, [status(flag("c", 30, 90), "skipped", "overload")])
    assert figures(database, monitoring.stability, OPTIONS)["share",].value == 0.0


def test_without_speech_nothing_is_measured(database: Database) -> None:
    for compute in (monitoring.speech_coverage, monitoring.loss, monitoring.hard_to_hear):
        found = figures(database, compute, OPTIONS)
        assert found
        assert {(one.value, one.unmeasured, one.n) for one in found.values()} == {(None, "no_data", 0)}


def test_identity_is_not_recorded_if_the_app_never_sends_it(database: Database) -> None:
    keep(database, [flag("a", 0, 1)])
    found = figures(database, monitoring.speech_coverage, OPTIONS)["verified",]
    assert (found.value, found.unmeasured, found.n) == (None, "not_recorded", 1)


def test_rooms_are_covered_by_the_time_they_were_open(database: Database) -> None:
    rooms = [("r1", 0), ("r2", 1), ("r1", HOUR), ("r1", 2 * HOUR)]
    keep(database, [flag(str(n), at, at + 1, room=room, room_type="game") for n, (room, at) in enumerate(rooms)])
    with database.write() as connection:
        lines = [(0, "game", 4, 6_000.0), (1, "game", 1, 900.0), (1, "kids", 2, 3_000.0), (3, "game", 0, 0.0)]
        store_ledger(
            connection,
            [RoomHour(hour=NOON_HOUR + hour, room_type=k, rooms=n, seconds=s) for hour, k, n, s in lines],
            NOON,
        )
    found = figures(database, monitoring.room_coverage, OPTIONS)
    assert found["share",].value == pytest.approx((6_000 * 2 / 4 + 900) / 9_900)
    assert found["share", "room_type", "kids"].value == 0.0
    assert (found["hours",].value, found["hours",].n) == (2 / 3, 3)
    assert not found["share",].whole, "the third hour with speech has no ledger"


def test_room_coverage_needs_the_ledger(filled: Database) -> None:
    found = figures(filled, monitoring.room_coverage, OPTIONS)
    assert {(one.value, one.unmeasured) for one in found.values()} == {(None, "needs_ledger")}


def test_an_hour_is_stable_while_its_loss_keeps_the_limit(database: Database) -> None:
    said = [replace(flag(str(n), n * HOUR / 10, n * HOUR / 10 + 1), suggestion="pass") for n in range(20)]
    keep(database, [status(one, "segmented") for one in said])
    keep(database, said[1:])
    half = figures(database, monitoring.stability, OPTIONS)["share",]
    assert (half.value, half.n) == (0.5, 2)
    assert figures(database, monitoring.stability, Options(settled=0.0, stable_loss=0.1))["share",].value == 1.0


def entry(identity: str, kind: str, opened: float, closed: float | None = None, **fields: str) -> dict[str, Any]:
    times = {"opened_at": NOON + opened, "closed_at": None if closed is None else NOON + closed, "due_at": None}
    return {"id": identity, "kind": kind, "fields": fields, "author": "lea", "changed_at": NOON} | times


def register(database: Database, *entries: dict[str, Any]) -> None:
    with database.write() as connection:
        connection.execute(insert(REGISTER), list(entries))


def test_incidents_and_restore_tests_come_from_the_register(database: Database) -> None:
    register(
        database,
        entry("a", "incident", 0, 600.5),
        entry("b", "incident", 10, 70),
        entry("c", "incident", 20),
        entry("d", "incident", -WEEK.seconds, 5),
        entry("e", "restore_test", 30, 40, result="passed"),
        entry("f", "restore_test", 50, 60, result="failed"),
        entry("g", "restore_test", 70, 80, result="passed"),
    )
    found = figures(database, monitoring.stability, OPTIONS)
    assert (found["incidents",].value, found["recovery_p50",].value) == (3, 601.0)
    assert (found["recovery_max",].value, found["recovery_max",].unmeasured) == (None, "censored")
    assert found["restored",].value == pytest.approx(2 / 3)


def test_no_incident_is_zero_only_if_people_keep_the_register(database: Database) -> None:
    assert figures(database, monitoring.stability, OPTIONS)["incidents",].unmeasured == "needs_register"
    register(database, entry("e", "restore_test", 30, 40, result="passed"))
    found = figures(database, monitoring.stability, OPTIONS)
    assert (found["incidents",].value, found["recovery_p50",].unmeasured) == (0, "no_data")
