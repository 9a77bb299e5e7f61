"""The four actions on a real server, and what they mean to the person."""

from collections.abc import AsyncIterator
from uuid import uuid4

import pytest
from livekit import rtc

from pipeline.connect.livekit.livekit_server import AbsentError, Moderation
from tests.livekit import LiveKit, joined, until

pytestmark = pytest.mark.full  # Go builds the LiveKit server for minutes


@pytest.fixture
async def moderation(server: LiveKit) -> AsyncIterator[Moderation]:
    async with server.client() as client:
        yield Moderation(client.room)


@pytest.fixture
def room() -> str:
    return f"room-{uuid4().hex[:8]}"


async def test_a_muted_person_cannot_publish_until_unmuted(server: LiveKit, moderation: Moderation, room: str) -> None:
    async with joined(server.url, room, "ann") as ann, joined(server.url, room, "bo") as bo:
        await ann.open_microphone()
        await until(lambda: bo.room.remote_participants["ann"].track_publications)
        saved = await moderation.rights(room, "ann")
        assert saved
        await moderation.mute(room, "ann")
        await until(lambda: not bo.room.remote_participants["ann"].track_publications)
        await until(lambda: not ann.may_publish)
        assert await moderation.rights(room, "ann") is None
        await moderation.unmute(room, "ann", saved)
        await until(lambda: ann.may_publish)
        await ann.open_microphone()
        await until(lambda: bo.room.remote_participants["ann"].track_publications)


async def test_the_sources_that_were_allowed_come_back(server: LiveKit, moderation: Moderation, room: str) -> None:
    async with joined(server.url, room, "ann", can_publish_sources=["microphone"], can_publish_data=False) as ann:
        saved = await moderation.rights(room, "ann")
        assert saved
        await moderation.mute(room, "ann")
        await until(lambda: not ann.may_publish)
        await moderation.unmute(room, "ann", saved)
        await until(lambda: ann.may_publish)
        held = ann.room.local_participant.permissions
        assert list(held.can_publish_sources) == [rtc.TrackSource.SOURCE_MICROPHONE]
        assert (held.can_publish_data, held.can_subscribe) == (False, True)


async def test_a_listener_has_nothing_to_give_back(server: LiveKit, moderation: Moderation, room: str) -> None:
    async with joined(server.url, room, "ann", can_publish=False):
        assert await moderation.rights(room, "ann") is None


async def test_an_unmute_keeps_what_the_app_did_meanwhile(server: LiveKit, moderation: Moderation, room: str) -> None:
    async with joined(server.url, room, "ann") as ann:
        saved = await moderation.rights(room, "ann")
        assert saved
        await moderation.mute(room, "ann")
        await moderation.unmute(room, "ann", saved)
        await until(lambda: ann.may_publish)
        await moderation.unmute(room, "ann", {"can_publish": True, "can_publish_sources": ["CAMERA"]})
        assert not ann.room.local_participant.permissions.can_publish_sources


async def test_a_warning_reaches_the_person_alone(server: LiveKit, moderation: Moderation, room: str) -> None:
    async with joined(server.url, room, "ann") as ann, joined(server.url, room, "bo") as bo:
        await moderation.warn(room, "ann", {"action": "warn", "label": "hate"})
        await moderation.warn(room, "", {"action": "warn", "label": "spam"})
        await until(lambda: len(ann.notices) == 2 and bo.notices)
        assert ann.notices == [{"action": "warn", "label": "hate"}, {"action": "warn", "label": "spam"}]
        assert bo.notices == [{"action": "warn", "label": "spam"}]


async def test_a_removed_person_is_out(server: LiveKit, moderation: Moderation, room: str) -> None:
    async with joined(server.url, room, "ann") as ann, joined(server.url, room, "bo"):
        await moderation.remove(room, "ann")
        await until(lambda: ann.disconnected)
        assert ann.disconnected == [rtc.DisconnectReason.PARTICIPANT_REMOVED]


async def test_a_closed_room_is_over_for_everybody(server: LiveKit, moderation: Moderation, room: str) -> None:
    async with joined(server.url, room, "ann") as ann, joined(server.url, room, "bo") as bo:
        await moderation.close(room)
        await until(lambda: ann.disconnected and bo.disconnected)
        assert ann.disconnected == bo.disconnected == [rtc.DisconnectReason.ROOM_DELETED]


async def test_an_action_on_somebody_who_is_not_there_says_so(
    server: LiveKit, moderation: Moderation, room: str
) -> None:
    async with joined(server.url, room, "ann"):
        with pytest.raises(AbsentError):
            await moderation.mute(room, "bo")
        with pytest.raises(AbsentError):
            await moderation.warn(room, "bo", {})
        with pytest.raises(AbsentError):
            await moderation.remove(room, "bo")
        with pytest.raises(AbsentError):
            await moderation.unmute(room, "bo", {})
    with pytest.raises(AbsentError):
        await moderation.close(f"{room}-gone")
    with pytest.raises(AbsentError):
        await moderation.remove(f"{room}-gone", "ann")
