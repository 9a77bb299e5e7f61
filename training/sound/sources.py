"""The kinds of recordings that measure sound events. `python -m training.sound.collect` makes a folder of each."""

from typing import Literal, get_args

from pipeline.contract.messages import YamnetKind

Kind = Literal["music", "singing", "speech", "other", YamnetKind]
"""`music` may have voices, `singing` has voices alone, `other` is any other sound: noise, effects of games. The
kinds of YAMNet hold the sound of this name.
"""
KINDS: tuple[Kind, ...] = get_args(Kind)
MUSICAL: frozenset[Kind] = frozenset({"music", "singing"})
