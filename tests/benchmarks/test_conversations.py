"""The benchmark of conversations compares the judge with and without context, and knows whom a flag blames."""

import csv
from pathlib import Path

import pytest
from rich.console import Console

from benchmarks.conversations import Readers, compared, tables
from benchmarks.judging.conversations import cut, ordinary, ours, public
from pipeline.judge.judge_stage import read_config
from pipeline.learning.training_rows import part_of
from pipeline.settings import JudgeSettings
from tests.pipeline.judge.fakes import WordClassifier
from training.classifier import sets

THREAT = "I know which bus you take home"
PIECES = {
    "it was a joke": {"abuse": 0.99, "risk": 0.99},
    "and I know how": {"violence": 0.3, "risk": 0.6},
    f"{THREAT}</s>and I know how dark": {"violence": 0.99, "risk": 0.99},
}


def table(path: Path, *rows: dict[str, str]) -> None:
    path.parent.mkdir(parents=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        out = csv.DictWriter(file, rows[0])
        out.writeheader()
        out.writerows(rows)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    replies = [
        {"context": f"question {n}", "text": f"answer number {n}", "category": "Offending User", "label": label}
        for n in range(40)
        for label in ("Safe", "Unsafe")
    ]
    table(tmp_path / "diasafety" / "rows.csv", *replies)
    calls = [
        {"dialogue": str(n), "call": call, "kind": "x", "turn": str(turn), "speaker": who, "text": f"第{n}句话"}
        for n, call in enumerate(["fraud", "normal"] * 20)
        for turn, who in enumerate(["caller", "called"])
    ]
    table(tmp_path / "teleantifraud" / "rows.csv", *calls)
    talk = [{"dialogue": str(n // 2), "speaker": "AB"[n % 2], "text": f"well {n}", "domain": "film"} for n in range(80)]
    table(tmp_path / "swda" / "rows.csv", *talk)
    table(tmp_path / "kdconv" / "rows.csv", *talk)
    return tmp_path


def test_our_conversations_have_times_speakers_and_those_who_break_rules() -> None:
    found = [*ours()]
    [threat] = [each for each in found if each.risky and any(turn.text == THREAT for turn in each.turns)]
    assert (threat.language, threat.breaking) == ("en", frozenset("A"))
    assert [turn.speaker for turn in threat.turns] == ["A", "b", "A", "A"]
    assert all(one.end <= two.start < two.end for one, two in zip(threat.turns, threat.turns[1:], strict=False))
    assert len({each.turns[0].room for each in found}) == len(found)


def test_public_sets_give_their_test_sides(data: Path) -> None:
    found = [*public(data, "test")]
    replies = [each for each in found if each.source == "diasafety"]
    calls = [each for each in found if each.source == "teleantifraud"]
    assert 0 < len(replies) < 40
    assert {each.breaking for each in replies} == {frozenset(), frozenset("a")}
    assert {each.rated for each in replies} == {frozenset("a")}, "the label is that of the reply"
    assert 0 < len(calls) < 20
    assert {tuple(turn.speaker for turn in each.turns) for each in calls} == {("caller", "called")}
    talk = [*ordinary(data)]
    assert {each.source for each in talk} == {"swda", "kdconv"}
    assert not any(each.risky for each in talk)


def test_our_validation_lines_are_cut_in_two_with_another_speaker_between(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [row for row in sets.read(tmp_path, ("authored",)) if part_of(row) == "validation"]
    monkeypatch.setattr(sets, "read", lambda *_: rows[:: len(rows) // 400])
    both = [*cut(tmp_path)]
    for language in ("en", "zh"):
        found = [each for each in both if each.language == language]
        assert {each.risky for each in found} == {True, False}
        assert {tuple(turn.speaker for turn in each.turns) for each in found} == {("a", "b", "a")}
        assert {each.rated for each in found} == {frozenset("a")}
        assert all(turn.text for each in found for turn in each.turns)


def test_context_finds_more_and_a_flag_of_another_speaker_blames_the_wrong_person() -> None:
    found = [each for each in ours() if each.language == "en"]
    readers = Readers(read_config(JudgeSettings(lexicons=())), WordClassifier(PIECES, context=True))
    alone, both = readers.outcomes(found)
    assert (alone.found & alone.risky).sum() == 0
    assert (both.found & both.risky).sum() == 1
    assert alone.blamed.sum() == both.blamed.sum() == 2, "in a risky conversation, and in the harmless one like it"
    assert (alone.found & ~alone.risky).sum() == 1
    screen = Console(width=120, record=True)
    screen.print(compared("ours", alone, both))
    assert "risky ones found" in (text := screen.export_text())
    assert "0.032 (0.000 to" in text


def test_all_tables_have_figures(data: Path) -> None:
    readers = Readers(read_config(JudgeSettings(lexicons=())), WordClassifier(PIECES, context=True))
    titles = [str(each.title) for each in tables(readers, data, limit=4)]
    assert [title.split(":")[0] for title in titles] == [
        "ours, en", "ours, zh", "diasafety, en", "teleantifraud, zh", "Ordinary talk",
    ]  # fmt: skip
