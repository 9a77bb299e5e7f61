"""Lines for `voxwarden judge`, each with the expected result."""

from collections.abc import Iterator
from json import dumps

PASS, FLAGGED, REFUSED = "pass", "flagged", "refused"
INSULT = "shut up, you worthless idiot"

TextLine = tuple[str, bytes, str]
"""A name, the line without its end, and the expected result."""


def lines() -> Iterator[TextLine]:
    for name, text in _insults().items():
        yield name, text.encode("utf-8", "surrogatepass"), FLAGGED
    for name, text in _harmless().items():
        yield name, text.encode(), PASS
    for name, raw in _refused().items():
        yield name, raw, REFUSED


def _insults() -> dict[str, str]:
    return {
        "plain": INSULT,
        "braces": f"{{lol}} {INSULT}",
        "open brace": f"{{ {INSULT}",
        "empty object and text": f"{{}} {INSULT}",
        "python's quotes": f"{{'text': '{INSULT}'}}",
        "bracket": f"[{INSULT}",
        "object": dumps({"text": INSULT}),
        "object with id": dumps({"id": 7, "text": INSULT}),
        "object with a nested id": dumps({"id": {"oid": [1]}, "text": INSULT}),
        "object with other keys": dumps({"text": INSULT, "labels": [[1]], "user": None}),
        "object, spaces first": "   " + dumps({"text": INSULT}),
        "object, escapes": '{"text": "' + "".join(f"\\u{ord(letter):04x}" for letter in INSULT) + '"}',
        "object, key twice": f'{{"text": "hello", "text": "{INSULT}"}}',
        "carriage return": INSULT + "\r",
        "zero width": INSULT.replace(" ", "\u200b "),
        "terminal codes": f"\x1b[8m{INSULT}\x1b[0m",
        "right to left": f"\u202e\u202c{INSULT}",
        "NUL": f"\0{INSULT}",
        "markup": f"[bold]{INSULT}[/bold]",
        "closing markup": f"[/] {INSULT}",
        "line separator": f"hello\u2028{INSULT}",
        "form feed": f"hello\f{INSULT}",
        "long": f"{INSULT} " * 400,
        "at the end of a long one": "so it goes " * 1_000 + INSULT,
    }


def _harmless() -> dict[str, str]:
    return {
        "empty": "",
        "spaces": "   ",
        "dots": ". . . .",
        "number": "42",
        "null": "null",
        "emoji": "😀" * 500,
        "one letter": "a" * 50_000,
        "object without words": '{"text": ""}',
        "language in capitals": '{"text": "see you tomorrow", "language": "EN"}',
        "unknown language": '{"text": "see you tomorrow", "language": "xx"}',
        "unknown room type": '{"text": "see you tomorrow", "room_type": "nowhere"}',
        "combining marks": "a" + "\u0301" * 2_000,
    }


def _refused() -> dict[str, bytes]:
    return {
        "deep value": b'{"text": "x", "more": ' + b"[" * 40_000 + b"]" * 40_000 + b"}",
        "deep and open": b'{"text": ' + b'{"a":' * 15_000,
        "cut": b'{"text": "x',
        "no text": b'{"words": "x"}',
        "empty object": b"{}",
        "number as text": b'{"text": 3}',
        "null as text": b'{"text": null}',
        "lone surrogate": b'{"text": "\\ud800"}',
        "klingon": b'{"text": "x", "language": "Klingon"}',
        "control character in a room type": b'{"text": "x", "room_type": "a\\u0000b"}',
        "long room type": b'{"text": "x", "room_type": "' + b"a" * 300 + b'"}',
        "not UTF-8": b"caf\xe9",
        "UTF-16": "hello".encode("utf-16"),
        "overlong UTF-8": b"\xc0\xaf",
        "100,001 characters": b"x" * 100_001,
        "2 MB": b"x" * 2_000_000,
        "not finite": b'{"text": "x", "id": NaN}',
        "text behind the object": b'{"text": "x"} y',
    }
