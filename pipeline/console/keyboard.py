"""The table of keyboard shortcuts.

The buttons show the keys, the help of `?` lists them, and `static/keys.js` handles them.
"""

import itertools
from collections.abc import Mapping
from types import MappingProxyType

KEYS: Mapping[str, str] = MappingProxyType(
    {
        # Name of the action (its text is `keys.<name>` in the catalogues): value of KeyboardEvent.key.
        "next": "j",
        "previous": "k",
        "open": "Enter",
        "take_in": ".",
        "uphold": "1",
        "dismiss": "2",
        "escalate": "3",
        "undo": "u",
        "skip": "s",
        "label": "l",
        "reason": "r",
        "note": "n",
        "action": "a",
        "like": "x",
        "play": " ",
        "replay": "h",
        "back": "ArrowLeft",
        "forward": "ArrowRight",
        "word_back": "Shift+ArrowLeft",
        "word_forward": "Shift+ArrowRight",
        "slower": "[",
        "faster": "]",
        "mute": "m",
        "soften": "v",
        "policy": "p",
        "widen": "w",
        "normalised": "d",
        "part_evidence": "g 1",
        "part_speaker": "g 2",
        "part_room": "g 3",
        "part_policy": "g 4",
        "part_history": "g 5",
        "correct": "c",
        "filter": "/",
        "speaker": "o",
        "help": "?",
        "assign": "A",
        "move": "M",
        "add_note": "N",
        "view_mine": "g o",
        "view_escalated": "g e",
        "view_unassigned": "g u",
        "go_queue": "g q",
        "go_search": "g s",
        "go_inbox": "g i",
        "go_me": "g m",
        "go_audit": "g l",
        "go_accounts": "g c",
        "go_appeals": "g a",
        "go_keeping": "g k",
        "go_team": "g d",
        "go_quality": "g y",
        "go_wellness": "g w",
        "go_policies": "g p",
        "go_assessment": "g v",
        "rest": "g b",
        "reveal": "t",
    }
)

# A key, or a sequence of two, as a form sends it.
KEY = (
    r"^([!-~] )?([!-~]|[^\x00-\x7f]|Space"
    r"|(Shift\+)?(Enter|Backspace|Delete|Insert|Home|End|PageUp|PageDown|Arrow(Left|Right|Up|Down)|F[0-9]{1,2}))$"
)

SHOWN: Mapping[str, str] = MappingProxyType(
    {" ": "␣", "ArrowLeft": "←", "ArrowRight": "→", "Enter": "↵", "Shift+ArrowLeft": "⇧←", "Shift+ArrowRight": "⇧→"}
)


def keys_of(remapped: Mapping[str, str]) -> dict[str, str]:
    """Return the table with a person's own keys in place of the default ones."""
    return {name: remapped.get(name, key) for name, key in KEYS.items()}


def conflict(keys: Mapping[str, str]) -> tuple[str, str] | None:
    """Return two actions whose keys exclude each other: the same key, or one that begins the other (`g` and `g q`)."""
    for one, other in itertools.combinations(keys, 2):
        # The script waits for a second key after `g`, so an action on `g` alone could never be told from `g q`.
        first, second = sorted((keys[one], keys[other]), key=len)
        if first == second or second.startswith(f"{first} "):
            return one, other
    return None


def first_of_two(key: str) -> str:
    """Return the first key of a sequence of two; empty for a single key."""
    return key.rpartition(" ")[0].strip()


def key_cap(key: str) -> str:
    """Return a key as the buttons show it."""
    return SHOWN.get(key, key)
