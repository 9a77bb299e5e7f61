"""A label that needs both sources counts only if words and second ear find it in the same moment."""

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from pipeline.base.metrics import Metrics
from pipeline.contract.messages import Flag, Sound, Transcript, first_id
from pipeline.judge import lexicon, verdict
from pipeline.judge.judge_stage import Judge, JudgeConfig
from pipeline.judge.rule_texts import policy_of
from pipeline.judge.withheld_flags import LATE_SECONDS, MAX_FLAGS
from tests.builders import sound, transcript
from tests.pipeline.judge.fakes import LABELS, judge_of

POLICY = """
name: own
every: {review: 0.5, block: 0.9}
risk: {review: 0.8}
ear: {every: {review: 0.6}}
cooldown_seconds: 60
room_types:
  game:
    labels: {violence: {sources: both}, hate: {sources: both}}
"""
SCORES = {
    "kill": {"violence": 0.7},
    "hate": {"hate": 0.95},
    "spam": {"ads_spam": 0.7},
    "risky": {"risk": 0.9, "violence": 0.4},
}
FIRST = 100.0


def judge(metrics: Metrics | None = None, text: str = POLICY) -> Judge:
    config = JudgeConfig(LABELS, lexicon.compile_terms([]), policy_of(text, LABELS))
    return judge_of(SCORES, config, metrics)


def said(text: str, start: float = 0.0, end: float = 2.0, **changes: Any) -> Transcript:
    fields = {"room_type": "game", "id": f"{text} {start}", "utterance": f"{text} {start}"} | changes
    return transcript(text, FIRST + start, end=FIRST + end, **fields)


def heard(label: str = "violence", start: float = -2.0, end: float = 4.0, **changes: Any) -> Sound:
    fields: dict[str, Any] = {
        "kind": "ear",
        "label": label,
        "reference": "",
        "room_type": "game",
        "room": "lobby",
        "score": 0.7,
    }
    one = sound(f"{label} {start}", **fields | changes)
    return structs.replace(one, start=FIRST + start, end=FIRST + end)


def judged(*messages: Transcript | Sound, by: Judge | None = None) -> list[Flag]:
    one = by or judge()
    return [flag for message in messages for flag in one.process([message]) if isinstance(flag, Flag)]


def flagged(flags: Sequence[Flag]) -> list[tuple[str, str, tuple[str, ...]]]:
    return [(flag.source, flag.suggestion, flag.flagged) for flag in flags]


def test_one_source_is_withheld_and_says_so() -> None:
    words, ear = judged(said("I kill you")), judged(heard())
    assert flagged([*words, *ear]) == [("words", "pass", ()), ("ear", "pass", ())]
    assert words[0].withheld == ear[0].withheld == ("violence",)
    assert words[0].reasons == ("violence: withheld until words and second ear agree",)
    assert ear[0].reasons[-1] == words[0].reasons[0]


def test_the_second_source_releases_both() -> None:
    flags = judged(said("I kill you"), heard())
    assert flagged(flags[2:]) == [("words", "review", ("violence",)), ("ear", "review", ("violence",))]
    assert {flag.released for flag in flags[2:]} == {"violence"}
    assert all(flag.reasons[-1] == "violence: words and second ear agree" for flag in flags[2:])
    assert len({flag.id for flag in flags}) == 4
    assert [flag.utterance for flag in flags] == ["I kill you 0.0", "violence -2.0"] * 2
    assert verdict.terms_alone(flags[2].reasons) == frozenset()


@pytest.mark.parametrize(
    "ear",
    [
        heard("hate"),
        heard(start=2.0),
        heard(end=0.0),
        heard(speaker="bob"),
        heard(room="attic"),
        heard(score=0.59),
    ],
)
def test_another_label_moment_speaker_or_room_releases_nothing(ear: Sound) -> None:
    assert {flag.suggestion for flag in judged(said("I kill you"), ear, ear)} == {"pass"}


def test_other_rooms_and_labels_need_one_source() -> None:
    assert flagged(judged(said("I kill you", room_type="default"))) == [("words", "review", ("violence",))]
    assert flagged(judged(heard(room_type="default"))) == [("ear", "review", ("violence",))]
    (both,) = judged(said("kill spam"))
    assert (both.suggestion, both.flagged, both.withheld) == ("review", ("ads_spam",), ("violence",))


def test_the_rule_on_risk_does_not_replace_a_withheld_label() -> None:
    (alone,) = judged(said("risky"))
    assert (alone.suggestion, alone.withheld) == ("pass", ("violence",))
    assert flagged(judged(said("risky"), heard())[2:3]) == [("words", "review", ("violence",))]


