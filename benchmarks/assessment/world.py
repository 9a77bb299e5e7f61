"""Two simulated weeks of rooms, moderators, users and an app, played through the real review store.

Every change goes through the product's own functions, in the order of a simulated clock. Beside it, the world notes
what happened (`facts.py`). It also predicts what the store does with each flag, and stops if the store does otherwise.
"""

import heapq
import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import msgspec
from sqlalchemy import Connection

from benchmarks.assessment.clips import MemoryEvidence
from benchmarks.assessment.facts import (
    BEGIN,
    CHECKS,
    DAY,
    HOUR,
    LABELS,
    LEADS,
    MODERATORS,
    SEVERITIES,
    Act,
    Appealed,
    CaseFact,
    Confirmed,
    Given,
    LedgerHour,
    Reported,
    StopDrill,
    WorldEntry,
    WorldHistory,
    WorldSpeech,
    severity,
    worst,
)
from benchmarks.assessment.speech import DAYS, LAG, NEW_POLICY, OVERLOAD, ROOM_TYPES, Talk, flag, status
from pipeline.assessment import drills, register, room_hours
from pipeline.assessment.room_hours import RoomHour
from pipeline.messages import Action, Flag, SpeechStatus, Verdict
from pipeline.review import audit
from pipeline.review.accounts import accounts
from pipeline.review.appeals import appeals, reports
from pipeline.review.appeals.reports import Complaint
from pipeline.review.cases import deciding, leases
from pipeline.review.cases.ranking import Ranking
from pipeline.review.cases.values import Choice, Evidence, Outcome
from pipeline.review.database import Database
from pipeline.review.delivery import outbox
from pipeline.review.delivery.confirmations import Confirmation, confirm
from pipeline.review.evidence.store import checksum
from pipeline.review.privacy import retention
from pipeline.review.quality import checks, drawing
from pipeline.review.quality.drawing import Shares
from pipeline.review.store import SqlReviewStore
from pipeline.settings import Keep, Retention

END = BEGIN + DAYS * DAY
EXPIRY = END - 60.0
BATCH = 32
BATCH_SECONDS = 45.0
OUTAGE = BEGIN + 9 * DAY + 18 * HOUR
OUTAGE_SECONDS = HOUR
UNDO = 10.0
REPORT_SECONDS = 120.0
SHARES = Shares(second=0.12, golden=0.04)
DRAW_SECONDS = 4 * HOUR
SEND_SECONDS = 3 * HOUR
KEPT_COUNTED = 3 * DAY
RETENTION = Retention(
    open=Keep(audio_days=90, case_days=180),
    upheld=Keep(audio_days=190, case_days=365),
    dismissed=Keep(audio_days=2, case_days=4),
)
WAITS = (5_000.0, 1_500.0, 400.0, 120.0)
"""Mean seconds that a case waits for a moderator, by severity."""
ACTIONS: tuple[Action, ...] = ("warn", "mute", "remove")

