"""Measure how often the intervals of recall, precision and prevalence contain the truth, in simulated audits.

    python -m benchmarks.audits

Each audit is one window of a simulated service. Its rooms differ in how much of their speech breaks the rules, and a
violation is a little longer than other speech. The truth is the recall, precision and prevalence of exactly this
speech. Passed speech is drawn for audit with the shares that the settings had at the time. Flagged cases are drawn for
a second opinion. A part of both is not decided yet. Moderators decide 0 to 3 % of all cases wrongly, each on their own.
Upheld audits get a second and a third opinion, except in the last row of each service.

The draws are random numbers with the product's probabilities, and the figures come from the product's functions
(`pipeline/review/quality/audits.py`).
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmarks import report
from pipeline.contract.messages import SAMPLE_RATE
from pipeline.review.quality import audits, review_errors
from pipeline.review.quality.audits import Judged, JudgedSpeech, Reviewed
from pipeline.review.quality.review_errors import ReviewErrors
from pipeline.review.quality.statistics import Interval

Rng = np.random.Generator
Mask = NDArray[np.bool_]

LONGER = 1.3
"""A violation is this much longer than other speech."""
ROOMS = 400
UNEVEN = 0.5
"""Shape of the gamma distribution of the rooms' rates: most rooms have few violations, some have many."""


@dataclass(frozen=True, slots=True)
class Service:
    """A service and its checks. Shares are 0 to 1."""

    name: str
    utterances: int
    prevalence: float
    recall: float
    audit_shares: tuple[float, ...]
    """The setting `quality.audit_share` in equal parts of the window."""
    precision: float = 0.8
    second_shares: tuple[float, ...] = (0.1,)
    """The setting `quality.second_share` in equal parts of the window."""
    undecided: float = 0.0
    """The share of flagged speech of low severity, and of audits, that is not decided yet. High severity: a fifth."""
    drift: float = 1.0
    """How much more often the rules are broken at the end of the window than at its begin."""


SERVICES = (
    Service("many audits", 100_000, 0.01, 0.7, (0.1,)),
    Service("few audits", 100_000, 0.01, 0.8, (0.03,)),
    Service("few violations, low recall", 200_000, 0.001, 0.6, (0.1,)),
    Service("many violations, high recall", 100_000, 0.02, 0.95, (0.1,), precision=0.95),
    Service("unequal weights", 100_000, 0.01, 0.7, (0.1, 0.02, 0.05), 0.6, (0.2, 0.05), drift=1.5),
    Service("very unequal weights", 100_000, 0.02, 0.8, (0.02, 0.1), 0.9, (0.05, 0.3), drift=0.7),
    Service("a fifth undecided", 100_000, 0.01, 0.75, (0.08,), undecided=0.2),
    Service("audits in one half of the time", 100_000, 0.01, 0.75, (0.0, 0.1)),
    Service("half of all speech audited", 20_000, 0.02, 0.6, (0.5,), 0.7, (0.5,), undecided=0.1),
    Service("one utterance of 1,000 audited", 100_000, 0.01, 0.7, (0.001,)),
    Service("as many audits as needed", 100_000, 0.01, 0.7, (0.2315,)),
)
"""The last one audits as many utterances as `audits.needed` asks for."""


class Team(NamedTuple):
    """The reviewers."""

    wrong: float = 0.0
    """The share of their decisions that are wrong."""
    again: bool = True
    """Whether upheld audits get a second opinion."""

    @property
    def name(self) -> str:
        return f"{self.wrong:.0%} wrong" + ("" if self.again else ", once")


TEAMS = (Team(), Team(0.01), Team(0.02), Team(0.03), Team(0.01, again=False))


class Opinions(NamedTuple):
    """What three people who do not see each other say on each utterance: whether it breaks the rules."""

    first: Mask
    second: Mask
    third: Mask

    @property
    def settled(self) -> Mask:
        """What two of the three say."""
        return np.where(self.first == self.second, self.first, self.third)


class Speeches(NamedTuple):
    """All utterances of a window, as arrays of the same length."""

    violating: Mask
    flagged: Mask
    samples: NDArray[np.int64]
    place: NDArray[np.float64]
    """The time of the utterance: 0 is the begin of the window, 1 its end."""

    def where(self, chosen: Mask) -> "Speeches":
        return Speeches(self.violating[chosen], self.flagged[chosen], self.samples[chosen], self.place[chosen])


class ServiceTruth(NamedTuple):
    recall: float
    precision: float
    prevalence: float


@dataclass(slots=True)
class IntervalCoverage:
    """How often intervals contained the truth, and how often they were below or above it."""

    hits: int = 0
    below: int = 0
    above: int = 0

    def count(self, interval: Interval, truth: float) -> None:
        low, high = interval
        self.below += high < truth
        self.above += low > truth
        self.hits += low <= truth <= high

    def add(self, other: "IntervalCoverage") -> None:
        self.hits += other.hits
        self.below += other.below
        self.above += other.above

    def __str__(self) -> str:
        n = self.hits + self.below + self.above
        return f"{self.hits / n:7.1%} ({self.below / n:.1%}/{self.above / n:.1%})"


