"""The judge's benchmark counts correctly, reads its inputs, and names errors in them."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from benchmarks.judging import alarms, heldout
from benchmarks.judging import transcribed as section
from benchmarks.judging.bench import Bench
from benchmarks.judging.cases import Sides, TextCase, evasion, lookalikes, spoken, transcribed
from benchmarks.judging.heldout import best_threshold, macro_f1
from benchmarks.judging.systems import Remembering, Scored, Scores, System, WholeJudge
from pipeline.base.errors import ConfigError
from pipeline.contract.messages import Alternative
from pipeline.learning.training_rows import CLEAN, OUTPUTS, RISK, positive
from tests.pipeline.judge.fakes import WordClassifier, judge_of

HEAD = "language\tlabel\ttext\theard\talternatives\tconfidence\n"


def words(cases: Sequence[TextCase]) -> Scores:
    """The score is the number of `bad` in a text."""
    return dict.fromkeys(OUTPUTS, np.array([float(case.text.count("bad")) for case in cases]))


def bench_of(cases: list[TextCase], transcribed: Path | None = None) -> Bench:
    bench = Bench(Path(), transcribed=transcribed)
    systems: list[System] = [Scored("words", words, frozenset({"en"}), 1.0)]
    vars(bench).update(systems=systems, sides=Sides(cases, cases))
    return bench


def printed(tables: object) -> str:
    console = Console(width=160, record=True)
    for table in tables:  # type: ignore[attr-defined]
        console.print(table)
    return console.export_text()


def test_macro_f1_is_the_mean_of_both_classes() -> None:
    truth, found = np.array([1.0, 1, 0, 0, 0]), np.array([True, False, True, False, False])
    assert macro_f1(truth, found) == pytest.approx((0.5 + 4 / 6) / 2)
    assert macro_f1(truth, truth == 1) == 1


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 5)), min_size=1, max_size=40))
def test_no_other_threshold_has_a_better_macro_f1(rows: list[tuple[bool, int]]) -> None:
    truth, scores = (np.array(column, float) for column in zip(*rows, strict=True))
    best = macro_f1(truth, scores >= best_threshold(truth, scores))
    assert best == pytest.approx(max(macro_f1(truth, scores >= score) for score in scores))


def test_pairs_are_read_with_their_alternatives(tmp_path: Path) -> None:
    (tmp_path / "en.tsv").write_text(
        HEAD + 'en\tfraud+ads_spam\ta scam\ta can\t[{"text":"a scam","score":-0.5}]\t0.5\nen\tclean\thello\thallo\t\t\n'
    )
    risky, clean = transcribed(tmp_path)
    assert risky.read == TextCase("a scam", "en", positive("fraud", "ads_spam"))
    assert (risky.transcribed.text, risky.transcribed.confidence) == ("a can", 0.5)
    assert risky.transcribed.alternatives == (Alternative("a scam", -0.5),)
    assert clean.read.labels is CLEAN


def test_unreadable_pairs_are_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no \.tsv file"):
        list(transcribed(tmp_path))
    with pytest.raises(ConfigError, match=r"nowhere\.tsv cannot be read"):
        list(transcribed(tmp_path / "nowhere.tsv"))
    (tmp_path / "odd.tsv").write_text("language\ttext\nen\thello\n")
    with pytest.raises(ConfigError, match="no column label, heard"):
        list(transcribed(tmp_path))
    (tmp_path / "odd.tsv").write_text(HEAD + "en\tclean\thello\thallo\tno list\t1\n")
    with pytest.raises(ConfigError, match=r"odd\.tsv, line 2: .*Correct that line"):
        list(transcribed(tmp_path))


@pytest.mark.parametrize("suite", [lookalikes, evasion, spoken])
def test_our_suites_know_their_labels(suite: object) -> None:
    cases = list(suite())  # type: ignore[operator]
    assert {case.language for case in cases} == {"en", "zh"}
    assert all(case.text.strip() and set(case.labels) <= set(OUTPUTS) for case in cases)


def test_ordinary_talk_sets_the_threshold_of_each_language() -> None:
    talk = [TextCase("bad " * (at % 100), language, CLEAN) for at in range(1_000) for language in ("en", "zh")]
    system = Scored("words", words, frozenset({"en", "zh"}), None).fit(talk)
    assert system.flags(talk).mean() <= 0.01
    assert system.flags([TextCase("bad " * 200, "en", CLEAN)]).all()


def test_held_out_figures_and_false_flags_are_shown() -> None:
    cases = [TextCase(f"bad {at}", "en", positive("abuse"), "cold") for at in range(20)]
    cases += [TextCase(f"good {at}", "en", CLEAN, "cold") for at in range(30)]
    shown = printed(heldout.tables(bench_of(cases)))
    (abuse,) = (line for line in shown.splitlines() if "abuse" in line)
    assert [cell.strip() for cell in abuse.split("│")[1:-1]] == [
        "abuse",
        "words",
        "20",
        "30",
        *["1.000 (1.000–1.000)"] * 3,
        "1.000",
    ]
    assert "cold (risk)" in shown
    assert "sexual" not in shown


def test_decisions_have_their_recall_and_the_precision_of_labels(tmp_path: Path) -> None:
    """One threat of two is misheard, and one insult of two is shown as a threat."""
    lines = "en\tviolence\tkill one\tkill\t\t\nen\tviolence\tkill two\tkiln\t\t\n"
    lines += "en\tabuse\tfool\tfool\t\t\nen\tabuse\tkill fool\tkill\t\t\nen\tclean\tgood\tgood\t\t\n"
    (tmp_path / "en.tsv").write_text(HEAD + lines)
    known = {"fool": {"abuse": 0.97, "risk": 0.97}, "kill": {"violence": 0.97, "risk": 0.97, "abuse": 0.0}}
    bench = bench_of([], tmp_path)
    vars(bench)["systems"] = [WholeJudge(judge_of(known))]
    *_, table = section.tables(bench)
    columns = ([*column.cells] for column in table.columns)
    rows = {row[0]: [cell.partition(" ")[0] for cell in row[1:]] for row in zip(*columns, strict=True)}
    assert rows["risky"] == ["4", "100%", "0%", "75%", "75%", "0%", "67%"]
    assert rows["violence"] == ["2", "100%", "0%", "67%", "50%", "0%", "50%"]
    assert rows["abuse"] == ["2", "100%", "0%", "100%", "100%", "0%", "100%"]
    assert rows["clean"] == ["1", "0%", "0%", "–", "0%", "0%", "–"]


def test_the_loss_by_recognition_is_shown(tmp_path: Path) -> None:
    lines = [f"en\tabuse\tbad {at}\t{'bad' if at % 2 else 'bat'}\t\t\n" for at in range(20)]
    (tmp_path / "en.tsv").write_text(HEAD + "".join(lines) + "en\tclean\tgood\tgood\t\t\n" * 20)
    shown = printed(section.tables(bench_of([], tmp_path)))
    assert "1.000 → 0.750 (0.650–" in shown
    assert "1.000 → 0.500 (0.300–" in shown


def test_suites_are_counted_by_kind() -> None:
    shown = printed(alarms.tricks(bench_of([])))
    assert "Evasion suite, en" in shown
    assert "leet" in shown
    assert "0% / 0%" in shown
    assert "all" in printed(alarms.safe(bench_of([])))


def test_a_remembering_classifier_scores_a_text_once() -> None:
    asked = WordClassifier({"scam": {RISK: 0.9}})
    classifier = Remembering(asked)
    texts = ["a scam", "hello", "a scam"]
    assert classifier.classify(texts, ["en"] * 3) == classifier.classify(texts, ["en"] * 3)
    assert asked.asked == ["a scam", "hello"]
