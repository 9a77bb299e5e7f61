"""The events that apps get have the fields that are listed. Flags: which make one, in which order, how large."""

from pathlib import Path
from typing import get_args

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from pipeline.base.errors import ConfigError
from pipeline.contract.messages import Flag, Hit
from pipeline.review.cases import appeals, deciding
from pipeline.review.cases.case_values import Choice, Filters
from pipeline.review.database import Database
from pipeline.review.delivery import event_outbox
from pipeline.review.delivery.event_outbox import FlagEventChoice
from pipeline.review.delivery.events_for_apps import EVENTS, RAISED, EventKind, envelope, flag_payload
from pipeline.review.review_store import SqlReviewStore
from pipeline.review.tables.core import OUTBOX
from pipeline.settings import FlagEvents, Settings, WebhookSettings
from tests.builders import NOON, flag

ALL = FlagEventChoice(frozenset({"review", "block"}), most=100)


def told(database: Database) -> list[str]:
    with database.read() as connection:
        return list(connection.scalars(select(OUTBOX.c.about).order_by(OUTBOX.c.due_at)))


def store(database: Database, choice: FlagEventChoice) -> SqlReviewStore:
    return SqlReviewStore(database, flag_events=choice)


def test_each_new_flag_makes_an_event_with_its_case_in_the_order_of_the_flags(database: Database) -> None:
    flags = [flag(name, start, start + 1, speaker=name) for start, name in enumerate("dacb")]
    outcomes = store(database, ALL).add(flags, NOON + 9)
    assert told(database) == ["d", "a", "c", "b"]
    with database.read() as connection:
        event = connection.execute(select(OUTBOX).where(OUTBOX.c.about == "a")).one()
    assert (event.kind, event.lane, event.created_at) == ("flag.raised", "room", NOON + 9)
    assert event.payload == msgspec.json.decode(msgspec.json.encode(flag_payload(flags[1], outcomes[1].case)))


def test_a_repeated_flag_makes_no_second_event_also_when_the_first_is_sent(database: Database) -> None:
    opened = store(database, ALL)
    opened.add([flag("a")], NOON)
    opened.add([flag("a"), flag("a")], NOON + 1)
    assert told(database) == ["a"]
    with database.write() as connection:
        [event] = event_outbox.take(connection, NOON, 15, 1, 1)
        event_outbox.sent(connection, event, NOON)
    opened.add([flag("a")], NOON + 2)
    assert told(database) == []


def test_a_flag_of_decided_speech_makes_no_event(database: Database) -> None:
    opened = store(database, ALL)
    opened.add([flag("a", 0, 4)], NOON)
    [case] = opened.cases(Filters())
    opened.decide(case.id, "lea", Choice(verdict="dismiss"), NOON + 1)
    assert [outcome.result for outcome in opened.add([flag("again", 0.1, 4)], NOON + 2)] == ["linked"]
    assert "again" not in told(database)


@pytest.mark.parametrize(("labels", "expected"), [(set(), ["ann", "ann review act"]), ({"hate"}, [])])
def test_a_flag_that_becomes_fit_for_an_action_makes_an_event(
    database: Database, labels: set[str], expected: list[str]
) -> None:
    opened = store(database, FlagEventChoice(frozenset({"act"}), frozenset(labels), most=100))
    opened.add([flag("other", speaker="bo"), flag("ann", act=("violence",), end=3, early=True)], NOON)
    assert told(database) == expected[:1]
    opened = store(database, FlagEventChoice(frozenset({"review", "act"}), frozenset(labels), most=100))
    opened.add([flag("cat", speaker="cat", end=3, early=True)], NOON + 1)
    opened.add([flag("cat", speaker="cat", end=6, act=("violence",))], NOON + 2)
    assert told(database) == [*expected[:1], *[each.replace("ann", "cat") for each in expected]]


def test_a_flag_that_is_drawn_for_an_audit_makes_no_event(database: Database) -> None:
    store(database, ALL).add([flag("a", suggestion="pass")], NOON, drawn={"a"}, probability=0.5)
    assert told(database) == []


@pytest.mark.parametrize(
    ("suggestions", "labels", "expected"),
    [
        ((), (), []),
        (("block",), (), ["blocked", "both"]),
        (("review", "block"), (), ["blocked", "both", "reviewed"]),
        (("block",), ("abuse",), ["both"]),
        (("review",), ("abuse",), []),
    ],
)
def test_the_settings_choose_by_suggestion_and_label(
    database: Database, suggestions: tuple[str, ...], labels: tuple[str, ...], expected: list[str]
) -> None:
    chosen = WebhookSettings.model_validate(
        {"url": "http://127.0.0.1", "flags": {"suggestions": suggestions, "labels": labels}}
    )
    flags = [
        flag("reviewed", suggestion="review", speaker="a"),
        flag("blocked", suggestion="block", speaker="b"),
        flag("both", suggestion="block", flagged=("violence", "abuse"), speaker="c"),
    ]
    store(database, event_outbox.build_flag_event_choice(Settings(webhooks=chosen))).add(flags, NOON)
    assert sorted(told(database)) == expected