@dataclass(slots=True)
class Tested:
    """The results of the audits of one service."""

    audited: list[int] = field(default_factory=list)
    found: list[int] = field(default_factory=list)
    at_least: int = 0
    """How many audits showed no missed violation, so that only a lower limit is printed."""
    reach: list[float] = field(default_factory=list)
    """Half of the width of each interval of the recall."""
    recall: IntervalCoverage = field(default_factory=IntervalCoverage)
    precision: IntervalCoverage = field(default_factory=IntervalCoverage)
    prevalence: IntervalCoverage = field(default_factory=IntervalCoverage)

    def count(self, judged: Judged, reviewed: Reviewed, truth: ServiceTruth) -> None:
        recall, precision, prevalence = audits.recall(judged), audits.precision(reviewed), audits.prevalence(judged)
        if recall is None or precision is None or prevalence is None:
            raise SystemExit("An audit drew nothing: give the service more speech.")
        self.audited.append(recall.decided)
        self.found.append(recall.found)
        self.at_least += recall.at_least
        self.reach.append((recall.interval[1] - recall.interval[0]) / 2)
        self.recall.count(recall.interval, truth.recall)
        self.precision.count(precision.interval, truth.precision)
        self.prevalence.count(prevalence.interval, truth.prevalence)

    def add(self, other: "Tested") -> None:
        self.audited += other.audited
        self.found += other.found
        self.at_least += other.at_least
        self.reach += other.reach
        for name in ("recall", "precision", "prevalence"):
            getattr(self, name).add(getattr(other, name))

    def row(self, name: str, team: Team) -> str:
        audited, found, reach = (np.mean(each) for each in (self.audited, self.found, self.reach))
        least = self.at_least / len(self.audited)
        head = f"{name:30} {team.name:14} {audited:7.0f} {found:6.1f} {least:8.1%} {reach:6.1%}"
        return f"{head}  {self.recall}  {self.prevalence}  {self.precision}"


def speak(rng: Rng, service: Service) -> Speeches:
    """Return the speech of one window: rooms with rates of their own, and a flag for each utterance."""
    rates = service.prevalence * rng.gamma(UNEVEN, 1 / UNEVEN, ROOMS)
    place = rng.random(service.utterances)
    trend = 1 + (place - 0.5) * 2 * (service.drift - 1) / (service.drift + 1)
    violating = rng.random(service.utterances) < rates[rng.integers(ROOMS, size=service.utterances)] * trend
    wrong = service.prevalence * service.recall * (1 - service.precision) / service.precision
    flagged = rng.random(service.utterances) < np.where(violating, service.recall, wrong)
    seconds = np.clip(rng.lognormal(0.9, 0.7, service.utterances), 0.3, 15) * np.where(violating, LONGER, 1.0)
    return Speeches(violating, flagged, np.rint(seconds * SAMPLE_RATE).astype(np.int64), place)


def truth(speech: Speeches) -> ServiceTruth:
    caught = int((speech.violating & speech.flagged).sum())
    seconds = float(speech.samples[speech.violating].sum() / speech.samples.sum())
    return ServiceTruth(caught / int(speech.violating.sum()), caught / int(speech.flagged.sum()), seconds)


def judge(rng: Rng, service: Service, speech: Speeches, team: Team) -> tuple[Judged, Reviewed]:
    """Draw the checks and decide them. A case is one utterance."""
    everything = _speech(speech, ~speech.flagged)
    audited, audit_share = _drawn(rng, speech, service.audit_shares)
    # The rest needs only the speech that somebody decides.
    cases = speech.flagged | audited
    speech, audited, audit_share = speech.where(cases), audited[cases], audit_share[cases]
    n, passed = len(audited), ~speech.flagged
    said = Opinions(*(speech.violating ^ (rng.random(n) < team.wrong) for _ in range(3)))
    severity = rng.integers(2, size=n)
    decided = rng.random(n) >= service.undecided / np.where(severity == 1, 5, 1)
    second, second_share = _drawn(rng, speech, service.second_shares)
    judged_audit = rng.random(n) >= service.undecided
    checked = speech.flagged & decided & second
    judged = Judged(
        passed=(everything,),
        audits=tuple(
            _groups(
                speech,
                said.first,
                passed & audited,
                judged_audit,
                audit_share,
                settled=said.settled if team.again else None,
            )
        ),
        flagged=tuple(_groups(speech, said.first, speech.flagged, decided, severity=severity)),
        errors=review_errors.errors(_pairs(said, checked & judged_audit)) if team.again else ReviewErrors(),
    )
    reviewed = Reviewed(
        flagged=tuple(_groups(speech, said.first, speech.flagged, decided)),
        opinions=tuple(_groups(speech, said.settled, checked, judged_audit, second_share)),
    )
    return judged, reviewed


