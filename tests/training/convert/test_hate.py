"""Files of the sets about hatred, in their authors' format, become rows with our labels."""

from pathlib import Path

from pipeline.learning.training_rows import negative, positive
from tests.training.convert.samples import as_table, converted
from training.convert.hate import MOST


def test_stormfront_joins_annotations_and_sentences(tmp_path: Path) -> None:
    rows = [
        {"file_id": "1_1", "label": "hate"},
        {"file_id": "1_2", "label": "noHate"},
        {"file_id": "2_1", "label": "relation"},
    ]
    texts = {f"repo/all_files/{row['file_id']}.txt": f"sentence {row['file_id']}\n" for row in rows}
    files = {"repo/annotations_metadata.csv": as_table(rows), **texts}
    found = converted(tmp_path, "stormfront", files)
    assert {text: (row.labels, row.group) for text, row in found.items()} == {
        "sentence 1_1": (positive("hate"), "1"),
        "sentence 1_2": (negative("hate", "abuse"), "1"),
    }


def test_implicit_hate_joins_both_stages_and_keeps_few_posts_without_hate(tmp_path: Path) -> None:
    first = [{"post": "they must go", "class": "implicit_hate"}, {"post": 'says "vermin"', "class": "explicit_hate"}]
    first += [{"post": f"fine {number}", "class": "not_hate"} for number in range(600)]
    second = [{"post": "they must go", "implicit_class": "threatening", "extra_implicit_class": "None"}]
    files = {
        "implicit_hate_v1_stg1_posts.tsv": as_table(first, "\t"),
        "implicit_hate_v1_stg2_posts.tsv": as_table(second, "\t"),
    }
    found = converted(tmp_path, "implicit_hate", files)
    assert found.pop("they must go").labels == positive("hate", "violence")
    assert found.pop("says vermin").labels == positive("hate")
    assert 60 < len(found) < 140
    assert {tuple(row.labels.items()) for row in found.values()} == {tuple(negative("hate").items())}


def test_hatexplain_takes_the_majority(tmp_path: Path) -> None:
    def post(text: str, *labels: str) -> dict[str, object]:
        return {"post_tokens": text.split(), "annotators": [{"label": label} for label in labels]}

    kinds = {
        "a a": ("hatespeech", "normal", "hatespeech"),
        "b b": ("normal", "normal", "offensive"),
        "c c": ("offensive", "offensive", "hatespeech"),
        "d d": ("normal", "offensive", "hatespeech"),
    }
    content = {f"{text} {copy}": post(text, *labels) for text, labels in kinds.items() for copy in range(40)}
    found = converted(tmp_path, "hatexplain", {"Data/dataset.json": content})
    assert {text: row.labels for text, row in found.items()} == {
        "a a": positive("hate"), "b b": negative("abuse", "hate"), "c c": positive("abuse"),
    }  # fmt: skip


def test_toxigen_has_a_file_for_each_group(tmp_path: Path) -> None:
    folder = "demonstrations/race"
    files = {f"{folder}/hate_x_sentences.txt": "bad\nbad\n\n", f"{folder}/neutral_x.txt": "good\n"}
    found = converted(tmp_path, "toxigen_seeds", files)
    assert {text: row.labels for text, row in found.items()} == {
        "bad": positive("hate"), "good": negative("hate", "abuse", "risk"),
    }  # fmt: skip


def test_some_identity_templates_of_each_kind_are_kept(tmp_path: Path) -> None:
    def rows(start: str, template: str, toxicity: str) -> list[dict[str, str]]:
        return [{"template": template, "toxicity": toxicity, "phrase": f"{start} {n}"} for n in range(20 * MOST * 2)]

    files = {
        "en_sentence_templates.csv": as_table(rows("hug", "verb_adj", "nontoxic")),
        "zh-cn_sentence_templates.csv": as_table(rows("绑架", "verb_adj", "toxic")),
    }
    found = converted(tmp_path, "identity_templates", files)
    assert [row.language for row in found.values()] == ["en"] * MOST + ["zh"] * MOST
    assert found.popitem()[1].labels == positive("hate")
