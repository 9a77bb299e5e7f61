"""A judge follows releases: it swaps between batches, and a bad release changes nothing."""

import time
from collections.abc import Iterator
from contextlib import closing

import pytest
from msgspec import structs

from pipeline.base.errors import BadMessage, DependencyError
from pipeline.base.metrics import Metrics
from pipeline.contract.messages import Flag
from pipeline.judge import policy_release as module
from pipeline.judge.judge_stage import Judge
from pipeline.judge.policy_release import FollowedRules, JudgeReport, MarkedTexts, Release
from pipeline.judge.rule_texts import LexiconText, RuleTexts
from pipeline.settings import Settings
from tests.builders import transcript
from tests.pipeline.judge.fakes import WordClassifier
from tests.pipeline.review.policies.texts import POLICY, texts

PATIENCE_SECONDS = 60.0


class Source:
    """Gives the releases that a test sets."""

    def __init__(self) -> None:
        self.release: Release | Exception | None = None
        self.reports: list[JudgeReport] = []
        self.closed = False

    def newest(self) -> Release | None:
        if isinstance(self.release, Exception):
            raise self.release
        return self.release

    def report(self, report: JudgeReport) -> None:
        self.reports.append(report)

    def close(self) -> None:
        self.closed = True


def release(edition: int, these: RuleTexts, *shadows: MarkedTexts) -> Release:
    return Release(edition, MarkedTexts(str(edition), these), shadows)


@pytest.fixture
def source() -> Source:
    return Source()


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


@pytest.fixture
def rules(source: Source, metrics: Metrics) -> Iterator[FollowedRules]:
    with closing(FollowedRules(Settings(), source, metrics, seconds=0.01)) as followed:
        yield followed


def wait_for(rules: FollowedRules, version: str) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while rules.now().policy.version != version:
        assert time.monotonic() < deadline, f"still {rules.now().policy.version}"
        time.sleep(0.005)


def test_the_files_count_until_something_is_published(rules: FollowedRules, source: Source) -> None:
    assert rules.now().policy.version.startswith("default@")
    source.release = release(3, texts())
    wait_for(rules, "mine@3")
    source.release = Release(4)
    wait_for(rules, Settings().judge.policy + "@" + rules._files.policy.version.partition("@")[2])


def test_a_batch_is_judged_by_one_version(source: Source, metrics: Metrics) -> None:
    """The rules change while the classifier works. The batch keeps those that it began with."""
    source.release = release(1, texts("one fish"))
    followed: list[FollowedRules] = []

    class Slow(WordClassifier):
        def classify(self, said, languages):  # type: ignore[no-untyped-def]
            source.release = release(2, texts("two fish"))
            wait_for(followed[0], "mine@2")
            return super().classify(said, languages)

    with closing(FollowedRules(Settings(), source, metrics, seconds=0.01)) as rules:
        followed.append(rules)
        judge = Judge(rules, Slow(), metrics)
        said = [transcript("one fish", 100.0), transcript("two fish", 200.0)]
        for version, suggestions in (("mine@1", ["review", "pass"]), ("mine@2", ["pass", "review"])):
            flags = [flag for flag in judge.process(said) if isinstance(flag, Flag)]
            assert [flag.policy for flag in flags] == [version] * 2
            assert [flag.suggestion for flag in flags] == suggestions
    value = metrics.registry.get_sample_value
    assert value("voxwarden_policy_info", {"policy": "mine@2"}) == 1
    assert value("voxwarden_policy_info", {"policy": "mine@1"}) is None


def test_ids_differ_between_versions_and_are_stable_within_one(source: Source, metrics: Metrics) -> None:
    source.release = release(1, texts())
    ids = []
    with closing(FollowedRules(Settings(), source, metrics, seconds=0.01)) as rules:
        judge = Judge(rules, WordClassifier(), metrics)
        for edition in (1, 1, 2, 3):
            source.release = release(edition, texts())
            wait_for(rules, f"mine@{edition}")
            [flag] = judge.process([transcript("purple banana")])
            assert isinstance(flag, Flag)
            ids.append(flag.id)
    assert ids[0] == ids[1]
    assert len(set(ids)) == 3


def test_cool_downs_go_on_after_a_swap(source: Source, metrics: Metrics) -> None:
    blocks = POLICY + "cooldown_seconds: 60\n"
    classifier = WordClassifier({"rude": {"abuse": 0.95}})
    source.release = release(1, texts(policy=blocks))
    with closing(FollowedRules(Settings(), source, metrics, seconds=0.01)) as rules:
        judge = Judge(rules, classifier, metrics)
        first = judge.process([transcript("rude", 100.0)])
        source.release = release(2, texts("green banana", blocks))
        wait_for(rules, "mine@2")
        second = judge.process([transcript("rude", 110.0)])
    assert [flag.suggestion for flag in (*first, *second) if isinstance(flag, Flag)] == ["block", "review"]