STOP_DRILLS = (BEGIN + 2.4 * DAY, BEGIN + 9.2 * DAY)
REQUEST = {"authority": "网信办", "reference": "1", "legal_basis": "CSL", "approver": "lea"}
ENTRIES = (
    WorldEntry("incident", OVERLOAD, OVERLOAD + 2.5 * HOUR, {"title": "overload", "severity": "high"}),
    WorldEntry("incident", OUTAGE, OUTAGE + OUTAGE_SECONDS, {"title": "outage", "severity": "high"}),
    WorldEntry("incident", BEGIN + 12 * DAY, None, {"title": "still open", "severity": "low"}),
    WorldEntry("restore_test", BEGIN + 2 * DAY, BEGIN + 2 * DAY + HOUR, {"backup": "last night", "result": "passed"}),
    WorldEntry("restore_test", BEGIN + 11 * DAY, BEGIN + 11 * DAY + HOUR, {"backup": "last night", "result": "failed"}),
    WorldEntry("policy_change", NEW_POLICY - HOUR, NEW_POLICY + LAG, {"version": "default@2", "reason": "new terms"}),
    WorldEntry(
        "policy_change", BEGIN + 8 * DAY, BEGIN + 8 * DAY + 600, {"version": "x", "reason": "y", "emergency": True}
    ),
    WorldEntry("policy_change", BEGIN + 13 * DAY, None, {"version": "default@3", "reason": "more terms"}),
    WorldEntry(
        "authority_request",
        BEGIN + DAY,
        BEGIN + 2 * DAY,
        REQUEST | {"exports": 2, "signed": 1},
        BEGIN + 3 * DAY,
    ),
    WorldEntry("authority_request", BEGIN + 5 * DAY, BEGIN + 9 * DAY, REQUEST | {"exports": 1}, BEGIN + 6 * DAY),
    WorldEntry("authority_request", BEGIN + 11 * DAY, None, REQUEST, BEGIN + 12 * DAY),
    WorldEntry("authority_request", BEGIN + 12 * DAY, None, REQUEST),
    WorldEntry("police_report", BEGIN + 3 * DAY, BEGIN + 3.5 * DAY, {"matter": "threat"}, BEGIN + 4 * DAY),
    WorldEntry("police_report", BEGIN + 6 * DAY, BEGIN + 7.5 * DAY, {"matter": "fraud"}, BEGIN + 7 * DAY),
    WorldEntry(
        "synthetic_voice",
        BEGIN + 7 * DAY,
        None,
        {"clips": 40, "labelled": 38, "files": 5, "marked": 4},
    ),
    WorldEntry("synthetic_voice", BEGIN + 13 * DAY, None, {"clips": 10, "labelled": 10}),
)

Message = Flag | SpeechStatus
Process = Iterator[float]
"""Something that goes on in the world. It yields the time at which it goes on next."""


class UnexpectedError(Exception):
    """The store did something else than the world predicted."""


