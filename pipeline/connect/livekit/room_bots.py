"""Keeps a bot in each room of this process. The server's list of rooms is the truth, and webhooks are hints.

Every SWEEP_SECONDS it asks for all rooms and their participants. A hint does the same for one room at once.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Collection, Coroutine, Sequence
from contextlib import suppress
from fnmatch import fnmatchcase
from hashlib import blake2b
from typing import Any

from livekit import api, rtc

from pipeline.base.metrics import Metrics, from_zero
from pipeline.connect.livekit.bot import CLOSED, REPLACED, RoomBot, SpeechOf
from pipeline.connect.livekit.livekit_server import ServerFault, bot_identity
from pipeline.connect.livekit.room_enforcement import LATE_SECONDS
from pipeline.settings import LiveKitSettings

log = logging.getLogger(__name__)

SWEEP_SECONDS = 30.0
"""Pause between two looks at all rooms: how late the bot may be in a room whose webhook was lost."""
AT_ONCE = 8
"""The most rooms that are asked about at the same time. More would burden a server with thousands of rooms."""
RETRY_SECONDS = 2.0
"""Seconds until the next look at a room that was lost or could not be joined."""

MACHINES = (api.ParticipantInfo.Kind.AGENT, api.ParticipantInfo.Kind.EGRESS)
"""Participants that keep no room open."""


class RoomBots:
    """The bots of this process, by the name of their room.

    `arrived` gets room and identity of each participant who may publish, when they join and at each comparison.
    """

    def __init__(
        self,
        settings: LiveKitSettings,
        service: api.room_service.RoomService,
        speech_of: SpeechOf,
        metrics: Metrics,
        arrived: Callable[[str, str], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings = settings
        self._identity = bot_identity(settings)
        self._service = service
        self._speech_of = speech_of
        self._metrics = metrics
        self._arrived = arrived
        self._clock = clock
        self._left: dict[str, float] = {}
        """When we left each room, by the clock."""
        self.bots: dict[str, RoomBot] = {}
        self._hints: set[str] = set()
        self._sweep_soon = False
        self._hinted = asyncio.Event()
        self._yielded: set[str] = set()
        """Rooms in which another bot has replaced ours."""
        self._vacant: dict[str, int] = {}
        """How many sweeps in a row found no bot in a room that is not ours."""
        self._missed: dict[str, set[str]] = {}
        """The microphones of each room that were unheard at the last sweep."""
        self._stuck: dict[str, set[str]] = {}
        """Those of them that were unheard at the sweep before, too."""
        self._lost: frozenset[str] = frozenset()
        """Members that do not live."""
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._leaving: set[asyncio.Task[None]] = set()
        self._up = True
        self._watch()

    def hint(self, room: str) -> None:
        """Look at a room soon. Names that match no pattern are ignored."""
        if self._matches(room):
            self._hints.add(room)
            self._hinted.set()

    def stand_in(self, lost: frozenset[str]) -> None:
        """Take the rooms of lost members at once. Their bots may still be listed there: ours replaces them."""
        if lost - self._lost:
            self._yielded.clear()  # who has replaced us there may be the lost one
            self._sweep_soon = True
            self._hinted.set()
        self._lost = lost

    def covers(self, room: str) -> bool:
        """Whether our bot is in the room, or was there in the last LATE_SECONDS."""
        # After that, no action is tried any more. Until then, a room that was lost for a moment is still ours.
        since = self._clock() - LATE_SECONDS
        return room in self.bots or self._left.get(room, since) > since

    async def run(self) -> None:
        """Sweep until the task is cancelled."""
        loop = asyncio.get_running_loop()
        due = loop.time()
        while True:
            if loop.time() >= due or self._sweep_soon:
                self._sweep_soon = False
                due = loop.time() + SWEEP_SECONDS
                await self._safely(self._sweep)
            # Taken before the visits: a hint that comes during one gets another visit.
            hints, self._hints = self._hints, set()
            self._hinted.clear()
            await asyncio.gather(*(self._safely(self._visit, name, True) for name in hints))
            # Sleep until the next sweep or hint.
            with suppress(TimeoutError):  # no wait_for: before Python 3.12, it can swallow the cancellation
                async with asyncio.timeout_at(due):
                    await self._hinted.wait()

    async def close(self) -> None:
        """Leave all rooms. The gateway gets all audio first."""
        bots, self.bots = self.bots, {}
        for bot in bots.values():
            self._leave(bot)
        await asyncio.gather(*self._leaving)

    def _leave(self, bot: RoomBot, joining: asyncio.Task[None] | None = None) -> None:
        """Leave in the background, after `joining`: the gateway may need seconds for the last words."""
        self._left[bot.name] = self._clock()

        async def leave() -> None:
            if joining:
                await asyncio.wait({joining})
            await bot.leave()

        task = asyncio.create_task(leave())
        self._leaving.add(task)
        task.add_done_callback(self._leaving.discard)

    async def _sweep(self) -> None:
        listed = (await self._service.list_rooms(api.ListRoomsRequest())).rooms
        names = {room.name for room in listed if self._matches(room.name)}
        for gone in self.bots.keys() - names:
            self._leave(self.bots.pop(gone))
        self._left = {name: at for name, at in self._left.items() if self._clock() - at < LATE_SECONDS}
        self._yielded &= names
        for by_room in (self._vacant, self._missed, self._stuck):
            for gone in by_room.keys() - names:
                del by_room[gone]
        await asyncio.gather(*(self._safely(self._visit, name) for name in names))

    async def _visit(self, name: str, hinted: bool = False) -> None:
        """Compare our bot with the participants of the room, or join if this process should listen there."""
        async with self._turns:
            asked = api.ListParticipantsRequest(room=name)
            participants = list((await self._service.list_participants(asked)).participants)
            if bot := self.bots.get(name):
                bot.look()
                # Only sweeps, which are SWEEP_SECONDS apart. Two hints in a row would call a new microphone stuck.
                if not hinted:
                    await self._compare(bot, participants)
                self._meet(name, participants)
            elif self._should_join(name, participants, hinted):
                await self._join(name)
                self._meet(name, participants)

    def _should_join(self, name: str, participants: Sequence[api.ParticipantInfo], hinted: bool) -> bool:
        if all(each.kind in MACHINES for each in participants):
            return False
        present = any(each.identity == self._identity for each in participants)
        if name in self._yielded and present:  # to join would throw the other bot out, and it would come back
            return False
        members = [each for each in self._settings.members if each not in self._lost]
        rank = ranked(members, name).index(self._settings.name) if members else 0
        # Hints do not count: all members get a new room's webhook, and its owner needs a moment to join.
        if present or not hinted:
            self._vacant[name] = 0 if present else self._vacant.get(name, 0) + 1
        # The second in rank stands in after two vacant sweeps, the third after three.
        return rank == 0 or self._vacant.get(name, 0) > rank

    async def _join(self, name: str) -> None:
        bot = RoomBot(
            name, self._settings, self._speech_of, self._metrics, lambda who: self._arrived(name, who), self._ended
        )
        joining = asyncio.create_task(bot.join())
        try:
            await asyncio.shield(joining)  # LiveKit's library ends the process if a join is not finished
        except asyncio.CancelledError:
            self._leave(bot, joining)  # `close` waits for it
            raise
        except rtc.ConnectError:
            log.warning("a room could not be joined; it is tried again")
            self._note("failed")
            self._again(name)
            return
        self._note("joined")
        self._yielded.discard(name)
        self.bots[name] = bot

    async def _compare(self, bot: RoomBot, participants: Sequence[api.ParticipantInfo]) -> None:
        """Join again if two sweeps in a row found the same microphone unheard."""
        missed = await bot.compare(participants)
        stuck = missed & self._missed.get(bot.name, set())
        self._missed[bot.name], self._stuck[bot.name] = missed, stuck
        if stuck - bot.refused:
            # The new bot gets two sweeps, too.
            del self._missed[bot.name]
            await self._rejoin(bot)

    async def _rejoin(self, bot: RoomBot) -> None:
        log.warning("a microphone stays unheard; the bot joins its room again")
        self.bots.pop(bot.name, None)
        await bot.leave()
        self._note("lost")
        await self._join(bot.name)

    def _ended(self, bot: RoomBot, reason: "rtc.DisconnectReason.ValueType") -> None:
        if self.bots.get(bot.name) is not bot:
            return  # we have left it
        self._leave(self.bots.pop(bot.name))
        self._note("closed" if reason in CLOSED else "replaced" if reason == REPLACED else "lost")
        if reason == REPLACED:
            self._yielded.add(bot.name)
        else:
            self._again(bot.name)

    def _again(self, name: str) -> None:
        asyncio.get_running_loop().call_later(RETRY_SECONDS, self.hint, name)

    def _meet(self, name: str, participants: Sequence[api.ParticipantInfo]) -> None:
        for each in participants:
            if each.permission.can_publish:
                self._arrived(name, each.identity)

    async def _safely(self, work: Callable[..., Coroutine[Any, Any, None]], *given: Any) -> None:
        """Run one part of a sweep. If the server does not answer, the next sweep tries again."""
        try:
            await work(*given)
        except api.TwirpError as error:
            if error.code != api.TwirpErrorCode.NOT_FOUND:  # the room has closed meanwhile
                self._down(f"{error.code} ({error.status})")
        except ServerFault as error:
            self._down(type(error).__name__)
        else:
            self._answers(True)

    def _down(self, reason: str) -> None:
        if self._up:
            log.warning("the LiveKit server does not answer as it should: %s", reason)
        self._answers(False)

    def _answers(self, up: bool) -> None:
        self._up = up
        self._metrics.livekit_up.set(up)

    def _matches(self, name: str) -> bool:
        return any(fnmatchcase(name, pattern) for pattern in self._settings.rooms)

    def _note(self, result: str) -> None:
        self._metrics.livekit_joins.labels(result).inc()

    def _watch(self) -> None:
        """Let the metrics count the bots and their microphones whenever they are read."""
        from_zero(self._metrics.livekit_joins, ("joined", "failed", "closed", "replaced", "lost"))
        from_zero(self._metrics.livekit_unheard_seconds, ("start", "gap", "loss", "gateway"))
        self._metrics.livekit_rooms.set_function(lambda: len(self.bots))
        tracks = self._metrics.livekit_tracks.labels
        tracks("heard").set_function(lambda: sum(len(bot.heard) for bot in list(self.bots.values())))
        tracks("encrypted").set_function(lambda: sum(len(bot.encrypted) for bot in list(self.bots.values())))
        tracks("unheard").set_function(lambda: sum(map(len, list(self._stuck.values()))))


def ranked(members: Collection[str], room: str) -> list[str]:
    """The members by their claim to the room: its owner first, then the one that stands in for it, and so on."""
    # Rendezvous hashing: when a member joins or leaves, only the rooms that it wins or loses move.
    return sorted(members, key=lambda member: (_weight(member, room), member), reverse=True)


def _weight(member: str, room: str) -> bytes:
    # Python's hash() differs in each process. The length keeps ("ab", "c") and ("a", "bc") apart.
    return blake2b(f"{len(member)}:{member}{room}".encode(), digest_size=8).digest()
