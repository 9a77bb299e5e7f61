"""All figures of a window, computed from the facts of a simulated world in plain Python.

Nothing here reads the store or calls the code that computes the indicators. The formulas are those of the catalogue
(`pipeline/assessment/catalogue.yaml`). Probabilities are exact fractions.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import groupby
from statistics import median
from typing import NamedTuple, TypeVar

from benchmarks.assessment.facts import DAY, HOUR, CaseFact, Given, WorldHistory, WorldSpeech

Split = tuple[tuple[str, str], ...]
Key = tuple[str, str, Split]
T = TypeVar("T")
K = TypeVar("K", bound=Hashable)

SEVERITY_NAMES = ("low", "medium", "high", "critical")
CLASSES = (0.1, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 30.0, 60.0, 300.0, math.inf)
"""Upper limits of the classes in which detection delays are counted, in seconds."""
WORK = ("case.claim", "case.skip", "case.decide", "case.undo", "appeal.settle")
ROUNDING = 1e-6


@dataclass(frozen=True)
class Rules:
    """What the operator of the world has decided. Times are seconds."""

    illegal: frozenset[str]
    low_confidence: float = 0.5
    languages: frozenset[str] = frozenset({"zh", "en"})
    targets: tuple[float, ...] = (14_400.0, 3_600.0, 900.0, 300.0)
    settled: float = DAY
    lease: float = 300.0
    acknowledge: float = HOUR
    report: float = DAY
    appeal: float = DAY
    spread_rooms: int = 3
    spread_speakers: int = 3
    spread: float = HOUR
    stable_loss: float = 0.05
    dismissed_days: float = 4.0
    """How long dismissed cases are kept."""
    accounts: int = 6


class SimulatedUse(NamedTuple):
    """One use of a term."""

    label: str
    term: str
    at: float
    room: str
    speaker: str


class Fact(NamedTuple):
    """A true figure. Without a value it is not measured."""

    value: float | None
    n: int


class Truth:
    """The figures of the window from `since` to `until`, UTC seconds."""

    def __init__(self, history: WorldHistory, rules: Rules, since: float, until: float) -> None:
        self._history = history
        self._rules = rules
        self._since = since
        self._until = until
        self._speech = self._spoken(since, until)
        self.figures: dict[Key, Fact] = {}
        for measure in (
            self._room_coverage,
            self._speech_coverage,
            self._loss,
            self._hard_to_hear,
            self._detection,
            self._review,
            self._handling,
            self._backlog,
            self._reviewers,
            self._cover,
            self._load,
            self._exposure,
            self._spread,
            self._stability,
        ):
            measure()

    def _put(self, indicator: str, key: str, value: float | Fraction | None, n: int, part: Split = ()) -> None:
        self.figures[indicator, key, part] = Fact(None if value is None else float(value), n)

    def only(self) -> set[str]:
        """Return the dimensions of which one version was in use. Its figures repeat those of all speech."""
        judged = self._monitored()
        return {name for name in ("policy", "model") if len({getattr(one, name) for one in judged}) <= 1}

    # Speech

    def _spoken(self, since: float, until: float) -> list[WorldSpeech]:
        """Return the speech of the hours that begin in a window. Drills do not count."""
        return [one for one in self._history.speech if since <= one.hour * HOUR < until and not one.drill]

    def _room_coverage(self) -> None:
        spoken = {(one.hour, one.room_type, one.room) for one in self._speech}
        heard = Counter((hour, kind) for hour, kind, _ in spoken)
        lines = [one for one in self._history.ledger if self._since <= one.hour * HOUR < self._until and one.rooms]
        hours = {one.hour for one in self._speech}
        for part, of_part in parts(lines, room_type=lambda line: line.room_type):
            covered = [
                Fraction(line.seconds) * min(Fraction(1), Fraction(heard[line.hour, line.room_type], line.rooms))
                for line in of_part
            ]
            total = sum((Fraction(line.seconds) for line in of_part), Fraction())
            self._put("I-01", "share", over(sum(covered), total), sum(line.rooms for line in of_part), part)
        known = len(hours & {line.hour for line in lines})
        self._put("I-01", "hours", over(known, len(hours)) if lines else None, len(hours))

    def _speech_coverage(self) -> None:
        for part, speech in parts(self._speech, room_type=lambda one: one.room_type):
            monitored = [one for one in speech if one.monitored]
            self._put("I-02", "share", over(samples(monitored), samples(speech)), len(speech), part)
            for key, found in (("speech", speech), ("monitored", monitored)):
                self._put("I-02", key, Fraction(samples(found), 16_000) if found else None, len(found), part)
        for part, speech in parts(self._monitored(), room_type=lambda one: one.room_type):
            verified = samples(one for one in speech if one.verified)
            known = any(one.verified is not None for one in speech)
            self._put("I-02", "verified", over(verified, samples(speech)) if known else None, len(speech), part)

    def _loss(self) -> None:
        speech = self._spoken(self._since - self._rules.settled, self._until - self._rules.settled)
        for part, found in parts(speech, room_type=lambda one: one.room_type):
            self._lost(sum(not one.monitored for one in found), len(found), part)
        reasons = Counter(one.lost[1] or "lost" for one in speech if one.lost and not one.monitored)
        for reason, count in {"lost": 0, **reasons}.items():
            self._lost(count, len(speech), (("reason", reason),))

    def _lost(self, count: int, n: int, part: Split) -> None:
        self._put("I-03", "share", over(count, n), n, part)
        self._put("I-03", "utterances", count if n else None, n, part)

    def _hard_to_hear(self) -> None:
        for part, speech in parts(
            self._monitored(), language=lambda one: one.language, room_type=lambda one: one.room_type
        ):
            low = [one for one in speech if one.confidence < self._rules.low_confidence]
            other = [one for one in speech if one.language not in self._rules.languages]
            both = [*low, *(one for one in other if one.confidence >= self._rules.low_confidence)]
            for key, found in (("share", both), ("low_confidence", low), ("other_language", other)):
                self._put("I-04", key, over(samples(found), samples(speech)), len(speech), part)

    def _detection(self) -> None:
        flags = [one for one in self._monitored() if one.suggestion != "pass"]
        names = ("room_type", "language", "policy", "model")
        for part, found in parts(flags, **{name: attribute(name) for name in names}):
            for key, share in (("p50", 0.5), ("p95", 0.95), ("p99", 0.99)):
                self._put("I-05", key, class_quantile(delays(found), share), len(found), part)

    def _stability(self) -> None:
        speech = self._spoken(self._since - self._rules.settled, self._until - self._rules.settled)
        hours = by(speech, lambda one: one.hour)
        stable = [
            hour
            for hour, found in hours.items()
            if sum(not one.monitored for one in found) <= self._rules.stable_loss * len(found)
        ]
        self._put("I-32", "share", over(len(stable), len(hours)), len(hours))
        self._incidents()

    def _incidents(self) -> None:
        entries = [one for one in self._history.register if self._since <= one.opened < self._until]
        used = any(one.opened < self._until for one in self._history.register)
        incidents = [one for one in entries if one.kind == "incident"]
        self._put("I-32", "incidents", len(incidents) if used else None, len(incidents))
        waits = [Wait.of(one.opened, one.closed, self._until) for one in incidents]
        for key, share in (("recovery_p50", 0.5), ("recovery_max", 1.0)):
            self._put("I-32", key, quantile(waits, share), len(waits))
        tests = [one for one in entries if one.kind == "restore_test"]
        passed = sum(one.fields.get("result") == "passed" for one in tests)
        self._put("I-32", "restored", over(passed, len(tests)), len(tests))

    def _monitored(self) -> list[WorldSpeech]:
        return [one for one in self._speech if one.monitored]

    # Cases

    def _flagged(self) -> list[CaseFact]:
        """Return the cases that the machine flagged in the window."""
        return [one for one in self._history.kept() if one.kind == "flagged" and not one.drill and self._within(one)]

    def _within(self, case: CaseFact) -> bool:
        return self._since <= case.created < self._until

    def _review(self) -> None:
        names = {name: attribute(name) for name in ("label", "language", "room_type", "policy")}
        for part, cases in parts(self._flagged(), severity=severity_name, **names):
            waits = [(case, Wait.of(case.created, case.decided(self._until), self._until)) for case in cases]
            each = [wait for _, wait in waits]
            for key, share in (("p50", 0.5), ("p95", 0.95)):
                self._put("I-06", key, quantile(each, share), len(cases), part)
            self._put("I-06", "in_time", self._in_time(waits), len(cases), part)
            self._put("I-06", "undecided", sum(not wait.over for wait in each) if each else None, len(cases), part)

    def _in_time(self, waits: Sequence[tuple[CaseFact, "Wait"]]) -> Fraction | None:
        shares = []
        for level, found in by(waits, lambda each: each[0].severity).items():
            share = over_after([wait for _, wait in found], self._rules.targets[level])
            if share is not None:
                shares.append((len(found), share))
        return over(sum(n * share for n, share in shares), sum(n for n, _ in shares))

    def _handling(self) -> None:
        cases = [case for case in self._flagged() if self._ordered(case)]
        for part, found in parts(cases, severity=severity_name, label=attribute("label")):
            waits = [Wait.of(case.end, self._stopped(case), self._until) for case in found]
            for key, share in (("p50", 0.5), ("p95", 0.95)):
                self._put("I-07", key, quantile(waits, share), len(found), part)
            self._put("I-07", "confirmed", over(sum(wait.over for wait in waits), len(found)), len(found), part)

    def _ordered(self, case: CaseFact) -> list[Given]:
        return [one for one in case.standing(self._until) if one.action]

    def _stopped(self, case: CaseFact) -> float | None:
        """Return the time at which the app had carried out the first ordered action."""
        done = [one.done(self._until) for one in self._ordered(case)]
        return min((at for at in done if at is not None), default=None)

    def _backlog(self) -> None:
        waiting = [
            (case, case.decided(self._until))
            for case in self._history.kept()
            if case.kind in {"flagged", "audit", "report"} and not case.drill and case.created < self._until
        ]
        waiting = [(case, at) for case, at in waiting if at is None or at > self._since]
        for part, found in parts(waiting, severity=lambda each: severity_name(each[0])):
            self._waiting(found, part)

    def _waiting(self, cases: Sequence[tuple[CaseFact, float | None]], part: Split) -> None:
        n = len(cases)
        left = [self._until - case.created for case, at in cases if at is None]
        ages = [(self._until if at is None else at) - case.created for case, at in cases]
        marks = [hour * HOUR for hour in range(math.ceil(self._since / HOUR), math.ceil(self._until / HOUR))]
        days = by(marks, lambda mark: mark // DAY)
        most = [max(count_open(cases, mark) for mark in day) for day in days.values()] if n else []
        self._put("I-08", "open", len(left) if n else None, n, part)
        self._put("I-08", "open_max", max(most, default=None), n, part)
        self._put("I-08", "open_daily", median(most) if most else None, n, part)
        self._put("I-08", "oldest", max(left, default=None), n, part)
        self._put("I-08", "oldest_max", max(ages, default=None), n, part)

    # People at work

    def _acts(self, since: float) -> list[tuple[float, str, str, str]]:
        return [
            (act.at, act.person, act.action, act.case)
            for act in self._history.acts
            if act.action in WORK and since <= act.at < self._until
        ]

    def _reviewers(self) -> None:
        people: dict[int, set[str]] = defaultdict(set)
        for at, person, _, _ in self._acts(self._since):
            people[int(at // HOUR)].add(person)
        rooms = by(self._speech, lambda one: one.hour)
        ratios = sorted(len(people[hour]) / len({one.room for one in found}) for hour, found in rooms.items())
        self._put("I-16", "min", ratios[0] if ratios else None, len(ratios))
        self._put("I-16", "p5", ratios[math.ceil(0.05 * len(ratios)) - 1] if ratios else None, len(ratios))

    def _cover(self) -> None:
        lasting = math.ceil(self._rules.lease / 60)
        busy = {
            int(at // 60) + later for at, _, _, _ in self._acts(self._since - lasting * 60) for later in range(lasting)
        }
        logged = any(at < self._until for at in self._history.lines)
        minutes = range(math.ceil(self._since / 60), math.ceil(self._until / 60) if logged else 0)
        gaps = [len(list(run)) for free, run in groupby(minutes, lambda minute: minute not in busy) if free]
        self._put("I-17", "share", over(len(minutes) - sum(gaps), len(minutes)), len(minutes))
        self._put("I-17", "longest_gap", max(gaps, default=0) * 60 if logged else None, len(minutes))

    def _load(self) -> None:
        lasting = math.ceil(self._rules.lease / 60)
        acts = self._acts(self._since)
        busy = {(person, int(at // 60) + later) for at, person, _, _ in acts for later in range(lasting)}
        decisions = sum(action == "case.decide" for _, _, action, _ in acts)
        hours = Fraction(len(busy), 60)
        self._put("I-18", "decisions_per_hour", over(decisions, hours), decisions)
        self._put("I-18", "decisions", decisions or None, decisions)
        self._put("I-18", "reviewer_hours", hours or None, decisions)
        times = [Wait(up(seconds), True) for seconds in decision_times(acts)]
        self._put("I-18", "seconds", quantile(times, 0.5), len(times))

    # Harm

    def _violating(self) -> list[tuple[CaseFact, WorldSpeech]]:
        """Return the caught utterances of the cases of the window that are upheld at its end."""
        upheld = [case for case in self._flagged() if case.upheld(self._until)]
        return [(case, one) for case in upheld for one in case.flags if one.suggestion != "pass"]

    def _exposure(self) -> None:
        violating = self._violating()
        labels = {"label": lambda each: each[0].label, "room_type": lambda each: each[0].room_type}
        for part, found in parts(violating, **labels):
            kind = dict(part).get("room_type")
            heard = [(case, one) for case, one in found if one.listeners is not None]
            listened = Fraction(
                sum(one.samples * (one.listeners or 0) for one in self._monitored() if kind in {None, one.room_type}),
                16_000 * 3_600,
            )
            exposed = sum((self._exposed(case, one) for case, one in heard), Fraction())
            known = bool(heard)
            self._put("I-24", "listener_seconds", exposed if known else None, len(heard), part)
            rate = over(exposed * 1_000, listened) if known else None
            self._put("I-24", "per_1000_hours", rate, len(heard), part)

    def _exposed(self, case: CaseFact, speech: WorldSpeech) -> Fraction:
        """Return listener seconds from the end of an utterance to the action, in whole milliseconds."""
        upholding = [one for one in case.standing(self._until) if one.verdict == "uphold"]
        done = [at for one in upholding if (at := one.done(self._until)) is not None]
        ordered = any(one.action for one in upholding)
        waiting = self._until if ordered else min(one.at for one in upholding)
        seconds = (min(done) if done else waiting) - speech.end
        milliseconds = math.ceil(seconds * 1_000 - ROUNDING) if seconds > 0 else 0
        return Fraction((speech.listeners or 0) * milliseconds, 1_000)

    def _spread(self) -> None:
        uses = {
            SimulatedUse(label, term.casefold(), one.start, one.room, one.speaker)
            for _, one in self._violating()
            for term, label in one.terms
            if label in self._rules.illegal
        }
        chains = list(self._chains(sorted(uses)))
        for part, found in parts(chains, label=lambda chain: chain[0].label):
            self._spread_of(found, part)

    def _chains(self, uses: Sequence[SimulatedUse]) -> Iterator[list[SimulatedUse]]:
        for _, of_term in groupby(uses, key=lambda use: use[:2]):
            chain: list[SimulatedUse] = []
            for use in of_term:
                if chain and use.at - chain[-1].at > self._rules.spread:
                    yield chain
                    chain = []
                chain.append(use)
            yield chain

    def _spread_of(self, chains: Sequence[list[SimulatedUse]], part: Split) -> None:
        n = sum(map(len, chains))
        rooms, speakers = ([self._most(chain, place) for chain in chains] for place in (3, 4))
        wide = [
            chain
            for chain, room, speaker in zip(chains, rooms, speakers, strict=True)
            if room >= self._rules.spread_rooms or speaker >= self._rules.spread_speakers
        ]
        self._put("I-25", "clusters", len(wide) if n else None, n, part)
        self._put("I-25", "rooms", max(rooms, default=None), n, part)
        self._put("I-25", "speakers", max(speakers, default=None), n, part)
        self._put("I-25", "longest", max((chain[-1].at - chain[0].at for chain in wide), default=None), n, part)

    def _most(self, chain: Sequence[SimulatedUse], place: int) -> int:
        """Return the most different rooms or speakers within the set time."""
        return max(
            len({use[place] for use in chain if first.at <= use.at <= first.at + self._rules.spread}) for first in chain
        )


class Wait(NamedTuple):
    """A wait in whole seconds, which is over or still goes on."""

    seconds: int
    over: bool

    @classmethod
    def of(cls, begin: float, end: float | None, until: float) -> "Wait":
        """Return the wait from `begin` to `end`, seen at `until`."""
        if end is None or end >= until:
            return cls(math.floor(until - begin + ROUNDING), over=False)
        return cls(up(end - begin), over=True)


def up(seconds: float) -> int:
    """Round up to whole seconds."""
    return math.ceil(seconds - ROUNDING)


def survival(waits: Iterable[Wait]) -> list[tuple[int, Fraction]]:
    """Return the times at which waits end, each with the share that is over then: Kaplan and Meier's estimate."""
    ended, open_ = Counter[int](), Counter[int]()
    for wait in waits:
        (ended if wait.over else open_)[wait.seconds] += 1
    at_risk, going, steps = ended.total() + open_.total(), Fraction(1), []
    for seconds in sorted(ended.keys() | open_.keys()):
        if ended[seconds]:
            going *= 1 - Fraction(ended[seconds], at_risk)
            steps.append((seconds, 1 - going))
        at_risk -= ended[seconds] + open_[seconds]
    return steps


