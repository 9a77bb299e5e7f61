"""The read stage: it asks the second reader about unsure flags, and gives a second reading where a review is due.

Flags wait for nothing here: deliver takes them at the same time. So an utterance that cannot be asked about now is left
out and counted. A fault of the endpoint is no fault of the stage.
"""

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from pipeline.base.errors import DependencyError
from pipeline.base.metrics import Metrics, from_zero
from pipeline.contract.messages import Flag, SecondReading
from pipeline.contract.stage import NO_BACKLOG, Backlog, Processor, Rejected
from pipeline.judge.conversations import Conversations
from pipeline.judge.judge_stage import SILENT_SECONDS, JudgeConfig, Rules, read_config
from pipeline.judge.reader.chat import Prompt, ReaderAnswer
from pipeline.judge.reader.endpoint import Endpoint, Fault, NoAnswerError
from pipeline.judge.reader.request_limits import Budget, CircuitBreaker, Spent
from pipeline.judge.reader.second_reading import reading_of
from pipeline.settings import ReaderSettings, Settings

log = logging.getLogger(__name__)

LeftOut = Literal["behind", "paused"] | Spent
"""Why an unsure flag was not asked about: the stage is behind, the endpoint fails, or something is used up."""
Answered = Literal["flagged", "harmless"]

PARALLEL = 8
"""Most requests at once of a process: what servers of one GPU answer without a queue."""

MOST_PROMPTS = 64
"""Prompts that are kept: one for each type of room and language that turns other labels on."""
SENTENCE = "Good evening, the weather is nice today."
REMEDIES: Mapping[Fault, str] = {
    "late": "Use a smaller model or a faster server, or set reader.seconds to at most 10.",
    "limited": "Wait, or ask the vendor for a higher limit.",
    "refused": "Check reader.url, reader.model and reader.api_key.",
    "failed": "Start the server, or correct reader.url.",
    "unreadable": "Set reader.response_format to json_schema, or use a model that follows instructions.",
}


@dataclass(frozen=True, slots=True)
class Unsure:
    """An unsure flag, and the speaker's own words before it."""

    flag: Flag
    before: str


