"""The deliver stage: it counts all speech, stores flags in the review store, and cuts a clip for each case.

It stores the case first, and the clip after it. A crash between the two leaves a case without a clip. Then the flag
arrives again, and its case gets the clip. While the store of the clips is away, cases come without their clips, which
are cut when it is back.
"""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from typing import get_args

from pipeline.base.errors import BadMessage
from pipeline.base.metrics import Metrics, from_zero
from pipeline.contract.messages import SAMPLE_RATE, Flag, SecondReading, SpeechStatus
from pipeline.contract.speech_status import status_of
from pipeline.contract.stage import Processor, Rejected
from pipeline.contract.topology import DELIVER
from pipeline.judge.reader.second_reading import flag_of
from pipeline.review.cases.case_values import Outcome, Result, check_storable
from pipeline.review.delivery.speech_tallies import Tally
from pipeline.review.evidence.clip_cutting import READ_SECONDS, ClipCutter, ReportCutter
from pipeline.review.evidence.evidence_store import EvidenceOutage, open_evidence
from pipeline.review.evidence.lookback import UtteranceLog
from pipeline.review.quality import quality_checks
from pipeline.review.review_store import ReviewStore, open_store
from pipeline.settings import Settings
from pipeline.speech.load_shedding import OTHER, Valve

FORGET_EVERY_SECONDS = 3_600.0

COUNTED = ("segmented", "monitored", "skipped", "failed")
"""The measures of the tallies that the metric `voxwarden_counted_seconds_total` shows."""


Delivered = Flag | SecondReading | SpeechStatus


