"""Every error that Voxwarden raises on purpose.

VoxwardenError                  one clear line for a person: what is wrong, and the remedy
├── ConfigError                 a setting, policy, lexicon or label file
├── InputError                  a file or stream that someone handed in
│   ├── AudioError              it cannot be decoded as audio
│   └── TextError               it cannot be read as text
├── CaseError                   a case that is not there, or is decided already
│   ├── Missing                 there is none of that id
│   ├── Taken                   somebody else holds it
│   ├── Involved                whoever asks has a part in it, and may not decide
│   └── Stale                   it has changed since it was looked at, or the lease has gone to somebody else
├── AccountError                an account that is not there, or may not do this
├── BadMessage                  a record that cannot be decoded; it goes to the dead letters
├── WeightsMissing              no model weights in folder, package or download
├── WeightsCorrupt              weights whose SHA-256 is not the pinned one
└── DependencyError             broker, database or model does not answer; worth a retry
"""


class VoxwardenError(Exception):
    """`what` names the thing (file, key, topic); `remedy` says what to do about it."""

    def __init__(self, what: str, remedy: str = "") -> None:
        super().__init__(f"{what}. {remedy}" if remedy else what)
        self.what = what
        self.remedy = remedy


class ConfigError(VoxwardenError):
    pass


class InputError(VoxwardenError):
    pass


class AudioError(InputError):
    pass


class TextError(InputError):
    pass


class CaseError(VoxwardenError):
    pass


class Missing(CaseError):  # noqa: N818
    pass


class Taken(CaseError):  # noqa: N818
    pass


class Involved(CaseError):  # noqa: N818
    pass


class Stale(CaseError):  # noqa: N818
    pass


class AccountError(VoxwardenError):
    pass


class BadMessage(VoxwardenError):  # noqa: N818 - the field's term
    pass


class WeightsMissing(VoxwardenError):  # noqa: N818
    pass


class WeightsCorrupt(VoxwardenError):  # noqa: N818
    pass


class DependencyError(VoxwardenError):
    pass
