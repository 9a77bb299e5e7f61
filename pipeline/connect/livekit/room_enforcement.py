"""Carries out the actions of decisions and rules in the rooms of this process, and ends mutes.

It reads the review store, so an action survives a restart. Each action is tried until it is done or
LATE_SECONDS are over, and the result is confirmed in the store. A mute acts at once, because its undo takes
it back. Other actions wait until their decision can no longer be undone.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from itertools import groupby
from typing import Any, get_args

from msgspec import Struct

from pipeline.base.errors import DependencyError
from pipeline.base.metrics import Metrics, from_zero
from pipeline.connect.livekit.livekit_server import AbsentError, Moderation, ServerFault
from pipeline.contract.messages import Action
from pipeline.review.cases.case_values import SEVERITY
from pipeline.review.database import Database
from pipeline.review.delivery import enforcements
from pipeline.review.delivery.enforcements import Ending, Enforcement, FlaggedSpeech, Mute, Result
from pipeline.settings import ActionRule, LiveKitSettings

log = logging.getLogger(__name__)

LATE_SECONDS = 60.0
"""Time in which an action is tried. Later it would surprise: the speaker has said other things, or has left."""

POLL_SECONDS = 0.25
"""Pause between two reads of decisions and flags. A mute should follow within a second."""

OVERLAP_SECONDS = 10.0
"""Each look covers the last 10 seconds again: a flag becomes visible when its transaction ends, after `stored_at`."""
LONGEST_PAUSE = 10.0
"""Longest pause between two tries. It leaves several tries within LATE_SECONDS."""

ABSENT = "the speaker is not in the room"

Place = tuple[str, str]
"""A room and the identity of a speaker in it."""


class Retry(Struct):
    """When a failed action is tried again (UTC seconds), and how often it has failed."""

    at: float = 0.0
    failures: int = 0


class Actor:
    """Acts in the rooms that `covers` names. Decisions can be undone for `undo_seconds`. `clock` gives UTC seconds."""

    def __init__(
        self,
        settings: LiveKitSettings,
        undo_seconds: float,
        database: Database,
        moderation: Moderation,
        covers: Callable[[str], bool],
        metrics: Metrics,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._settings = settings
        self._undo_seconds = undo_seconds
        self._database = database
        self._moderation = moderation
        self._covers = covers
        self._metrics = metrics
        self._clock = clock
        self._ruled: dict[str, Enforcement] = {}
        """Actions of rules that wait, by the id of their flag."""
        # Not now: a restarted process carries out what came while it was down.
        self._looked = clock() - LATE_SECONDS
        """Up to when the flags have been read."""
        self._retries: dict[str, Retry] = {}
        self._muted: dict[Place, list[Mute]] = {}
        """The mutes in force."""
        self._tasks: set[asyncio.Future[None]] = set()
        from_zero(metrics.livekit_actions, (*get_args(Action), "unmute"), get_args(Result))
        from_zero(metrics.actions, get_args(Result))

    async def run(self) -> None:
        """Look for actions every POLL_SECONDS until the task is cancelled."""
        while True:
            with suppress(DependencyError):  # the metric of the database shows it
                await self.tick()
            await asyncio.sleep(POLL_SECONDS)

    async def tick(self) -> None:
        """Carry out what is due. Raises DependencyError if the database does not answer."""
        now = self._clock()
        decided, flags, mutes = await asyncio.to_thread(self._read, now)
        self._add_ruled(flags)
        wanted = [each for each in (*decided, *self._ruled.values()) if self._is_due(each, now)]
        await asyncio.gather(*(self._carry_out(each, now) for each in wanted), *self._end_mutes(mutes, now))
        # Forget the retries of actions that ended, so that they do not pile up.
        ids = {each.id for each in (*decided, *self._ruled.values())} | {mute.id for mute in mutes}
        self._retries = {name: retry for name, retry in self._retries.items() if name in ids}

    def arrived(self, room: str, identity: str) -> None:
        """Mute a participant again who has come back, or got the right to publish, during their mute."""
        if (room, identity) in self._muted:
            task = asyncio.ensure_future(self._mute_again(room, identity))
            self._tasks.add(task)  # asyncio itself holds only a weak reference to a task
            task.add_done_callback(self._tasks.discard)

    def _read(self, now: float) -> tuple[list[Enforcement], list[FlaggedSpeech], list[Mute]]:
        oldest = now - LATE_SECONDS
        since = max(oldest, self._looked - OVERLAP_SECONDS)
        with self._database.read() as connection:
            # Older decisions are read for a while, so that one that could not be carried out fails visibly.
            decided = enforcements.waiting_actions(connection, oldest - self._undo_seconds - 2 * LONGEST_PAUSE)
            flags = enforcements.flagged(connection, since) if self._settings.rules else []
            mutes = enforcements.mutes(connection)
        self._looked = now
        return decided, flags, mutes

    def _add_ruled(self, flags: Iterable[FlaggedSpeech]) -> None:
        for flag in flags:
            if self._covers(flag.room) and (found := ruled_action(flag, self._settings.rules)):
                self._ruled.setdefault(found.id, found)  # each look overlaps the one before

    def _is_due(self, wanted: Enforcement, now: float) -> bool:
        if wanted.action not in self._settings.actions or not self._covers(wanted.room):
            return False
        return now >= self._earliest(wanted) and now >= self._retries.get(wanted.id, Retry()).at

    def _earliest(self, wanted: Enforcement) -> float:
        waits = wanted.decided and wanted.action != "mute"
        return wanted.asked_at + (self._undo_seconds if waits else 0.0)

    async def _carry_out(self, wanted: Enforcement, now: float) -> None:
        try:
            changes = await self._act(wanted, now)
        except AbsentError:
            await self._fail(wanted, ABSENT)
        except ServerFault as error:
            await self._fail(
                wanted, f"the LiveKit server did not do it: {getattr(error, 'code', type(error).__name__)}"
            )
        else:
            await self._settle(wanted, "", **changes)

    async def _act(self, wanted: Enforcement, now: float) -> dict[str, float]:
        """Carry out an action, and return what the store should know of it."""
        match wanted.action:
            case "warn":
                await self._moderation.warn(wanted.room, wanted.speaker, _notice(wanted))
            case "mute":
                return {"until": await self._mute(wanted, now)}
            case "remove":
                await self._moderation.remove(wanted.room, wanted.speaker)
            case "close_room":
                await self._moderation.close(wanted.room)
        return {}

    async def _mute(self, wanted: Enforcement, now: float) -> float:
        """Mute the speaker, and return the end of the mute."""
        room, speaker = wanted.room, wanted.speaker
        until = now + (wanted.duration_seconds or self._settings.mute_seconds)
        if rights := await self._moderation.rights(room, speaker):
            # In this order: after a crash between the two, the store knows which right to give back.
            await asyncio.to_thread(self._write, enforcements.plan, wanted, now, until, rights)
            await self._moderation.mute(room, speaker)
        await self._tell(room, speaker, _notice(wanted) | {"until": until})
        return until

    async def _fail(self, wanted: Enforcement, why: str) -> None:
        """Try again later, or give up."""
        now = self._clock()
        if now >= self._earliest(wanted) + LATE_SECONDS:
            log.warning("the action %s failed: %s", wanted.action, why)
            await self._settle(wanted, why)
        else:
            self._try_later(wanted.id, now)

    def _try_later(self, name: str, now: float) -> None:
        retry = self._retries.setdefault(name, Retry())
        retry.at = now + min(POLL_SECONDS * 2.0**retry.failures, LONGEST_PAUSE)
        retry.failures += 1

    async def _settle(self, wanted: Enforcement, failure: str, **changes: Any) -> None:
        at = self._clock()
        await asyncio.to_thread(self._write, enforcements.settle, wanted, at, failure=failure, **changes)
        # After the store has the result. Otherwise the next look would find the flag again.
        self._ruled.pop(wanted.id, None)
        result: Result = "failed" if failure else "done"
        self._metrics.livekit_actions.labels(wanted.action, result).inc()
        if wanted.decided:
            self._metrics.actions.labels(result).inc()
            if not failure:
                self._metrics.review_to_action.observe(max(0.0, at - wanted.asked_at))

    def _end_mutes(self, mutes: list[Mute], now: float) -> list[Awaitable[None]]:
        """Keep the mutes in force in mind, and return the work of ending the others.

        A speaker may have several mutes. The right to publish comes back at the end of the last one.
        """
        # groupby joins neighbours only, so sort by the same key first. The sort is stable: oldest mute first.
        place = lambda mute: (mute.room, mute.speaker)  # noqa: E731 - the key of two calls
        found = {key: list(group) for key, group in groupby(sorted(mutes, key=place), key=place)}
        over = {key: group for key, group in found.items() if all(_ending(mute, now) for mute in group)}
        # Their rows are gone, e.g. because a speaker had their data erased. The right must come back all the same.
        erased = {key: group for key, group in self._muted.items() if key not in found}
        self._muted = {key: group for key, group in found.items() if key not in over}
        return [self._end(group, now) for group in (*over.values(), *erased.values())]

    async def _end(self, group: list[Mute], now: float) -> None:
        """Give the right to publish back. If our bot has not been in the room for a while, the room is over."""
        last = group[-1]
        if now < self._retries.get(last.id, Retry()).at:
            return
        if self._covers(last.room):
            try:
                await self._unmute(group)
            except ServerFault:
                self._metrics.livekit_actions.labels("unmute", "failed").inc()
                self._try_later(last.id, now)
                return
        elif now < last.until + LATE_SECONDS:
            return  # perhaps another process has the room
        await asyncio.to_thread(self._lift, group, now)

    async def _unmute(self, group: list[Mute]) -> None:
        room, speaker = group[-1].room, group[-1].speaker
        # Only the first of several mutes took the right. The later ones found none to give back.
        permission = next((mute.permission for mute in group if mute.permission), None)
        if permission is None:
            return
        with suppress(AbsentError):
            await self._moderation.unmute(room, speaker, permission)
            self._metrics.livekit_actions.labels("unmute", "done").inc()
            await self._tell(room, speaker, {"id": group[-1].id, "action": "unmute"})

    def _lift(self, group: list[Mute], now: float) -> None:
        with self._database.write() as connection:
            for mute in group:
                enforcements.lift(connection, mute, _ending(mute, now) or "expired", now)

    async def _mute_again(self, room: str, identity: str) -> None:
        with suppress(AbsentError, DependencyError, *ServerFault):  # the next comparison finds them again
            group, rights = self._muted.get((room, identity)), await self._moderation.rights(room, identity)
            if not group or rights is None:
                return
            # A listener was muted, and the app has given them the right since then.
            if not any(mute.permission for mute in group):
                await asyncio.to_thread(self._write, enforcements.keep_permission, group[-1], rights)
            await self._moderation.mute(room, identity)
            if (room, identity) not in self._muted:  # the mute has ended meanwhile
                await self._moderation.unmute(room, identity, rights)

    def _write(self, change: Callable[..., None], *given: Any, **more: Any) -> None:
        with self._database.write() as connection:
            change(connection, *given, **more)

    async def _tell(self, room: str, speaker: str, notice: dict[str, Any]) -> None:
        """Tell the speaker's app. The action holds although the message may get lost."""
        with suppress(AbsentError, *ServerFault):
            await self._moderation.warn(room, speaker, notice)