def test_an_unknown_label_is_refused() -> None:
    chosen = WebhookSettings(url="http://127.0.0.1", flags=FlagEvents(labels=("abuze",)))
    with pytest.raises(ConfigError, match=r"webhooks\.flags\.labels: unknown label abuze"):
        event_outbox.build_flag_event_choice(Settings(webhooks=chosen))


def test_events_are_dropped_only_above_the_limit(database: Database) -> None:
    opened = store(database, FlagEventChoice(frozenset({"review"}), most=2))
    for number in range(4):
        opened.add([flag(f"{number}", 10 * number, 10 * number + 1)], NOON + number)
        assert opened.limit_events() == (number >= 2)
    assert told(database) == ["2", "3"]


def test_a_store_that_raises_no_events_drops_none(database: Database) -> None:
    store(database, FlagEventChoice(frozenset({"review"}), most=2)).add([flag("a")], NOON)
    assert store(database, FlagEventChoice()).limit_events() == 0
    assert told(database) == ["a"]


def test_the_data_has_all_fields_of_a_flag_except_audio_and_words() -> None:
    found = flag_payload(flag("a"), "case")
    assert set(found) == {*Flag.__struct_fields__, "case", "shortened"} - {"words", "address"}
    assert (found["case"], found["shortened"], found["hits"][0]["term"]) == ("case", False, "弄死你")


texts = st.text(max_size=40_000, alphabet=st.characters(exclude_categories=["Cs"]))


@given(text=texts, reasons=st.lists(texts, max_size=3), hits=st.integers(0, 400))
def test_an_event_stays_below_20_kb_and_its_text_is_not_garbled(text: str, reasons: list[str], hits: int) -> None:
    one = Hit("弄死你" * 10, "violence", "high", 0, 3)
    found = flag_payload(flag("a", text=text, reasons=tuple(reasons), hits=(one,) * hits, room="茶" * 256), "case")
    body = envelope("flag.raised", NOON, found)
    assert len(body) < 20_000
    assert text.startswith(found["text"])
    whole = found["text"] == text and len(found["hits"]) == hits and len(found["reasons"]) == len(reasons)
    assert found["shortened"] != whole or (not reasons and not hits)
    assert msgspec.json.decode(body)["data"]["text"] == found["text"]


def test_each_kind_of_event_is_listed_and_described() -> None:
    assert set(EVENTS) == set(get_args(EventKind))
    pages = "".join(page.read_text("utf-8") for page in Path("docs").glob("*.md"))
    assert [kind for kind in EVENTS if f"`{kind}`" not in pages and f'"{kind}"' not in pages] == []


def test_stored_events_have_the_listed_fields(database: Database) -> None:
    opened = SqlReviewStore(database, flag_events=ALL)
    [case, drill] = [
        opened.add([flag(name, start, start + 1, drill=mark)], NOON)[0].case
        for name, start, mark in (("a", 0, ""), ("b", 50, "d1"))
    ]
    choice = Choice(verdict="uphold", action="mute", duration_seconds=60.0)
    with database.write() as connection:
        for number, one in enumerate((case, drill)):
            deciding.decide(connection, one, "ana", choice, NOON + number)
        appeal, _ = appeals.lodge(connection, case, "ann", "no", NOON + 60, 10)
        settled = appeals.settle(connection, appeal.id, "lea", Choice(verdict="dismiss"), NOON + 70, 10)
        event_outbox.take(connection, NOON + 100, 5.0, 9, 9)
        deciding.undo(connection, settled.id, "lea", NOON + 71)
    with database.read() as connection:
        stored = connection.execute(select(OUTBOX.c.kind, OUTBOX.c.payload).where(OUTBOX.c.kind != RAISED)).all()
    assert {kind for kind, _ in stored} >= {"case.decided", "appeal.overturned"}
    for kind, payload in stored:
        assert any(set(payload) in _keys(fields) for fields in EVENTS[kind]), (kind, payload)


def _keys(fields: type[msgspec.Struct]) -> tuple[set[str], set[str]]:
    """The keys of an event of a drill, and of another one."""
    return {*fields.__struct_fields__}, {*fields.__struct_fields__} - {"drill"}


def test_the_whole_utterance_is_an_event_only_if_it_is_worse_than_its_first_words(database: Database) -> None:
    first = flag("a", 0, 3, early=True)
    opened = store(database, ALL)
    for found in (first, flag("a", 0, 6), flag("a", 0, 12, suggestion="block"), flag("a", 0, 12, suggestion="block")):
        opened.add([found], NOON)
    with database.read() as connection:
        raised = connection.execute(select(OUTBOX.c.payload).order_by(OUTBOX.c.due_at, OUTBOX.c.about)).scalars().all()
    assert [(each["id"], each["suggestion"], each["early"]) for each in raised] == [
        ("a", "review", True),
        ("a", "block", False),
    ]
