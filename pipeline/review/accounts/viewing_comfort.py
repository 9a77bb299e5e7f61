"""Settings that protect a moderator from too much disturbing content."""

from typing import Annotated

from msgspec import Meta, Struct

Minutes = Annotated[int, Meta(ge=5, le=720)]
Cases = Annotated[int, Meta(ge=1, le=1_000)]


class Comfort(Struct, frozen=True, omit_defaults=True):
    """A person's own limits, stored with the account's preferences. Only the person sees and changes them."""

    without: tuple[Annotated[str, Meta(max_length=64)], ...] = ()
    """Labels whose cases go to other moderators. The console asks for no reason."""
    cover: bool = False
    """Whether the transcript of a severe case stays hidden until the person presses a key."""
    soften: bool = False
    """Whether the player starts with softened sound."""
    break_minutes: Minutes = 50
    """Minutes of work without a break, after which the console proposes one."""
    break_severe: Cases = 20
    """Severe cases without a break, after which the console proposes one."""
    most_minutes: Minutes = 240
    """Minutes of listening in a shift. At this limit the person gets no more cases."""
    most_severe: Cases = 100
    """Severe cases in a shift. At this limit the person gets no more severe cases."""
