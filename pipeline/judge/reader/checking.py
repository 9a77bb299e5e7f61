"""One question to the second reader, to see whether it answers: for `voxwarden doctor`."""

import asyncio
import time
from collections.abc import Callable, Mapping

from pipeline.base.errors import DependencyError
from pipeline.judge.judge_stage import read_config
from pipeline.judge.reader.answers import ReaderAnswer
from pipeline.judge.reader.endpoint import Endpoint, Fault, NoAnswerError
from pipeline.judge.reader.prompt import Prompt
from pipeline.settings import Settings

SENTENCE = "Good evening, the weather is nice today."

REMEDIES: Mapping[Fault, str] = {
    "late": "Use a smaller model, or raise reader.seconds.",
    "limited": "Wait, or ask the vendor for a higher limit.",
    "refused": "Check reader.url, reader.model and reader.api_key.",
    "failed": "Start the server, or correct reader.url.",
    "unreadable": "Set reader.response_format to json_schema, or use a model that follows instructions.",
}


def check_reader(settings: Settings, timer: Callable[[], float] = time.monotonic) -> str:
    """Ask about one harmless sentence, and say how long the answer took. It is one paid request.

    Raises DependencyError if there is no answer in the form, and ConfigError for wrong settings.
    """
    if not settings.reader.url:
        return "off: reader.url is not set"
    rules = read_config(settings.judge)
    asked = tuple(rules.policy.resolved("default", "en").labels)
    prompt = Prompt(rules.labels, asked, rules.policy.policy.about)

    async def ask() -> ReaderAnswer:
        endpoint = Endpoint(settings.reader)
        try:
            return await endpoint.ask(prompt.messages(SENTENCE, "en", ""), asked)
        finally:
            await endpoint.close()

    began = timer()
    try:
        answer = asyncio.run(ask())
    except NoAnswerError as error:
        what = f"reader.url: {settings.reader.url}: {error.reason}"
        raise DependencyError(what, REMEDIES[error.fault]) from error
    highest = max(answer.scores.values(), default=0.0)
    took = f"{settings.reader.model} answers in {timer() - began:.1f} s"
    return f"{took}; highest score of a harmless sentence {highest:.2f}"
