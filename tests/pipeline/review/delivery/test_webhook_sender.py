"""Webhooks: signed, in order for each room, sent again until the app accepts them, and no room waits for another."""

import asyncio
import base64
import hmac
import json
import socket
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from hashlib import sha256
from itertools import count
from typing import Any

import pytest
from sqlalchemy import select

from pipeline.base.errors import ConfigError, DependencyError
from pipeline.base.metrics import Metrics
from pipeline.review.database import Database
from pipeline.review.delivery import event_outbox, webhook_sender, webhook_targets
from pipeline.review.delivery.event_outbox import GIVE_UP_SECONDS
from pipeline.review.delivery.events_for_apps import RAISED, Rendered, flag_payload
from pipeline.review.delivery.webhook_sender import ASIDE_TRIES, HOLD_SECONDS, Webhooks, sending
from pipeline.review.tables.core import OUTBOX
from pipeline.settings import Settings, WebhookSettings, load
from tests.builders import NOON, flag
from tests.pipeline.review.delivery import vendor_receivers
from tests.pipeline.review.delivery.receiver import ReceivingApp, Reply, receiving

SECRET = bytes(range(32))


@pytest.fixture
def app() -> Iterator[ReceivingApp]:
    with receiving() as server:
        yield server


class Clock:
    now = NOON

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


@pytest.fixture
async def sender(
    database: Database, app: ReceivingApp, clock: Clock, metrics: Metrics, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Webhooks]:
    monkeypatch.setattr(webhook_sender, "ANSWER_SECONDS", 60.0)  # for a busy machine
    made = Webhooks(database, WebhookSettings(url=app.url), SECRET, metrics, clock)
    yield made
    await made.close()


def put(
    database: Database, about: str = "decision", send_at: float = NOON, room: str = "茶馆", kind: str = RAISED
) -> str:
    with database.write() as connection:
        return event_outbox.store_event(
            connection, kind, about, {"room": room, "of": about, "end": NOON - 2}, NOON, send_at
        )


def state(database: Database) -> list[tuple[str, int]]:
    with database.read() as connection:
        return [(row.status, row.attempts) for row in connection.execute(select(OUTBOX).order_by(OUTBOX.c.due_at))]