class Read(Processor[Flag, SecondReading]):
    """Asks about the unsure flags of a batch, several at once, in at most twice `seconds` of the settings.

    Without an `endpoint`, flags pass by. `timer` returns seconds that never go back.
    """

    def __init__(
        self,
        endpoint: Endpoint | None,
        settings: ReaderSettings,
        rules: Rules,
        metrics: Metrics,
        timer: Callable[[], float] = time.monotonic,
    ) -> None:
        self._endpoint, self._settings, self._rules, self._metrics = endpoint, settings, rules, metrics
        self._timer = timer
        self._budget = Budget(settings, timer)
        self._breaker = CircuitBreaker(timer)
        self._conversations = Conversations()
        self._sweep_at = 0.0
        self._backlog = NO_BACKLOG
        self._config: JudgeConfig | None = None
        self._prompts: dict[tuple[str, ...], Prompt] = {}
        self._unread: Counter[Fault | LeftOut] = Counter()
        self._loop = asyncio.Runner()  # one for all batches, because the client's connections belong to it
        from_zero(metrics.reader_requests, (*get_args(Answered), *get_args(Fault)))
        from_zero(metrics.reader_left_out, (*("behind", "paused"), *get_args(Spent)))

    def process(self, batch: Sequence[Flag]) -> list[SecondReading | Rejected]:
        if self._endpoint is None:
            return []
        # A drill needs no paid answer. The words of a released flag came before, and those of an early one come again.
        words = [flag for flag in batch if flag.source == "words" and not (flag.drill or flag.released or flag.early)]
        before = self._conversations.follow(words)
        unsure = [
            Unsure(flag, said.own_text if self._settings.context else "")
            for flag, said in zip(words, before, strict=True)
            if self._is_unsure(flag)
        ]
        if not unsure:
            return []
        return list(self._loop.run(self._read_all(self._endpoint, unsure, self._rules.now())))

    def handle(self, batch: Sequence[Flag]) -> list[SecondReading | Rejected]:
        """Call `process`. After an unexpected error, there are no readings: the flags themselves are at deliver."""
        try:
            return self.process(batch)
        except Exception as error:
            log.error("The second reader is left out for %d flags: an unexpected %s", len(batch), type(error).__name__)
            return []

    def behind(self, backlog: Backlog) -> None:
        self._backlog = backlog

    def spared(self) -> None:
        self._metrics.reader_left_out.labels("behind").inc()

    def tick(self, now: float) -> list[SecondReading | Rejected]:
        """Forget the words of rooms that have fallen silent."""
        if now >= self._sweep_at:
            self._conversations.sweep()
            self._sweep_at = now + SILENT_SECONDS
        return []

    def close(self) -> None:
        """Close the connections. Tell how many unsure utterances have no reading, and why."""
        if self._unread:
            reasons = ", ".join(f"{count} {reason}" for reason, count in self._unread.most_common())
            log.warning("The second reader has not read %d utterances: %s", self._unread.total(), reasons)
        if self._endpoint:
            self._loop.run(self._endpoint.close())
        self._loop.close()
        self._rules.close()

    def _is_unsure(self, flag: Flag) -> bool:
        """Whether the second reader may change what happens to the flag: the policy passes it, and is not sure."""
        return (
            flag.suggestion == "pass"
            and flag.risk >= self._settings.from_risk
            and bool(flag.text)
            and not flag.marks  # the recogniser may have invented the text
        )

    async def _read_all(
        self, endpoint: Endpoint, unsure: Sequence[Unsure], config: JudgeConfig
    ) -> Sequence[SecondReading]:
        places = asyncio.Semaphore(PARALLEL)
        # No request begins after this time, and each takes at most `seconds`. So a batch takes at most twice as long.
        until = self._timer() + self._settings.seconds

        async def read(one: Unsure) -> SecondReading | None:
            async with places:
                if left_out := self._left_out(one.flag, until):
                    self._metrics.reader_left_out.labels(left_out).inc()
                    self._unread[left_out] += 1
                    return None
                found = await self._ask(endpoint, one, config)
                self._metrics.reader_paused.set(self._breaker.is_open)
                return found

        readings = [reading for reading in await asyncio.gather(*map(read, unsure)) if reading]
        self._metrics.flags.labels("review", "reader").inc(len(readings))
        return readings

    def _left_out(self, flag: Flag, until: float) -> LeftOut | None:
        """Return why no request is sent; None if one is sent, and counted."""
        if self._backlog.waited > self._settings.stale_seconds or self._timer() > until:
            return "behind"
        if spent := self._budget.spent(flag.room, flag.speaker):
            return spent
        # The breaker comes last: if it allows a request, the request must be sent.
        if not self._breaker.allows():
            return "paused"
        self._budget.add(flag.room, flag.speaker)
        return None

    async def _ask(self, endpoint: Endpoint, one: Unsure, config: JudgeConfig) -> SecondReading | None:
        asked = tuple(config.policy.resolved(one.flag.room_type, one.flag.language).labels)
        messages = self._prompt(config, asked).messages(one.flag.text, one.flag.language, one.before)
        began = self._timer()
        result: Answered | Fault = "failed"
        try:
            answer = await endpoint.ask(messages, asked)
            reading = reading_of(one.flag, answer, config.policy, config.labels, self._settings.model)
            result = "flagged" if reading else "harmless"
            self._breaker.succeeded()
        except NoAnswerError as error:
            result = error.fault
            self._note(error)
            return None
        except Exception as error:  # it must not lose the other readings of the batch
            self._note(NoAnswerError("failed", f"an unexpected {type(error).__name__}"))
            return None
        else:
            return reading
        finally:
            self._metrics.reader_requests.labels(result).inc()
            self._metrics.reader_seconds.observe(self._timer() - began)

    def _note(self, error: NoAnswerError) -> None:
        self._unread[error.fault] += 1
        if not error.down:  # the endpoint works, and only this answer is bad
            self._breaker.succeeded()
            return
        was_open = self._breaker.is_open
        self._breaker.failed(error.wait)
        if self._breaker.is_open and not was_open:
            log.warning("The second reader gets no requests for a while: %s", error.reason)

    def _prompt(self, config: JudgeConfig, asked: tuple[str, ...]) -> Prompt:
        if config is not self._config or len(self._prompts) >= MOST_PROMPTS:
            self._config = config
            self._prompts.clear()
        if asked not in self._prompts:
            self._prompts[asked] = Prompt(config.labels, asked, config.policy.policy.about)
        return self._prompts[asked]


def build(settings: Settings, metrics: Metrics, rules: Rules | None = None) -> Read:
    """Build the stage from the settings. Without `rules`, it uses the settings' files. Raises ConfigError."""
    endpoint = Endpoint(settings.reader) if settings.reader.url else None
    return Read(endpoint, settings.reader, rules or read_config(settings.judge), metrics)


def check_reader(settings: Settings, timer: Callable[[], float] = time.monotonic) -> str:
    """Ask about one harmless sentence, and say how long the answer took. It is one paid request.

    Raises DependencyError if there is no answer in the form, or if the policy would review the sentence for it, and
    ConfigError for wrong settings.
    """
    if not settings.reader.url:
        return "off: reader.url is not set"
    rules = read_config(settings.judge)
    limits = rules.policy.resolved("default", "en").reader
    asked = tuple(limits)
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
    for label, score in answer.scores.items():
        if score >= limits[label]:
            what = f"reader.model: {settings.reader.model} gives {SENTENCE!r} {score:.2f} for {label}"
            raise DependencyError(what, "Use another model: with this one, harmless speech becomes cases.")
    highest = max(answer.scores.values(), default=0.0)
    took = f"{settings.reader.model} answers in {timer() - began:.1f} s"
    return f"{took}; highest score of a harmless sentence {highest:.2f}"
