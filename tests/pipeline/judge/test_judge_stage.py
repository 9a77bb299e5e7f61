from collections.abc import Sequence
from typing import Any

import msgspec

from pipeline.base.metrics import Metrics
from pipeline.contract.messages import Flag, Transcript, Word
from pipeline.contract.stage import NO_BACKLOG, Backlog, Rejected
from pipeline.judge import verdict
from pipeline.judge.text_transcripts import Text, judge_texts
from tests.builders import transcript
from tests.pipeline.judge.fakes import judge_of

RUDE = {"idiots": {"abuse": 0.99, "risk": 0.99}}


def flags(found: Sequence[object]) -> list[Flag]:
    assert not any(isinstance(flag, Rejected) for flag in found)
    return [flag for flag in found if isinstance(flag, Flag)]


def test_every_transcript_gets_a_flag_in_order() -> None:
    batch = [transcript("hello there", 1.0), transcript("", 2.0), transcript("我弄死你", 3.0, language="zh")]
    found = flags(judge_of().process(batch))
    assert [flag.text for flag in found] == ["hello there", "", "我弄死你"]
    assert [flag.suggestion for flag in found] == ["pass", "pass", "review"]
    assert judge_of().process([]) == []


def test_a_flag_carries_its_evidence() -> None:
    words = (Word("so", 100.0, 100.2), Word("add me", 100.4, 100.6), Word("on telegram", 100.7, 101.3))
    said = transcript("so add me on telegram", words=words)
    (flag,) = flags(judge_of().process([said]))
    (hit,) = flag.hits
    assert said.text[hit.start : hit.end] == hit.term == "add me on telegram"
    assert (hit.start_time, hit.end_time) == (100.4, 101.3)
    assert (flag.utterance, flag.transcript, flag.address) == (said.utterance, said.id, said.address)
    assert (flag.flagged, flag.model) == (("ads_spam",), "words@1")
    assert flag.policy.startswith("default@")
    assert "political_sensitive" not in flag.labels
    assert msgspec.json.decode(msgspec.json.encode(flag), type=Flag) == flag


def test_the_same_speech_has_the_same_flag_after_a_replay() -> None:
    judge = judge_of(RUDE)
    said = [transcript("idiots all of you", 100.0), transcript("I say idiots", 105.0)]
    assert judge.process(said) == judge.process(said)


def test_a_speaker_is_blocked_once_in_the_cooldown_and_again_after_it() -> None:
    judge = judge_of(RUDE)
    said = [transcript("idiots", start) for start in (100.0, 110.0, 129.0, 131.0)]
    said.append(transcript("idiots", 111.0, speaker="bob"))
    suggestions = [flag.suggestion for flag in flags(judge.process(said))]
    assert suggestions == ["block", "review", "review", "block", "block"]


def test_room_types_differ() -> None:
    judge = judge_of()
    said = [transcript("you suck", room_type=kind) for kind in ("default", "kids", "unheard-of")]
    assert [flag.suggestion for flag in flags(judge.process(said))] == ["pass", "review", "pass"]


def test_hallucinated_words_are_not_blocked() -> None:
    judge = judge_of(RUDE)
    said = [transcript("idiots", 1.0, marks=("repetition",)), transcript("idiots", 2.0, marks=("silence_phrase",))]
    assert [flag.suggestion for flag in flags(judge.process(said))] == ["review", "pass"]


def test_a_term_of_a_label_that_is_off_leaves_no_trace() -> None:
    (flag,) = flags(judge_of().process([transcript("推翻政府", language="zh")]))
    assert (flag.suggestion, flag.hits, flag.flagged) == ("pass", (), ())


def test_metrics_count_suggestions_and_labels() -> None:
    metrics = Metrics()
    judge_of(RUDE, metrics=metrics).process([transcript("hello"), transcript("idiots"), transcript("send nudes")])

    def count(name: str, **labels: str) -> float | None:
        return metrics.registry.get_sample_value(name, labels)

    assert count("voxwarden_flags_total", suggestion="pass", source="words") == 1
    assert count("voxwarden_flags_total", suggestion="block", source="words") == 1
    assert count("voxwarden_labels_total", label="sexual") == 1
    assert count("voxwarden_labels_total", label="abuse") == 1


PIECES = {
    "and end you": {"violence": 0.3, "risk": 0.6},
    "ok bye": {"violence": 0.0, "risk": 0.6},
    "i will find</s>and end you": {"violence": 0.999, "risk": 0.999},
    "and end you</s>ok bye": {"violence": 0.999, "risk": 0.999},
}


def in_pieces(start: float = 100.0, **who: str) -> list[Transcript]:
    texts = ("i will find", "and end you", "ok bye")
    return [transcript(text, start + 3 * at, **who) for at, text in enumerate(texts)]


def test_a_threat_in_two_pieces_is_flagged_and_says_why() -> None:
    metrics = Metrics()
    first, second, third = flags(judge_of(PIECES, metrics=metrics, context=True).process(in_pieces()))
    assert [flag.suggestion for flag in (first, second)] == ["pass", "block"]
    assert (second.risk, second.labels["violence"]) == (0.999, 0.999)
    assert second.reasons[-1] == verdict.of_context("pass")
    assert third.suggestion == "pass", "words that are flagged already flag nothing that follows them"

    def count(result: str) -> float | None:
        return metrics.registry.get_sample_value("voxwarden_context_total", {"result": result})

    assert (count("raised"), count("same")) == (1, 1)


