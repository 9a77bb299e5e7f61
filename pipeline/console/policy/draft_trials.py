"""Tries sentences and runs backtests of drafts, beside the console's other work.

One classifier is loaded at its first use. One thread runs one backtest at a time, and each is bounded in time.
"""

import logging
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from threading import Event, Lock
from typing import Protocol

from msgspec import Struct

from pipeline.base.errors import DependencyError, VoxwardenError
from pipeline.contract.messages import Flag, Suggestion, Transcript
from pipeline.judge.classifier import Classifier, load_classifier
from pipeline.judge.detection import Detection, score_readings
from pipeline.judge.flagger import Flagger
from pipeline.judge.labels import Labels, Severity
from pipeline.judge.policy_comparison import Backtest
from pipeline.judge.rule_remarks import RuleRemark, remarks
from pipeline.judge.rule_texts import RuleSet, RuleTexts, compiled
from pipeline.judge.text_transcripts import as_transcript
from pipeline.review.database import Database
from pipeline.review.policies import backtests, drafts, trial, versions
from pipeline.review.policies.backtests import BacktestResult, EndState, SpeechChange, StoredBacktest
from pipeline.review.policies.trial import TrialStopped
from pipeline.settings import Settings

CASES_SECONDS = 180.0  # a backtest judges cases for at most this long
SPEECH_SECONDS = 120.0  # a backtest judges speech for at most this long
BEAT_SECONDS = 1.0  # pause between two writes of the progress, which also prove that the backtest still runs
TOP_SCORES = 3  # the labels with the highest scores are always shown

log = logging.getLogger(__name__)


class RecentSpeech(Protocol):
    """Reads the transcripts of the last hours, where they exist."""

    def read(self, since: float, most: int) -> tuple[int, Iterator[Transcript]]:
        """Return how many were written since `since` (UTC seconds), and at most about `most` of them, drawn by chance.

        Raises DependencyError.
        """


class ScoreRow(Struct, frozen=True):
    """A label's score beside its limits. None: `never`."""

    label: str
    score: float
    review: float | None
    block: float | None
    suggestion: Suggestion


class TermRow(Struct, frozen=True):
    """A term in the text, and what its level leads to."""

    term: str
    label: str
    level: Severity
    suggestion: Suggestion


class SentenceVerdict(Struct, frozen=True):
    """The verdict about a sentence, and the rules that led to it."""

    flag: Flag
    scores: tuple[ScoreRow, ...]
    """The highest scores, and all scores that reach a limit."""
    terms: tuple[TermRow, ...]
    risk: ScoreRow
    """The raised risk beside its limits."""