def quantile(waits: Iterable[Wait], share: float) -> float | None:
    """Return the time after which `share` of the waits are over; None if it was not observed."""
    wanted = Fraction(str(share))
    return next((float(seconds) for seconds, gone in survival(waits) if gone >= wanted), None)


def over_after(waits: Sequence[Wait], seconds: float) -> Fraction | None:
    """Return the share of waits that are over after some seconds; None if no wait was observed for so long."""
    gone = [share for at, share in survival(waits) if at <= seconds]
    if gone:
        return gone[-1]
    return Fraction(0) if any(wait.seconds >= seconds for wait in waits) else None


def delays(flags: Iterable[WorldSpeech]) -> list[float]:
    """Return the upper limits of the classes of the delays of flags."""
    return [
        next(limit for limit in CLASSES if one.stored - one.end <= limit) for one in flags if one.stored is not None
    ]


def class_quantile(limits: Collection[float], share: float) -> float | None:
    """Return a quantile of delays that are known by class, linear inside the class."""
    counts, below = Counter(limits), 0
    for lower, upper in zip((0.0, *CLASSES), CLASSES, strict=False):
        if counts[upper] and below + counts[upper] >= share * len(limits):
            inside = (share * len(limits) - below) / counts[upper]
            return None if upper == math.inf else lower + (upper - lower) * inside
        below += counts[upper]
    return None