class Deliver(Processor[Delivered, Outcome]):
    """Stores flags to review or block, and second readings as flags of their own.

    Of the passed flags it draws the share `audit_share` (0 to 1) for audit. `clock` returns UTC seconds. The ids of
    counted speech are kept for `keep_counted` seconds: as long as a message may be delivered again. The metrics know
    only these `room_types`; the others count as `other`. `timer` returns seconds that never go back.
    """

    def __init__(
        self,
        store: ReviewStore,
        outage: EvidenceOutage,
        log: UtteranceLog,
        metrics: Metrics,
        clock: Callable[[], float] = time.time,
        audit_share: float = 0.0,
        keep_counted: float = math.inf,
        room_types: Sequence[str] = (OTHER,),
        timer: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._log = log
        self._outage = outage
        self._cutter = ClipCutter(store, outage, log)
        self._reports = ReportCutter(store, outage, log)
        self._timer = timer
        self._metrics = metrics
        self._clock = clock
        self._audit_share = audit_share
        self._keep_counted = keep_counted
        self._forgot = -math.inf
        """When ids were last forgotten, in UTC seconds."""
        self._room_types = frozenset(room_types)
        from_zero(metrics.counted_seconds, room_types, COUNTED)
        from_zero(metrics.cases, (*get_args(Result), "passed", "audit"))

    def process(self, batch: Sequence[Delivered]) -> list[Outcome | Rejected]:
        checked = self._standing([_checked(message) for message in batch])
        good = [message for message in checked if not isinstance(message, Rejected)]
        flags = [message for message in good if isinstance(message, Flag)]
        passed = [flag for flag in flags if flag.suggestion == "pass"]
        # A released flag repeats speech that was withheld. The withheld flag was drawn or not, once.
        heard = [flag for flag in flags if flag.source == "words" and not (flag.drill or flag.released or flag.early)]
        drawn = {flag.id for flag in heard if quality_checks.drawn("audit", flag.id, self._audit_share)}
        outcomes = self._store.add(
            [*good, *_failed(checked)], self._clock(), drawn, self._audit_share, self._count_speech
        )
        self._metrics.events_dropped.inc(self._store.limit_events())
        self._metrics.cases.labels("passed").inc(sum(flag.id not in drawn for flag in passed))
        self._count({flag.id: flag for flag in flags}, outcomes)
        self._cut_clips(outcomes)
        # The store returns one outcome for each flag to review or block, in order. The audits come after them.
        stored = iter(outcomes)
        return [
            message if isinstance(message, Rejected) else next(stored)
            for message in checked
            if isinstance(message, Rejected) or (isinstance(message, Flag) and message.suggestion != "pass")
        ]

    def _standing(self, checked: list[Flag | SpeechStatus | Rejected]) -> list[Flag | SpeechStatus | Rejected]:
        flags = iter(self._store.standing([message for message in checked if isinstance(message, Flag)]))
        return [next(flags) if isinstance(message, Flag) else message for message in checked]

    def tick(self, now: float) -> list[Outcome | Rejected]:
        self._log.expire(now)
        self._cut_awaited(now)
        self._reports.run(now)
        if now - self._forgot >= FORGET_EVERY_SECONDS:
            self._store.forget_counted(now - self._keep_counted)
            self._forgot = now
        return []

    def close(self) -> None:
        self._outage.close()
        self._store.close()
        self._log.close()

    def _cut_clips(self, outcomes: Sequence[Outcome]) -> None:
        # A linked flag cuts no clip: a decided case keeps the clip that the moderator heard.
        unlinked = [outcome for outcome in outcomes if outcome.result not in {"linked", "muted"}]
        fresh = {outcome.flag for outcome in unlinked if outcome.result != "repeated"}
        for case in dict.fromkeys(outcome.case for outcome in unlinked):
            self._metrics.evidence_missing.inc(self._cutter.cut(case, fresh, self._clock()))
            self.worked()

    def _cut_awaited(self, now: float) -> None:
        """Cut awaited clips, for a few seconds: new flags must not wait."""
        until = self._timer() + READ_SECONDS
        while self._timer() < until and (missing := self._cutter.cut_awaited(now)) is not None:
            self._metrics.evidence_missing.inc(missing)
            self.worked()

    def _count_speech(self, tally: Tally) -> None:
        for cell, (_, samples) in tally.changes:
            if cell.measure in COUNTED and samples > 0:
                room_type = cell.room_type if cell.room_type in self._room_types else OTHER
                self._metrics.counted_seconds.labels(room_type, cell.measure).inc(samples / SAMPLE_RATE)

    def _count(self, flags: Mapping[str, Flag], outcomes: Sequence[Outcome]) -> None:
        muted = {outcome.flag for outcome in outcomes if outcome.result == "muted"}
        for outcome in outcomes:
            flag = flags[outcome.flag]
            audited = outcome.result != "muted" and (flag.suggestion == "pass" or flag.id in muted)
            self._metrics.cases.labels("audit" if audited else outcome.result).inc()
            if not audited and outcome.result in {"created", "merged"} and flag.source != "reader":
                self._metrics.speech_to_flag.observe(max(0.0, self._clock() - flag.end))


def build(settings: Settings, metrics: Metrics, log: UtteranceLog) -> Deliver:
    """Build the stage from the settings. It reads audio from `log`, and its `close` closes `log`.

    Raises DependencyError if the database does not answer, ConfigError if the store of the clips is set up wrongly. If
    that store does not answer, cases come without their clips.
    """
    outage = EvidenceOutage(open_evidence(settings))
    outage.ask()
    return Deliver(
        open_store(settings),
        outage,
        log,
        metrics,
        audit_share=settings.quality.audit_share,
        # A day more, because Kafka deletes whole segments, some time after their retention.
        keep_counted=settings.kafka.longest_retention_seconds + 86_400,
        room_types=Valve(settings.overload).kinds,
    )


def _checked(message: Delivered) -> Flag | SpeechStatus | Rejected:
    stored = flag_of(message) if isinstance(message, SecondReading) else message
    try:
        check_storable(stored)
    except BadMessage as error:
        return Rejected(message, error)
    return stored


def _failed(checked: Sequence[Flag | SpeechStatus | Rejected]) -> list[SpeechStatus]:
    """Return the statuses of the flags that cannot be stored. A flag whose fields cannot be counted has none."""
    flags = [each.message for each in checked if isinstance(each, Rejected) and isinstance(each.message, Flag)]
    whole = [flag for flag in flags if flag.source == "words" and not flag.early]
    statuses = [_checked(status_of(flag, "failed", DELIVER.name)) for flag in whole]
    return [status for status in statuses if isinstance(status, SpeechStatus)]