def _ending(mute: Mute, now: float) -> Ending | None:
    return mute.ending or ("expired" if mute.until <= now else None)


def _notice(wanted: Enforcement) -> dict[str, Any]:
    notice = {"id": wanted.id, "action": wanted.action, "label": wanted.label}
    return notice | {"text": wanted.notice} if wanted.notice else notice


def ruled_action(flag: FlaggedSpeech, rules: Iterable[ActionRule]) -> Enforcement | None:
    """Return the action of the first rule that matches the flag; None if none does."""
    for rule in rules:
        if _matches(rule, flag):
            # The flag lists its worst label first, so this is the worst one that the rule names.
            labels = flag.act if rule.suggestion == "act" else flag.flagged
            label = next((label for label in labels if label in rule.labels or not rule.labels), "")
            return Enforcement(
                id=flag.id,
                case=flag.case,
                room=flag.room,
                speaker=flag.speaker,
                action=rule.action,
                label=label,
                asked_at=flag.stored_at,
                decided=False,
            )
    return None


def _matches(rule: ActionRule, flag: FlaggedSpeech) -> bool:
    # `review` also matches flags to block.
    if rule.suggestion == "act":
        return any(not rule.labels or label in rule.labels for label in flag.act)
    severe = SEVERITY[flag.suggestion] >= SEVERITY[rule.suggestion]
    return severe and (not rule.labels or not set(rule.labels).isdisjoint(flag.flagged))
