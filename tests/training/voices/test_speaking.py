"""What synthesisers speak, and whose recordings are converted for the test."""

from pathlib import Path

from training.voices.speaking import FESTIVAL, SPEAKS, _speakers, lines


def test_there_are_plain_lines_for_every_voice() -> None:
    found = lines()
    assert {*FESTIVAL.values(), *SPEAKS.values(), "en", "zh"} <= {*found}
    assert all(len(texts) >= 6 for texts in found.values())
    assert not [text for texts in found.values() for text in texts if {*text} & {"[", "]", "|"}]
    assert found == lines()


def test_only_people_who_train_nothing_are_converted_and_each_once(tmp_path: Path) -> None:
    rows = [
        ("a1.flac", "ann", "measure", "5"),
        ("a2.flac", "ann", "measure", "6"),
        ("b1.flac", "bob", "any", "5"),
        ("c1.flac", "cy", "non-commercial", "5"),
        ("d1.flac", "di", "measure", "1.5"),
    ]
    table = "file\tspeaker\tuse\tseconds\n" + "".join("\t".join(row) + "\n" for row in rows)
    (tmp_path / "refs.tsv").write_text(table, "utf-8")
    names = sorted(path.name for path in _speakers(tmp_path))
    assert len(names) == 2
    assert names[0] in {"a1.flac", "a2.flac"}
    assert names[1] == "c1.flac"
