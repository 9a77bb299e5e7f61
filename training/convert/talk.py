"""Converters of ordinary talk and of talk in distress. The readers are in training/classifier/sets/talk.py."""

import re
from collections.abc import Iterator, Mapping
from itertools import chain
from pathlib import Path

import msgspec

from training.convert.files import Cells, document, found, lines, one_in, sheets, table, unzipped

RISKS: Mapping[str, str] = {"att": "attempt", "beh": "behavior", "ind": "indicator", "sup": "supportive"}
"""By the first letters: the annotators' spelling varies."""
SWAPPED = "Hyperactive behavior"
"""The authors replaced words by medical terms. This one stands for `like`."""

NOT_A_WORD = re.compile(r"\{[^}]*\}")
"""A transcriber's mark, such as `{vocalsound}`."""
APART = re.compile(r" (?=[,.?!])|(?<=[A-Z])_")
"""AMI writes `D_V_D , please`."""
SENTENCES = re.compile(r"(?<=[.?!]) ")
WORDS = range(3, 41)
"""Words of a useful utterance: 40 are 15 s of speech."""
CHARACTERS = range(4, 71)
"""The same in Mandarin."""
SPACE = re.compile(r"(?<=[^ -~]) | (?=[^ -~])")
"""A space beside a character that is not ASCII."""
FRIENDLY = frozenset(map(str, (0, 4, 5, 7, 13, 15, 17, 18, 20, 21, 22, 23)))
"""Numbers of admiration, approval, caring, curiosity, excitement, gratitude, joy, love, optimism, pride, realization
and relief.
"""


def cssrs(source: Path) -> Iterator[Cells]:
    """`post_level_annotations_anonymized.zip`: XLSX workbooks with a sheet for each person.

    One in four posts without a risk is kept.
    """
    (path,) = found(source, "post_level_annotations_anonymized.zip")
    for workbook in unzipped(path, ".xlsx"):
        for row in sheets(workbook):
            text, label = row.get("Reddit Post", ""), _risk(row.get("Suicide Risk", ""))
            if label != "none" or one_in(4, text):
                yield {"text": text.replace(SWAPPED, "like"), "label": label}


def kdconv(source: Path) -> Iterator[Cells]:
    """`data/film/dev.json`, and those of music and travel: one dialogue in three."""
    for path in found(source, "data/*/dev.json"):
        for number, dialogue in enumerate(document(path)):
            if one_in(3, key := f"{path.parent.name}/{number}"):
                yield from ({"dialogue": key, "text": message["message"]} for message in dialogue["messages"])


def crosswoz(source: Path) -> Iterator[Cells]:
    """`data/crosswoz/val.json.zip`: one dialogue in four."""
    (path,) = found(source, "crosswoz/val.json.zip")
    for name, dialogue in document(path).items():
        if one_in(4, name):
            yield from ({"dialogue": name, "text": message["content"]} for message in dialogue["messages"])


def medical(source: Path) -> Iterator[Cells]:
    """`内科5000-33000.csv`: one question in ten to doctors of internal medicine."""
    (path,) = found(source, "内科5000-33000.csv")
    for row in table(path, encoding="gb18030"):
        if one_in(10, row["ask"]):
            yield {"department": row["department"], "text": row["ask"]}


def topical_chat(source: Path) -> Iterator[Cells]:
    """`TopicalChatASR/actual/*.json`, with what a recogniser heard, and a quarter of `valid_freq.json`."""
    heard = found(source, "TopicalChatASR/actual/*.json")
    for path in (*heard, *found(source, "conversations/valid_freq.json")):
        for name, dialogue in document(path).items():
            if path in heard or one_in(4, name):
                yield from (_heard(name, turn) for turn in dialogue["content"])


def ami(source: Path) -> Iterator[Cells]:
    """`data/Product/all/*.json` of QMSum: the speech of AMI's meetings. One sentence in three is kept.

    QMSum's other meetings are left out: those of ICSI are a test (MRDA), and parliaments speak no ordinary talk.
    """
    for path in found(source, "data/Product/all/*.json"):
        for turn in document(path)["meeting_transcripts"]:
            for text in SENTENCES.split(APART.sub("", " ".join(NOT_A_WORD.sub(" ", turn["content"]).split()))):
                if len(text.split()) in WORDS and one_in(3, text):
                    yield {"dialogue": path.stem, "text": text}


def goemotions(source: Path) -> Iterator[Cells]:
    """`train.tsv`, which has no names of columns: a comment, the numbers of its emotions, its id.

    Half of the friendly comments and a sixth of the others are kept. The authors replaced names by `[NAME]`, which
    nobody says, so those comments are left out.
    """
    (path,) = found(source, "train.tsv")
    for line in lines(path):
        text, emotions, key = line.split("\t")
        friendly = FRIENDLY.issuperset(emotions.split(","))
        if one_in(2 if friendly else 6, key) and "[" not in text:
            yield {"text": text, "friendly": int(friendly)}


def tatoeba(source: Path) -> Iterator[Cells]:
    """`cmn.txt` of the pairs of English and Mandarin sentences, with their sources: those that speak to somebody.

    A sentence with several translations is kept once.
    """
    (path,) = found(source, "cmn.txt")
    seen: set[str] = set()
    for line in lines(path):
        english, mandarin, _ = line.split("\t")
        if "你" in mandarin or "您" in mandarin:
            for language, text in (("en", english), ("zh", mandarin)):
                if text not in seen:
                    seen.add(text)
                    yield {"pair": english, "language": language, "text": text}


def vcsum(source: Path) -> Iterator[Cells]:
    """`short_dev.txt` and `short_test.txt`: sentences of meetings as a recogniser heard them. Half of them is kept."""
    for path in (*found(source, "short_dev.txt"), *found(source, "short_test.txt")):
        for line in lines(path):
            part = msgspec.json.decode(line)
            for text in chain.from_iterable(part["context"]):
                if len(text) in CHARACTERS and one_in(2, text):
                    yield {"dialogue": part["av_num"], "text": text}


def tencent_chat(source: Path) -> Iterator[Cells]:
    """`data.txt`, or a copy with the prompts alone: one prompt in three, without the spaces between its words.

    The answers are left out, as most of them were chosen by a machine.
    """
    for path in found(source, "data*.txt"):
        for text in dict.fromkeys(SPACE.sub("", line.split("\t")[0]) for line in lines(path)):
            if len(text) in CHARACTERS and one_in(3, text):
                yield {"text": text}


def _heard(name: str, turn: Mapping[str, str]) -> Cells:
    return {"dialogue": name, "text": turn["message"], "heard_b": turn.get("message_asr_B", "")}


def _risk(written: str) -> str:
    """The label that an annotator meant."""
    name = written.lower().removeprefix("suicidal").strip()
    return "ideation" if name.startswith("idea") else RISKS.get(name[:3], "none")
