"""One recogniser in a process of its own. `benchmarks.asr` starts it and sends it questions.

    python -m benchmarks.contender NAME SETTINGS    # those of asr, as JSON

A question is a line of JSON, `{"files": [FILE, ...]}` or `{"wordless": DIR}`. The answer is also a line, `{"took":
seconds, "heard": [[text, seconds, silent], ...]}`. Ours runs with the environment that `pipeline` sets for its threads,
the others as their users start them. Separate processes keep them from affecting each other.
"""

import json
import os
import sys
import time
from importlib import import_module
from pathlib import Path

OURS = "ours"


def main() -> None:
    name, settings = sys.argv[1:]
    before = dict(os.environ)
    import_module("pipeline")  # sets the environment before other modules read it
    if not name.startswith(OURS):
        os.environ.clear()
        os.environ.update(before)
    answer(name, settings)


def answer(name: str, settings: str) -> None:
    import msgspec

    from benchmarks.clips import wordless
    from benchmarks.recognisers import MAKE
    from pipeline.settings import Asr
    from pipeline.speech.asr.recogniser import MAX_SAMPLES
    from pipeline.speech.audio.decode import samples_of

    recognise = MAKE[name](Asr.model_validate_json(settings))
    for line in sys.stdin:
        asked = json.loads(line)
        files = [samples_of(Path(file))[:MAX_SAMPLES] for file in asked.get("files", ())]
        clips = files or [*wordless(Path(asked["wordless"])).values()]
        began = time.perf_counter()
        recognised = recognise(clips)
        took = time.perf_counter() - began
        print(json.dumps({"took": took, "heard": [msgspec.structs.astuple(each) for each in recognised]}), flush=True)


if __name__ == "__main__":
    main()
