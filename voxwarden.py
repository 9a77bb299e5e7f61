"""The `voxwarden` command, and the classes for programs. Both need that `agents` and `pipeline` are Voxwarden's own.

Other packages use these import names, too: `openai-agents` installs an `agents`, and the last one installed wins.
"""

import sys
from importlib import import_module
from importlib.metadata import packages_distributions
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pipeline.base.errors import AudioError
    from pipeline.connect.client.reconnecting import StreamError
    from pipeline.connect.client.speaker_stream import SpeakerStream
    from pipeline.connect.client.verdict_stream import VerdictStream
    from pipeline.connect.vendors.room_audio import AgoraAudio, RoomAudio
    from pipeline.connect.vendors.vendor_events import AgoraNotices, TrtcCallbacks
    from pipeline.runner.moderator import Moderator

__all__ = [
    "AgoraAudio",
    "AgoraNotices",
    "AudioError",
    "Moderator",
    "RoomAudio",
    "SpeakerStream",
    "StreamError",
    "TrtcCallbacks",
    "VerdictStream",
]

MODULES = {
    "AgoraAudio": "pipeline.connect.vendors.room_audio",
    "AgoraNotices": "pipeline.connect.vendors.vendor_events",
    "AudioError": "pipeline.base.errors",
    "Moderator": "pipeline.runner.moderator",
    "RoomAudio": "pipeline.connect.vendors.room_audio",
    "SpeakerStream": "pipeline.connect.client.speaker_stream",
    "StreamError": "pipeline.connect.client.reconnecting",
    "TrtcCallbacks": "pipeline.connect.vendors.vendor_events",
    "VerdictStream": "pipeline.connect.client.verdict_stream",
}
NAMES = ("agents", "pipeline")
REMEDY = "Install Voxwarden into a virtual environment of its own: python3 -m venv .venv"
FAILED = 3
"""The exit code of `voxwarden` for a service or an input that fails."""


def main() -> None:
    """Run the command line, or end with one line that names the foreign package."""
    if fault := foreign():
        sys.stderr.write(f"error: {fault}\n")
        sys.exit(FAILED)
    from pipeline.base.libraries import without_collection

    with without_collection():
        from agents.commands.command_line import main as start

    start()


def __getattr__(name: str) -> Any:
    """Import a class for programs. Raises ImportError if a package is foreign."""
    if name not in MODULES:
        raise AttributeError(f"module 'voxwarden' has no attribute {name!r}")
    if fault := foreign():
        raise ImportError(fault)
    return getattr(import_module(MODULES[name]), name)


def foreign() -> str | None:
    """Return the name and owner of a package that is not Voxwarden's, and the remedy; None if all are."""
    if not (taken := next((name for name in NAMES if not is_ours(name)), None)):
        return None
    owners = ", ".join(others(taken)) or "another package"
    return f"the import name `{taken}` belongs to {owners}, not to Voxwarden. {REMEDY}"


def is_ours(name: str) -> bool:
    """Whether `import name` gives the package beside this file, and nothing has overwritten it."""
    spec = find_spec(name)
    file = Path(spec.origin) if spec and spec.origin else None
    ours = Path(__file__).resolve().parent / name / "__init__.py"
    return file is not None and file.resolve() == ours and "Voxwarden" in file.read_text("utf-8")


def others(name: str) -> list[str]:
    """The other installed distributions with a package `name`. It reads all their file lists, which takes a moment."""
    return sorted(set(packages_distributions().get(name, ())) - {"voxwarden"})


if __name__ == "__main__":
    main()
