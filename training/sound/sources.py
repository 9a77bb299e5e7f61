"""Recordings by kind and source. A source is a game, an album, a speaker or a set of them: it is never split.

The folder has `KIND/SOURCE/*` with audio files of any format. `python -m training.sound.collect` makes such folders.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Literal, NamedTuple, get_args

from pipeline.base.errors import InputError
from pipeline.contract.messages import YamnetKind
from pipeline.speech.audio.decode import samples_of
from pipeline.speech.audio.resample import Samples

Kind = Literal["music", "singing", "speech", "other", YamnetKind, "synthetic"]
"""`music` may have voices, `singing` has voices alone, `other` is any other sound: noise, effects of games. The
kinds of YAMNet hold the sound of this name.

`speech` is of people, `synthetic` is speech that is synthesised or converted.
"""
KINDS: tuple[Kind, ...] = get_args(Kind)
MUSICAL: frozenset[Kind] = frozenset({"music", "singing"})


class Recording(NamedTuple):
    kind: Kind
    source: str
    name: str
    samples: Samples


def recordings(folder: Path) -> Iterator[Recording]:
    """All recordings of a folder, in order. Raises InputError if it has none, or a file that is not audio."""
    found = False
    for kind in KINDS:
        for path in sorted((folder / kind).glob("*/*")):
            found = True
            yield Recording(kind, path.parent.name, path.name, samples_of(path))
    if not found:
        raise InputError(f"{folder} has no recordings", "Put audio files into KIND/SOURCE/, e.g. music/a-game/.")
