"""Judges stored cases again, by the live rules and by a draft, and counts what changes. Nothing is stored."""

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice

from sqlalchemy import Connection, select

from pipeline.contract.messages import Flag, Transcript
from pipeline.judge.labels import Labels
from pipeline.judge.lexicon import Group, Lexicon, compile_terms
from pipeline.judge.matcher import Matcher
from pipeline.judge.policy_comparison import Backtest, Comparison, flagged, labels_of
from pipeline.judge.rule_texts import RuleTexts, lexicon_of
from pipeline.judge.text_transcripts import transcript_of
from pipeline.review.cases import reading
from pipeline.review.policies.backtests import BacktestResult, ChangedFlag, LabelChange, Pairing, SpeechChange, TermUse
from pipeline.review.tables.case_tables import COPIES
from pipeline.review.tables.core import CASES, FLAGS

MOST_CASES = 5_000
"""The newest cases are judged, at most so many."""
MOST_SAMPLES = 60
"""At most so many changed utterances are listed."""
MOST_TERMS = 200
MOST_SPEECH = 20_000
"""At most so many utterances of the last hours are judged; of more, some are drawn by chance."""
BATCH = 32

SPOKEN = FLAGS.c.source == "words"
"""Policies are tried on words."""

Progress = Callable[[int, int], bool]
"""Gets how many texts are done, and how many there are. Returns False to stop."""


class TrialStopped(Exception):  # noqa: N818
    """Somebody cancelled the backtest."""


@dataclass(frozen=True, slots=True)
class StoredCase:
    """A case with its flags: what a backtest reads."""

    verdict: str
    """`uphold`, `dismiss`, or empty if nobody has decided it."""
    flags: tuple[Flag, ...]


@dataclass(slots=True)
class _Count:
    before: int = 0
    after: int = 0

    def add(self, before: bool, after: bool) -> None:
        self.before += before
        self.after += after

    @property
    def pair(self) -> Pairing:
        return Pairing(self.before, self.after)


@dataclass(slots=True)
class _Label:
    flagged: _Count = field(default_factory=_Count)
    upheld: int = 0
    decided: int = 0


@dataclass(slots=True)
class CaseTally:
    """Counts of judged cases."""

    cases: int = 0
    flagged: _Count = field(default_factory=_Count)
    by_verdict: dict[str, _Count] = field(default_factory=lambda: defaultdict(_Count))
    verdicts: Counter[str] = field(default_factory=Counter)
    labels: dict[str, _Label] = field(default_factory=lambda: defaultdict(_Label))
    changed: int = 0
    samples: list[ChangedFlag] = field(default_factory=list)

    def add(self, case: StoredCase, found: Sequence[Comparison]) -> None:
        before, after = any(flagged(each.before) for each in found), any(flagged(each.after) for each in found)
        self.cases += 1
        self.flagged.add(before, after)
        self.verdicts[case.verdict] += 1
        self.by_verdict[case.verdict].add(before, after)
        old = set().union(*(labels_of(each.before) for each in found))
        new = set().union(*(labels_of(each.after) for each in found))
        for label in old | new:
            self._add_label(self.labels[label], label in old, label in new, case.verdict)
        for flag, each in zip(case.flags, found, strict=True):
            self._add_change(flag, each)

    def _add_label(self, counts: _Label, old: bool, new: bool, verdict: str) -> None:
        counts.flagged.add(old, new)
        if new and verdict:
            counts.decided += 1
            counts.upheld += verdict == "uphold"

    def _add_change(self, flag: Flag, found: Comparison) -> None:
        was, is_now = found.before.suggestion, found.after.suggestion
        if was == is_now:
            return
        self.changed += 1
        if len(self.samples) < MOST_SAMPLES:
            hits = tuple((hit.start, hit.end) for hit in found.after.hits or found.before.hits)
            self.samples.append(ChangedFlag(flag.id, was, is_now, hits))


@dataclass(slots=True)
class TermCount:
    """How often a new term was said in the cases."""

    file: str
    term: str
    matcher: Matcher
    hits: int = 0
    verdicts: Counter[str] = field(default_factory=Counter)

    def add(self, case: StoredCase) -> None:
        times = sum(bool(self.matcher.find(flag.text)) for flag in case.flags)
        self.hits += times
        self.verdicts[case.verdict] += times > 0


