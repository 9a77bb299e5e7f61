"""The deliver stage: it stores flags in the review store, and cuts a clip of the speech for each case.

It stores the case first, and the clip after it. A crash between the two leaves a case without a clip. Then the flag
arrives again, and its case gets the clip.
"""

import time
from collections.abc import Callable, Sequence
from typing import get_args

from pipeline.errors import BadMessage
from pipeline.messages import Flag
from pipeline.metrics import Metrics, from_zero
from pipeline.review.cases.values import Outcome, Result, check
from pipeline.review.evidence.clip import ClipCutter
from pipeline.review.evidence.log import UtteranceLog
from pipeline.review.evidence.report_clips import ReportCutter
from pipeline.review.evidence.store import EvidenceFolder, EvidenceStore
from pipeline.review.quality.checks import drawn
from pipeline.review.store import ReviewStore, open_store
from pipeline.settings import Settings
from pipeline.stage import Processor, Rejected


class Deliver(Processor[Flag, Outcome]):
    """Stores flags to review or block. Of the passed flags it draws the share `audit_share` (0 to 1) for audit.

    `preroll` is the speech before a case that its clip contains, in seconds. `clock` returns UTC seconds.
    """

    def __init__(
        self,
        store: ReviewStore,
        evidence: EvidenceStore,
        log: UtteranceLog,
        metrics: Metrics,
        preroll: float,
        clock: Callable[[], float] = time.time,
        audit_share: float = 0.0,
    ) -> None:
        self._store = store
        self._log = log
        self._cutter = ClipCutter(store, evidence, log, preroll)
        self._reports = ReportCutter(store, evidence, log)
        self._metrics = metrics
        self._clock = clock
        self._audit_share = audit_share
        from_zero(metrics.cases, (*get_args(Result), "passed", "audit"))

    def process(self, batch: Sequence[Flag]) -> list[Outcome | Rejected]:
        checked = [_checked(flag) for flag in batch]
        flagged = [flag for flag in checked if isinstance(flag, Flag) and flag.suggestion != "pass"]
        outcomes = self._store.add(flagged, self._clock())
        self._count(flagged, outcomes)
        audits = self._audit([flag for flag in checked if isinstance(flag, Flag) and flag.suggestion == "pass"])
        # A linked flag cuts no clip: a decided case keeps the clip that the moderator heard.
        unlinked = [outcome for outcome in (*outcomes, *audits) if outcome.result != "linked"]
        fresh = {outcome.flag for outcome in unlinked if outcome.result != "repeated"}
        for case in dict.fromkeys(outcome.case for outcome in unlinked):
            self._metrics.evidence_missing.inc(self._cutter.cut(case, fresh))
        stored = iter(outcomes)
        return [
            flag if isinstance(flag, Rejected) else next(stored)
            for flag in checked
            if isinstance(flag, Rejected) or flag.suggestion != "pass"
        ]

    def tick(self, now: float) -> list[Outcome | Rejected]:
        self._log.expire(now)
        self._reports.run(now)
        return []

    def close(self) -> None:
        self._store.close()
        self._log.close()

    def _audit(self, passed: Sequence[Flag]) -> list[Outcome]:
        taken = [flag for flag in passed if drawn("audit", flag.id, self._audit_share)]
        self._metrics.cases.labels("passed").inc(len(passed) - len(taken))
        self._metrics.cases.labels("audit").inc(len(taken))
        return self._store.audit(taken, self._audit_share, self._clock())

    def _count(self, flagged: Sequence[Flag], outcomes: Sequence[Outcome]) -> None:
        for flag, outcome in zip(flagged, outcomes, strict=True):
            self._metrics.cases.labels(outcome.result).inc()
            if outcome.result in {"created", "merged"}:
                self._metrics.speech_to_flag.observe(max(0.0, self._clock() - flag.end))


def build(settings: Settings, metrics: Metrics, log: UtteranceLog) -> Deliver:
    """Build the stage from the settings. It reads audio from `log`, and its `close` closes `log`."""
    return Deliver(
        open_store(settings),
        EvidenceFolder(settings.data_dir / "evidence"),
        log,
        metrics,
        settings.store.preroll_seconds,
        audit_share=settings.quality.audit_share,
    )


def _checked(flag: Flag) -> Flag | Rejected:
    try:
        check(flag)
    except BadMessage as error:
        return Rejected(flag, error)
    return flag
