from concurrent.futures import ThreadPoolExecutor

from pipeline.speech.languages.zh.pinyin import has_han, readings, sounds


def test_homophones_sound_alike_and_others_do_not() -> None:
    assert sounds("农丝你") == sounds("弄死你")
    assert sounds("加威信") == sounds("加微信")
    assert sounds("杀了你") != sounds("砍了你")


def test_a_text_by_sound_keeps_its_places_and_its_other_characters() -> None:
    assert len(sounds("加v信 ok")) == len("加v信 ok")
    assert sounds("加v信 ok")[1] == "v"
    assert sounds("no han") == "no han"


def test_a_phrase_is_read_in_context_and_by_character() -> None:
    assert sounds("银行") in readings("银行")
    assert len(readings("音乐家")) == 2
    assert readings("㐀㐁") == {sounds("㐀㐁")}


def test_threads_agree_on_syllables() -> None:
    text = "".join(chr(code) for code in range(0x4E00, 0x5200))
    with ThreadPoolExecutor(8) as pool:
        heard = set(pool.map(sounds, [text] * 16))
    assert len(heard) == 1


def test_has_han() -> None:
    assert has_han("ok 好")
    assert not has_han("ok ひ")
