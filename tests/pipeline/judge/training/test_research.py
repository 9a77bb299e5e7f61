"""Sets for research are read by their own labels, and only when they are asked for."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from pipeline.judge.training.sets import RESEARCH, SETS, read

FILES = {
    "gametox": "text,label\nuseless team,1\nkill that scout,0\nnazi,5\n",
    "conda": "conversation,text,intent\n1,ez,I\n1,b,A\n",
    "ethos": "text,is_hate,violence,directed_vs_generalized\nhateful,1.00,0.80,0.60\nunclear,0.30,,\nfine,0.00,,\n",
    "sos_zh": "text,level\n想死,5\n难过,1\n很痛苦,3\n",
    "s_eval": "language,risk,text\nzh,Extremism,问题\nzh,Physical_and_Mental_Health,别的\n",
    "suicide_tweets": "text,label\nno way out,1\nnice day,0\n",
    "scam_calls_en": "text,label\npay now,fraud\nhello,normal\n",
    "lccc_toy": "dialogue,turn,text\n1,0,可爱\n1,1,去死吧\n",
}
EXPECTED: Mapping[str, dict[str, dict[str, float]]] = {
    "gametox": {"useless team": {"abuse": 1}, "kill that scout": {"violence": 0, "risk": 0}},
    "conda": {"ez": {"abuse": 1}, "b": {"abuse": 0}},
    "ethos": {"hateful": {"hate": 1, "violence": 1, "abuse": 1}, "fine": {"hate": 0}},
    "sos_zh": {"想死": {"self_harm": 1}, "难过": {"self_harm": 0}},
    "s_eval": {"问题": {"terror_extremism": 1}},
    "suicide_tweets": {"no way out": {"self_harm": 1}, "nice day": {"self_harm": 0}},
    "scam_calls_en": {"pay now": {"fraud": 1}, "hello": {"fraud": 0}},
    "lccc_toy": {"可爱": {"abuse": 0, "risk": 0}},
}


@pytest.mark.parametrize("name", RESEARCH)
def test_a_set_is_read_by_its_labels(name: str, tmp_path: Path) -> None:
    (tmp_path / name).mkdir()
    (tmp_path / name / "rows.csv").write_text(FILES[name], "utf-8")
    found = {row.text: row.labels for row in read(tmp_path, [name])}
    assert set(found) == set(EXPECTED[name])
    for text, labels in EXPECTED[name].items():
        assert labels.items() <= found[text].items()


def test_no_shipped_model_is_trained_on_them() -> None:
    assert RESEARCH.keys().isdisjoint(SETS)