class World:
    """A world with about `utterances` utterances. The database at `url` must be empty."""

    def __init__(self, url: str, seed: int, utterances: int) -> None:
        self._url = url
        self._rng = random.Random(seed)
        self._utterances = utterances
        self._queue: list[tuple[float, int, Process]] = []
        self._started = 0
        self.now = BEGIN - DAY
        self.history = WorldHistory()
        self._by_flag: dict[str, CaseFact] = {}
        self._by_id: dict[str, CaseFact] = {}
        self._of_speaker: dict[tuple[str, str], list[CaseFact]] = {}
        self.evidence = MemoryEvidence()
        self.database = Database(url)
        self._store = self._opened()

    def close(self) -> None:
        """Close the database."""
        self.database.close()

    def play(self) -> WorldHistory:
        """Let everything happen."""
        self._hire()
        speech = Talk(self._rng, self._utterances).speech() + self._drill()
        self.history.speech = sorted(speech, key=lambda one: one.start)
        self._start(self._deliver(list(self._batches(list(self._messages(self.history.speech))))), BEGIN)
        for process in (self._draw(), self._keep_ledger(), self._mark_golden(), self._send(), self._forget()):
            self._start(process, BEGIN)
        for entry in ENTRIES:
            self._start(self._register(entry), entry.opened)
        for at in STOP_DRILLS:
            self._start(self._stop(), at)
        for _ in range(max(20, self._utterances // 130)):
            self._start(self._report(self._rng.choice(self.history.speech)), BEGIN)
        while self._queue and self._queue[0][0] < END:
            self.now, _, process = heapq.heappop(self._queue)
            if (later := next(process, None)) is not None:
                self._start(process, later)
        return self.history

    def expire(self) -> None:
        """Run the retention job shortly before the end of the world."""
        self.now = self.history.expired = EXPIRY
        due = [case for case in self.history.cases if self._over(case, RETENTION.dismissed.case_days)]
        audio = [case for case in self.history.cases if self._over(case, RETENTION.dismissed.audio_days)]
        done = retention.run(self.database, self.evidence, RETENTION, EXPIRY)
        for case in due:
            case.deleted = True
            self._line()
        for case in audio:
            if not case.deleted and case.clip is not None:
                case.clip = None
                self.history.clips_deleted += 1
                self._line()
        self._line()
        if (done.cases, done.clips) != (len(due), self.history.clips_deleted):
            raise UnexpectedError(f"retention deleted {done}, not {len(due)} cases")

    # The clock

    def _start(self, process: Process, at: float) -> None:
        self._started += 1
        heapq.heappush(self._queue, (at, self._started, process))

    def _opened(self) -> SqlReviewStore:
        return SqlReviewStore(self.database, ranking=Ranking(SEVERITIES))

    def _crash(self) -> None:
        self.database.close()
        self.database = Database(self._url)
        self._store = self._opened()

    @contextmanager
    def _write(self) -> Iterator[Connection]:
        with self.database.write() as connection:
            yield connection

    def _hire(self) -> None:
        with self._write() as connection:
            for name in MODERATORS + LEADS:
                accounts.add(connection, name, "lead" if name in LEADS else "moderator", self.now, "setup")
                self._line()

    # Speech

    def _messages(self, speech: Sequence[WorldSpeech]) -> Iterator[tuple[float, WorldSpeech, Message]]:
        """Yield the messages about all speech, with the times at which they reach the store."""
        for one in speech:
            cut = one.end + 0.2
            yield self._after_outage(cut + (10.0 if self._rng.random() < 0.02 else 0.0)), one, status(one)
            if one.lost and one.lost[0] != "segmented":
                yield self._after_outage(cut + 5.0), one, status(one, *one.lost)
            again = bool(one.lost) and self._rng.random() < 0.1 and one.lost != ("segmented", "")
            if not one.lost or again:
                wait = self._rng.choice([0.05, 0.6]) + self._rng.expovariate(0.8) + (HOUR if again else 0.0)
                yield self._after_outage(cut + wait), one, flag(one)

    def _after_outage(self, at: float) -> float:
        over = OUTAGE + OUTAGE_SECONDS
        return over + self._rng.uniform(0, 60) if OUTAGE <= at < over else at

    def _batches(
        self, messages: list[tuple[float, WorldSpeech, Message]]
    ) -> Iterator[tuple[float, list[tuple[WorldSpeech, Message]]]]:
        """Yield batches of messages in the order of their arrival, each with the time at which it is stored."""
        batch: list[tuple[float, WorldSpeech, Message]] = []
        for each in sorted(messages, key=lambda one: one[0]):
            if batch and (len(batch) == BATCH or each[0] > batch[0][0] + BATCH_SECONDS):
                yield self._batch(batch)
                batch = []
            batch.append(each)
        yield self._batch(batch)

    def _batch(
        self, batch: list[tuple[float, WorldSpeech, Message]]
    ) -> tuple[float, list[tuple[WorldSpeech, Message]]]:
        return batch[-1][0] + 0.05, [(speech, message) for _, speech, message in batch]

    def _deliver(self, batches: list[tuple[float, list[tuple[WorldSpeech, Message]]]]) -> Process:
        """Store all batches. Now and then a worker dies, and stores its last batches again."""
        for place, (at, batch) in enumerate(batches):
            yield at
            self._add(batch)
            if self._rng.random() < 0.04:
                self._start(self._redeliver(batches[max(0, place - 2) : place + 1]), at + self._rng.uniform(1, 30))

    def _redeliver(self, batches: list[tuple[float, list[tuple[WorldSpeech, Message]]]]) -> Process:
        if self._rng.random() < 0.3:
            self._crash()
        for _, batch in batches:
            self._add(batch)
        yield from ()

    def _add(self, batch: list[tuple[WorldSpeech, Message]]) -> None:
        share = audit_share(self.now)
        flags = {message.id: speech for speech, message in batch if isinstance(message, Flag)}
        drawn = {name for name, one in flags.items() if not one.drill and checks.drawn("audit", name, share)}
        outcomes = self._store.add([message for _, message in batch], self.now, drawn, share)
        for outcome in outcomes:
            self._predict(outcome, flags[outcome.flag], share)
        for speech in flags.values():
            speech.stored = self.now if speech.stored is None else speech.stored

    def _predict(self, outcome: Outcome, speech: WorldSpeech, share: float) -> None:
        """Note what one flag did to the cases. Raises UnexpectedError if the store differs."""
        if outcome.flag in self._by_flag:
            wanted = (self._by_flag[outcome.flag].id, "repeated")
        elif speech.suggestion == "pass":
            self._open(self._case(outcome.case, "audit", [speech], share))
            wanted = (outcome.case, "created")
        else:
            wanted = self._place(outcome, speech)
        if (outcome.case, outcome.result) != wanted:
            raise UnexpectedError(f"{outcome} differs from {wanted}")

    def _place(self, outcome: Outcome, speech: WorldSpeech) -> tuple[str, str]:
        """Note which case caught speech joins, by the times of the cases of its speaker."""
        near = [
            case
            for case in self._of_speaker.get((speech.room, speech.speaker), [])
            if case.end >= speech.start and case.start <= speech.end
        ]
        told = [case for case in near if not case.open and speech.start > case.start and speech.end <= case.end]
        joined = [case for case in near if case.open]
        if told:
            return self._link(told[0], speech), "linked"
        if joined:
            return self._join(joined[0], speech), "merged"
        case = self._case(outcome.case, "flagged", [speech], 1.0)
        self._of_speaker.setdefault((speech.room, speech.speaker), []).append(case)
        self._open(case)
        return case.id, "created"

    def _link(self, case: CaseFact, speech: WorldSpeech) -> str:
        case.linked.append(speech)
        self._line()
        self._by_flag[f"f{speech.number}"] = case
        return case.id

    def _join(self, case: CaseFact, speech: WorldSpeech) -> str:
        case.flags.append(speech)
        self._by_flag[f"f{speech.number}"] = case
        self._sum_up(case)
        return case.id

    def _sum_up(self, case: CaseFact) -> None:
        """Give a case the values of its worst flag."""
        lead = worst(case.flags)
        case.start, case.end = min(one.start for one in case.flags), max(one.end for one in case.flags)
        case.label, case.severity = lead.flagged[0] if lead.flagged else "", severity(lead)
        case.language, case.policy, case.suggestion = lead.language, lead.policy, lead.suggestion
        case.violates = next((one.violates for one in case.flags if one.violates), "")

    def _case(self, identity: str, kind: Any, flags: list[WorldSpeech], probability: float) -> CaseFact:
        lead = worst(flags)
        case = CaseFact(
            id=identity,
            kind=kind,
            created=self.now,
            room=lead.room,
            room_type=lead.room_type,
            speaker=lead.speaker,
            start=lead.start,
            end=lead.end,
            label="",
            severity=0,
            language="",
            policy="",
            suggestion=lead.suggestion,
            violates="",
            drill=lead.drill,
            flags=flags,
            probability=probability,
        )
        self._sum_up(case)
        for one in flags:
            self._by_flag[f"f{one.number}"] = case
        return case

    def _open(self, case: CaseFact) -> None:
        self.history.cases.append(case)
        self._by_id[case.id] = case
        if self._rng.random() < 0.92 and case.flags:
            self._attach(case)
        self._start(self._review(case), self.now)

    def _attach(self, case: CaseFact) -> None:
        """Store a clip. Some clips are damaged on disk."""
        clip = f"clip of {case.id}".encode()
        path = self.evidence.put(case.id, case.start, clip)
        self._store.attach(
            Evidence(
                path=path,
                case=case.id,
                bytes=len(clip),
                sha256=checksum(clip),
                start=case.start,
                end=case.end,
                seconds=case.end - case.start,
            )
        )
        case.clip = self._rng.random() < 0.96
        if not case.clip:
            self.evidence.put(case.id, case.start, b"damaged")

    def _drill(self) -> list[WorldSpeech]:
        """Return the marked speech of a drill: each sentence in a room of its own, and most of it is caught."""
        begin, made = BEGIN + 4 * DAY + 11 * HOUR, []
        for number in range(1_000_000, 1_000_012):
            at = begin + number % 100 * 20.0
            label = LABELS[number % len(LABELS)]
            caught = number % 6 > 0
            made.append(
                WorldSpeech(
                    number=number,
                    room=f"drill room {number}",
                    room_type="drill",
                    speaker=f"drill speaker {number}",
                    start=at,
                    end=at + 4.0,
                    language="zh",
                    confidence=0.9,
                    policy="default@1",
                    model="model-a",
                    violates=label,
                    suggestion="review" if caught else "pass",
                    flagged=(label,) if caught else (),
                    listeners=0,
                    drill="drill-1",
                )
            )
        return made

    # People

    def _review(self, case: CaseFact) -> Process:
        rng = self._rng
        if rng.random() < 0.06:
            return
        yield self.now + rng.expovariate(1 / WAITS[case.severity])
        yield self._on_duty(self.now)
        person = self._person(case)
        if person is None:
            return
        if rng.random() < 0.95:
            self._claim(case, person)
            yield self.now + rng.uniform(3, 90)
        if rng.random() < 0.04:
            self._decide(case, person, "escalate")
            yield self.now + rng.uniform(600, 5 * HOUR) if rng.random() < 0.8 else END
            if (person := self._person(case)) is None:
                return
        given = self._decide(case, person, self._verdict(case))
        if rng.random() < 0.05:
            yield self.now + rng.uniform(1, 9)
            self._undo(case, given)
            yield self.now + rng.uniform(30, 300)
            given = self._decide(case, person, self._verdict(case))
        if case.kind not in CHECKS:
            self._follow(case, given)

    def _follow(self, case: CaseFact, given: Given) -> None:
        """Start what a final decision leads to."""
        if given.action:
            self._start(self._confirm(given, given.action), self.now + UNDO + self._rng.uniform(0.5, 60))
        if given.verdict == "uphold" and case.speaker and self._rng.random() < 0.15:
            self._start(self._appeal(case, given), self.now + self._rng.uniform(0.2, 48) * HOUR)
        if case.kind == "flagged" and self._rng.random() < 0.06:
            self._start(self._tell_again(case), self.now + self._rng.uniform(30, 2 * HOUR))

    def _on_duty(self, at: float) -> float:
        """Return the next time at which moderators work. On every second night, nobody does from 2 to 6 h."""
        day, second = divmod(at - BEGIN, DAY)
        if day % 2 or not 2 * HOUR <= second < 6 * HOUR:
            return at
        return BEGIN + day * DAY + 6 * HOUR + self._rng.uniform(0, 1_800)

    def _person(self, case: CaseFact) -> str | None:
        """Return a person who had no part in a case."""
        root = case.original or case
        family = [root, *(one for one in self.history.cases if one.original is root)]
        barred = {person for one in family for person in one.deciders()}
        free = [name for name in MODERATORS + LEADS if name not in barred and (case.kind != "golden" or name != "lea")]
        return self._rng.choice(free) if free else None

    def _verdict(self, case: CaseFact) -> Verdict:
        right: Verdict = "uphold" if case.violates else "dismiss"
        wrong: Verdict = "dismiss" if case.violates else "uphold"
        return right if self._rng.random() < 0.92 else wrong

    def _claim(self, case: CaseFact, person: str) -> None:
        with self._write() as connection:
            leases.claim(connection, case.id, person, self.now)
            self._note(person, "case.claim", case)
            for viewer in (person, "leo") if self._rng.random() < 0.1 else (person,):
                audit.append(connection, self.now, viewer, "case.view", case.id)
                self._note(viewer, "case.view", case)

    def _decide(self, case: CaseFact, person: str, verdict: Verdict) -> Given:
        ordered = verdict == "uphold" and self._rng.random() < 0.8
        action = self._rng.choice(ACTIONS) if ordered else None
        label = self._rng.choice(LABELS) if verdict == "uphold" and self._rng.random() < 0.06 else None
        choice = Choice(verdict=verdict, action=action, label=label)
        with self._write() as connection:
            made = deciding.decide(connection, case.id, person, choice, self.now)
        given = Given(made.id, self.now, person, verdict, label, action)
        case.decisions.append(given)
        self._reopen(case)
        self._note(person, "case.decide", case)
        return given

    def _undo(self, case: CaseFact, given: Given) -> None:
        with self._write() as connection:
            deciding.undo(connection, given.id, given.person, self.now)
        given.undone = self.now
        self._reopen(case)
        self._note(given.person, "case.undo", case)

    def _reopen(self, case: CaseFact) -> None:
        """Speech that was linked to a decided case belongs to it when it is open again."""
        if case.open:
            case.flags, case.linked = case.flags + case.linked, []

    def _note(self, person: str, action: str, case: CaseFact) -> None:
        self.history.acts.append(Act(self.now, person, action, case.id))
        self._line()

    def _line(self) -> None:
        """Note that the audit log got a line."""
        self.history.lines.append(self.now)

    def _confirm(self, given: Given, action: Action) -> Process:
        """The app carries out an action. Sometimes it fails at first, and sometimes it tells nothing."""
        drawn = self._rng.random()
        if drawn < 0.12:
            return
        if drawn < 0.2:
            self._tell(given, action, Confirmed("failed", self.now - 0.2, self.now))
            if drawn < 0.15:
                return
            yield self.now + self._rng.uniform(5, 600)
        self._tell(given, action, Confirmed("done", self.now - self._rng.uniform(0.05, 3), self.now))

    def _tell(self, given: Given, action: Action, told: Confirmed) -> None:
        line = Confirmation(decision=given.id, action=action, result=told.result, at=told.at, received_at=told.received)
        with self._write() as connection:
            confirm(connection, line)
        given.confirmed.append(told)
        self._line()

    def _appeal(self, case: CaseFact, given: Given) -> Process:
        if case.last(self.now) is not given:
            return
        with self._write() as connection:
            lodged, _ = appeals.lodge(connection, case.id, case.speaker, "I did not say that", self.now, UNDO)
        appealed = Appealed(self.now, given)
        case.appeals.append(appealed)
        self._line()
        yield self.now + self._rng.expovariate(1 / (10 * HOUR))
        again = self._rng.random() < 0.1
        for _ in range(1 + again):
            person = self._person(case)
            if person is None:
                return
            settled = self._settle(case, appealed, lodged.id, person)
            if again and settled.undone is None and len(case.decisions) < 4:
                yield self.now + self._rng.uniform(1, 9)
                self._undo(case, settled)
                yield self.now + self._rng.uniform(60, 5 * HOUR)

    def _settle(self, case: CaseFact, appealed: Appealed, identity: str, person: str) -> Given:
        verdict: Verdict = "dismiss" if self._rng.random() < 0.35 else "uphold"
        with self._write() as connection:
            made = appeals.settle(connection, identity, person, Choice(verdict=verdict), self.now, UNDO)
        given = Given(made.id, self.now, person, verdict)
        case.decisions.append(given)
        appealed.settlements.append(given)
        self._note(person, "appeal.settle", case)
        return given

    def _tell_again(self, case: CaseFact) -> Process:
        """The same speech is cut and judged once more, under new ids."""
        if case.open:
            return
        first = case.flags[0]
        fields = {**vars(first), "number": len(self.history.speech) + 2_000_000, "start": first.start + 0.05}
        again = WorldSpeech(**fields | {"stored": None})
        self.history.speech.append(again)
        self._add([(again, status(again)), (again, flag(again))])
        yield from ()

    def _report(self, about: WorldSpeech) -> Process:
        """A user reports speech, more often if it is bad. Others may report it too."""
        if about.drill or (not about.violates and self._rng.random() < 0.3):
            about = self._rng.choice([one for one in self.history.speech if one.violates and not one.drill])
        yield about.end + self._rng.uniform(2, 200)
        speaker = "" if self._rng.random() < 0.1 else about.speaker
        for number in range(self._rng.choice([1, 1, 1, 2, 3])):
            self._file(about, speaker, f"user {self._rng.randrange(10**9)}")
            if number < 3:
                yield self.now + self._rng.uniform(1, 20)

    def _file(self, about: WorldSpeech, speaker: str, reporter: str) -> None:
        label = about.violates or self._rng.choice(LABELS)
        moment = about.end + 1.0
        complaint = Complaint(room=about.room, speaker=speaker, reporter=reporter, label=label, at=moment)
        with self._write() as connection:
            report, _ = reports.file(connection, complaint, self.now, Ranking(SEVERITIES), REPORT_SECONDS)
        joined = self._reported(about.room, speaker, moment)
        if joined is None:
            joined = self._reported_case(report.case, about, speaker, label, moment)
            self._open(joined)
        elif joined.id != report.case:
            raise UnexpectedError(f"report {report.id} joined case {report.case}, not {joined.id}")
        self._line()
        self._raise(joined, label, moment)
        if report.audio == "waiting":
            found = self._rng.random() < 0.85
            self._store.finish_search(report, [about.speaker] if found else [])
            joined.heard = joined.heard or found
        joined.reports.append(Reported(self.now, about.room, speaker, moment, label))

    def _reported(self, room: str, speaker: str, moment: float) -> CaseFact | None:
        fitting = [
            case
            for case in self.history.cases
            if case.kind == "report" and (case.room, case.speaker) == (room, speaker) and case.open
            if moment - 2 * REPORT_SECONDS <= case.start <= moment
        ]
        return min(fitting, key=lambda case: case.created, default=None)

    def _raise(self, case: CaseFact, label: str, moment: float) -> None:
        if SEVERITIES.get(label, 1) > case.severity:
            case.label, case.severity = label, SEVERITIES.get(label, 1)
        case.end = max(case.end, moment)

    def _reported_case(self, identity: str, about: WorldSpeech, speaker: str, label: str, moment: float) -> CaseFact:
        return CaseFact(
            id=identity,
            kind="report",
            created=self.now,
            room=about.room,
            room_type="default",
            speaker=speaker,
            start=moment - REPORT_SECONDS,
            end=moment,
            label=label,
            severity=SEVERITIES.get(label, 1),
            language="",
            policy="report",
            suggestion="review",
            violates=about.violates,
        )

    # The console's and the app's regular work

    def _draw(self) -> Process:
        """Draw second opinions, third opinions and golden cases every few hours."""
        while True:
            yield self.now + DRAW_SECONDS
            with self._write() as connection:
                made = drawing.draw(connection, self.evidence, self.now, SHARES, UNDO)
                drawn = [check for case in made if (check := checks.of(connection, case))]
            for check in drawn:
                original = self._by_id[check.original or ""]
                self._open(self._copy(check.case_id, check.kind, original, check.probability))

    def _copy(self, identity: str, kind: Any, original: CaseFact, probability: float) -> CaseFact:
        later = self.now - original.created if kind == "golden" else 0.0
        fields = {**vars(original), "id": identity, "kind": kind, "created": self.now, "original": original}
        fields |= {"start": original.start + later, "end": original.end + later, "probability": probability}
        for name in ("flags", "linked", "decisions", "appeals", "reports"):
            fields[name] = []
        return CaseFact(**fields)

    def _mark_golden(self) -> Process:
        for day in (1.5, 4.5):
            yield BEGIN + day * DAY
            fitting = [
                case for case in self.history.cases if case.kind == "flagged" and not case.open and not case.drill
            ]
            for case in self._rng.sample(fitting, min(4, len(fitting))):
                with self._write() as connection:
                    right: Verdict = "uphold" if case.violates else "dismiss"
                    checks.mark_golden(connection, case.id, "lea", right, self.now)

    def _keep_ledger(self) -> Process:
        """The app sends its ledger every day. Some hours are missing, and some lines are corrected."""
        while True:
            yield self.now + DAY
            last = int(self.now // HOUR)
            lines = [
                LedgerHour(hour, kind, rooms, rooms * self._rng.uniform(300, HOUR))
                for hour in range(last - 24, last)
                if self._rng.random() < 0.97
                for kind in ROOM_TYPES
                for rooms in [self._rng.randint(0, 5)]
            ]
            wrong = [replace(line, seconds=line.seconds / 2) for line in lines if self._rng.random() < 0.05]
            self._send_ledger(wrong + lines)
            self.history.ledger += lines

    def _send_ledger(self, lines: Sequence[LedgerHour]) -> None:
        with self._write() as connection:
            room_hours.store(connection, [RoomHour(**vars(line)) for line in lines], self.now)

    def _register(self, entry: WorldEntry) -> Process:
        """Somebody registers an entry when it begins, and closes it when it is over."""
        self.history.register.append(entry)
        with self._write() as connection:
            made = register.add(connection, entry.kind, entry.fields, "lea", self.now, due_at=entry.due)
        self._line()
        if entry.closed is not None:
            yield entry.closed
            with self._write() as connection:
                register.close(connection, made.id, "lea", self.now)
            self._line()

    def _stop(self) -> Process:
        """Order a stop drill. The app gets its events at once."""
        rooms = [f"test room {len(self.history.drills)}-{number}" for number in range(4)]
        with self._write() as connection:
            drills.order_stop(connection, rooms, "lea", self.now)
        self.history.drills.append(StopDrill(self.now, dict.fromkeys(rooms)))
        for room in rooms:
            self.history.acts.append(Act(self.now, "lea", "case.decide", room))
            self._line()
        self._line()
        self._send_now()
        yield from ()

    def _send(self) -> Process:
        """The webhooks' sender works off the outbox."""
        while True:
            yield self.now + SEND_SECONDS
            self._send_now()

    def _send_now(self) -> None:
        while True:
            with self._write() as connection:
                if not (events := outbox.take(connection, self.now, HOUR, limit=20, retries=20)):
                    return
                for event in events:
                    outbox.sent(connection, event)
                    self._told(event.kind, event.payload)

    def _told(self, kind: str, payload: dict[str, Any]) -> None:
        """Note that the app knows a decision. In a stop drill, it closes the room, but not always."""
        if kind == "case.decided":
            self.history.told.add(payload["decision"]["id"])
            drill = next((one for one in self.history.drills if payload["room"] in one.rooms), None)
            if drill and (len(self.history.drills) > 1 or not payload["room"].endswith("3")):
                self._start(self._close(drill, payload["room"], payload["decision"]["id"]), self.now + 0.5)

    def _close(self, drill: StopDrill, room: str, decision: str) -> Process:
        yield self.now + self._rng.uniform(0.5, 5)
        told = Confirmed("done", self.now - 0.3, self.now)
        with self._write() as connection:
            line = {"decision": decision, "action": "close_room", "result": "done", "at": told.at}
            confirm(connection, msgspec.convert(line | {"received_at": told.received}, Confirmation))
        drill.rooms[room] = told
        self._line()

    def _forget(self) -> Process:
        while True:
            yield self.now + DAY
            self._store.forget_counted(self.now - KEPT_COUNTED)

    def _over(self, case: CaseFact, days: float) -> bool:
        """Tell whether retention deletes a part of a case: it is dismissed, `days` old, and has no open appeal."""
        before = EXPIRY - days * DAY
        kept = [one for one in case.decisions if one.undone is None]
        last = max((one.at for one in case.decisions), default=case.created)
        waits = any(appeal.waits for appeal in case.appeals)
        return bool(kept) and kept[-1].verdict == "dismiss" and max(case.created, last) < before and not waits


def audit_share(at: float) -> float:
    """Return the share of passed speech that is drawn for audits. The operator changed it."""
    return 0.03 if at < NEW_POLICY else 0.08
