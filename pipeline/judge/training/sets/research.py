"""Sets without a licence, or for research only: `voxwarden train --research` adds them, to compare.

A model that is given away is not trained on them.
"""

from collections.abc import Iterator
from pathlib import Path

from pipeline.judge.training.rows import CLEAN, Row, negative, positive, read_csv
from pipeline.judge.training.sets.talk import presumed

GAME_TALK = negative("abuse", "hate", "violence", "risk")
"""`kill that scout`: what sounds like violence is the game."""


def gametox(folder: Path) -> Iterator[Row]:
    """GameTox: World of Tanks chat (2025, no licence stated); 5, extremism, is mostly an insult, and is left out."""
    kinds = {
        "0": (GAME_TALK, 1.0),
        "1": (positive("abuse"), 1.0),
        "2": (positive("abuse"), 0.5),
        "3": (positive("abuse", "hate"), 0.5),
        "4": (positive("violence"), 1.0),
    }
    for row in read_csv(folder / "gametox" / "rows.csv"):
        if known := kinds.get(row["label"]):
            yield Row(row["text"], "en", known[0], weight=known[1])


def conda(folder: Path) -> Iterator[Row]:
    """CONDA: Dota 2 chat (Weld et al. 2021, no licence stated): explicit, implicit, action, other."""
    kinds = {"E": (positive("abuse"), 1.0), "I": (positive("abuse"), 0.5)}
    for row in read_csv(folder / "conda" / "rows.csv"):
        labels, weight = kinds.get(row["intent"], (GAME_TALK, 1.0))
        yield Row(row["text"], "en", labels, weight=weight, group=row["conversation"])


def ethos(folder: Path) -> Iterator[Row]:
    """ETHOS: YouTube and Reddit comments (Mollas et al. 2022, GPL-3.0); shares of annotators."""
    for row in read_csv(folder / "ethos" / "rows.csv"):
        if float(row["is_hate"]) >= 0.5:
            labels = positive("hate") | {"violence": float(float(row["violence"] or 0) >= 0.5)}
            labels |= positive("abuse") if float(row["directed_vs_generalized"] or 0) >= 0.5 else {}
            yield Row(row["text"], "en", labels)
        elif float(row["is_hate"]) < 0.2:
            yield Row(row["text"], "en", negative("hate", "abuse"))


def sos(folder: Path) -> Iterator[Row]:
    """SOS-1K: comments under a Weibo tree hole (no licence stated), suicide risk 0 to 10; 3 is neither."""
    for row in read_csv(folder / "sos_zh" / "rows.csv"):
        if (level := int(row["level"])) != 3:
            yield Row(row["text"], "zh", positive("self_harm") if level > 3 else CLEAN)


def s_eval(folder: Path) -> Iterator[Row]:
    """S-Eval: prompts on extremism and data (Yuan et al. 2024, CC-BY-NC-SA); the other risks name no label of ours."""
    kinds = {"Extremism": "terror_extremism", "Data_Privacy": "privacy"}
    for row in read_csv(folder / "s_eval" / "rows.csv"):
        if label := kinds.get(row["risk"]):
            yield Row(row["text"], row["language"], positive(label), weight=0.15)


def suicide_tweets(folder: Path) -> Iterator[Row]:
    """Posts of people in distress, and everyday tweets (no licence stated); told apart by where they stood."""
    for row in read_csv(folder / "suicide_tweets" / "rows.csv"):
        labels = positive("self_harm") if row["label"] == "1" else negative("self_harm")
        yield Row(row["text"], "en", labels, weight=0.5)


def scam_calls(folder: Path) -> Iterator[Row]:
    """ScamDetector: robocalls and messages (no licence stated)."""
    for row in read_csv(folder / "scam_calls_en" / "rows.csv"):
        labels = positive("fraud") if row["label"] == "fraud" else negative("fraud")
        yield Row(row["text"], "en", labels, weight=0.5)


def lccc(folder: Path) -> Iterator[Row]:
    """LCCC's toy part: Weibo small talk (Wang et al. 2020, its data for research only)."""
    return presumed(folder / "lccc_toy" / "rows.csv", "zh")