def _pairs(said: Opinions, chosen: Mask) -> review_errors.Opinions:
    """Return the first two opinions on the chosen speech, by what two of three people say."""
    rows = [np.where(one[chosen], "uphold", "dismiss") for one in said]
    found = Counter(zip(*(row.tolist() for row in rows), strict=True))
    return review_errors.settled_opinions((*verdicts, n) for verdicts, n in found.items())


def run(rng: Rng, services: Iterator[Service], teams: Sequence[Team]) -> list[Tested]:
    """Return, for each team, the results of one audit of each service."""
    tested = [Tested() for _ in teams]
    for service in services:
        speech = speak(rng, service)
        for team, results in zip(teams, tested, strict=True):
            results.count(*judge(rng, service, speech, team), truth(speech))
    return tested


def mixed(rng: Rng, runs: int) -> Iterator[Service]:
    """Yield services with random rates and shares."""
    for _ in range(runs):
        share = 10 ** rng.uniform(-1.5, -0.8)
        yield Service(
            "mixed",
            100_000,
            prevalence=10 ** rng.uniform(-2.3, -1.7),
            recall=rng.uniform(0.6, 0.95),
            audit_shares=(share, share * rng.uniform(0.3, 1)),
            precision=rng.uniform(0.5, 0.95),
            second_shares=(rng.uniform(0.05, 0.3),),
            undecided=rng.uniform(0, 0.2),
            drift=rng.uniform(0.7, 1.5),
        )


def _drawn(rng: Rng, speech: Speeches, shares: Sequence[float]) -> tuple[Mask, NDArray[np.float64]]:
    """Return which utterances are drawn, and the probability with which each could be."""
    share = np.asarray(shares)[(speech.place * len(shares)).astype(int)]
    return rng.random(len(share)) < share, share


def _groups(
    speech: Speeches,
    upheld: Mask,
    chosen: Mask,
    decided: Mask,
    share: NDArray[np.float64] | None = None,
    severity: NDArray[np.int64] | None = None,
    settled: Mask | None = None,
) -> Iterator[JudgedSpeech]:
    """Yield the chosen speech in groups of the same probability, severity and verdicts."""
    shares = np.ones(len(chosen)) if share is None else share
    severities = np.zeros(len(chosen), int) if severity is None else severity
    twice = np.ones(len(chosen), bool) if settled is None else settled
    for probability in np.unique(shares[chosen]):
        for level in np.unique(severities[chosen]):
            group = chosen & (shares == probability) & (severities == level)
            for verdict, agreed, mask in (
                ("uphold", None if settled is None else "uphold", decided & upheld & twice),
                ("uphold", None if settled is None else "dismiss", decided & upheld & ~twice),
                ("dismiss", None, decided & ~upheld),
                (None, None, ~decided),
            ):
                fields = {"verdict": verdict, "settled": agreed}
                if (group & mask).any():
                    yield _speech(speech, group & mask, probability=float(probability), severity=int(level), **fields)


def _speech(speech: Speeches, chosen: Mask, **fields: Any) -> JudgedSpeech:
    samples = speech.samples[chosen]
    return JudgedSpeech(
        language="zh",
        model="baseline",
        policy="default@1",
        room_type="default",
        count=int(chosen.sum()),
        samples=int(samples.sum()),
        squares=int((samples * samples).sum()),
        **fields,
    )


def main() -> None:
    parser = report.parser(__doc__)
    parser.add_argument("--audits", type=int, default=300, help="simulated audits of each service (default: 300)")
    parser.add_argument("--seed", type=int, default=27, help="seed of the random numbers (default: 27)")
    arguments = parser.parse_args()
    head = f"{'service':30} {'decisions':14} {'audits':>7} {'found':>6} {'at least':>8} {'+-':>6}"
    print(f"{head}  {'recall':20}  {'prevalence':20}  {'precision':20}")
    rng = np.random.default_rng((arguments.seed, len(SERVICES)))
    together = [Tested() for _ in TEAMS]
    for number, service in enumerate(SERVICES):
        own = np.random.default_rng((arguments.seed, number))
        _tell(service.name, run(own, (service for _ in range(arguments.audits)), TEAMS), together)
    _tell("mixed", run(rng, mixed(rng, arguments.audits), TEAMS), together)
    _tell("all", together)
    print(report.machine())


def _tell(name: str, tested: Sequence[Tested], together: Sequence[Tested] = ()) -> None:
    """Print the results of each team, and add them to those of all services."""
    for team, results in zip(TEAMS, tested, strict=True):
        print(results.row(name, team), flush=True)
    for every, results in zip(together, tested, strict=False):
        every.add(results)


if __name__ == "__main__":
    main()
