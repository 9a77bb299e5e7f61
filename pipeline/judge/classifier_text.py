"""A text as the classifier reads it: prepared, with the speech before it, and as token ids.

The speech before an utterance is cut at its front, so the words nearest to the utterance stay. No spoken word can pass
for the mark between two texts.
"""

import re
from collections.abc import Iterable, Mapping, Sequence

from tokenizers import Tokenizer

from pipeline.speech import languages
from pipeline.speech.languages.writing_systems import HAN, UNSPACED

SEPARATOR = "</s>"
"""The encoder's mark between two texts. A transcript may not hold it, because it could pass for context."""
OWN: Mapping[bool, int] = {True: 30, False: 100}
"""Most characters of the speaker's own earlier words, by whether the script has no spaces: about 24 tokens."""
ROOM: Mapping[bool, int] = {True: 20, False: 60}
"""Most characters of the other speakers' last words: about 16 tokens."""
LOOP = re.compile(r"(.{1,24}?)\1{3,}", re.DOTALL)
"""A piece that is repeated four times or more: stretched letters, or a looping recogniser."""
TWO_ROUNDS = r"\1\1"
MARK = re.compile(rf"\s*(?:[。！？；，]|(?<=[{HAN}])[!?;,]|[.!?;…,](?![^\W_]))+")
"""The end of a clause. A mark before a letter or digit, as in `3.5`, is none, except after a Chinese character."""
MAX_TOKENS = 128
"""The classifier's limit for one text. An utterance has at most 15 s. Longer texts are split into windows."""
BEGIN = "<s>"
SPECIAL = (BEGIN, "<pad>", SEPARATOR, "<mask>")
MAX_JOINED = 176
"""The limit for an utterance with the speech before it. It is cut at the front, and the utterance stays whole."""


def with_context(text: str, own: str = "", room: str = "") -> str:
    """`room`, then `own`, then `text`. Without context it is `text` alone."""
    parts = [last_characters(room, ROOM), last_characters(own, OWN), text.replace(SEPARATOR, " ")]
    return SEPARATOR.join(parts) if any(parts[:2]) else parts[2]


def own_words(joined_text: str) -> str:
    """The utterance after the speaker's own words, as if no pause had cut them."""
    return joined_text.partition(SEPARATOR)[2].replace(SEPARATOR, " ") or joined_text


def last_characters(text: str, most: Mapping[bool, int]) -> str:
    """The last characters of `text`. A word that would be cut is left out."""
    text = " ".join(text.replace(SEPARATOR, " ").split())
    width = most[UNSPACED.search(text) is not None]
    if len(text) <= width:
        return text
    # The first piece may be a cut word. A long one is text without spaces, which may be cut anywhere.
    first, _, rest = text[-width - 1 :].partition(" ")
    return rest if rest and len(first) < width // 2 else text[-width:]


def view(text: str) -> str:
    """`text` in simplified, lower-case characters, with one mark between clauses, and loops cut to two rounds.

    A recogniser or a keyboard decides about capitals, question marks and full stops, so they say nothing.
    """
    text = text.encode(errors="replace").decode()  # JSON may hold half a surrogate pair, which tokenizers refuse.
    return SEPARATOR.join(map(_one_form, text.split(SEPARATOR)))


def _one_form(text: str) -> str:
    text = " ".join(MARK.sub(", ", text.lower()).split())
    for script in languages.scripts():
        text = script.converted(text) if script.is_in(text) else text
    # Last: rounds of a loop may differ in case, marks or script.
    return " ".join(LOOP.sub(TWO_ROUNDS, text).split()).strip(", ")


class Tokens:
    """A tokenizer with the special tokens of XLM-RoBERTa."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        """Raises ValueError if `tokenizer` has other special tokens."""
        tokenizer.no_truncation()  # `_row` cuts, and keeps the utterance rather than the speech before it
        self._tokenizer = tokenizer
        self._begin, self._separator = _id(tokenizer, BEGIN), _id(tokenizer, SEPARATOR)
        self._dropped = frozenset(map(tokenizer.token_to_id, SPECIAL))

    def of(self, texts: Sequence[str]) -> list[list[int]]:
        """The ids of each text, with the marks at its ends and between its parts."""
        # A tokenizer reads `</s>` in a text, and its full-width form, as the mark itself. So it reads each part alone,
        # and `_row` drops the special tokens that it found there.
        parts = [text.split(SEPARATOR) for text in texts]
        found = iter(self._tokenizer.encode_batch_fast([*_all(parts)], add_special_tokens=False))
        return [self._row([next(found).ids for _ in each]) for each in parts]

    def _row(self, parts: Sequence[Sequence[int]]) -> list[int]:
        *before, said = [[at for at in ids if at not in self._dropped] for ids in parts]
        said = [*said[: MAX_TOKENS - 2], self._separator]  # the two marks count, too
        told = [at for ids in before for at in (*ids, self._separator)]
        room = MAX_JOINED - 1 - len(said)
        return [self._begin, *told[max(0, len(told) - room) :], *said]


def _id(tokenizer: Tokenizer, token: str) -> int:
    found: int | None = tokenizer.token_to_id(token)
    if found is None:
        raise ValueError(f"its tokenizer has no {token}")
    return found


def _all(parts: Iterable[Sequence[str]]) -> Iterable[str]:
    return (part for each in parts for part in each)
