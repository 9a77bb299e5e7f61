"""The tables for the EU's transparency report."""

import csv
import io

from pipeline.assessment.report import dsa
from pipeline.judge import labels
from tests.pipeline.assessment.report import samples


def test_measures_have_a_category() -> None:
    rows = list(csv.reader(io.StringIO(dsa.tables(samples.report())["4_5_own_initiative.csv"].decode())))
    assert rows[1:] == [["CYBER_VIOLENCE", "abuse", "machine", "mute", "312"], [dsa.OTHER, "sexual", "report", "", "8"]]


def test_automated_means_have_precision_and_recall() -> None:
    table = dsa.tables(samples.report())["7_automated_means.csv"].decode()
    assert {row["indicator"] for row in csv.DictReader(io.StringIO(table))} >= {"Precision", "Recall"}


def test_every_shipped_label_has_a_category_and_an_own_label_has_one() -> None:
    assert set(labels.load().labels) == set(dsa.categories())
    assert dsa.category("own") == dsa.OTHER
