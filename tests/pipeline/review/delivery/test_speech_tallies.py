"""All speech is counted once, in whole numbers, on both databases."""

from collections import Counter
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from shutil import copy
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from sqlalchemy import func, select

from pipeline.contract.messages import SAMPLE_RATE, Flag, SpeechState, SpeechStatus
from pipeline.contract.speech_status import status_of
from pipeline.review.database import Database
from pipeline.review.delivery import speech_tallies
from pipeline.review.delivery.speech_tallies import DAY_HOURS, DELAYS, HOUR, MAX_ROOM_TYPES, OTHER
from pipeline.review.review_store import SqlReviewStore
from pipeline.review.tables.assessment_tables import COUNTED, ROOM_TYPES, TALLIES
from tests.builders import NOON, flag, released_flag, withheld_flag

pytestmark = pytest.mark.dialect

Rows = dict[tuple[Any, ...], tuple[int, int]]
NOON_HOUR = int(NOON) // HOUR


def passed(name: str, start: float, end: float, **changes: Any) -> Flag:
    return flag(name, start, end, **{"suggestion": "pass", "flagged": (), "hits": ()} | changes)


def status(about: Flag, state: SpeechState, reason: str = "") -> SpeechStatus:
    return status_of(about, state, reason)


def counted(database: Database, *dimensions: str, measure: str | None = None) -> Rows:
    """Return count and samples of the tallies, summed over all other dimensions."""
    columns = [TALLIES.c[name] for name in dimensions]
    query = select(*columns, func.sum(TALLIES.c["count"]), func.sum(TALLIES.c.samples)).group_by(*columns)
    if measure:
        query = query.where(TALLIES.c.measure == measure)
    with database.read() as connection:
        rows = [tuple(row) for row in connection.execute(query)]
    return {row[:-2]: (int(row[-2]), int(row[-1])) for row in rows if row[-2:] not in {(0, 0), (None, None)}}


def store_of(database: Database) -> SqlReviewStore:
    return SqlReviewStore(database)


def test_a_flag_counts_in_every_measure(database: Database) -> None:
    one = flag("a", 0, 2, listeners=7, identity_verified=True, marks=("repetition",), flagged=("violence", "abuse"))
    store_of(database).add([one], NOON + 3.2)
    samples = 2 * SAMPLE_RATE
    assert counted(database, "measure", "bucket", "label") == {
        ("segmented", "", ""): (1, samples),
        ("monitored", "", ""): (1, samples),
        ("confidence", "0.9", ""): (1, samples),
        ("marked", "repetition", ""): (1, samples),
        ("identity", "yes", ""): (1, samples),
        ("listened", "", ""): (1, 7 * samples),
        ("judged", "review", ""): (1, samples),
        ("flagged", "review", "violence"): (1, samples),
        ("flagged", "review", "abuse"): (1, samples),
        ("delay", "1.23821", ""): (1, samples),
        ("speakers", "", ""): (1, samples),
        ("rooms", "", ""): (1, samples),
    }
    assert counted(database, "language", "policy", "model", measure="judged") == {
        ("zh", "default@1", "baseline"): (1, samples)
    }


def test_speech_counts_in_the_hour_in_which_it_starts(database: Database) -> None:
    store_of(database).add([passed("a", -1, 1), passed("b", 0, 1), passed("c", HOUR, HOUR + 1)], NOON)
    hours = {hour: count for (hour,), (count, _) in counted(database, "hour", measure="monitored").items()}
    assert hours == {NOON_HOUR - 1: 1, NOON_HOUR: 1, NOON_HOUR + 1: 1}


def test_speakers_count_once_a_day_and_rooms_once_an_hour(database: Database) -> None:
    said = [passed(str(n), n * 1_800, n * 1_800 + 1, speaker=speaker) for n in range(4) for speaker in ("ann", "bob")]
    store_of(database).add([replace(one, id=f"{one.id}{one.speaker}") for one in said], NOON)
    assert counted(database, "hour", measure="speakers").keys() == {(NOON_HOUR - NOON_HOUR % DAY_HOURS,)}
    assert [count for count, _ in counted(database, measure="speakers").values()] == [2]
    assert [count for count, _ in counted(database, "hour", measure="rooms").values()] == [1, 1]


