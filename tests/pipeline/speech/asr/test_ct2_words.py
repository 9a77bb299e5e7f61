from pipeline.speech.asr.ct2_words import joined, timed
from pipeline.speech.asr.transcriber import TimedWord


def test_words_begin_after_a_space() -> None:
    assert joined([(" get", 1), (" out", 1), (",", 1), (" un", 1), ("believ", 1), ("able", 1)]) == [
        (" get", 1),
        (" out,", 2),
        (" unbelievable", 3),
    ]


def test_accents_and_curly_quotes_do_not_split_words() -> None:
    pieces = [" caf", "é", " don", "’", "t", " “", "hi", "”", " 안", "녕"]
    assert [word.strip() for word, _ in joined((piece, 1) for piece in pieces)] == ["café", "don’t", "“hi”", "안녕"]


def test_each_chinese_character_is_a_word_with_its_punctuation() -> None:
    assert joined([("你", 2), ("好", 1), ("，", 1), ("ok", 1), ("吗", 1)]) == [
        ("你", 2),
        ("好，", 2),
        ("ok", 1),
        ("吗", 1),
    ]


def test_a_word_lasts_until_the_next_one_or_the_end() -> None:
    path = [(0, 5), (0, 6), (1, 10), (2, 30), (2, 31), (3, 60)]
    assert timed([(" get", 1), (" out.", 2)], path, [0.9, 0.8, 0.6], 1.0) == (
        TimedWord("get", 0.1, 0.2, 0.9),
        TimedWord("out.", 0.2, 1.0, 0.7),
    )
