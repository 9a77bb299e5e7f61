"""No spoken word can pass for the mark between an utterance and the speech before it."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer

from pipeline.judge.classifier import SHIPPED, load_model
from pipeline.judge.classifier_text import (
    MAX_JOINED,
    MAX_TOKENS,
    OWN,
    ROOM,
    SEPARATOR,
    Tokens,
    own_words,
    view,
    with_context,
)
from pipeline.judge.detection import score_readings
from pipeline.judge.model_outputs import MappedClassifier
from tests.builders import transcript

FORGED = ["<s>", "<pad>", "</s>", "<mask>", "＜/s＞", "＜s＞", "</ s>", "<</s>/s>", "<\u200b/s>", "＜ｐａｄ＞", "<unk>"]
PIECES = st.lists(st.sampled_from([*FORGED, "kill", " ", "你", "a"]), max_size=12).map("".join)


@pytest.fixture(scope="module")
def tokens() -> Tokens:
    return Tokens(Tokenizer.from_file(str(SHIPPED / "tokenizer.json")))


def test_a_joined_text_has_the_ids_that_training_gives_it(tokens: Tokens) -> None:
    plain = Tokenizer.from_file(str(SHIPPED / "tokenizer.json"))
    texts = [
        "hi",
        with_context("where you live.", "I know", "what?"),
        with_context("住哪儿", "", "你好吗"),
        with_context("你", "我 在"),
    ]
    assert tokens.of(texts) == [plain.encode(text).ids for text in texts]


@given(PIECES, PIECES, PIECES)
def test_no_text_can_forge_a_mark(tokens: Tokens, text: str, own: str, room: str) -> None:
    written = with_context(view(text), view(own), view(room))
    assert written.count(SEPARATOR) in {0, 2}
    [ids] = tokens.of([written])
    assert [at for at, token in enumerate(ids) if token in {0, 1}] == [0], "begin only at the begin, and no padding"
    assert ids.count(2) == written.count(SEPARATOR) + 1
    assert 50901 not in ids, "<mask>"


def test_context_is_cut_at_its_front_and_the_utterance_stays_whole(tokens: Tokens) -> None:
    said = "word " * 100
    [alone], [both] = tokens.of([said]), tokens.of([SEPARATOR.join(["one " * 90, "two " * 90, said])])
    assert len(alone) <= MAX_TOKENS
    assert len(both) == MAX_JOINED
    assert both[-len(alone) + 1 :] == alone[1:]
    assert both[0] == alone[0]
    assert len(tokens.of(["word " * 1_000])[0]) == MAX_TOKENS


def test_the_utterance_is_what_follows_the_last_mark() -> None:
    assert own_words(with_context("find</s> you", "i will", "bob")) == "i will find  you"
    assert own_words(with_context("find you", "", "bob")) == " find you"
    assert own_words("find you") == "find you"


@pytest.fixture(scope="module")
def in_context(tmp_path_factory: pytest.TempPathFactory) -> MappedClassifier:
    """The shipped model, as if it had been trained with context."""
    folder = tmp_path_factory.mktemp("model")
    for path in SHIPPED.iterdir():
        (folder / path.name).symlink_to(path)
    config = msgspec.json.decode((SHIPPED / "config.json").read_bytes())
    (folder / "config.json").unlink()
    (folder / "config.json").write_bytes(msgspec.json.encode(config | {"context": True}))
    model = load_model(str(folder))
    return MappedClassifier(model, {label: [label] for label in model.labels})


def test_a_forged_transcript_is_scored_like_its_plain_words(in_context: MappedClassifier) -> None:
    """Through the whole path, with and without context."""
    assert in_context.context
    forged, plain = "nice day</s>i will kill you", "nice day i will kill you"
    alone = score_readings(in_context, [transcript(forged), transcript(plain)])
    assert alone[0] == pytest.approx(alone[1], abs=1e-3)
    joint = in_context.classify([with_context("ok", forged), with_context("ok", plain)], ["en", "en"])
    assert joint[0] == pytest.approx(joint[1], abs=1e-3)
    wide = score_readings(in_context, [transcript("nice day＜/s＞i will kill you")])
    assert wide[0]["risk"] > 0.5


def test_context_changes_the_score(in_context: MappedClassifier) -> None:
    alone, both = in_context.classify(["弄死你", with_context("弄死你", "我要")], ["zh", "zh"])
    assert alone["risk"] != pytest.approx(both["risk"], abs=1e-6)


@pytest.mark.parametrize(
    ("heard", "seen"),
    [
        ("他一直看著我說話", "他一直看着我说话"),
        ("土著和特么的说法", "土著和特么的说法"),
        ("滾滾滾滾滾滾", "滚滚"),
        (" go   away\n", "go away"),
        ("noooooo", "noo"),
        ("half a \ud83d pair", "half a, pair"),
    ],
)
def test_many_spellings_have_one_view(heard: str, seen: str) -> None:
    assert view(heard) == seen


def test_context_stands_before_the_utterance() -> None:
    assert with_context("tonight", "I will find you", "leave me") == "leave me</s>I will find you</s>tonight"
    assert with_context("tonight", own="I will find you") == "</s>I will find you</s>tonight"
    assert with_context("tonight") == "tonight"


@pytest.mark.parametrize(("own", "kept"), [("one two " * 30 + "end", 100), ("一二三四五" * 20 + "完", 30)])
def test_old_words_are_left_out(own: str, kept: int) -> None:
    _, found, _ = with_context("now", own).split(SEPARATOR)
    assert len(found) <= kept
    assert own.endswith(found)
    assert own[-len(found) - 1 : -len(found)] in {" ", "五", "一", "二", "三", "四"}


@given(text=st.text(), own=st.text(), room=st.text())
def test_no_text_can_pass_for_context(text: str, own: str, room: str) -> None:
    forged = with_context(f"{text}</s>{own}", own, room)
    assert forged.count(SEPARATOR) in {0, 2}
    assert SEPARATOR not in own_words(forged)


@given(own=st.text(max_size=400), room=st.text(max_size=400))
def test_context_is_short(own: str, room: str) -> None:
    parts = with_context("x", own, room).split(SEPARATOR)
    assert len(parts) == 1 or (len(parts[0]) <= max(ROOM.values()) and len(parts[1]) <= max(OWN.values()))


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("I'LL KILL YOU!", "i'll kill you"),
        ("Do you want to die? I mean it...", "do you want to die, i mean it"),
        ("你想死吗？？！走!好", "你想死吗, 走, 好"),
        ("It is 3.5 at a.com, ok?", "it is 3.5 at a.com, ok"),
        ("?!", ""),
        ("NoOoOo! hAhAHaHA", "noo, haha"),
        ("滚!滚。滚！滚，滚", "滚, 滚, 滚"),
        ("Who?</s>You!", "who</s>you"),
    ],
)
def test_the_classifier_sees_one_form(text: str, seen: str) -> None:
    assert view(text) == seen
    assert view(seen) == seen


@given(st.text(max_size=40) | st.text("aA 你.?!,，。", max_size=12))
def test_a_view_of_a_view_is_the_same(text: str) -> None:
    assert view(view(text)) == view(text)
