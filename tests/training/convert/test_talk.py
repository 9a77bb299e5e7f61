"""Files of ordinary talk, in their authors' format, become rows with our labels."""

import io
import json
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from zipfile import ZipFile

from pipeline.learning.training_rows import CLEAN, negative, positive
from tests.training.convert.samples import as_table, converted

XMLNS = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'


def workbook(*sheets: Sequence[Sequence[str]]) -> bytes:
    """An XLSX file: a number in column A, and texts from column B."""
    strings = [text for sheet in sheets for row in sheet for text in row]
    content, place = io.BytesIO(), iter(range(len(strings)))
    with ZipFile(content, "w") as archive:
        texts = "".join(f"<si><r><t>{text[:2]}</t></r><r><t>{text[2:]}</t></r></si>" for text in strings)
        archive.writestr("xl/sharedStrings.xml", f"<sst {XMLNS}>{texts}</sst>")
        for number, sheet in enumerate(sheets, 1):
            rows = "".join(
                f'<row r="{at}"><c r="A{at}"><v>{at}</v></c>'
                + "".join(f'<c r="{"BC"[column]}{at}" t="s"><v>{next(place)}</v></c>' for column in range(len(row)))
                + "</row>"
                for at, row in enumerate(sheet, 1)
            )
            archive.writestr(f"xl/worksheets/sheet{number}.xml", f"<worksheet {XMLNS}>{rows}</worksheet>")
    return content.getvalue()


def zipped(**files: bytes | str) -> bytes:
    content = io.BytesIO()
    with ZipFile(content, "w") as archive:
        for name, each in files.items():
            archive.writestr(name, each)
    return content.getvalue()


def test_cssrs_is_read_from_workbooks_whatever_the_spelling(tmp_path: Path) -> None:
    head = ("Reddit Post", "Suicide Risk")
    one = workbook(
        [head, ("I want to go", "suicidal ideations"), ("I feel Hyperactive behavior it", "Ideation")],
        [head, ("we are here", "supporitve"), ("lost my job", "indiccator")],
    )
    other = workbook([head, *((f"hello {number}", "uninformative") for number in range(80))], [head, ("no label",)])
    files = {"post_level_annotations_anonymized.zip": zipped(**{"x/one.xlsx": one, "x/two.xlsx": other})}
    found = converted(tmp_path, "cssrs_reddit", files)
    assert found["I want to go"].labels == found["I feel like it"].labels == positive("self_harm")
    assert (found["we are here"].labels, found["we are here"].weight) == (negative("self_harm"), 1.0)
    assert "lost my job" not in found
    assert 8 < sum(text.startswith("hello") for text in found) < 35


def test_a_third_of_kdconv_is_kept_whole(tmp_path: Path) -> None:
    content = [{"messages": [{"message": f"好{n}"}, {"message": f"是{n}", "attrs": []}]} for n in range(90)]
    files = {f"data/{domain}/dev.json": content if domain == "film" else [] for domain in ("film", "music", "travel")}
    found = converted(tmp_path, "kdconv", files)
    assert 30 < len(found) < 100
    assert {*Counter(row.group for row in found.values()).values()} == {2}


def test_a_quarter_of_crosswoz_is_kept_whole(tmp_path: Path) -> None:
    content = ",".join(
        f'"{n}": {{"messages": [{{"content": "问{n}", "role": "usr"}}, {{"content": "答{n}", "role": "sys"}}]}}'
        for n in range(80)
    )
    files = {"data/crosswoz/val.json.zip": zipped(**{"val.json": f"{{{content}}}"})}
    found = converted(tmp_path, "crosswoz", files)
    assert 16 < len(found) < 80
    assert {*Counter(row.group for row in found.values()).values()} == {2}


def test_patients_questions_are_read_in_their_encoding(tmp_path: Path) -> None:
    rows = [
        {"department": "内科", "title": "t", "ask": f"头疼{number}天怎么办", "answer": "a"} for number in range(200)
    ]
    found = converted(tmp_path, "medical_zh", {"IM_内科/内科5000-33000.csv": as_table(rows).encode("gb18030")})
    assert 8 < len(found) < 40
    assert all(row.labels is CLEAN and text.startswith("头疼") for text, row in found.items())


