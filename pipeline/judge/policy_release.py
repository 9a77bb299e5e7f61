"""A release: what all running judges are to use. The policy studio makes one, and each judge follows the newest."""

import dataclasses
import logging
import os
import socket
import time
from collections.abc import Callable
from threading import Event, Thread
from typing import Protocol

from msgspec import Struct
from msgspec.structs import replace

from pipeline.base.errors import DependencyError, VoxwardenError
from pipeline.base.metrics import Metrics
from pipeline.judge.judge_stage import JudgeConfig, read_config
from pipeline.judge.rule_texts import RuleTexts, compiled
from pipeline.settings import Settings

FOLLOW_SECONDS = 2.0
"""Seconds between two looks for a newer release."""
REPORT_SECONDS = 15.0
"""Seconds between two reports of a judge that uses the same release."""
MAX_SHADOWS = 2
"""More shadow policies would make a release too large for a record of Kafka's default size."""

log = logging.getLogger(__name__)


class MarkedTexts(Struct, frozen=True):
    """The texts of one policy. `mark` becomes the part of its version after the `@`: `7`, or `draft-3-1a2b3c4d`."""

    mark: str
    texts: RuleTexts


class Release(Struct, frozen=True):
    """What judges use. A later release has a higher edition."""

    edition: int
    live: MarkedTexts | None = None
    """None: no version is published, and each judge uses the files of its settings."""
    shadows: tuple[MarkedTexts, ...] = ()


class ShadowCount(Struct, frozen=True):
    """What a shadow policy has suggested in one judge."""

    mark: str
    since: float
    """When this judge began to count, in UTC seconds."""
    judged: int = 0
    """Utterances."""
    flagged: int = 0
    """How many of them led to a review or a block."""
    differ: int = 0
    """For how many of them the live policy suggests something else."""


class JudgeReport(Struct, frozen=True):
    """What a running judge uses."""

    worker: str
    edition: int
    policy: str
    """The version that its flags name."""
    since: float
    """When it began to use it, in UTC seconds."""
    at: float
    """The time of this report."""
    problem: str = ""
    """Why it could not use the newest release. Then it goes on with the one before."""
    shadows: tuple[ShadowCount, ...] = ()
    """The shadow policies of its release."""


def rules_of(files: JudgeConfig, release: Release) -> JudgeConfig:
    """Return the rules of a release. The settings' `files` have what it lacks. Raises ConfigError."""
    shadows = tuple(compiled(each.texts, files.labels, each.mark) for each in release.shadows)
    made = dataclasses.replace(files, shadows=(*files.shadows, *shadows))
    if release.live is None:
        return made
    live = compiled(release.live.texts, files.labels, release.live.mark)
    return dataclasses.replace(made, matcher=live.matcher, policy=live.policy)


class ReleaseSource(Protocol):
    """Where a judge finds the newest release: Kafka's topic, or the store. Used by one thread at a time."""

    def newest(self) -> Release | None:
        """Return the newest release; None if nothing was ever published.

        Raises DependencyError if it cannot be read now, and another VoxwardenError if it makes no sense.
        """

    def report(self, report: JudgeReport) -> None:
        """Tell the studio what this judge uses. Raises DependencyError if that fails."""

    def close(self) -> None: ...


