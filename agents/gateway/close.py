"""The reasons why the gateway ends a connection."""

from enum import IntEnum

from pipeline.base.errors import InputError


class Close(IntEnum):
    """The close code. Its name in lower case is the `reason` in the metrics."""

    RESTART = 1012
    TRY_LATER = 1013
    TOO_BIG = 1009
    BAD_REQUEST = 4400
    UNAUTHORIZED = 4401
    SWITCHED_OFF = 4403
    IDLE = 4408
    REPLACED = 4409
    BAD_AUDIO = 4415
    TOO_FAST = 4429


class RefusalError(InputError):
    """Ends one connection with a close code."""

    def __init__(self, code: Close, what: str, remedy: str = "") -> None:
        super().__init__(what, remedy)
        self.code = code