def count_open(cases: Sequence[tuple[CaseFact, float | None]], mark: float) -> int:
    """Count the cases that are open at a time: stored by then, and not decided by then."""
    return sum(case.created <= mark and (at is None or at > mark) for case, at in cases)


def decision_times(acts: Sequence[tuple[float, str, str, str]]) -> Iterator[float]:
    """Yield the seconds of the decisions whose person did nothing but take the case before, in this case."""
    before: dict[tuple[str, str], tuple[float, str]] = {}
    for at, person, action, case in sorted(acts):
        last = before.get((person, case))
        if action == "case.decide" and last and last[1] == "case.claim":
            yield at - last[0]
        before[person, case] = at, action


def samples(speech: Iterable[WorldSpeech]) -> int:
    """Return the length of utterances at 16 kHz."""
    return sum(one.samples for one in speech)


def over(top: Fraction | int, bottom: Fraction | int) -> Fraction | None:
    """Return a quotient. A share of nothing is not measured."""
    return Fraction(top) / bottom if bottom else None


def by(items: Iterable[T], name: Callable[[T], K]) -> dict[K, list[T]]:
    """Group items."""
    groups: dict[K, list[T]] = defaultdict(list)
    for item in items:
        groups[name(item)].append(item)
    return groups


def parts(items: Sequence[T], **names: Callable[[T], str]) -> Iterator[tuple[Split, Sequence[T]]]:
    """Yield all items, and the items of each value of each dimension."""
    yield (), items
    for name, value_of in names.items():
        for value, found in by(items, value_of).items():
            yield ((name, str(value)),), found


def attribute(name: str) -> Callable[[object], str]:
    """Return a function that returns an attribute."""
    return lambda item: str(getattr(item, name))


def severity_name(case: CaseFact) -> str:
    """Return the name of a case's severity."""
    return SEVERITY_NAMES[case.severity]


Figures = Mapping[Key, Fact]
