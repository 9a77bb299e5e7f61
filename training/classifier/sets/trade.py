"""Sets about fraud, adverts, forbidden trade and personal data."""

from collections.abc import Iterator
from itertools import groupby, pairwise
from pathlib import Path

from pipeline.learning.training_rows import CLEAN, LABELS, Row, negative, positive
from training.classifier.files import read_csv, read_lines

PERSONAL = {
    "PHONE_NUMBER",
    "US_SSN",
    "CREDIT_CARD",
    "IBAN_CODE",
    "EMAIL_ADDRESS",
    "IP_ADDRESS",
    "US_DRIVER_LICENSE",
}
CALLED = negative(*(label for label in LABELS if label not in {"fraud", "illegal_trade", "privacy"}))
"""Labels of the called person's turns: no fraud. But they discuss it and give data away, so they are not simply clean.
"""
TURNS = 3
"""How many turns of a caller are joined. One turn of a fraudulent call often looks harmless."""


def sms_spam(folder: Path) -> Iterator[Row]:
    """SMS Spam Collection (Almeida et al. 2011, CC-BY-4.0): spam here is both premium-rate fraud and advertising."""
    for line in read_lines(folder / "sms_spam" / "SMSSpamCollection"):
        label, _, text = line.partition("\t")
        if label in {"ham", "spam"}:
            yield Row(text, "en", positive("fraud", "ads_spam") if label == "spam" else CLEAN)


def youtube_spam(folder: Path) -> Iterator[Row]:
    """YouTube Spam Collection (Alberto et al. 2015, CC-BY-4.0), grouped by video."""
    for row in read_csv(folder / "youtube_spam" / "rows.csv"):
        labels = positive("ads_spam") if row["label"] == "1" else negative("ads_spam", "fraud")
        yield Row(row["text"], "en", labels, part="test" if row["video"] == "Shakira" else "train")


def teleantifraud(folder: Path) -> Iterator[Row]:
    """TeleAntiFraud (Ma et al. 2025, Apache-2.0): turns of fraudulent callers, three at a time, and ordinary calls."""
    rows = read_csv(folder / "teleantifraud" / "rows.csv")
    for dialogue, turns in groupby(rows, key=lambda row: row["dialogue"]):
        lines = list(turns)
        if lines[0]["call"] == "normal":
            for before, line in pairwise([{"text": ""}, *lines]):
                yield Row(line["text"], "zh", CLEAN, weight=0.5, group=dialogue, room=before["text"])
            continue
        said = {who: [line["text"] for line in lines if line["speaker"] == who] for who in ("caller", "called")}
        yield from (Row(text, "zh", CALLED, weight=0.5, group=dialogue) for text in said["called"])
        for first in range(max(1, len(said["caller"]) - TURNS + 1)):
            text = " ".join(said["caller"][first : first + TURNS])
            yield Row(text, "zh", positive("fraud"), weight=0.7, group=dialogue)


def presidio(folder: Path) -> Iterator[Row]:
    """Presidio's synthetic sentences (MIT): spoken personal data, without who says it or why."""
    for row in read_csv(folder / "presidio_pii" / "rows.csv"):
        kinds = set(row["entities"].split())
        if kinds & PERSONAL or {"STREET_ADDRESS", "PERSON"} <= kinds:
            yield Row(row["text"], "en", positive("privacy"), weight=0.5)
        elif "STREET_ADDRESS" not in kinds:
            yield Row(row["text"], "en", CLEAN)