class FollowedRules:
    """The rules of the newest usable release. Until there is one, the rules of the settings' files.

    A thread looks for a newer release every `seconds`, and compiles it. So the judge only swaps a reference. `clock`
    returns UTC seconds. The constructor reads the newest release. It raises ConfigError for wrong files, and
    DependencyError if the source does not answer.
    """

    def __init__(
        self,
        settings: Settings,
        source: ReleaseSource,
        metrics: Metrics,
        seconds: float = FOLLOW_SECONDS,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._files = self._config = read_config(settings.judge)
        self._source, self._metrics, self._seconds, self._clock = source, metrics, seconds, clock
        self._edition, self._problem = 0, ""
        self._looked_at: Release | None = None
        self._since, self._reported = clock(), -REPORT_SECONDS
        self._shadows: dict[str, tuple[str, ShadowCount]] = {}
        """For each mark, the version that the metrics name, and what they had counted when it began."""
        self._worker = f"{settings.kafka.instance or socket.gethostname()}-{os.getpid()}"
        self._over, self._answers = Event(), True
        self._take()
        self._thread = Thread(target=self._follow, name="policies", daemon=True)
        self._thread.start()

    def now(self) -> JudgeConfig:
        return self._config

    def close(self) -> None:
        self._over.set()
        self._thread.join()
        self._source.close()

    def _follow(self) -> None:
        while True:
            self._look()
            if self._over.wait(self._seconds):  # `close` ends the wait at once
                return

    def _look(self) -> None:
        """Look for a newer release once, and report. No error ends the thread: the judge keeps what it has."""
        try:
            self._take()
            self._report()
            self._answers = True
        except DependencyError as error:
            if self._answers:  # one line for each outage
                log.warning("policies: the newest release is unknown: %s", error)
            self._answers = False
        except Exception:
            log.exception("policies: the look for a newer release failed")

    def _take(self) -> None:
        try:
            release = self._source.newest()
        except DependencyError:
            raise
        except VoxwardenError as error:
            self._looked_at = None  # the release before it may come back
            if str(error) != self._problem:  # it may come at each look
                self._refuse(error)
            return
        if release is None or release == self._looked_at:
            return
        self._looked_at = release
        try:
            self._use(release)
        except Exception as error:
            self._refuse(error)

    def _use(self, release: Release) -> None:
        made = rules_of(self._files, release)
        shadows = made.shadows[len(self._files.shadows) :]
        self._shadows = {  # before the judge uses them, so that no utterance is missed
            each.mark: self._shadows.get(each.mark) or self._begun(each.mark, rules.policy.version)
            for each, rules in zip(release.shadows, shadows, strict=True)
        }
        self._config, self._edition, self._problem, self._since = made, release.edition, "", self._clock()
        self._metrics.policy_edition.set(release.edition)
        self._metrics.policy_refused.set(0)
        self._reported = -REPORT_SECONDS  # report at once
        log.info("policies: edition %d, %s judges from the next batch on", release.edition, made.policy.version)

    def _refuse(self, error: Exception) -> None:
        """Keep the last good rules."""
        problem = str(error) if isinstance(error, VoxwardenError) else f"an unexpected {type(error).__name__}"
        self._problem, self._reported = problem, -REPORT_SECONDS
        self._metrics.policy_refusals.inc()
        self._metrics.policy_refused.set(1)
        log.error("policies: a release cannot be used, so %s goes on: %s", self._config.policy.version, problem)

    def _report(self) -> None:
        now = self._clock()
        if now - self._reported < REPORT_SECONDS:
            return
        made = JudgeReport(self._worker, self._edition, self._config.policy.version, self._since, now)
        counts = tuple(self._count(version, before) for version, before in self._shadows.values())
        self._source.report(replace(made, problem=self._problem, shadows=counts))
        self._reported = now

    def _begun(self, mark: str, version: str) -> tuple[str, ShadowCount]:
        return version, self._count(version, ShadowCount(mark, self._clock()))

    def _count(self, version: str, before: ShadowCount) -> ShadowCount:
        """Return what the metrics have counted for a shadow policy since `before`."""
        # The metrics count since the process began, so what they had counted before is taken off.
        judged, flagged, differ = -before.judged, -before.flagged, -before.differ
        [metric] = self._metrics.shadow_flags.collect()
        for sample in metric.samples:
            if sample.labels["policy"] == version and sample.name.endswith("_total"):
                count = int(sample.value)
                judged += count
                flagged += count * (sample.labels["suggestion"] != "pass")
                differ += count * (sample.labels["agrees"] == "no")
        return replace(before, judged=judged, flagged=flagged, differ=differ)
