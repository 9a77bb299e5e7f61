"""A worker of the stage that `tests/pipeline/tone.py` adds beside transcribe: `python -m tests.stream.beside`."""

from pipeline.contract import topology
from tests.pipeline.tone import TONE

topology.STAGES = (*topology.STAGES, TONE)

from agents.commands.command_line import main  # noqa: E402 - after the stage was added: settings and workers read STAGES at their import

if __name__ == "__main__":
    main()
