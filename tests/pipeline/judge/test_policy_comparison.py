from collections.abc import Iterable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import json, structs

from pipeline.base.errors import ConfigError, TextError
from pipeline.contract.messages import Flag, Transcript
from pipeline.judge import policy_comparison as backtests
from pipeline.judge.policy_comparison import Backtest, BacktestTally, Comparison, Kind
from pipeline.judge.text_transcripts import transcripts
from pipeline.settings import JudgeSettings
from tests.builders import flag, transcript
from tests.pipeline.judge.fakes import WordClassifier

POLICY = """
name: {name}
every: {{review: {review}, block: {block}}}
cooldown_seconds: {cooldown}
"""
KNOWN = {"mild": {"abuse": 0.5, "risk": 0.5}, "harsh": {"abuse": 0.9, "risk": 0.9}, "grim": {"violence": 0.9}}


@pytest.fixture
def classifier(monkeypatch: pytest.MonkeyPatch) -> WordClassifier:
    known = WordClassifier(KNOWN)
    monkeypatch.setattr(backtests, "load_classifier", lambda _: known)
    return known


def written(folder: Path, name: str, review: float = 0.6, block: float = 0.95, cooldown: float = 0) -> str:
    path = folder / f"{name}.yaml"
    path.write_text(POLICY.format(name=name, review=review, block=block, cooldown=cooldown))
    return str(path)


def compared(test: Backtest, *said: Transcript) -> list[tuple[str, Kind]]:
    return [(each.after.text, each.kind) for each in test.compare(said)]


def tally(comparisons: Iterable[Comparison]) -> BacktestTally:
    made = BacktestTally()
    for comparison in comparisons:
        made.add(comparison)
    return made


def test_flags_are_new_gone_changed_or_the_same(classifier: WordClassifier, tmp_path: Path) -> None:
    lax, strict = written(tmp_path, "lax"), written(tmp_path, "strict", review=0.4, block=0.8)
    said = [transcript("mild", 1.0), transcript("harsh", 2.0), transcript("fine", 3.0)]
    there = backtests.build_backtest(JudgeSettings(), lax, strict)
    assert compared(there, *said) == [("mild", "new"), ("harsh", "changed"), ("fine", "same")]
    assert classifier.asked == ["mild", "harsh", "fine"], "each text is read once, for both policies"
    back = backtests.build_backtest(JudgeSettings(), strict, lax)
    assert compared(back, *said) == [("mild", "gone"), ("harsh", "changed"), ("fine", "same")]
    assert (there.before.version[:4], there.after.version[:7]) == ("lax@", "strict@")


@pytest.mark.usefixtures("classifier")
def test_a_policy_does_not_differ_from_itself(tmp_path: Path) -> None:
    lax = written(tmp_path, "lax", cooldown=30)
    said = [transcript(text, float(at)) for at, text in enumerate(["harsh", "mild", "harsh", "add me on telegram"])]
    found = tally(backtests.build_backtest(JudgeSettings(), lax, lax).compare(said))
    assert found.kinds == {"same": 4}


@pytest.mark.usefixtures("classifier")
def test_each_policy_has_its_own_cool_downs(tmp_path: Path) -> None:
    calm = written(tmp_path, "calm", block=0.8, cooldown=30)
    eager = written(tmp_path, "eager", block=0.8)
    test = backtests.build_backtest(JudgeSettings(), calm, eager)
    assert compared(test, transcript("harsh", 1.0)) == [("harsh", "same")]
    assert compared(test, transcript("harsh", 2.0)) == [("harsh", "changed")], "review by cool-down, and block"


def test_both_policies_read_context(classifier: WordClassifier, tmp_path: Path) -> None:
    classifier.context = True
    classifier.known |= {"you": {"abuse": 0.3, "risk": 0.6}, "i hate</s>you": {"abuse": 0.7, "risk": 0.7}}
    test = backtests.build_backtest(JudgeSettings(), written(tmp_path, "lax", 0.8), written(tmp_path, "strict", 0.5))
    assert compared(test, transcript("i hate", 1.0)) == [("i hate", "same")]
    assert compared(test, transcript("you", 4.0)) == [("you", "new")]


@pytest.mark.usefixtures("classifier")
def test_repeated_and_skipped_transcripts_are_not_judged(tmp_path: Path) -> None:
    test = backtests.build_backtest(JudgeSettings(), written(tmp_path, "lax"), "strict")
    once, unheard = transcript("mild", 1.0), structs.replace(transcript("", 2.0), skipped=True)
    assert len(test.compare([once, once, unheard])) == 1
    assert test.compare([once]) == []
    assert (test.repeated, test.skipped) == (2, 1)
    heard_later = structs.replace(unheard, skipped=False, text="mild")
    assert len(test.compare([heard_later])) == 1, "a redelivery that was heard after all counts"


def test_a_missing_policy_is_named() -> None:
    with pytest.raises(ConfigError, match=r"nowhere\.yaml"):
        backtests.build_backtest(JudgeSettings(), "default", "nowhere")


def test_each_label_has_its_own_difference(tmp_path: Path) -> None:
    before, after = flag(flagged=("abuse", "violence")), flag(flagged=("abuse", "sexual"))
    comparison = Comparison(before, after)
    assert comparison.kind == "changed"
    assert comparison.labels == {"abuse": "same", "violence": "gone", "sexual": "new"}
    assert Comparison(before, flag(suggestion="block", flagged=("abuse", "violence"))).labels == {
        "abuse": "changed",
        "violence": "changed",
    }
    assert Comparison(before, flag(suggestion="pass", flagged=("abuse",))).labels == {
        "abuse": "gone",
        "violence": "gone",
    }


FLAGS = st.builds(
    lambda suggestion, labels: flag(suggestion=suggestion, flagged=tuple(labels)),
    st.sampled_from(["pass", "review", "block"]),
    st.sets(st.sampled_from(["abuse", "violence", "sexual"])),
)


@given(FLAGS, FLAGS)
def test_swapped_policies_give_mirrored_results(one: Flag, other: Flag) -> None:
    mirrored: dict[Kind, Kind] = {"new": "gone", "gone": "new", "changed": "changed", "same": "same"}
    there, back = Comparison(one, other), Comparison(other, one)
    assert mirrored[there.kind] == back.kind
    assert {label: mirrored[kind] for label, kind in there.labels.items()} == back.labels
    assert Comparison(one, one).kind == "same"


def test_any_line_with_a_text_is_a_transcript() -> None:
    kept = transcript("harsh", 7.0, room_type="kids", language="zh", marks=("repetition",))
    lines = [
        json.encode(kept),
        b'{"kind": "file", "file": "a.wav", "seconds": 3}',
        b"",
        '{"text": "你好", "room": null, "start": null, "words": [1]}'.encode(),
    ]
    whole, plain = [line for line in transcripts(lines) if isinstance(line, Transcript)]
    same = ("room", "speaker", "room_type", "start", "end", "id", "text", "language", "confidence", "marks")
    assert [getattr(whole, name) for name in same] == [getattr(kept, name) for name in same]
    assert (plain.text, plain.language, plain.start, plain.id) == ("你好", "zh", 0.0, "line 4")


@given(st.binary())
def test_an_unreadable_line_is_named(line: bytes) -> None:
    for found in transcripts([b'{"text": "good"}', line.replace(b"\n", b"")]):
        assert isinstance(found, Transcript) or (isinstance(found, TextError) and "Line 2" in str(found))
