"""There is one bot in each room, and it comes back."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st
from livekit import api

from pipeline.base.metrics import Metrics
from pipeline.connect.livekit import room_bots
from pipeline.connect.livekit.bot import RoomBot
from pipeline.connect.livekit.livekit_server import bot_identity
from pipeline.connect.livekit.livekit_webhooks import Signature, receiving
from pipeline.connect.livekit.room_bots import RoomBots, ranked
from tests.livekit import KEY, SECRET, LiveKit, joined, until
from tests.pipeline.connect.livekit.conftest import KeepingGateway, tone

pytestmark = pytest.mark.full  # Go builds the LiveKit server for minutes


@pytest.fixture
def prefix() -> str:
    """The names of a test's rooms begin with this."""
    return f"{uuid4().hex[:8]}-"


@asynccontextmanager
async def running(
    server: LiveKit,
    gateway: KeepingGateway,
    prefix: str,
    arrived: Any = lambda room, who: None,
    sweep: float = 1.0,
    **changes: Any,
) -> AsyncIterator[RoomBots]:
    """Bots that sweep every `sweep` seconds."""
    with patch.object(room_bots, "SWEEP_SECONDS", sweep):
        async with server.client() as client:
            settings = server.settings(rooms=[f"{prefix}*"], **changes)
            rooms = RoomBots(settings, client.room, gateway.speech, Metrics(), arrived)
            task = asyncio.create_task(rooms.run())
            try:
                yield rooms
            finally:
                task.cancel()
                await asyncio.wait({task})
                await rooms.close()


def joins(rooms: RoomBots, result: str) -> float | None:
    return rooms._metrics.registry.get_sample_value("voxwarden_livekit_joins_total", {"result": result})


async def test_a_sweep_finds_the_rooms_that_match(server: LiveKit, gateway: KeepingGateway, prefix: str) -> None:
    arrived = list[tuple[str, str]]()
    async with AsyncExitStack() as stack:
        for name in ("a", "b"):
            await stack.enter_async_context(joined(server.url, prefix + name, "ann"))
        await stack.enter_async_context(joined(server.url, f"other-{prefix}", "ann"))
        meet = lambda room, who: arrived.append((room, who))  # noqa: E731
        rooms = await stack.enter_async_context(running(server, gateway, prefix, meet))
        await until(lambda: rooms.bots.keys() == {f"{prefix}a", f"{prefix}b"})
        value = rooms._metrics.registry.get_sample_value
        assert value("voxwarden_livekit_rooms") == 2
        assert value("voxwarden_livekit_tracks", {"state": "heard"}) == 0
        assert value("voxwarden_livekit_up") == 1
        assert {*arrived} == {(f"{prefix}a", "ann"), (f"{prefix}b", "ann")}
        assert rooms.covers(f"{prefix}a")
        assert not rooms.covers(f"other-{prefix}")


async def test_a_webhook_brings_the_bot_at_once(server: LiveKit, gateway: KeepingGateway, prefix: str) -> None:
    async with running(server, gateway, prefix, sweep=300) as rooms:
        hints = receiving("127.0.0.1", server.webhook, Signature(KEY, SECRET), rooms.hint, rooms._metrics)
        async with hints, joined(server.url, f"{prefix}a", "ann") as ann:
            await ann.say(tone(440, 0.5))
            await until(lambda: rooms.bots and rooms.bots[f"{prefix}a"].heard)
    assert not rooms.bots


async def test_a_hint_does_not_keep_it_from_stopping(server: LiveKit, gateway: KeepingGateway, prefix: str) -> None:
    async with server.client() as client:
        settings = server.settings(rooms=[f"{prefix}*"])
        rooms = RoomBots(settings, client.room, gateway.speech, Metrics(), lambda room, who: None)
        task = asyncio.create_task(rooms.run())
        await until(lambda: rooms._metrics.registry.get_sample_value("voxwarden_livekit_up") == 1)
        await asyncio.sleep(0.1)  # it waits for a hint now
        rooms.hint(f"{prefix}a")
        task.cancel()
        await asyncio.wait({task}, timeout=60)
        assert task.cancelled()
        await rooms.close()


