"""A store of 0.1.0 is upgraded, and everything in it works on. Old messages are read."""

from collections.abc import Iterator
from contextlib import closing

import pytest
from sqlalchemy import MetaData, create_engine, insert, select, text

from pipeline.base.errors import CaseError
from pipeline.base.metrics import Metrics
from pipeline.contract.cloud_events import decode_event
from pipeline.contract.messages import (
    AudioChunk,
    EarlyUtterance,
    Flag,
    Message,
    SecondReading,
    Sound,
    SpeechStatus,
    Transcript,
    Utterance,
)
from pipeline.contract.topology import TOPICS
from pipeline.review import audit_log
from pipeline.review.accounts import sign_in, wellness
from pipeline.review.accounts.accounts import ViewingLimits
from pipeline.review.cases import appeals, eligibility, reading, user_reports
from pipeline.review.cases.case_queue import Ranking
from pipeline.review.cases.case_values import Choice, Filters
from pipeline.review.database import Database, _url
from pipeline.review.delivery import event_outbox
from pipeline.review.delivery.webhook_sender import Webhooks
from pipeline.review.privacy import erasure, holds
from pipeline.review.quality import quality_checks
from pipeline.review.review_store import SqlReviewStore
from pipeline.review.tables.core import CASES, OUTBOX
from pipeline.review.tables.people_tables import BREAKS
from pipeline.settings import WebhookSettings
from tests.builders import NOON
from tests.pipeline.review import release
from tests.pipeline.review.delivery.receiver import ReceivingApp, Reply, receiving

pytestmark = pytest.mark.dialect

KINDS: dict[str, type[Message]] = {kind.__name__: kind for kind in (AudioChunk, Utterance, Transcript, Flag)}
FLAGS = [decode_event(Flag, event.value, event.headers) for _, kind, event in release.records() if kind == "Flag"]


@pytest.fixture
def database(empty_url: str) -> Iterator[Database]:
    """Return an upgraded store of 0.1.0."""
    release.make_store(empty_url)
    with closing(Database(empty_url)) as opened:
        yield opened


@pytest.fixture
def app() -> Iterator[ReceivingApp]:
    with receiving() as server:
        yield server


def case_of(database: Database, speaker: str) -> str:
    with database.read() as connection:
        return str(connection.scalars(select(CASES.c.id).where(CASES.c.speaker == speaker)).one())


def test_the_upgrade_keeps_every_value(database: Database) -> None:
    metadata = MetaData()
    with database.read() as connection:
        metadata.reflect(connection)
        for name, before in release.rows().items():
            found = connection.execute(select(metadata.tables[name])).mappings().all()
            after = [{column: row[column] for column in before[0]} for row in found]
            assert sorted(map(str, after)) == sorted(map(str, before)), name
        assert audit_log.verify_chain(connection).broken is None


def test_moderators_work_on(database: Database) -> None:
    store = SqlReviewStore(database)
    status = {case.speaker: case.status for case in store.cases(Filters())}
    assert status == {
        "": "pending",
        "pending": "pending",
        "upheld": "decided",
        "dismissed": "decided",
        "escalated": "escalated",
        "overturned": "decided",
        "undone": "pending",
        "taken back": "pending",
    }
    assert len(store.case(case_of(database, "dismissed")).linked) == 1
    assert store.case(case_of(database, "upheld")).evidence[0].path == "ab/clip.ogg"
    store.decide(case_of(database, "pending"), "ana", Choice(verdict="uphold", action="warn"), NOON + 400)
    store.decide(case_of(database, "undone"), "ben", Choice(verdict="uphold", action="mute"), NOON + 400)
    with pytest.raises(CaseError, match="already decided"):
        store.decide(case_of(database, "upheld"), "ana", Choice(verdict="dismiss"), NOON + 400)
    with database.write() as connection:
        appeal, new = appeals.lodge(
            connection, case_of(database, "upheld"), "upheld", "No threat.", NOON + 410, undo_seconds=10.0
        )
        settled = appeals.settle(connection, appeal.id, "lea", Choice(verdict="dismiss"), NOON + 420, 10.0)
        assert (new, settled.verdict) == (True, "dismiss")
        assert [hold.reason for hold in holds.active(connection)] == ["police 7"]
        assert [report.text for report in user_reports.of_case(connection, case_of(database, ""))] == ["他骂人"]
        assert audit_log.verify_chain(connection).broken is None


def test_old_cases_have_their_place_in_the_queue(empty_url: str) -> None:
    release.make_store(empty_url)
    engine = create_engine(_url(empty_url))
    with engine.begin() as connection:
        for speaker, severity in (("pending", 3), ("undone", 0)):
            values = {"label": "minor_safety", "severity": severity, "speaker": speaker}
            sql = "UPDATE cases SET label = :label, severity = :severity WHERE speaker = :speaker"
            connection.execute(text(sql).bindparams(**values))
    engine.dispose()
    with closing(Database(empty_url)) as opened:
        cases = SqlReviewStore(opened).cases(Filters())
    assert {one.rank for one in cases} == {0, 3, 4}
    assert [one.rank for one in cases] == [Ranking({}).place(one.label, one.severity, 0)["rank"] for one in cases]


