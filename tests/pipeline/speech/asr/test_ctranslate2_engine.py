import ctypes
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from whisper.tokenizer import get_tokenizer

from pipeline.settings import Asr
from pipeline.speech.asr import ctranslate2_engine, whisper_weights
from pipeline.speech.asr.ctranslate2_engine import Vocabulary, join_pieces, time_words
from pipeline.speech.asr.hypothesis import SpecialTokens
from pipeline.speech.asr.recogniser import TimedWord

ISA = "CT2_FORCE_CPU_ISA"


@pytest.fixture
def flags(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file that replaces /proc/cpuinfo."""
    monkeypatch.delenv(ISA, raising=False)
    monkeypatch.setattr(ctranslate2_engine, "CPUINFO", tmp_path / "cpuinfo")
    return tmp_path / "cpuinfo"


def test_avx512_is_requested_on_cpus_that_run_it_at_full_clock_speed(flags: Path) -> None:
    flags.write_text("flags\t\t: fpu avx2 avx512f avx512_bf16 amx_tile\n")
    ctranslate2_engine.prepare_cpu()
    assert os.environ.pop(ISA) == "AVX512"


@pytest.mark.parametrize("text", [None, "flags\t\t: fpu avx2 avx512f avx512bw\n"])
def test_ctranslate2_decides_for_other_cpus(flags: Path, text: str | None) -> None:
    if text:
        flags.write_text(text)
    ctranslate2_engine.prepare_cpu()
    assert ISA not in os.environ


def test_a_variable_of_the_user_is_not_changed(flags: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    flags.write_text("avx512_bf16")
    monkeypatch.setenv(ISA, "GENERIC")
    ctranslate2_engine.prepare_cpu()
    assert os.environ[ISA] == "GENERIC"


# In a thread as those of CTranslate2, of the size of the attention over 30 s. A page has 4 KiB.
REUSES = """
import ctypes, resource, threading
from pipeline.speech.asr.ctranslate2_engine import keep_memory
keep_memory()
libc = ctypes.CDLL(None)
libc.malloc.restype, size = ctypes.c_void_p, 72 << 20
def use():
    block = libc.malloc(ctypes.c_size_t(size))
    ctypes.memset(block, 1, size)
    libc.free(ctypes.c_void_p(block))
def twice():
    use()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    use()
    print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
thread = threading.Thread(target=twice)
thread.start()
thread.join()
"""


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "mallopt"), reason="the C library is not glibc")
def test_the_kernel_does_not_clear_memory_again() -> None:
    done = subprocess.run([sys.executable, "-c", REUSES], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 1000


pytestmark = pytest.mark.weights

WHISPER = get_tokenizer(multilingual=True, language="zh", task="transcribe")


@pytest.fixture(scope="module")
def content() -> bytes:
    return whisper_weights.find_weights(Asr(download=False)).read("tokenizer.json")


@pytest.fixture(scope="module")
def vocabulary(content: bytes) -> Vocabulary:
    return Vocabulary(content, multilingual=True)


def test_special_tokens_have_whispers_ids(vocabulary: Vocabulary) -> None:
    assert tuple(vocabulary.prompt("zh")) == WHISPER.sot_sequence
    assert vocabulary.no_timestamps == WHISPER.no_timestamps
    assert vocabulary.marks == SpecialTokens(WHISPER.eot, WHISPER.timestamp_begin)


def test_an_english_model_is_not_told_the_language(content: bytes) -> None:
    assert Vocabulary(content, multilingual=False).prompt("en") == [WHISPER.sot]


def test_languages_are_known_by_their_tokens(vocabulary: Vocabulary) -> None:
    assert all(map(vocabulary.knows, ("en", "zh", "haw")))
    assert not any(map(vocabulary.knows, ("yue", "xx", "transcribe ", "")))


def test_an_unknown_language_has_no_prompt(vocabulary: Vocabulary) -> None:
    with pytest.raises(ValueError, match=r"the vocabulary has no <\|yue\|>"):
        vocabulary.prompt("yue")


@given(st.text(st.sampled_from("ab 你好饕餮,'é😀") | st.characters(codec="utf-8"), max_size=20))
def test_a_text_and_its_words_are_whispers(vocabulary: Vocabulary, text: str) -> None:
    tokens = WHISPER.encode(text)
    assert vocabulary.text(tokens) == text.strip()
    words = vocabulary.words(tokens)
    assert "".join(word for word, _ in words) == text
    assert sum(count for _, count in words) == len(tokens)


def test_the_error_names_an_invalid_tokenizer() -> None:
    with pytest.raises(ValueError, match=r"tokenizer\.json"):
        Vocabulary(b"{}", multilingual=True)


def test_words_begin_after_a_space() -> None:
    assert join_pieces([(" get", 1), (" out", 1), (",", 1), (" un", 1), ("believ", 1), ("able", 1)]) == [
        (" get", 1),
        (" out,", 2),
        (" unbelievable", 3),
    ]


def test_accents_and_curly_quotes_do_not_split_words() -> None:
    pieces = [" caf", "é", " don", "’", "t", " “", "hi", "”", " 안", "녕"]
    assert [word.strip() for word, _ in join_pieces((piece, 1) for piece in pieces)] == [
        "café",
        "don’t",
        "“hi”",
        "안녕",
    ]


def test_each_chinese_character_is_a_word_with_its_punctuation() -> None:
    assert join_pieces([("你", 2), ("好", 1), ("，", 1), ("ok", 1), ("吗", 1)]) == [
        ("你", 2),
        ("好，", 2),
        ("ok", 1),
        ("吗", 1),
    ]


def test_a_word_lasts_until_the_next_one_or_the_end() -> None:
    path = [(0, 5), (0, 6), (1, 10), (2, 30), (2, 31), (3, 60)]
    assert time_words([(" get", 1), (" out.", 2)], path, [0.9, 0.8, 0.6], 1.0) == (
        TimedWord("get", 0.1, 0.2, 0.9),
        TimedWord("out.", 0.2, 1.0, 0.7),
    )
