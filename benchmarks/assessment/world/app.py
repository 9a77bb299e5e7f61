"""The app behind the rooms: it carries out actions, takes events, and sends its ledger of rooms."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from benchmarks.assessment.facts import DAY, HOUR, Confirmed, Given, LedgerHour, StopDrill
from benchmarks.assessment.speech import NEW_ROOM_TYPE, ROOM_TYPES
from benchmarks.assessment.world.core import Process, World
from pipeline.assessment import room_hours
from pipeline.assessment.room_hours import RoomHour
from pipeline.contract.messages import Action
from pipeline.review.delivery import event_outbox
from pipeline.review.delivery.confirmations import Confirmation, confirm

SEND_SECONDS = 3 * HOUR


class SimulatedApp:
    """The app, and the webhooks' sender."""

    def __init__(self, world: World) -> None:
        self._world = world

    def carry_out(self, given: Given, action: Action) -> Process:
        """Carry out an action. Sometimes it fails at first, and sometimes the app tells nothing."""
        world, drawn = self._world, self._world.rng.random()
        if drawn < 0.12:
            return
        if drawn < 0.2:
            self._confirm(given, action, Confirmed("failed", world.now - 0.2, world.now))
            if drawn < 0.15:
                return
            yield world.now + world.rng.uniform(5, 600)
        self._confirm(given, action, Confirmed("done", world.now - world.rng.uniform(0.05, 3), world.now))

    def _confirm(self, given: Given, action: Action, told: Confirmed) -> None:
        self._tell(given.id, action, told)
        given.confirmed.append(told)

    def _tell(self, decision: str, action: Action, told: Confirmed) -> None:
        """Tell the result of an action. Sometimes the app tells it twice."""
        line = Confirmation(decision=decision, action=action, result=told.result, at=told.at, received_at=told.received)
        for _ in range(1 + (self._world.rng.random() < 0.1)):
            self._world.write(confirm, line)
        self._world.line()

    def take_events(self) -> Process:
        """The webhooks' sender works off the outbox."""
        while True:
            yield self._world.now + SEND_SECONDS
            self.take_now()

    def take_now(self) -> None:
        """Send all events that are due."""
        world = self._world
        while events := world.write(event_outbox.take, world.now, HOUR, 20, 20):
            for event in events:
                world.write(event_outbox.sent, event, world.now)
                self._told(event.kind, event.payload)

    def _told(self, kind: str, payload: dict[str, Any]) -> None:
        """Note that the app knows a decision. In a stop drill, it closes the room if it can."""
        if kind == "case.decided":
            history = self._world.history
            history.told[payload["decision"]["id"]] = self._world.now
            drill = next((one for one in history.stop_drills if payload["room"] in one.rooms), None)
            if drill and payload["room"] not in drill.broken:
                self._world.start(self._close(drill, payload["room"], payload["decision"]["id"]), self._world.now + 0.5)

    def _close(self, drill: StopDrill, room: str, decision: str) -> Process:
        yield self._world.now + self._world.rng.uniform(0.5, 5)
        told = Confirmed("done", self._world.now - 0.3, self._world.now)
        self._tell(decision, "close_room", told)
        drill.rooms[room] = told

    def keep_ledger(self) -> Process:
        """Send the ledger every day. Some hours are missing, and some lines are corrected."""
        world, rng = self._world, self._world.rng
        while True:
            yield world.now + DAY
            last = int(world.now // HOUR)
            lines = [
                LedgerHour(hour, kind, rooms, rooms * rng.uniform(300, HOUR))
                for hour in range(last - 24, last)
                if rng.random() < 0.97
                for kind in (*ROOM_TYPES, NEW_ROOM_TYPE)
                for rooms in [rng.randint(0, 5)]
            ]
            wrong = [replace(line, seconds=line.seconds / 2) for line in lines if rng.random() < 0.05]
            self._send_ledger(wrong + lines)
            world.history.ledger += lines

    def _send_ledger(self, lines: Sequence[LedgerHour]) -> None:
        sent = [RoomHour(**vars(line)) for line in lines]
        self._world.write(room_hours.store, sent, self._world.now)