def test_passed_speech_has_no_delay(database: Database) -> None:
    store_of(database).add([passed("a", 0, 2)], NOON + 3)
    assert counted(database, "bucket", measure="judged") == {("pass",): (1, 2 * SAMPLE_RATE)}
    assert counted(database, measure="delay") == {}


def test_each_utterance_is_in_one_final_state(database: Database) -> None:
    store = store_of(database)
    skipped, failed, heard = passed("a", 0, 1), passed("b", 1, 3), passed("c", 3, 7)
    store.add([status(one, "segmented") for one in (skipped, failed, heard)], NOON)
    store.add([status(skipped, "skipped", "overload"), status(failed, "failed", "transcribe"), heard], NOON)
    assert (
        counted(database, "measure", "bucket").items()
        >= {
            ("segmented", ""): (3, 7 * SAMPLE_RATE),
            ("skipped", "overload"): (1, SAMPLE_RATE),
            ("failed", "transcribe"): (1, 2 * SAMPLE_RATE),
            ("monitored", ""): (1, 4 * SAMPLE_RATE),
        }.items()
    )


def test_an_utterance_that_is_heard_later_leaves_its_earlier_state(database: Database) -> None:
    """A dead letter that is sent again, or an utterance that overload skipped before a redelivery."""
    store, one = store_of(database), passed("a", 0, 1)
    for message in (status(one, "failed", "judge"), status(one, "skipped", "overload"), one, status(one, "segmented")):
        store.add([message], NOON)
    found = counted(database, "measure", "bucket")
    assert {key for key in found if key[0] in {"segmented", "skipped", "failed", "monitored"}} == {
        ("segmented", ""),
        ("monitored", ""),
    }


def test_speech_in_another_language_counts_with_it_until_it_is_heard(database: Database) -> None:
    store, one, two = store_of(database), passed("a", 0, 1), passed("b", 1, 3)
    other = [replace(status(each, "skipped", "language"), language="fr") for each in (one, two)]
    store.add([*other, *other], NOON)
    assert counted(database, "bucket", "language", measure="skipped") == {("language", "fr"): (2, 3 * SAMPLE_RATE)}
    store.add([one], NOON)
    assert counted(database, "bucket", "language", measure="skipped") == {("language", "fr"): (1, 2 * SAMPLE_RATE)}


def test_two_stages_that_flag_one_utterance_count_it_once(database: Database) -> None:
    """A stage beside transcribe flags the same speech: two flags, one utterance."""
    one = flag("a", 0, 2)
    store_of(database).add([one, replace(one, id="b", model="listen@1")], NOON + 3)
    assert [count for count, _ in counted(database, measure="monitored").values()] == [1]
    assert counted(database, "model", measure="judged").keys() == {("baseline",), ("listen@1",)}


def test_speech_of_a_drill_does_not_count(database: Database) -> None:
    drill = flag("a", 0, 2, drill="2026-q1")
    [outcome] = store_of(database).add([drill, status(drill, "segmented")], NOON + 3)
    assert counted(database, "measure") == {}
    assert store_of(database).case(outcome.case).case.drill == "2026-q1"


def test_unknown_types_of_rooms_are_limited(database: Database) -> None:
    many = [passed(str(n), n, n + 1, room_type=f"type {n}") for n in range(MAX_ROOM_TYPES + 20)]
    store_of(database).add(many[: MAX_ROOM_TYPES - 1], NOON)
    store_of(database).add(many, NOON + 1)
    found = counted(database, "room_type", measure="monitored")
    assert len(found) == MAX_ROOM_TYPES + 1
    assert found[OTHER,][0] == 20
    with database.read() as connection:
        seen = {row.name: row.first_seen_at for row in connection.execute(select(ROOM_TYPES))}
    assert (seen["type 0"], seen[f"type {MAX_ROOM_TYPES - 1}"]) == (NOON, NOON + 1)