def test_a_shadow_has_its_own_terms(source: Source, metrics: Metrics) -> None:
    source.release = release(1, texts(), MarkedTexts("draft-1", texts("green banana")))
    with closing(FollowedRules(Settings(), source, metrics, seconds=0.01)) as rules:
        judge = Judge(rules, WordClassifier(), metrics)
        judge.process([transcript("green banana"), transcript("purple banana", 200.0)])
    counts = {
        suggestion: metrics.registry.get_sample_value(
            "voxwarden_shadow_flags_total", {"policy": "mine@draft-1", "suggestion": suggestion, "agrees": "no"}
        )
        for suggestion in ("pass", "review")
    }
    assert counts == {"pass": 1, "review": 1}


def test_a_judge_reports_what_a_shadow_suggested_since_it_began(
    source: Source, metrics: Metrics, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "REPORT_SECONDS", 0.0)
    shadow = MarkedTexts("draft-1", texts("green banana"))
    said = [transcript("green banana"), transcript("purple banana", 200.0), transcript("no fruit", 300.0)]
    with closing(FollowedRules(Settings(), source, metrics, seconds=0.01)) as rules:
        judge = Judge(rules, WordClassifier(), metrics)
        for edition, shadows in ((1, (shadow,)), (2, ()), (3, (shadow,))):
            source.release = release(edition, texts(), *shadows)
            wait_for(rules, f"mine@{edition}")
            judge.process([structs.replace(each, id=f"{each.id}-{edition}") for each in said])
        deadline = time.monotonic() + PATIENCE_SECONDS
        while [count.judged for count in source.reports[-1].shadows] != [3]:
            assert time.monotonic() < deadline
            time.sleep(0.005)
    [count] = source.reports[-1].shadows
    assert (count.mark, count.judged, count.flagged, count.differ) == ("draft-1", 3, 1, 2), (
        "not those of the first time"
    )
    assert all(not each.shadows for each in source.reports if each.edition == 2)


@pytest.mark.parametrize(
    "bad",
    [
        release(2, texts(policy="name: [x")),
        release(2, RuleTexts(POLICY, (LexiconText("en", "groups: 7"),))),
        release(2, texts(policy=POLICY + "labels: {no_such_label: {review: 0.5}}\n")),
        release(2, texts(), MarkedTexts("draft-1", texts(policy="no policy"))),
        BadMessage("A record cannot be read"),
        ValueError("unforeseen"),
    ],
)
def test_a_bad_release_changes_nothing_and_is_reported(
    source: Source, metrics: Metrics, bad: Release | Exception, caplog: pytest.LogCaptureFixture
) -> None:
    source.release = release(1, texts())
    value = metrics.registry.get_sample_value
    with closing(FollowedRules(Settings(), source, metrics, seconds=0.01)) as rules:
        source.release = bad
        foreseen = not isinstance(bad, ValueError)
        deadline = time.monotonic() + PATIENCE_SECONDS
        while foreseen and not any(report.problem for report in source.reports):
            assert time.monotonic() < deadline, "nothing was reported"
            time.sleep(0.005)
        assert rules.now().policy.version == "mine@1"
        if foreseen:
            assert value("voxwarden_policy_refusals_total") == 1, "once, however often it looks"
            assert value("voxwarden_policy_refused") == 1
        source.release = release(3, texts("green banana"))
        wait_for(rules, "mine@3")
    assert value("voxwarden_policy_refused") == 0
    assert source.closed
    if foreseen:
        assert sum("cannot be used" in message for message in caplog.messages) == 1


def test_an_outage_at_the_start_is_raised_and_later_is_borne(source: Source, metrics: Metrics) -> None:
    source.release = DependencyError("The broker is down")
    with pytest.raises(DependencyError):
        FollowedRules(Settings(), source, metrics)
    source.release = release(1, texts())
    with closing(FollowedRules(Settings(), source, metrics, seconds=0.01)) as rules:
        source.release = DependencyError("The broker is down")
        time.sleep(0.05)
        assert rules.now().policy.version == "mine@1"
        source.release = release(2, texts("green banana"))
        wait_for(rules, "mine@2")


def test_an_unreadable_release_at_the_start_leaves_the_files(source: Source, metrics: Metrics) -> None:
    source.release = BadMessage("A record cannot be read")
    with closing(FollowedRules(Settings(), source, metrics)) as rules:
        assert rules.now().policy.version.startswith("default@")
    assert metrics.registry.get_sample_value("voxwarden_policy_refused") == 1