class DraftTrials:
    """Judges with texts that are not live. `clock` returns UTC seconds.

    Without `speech`, a backtest only judges cases again.
    """

    def __init__(
        self,
        settings: Settings,
        database: Database,
        labels: Labels,
        clock: Callable[[], float],
        speech: RecentSpeech | None = None,
    ) -> None:
        self._settings, self._database, self._labels, self._clock = settings, database, labels, clock
        self._speech = speech
        self._classifier: Classifier | None = None
        # `_turn`: one thread loads the classifier. `_checking`: one text is compiled at a time, for up to a second.
        self._turn, self._checking, self._over = Lock(), Lock(), Event()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="backtest")
        self._waiting: list[StoredBacktest] = []
        # The live rules and a few drafts: a person tries many sentences on the same text.
        self._compiled = lru_cache(4)(self._compile)
        self._remarked = lru_cache(16)(self._remark)

    @property
    def reads_speech(self) -> bool:
        """Whether this console can read the speech of the last hours."""
        return self._speech is not None

    def rules_of(self, texts: RuleTexts, mark: str) -> RuleSet:
        """Return compiled texts. Raises ConfigError."""
        with self._checking:
            return self._compiled(texts, mark)

    def remarks(self, texts: RuleTexts) -> tuple[RuleRemark, ...]:
        """Return all mistakes and warnings. One text is checked at a time, because 20,000 terms take a second."""
        with self._checking:
            return self._remarked(texts)

    def try_text(self, rules: RuleSet, text: str, room_type: str = "default") -> SentenceVerdict:
        """Judge a sentence. Its script decides its language. Raises ConfigError if the classifier cannot be loaded."""
        said = as_transcript(text, room_type=room_type)
        with self._turn:
            [scores] = score_readings(self._loaded(), [said])
        policy = rules.policy.resolved(room_type, said.language)
        matches = [match for match in rules.matcher.find(text) if match.term.label in policy.labels]
        flag = Flagger(rules.policy, self._labels, self._loaded().name).flag(said, Detection(scores, matches))
        rows = [
            ScoreRow(label, score, _finite(limits.review), _finite(limits.block), limits.by_score(score))
            for label, limits in policy.labels.items()
            for score in [scores.get(label, 0.0)]
        ]
        rows.sort(key=lambda row: -row.score)
        shown = [row for number, row in enumerate(rows) if number < TOP_SCORES or row.suggestion != "pass"]
        terms = [
            TermRow(each.term.text, each.term.label, each.level, policy.labels[each.term.label].levels[each.level])
            for each in matches
        ]
        risk = policy.risk
        row = ScoreRow("risk", flag.risk, _finite(risk.review), _finite(risk.block), risk.by_score(flag.risk))
        return SentenceVerdict(flag, tuple(shown), tuple(terms), row)

    def start(self, run: StoredBacktest) -> None:
        """Run a backtest in the background, after the backtests that wait already."""
        self._waiting.append(run)
        self._thread.submit(self._run, run)

    def close(self) -> None:
        """End the backtest in progress."""
        self._over.set()
        self._thread.shutdown()

    def _compile(self, texts: RuleTexts, mark: str) -> RuleSet:
        return compiled(texts, self._labels, mark)

    def _remark(self, texts: RuleTexts) -> tuple[RuleRemark, ...]:
        return tuple(remarks(texts, self._labels, self._settings.listen))

    def _loaded(self) -> Classifier:
        if self._classifier is None:
            # One thread: a trial in the console must not slow down its pages.
            self._classifier = load_classifier(self._settings.judge, threads=1)
        return self._classifier

    def _run(self, run: StoredBacktest) -> None:
        self._waiting.remove(run)
        try:
            result = self._result(run)
            with self._database.write() as connection:
                backtests.finish(connection, run, result, self._clock())
        except TrialStopped:
            log.info("the backtest of draft %d was stopped", run.draft)
            self._stop(run, "cancelled")
        except Exception as error:
            log.error("the backtest of draft %d failed: %s", run.draft, _named(error))
            self._stop(run, "failed")

    def _stop(self, run: StoredBacktest, state: EndState) -> None:
        try:
            with self._database.write() as connection:
                backtests.stop(connection, run, state, self._clock())
        except DependencyError as error:
            log.warning("the end of the backtest of draft %d is not stored: %s", run.draft, error)

    def _result(self, run: StoredBacktest) -> BacktestResult:
        began = time.monotonic()
        progress = self._progress(run)
        # The person may have cancelled it while it waited.
        if not progress(0, 0):
            raise TrialStopped
        with self._database.read() as connection:
            draft = drafts.find_draft(connection, run.draft)
            old = versions.texts_now(connection, self._settings)
            cases = trial.newest_cases(connection)
        before, after = self.rules_of(old, "before"), self.rules_of(draft.texts, "after")
        with self._turn:
            classifier = self._loaded()
        terms = trial.new_terms(old, draft.texts, self._labels)
        test = Backtest(classifier, self._labels, before, after)
        tally, whole = trial.judge_cases(test, cases, terms, progress, began + CASES_SECONDS)
        judged = sum(len(case.flags) for case in cases)
        speech = self._speech_change(
            run,
            Backtest(classifier, self._labels, before, after),
            lambda done, total: progress(judged + done, judged + total),
        )
        deaf = bool(run.hours) and speech is None
        return trial.result_of(tally, whole, terms, speech, time.monotonic() - began, deaf)

    def _speech_change(self, run: StoredBacktest, test: Backtest, progress: trial.Progress) -> SpeechChange | None:
        """Judge the speech of the last hours. The cases' figures count without it, too: it is None if Kafka fails."""
        if self._speech is None or run.hours == 0:
            return None
        try:
            read, drawn = self._speech.read(self._clock() - run.hours * 3_600, trial.MOST_SPEECH)
            return trial.judge_speech(test, drawn, run.hours, read, progress, time.monotonic() + SPEECH_SECONDS)
        except VoxwardenError as error:
            log.warning("the backtest of draft %d reads no speech: %s", run.draft, error)
            return None

    def _progress(self, run: StoredBacktest) -> trial.Progress:
        """Return a function that stores the progress, at most once in BEAT_SECONDS, and tells whether to go on.

        It also tells that the backtests that wait for this one have not ended.
        """
        told = -BEAT_SECONDS

        def progress(done: int, total: int) -> bool:
            nonlocal told
            if self._over.is_set():
                return False
            if time.monotonic() - told < BEAT_SECONDS:
                return True
            told = time.monotonic()
            with self._database.write() as connection:
                # A copy: `start` adds to the list in another thread.
                for each in self._waiting.copy():
                    backtests.beat(connection, each, 0, 0, self._clock())
                return backtests.beat(connection, run, done, total, self._clock())

        return progress


def _finite(limit: float) -> float | None:
    return limit if limit <= 1 else None  # scores end at 1, so a higher limit means `never`


def _named(error: Exception) -> str:
    """Return what may be logged: the text of an unexpected error may contain speech."""
    return str(error) if isinstance(error, VoxwardenError) else f"an unexpected {type(error).__name__}"