def test_ids_are_forgotten_by_the_time_they_were_counted(database: Database) -> None:
    store = store_of(database)
    store.add([passed("a", 0, 1)], NOON)
    store.add([passed("b", 0, 1)], NOON + 10)
    store.forget_counted(NOON + 5)
    store.add([passed("b", 0, 1)], NOON + 11)
    with database.read() as connection:
        assert connection.scalar(select(func.min(COUNTED.c.at))) == NOON + 10
    assert [count for count, _ in counted(database, measure="monitored").values()] == [2]


@pytest.mark.parametrize("bound", [*DELAYS, 1e9])
def test_a_delay_is_in_the_first_bucket_that_holds_it(bound: float) -> None:
    assert speech_tallies.bucket_of(bound) == (f"{bound:g}" if bound in DELAYS else "inf")
    assert speech_tallies.bucket_of(bound * 0.999) == (f"{bound:g}" if bound in DELAYS else "inf")


SPEECH = st.builds(
    lambda number, kind, suggestion, confidence: flag(
        f"f{number}", number, number + 1 + number % 3, utterance=f"u{number}", room_type=kind, suggestion=suggestion,
        flagged=() if suggestion == "pass" else ("abuse",), confidence=confidence, room=f"r{number}",
    ),
    st.integers(0, 9),
    st.sampled_from(["game", "kids"]),
    st.sampled_from(["pass", "review", "block"]),
    st.floats(0, 1),
)  # fmt: skip
MESSAGES = st.lists(
    st.one_of(
        SPEECH,
        st.builds(status, SPEECH, st.just("segmented")),
        st.builds(status, SPEECH, st.just("skipped"), st.just("overload")),
        st.builds(status, SPEECH, st.just("failed"), st.sampled_from(["transcribe", "judge"])),
    ),
    max_size=30,
)


def of_one_utterance(messages: Iterable[Flag | SpeechStatus]) -> list[Flag | SpeechStatus]:
    """Let all messages of an utterance agree on its type of room, as stages copy it."""
    kinds: dict[str, str] = {}
    return [replace(each, room_type=kinds.setdefault(each.utterance, each.room_type)) for each in messages]


def expected(messages: Sequence[Flag | SpeechStatus]) -> Counter[tuple[str, str, str]]:
    """Count (measure, bucket, type of room) in another way: look at all messages of each utterance at once."""
    found: Counter[tuple[str, str, str]] = Counter()
    for utterance in {each.utterance for each in messages}:
        own = [each for each in messages if each.utterance == utterance]
        kind = own[0].room_type
        found["segmented", "", kind] += 1
        states = {each.state: each.reason for each in reversed(own) if isinstance(each, SpeechStatus)}
        if any(isinstance(each, Flag) for each in own):
            found["monitored", "", kind] += 1
        elif "skipped" in states:
            found["skipped", "overload", kind] += 1
        elif "failed" in states:
            found["failed", states["failed"], kind] += 1
    flags = {each.id: each for each in reversed(messages) if isinstance(each, Flag)}
    found.update(("judged", one.suggestion, one.room_type) for one in flags.values())
    return found


@settings(max_examples=25)
@given(MESSAGES, st.randoms(use_true_random=False))
def test_redelivery_changes_nothing(sqlite_model: Path, messages: list[Any], random: Any) -> None:
    """Any part of the messages arrives again, in batches of any size. The counts equal an independent count."""
    messages = of_one_utterance(messages)
    with TemporaryDirectory() as folder, closing(Database(f"sqlite:///{copy(sqlite_model, folder)}")) as database:
        place = 0
        while place < len(messages):
            begin, size = max(0, place - random.randint(0, 8)), random.randint(1, 8)
            store_of(database).add(messages[begin : place + size], NOON + 20)
            place += size
        found = counted(database, "measure", "bucket", "room_type")
    states = {"segmented", "monitored", "skipped", "failed", "judged"}
    assert {key: n for key, (n, _) in found.items() if key[0] in states} == dict(expected(messages))


