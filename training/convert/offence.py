"""Converters of the sets about insults. The readers are in training/classifier/sets/offence.py."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import takewhile
from pathlib import Path

from training.classifier.sets.offence import JIGSAW_KINDS
from training.convert.files import MOST_CHARACTERS, Cells, document, found, one_in, table

TYPES = ("ableist", "homophobic", "intellectual", "racist", "sexist", "sex_harassment", "transphobic")
MOST_ANNOTATORS = 8
SEVERITIES = (1, 0, -1, -2, -3)
SENTENCE = re.compile(r"[^.!?\n]*[.!?\n]+\s*|[^.!?\n]+")
FEWEST_CHARACTERS = 10
LONGEST_MARKED = 400
"""Characters of a toxic comment. The classifier reads about as many, and a mark may be for words behind them."""
SPAN_KINDS = {"insult": "Insult", "identity": "Identity based Attack", "threat": "Threat"}
"""Our columns for the kinds of marked words that a label of ours needs."""


def jigsaw(source: Path) -> Iterator[Cells]:
    """The CSV files of the Kaggle challenge, or parts of them, with the columns of its `train.csv`.

    Comments with a mark are kept unless they are long. Of those without a mark, about as many are kept, and only their
    opening. The longest of several copies of a comment is the one with punctuation.
    """
    copies: dict[str, dict[str, str]] = {}
    for path in found(source, "*.csv"):
        for row in table(path):
            copies[row["id"]] = max(row, copies.get(row["id"], row), key=lambda each: len(each["comment_text"]))
    rows = {key: (row["comment_text"].strip(), _jigsaw_marks(row)) for key, row in copies.items()}
    marked = sum(1 in marks.values() for _, marks in rows.values())
    share = max(1, (len(rows) - marked) // max(marked, 1))
    for key, (text, marks) in rows.items():
        toxic = 1 in marks.values()
        if text and (len(text) <= LONGEST_MARKED if toxic else one_in(share, key)):
            yield {"text": text if toxic else _opening(text), **marks}


def toxic_spans(source: Path) -> Iterator[Cells]:
    """`comments.csv`, `annotations.csv` and `spans.csv`: each sentence, and how many annotators marked words in it.

    The ticks for "all" and "none" contradict each other, so an annotator counts only if he marked words. A sentence
    that one of several annotators marked is left out.
    """
    kinds: dict[str, list[dict[str, str]]] = defaultdict(list)
    for span in _rows(source, "spans.csv"):
        kinds[span["annotation"]].append(span)
    votes: dict[str, list[Sequence[dict[str, str]]]] = defaultdict(list)
    for row in _rows(source, "annotations.csv"):
        votes[row["comment_id"]].append(kinds[row["annotation"]])
    for row in _rows(source, "comments.csv"):
        given = votes[row["comment_id"]]
        for sentence in SENTENCE.finditer(row["comment_text"]):
            text = sentence.group().strip()
            marks = [{span["type"] for span in spans if _within(span, sentence)} for spans in given]
            marking = sum(map(bool, marks))
            if MOST_CHARACTERS >= len(text) >= FEWEST_CHARACTERS and (
                2 <= marking >= len(given) / 2 or (not marking and all(given) and len(given) > 2)
            ):
                counts = Counter(kind for each in marks for kind in each)
                yield {
                    "comment": row["comment_id"],
                    "text": text,
                    "annotators": len(given),
                    "marking": marking,
                    **{name: counts[theirs] for name, theirs in SPAN_KINDS.items()},
                }


def convabuse(source: Path) -> Iterator[Cells]:
    """`ConvAbuseEMNLPtrain.csv` and `ConvAbuseEMNLPvalid.csv`: the votes of up to eight annotators."""
    for name in ("train", "valid"):
        (path,) = found(source, f"ConvAbuseEMNLP{name}.csv")
        for row in table(path):
            votes = [[*_votes(row, annotator)] for annotator in range(1, MOST_ANNOTATORS + 1)]
            given = [severity for each in votes for severity in each]
            yield {
                "agent": row["agent"],
                "text": row["user"],
                "annotators": sum(map(bool, votes)),
                "abusive_votes": sum(min(each, default=1) < 0 for each in votes),
                "severity": sum(given) / max(len(given), 1),
                **{kind: sum(_ticked(row, at, kind) for at in range(1, MOST_ANNOTATORS + 1)) for kind in TYPES},
            }


def diasafety(source: Path) -> Iterator[Cells]:
    """`train.json` and `val.json` of `DiaSafety_dataset`: half of the replies."""
    for name in ("train", "val"):
        (path,) = found(source, f"DiaSafety_dataset/{name}.json")
        for row in document(path):
            if one_in(2, row["response"]):
                yield {key: row[key] for key in ("context", "category", "label")} | {"text": row["response"]}


def surge(source: Path) -> Iterator[Cells]:
    """`toxicity_en.csv`."""
    (path,) = found(source, "toxicity_en.csv")
    return ({"text": row["text"], "label": row["is_toxic"]} for row in table(path))


def _jigsaw_marks(row: Mapping[str, str]) -> dict[str, int]:
    return {kind: int(float(row[kind] or 0)) for kind in JIGSAW_KINDS}


def _opening(text: str) -> str:
    """The first sentences, as long as an utterance. A part of a harmless comment is harmless."""
    ends = [sentence.end() for sentence in SENTENCE.finditer(text)]
    last = max(takewhile(lambda end: end <= MOST_CHARACTERS, ends), default=MOST_CHARACTERS)
    # Some copies have no punctuation, and end at a word.
    return text[:last].rsplit(" ", 1)[0] if last == MOST_CHARACTERS < len(text) else text[:last].strip()


def _rows(source: Path, name: str) -> Iterator[dict[str, str]]:
    (path,) = found(source, name)
    return table(path)


def _within(span: Mapping[str, str], sentence: re.Match[str]) -> bool:
    return int(span["start"]) < sentence.end() and sentence.start() < int(span["end"])


def _votes(row: Mapping[str, str], annotator: int) -> Iterator[int]:
    """The severities that an annotator ticked: 1 is fine, -3 is very abusive."""
    return (severity for severity in SEVERITIES if _ticked(row, annotator, f"is_abuse.{severity}"))


def _ticked(row: Mapping[str, str], annotator: int, name: str) -> bool:
    return (row.get(f"Annotator{annotator}_{name}") or "0") not in {"0", "0.0"}
