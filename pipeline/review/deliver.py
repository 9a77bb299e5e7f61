"""The deliver stage: flags into the review store, and the speech they are about into a clip beside it.

The case is stored first, the clip after it. A crash between the two leaves a case without a clip; the flag comes
again, is known, and its case gets the clip then.
"""

import time
from collections.abc import Callable, Sequence

from pipeline.errors import BadMessage
from pipeline.messages import Flag
from pipeline.metrics import Metrics
from pipeline.review.cases import Outcome, check
from pipeline.review.clip import Cutter
from pipeline.review.evidence import EvidenceFolder, EvidenceStore
from pipeline.review.log import UtteranceLog
from pipeline.review.lookback import Lookback, open_lookback
from pipeline.review.store import ReviewStore, open_store
from pipeline.settings import Settings
from pipeline.stage import Processor, Rejected


class Deliver(Processor[Flag, Outcome]):
    """Keeps what is not passed. `preroll` is in seconds; `clock` gives UTC seconds."""

    def __init__(
        self,
        store: ReviewStore,
        evidence: EvidenceStore,
        log: UtteranceLog,
        metrics: Metrics,
        preroll: float,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._store = store
        self._log = log
        self._cutter = Cutter(store, evidence, log, preroll)
        self._metrics = metrics
        self._clock = clock

    def process(self, batch: Sequence[Flag]) -> list[Outcome | Rejected]:
        checked = [_checked(flag) for flag in batch]
        kept = [flag for flag in checked if isinstance(flag, Flag) and flag.suggestion != "pass"]
        outcomes = self._store.add(kept, self._clock())
        self._count(kept, outcomes)
        self._metrics.cases.labels("passed").inc(sum(isinstance(f, Flag) and f.suggestion == "pass" for f in checked))
        fresh = {outcome.flag for outcome in outcomes if outcome.result != "repeated"}
        for case in dict.fromkeys(outcome.case for outcome in outcomes):
            self._metrics.evidence_missing.inc(self._cutter.cut(case, fresh))
        stored = iter(outcomes)
        return [
            flag if isinstance(flag, Rejected) else next(stored)
            for flag in checked
            if isinstance(flag, Rejected) or flag.suggestion != "pass"
        ]

    def tick(self, now: float) -> list[Outcome | Rejected]:
        if isinstance(self._log, Lookback):
            self._log.expire(now)
        return []

    def close(self) -> None:
        self._store.close()

    def _count(self, kept: Sequence[Flag], outcomes: Sequence[Outcome]) -> None:
        for flag, outcome in zip(kept, outcomes, strict=True):
            self._metrics.cases.labels(outcome.result).inc()
            if outcome.result != "repeated":
                self._metrics.speech_to_flag.observe(max(0.0, self._clock() - flag.end))


def build(settings: Settings, metrics: Metrics, log: UtteranceLog | None = None) -> Deliver:
    """The stage as the settings have it; without a `log` it reads the look-back under `data_dir`."""
    return Deliver(
        open_store(settings),
        EvidenceFolder(settings.data_dir / "evidence"),
        log or open_lookback(settings),
        metrics,
        settings.store.preroll_seconds,
    )


def _checked(flag: Flag) -> Flag | Rejected:
    try:
        check(flag)
    except BadMessage as error:
        return Rejected(flag, error)
    return flag