def test_topical_chat_is_also_read_as_it_was_heard(tmp_path: Path) -> None:
    def content(start: str, **heard: str) -> dict[str, object]:
        return {f"{start}{n}": {"content": [{"message": f"{start} says {n}", **heard}]} for n in range(40)}

    files = {
        "TopicalChatASR/actual/test_freq_audio.json": content("a", message_asr_B="as heard"),
        "conversations/valid_freq.json": content("b"),
    }
    found = converted(tmp_path, "topical_chat", files)
    counts = Counter(text[0] + text[1] for text in found)
    assert (counts["a "], counts["as"]) == (40, 1)
    assert 3 < counts["b "] < 20


def test_meetings_are_cut_into_sentences_without_the_transcriber_s_marks(tmp_path: Path) -> None:
    def meeting(*turns: str) -> dict[str, object]:
        return {"meeting_transcripts": [{"speaker": "Marketing", "content": turn} for turn in turns]}

    numbered = [
        f"Uh {{vocalsound}} this is number {at} , I think . Okay . A D_V_D_ player , maybe ?" for at in range(40)
    ]
    files = {
        "data/Product/all/ES2002a.json": meeting(*numbered),
        "data/Academic/all/Bmr001.json": meeting("this meeting is a test"),
    }
    found = converted(tmp_path, "ami", files)
    assert 8 < len(found) < 25
    assert all(re.fullmatch(r"Uh this is number \d+, I think\.|A DVD player, maybe\?", text) for text in found)
    assert {(row.group, row.labels is CLEAN) for row in found.values()} == {("ES2002a", True)}


def test_comments_with_emotions_are_clean_only_if_they_are_friendly(tmp_path: Path) -> None:
    rows = [f"{text} {n}\t{emotions}\t{text}{n}" for n in range(100) for text, emotions in COMMENTS.items()]
    found = converted(tmp_path, "goemotions", {"train.tsv": "\n".join(rows)})
    counts = Counter(text.split()[0] for text in found)
    assert [*sorted(counts)] == ["bored", "mixed", "thanks"]
    assert 35 < counts["thanks"] < 65
    assert 6 < counts["bored"] < 30
    labels = {text.split()[0]: row.labels for text, row in found.items()}
    assert labels["thanks"] is CLEAN
    assert labels["bored"] == labels["mixed"] == negative("ads_spam", "fraud", "illegal_trade", "privacy")


COMMENTS = {"thanks": "15,17", "bored": "27", "mixed": "15,2", "[NAME]": "15", "fuck": "15"}


def test_pairs_of_sentences_to_somebody_are_clean_in_both_languages(tmp_path: Path) -> None:
    pairs = (
        ("Are you free?", "你有空吗？"),
        ("Are you free?", "您有空吗？"),
        ("It rains.", "下雨了。"),
        ("I'll kill you.", "我要杀了你。"),
    )
    content = "\n".join(f"{english}\t{mandarin}\tCC-BY 2.0 (France)" for english, mandarin in pairs)
    found = converted(tmp_path, "tatoeba", {"cmn.txt": content})
    assert {text: (row.language, row.group, row.labels) for text, row in found.items()} == {
        "Are you free?": ("en", "Are you free?", CLEAN),
        "你有空吗？": ("zh", "Are you free?", CLEAN),
        "您有空吗？": ("zh", "Are you free?", CLEAN),
    }


def test_mandarin_meetings_are_read_sentence_by_sentence(tmp_path: Path) -> None:
    parts = [[f"这个是第{number}个议题吧", "对"] for number in range(100)]
    content = json.dumps({"av_num": 7, "context": parts}) + "\n"
    found = converted(tmp_path, "vcsum", {"short_dev.txt": content, "short_test.txt": ""})
    assert 30 < len(found) < 70
    assert all(row.group == "7" and row.labels is CLEAN and text.startswith("这个是") for text, row in found.items())


def test_prompts_of_a_chat_have_no_spaces_between_words_and_no_doubtful_word(tmp_path: Path) -> None:
    lines = [line for n in range(100) for line in (f"你 玩 iPhone {n} 吗\t答\t3", f"我 杀 了 你 {n}\t答\t1")]
    found = converted(tmp_path, "tencent_chat", {"data.txt": "\n".join(lines)})
    assert 15 < len(found) < 55
    assert all(re.fullmatch(r"你玩iPhone \d+吗", text) and row.labels is CLEAN for text, row in found.items())
