"""Converters of the sets of requests to language models. The readers are in training/classifier/sets/prompts.py."""

import ast
from collections.abc import Iterator
from pathlib import Path

from training.classifier.sets.prompts import AILUMINATE_HAZARDS
from training.convert.files import MOST_CHARACTERS, Cells, document, found, lines, table


def jade(source: Path) -> Iterator[Cells]:
    """`jade-db-v1.0/jade_benchmark_zh.csv`, and the two files of `jade-db-v2.0`."""
    for name in ("jade-db-v1.0/jade_benchmark_zh.csv", "jade-db-v2.0/jade_benchmark_*_zh.csv"):
        for path in found(source, name):
            for row in table(path):
                yield {"language": "zh", "text": row["问题"], "kind": row["违规类型"], "subkind": row["违规子类"]}


def jade_rules(source: Path) -> Iterator[Cells]:
    """`jade_rag_v1_1k_zh.csv`: rules of conduct."""
    (path,) = found(source, "jade_rag_v1_1k_zh.csv")
    return ({"text": row["Rule"]} for row in table(path))


def multijail(source: Path) -> Iterator[Cells]:
    """`MultiJail.csv`: each request in English and in Mandarin."""
    (path,) = found(source, "MultiJail.csv")
    for row in table(path):
        tags = "; ".join(ast.literal_eval(row["tags"]))
        for language in ("en", "zh"):
            yield {"id": row["id"], "language": language, "tags": tags, "text": row[language]}


def catqa(source: Path) -> Iterator[Cells]:
    """`catqa_english.json` and `catqa_chinese.json`: questions by category and subcategory."""
    for language, name in (("en", "english"), ("zh", "chinese")):
        (path,) = found(source, f"catqa_{name}.json")
        for category, kinds in document(path).items():
            for kind, questions in kinds.items():
                shared = {"language": language, "category": category, "subcategory": kind.strip(" :")}
                yield from (shared | {"text": question} for question in questions)


def simple_safety(source: Path) -> Iterator[Cells]:
    """`SimpleSafetyTests - test cases.csv`."""
    (path,) = found(source, "SimpleSafetyTests - test cases.csv")
    return ({"text": row["prompts_final"], "harm_area": row["harm_area"]} for row in table(path))


def ailuminate(source: Path) -> Iterator[Cells]:
    """`airr_official_1.0_demo_en_us_prompt_set_release.csv`: prompts as long as speech, of the hazards with a label."""
    (path,) = found(source, "airr_official_1.0_demo_en_us_prompt_set_release.csv")
    for row in table(path):
        if row["hazard"] in AILUMINATE_HAZARDS and len(row["prompt_text"]) <= MOST_CHARACTERS:
            yield {"hazard": row["hazard"], "text": row["prompt_text"]}


def deccp(source: Path) -> Iterator[Cells]:
    """`censored.txt` and `uncensored.txt`: questions that models refuse, and similar ones that they answer."""
    for name, refused in (("censored", 1), ("uncensored", 0)):
        (path,) = found(source, f"data/{name}.txt")
        yield from ({"text": text, "refused": refused} for text in lines(path))