def test_a_classifier_without_context_reads_each_utterance_alone() -> None:
    assert [flag.suggestion for flag in flags(judge_of(PIECES).process(in_pieces()))] == ["pass"] * 3


def test_context_depends_neither_on_batches_nor_on_a_replay() -> None:
    said = [each for pair in zip(in_pieces(), in_pieces(101.0, speaker="bob"), strict=True) for each in pair]
    whole = judge_of(PIECES, context=True)
    found = flags(whole.process(said))
    assert [flag.suggestion for flag in found] == ["pass", "pass", "block", "block", "pass", "pass"]
    assert flags(whole.process(said)) == found
    single = judge_of(PIECES, context=True)
    assert [flag for each in said for flag in flags(single.process([each]))] == found


def test_after_the_seconds_of_context_the_same_words_are_flagged_again() -> None:
    judge = judge_of(PIECES, context=True)
    judge.process(in_pieces())
    again = flags(judge.process(in_pieces(150.0)))
    assert [flag.suggestion for flag in again] == ["pass", "block", "pass"]


def test_words_of_a_silent_room_are_forgotten_by_the_clock() -> None:
    for ticks, suggestion in (((0.0, 1.0, 599.0), "block"), ((0.0, 600.0, 1200.0), "pass")):
        judge = judge_of(PIECES, context=True)
        first, second, _ = in_pieces()
        judge.process([first])
        assert [result for now in ticks for result in judge.tick(now)] == []
        assert [flag.suggestion for flag in flags(judge.process([second]))] == [suggestion]


def test_texts_with_speakers_and_times_are_read_in_context() -> None:
    said = [Text("i will find", speaker="ann", start=1.0), Text("and end you", speaker="ann", start=2.0)]
    judge = judge_of(PIECES, context=True)
    assert [flag.suggestion for flag in judge_texts(judge, said)] == ["pass", "block"]
    plain = [Text("i will find"), Text("and end you")]
    assert [flag.suggestion for flag in judge_texts(judge_of(PIECES, context=True), plain)] == ["pass", "pass"]


def test_texts_are_judged_without_cooling_each_other() -> None:
    found = judge_texts(judge_of(RUDE), [Text("idiots"), Text("idiots"), Text("你好"), Text("you suck", "en", "kids")])
    assert [flag.suggestion for flag in found] == ["block", "block", "pass", "review"]
    assert [flag.language for flag in found] == ["en", "en", "zh", "en"]


def test_any_transcript_of_the_contract_can_be_judged() -> None:
    odd = transcript("\x00\ufffd k1ll\u2028you 😀", 0.0, end=0.0, id="", utterance="", language="xx", confidence=0.0)
    (flag,) = flags(judge_of().process([odd]))
    assert flag.start == 0.0


def so_far(text: str, seconds: float, **changes: Any) -> Transcript:
    """The words so far of an utterance that begins at 100 s."""
    return transcript(text, 100.0, end=100.0 + seconds, early=True, **changes)


def test_words_so_far_have_a_flag_with_the_id_of_their_utterance_once() -> None:
    judge = judge_of(RUDE)
    (first,) = flags(judge.process([so_far("you idiots", 3.0)]))
    assert flags(judge.process([so_far("you idiots, all of you", 6.0)])) == []
    (whole,) = flags(judge.process([transcript("you idiots, all of you, listen", 100.0, end=108.0)]))
    assert (first.id, first.early, whole.early) == (whole.id, True, False)
    assert first.suggestion == whole.suggestion == "block", "its own block cools no utterance"
    assert flags(judge.process([so_far("idiots again", 3.0, speaker="bob")])) != []


def test_words_so_far_that_become_worse_have_another_flag_and_harmless_ones_none() -> None:
    judge = judge_of({"fools": {"abuse": 0.9, "risk": 0.9}} | RUDE)
    said = ["hello", "hello, you suck, send nudes", "hello, you suck, send nudes, idiots"]
    found = [flags(judge.process([so_far(text, 3.0 + 3 * n)])) for n, text in enumerate(said)]
    assert [[flag.suggestion for flag in each] for each in found] == [[], ["review"], ["block"]]


def test_words_so_far_count_nowhere_and_are_no_context() -> None:
    metrics = Metrics()
    judge = judge_of(RUDE, metrics=metrics, context=True)
    judge.process([so_far("you idiots", 3.0)])
    value = metrics.registry.get_sample_value
    assert value("voxwarden_flags_total", {"suggestion": "block", "source": "words"}) == 0
    assert value("voxwarden_labels_total", {"label": "abuse"}) == 0
    before = judge._conversations.follow([transcript("and now", 104.0)])
    assert before[0].own == []


def test_words_so_far_are_left_out_while_the_judge_is_behind() -> None:
    judge = judge_of(RUDE)
    judge.behind(Backlog(waited=2.0))
    found = flags(judge.process([so_far("you idiots", 3.0), transcript("you idiots", 100.0, end=108.0)]))
    assert [flag.early for flag in found] == [False]
    judge.behind(NO_BACKLOG)
    assert [flag.early for flag in flags(judge.process([so_far("idiots", 3.0, speaker="bob")]))] == [True]
