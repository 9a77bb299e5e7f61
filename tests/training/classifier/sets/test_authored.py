"""Our own lines: patterns expand correctly, and no line is both risky and harmless."""

from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.learning.training_rows import CLEAN, LABELS, RISK, Row
from training.classifier.sets import authored
from training.classifier.sets.authored import MOST, PATTERN_WEIGHT, expand


@pytest.fixture(scope="module")
def rows() -> list[Row]:
    return list(authored.spoken(Path("unused")))


def test_a_choice_expands_to_each_of_its_parts() -> None:
    assert expand("[i|we] sell [tea|]") == ["i sell tea", "i sell", "we sell tea", "we sell"]


def test_a_pattern_without_a_choice_is_one_sentence() -> None:
    assert expand("今晚吃什么") == ["今晚吃什么"]


@given(st.lists(st.integers(2, 6), min_size=1, max_size=4))
def test_a_pattern_gives_distinct_sentences_up_to_the_limit_deterministically(sizes: list[int]) -> None:
    pattern = " ".join(f"[{'|'.join(f'w{at}x{n}' for n in range(size))}]" for at, size in enumerate(sizes))
    sentences = expand(pattern)
    total = 1
    for size in sizes:
        total *= size
    assert len(sentences) == len(set(sentences)) == min(total, MOST)
    assert sentences == expand(pattern)


def write(folder: Path, name: str, text: str) -> None:
    (folder / "en").mkdir(exist_ok=True)
    (folder / "en" / name).write_text(text, "utf-8")


def test_a_key_may_name_two_labels_and_the_line_is_free_of_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, "risky.yaml", "illegal_trade+ads_spam: |\n  join my casino\n")
    monkeypatch.setattr(authored, "EXAMPLES", tmp_path)
    (row,) = authored.spoken(tmp_path)
    assert (row.text, row.language) == ("join my casino", "en")
    assert {label for label, value in row.labels.items() if value} == {"illegal_trade", "ads_spam", RISK}
    assert set(row.labels) == {*LABELS, RISK}


def test_a_threat_is_free_of_self_harm_and_hate_may_be_abuse(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, "risky.yaml", "violence: |\n  i will kill you\nhate: |\n  your kind should go\n")
    monkeypatch.setattr(authored, "EXAMPLES", tmp_path)
    threat, hate = authored.spoken(tmp_path)
    assert (threat.labels["self_harm"], threat.labels["sexual"], threat.labels["abuse"]) == (0.0, 0.0, 0.0)
    assert "abuse" not in hate.labels


def test_the_file_of_clean_lines_is_free_of_every_label(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, "clean.yaml", "violence: |\n  kill the boss\n")
    monkeypatch.setattr(authored, "EXAMPLES", tmp_path)
    assert [row.labels for row in authored.spoken(tmp_path)] == [CLEAN]


def test_a_pair_has_a_risky_and_a_harmless_line_of_one_group(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, "pairs.yaml", "violence: |\n  i will kill him => i will kill the boss\n")
    monkeypatch.setattr(authored, "EXAMPLES", tmp_path)
    risky, clean = authored.spoken(tmp_path)
    assert (risky.text, clean.text) == ("i will kill him", "i will kill the boss")
    assert (risky.labels["violence"], clean.labels) == (1.0, CLEAN)
    assert risky.group == clean.group


@pytest.mark.parametrize("line", ["no partner", "one => two => three"])
def test_a_broken_pair_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str) -> None:
    write(tmp_path, "pairs.yaml", f"violence: |\n  {line}\n")
    monkeypatch.setattr(authored, "EXAMPLES", tmp_path)
    with pytest.raises(ValueError, match="values to unpack"):
        list(authored.spoken(tmp_path))


def test_an_unknown_label_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, "risky.yaml", "violance: |\n  x\n")
    monkeypatch.setattr(authored, "EXAMPLES", tmp_path)
    with pytest.raises(ValueError, match="violance"):
        list(authored.spoken(tmp_path))


def test_no_line_is_written_twice(rows: list[Row]) -> None:
    assert not [text for text, times in Counter(row.text for row in rows).items() if times > 1]


def test_every_bracket_is_closed(rows: list[Row]) -> None:
    assert not [row.text for row in rows if set(row.text) & set("[]|")]


def test_every_label_has_lines_in_both_languages_and_none_is_long(rows: list[Row]) -> None:
    found = Counter((row.language, label) for row in rows for label in LABELS if row.labels.get(label))
    assert set(found) == {(language, label) for language in ("en", "zh") for label in LABELS}
    assert max(len(row.text) for row in rows) < 250


@pytest.mark.parametrize("language", ["en", "zh"])
def test_risky_and_harmless_lines_balance(rows: list[Row], language: str) -> None:
    risky = [row.labels[RISK] for row in rows if row.language == language]
    assert len(risky) >= 1_500
    assert 0.4 < sum(risky) / len(risky) < 0.6


def test_no_pattern_outweighs_the_others(rows: list[Row]) -> None:
    weights: Counter[str] = Counter()
    for row in rows:
        weights[row.group] += row.weight  # type: ignore[assignment]  # a Counter of floats
    assert max(weights.values()) <= PATTERN_WEIGHT + 1e-9
