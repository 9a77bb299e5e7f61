"""Rows of small sets are drawn often, rows of large sets seldom. Fragments of clean talk are parts of it."""

from collections import Counter
from dataclasses import replace

import pytest

from pipeline.learning.training_rows import CLEAN, Row, positive
from training.classifier.sample import TIMES, Sampler

LINE = Row("好的，张经理。您什么时候方便？我们面谈一次。", "zh", CLEAN, source="kdconv")


def test_sets_are_drawn_by_their_share() -> None:
    rows = [
        Row(f"{source} {n}", "en", CLEAN, source=source) for source in ("authored", "davidson", "x") for n in range(400)
    ]
    count = round(400 * (TIMES["authored.en"] + TIMES["davidson"] + 1))
    drawn = Counter(row.source for row in Sampler(rows, seed=1).draw(count))
    assert drawn["authored"] / drawn["x"] == pytest.approx(TIMES["authored.en"], rel=0.1)
    assert drawn["davidson"] / drawn["x"] == pytest.approx(TIMES["davidson"], rel=0.2)


def test_draws_are_endless_and_repeat_with_the_seed() -> None:
    rows = [Row(str(n), "en", CLEAN) for n in range(10)]
    one, same, other = ([row.text for row in Sampler(rows, seed).draw(95)] for seed in (1, 1, 2))
    assert len(one) == 95
    assert one == same != other


def test_clean_talk_is_cut_to_some_of_its_clauses() -> None:
    sampler = Sampler([LINE], seed=1)
    said = {sampler.said(LINE) for _ in range(200)}
    assert {LINE.text, "张经理。", "我们面谈一次。"} <= said
    assert all(part in LINE.text for text in said for part in text.split())


@pytest.mark.parametrize("row", [replace(LINE, source="cold"), replace(LINE, labels=positive("fraud"))])
def test_nothing_else_is_cut(row: Row) -> None:
    sampler = Sampler([row], seed=1)
    assert {sampler.said(row) for _ in range(100)} == {row.text}
