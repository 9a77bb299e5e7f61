"""Files of the sets about fraud, adverts and personal data, in their authors' format, become rows with our labels."""

import json
from pathlib import Path

from pipeline.learning.training_rows import CLEAN, negative, positive
from tests.training.convert.samples import as_table, converted


def test_the_name_of_a_youtube_file_is_its_video(tmp_path: Path) -> None:
    files = {
        "Youtube01-Psy.csv": as_table([{"CONTENT": "see my channel", "CLASS": 1}]),
        "Youtube05-Shakira.csv": as_table([{"CONTENT": "nice song", "CLASS": 0}]),
    }
    found = converted(tmp_path, "youtube_spam", files)
    assert {text: (row.labels, row.part) for text, row in found.items()} == {
        "see my channel": (positive("ads_spam"), "train"),
        "nice song": (negative("ads_spam", "fraud"), "test"),
    }


def test_the_left_side_of_a_fraudulent_call_is_the_caller(tmp_path: Path) -> None:
    def calls(start: str) -> str:
        return "\n".join(
            json.dumps({"left": [f"{start}来电{n}", "转账", "快"], "right": [f"{start}接听{n}"]}) for n in range(60)
        )

    files = {"a/fraud_dialogues-1.jsonl": calls("甲"), "b/normal_dialogues-2.jsonl": calls("乙")}
    found = converted(tmp_path, "teleantifraud", files)
    fraud = [text for text, row in found.items() if row.labels == positive("fraud")]
    assert 1 <= len(fraud) < 20
    assert all(text.startswith("甲来电") and text.endswith("转账 快") for text in fraud)
    assert {text[0] for text, row in found.items() if row.labels is CLEAN} == {"乙", "转", "快"}
    assert {row.labels.get("fraud") for text, row in found.items() if text.startswith("甲接听")} == {None}


def test_the_kinds_of_personal_data_are_listed(tmp_path: Path) -> None:
    def row(text: str, *kinds: str) -> dict[str, object]:
        return {"full_text": text, "spans": [{"entity_type": kind, "entity_value": "x"} for kind in kinds]}

    content = [
        row("call\nme", "PERSON", "PHONE_NUMBER", "PHONE_NUMBER"),
        row("nothing"),
        row("place", "STREET_ADDRESS"),
    ]
    found = converted(tmp_path, "presidio_pii", {"data/synth_dataset_v2.json": content})
    assert {text: row.labels for text, row in found.items()} == {"call me": positive("privacy"), "nothing": CLEAN}
