"""The bot in a room of a real server hears each microphone, and nothing else."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from uuid import uuid4

import pytest
from livekit import api, rtc

from pipeline.base.metrics import Metrics
from pipeline.connect.livekit.bot import MOST_MICROPHONES, RoomBot
from tests.livekit import RATE, LiveKit, Person, joined, until
from tests.pipeline.connect.livekit.conftest import KeepingGateway, tone

pytestmark = pytest.mark.full  # Go builds the LiveKit server for minutes

A, B = 440.0, 700.0
LOST_SECONDS = 0.4
"""What may be lost at the beginning of a track. On a quiet machine it is less than half of it."""


class Scene:
    """A room with a bot."""

    def __init__(self, server: LiveKit, gateway: KeepingGateway) -> None:
        self.room, self.metrics = f"room-{uuid4().hex[:8]}", Metrics()
        self.arrived: list[str] = []
        self.ended: list[int] = []
        self._server = server
        self.bot = RoomBot(
            self.room,
            server.settings(),
            gateway.speech,
            self.metrics,
            self.arrived.append,
            lambda bot, reason: self.ended.append(reason),
        )

    async def participants(self) -> list[api.ParticipantInfo]:
        async with self._server.client() as client:
            asked = api.ListParticipantsRequest(room=self.room)
            return list((await client.room.list_participants(asked)).participants)

    def unheard(self, reason: str) -> float:
        found = self.metrics.registry.get_sample_value("voxwarden_livekit_unheard_seconds_total", {"reason": reason})
        return found or 0.0


@pytest.fixture
async def scene(server: LiveKit, gateway: KeepingGateway) -> AsyncIterator[Scene]:
    made = Scene(server, gateway)
    yield made
    await made.bot.leave()


async def test_it_hears_old_and_new_microphones_as_16_khz(
    server: LiveKit, gateway: KeepingGateway, scene: Scene
) -> None:
    async with joined(server.url, scene.room, "ann") as ann, joined(server.url, scene.room, "bo") as bo:
        await ann.open_microphone()
        await scene.bot.join()
        await until(lambda: scene.bot.heard)
        await asyncio.gather(ann.say(tone(A, 1.5)), bo.say(tone(B, 1.5)))
        await until(lambda: gateway.loud_seconds(scene.room, "bo", B) > 1.5 - LOST_SECONDS)
        await until(lambda: gateway.loud_seconds(scene.room, "ann", A) > 1.4)
        assert await scene.bot.compare(await scene.participants()) == set()
        assert (len(scene.bot.heard), scene.bot.encrypted) == (2, set())
        assert gateway.loud_seconds(scene.room, "ann", B) == gateway.loud_seconds(scene.room, "bo", A) == 0
        assert gateway.kept[scene.room, "ann"][0].heard_by == 1
        assert {*ann.room.remote_participants, *bo.room.remote_participants} == {"ann", "bo"}
    assert 0 < scene.unheard("start") < 20
    assert scene.unheard("gap") == 0


async def test_a_microphone_that_is_published_again_is_the_same_speaker(
    server: LiveKit, gateway: KeepingGateway, scene: Scene
) -> None:
    async with joined(server.url, scene.room, "ann") as ann:
        await scene.bot.join()
        await ann.say(tone(A, 1.0))
        await ann.close_microphone()
        await until(lambda: not scene.bot.heard)
        await until(lambda: not gateway.kept[scene.room, "ann"][0].open)
        await ann.open_microphone()
        await ann.say(tone(B, 1.0))
        await until(lambda: gateway.loud_seconds(scene.room, "ann", B) > 1.0 - LOST_SECONDS)
        assert [each.open for each in gateway.kept[scene.room, "ann"]] == [False, True]
    await until(lambda: not gateway.kept[scene.room, "ann"][1].open)
    assert not scene.bot.heard


async def test_a_screen_and_a_camera_are_not_heard(server: LiveKit, scene: Scene) -> None:
    async with joined(server.url, scene.room, "ann") as ann:
        source = rtc.AudioSource(RATE, 1)
        track = rtc.LocalAudioTrack.create_audio_track("film", source)
        options = rtc.TrackPublishOptions(source=rtc.TrackSource.SOURCE_SCREENSHARE_AUDIO)
        await ann.room.local_participant.publish_track(track, options)
        await scene.bot.join()
        await ann.open_microphone()
        await until(lambda: scene.bot.heard)
        assert await scene.bot.compare(await scene.participants()) == set()
        assert len(scene.bot.heard) == 1


async def publish(person: Person, source: "rtc.TrackSource.ValueType") -> Person:
    """Publish one more track, and return a speaker for it."""
    more = Person(person.room)
    more._source = rtc.AudioSource(RATE, 1, queue_size_ms=100)
    track = rtc.LocalAudioTrack.create_audio_track("more", more._source)
    await person.room.local_participant.publish_track(track, rtc.TrackPublishOptions(source=source))
    return more


@pytest.mark.parametrize("source", [rtc.TrackSource.SOURCE_MICROPHONE, rtc.TrackSource.SOURCE_UNKNOWN])
async def test_a_second_microphone_hides_no_speech(
    server: LiveKit, gateway: KeepingGateway, scene: Scene, source: "rtc.TrackSource.ValueType"
) -> None:
    async with joined(server.url, scene.room, "ann") as ann:
        await scene.bot.join()
        await ann.open_microphone()
        await until(lambda: len(scene.bot.heard) == 1)
        second = await publish(ann, source)
        await until(lambda: len(scene.bot.heard) == 2)
        await ann.say(tone(A, 1.5))
        await second.say(tone(B, 1.5))
        for pitch in (A, B):
            await until(lambda pitch=pitch: gateway.loud_seconds(scene.room, "ann", pitch) > 1.5 - LOST_SECONDS)  # type: ignore[misc]
        assert await scene.bot.compare(await scene.participants()) == set()
        await ann.close_microphone()
        await until(lambda: len(scene.bot.heard) == 1)
        await second.say(tone(B, 1.5))
        await until(lambda: gateway.loud_seconds(scene.room, "ann", B) > 3.0 - 2 * LOST_SECONDS)


async def test_more_microphones_than_a_person_needs_are_left_out(server: LiveKit, scene: Scene) -> None:
    async with joined(server.url, scene.room, "ann") as ann:
        await scene.bot.join()
        for _ in range(MOST_MICROPHONES + 2):
            await publish(ann, rtc.TrackSource.SOURCE_MICROPHONE)
        await until(lambda: len(scene.bot.heard) == MOST_MICROPHONES and len(scene.bot.refused) == 2)
        assert await scene.bot.compare(await scene.participants()) == scene.bot.refused


async def test_a_muted_microphone_sends_two_seconds_of_silence_at_most(
    server: LiveKit, gateway: KeepingGateway, scene: Scene
) -> None:
    async with joined(server.url, scene.room, "ann") as ann:
        await scene.bot.join()
        await ann.say(tone(A, 0.5))
        await asyncio.sleep(3.5)
        before = gateway.kept[scene.room, "ann"][0].seconds
        await asyncio.sleep(0.5)
        assert gateway.kept[scene.room, "ann"][0].seconds == before < 4
        await ann.say(tone(A, 0.5))
        await until(lambda: gateway.loud_seconds(scene.room, "ann", A) > 0.9 - LOST_SECONDS)


async def test_an_encrypted_microphone_is_reported_and_not_heard(
    server: LiveKit, gateway: KeepingGateway, scene: Scene
) -> None:
    keys = rtc.KeyProviderOptions(shared_key=b"only the people in the room know it")
    options = rtc.RoomOptions(auto_subscribe=False, encryption=rtc.E2EEOptions(key_provider_options=keys))
    async with joined(server.url, scene.room, "ann", options) as ann, joined(server.url, scene.room, "bo") as bo:
        await ann.open_microphone()
        await scene.bot.join()
        await asyncio.gather(ann.say(tone(A, 1.0)), bo.say(tone(B, 1.0)))
        assert await scene.bot.compare(await scene.participants()) == set()
        assert (len(scene.bot.heard), len(scene.bot.encrypted)) == (1, 1)
        assert {speaker for _, speaker in gateway.kept} == {"bo"}


@pytest.mark.parametrize("of_the_bot", [False, True])
@pytest.mark.parametrize("scenario", ["SIMULATE_SIGNAL_RECONNECT", "SIMULATE_FULL_RECONNECT"])
async def test_it_survives_a_reconnect_of_the_speaker_and_its_own(
    server: LiveKit, gateway: KeepingGateway, scene: Scene, scenario: str, of_the_bot: bool
) -> None:
    async with joined(server.url, scene.room, "ann") as ann:
        await scene.bot.join()
        await ann.say(tone(A, 0.8))
        room = scene.bot._room if of_the_bot else ann.room
        await room.simulate_scenario(rtc.SimulateScenarioKind.Value(scenario))
        await _heard_again(gateway, scene, lambda: ann.say(tone(B, 0.2)))
        assert scene.ended == []


async def _heard_again(gateway: KeepingGateway, scene: Scene, say: Callable[[], Awaitable[None]]) -> None:
    async with asyncio.timeout(60):
        while gateway.loud_seconds(scene.room, "ann", B) < 0.5:
            await say()
    assert await scene.bot.compare(await scene.participants()) == set()
    assert len(scene.bot.heard) == 1


async def test_it_tells_of_people_who_come_and_of_its_end(server: LiveKit, scene: Scene) -> None:
    async with joined(server.url, scene.room, "ann"):
        await scene.bot.join()
        async with joined(server.url, scene.room, "bo"):
            await until(lambda: scene.arrived == ["bo"])
    await until(lambda: scene.ended)
    assert scene.ended == [rtc.DisconnectReason.ROOM_CLOSED]


async def test_a_comparison_finds_what_events_did_not_tell(server: LiveKit, scene: Scene) -> None:
    """The server has a microphone that the bot does not know, and not the one that it reads."""
    async with joined(server.url, scene.room, "ann") as ann:
        await scene.bot.join()
        await ann.open_microphone()
        await until(lambda: scene.bot.heard)
        track = api.TrackInfo(sid="TR_1", source=api.TrackSource.MICROPHONE)
        told = [api.ParticipantInfo(identity="ann", tracks=[track])]
        assert await scene.bot.compare(told) == {"TR_1"}
        assert len(scene.bot.heard) == 1
        assert await scene.bot.compare(told) == {"TR_1"}
        assert not scene.bot.heard
        scene.bot.look()
        assert len(scene.bot.heard) == 1