def test_people_work_on(database: Database) -> None:
    with database.read() as connection:
        session = sign_in.find_session(connection, release.COOKIE, NOON + 60)
        assert session is not None
        assert session.account.name == "ana"
        assert wellness.meter(connection, "ana", ViewingLimits(), NOON + 60).minutes == 1.5
        assert not wellness.meter(connection, "ben", ViewingLimits(), NOON + 60).on_break
        assert [request.speaker for request in erasure.requests(connection)] == ["gone"]
        check = quality_checks.check_of(connection, case_of(database, "dismissed"))
        assert check is not None
        assert (check.kind, check.done) == ("audit", True)
        assert quality_checks.golden_verdict(connection, case_of(database, "dismissed")) == "dismiss"
        heard = select(CASES.c.speaker).where(eligibility.involves({"ben"}))
        assert connection.scalars(heard).all() == [""]
        assert len(quality_checks.draw_key(connection)) == 32


def test_the_audit_log_goes_on_where_0_1_0_had_cut_it(empty_url: str) -> None:
    """Retention of 0.1.0 deleted the oldest lines, and wrote no anchor."""
    release.make_store(empty_url)
    engine = create_engine(_url(empty_url))
    with engine.begin() as connection:
        # To delete young lines, take away the guard of 0.1.0. No test of it follows.
        guard = "audit_no_delete" if engine.dialect.name == "sqlite" else "audit_only_added ON audit"
        connection.execute(text(f"DROP TRIGGER {guard}"))
        connection.execute(text("DELETE FROM audit WHERE seq < 4"))
    engine.dispose()
    with closing(Database(empty_url)) as opened, opened.write() as connection:
        assert (found := audit_log.verify_chain(connection)).broken is None
        assert (found.first, found.anchor) == (4, 18)
        audit_log.append(connection, NOON + 60, "ana", "case.open", "c")
        assert audit_log.verify_chain(connection).last == 19


def test_flags_that_wait_in_kafka_are_stored_once(database: Database) -> None:
    store = SqlReviewStore(database)
    results = [
        outcome.result for outcome in store.add([flag for flag in FLAGS if flag.suggestion != "pass"], NOON + 600)
    ]
    assert results == ["repeated", "created"]
    [new] = [flag for flag in FLAGS if flag.speaker == "new"]
    with database.read() as connection:
        assert reading.case_file(connection, case_of(database, "new")).flags[0].id == new.id


async def test_events_that_wait_are_sent_in_order(database: Database, app: ReceivingApp) -> None:
    now = NOON + 1_000
    sender = Webhooks(database, WebhookSettings(url=app.url), bytes(32), Metrics(), lambda: now)
    await sender.send_due()
    for _ in range(5):
        await sender.send_due()
    await sender.close()
    told = [(got.event["type"], got.event["data"].get("speaker")) for got in app.got if got.room == "茶馆"]
    assert told == [
        ("case.decided", "upheld"),
        ("case.decided", "dismissed"),
        ("case.decided", "escalated"),
        ("case.decided", "overturned"),
        ("case.undone", "taken back"),
        ("appeal.overturned", "overturned"),
    ]


async def test_an_old_console_beside_a_new_one_loses_no_event(database: Database, app: ReceivingApp) -> None:
    """0.1.0 knows no lane and no due_at. It still runs when another process has upgraded the store."""
    with database.write() as connection:
        connection.execute(text("DELETE FROM outbox"))
        old = {"id": "old", "kind": "case.decided", "about": "d", "payload": {"room": "茶馆"}, "created_at": NOON}
        new = {"send_at": NOON + 10, "attempts": 0, "error": "", "status": "waiting"}
        connection.execute(OUTBOX.insert().values(old | new))
    now = NOON + 11
    app.answer = lambda got: Reply(500 if len(app.got) == 1 else 204)
    sender = Webhooks(database, WebhookSettings(url=app.url), bytes(32), Metrics(), lambda: now)
    with database.read() as connection:
        assert event_outbox.count_waiting(connection, now).oldest == 11
    await sender.send_due()
    now += 1
    await sender.send_due()
    await sender.close()
    with database.read() as connection:
        assert connection.scalars(select(OUTBOX.c.status)).all() == ["sent"]


@pytest.mark.parametrize("kind", KINDS)
def test_old_messages_are_read(kind: str) -> None:
    found = [
        decode_event(KINDS[name], event.value, event.headers) for _, name, event in release.records() if name == kind
    ]
    assert len(found) >= 2
    assert [(one.listeners, one.identity_verified, one.drill) for one in found] == [(None, None, "")] * len(found)
    assert found[0].room == "茶馆"


def test_every_topic_has_old_messages_or_came_later() -> None:
    later = {EarlyUtterance, SecondReading, Sound, SpeechStatus}
    assert {topic.message for topic in TOPICS} - {None} == {*KINDS.values(), *later}


def test_of_two_breaks_that_run_at_once_the_first_stays(empty_url: str) -> None:
    release.make_store(empty_url)
    account = release.rows()["accounts"][0]["name"]
    engine = create_engine(_url(empty_url))
    with engine.begin() as connection:
        for at in (NOON, NOON + 1):
            connection.execute(insert(BREAKS).values(account=account, started_at=at, left_seconds=0.0))
    engine.dispose()
    with closing(Database(empty_url)) as database, database.write() as connection:
        running = select(BREAKS.c.started_at).where(BREAKS.c.account == account, BREAKS.c.ended_at.is_(None))
        assert connection.scalars(running).all() == [NOON]
        wellness.end_break(connection, account, NOON + 60)
        assert connection.scalars(running).all() == []