def newest_cases(connection: Connection, most: int = MOST_CASES) -> list[StoredCase]:
    """Return the newest cases that have flags, oldest first. Copies for checks and drills do not count."""
    query = (
        select(CASES.c.id, CASES.c.verdict)
        .where(CASES.c.drill == "", CASES.c.id.not_in(COPIES))
        .where(select(FLAGS.c.id).where(FLAGS.c.case_id == CASES.c.id, SPOKEN).exists())
        .order_by(CASES.c.created_at.desc(), CASES.c.id.desc())
        .limit(most)
    )
    verdicts = {row.id: row.verdict or "" for row in connection.execute(query)}
    flags: dict[str, list[Flag]] = {case: [] for case in verdicts}
    ids = list(verdicts)
    for first in range(0, len(ids), 500):
        chosen = FLAGS.c.case_id.in_(ids[first : first + 500])
        for row in connection.execute(select(FLAGS).where(chosen, SPOKEN).order_by(FLAGS.c.start, FLAGS.c.id)):
            flags[row.case_id].append(reading.flag_of(row))
    return [StoredCase(verdicts[case], tuple(flags[case])) for case in reversed(ids)]


def judge_cases(
    test: Backtest, cases: Sequence[StoredCase], terms: Sequence[TermCount], progress: Progress, until: float
) -> tuple[CaseTally, bool]:
    """Judge cases until the monotonic time `until`. Return the counts, and whether all were judged.

    Raises TrialStopped if `progress` says so.
    """
    tally, done = CaseTally(), 0
    total = sum(len(case.flags) for case in cases)
    for batch in _batches(cases):
        # Looked at between batches only: a batch is short.
        if time.monotonic() > until:
            return tally, False
        found = iter(test.compare([transcript_of(flag) for case in batch for flag in case.flags]))
        for case in batch:
            tally.add(case, [next(found) for _ in case.flags])
            for term in terms:
                term.add(case)
            done += len(case.flags)
        if not progress(done, total):
            raise TrialStopped
    return tally, True


def judge_speech(
    test: Backtest, speech: Iterator[Transcript], hours: int, read: int, progress: Progress, until: float
) -> SpeechChange:
    """Judge transcripts of the last hours until the monotonic time `until`, or until there are no more.

    Raises TrialStopped if `progress` says so.
    """
    judged, counts, labels, whole = 0, _Count(), defaultdict[str, _Count](_Count), True
    while (whole := time.monotonic() < until) and (batch := list(islice(speech, BATCH))):
        for each in test.compare(batch):
            judged += 1
            counts.add(flagged(each.before), flagged(each.after))
            was, is_now = labels_of(each.before), labels_of(each.after)
            for label in was | is_now:
                labels[label].add(label in was, label in is_now)
        if not progress(judged, min(read, MOST_SPEECH)):
            raise TrialStopped
    pairs = {label: each.pair for label, each in sorted(labels.items())}
    return SpeechChange(hours, read, judged, counts.pair, pairs, whole)


def new_terms(before: RuleTexts, after: RuleTexts, labels: Labels) -> list[TermCount]:
    """Return the terms that only the draft has, each with a matcher of its own. At most MOST_TERMS of them."""
    # The same term with other conditions is a new term.
    known = {(file, term, group.near, group.unless) for file, _, group, term in _terms(before, labels)}
    fresh = (
        TermCount(
            file, term, compile_terms([Lexicon(groups=(group.model_copy(update={"terms": (term,)}),), allow=allow)])
        )
        for file, allow, group, term in _terms(after, labels)
        if (file, term, group.near, group.unless) not in known
    )
    return list(islice(fresh, MOST_TERMS))


def _terms(texts: RuleTexts, labels: Labels) -> Iterator[tuple[str, tuple[str, ...], Group, str]]:
    for each in texts.lexicons:
        lexicon = lexicon_of(each, labels)
        for group in lexicon.groups:
            for term in group.terms:
                yield each.name, lexicon.allow, group, term


def _batches(cases: Sequence[StoredCase]) -> Iterator[list[StoredCase]]:
    """Yield cases with about BATCH flags together."""
    batch: list[StoredCase] = []
    for case in cases:
        batch.append(case)
        if sum(len(each.flags) for each in batch) >= BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


def result_of(
    tally: CaseTally, whole: bool, terms: Sequence[TermCount], speech: SpeechChange | None, seconds: float, deaf: bool
) -> BacktestResult:
    """Return the counts as a result."""
    upheld, dismissed = tally.by_verdict["uphold"].pair, tally.by_verdict["dismiss"].pair
    labels = [
        LabelChange(label, each.flagged.pair, each.upheld, each.decided) for label, each in sorted(tally.labels.items())
    ]
    return BacktestResult(
        cases=tally.cases,
        whole=whole,
        flagged=tally.flagged.pair,
        violations=tally.verdicts["uphold"],
        caught=upheld,
        harmless=tally.verdicts["dismiss"],
        false_alarms=dismissed,
        labels=tuple(sorted(labels, key=lambda each: (-abs(each.flagged.change), each.label))),
        changed=tally.changed,
        samples=tuple(tally.samples),
        terms=tuple(
            TermUse(each.file, each.term, each.hits, each.verdicts["uphold"], each.verdicts["dismiss"])
            for each in terms
        ),
        speech=speech,
        seconds=seconds,
        deaf=deaf,
    )
