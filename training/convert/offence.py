"""Converters of the sets about insults. The readers are in training/classifier/sets/offence.py."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from training.classifier.sets.offence import JIGSAW_KINDS
from training.convert.files import Cells, document, found, one_in, table

TYPES = ("ableist", "homophobic", "intellectual", "racist", "sexist", "sex_harassment", "transphobic")
MOST_ANNOTATORS = 8
SEVERITIES = (1, 0, -1, -2, -3)


def jigsaw(source: Path) -> Iterator[Cells]:
    """`train.csv` of the Kaggle challenge.

    All comments with a threat, severe toxicity or hate are kept, one in eight of the other toxic ones, and one in forty
    of those without a mark.
    """
    (path,) = found(source, "train.csv")
    for row in table(path):
        marks = {kind for kind in JIGSAW_KINDS if row[kind] == "1"}
        rare = marks & {"threat", "severe_toxic", "identity_hate"}
        if rare or one_in(8 if marks else 40, row["id"]):
            yield {"text": row["comment_text"], **{kind: int(kind in marks) for kind in JIGSAW_KINDS}}


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


def _votes(row: Mapping[str, str], annotator: int) -> Iterator[int]:
    """The severities that an annotator ticked: 1 is fine, -3 is very abusive."""
    return (severity for severity in SEVERITIES if _ticked(row, annotator, f"is_abuse.{severity}"))


def _ticked(row: Mapping[str, str], annotator: int, name: str) -> bool:
    return (row.get(f"Annotator{annotator}_{name}") or "0") not in {"0", "0.0"}