def test_workers_that_count_the_same_speech_together_count_it_once(database: Database) -> None:
    """After a rebalance two workers may store the same batches, in another order."""
    said = [passed(str(n), n, n + 1, room=f"r{n}") for n in range(60)]
    batches = [said[n : n + 10] for n in range(0, 60, 10)]

    def work(worker: int) -> None:
        for batch in batches[:: 1 if worker % 2 else -1]:
            store_of(database).add(batch[:: 1 if worker < 2 else -1], NOON + 100)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))
    assert counted(database, "measure", measure="monitored") == {("monitored",): (60, 60 * SAMPLE_RATE)}
    assert [count for count, _ in counted(database, measure="rooms").values()] == [60]


ALONE = withheld_flag("a", 0, 2, withheld=("abuse", "violence"))
MORE = replace(ALONE, suggestion="review", flagged=("fraud",))
"""The words have another label, too, which needs no second ear."""
BOTH = released_flag(ALONE), released_flag(ALONE, "abuse", suggestion="block")


@pytest.mark.parametrize("first", [ALONE, MORE])
@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(random=st.randoms(use_true_random=False))
def test_words_that_are_withheld_and_then_released_count_once(sqlite_model: Path, first: Flag, random: Any) -> None:
    """In any order, and each of the flags more than once. They count with the worst suggestion and all labels."""
    known = first.flagged
    flags = [first, *(replace(one, flagged=(*one.flagged, *known)) for one in BOTH)] * 2
    random.shuffle(flags)
    with TemporaryDirectory() as folder, closing(Database(f"sqlite:///{copy(sqlite_model, folder)}")) as database:
        while flags:
            size = random.randint(1, 3)
            store_of(database).add(flags[:size], NOON + 3.2)
            del flags[:size]
        found = counted(database, "measure", "bucket", "label")
    once = (1, 2 * SAMPLE_RATE)
    measures = {"judged", "flagged", "delay", "monitored", "segmented"}
    assert {key: value for key, value in found.items() if key[0] in measures} == {
        ("segmented", "", ""): once,
        ("monitored", "", ""): once,
        ("judged", "block", ""): once,
        ("delay", "1.23821", ""): once,
        **{("flagged", "block", label): once for label in ("abuse", "violence", *known)},
    }


def test_words_that_are_never_released_count_as_passed(database: Database) -> None:
    store_of(database).add([ALONE, withheld_flag("b", 4, 6)], NOON + 10)
    assert counted(database, "bucket", measure="judged") == {("pass",): (2, 4 * SAMPLE_RATE)}
    assert counted(database, measure="flagged") == counted(database, measure="delay") == {}


def test_a_muted_phrase_counts_as_muted_until_a_release_makes_it_worse(database: Database) -> None:
    with database.write() as connection:
        for each, muted in ((MORE, {MORE.id}), (BOTH[0], set()), (MORE, {MORE.id})):
            speech_tallies.count_batch(connection, [each], NOON + 3.2, muted)
    assert counted(database, "bucket", measure="judged") == {("review",): (1, 2 * SAMPLE_RATE)}
    assert counted(database, "bucket", measure="delay") == {("1.23821",): (1, 2 * SAMPLE_RATE)}


def test_a_replay_without_the_withheld_label_does_not_hide_the_release(database: Database) -> None:
    """After a restart the judge knows less of the conversation, and the same flag may come without the label."""
    for each in (ALONE, replace(ALONE, withheld=()), BOTH[0]):
        store_of(database).add([each], NOON + 3)
    assert counted(database, "bucket", measure="judged") == {("review",): (1, 2 * SAMPLE_RATE)}


def test_the_words_of_a_release_count_where_they_were_counted_before(database: Database) -> None:
    """After a restart, another model judges the same speech again, and the recogniser heard another language."""
    store_of(database).add([ALONE], NOON + 3)
    store_of(database).add([replace(BOTH[0], model="new", language="en")], NOON + 4)
    assert counted(database, "bucket", "language", "model", measure="judged") == {
        ("review", "zh", "baseline"): (1, 2 * SAMPLE_RATE)
    }
