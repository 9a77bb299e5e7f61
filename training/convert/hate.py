"""Converters of the sets about hatred of groups. The readers are in training/classifier/sets/hate.py."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from training.convert.files import Cells, document, found, lines, one_in, table

CLASSES = {"normal": 0, "offensive": 1, "hatespeech": 2}
MOST = 160
"""Maximum number of identity templates of one kind."""


def stormfront(source: Path) -> Iterator[Cells]:
    """`annotations_metadata.csv` and a text file for each sentence."""
    (annotations,) = found(source, "annotations_metadata.csv")
    for row in table(annotations):
        text = (annotations.parent / "all_files" / f"{row['file_id']}.txt").read_text("utf-8-sig")
        yield {"file_id": row["file_id"], "text": text.strip(), "label": row["label"]}


def implicit_hate(source: Path) -> Iterator[Cells]:
    """`implicit_hate_v1_stg1_posts.tsv`, and `stg2` for the kinds. One in six posts without hate is kept."""
    (first,), (second,) = (found(source, f"implicit_hate_v1_stg{stage}_posts.tsv") for stage in (1, 2))
    kinds = {row["post"]: row["implicit_class"] for row in table(second, "\t")}
    for row in table(first, "\t"):
        if row["class"] != "not_hate" or one_in(6, row["post"]):
            yield {"text": row["post"], "label": row["class"], "implicit_class": kinds.get(row["post"], "")}


def hatexplain(source: Path) -> Iterator[Cells]:
    """`dataset.json`: the majority of three annotators, for one post in four."""
    (path,) = found(source, "dataset.json")
    for name, post in document(path).items():
        (label, votes), *_ = Counter(each["label"] for each in post["annotators"]).most_common()
        if votes > 1 and one_in(4, name):
            yield {"text": " ".join(post["post_tokens"]), "label": CLASSES[label]}


def toxigen(source: Path) -> Iterator[Cells]:
    """`demonstrations/*/hate_GROUP_sentences.txt` and `neutral_...`, one sentence a line."""
    for path in found(source, "demonstrations/*/*.txt"):
        label, _, group = path.stem.removesuffix("_sentences").partition("_")
        yield from ({"text": text, "label": label, "group": group} for text in dict.fromkeys(lines(path)))


def identity_templates(source: Path) -> Iterator[Cells]:
    """`en_sentence_templates.csv` and `zh-cn_sentence_templates.csv`: some of each template."""
    for language, name in (("en", "en"), ("zh", "zh-cn")):
        (path,) = found(source, f"{name}_sentence_templates.csv")
        counts: Counter[tuple[str, str]] = Counter()
        for row in table(path):
            kind = row["template"], row["toxicity"]
            if one_in(20, row["phrase"]) and counts[kind] < MOST:
                counts[kind] += 1
                yield {"language": language, "template": kind[0], "label": kind[1], "text": row["phrase"]}
