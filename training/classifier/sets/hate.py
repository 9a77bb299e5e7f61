"""Sets about hatred of groups."""

from collections.abc import Iterator
from pathlib import Path

from pipeline.learning.training_rows import Part, Row, negative, positive
from training.classifier.files import read_csv

EDOS_PARTS: dict[str, Part] = {"train": "train", "dev": "validation", "test": "test"}
GROUP_TEMPLATES = {"verb_identity", "hate_identity", "am_hate_adj", "verb_adj"}


def swsr(folder: Path) -> Iterator[Row]:
    """SWSR: sexism on Weibo (Jiang et al. 2022, MIT). Other rows may still be abusive, so only `hate` is annotated."""
    for row in read_csv(folder / "swsr" / "SexComment.csv"):
        labels = negative("hate")
        if row["label"] == "1":
            labels = positive("hate")
            labels |= positive("sexual") if row["category"] == "SO" else {}
            labels |= positive("abuse") if row["target"] == "I" else {}
        yield Row(row["comment_text"], "zh", labels, weight=0.7, group=row["weibo_id"])


def edos(folder: Path) -> Iterator[Row]:
    """EDOS: sexism on Reddit and Gab (Kirk et al. 2023, CC0), with its authors' split."""
    for row in read_csv(folder / "edos" / "edos_labelled_aggregated.csv"):
        sexist, vector = row["label_sexist"] == "sexist", row["label_vector"]
        labels = positive("hate") if sexist else negative("hate")
        if vector.startswith(("1.1", "1.2")):
            labels |= positive("violence")
        elif vector.startswith(("2.2", "3.1", "4.1")):
            labels |= positive("abuse")
        yield Row(row["text"], "en", labels, weight=1.0 if sexist else 0.5, part=EDOS_PARTS[row["split"]])


def stormfront(folder: Path) -> Iterator[Row]:
    """Sentences of a white supremacist forum (de Gibert et al. 2018, CC-BY-SA 3.0), annotated one by one."""
    for row in read_csv(folder / "stormfront" / "sentences.csv"):
        if row["label"] in {"hate", "noHate"}:
            labels = positive("hate") if row["label"] == "hate" else negative("hate", "abuse")
            yield Row(row["text"], "en", labels, weight=0.7, group=row["file_id"].split("_")[0])


def implicit_hate(folder: Path) -> Iterator[Row]:
    """Tweets of US extremist groups (ElSherief et al. 2021, MIT): implied hate, threats, incitement."""
    extra = {"threatening": "violence", "incitement": "terror_extremism"}
    for row in read_csv(folder / "implicit_hate" / "rows.csv"):
        if row["label"] == "not_hate":
            yield Row(row["text"], "en", negative("hate"))
            continue
        labels = positive("hate")
        if label := extra.get(row["implicit_class"]):
            labels |= positive(label)
        yield Row(row["text"], "en", labels, weight=0.6)


def hatexplain(folder: Path) -> Iterator[Row]:
    """HateXplain, Twitter and Gab (Mathew et al. 2021, MIT): 0 normal, 1 offensive, 2 hate."""
    kinds = {"0": negative("abuse", "hate"), "1": positive("abuse"), "2": positive("hate")}
    for row in read_csv(folder / "hatexplain" / "rows.csv"):
        yield Row(row["text"], "en", kinds[row["label"]])


def toxigen(folder: Path) -> Iterator[Row]:
    """The seed sentences of ToxiGen (Hartvigsen et al. 2022, MIT), written by people."""
    for row in read_csv(folder / "toxigen_seeds" / "rows.csv"):
        labels = positive("hate") if row["label"] == "hate" else negative("hate", "abuse", "risk")
        yield Row(row["text"], "en", labels)


def identity_templates(folder: Path) -> Iterator[Row]:
    """Templates with identity words (Dixon et al. 2018, CC-BY-4.0). A group's name alone is not hate."""
    for row in read_csv(folder / "identity_templates" / "rows.csv"):
        if row["label"] == "nontoxic":
            labels = negative("hate", "abuse", "risk")
        else:
            labels = positive("hate" if row["template"] in GROUP_TEMPLATES else "abuse")
        yield Row(row["text"], row["language"], labels, weight=0.3)
