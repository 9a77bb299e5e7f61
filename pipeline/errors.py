"""All errors that Voxwarden raises on purpose.

VoxwardenError                  one line for a person: the problem and its remedy
├── ConfigError                 a mistake in a setting, policy, lexicon or label file
├── InputError                  a mistake in an input file or stream
│   ├── AudioError              the input cannot be decoded as audio
│   └── TextError               the input cannot be read as text
├── CaseError                   the case does not exist, or is already decided
│   ├── Missing                 no case has this id
│   ├── Taken                   another moderator holds the case
│   ├── Involved                the moderator is involved in the case, and may not decide it
│   └── Stale                   the case has changed since it was read, or the lease belongs to another moderator now
├── AccountError                the account does not exist, or may not do this
├── BadMessage                  the record cannot be decoded; it goes to the dead letters
├── WeightsMissing              no model weights in folder, package or download
├── WeightsCorrupt              the SHA-256 of the weights is not the pinned one
└── DependencyError             broker, database or model does not answer; a retry may help
"""


class VoxwardenError(Exception):
    """`what` states the problem and names the file, key or topic. `remedy` says how to solve it."""

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
