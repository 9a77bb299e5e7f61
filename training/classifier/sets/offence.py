"""Sets about insults and abuse."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from pipeline.learning.training_rows import CLEAN, Row, negative, positive, untested
from training.classifier.files import read_csv

JIGSAW_KINDS = ("toxic", "severe_toxic", "obscene", "threat", "insult", "identity_hate")
HATE_KINDS = ("racist", "homophobic", "transphobic", "sexist", "ableist")


def cold(folder: Path) -> Iterator[Row]:
    """COLD: offence on Weibo and Zhihu about race, gender and region (Deng et al. 2022, Apache-2.0). dev is our test
    side.

    Its offence nearly always targets a group, so an offensive row gets both `hate` and `abuse`.
    """
    for name in ("train", "dev"):
        for row in read_csv(folder / "cold" / f"{name}.csv"):
            found = Row(row["TEXT"], "zh", positive("abuse", "hate") if row["label"] == "1" else CLEAN)
            yield replace(found, part="test") if name == "dev" else untested(found)


def davidson(folder: Path) -> Iterator[Row]:
    """Davidson et al. 2017, tweets (MIT): 0 hate, 1 offensive, 2 neither. `offensive` rows are often only dialect."""
    kinds = {
        "0": (positive("hate"), 1.0),
        "1": (positive("abuse") | negative("hate"), 0.6),
        "2": (negative("abuse", "hate", "risk"), 1.0),
    }
    for row in read_csv(folder / "davidson" / "labeled_data.csv"):
        labels, weight = kinds[row["class"]]
        yield Row(row["tweet"], "en", labels, weight=weight)


def jigsaw(folder: Path) -> Iterator[Row]:
    """Jigsaw toxic comments, Wikipedia talk pages (CC0, text CC-BY-SA)."""
    for row in read_csv(folder / "jigsaw" / "rows.csv"):
        marks = {kind for kind in JIGSAW_KINDS if row[kind] == "1"}
        if not marks:
            yield Row(row["text"], "en", negative("abuse", "hate", "violence", "risk"))
            continue
        labels = {"risk": 1.0, "violence": float("threat" in marks), "hate": float("identity_hate" in marks)}
        if marks & {"insult", "severe_toxic", "toxic", "obscene"}:
            labels["abuse"] = 1.0
        yield Row(row["text"], "en", labels, weight=1.0 if marks - {"toxic", "obscene"} else 0.5)


def toxic_spans(folder: Path) -> Iterator[Row]:
    """Toxic Spans (Pavlopoulos et al. 2021 and 2022, CC0-1.0): sentences of comments on news sites.

    A sentence in which nobody marked a word stands in a comment with marked words elsewhere, so `risk` is unknown.
    """
    for row in read_csv(folder / "toxic_spans" / "rows.csv"):
        insult, identity, threat = (int(row[kind]) for kind in ("insult", "identity", "threat"))
        if not int(row["marking"]):
            yield Row(row["text"], "en", negative("abuse", "hate", "violence"), weight=0.4, group=row["comment"])
            continue
        # One vote of several is a doubt, not a label.
        votes = {"abuse": insult, "hate": identity, "violence": threat}
        labels = {label: float(count > 1) for label, count in votes.items() if count != 1}
        if not insult:
            labels.pop("abuse")  # Swearing or an attack on a group may still be abuse.
        weight = 1.0 if row["marking"] == row["annotators"] else 0.4
        yield Row(row["text"], "en", labels | positive(), weight=weight, group=row["comment"])


def convabuse(folder: Path) -> Iterator[Row]:
    """ConvAbuse: users' messages to chat bots (Cercas Curry et al. 2021, CC-BY-4.0)."""
    for row in read_csv(folder / "convabuse" / "rows.csv"):
        votes, annotators = int(row["abusive_votes"]), int(row["annotators"])
        if votes == 0:
            yield Row(row["text"], "en", negative("abuse", "hate", "sexual", "risk"), room=row["agent"])
        elif votes * 2 > annotators:
            labels = positive("abuse")
            labels |= positive("sexual") if int(row["sex_harassment"]) * 2 >= votes else {}
            labels |= positive("hate") if any(int(row[kind]) * 2 >= votes for kind in HATE_KINDS) else {}
            yield Row(row["text"], "en", labels, room=row["agent"])


def diasafety(folder: Path) -> Iterator[Row]:
    """DiaSafety: replies judged in the context of the question (Sun et al. 2022, Apache-2.0)."""
    unsafe: dict[str, tuple[Mapping[str, float], float]] = {
        "Offending User": (positive("abuse"), 1.0),
        "Biased Opinion": (positive("hate"), 0.5),
    }
    safe: dict[str, tuple[Mapping[str, float], float]] = {
        "Offending User": (negative("abuse"), 1.0),
        "Biased Opinion": (negative("hate"), 1.0),
        "Risk Ignorance": (CLEAN, 0.3),
        "Toxicity Agreement": (negative("abuse"), 0.5),
    }
    for row in read_csv(folder / "diasafety" / "rows.csv"):
        known = (unsafe if row["label"] == "Unsafe" else safe).get(row["category"])
        if known:
            yield Row(row["text"], "en", known[0], weight=known[1], room=row["context"])
        if row["category"] == "Unauthorized Expertise":
            yield Row(row["context"], "en", negative("illegal_trade", "sexual", "abuse", "hate"), weight=0.5)


def surge(folder: Path) -> Iterator[Row]:
    """Surge AI toxicity (MIT): `toxic` does not say which label applies."""
    for row in read_csv(folder / "surge_toxicity" / "rows.csv"):
        clean = negative("abuse", "hate", "violence", "sexual", "risk")
        yield Row(row["text"], "en", positive() if row["label"] == "Toxic" else clean)