def figure(metrics: Metrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(f"voxwarden_{name}", labels)


async def test_an_event_is_sent_once_when_it_is_due(
    database: Database, app: ReceivingApp, sender: Webhooks, clock: Clock
) -> None:
    identity = put(database, send_at=NOON + 10, kind="case.decided")
    await sender.send_due()
    assert app.got == []
    clock.now += 10
    await sender.send_due()
    await sender.send_due()
    [(headers, body, _)] = app.got
    data = {"room": "茶馆", "of": "decision", "end": NOON - 2}
    assert json.loads(body) == {"type": "case.decided", "timestamp": "2026-01-01T12:00:00Z", "data": data}
    # This check follows the specification and does not use our own code.
    signed = f"{identity}.{int(clock.now)}.{body.decode()}"
    expected = base64.b64encode(hmac.new(SECRET, signed.encode(), sha256).digest()).decode()
    assert headers["webhook-signature"] == f"v1,{expected}"
    assert (headers["webhook-id"], headers["webhook-timestamp"]) == (identity, str(int(clock.now)))
    assert state(database) == [("sent", 1)]


async def test_a_refused_event_is_tried_again_until_it_is_given_up(
    database: Database, app: ReceivingApp, sender: Webhooks, clock: Clock, metrics: Metrics
) -> None:
    put(database, kind="case.decided")
    app.answer = lambda got: Reply(500)
    await sender.send_due()
    assert state(database) == [("sending", 1)]
    for pause in event_outbox.PAUSES:
        clock.now += pause - 0.1
        await sender.send_due()
        clock.now += 0.1
        await sender.send_due()
    assert len(app.got) == 1 + len(event_outbox.PAUSES)
    assert len({got.headers["webhook-id"] for got in app.got}) == 1
    clock.now = NOON + GIVE_UP_SECONDS
    await sender.send_due()
    assert [status for status, _ in state(database)] == ["failed"]
    clock.now += 1e6
    await sender.send_due()
    assert len(app.got) == 2 + len(event_outbox.PAUSES)
    assert figure(metrics, "webhooks_total", result="failed") == 1


async def test_an_outage_of_ten_minutes_loses_nothing_and_keeps_the_order(
    database: Database, app: ReceivingApp, sender: Webhooks, clock: Clock, metrics: Metrics
) -> None:
    up, app.answer = app.answer, lambda got: Reply(502)
    while clock.now < NOON + 600:
        if clock.now % 60 == 0:
            put(database, f"{clock.now:.0f}", clock.now, "lobby")
            put(database, f"{clock.now:.0f} 茶", clock.now, "茶馆")
        await sender.send_due()
        clock.now += 5
    assert figure(metrics, "webhooks_waiting") == 20
    assert figure(metrics, "webhooks_oldest_seconds") == pytest.approx(595)
    app.answer = up
    app.got.clear()
    for _ in range(12):
        clock.now += 5
        await sender.send_due()
    for room in ("lobby", "茶馆"):
        told = [got.event["data"]["of"] for got in app.got if got.room == room]
        assert (len(told), told) == (10, sorted(told)), "a minute after the outage, all are sent in order"
    assert state(database) == []


async def test_an_unreachable_app_is_tried_again(database: Database, clock: Clock) -> None:
    put(database)
    sender = Webhooks(database, WebhookSettings(url="http://127.0.0.1:1/hook"), SECRET, Metrics(), clock)
    await sender.send_due()
    await sender.close()
    assert state(database) == [("sending", 1)]


async def test_a_silent_name_server_stops_no_other_work_of_the_process(
    database: Database, metrics: Metrics, monkeypatch: pytest.MonkeyPatch
) -> None:
    answered, asked, real = threading.Event(), list[object](), socket.getaddrinfo

    def look_up(host: Any, *rest: Any, **options: Any) -> Any:
        if host in ("app.example", b"app.example"):
            asked.append(host)
            answered.wait(60)
            host = "127.0.0.1"
        return real(host, *rest, **options)

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    webhooks = {"url": "http://app.example:1/hook", "secret": f"whsec_{base64.b64encode(SECRET).decode()}"}
    settings = load({"webhooks": webhooks})
    for room in range(64):
        put(database, about=str(room), room=str(room))
    try:
        async with sending(settings, database, metrics):
            for _ in count():
                if len(asked) >= settings.webhooks.parallel:
                    break
                await asyncio.sleep(0.01)
            assert await asyncio.to_thread(lambda: 1) == 1
    finally:
        answered.set()


async def test_rooms_at_which_the_app_hangs_hold_up_no_other_room(
    database: Database, app: ReceivingApp, sender: Webhooks, clock: Clock
) -> None:
    app.answer = lambda got: Reply(hang=got.room.startswith("stuck"))
    for number in range(15):
        put(database, f"stuck {number}", NOON, f"stuck {number}")
    task = asyncio.create_task(sender.run())
    await until(lambda: len(app.got) == 15)
    for number in range(8):
        put(database, f"{number}", NOON + number, "lobby")
    clock.now += 8
    await until(lambda: app.rooms.count("lobby") == 8)
    told = [got.event["data"]["of"] for got in app.got if got.room == "lobby"]
    assert told == sorted(told, key=int), "the events of a room come in order"
    app.stopping.set()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_retries_that_hang_take_at_most_half_of_the_places(
    database: Database, app: ReceivingApp, clock: Clock
) -> None:
    app.answer = lambda got: Reply(
        hang=got.room != "lobby" and got.headers["webhook-timestamp"] != f"{NOON:.0f}", status=500
    )
    sender = Webhooks(database, WebhookSettings(url=app.url, parallel=4), SECRET, Metrics(), clock)
    for number in range(9):
        put(database, f"stuck {number}", NOON, f"stuck {number}")
    await sender.send_due()
    assert len(app.got) == 9
    clock.now += 1
    task = asyncio.create_task(sender.run())
    await until(lambda: len(app.got) == 11)
    put(database, "new", NOON, "lobby")
    await until(lambda: "lobby" in app.rooms)
    assert len(app.got) == 12
    app.stopping.set()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await sender.close()


@pytest.mark.parametrize("reply", [Reply(hang=True), Reply(drops=True)])
async def test_an_app_that_does_not_answer_in_time_is_tried_again(
    database: Database, app: ReceivingApp, clock: Clock, reply: Reply, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhook_sender, "ANSWER_SECONDS", 0.3)
    app.answer = lambda got: reply
    sender = Webhooks(database, WebhookSettings(url=app.url), SECRET, Metrics(), clock)
    put(database)
    await sender.send_due()
    await sender.close()
    assert state(database) == [("sending", 1)]


async def test_a_long_answer_is_not_read_to_its_end(database: Database, app: ReceivingApp, sender: Webhooks) -> None:
    app.answer = lambda got: Reply(200, body=bytes(8_000_000))
    put(database)
    await sender.send_due()
    assert state(database) == []


@pytest.mark.parametrize(("status", "sent"), [(429, False), (503, False), (500, True)])
async def test_a_busy_app_is_left_in_peace_for_the_time_that_it_asks_for(
    database: Database, app: ReceivingApp, sender: Webhooks, clock: Clock, status: int, sent: bool
) -> None:
    app.answer = lambda got: Reply(status, "30") if got.room == "busy" else Reply()
    put(database, "busy", NOON, "busy")
    await sender.send_due()
    put(database, "other", NOON, "lobby")
    clock.now += 29
    await sender.send_due()
    assert ("lobby" in app.rooms) == sent
    clock.now += 1
    await sender.send_due()
    assert app.rooms.count("lobby") == 1
    assert app.rooms.count("busy") == 2


async def test_a_wait_of_an_hour_holds_up_other_rooms_for_a_minute_only(
    database: Database, app: ReceivingApp, sender: Webhooks, clock: Clock
) -> None:
    app.answer = lambda got: Reply(429, "3600") if got.room == "busy" else Reply()
    put(database, "busy", NOON, "busy")
    await sender.send_due()
    put(database, "other", NOON, "lobby")
    clock.now += 60
    await sender.send_due()
    assert app.rooms == ["busy", "lobby"]
    clock.now += 3_539
    await sender.send_due()
    assert app.rooms == ["busy", "lobby"]
    clock.now += 1
    await sender.send_due()
    assert app.rooms == ["busy", "lobby", "busy"]


async def test_an_address_that_is_gone_gets_nothing_for_an_hour(
    database: Database, app: ReceivingApp, sender: Webhooks, clock: Clock
) -> None:
    app.answer = lambda got: Reply(410)
    put(database)
    await sender.send_due()
    put(database, "other", room="lobby")
    clock.now += 3_599
    await sender.send_due()
    assert len(app.got) == 1
    app.answer = lambda got: Reply()
    clock.now += 1
    await sender.send_due()
    assert state(database) == []


async def test_an_event_that_the_app_always_refuses_loses_its_place(
    database: Database, app: ReceivingApp, sender: Webhooks, clock: Clock
) -> None:
    app.answer = lambda got: Reply(400 if got.event["data"]["of"] == "poison" else 204)
    put(database, "poison", NOON, "lobby")
    put(database, "blocked", NOON + 0.5, "lobby")
    for number in range(ASIDE_TRIES):
        await sender.send_due()
        told = [got.event["data"]["of"] for got in app.got]
        assert told.count("poison") == number + 1
        assert ("blocked" in told) == (number == ASIDE_TRIES - 1)
        clock.now += 0.5
        put(database, f"{number}", clock.now, "elsewhere")
        await sender.send_due()
        clock.now += event_outbox.PAUSES[-1] - 0.5
    await sender.send_due()
    assert [got.event["data"]["of"] for got in app.got].count("poison") == ASIDE_TRIES + 1


async def test_an_event_keeps_its_place_if_the_app_refuses_all(
    database: Database, app: ReceivingApp, sender: Webhooks, clock: Clock
) -> None:
    app.answer = lambda got: Reply(500)
    put(database, "first", NOON, "lobby")
    put(database, "second", NOON + 0.5, "lobby")
    for _ in range(2 * ASIDE_TRIES):
        await sender.send_due()
        clock.now += event_outbox.PAUSES[-1]
    assert {got.event["data"]["of"] for got in app.got} == {"first"}


async def test_another_sender_sends_the_events_of_a_dead_one(
    database: Database, app: ReceivingApp, sender: Webhooks, clock: Clock
) -> None:
    put(database)
    hold = 60 + HOLD_SECONDS
    with database.write() as connection:
        assert len(event_outbox.take(connection, clock.now, hold, 1, 1)) == 1
    await sender.send_due()
    assert app.got == []
    clock.now += hold
    await sender.send_due()
    assert len(app.got) == 1


async def test_two_senders_send_each_event_once(
    database: Database, app: ReceivingApp, sender: Webhooks, clock: Clock
) -> None:
    other = Webhooks(database, WebhookSettings(url=app.url), SECRET, Metrics(), clock)
    for number in range(15):
        put(database, f"{number}", NOON - number, f"room {number % 5}")
    await asyncio.gather(sender.send_due(), other.send_due())
    await asyncio.gather(sender.send_due(), other.send_due())
    await other.close()
    assert len(app.got) == len({got.headers["webhook-id"] for got in app.got}) == 15
    for room in range(5):
        told = [int(got.event["data"]["of"]) for got in app.got if got.room == f"room {room}"]
        assert told == sorted(told, reverse=True)


async def test_a_withdrawn_event_is_never_sent(
    database: Database, app: ReceivingApp, sender: Webhooks, clock: Clock
) -> None:
    put(database, send_at=NOON + 10, kind="case.decided")
    with database.write() as connection:
        event_outbox.withdraw(connection, "decision", NOON + 5)
    clock.now += 60
    await sender.send_due()
    assert app.got == []


async def test_the_sender_outlives_a_database_that_does_not_answer(
    database: Database, app: ReceivingApp, sender: Webhooks, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = 0

    def failing(*_: object) -> bool:
        nonlocal asked
        asked += 1
        if asked < 3:
            raise DependencyError("The database does not answer", "Start it.") if asked == 1 else ZeroDivisionError
        return True

    monkeypatch.setattr(webhook_sender, "FAULT_SECONDS", 0.01)
    monkeypatch.setattr(event_outbox, "any_due", failing)
    put(database)
    task = asyncio.create_task(sender.run())
    await until(lambda: len(app.got) == 1)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_the_time_from_speech_to_webhook_is_measured(
    database: Database, app: ReceivingApp, sender: Webhooks, metrics: Metrics
) -> None:
    put(database, kind=RAISED)
    put(database, "d", kind="case.decided", room="lobby")
    await sender.send_due()
    assert figure(metrics, "speech_to_webhook_seconds_count") == 1
    assert figure(metrics, "speech_to_webhook_seconds_sum") == 2


@pytest.mark.parametrize("text", ["", "secret", "whsec_", "whsec_c2hvcnQ=", "whsec_not base64", "x" * 60])
def test_invalid_secrets_are_refused(text: str) -> None:
    with pytest.raises(ConfigError, match=r"webhooks\.secret"):
        webhook_sender.secret_of(text)


def test_a_valid_secret_is_decoded() -> None:
    assert webhook_sender.secret_of("whsec_" + base64.b64encode(SECRET).decode()) == SECRET


async def until(done: Callable[[], bool]) -> None:
    """Wait until `done()` is true. The test's own timeout ends an endless wait."""
    for _ in count():
        if done():
            return
        await asyncio.sleep(0.01)


def vendor_settings(app: ReceivingApp, **changes: Any) -> Settings:
    chosen = {"url": app.url, "format": "shumei", "secret": f"whsec_{base64.b64encode(SECRET).decode()}"} | changes
    return Settings(webhooks=WebhookSettings.model_validate(chosen))


def put_flag(database: Database, name: str = "flag", drill: str = "") -> None:
    with database.write() as connection:
        event_outbox.store_event(connection, RAISED, name, flag_payload(flag(name, drill=drill), "case"), NOON, NOON)


async def test_a_vendors_receiver_gets_flags_in_its_shape_but_no_decision_and_no_drill(
    database: Database, app: ReceivingApp, clock: Clock, metrics: Metrics
) -> None:
    sender = webhook_sender.build_webhooks(vendor_settings(app), database, metrics, clock)
    assert sender is not None
    put(database, kind="case.decided", room="room")
    put_flag(database, "of a drill", drill="d1")
    put_flag(database)
    await sender.send_due()
    await sender.close()
    [(headers, body, _)] = app.got
    assert json.loads(body)["audioDetail"]["riskLevel"] == "REVIEW"
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    expected = base64.b64encode(hmac.new(SECRET, signed, sha256).digest()).decode()
    assert headers["webhook-signature"] == f"v1,{expected}"
    assert state(database) == [("withdrawn", 1)], "the decision and the drill held up no flag"
    assert figure(metrics, "webhooks_total", result="sent") == 1


@pytest.mark.parametrize("name", sorted(webhook_targets.VENDORS))
async def test_the_receiver_of_each_vendor_reads_and_checks_what_arrives(
    sqlite_url: str, app: ReceivingApp, clock: Clock, name: str
) -> None:
    vendor = {
        "account": vendor_receivers.ACCOUNT,
        "business": vendor_receivers.BUSINESS,
        "secret": vendor_receivers.KEY,
    }
    database = Database(sqlite_url)
    sender = webhook_sender.build_webhooks(vendor_settings(app, format=name, vendor=vendor), database, Metrics(), clock)
    assert sender is not None
    put_flag(database)
    await sender.send_due()
    await sender.close()
    database.close()
    [got] = app.got
    signed = {header: value for header, value in got.headers.items() if header.startswith("x-")}
    assert "弄死你" in str(vendor_receivers.READERS[name](Rendered(got.body, got.headers["content-type"], signed)))


async def test_decisions_have_a_url_of_their_own_beside_a_vendors_receiver(
    database: Database, app: ReceivingApp, clock: Clock
) -> None:
    with receiving() as other:
        sender = webhook_sender.build_webhooks(
            vendor_settings(app, decisions_url=other.url), database, Metrics(), clock
        )
        assert sender is not None
        put(database, kind="case.decided", room="room")
        put_flag(database)
        await sender.send_due()
        await sender.send_due()
        await sender.close()
        assert [got.event["type"] for got in other.got] == ["case.decided"]
        assert ["audioDetail" in got.event for got in app.got] == [True]


def test_a_format_without_the_names_for_its_signature_is_refused(app: ReceivingApp, database: Database) -> None:
    with pytest.raises(ConfigError, match=r"yidun needs webhooks\.vendor\.account and webhooks\.vendor\.business and"):
        webhook_sender.build_webhooks(vendor_settings(app, format="yidun"), database, Metrics(), Clock())


def test_an_unknown_format_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ConfigError, match=r"webhooks\.format: .*'tencent-ams', 'alibaba', 'yidun'"):
        load({"webhooks": {"url": "http://127.0.0.1", "format": "aliyun"}})


def test_a_format_needs_a_url() -> None:
    with pytest.raises(ConfigError, match="format needs the url"):
        load({"webhooks": {"format": "shumei"}})