def test_a_text_that_passes_for_its_mark_is_not_withheld() -> None:
    rules = POLICY + "marks: {silence_phrase: pass}\n"
    flags = judged(said("kill", marks=("silence_phrase",)), heard(), by=judge(text=rules))
    assert [(flag.suggestion, flag.withheld) for flag in flags] == [("pass", ()), ("pass", ("violence",))]


def test_a_released_block_cools_the_speaker_down() -> None:
    flags = judged(said("hate"), said("hate", 10, 12), heard("hate", 0, 15))
    assert [flag.suggestion for flag in flags if flag.released] == ["block", "review", "review"]


def test_the_second_reader_says_nothing_about_a_label_that_needs_both() -> None:
    resolver = policy_of(POLICY, LABELS)
    assert resolver.resolved("game", "en").reader["violence"] > 1
    assert (
        resolver.resolved("game", "en").reader["abuse"] == resolver.resolved("default", "en").reader["violence"] == 0.7
    )


def test_metrics_count_what_is_withheld_and_released_from_zero() -> None:
    metrics = Metrics()
    by = judge(metrics)

    def count(label: str, source: str, result: str) -> float | None:
        labels = {"label": label, "source": source, "result": result}
        return metrics.registry.get_sample_value("voxwarden_both_sources_total", labels)

    assert [count(label, "ear", "released") for label in ("violence", "hate", "abuse")] == [0, 0, None]
    judged(said("kill"), said("kill", 60, 62), heard(), by=by)
    assert [count("violence", "words", result) for result in ("withheld", "released")] == [2, 1]
    assert [count("violence", "ear", result) for result in ("withheld", "released")] == [1, 1]


def test_a_speaker_cannot_fill_the_memory() -> None:
    many = [said("kill", at, at + 1) for at in range(MAX_FLAGS + 1)]
    assert not any(flag.released for flag in judged(*many, heard(start=0.0, end=1.0)))
    assert any(flag.released for flag in judged(*many[1:], heard(start=1.0, end=2.0)))
    late = said("kill", LATE_SECONDS + 3, LATE_SECONDS + 4, speaker="bob")
    assert not any(flag.released for flag in judged(said("kill"), late, heard()))


MESSAGES = st.lists(
    st.tuples(st.sampled_from(["kill", "hate", "kill hate", "spam"]), st.integers(0, 20)), min_size=1, max_size=4
)
EAR = st.lists(st.tuples(st.sampled_from(["violence", "hate"]), st.integers(0, 20)), min_size=1, max_size=4)


@given(MESSAGES, EAR, st.data())
def test_any_order_of_the_two_topics_gives_the_same_flags(
    words: list[tuple[str, int]], ear: list[tuple[str, int]], data: st.DataObject
) -> None:
    topics: list[list[Transcript | Sound]] = [
        [said(text, 4 * at, 4 * at + 3) for text, at in sorted(words, key=lambda each: each[1])],
        [heard(label, 3 * at, 3 * at + 6) for label, at in sorted(ear, key=lambda each: each[1])],
    ]
    mixed: list[Transcript | Sound] = []
    waiting = [list(topic) for topic in topics]
    while any(waiting):
        topic = data.draw(st.sampled_from([topic for topic in waiting if topic]))
        mixed.append(topic.pop(0))
    one, other = judged(*topics[0], *topics[1]), judged(*mixed)
    assert {flag.id: (flag.suggestion, flag.flagged, flag.released, flag.withheld) for flag in one} == {
        flag.id: (flag.suggestion, flag.flagged, flag.released, flag.withheld) for flag in other
    }


def test_speech_counts_once_as_flagged_and_once_for_each_label() -> None:
    metrics = Metrics()
    judged(
        said("kill"), heard(), heard(start=-3.0), said("kill spam", 10, 12), heard(start=10, end=12), by=judge(metrics)
    )

    def count(name: str, **labels: str) -> float | None:
        return metrics.registry.get_sample_value(f"voxwarden_{name}_total", labels)

    assert count("flags", suggestion="pass", source="words") == 1
    assert count("flags", suggestion="review", source="words") == 2
    assert count("labels", label="ads_spam") == 1
    assert count("labels", label="violence") == 5
    assert count("both_sources", label="violence", source="words", result="released") == 2


def test_a_released_flag_of_words_knows_the_id_of_the_withheld_one() -> None:
    withheld, _, released, _ = judged(said("kill"), heard())
    assert first_id(released) == first_id(withheld) == withheld.id != released.id