async def test_it_leaves_with_the_last_person_and_comes_back(
    server: LiveKit, gateway: KeepingGateway, prefix: str
) -> None:
    """An agent in a room does not keep it open."""
    async with running(server, gateway, prefix) as rooms:
        async with joined(server.url, f"{prefix}a", "ann"):
            await until(lambda: rooms.bots)
        await until(lambda: joins(rooms, "closed") == 1)
        assert rooms.covers(f"{prefix}a")
        async with server.client() as client:
            listed = (await client.room.list_rooms(api.ListRoomsRequest(names=[f"{prefix}a"]))).rooms
        assert not listed
        async with joined(server.url, f"{prefix}a", "bo"):
            await until(lambda: rooms.bots)
        assert joins(rooms, "joined") == 2


async def test_a_stop_in_the_middle_of_a_join_leaves_no_bot_behind(
    server: LiveKit, gateway: KeepingGateway, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    join, begun = RoomBot.join, asyncio.Event()

    async def join_slowly(bot: RoomBot) -> None:
        begun.set()
        await join(bot)

    monkeypatch.setattr(RoomBot, "join", join_slowly)
    async with joined(server.url, f"{prefix}a", "ann"), server.client() as client:
        async with running(server, gateway, prefix):
            await begun.wait()
        asked = api.ListParticipantsRequest(room=f"{prefix}a")
        present = (await client.room.list_participants(asked)).participants
        assert [each.identity for each in present] == ["ann"]


async def test_an_empty_room_needs_no_bot(server: LiveKit, gateway: KeepingGateway, prefix: str) -> None:
    async with server.client() as client, running(server, gateway, prefix) as rooms:
        await client.room.create_room(api.CreateRoomRequest(name=f"{prefix}a"))
        async with joined(server.url, f"{prefix}b", "ann"):
            await until(lambda: rooms.bots)
            assert rooms.bots.keys() == {f"{prefix}b"}


async def test_members_share_the_rooms_and_stand_in_for_each_other(
    server: LiveKit, gateway: KeepingGateway, prefix: str
) -> None:
    names, members = [f"{prefix}{number}" for number in range(4)], ("left", "right")
    owned = {member: {name for name in names if ranked(members, name)[0] == member} for member in members}
    async with AsyncExitStack() as people:
        for name in names:
            await people.enter_async_context(joined(server.url, name, "ann"))
        async with running(server, gateway, prefix, members=members, name="left") as left:
            async with running(server, gateway, prefix, members=members, name="right") as right:
                await until(lambda: left.bots.keys() | right.bots.keys() == {*names})
                await until(lambda: left.bots.keys() == owned["left"])
                assert right.bots.keys() == owned["right"]
            await until(lambda: left.bots.keys() == {*names})
            async with running(server, gateway, prefix, members=members, name="right") as right:
                await until(lambda: right.bots.keys() == owned["right"])
                await until(lambda: left.bots.keys() == owned["left"])
                assert joins(left, "replaced") == len(owned["right"])


async def test_the_rooms_of_a_killed_member_are_taken_although_its_bots_are_listed(
    server: LiveKit, gateway: KeepingGateway, prefix: str
) -> None:
    names, members = {f"{prefix}{number}" for number in range(4)}, ("left", "right")
    async with AsyncExitStack() as stack:
        for name in names:
            await stack.enter_async_context(joined(server.url, name, "ann"))
        left = await stack.enter_async_context(running(server, gateway, prefix, members=members, name="left"))
        right = await stack.enter_async_context(
            running(server, gateway, prefix, sweep=300, members=members, name="right")
        )
        await until(lambda: left.bots.keys() | right.bots.keys() == names)
        assert right.bots.keys() < names
        right.stand_in(frozenset({"left"}))
        await until(lambda: right.bots.keys() == names)
        assert joins(right, "failed") == 0


async def test_two_processes_that_want_the_same_room_do_not_fight(
    server: LiveKit, gateway: KeepingGateway, prefix: str
) -> None:
    async with joined(server.url, f"{prefix}a", "ann"), running(server, gateway, prefix) as first:
        await until(lambda: first.bots)
        async with running(server, gateway, prefix) as second:
            await until(lambda: second.bots)
            await until(lambda: not first.bots)
            await asyncio.sleep(2.5)
            assert (list(first.bots), list(second.bots)) == ([], [f"{prefix}a"])
        await until(lambda: first.bots)
        assert (joins(first, "joined"), joins(first, "replaced"), joins(second, "replaced")) == (2, 1, 0)


async def test_it_joins_again_if_a_microphone_stays_unheard(
    server: LiveKit, gateway: KeepingGateway, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first bot hears nothing, as if its events were lost."""
    look = RoomBot.look
    deaf = list[RoomBot]()

    def look_deaf(bot: RoomBot) -> None:
        deaf.extend([bot] if not deaf else [])
        if bot not in deaf:
            look(bot)

    monkeypatch.setattr(RoomBot, "look", look_deaf)
    async with joined(server.url, f"{prefix}a", "ann") as ann:
        await ann.open_microphone()
        async with running(server, gateway, prefix) as rooms:
            unheard = partial(
                rooms._metrics.registry.get_sample_value, "voxwarden_livekit_tracks", {"state": "unheard"}
            )
            await until(lambda: unheard() == 1)
            await until(lambda: joins(rooms, "joined") == 2)
            await until(lambda: rooms.bots[f"{prefix}a"].heard)
            await until(lambda: unheard() == 0)


async def test_a_person_with_the_name_of_the_bot_does_not_replace_it(
    server: LiveKit, gateway: KeepingGateway, prefix: str
) -> None:
    room = f"{prefix}a"
    async with running(server, gateway, prefix) as rooms, joined(server.url, room, "ann") as ann:
        await until(lambda: rooms.bots)
        async with joined(server.url, room, "voxwarden") as impostor:
            await asyncio.gather(ann.say(tone(440, 1.5)), impostor.say(tone(700, 1.5)))
            await until(lambda: gateway.loud_seconds(room, "ann", 440) > 1)
            await until(lambda: gateway.loud_seconds(room, "voxwarden", 700) > 1)
        assert joins(rooms, "replaced") == 0


async def test_a_bot_that_somebody_removed_comes_back(server: LiveKit, gateway: KeepingGateway, prefix: str) -> None:
    async with joined(server.url, f"{prefix}a", "ann"), running(server, gateway, prefix, sweep=300) as rooms:
        await until(lambda: rooms.bots)
        async with server.client() as client:
            bot = api.RoomParticipantIdentity(room=f"{prefix}a", identity=bot_identity(server.settings()))
            await client.room.remove_participant(bot)
        await until(lambda: joins(rooms, "lost") == 1)
        await until(lambda: rooms.bots)


async def test_it_survives_a_restart_of_the_server(tmp_path: Path, gateway: KeepingGateway) -> None:
    with LiveKit(tmp_path) as server:
        async with running(server, gateway, "") as rooms:
            up = partial(rooms._metrics.registry.get_sample_value, "voxwarden_livekit_up")
            async with joined(server.url, "a", "ann"):
                await until(lambda: rooms.bots)
                server.stop()
                await until(lambda: up() == 0)
                server.start()
            async with joined(server.url, "a", "bo") as bo, asyncio.timeout(60):
                while not gateway.loud_seconds("a", "bo", 440):
                    await bo.say(tone(440, 0.2))
            await until(lambda: up() == 1)


ROOMS = [f"room-{number}" for number in range(2_000)]


def owners(members: list[str]) -> dict[str, str]:
    return {room: ranked(members, room)[0] for room in ROOMS}


@given(st.sets(st.text(min_size=1), min_size=1, max_size=6), st.text())
def test_the_order_of_the_list_does_not_matter(members: set[str], room: str) -> None:
    assert ranked(sorted(members), room) == ranked(sorted(members, reverse=True), room)
    assert set(ranked(members, room)) == members


def test_only_the_rooms_of_a_lost_member_move() -> None:
    before, after = owners(["a", "b", "c", "d"]), owners(["a", "b", "c"])
    moved = {room for room in ROOMS if before[room] != after[room]}
    assert moved == {room for room in ROOMS if before[room] == "d"}
    assert {after[room] for room in moved} == {"a", "b", "c"}


def test_the_second_in_rank_takes_the_rooms_of_a_lost_owner() -> None:
    for room in ROOMS[:100]:
        owner, second = ranked(["a", "b", "c", "d"], room)[:2]
        assert ranked({"a", "b", "c", "d"} - {owner}, room)[0] == second


def test_members_have_about_as_many_rooms_each() -> None:
    shares = list(owners(["a", "b", "c", "d"]).values())
    assert all(400 < shares.count(member) < 600 for member in "abcd")
