"""Converters of sets about fraud, adverts and personal data. The readers are in training/classifier/sets/trade.py."""

from collections.abc import Iterator
from pathlib import Path

import msgspec

from training.convert.files import Cells, document, found, lines, one_in, table

SPEAKERS = (("caller", "left"), ("called", "right"))


def youtube_spam(source: Path) -> Iterator[Cells]:
    """`Youtube01-Psy.csv` and the four others. The name of the video is in the file's name."""
    for path in found(source, "Youtube0*.csv"):
        video = path.stem.partition("-")[2]
        yield from ({"text": row["CONTENT"], "label": row["CLASS"], "video": video} for row in table(path))


def teleantifraud(source: Path) -> Iterator[Cells]:
    """`fraud_dialogues-*.jsonl` and `normal_dialogues-*.jsonl`: one call in eight."""
    for call in ("fraud", "normal"):
        for path in found(source, f"{call}_dialogues-*.jsonl"):
            for number, line in enumerate(lines(path)):
                if one_in(8, key := f"{path.stem}/{number}"):
                    yield from _turns(key, call, msgspec.json.decode(line, type=dict[str, object]))


def presidio(source: Path) -> Iterator[Cells]:
    """`synth_dataset_v2.json`: the kinds of personal data in each sentence."""
    (path,) = found(source, "synth_dataset_v2.json")
    for row in document(path):
        kinds = {span["entity_type"] for span in row["spans"]}
        yield {"text": " ".join(row["full_text"].split()), "entities": " ".join(sorted(kinds))}


def _turns(dialogue: str, call: str, content: dict[str, object]) -> Iterator[Cells]:
    for speaker, side in SPEAKERS:
        for text in msgspec.convert(content[side], list[str]):
            yield {"dialogue": dialogue, "call": call, "speaker": speaker, "text": text}
