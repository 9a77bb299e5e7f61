"""What a person sets for his own protection, as far as settings can give it."""

from typing import Annotated

from msgspec import Meta, Struct

Minutes = Annotated[int, Meta(ge=5, le=720)]
Cases = Annotated[int, Meta(ge=1, le=1_000)]


class Comfort(Struct, frozen=True, omit_defaults=True):
    """Kept with the account's preferences; nobody but the person changes it, and leads do not see it."""

    without: tuple[Annotated[str, Meta(max_length=64)], ...] = ()
    """Labels that go to others. Nobody asks why."""
    cover: bool = False
    """What was said in a severe case is shown on a key only."""
    soften: bool = False
    """The player starts softened."""
    break_minutes: Minutes = 50
    """Since the last break, after which one is proposed."""
    break_severe: Cases = 20
    """Severe cases since the last break, after which one is proposed."""
    most_minutes: Minutes = 240
    """Of listening in a shift; then no more cases are handed out."""
    most_severe: Cases = 100
    """Severe cases in a shift; then no more severe ones are handed out."""
