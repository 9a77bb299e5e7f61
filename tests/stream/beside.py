"""A worker of the stage that `tests/pipeline/listening.py` adds beside transcribe: `python -m tests.stream.beside`."""

from pipeline import topology
from tests.pipeline.listening import LISTEN

topology.STAGES = (*topology.STAGES, LISTEN)

from agents.cli import main  # noqa: E402 - the settings and the workers read STAGES when they are imported

if __name__ == "__main__":
    main()
