"""Run all roles on one machine: one process each. A process that ends is started again, and all stop together.

On a cluster the orchestrator does this. Workers depend on it, because they end on every unexpected error.
"""

import asyncio
import signal
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence

from agents.loop.stage_loop import EXIT_HALTED, EXIT_UNFINISHED

FIRST_PAUSE, LONGEST_PAUSE = 1.0, 60.0
HALTED_PAUSE = 300.0  # a worker that halted because of dead letters halts again until someone has fixed the cause
STEADY_SECONDS = 60.0  # after a run of this length, the next pause is short again
# Time for workers to stop. The slowest batch takes 30 s.
GRACE_SECONDS = 60.0

EXIT_SETTINGS = 2  # `Exit.USAGE` of the commands, a room that this one may not import

MEANINGS = {
    EXIT_SETTINGS: "a wrong setting or a missing topic",
    EXIT_UNFINISHED: "its batch is not acknowledged and will be processed again",
    EXIT_HALTED: "too many dead letters",
}


class BackOff:
    """Pauses before a restart. They double each time a process ends soon after its start."""

    def __init__(self) -> None:
        self._next = FIRST_PAUSE

    def after(self, ran_seconds: float, code: int) -> float:
        """Return the seconds until the next start."""
        if code == EXIT_HALTED:
            return HALTED_PAUSE
        if ran_seconds >= STEADY_SECONDS:
            self._next = FIRST_PAUSE
        pause, self._next = self._next, min(2 * self._next, LONGEST_PAUSE)
        return pause


class Supervisor:
    """Keeps the processes of `commands` (by name) running.

    `say` reports each end to a person; `pause` waits for seconds.
    """

    def __init__(
        self,
        commands: Mapping[str, Sequence[str]],
        say: Callable[[str], None],
        *,
        clock: Callable[[], float] = time.monotonic,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
        grace_seconds: float = GRACE_SECONDS,
    ) -> None:
        self._commands, self._say, self._clock, self._pause = commands, say, clock, pause
        self._grace = grace_seconds
        self._running: dict[str, asyncio.subprocess.Process] = {}

    async def run(self, stop: asyncio.Event) -> int:
        """Run until `stop`. Then send SIGTERM to all, and SIGKILL to each that is left after the grace period.

        Returns 1 if a process was killed, else 0.
        """
        keepers = [asyncio.create_task(self._keep(name, command)) for name, command in self._commands.items()]
        stopping = asyncio.create_task(stop.wait())
        await asyncio.wait([stopping, *keepers], return_when=asyncio.FIRST_COMPLETED)
        for task in [stopping, *keepers]:
            task.cancel()
        results = await asyncio.gather(
            *keepers, return_exceptions=True
        )  # all have ended: no process starts from here on
        killed = await asyncio.gather(*(self._end(name, process) for name, process in self._running.items()))
        for result in results:
            if isinstance(result, Exception):
                raise result
        return 1 if any(killed) else 0

    async def _keep(self, name: str, command: Sequence[str]) -> None:
        back_off = BackOff()
        while True:
            started = self._clock()
            # A new session, so that Ctrl-C reaches only us. We then stop the processes in order.
            process = await asyncio.create_subprocess_exec(*command, start_new_session=True)
            self._running[name] = process
            code = await process.wait()
            del self._running[name]
            pause = back_off.after(self._clock() - started, code)
            self._say(f"{name} ended with {meaning(code)}; it restarts in {pause:g} s")
            await self._pause(pause)

    async def _end(self, name: str, process: asyncio.subprocess.Process) -> bool:
        """Stop a process. Returns whether it had to be killed."""
        if process.returncode is not None:
            return False
        process.send_signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(self._grace):
                await process.wait()
        except TimeoutError:
            self._say(f"{name} did not end within {self._grace:g} s and is killed; its batch will be processed again")
            process.kill()
            await process.wait()
            return True
        return False


def meaning(code: int) -> str:
    """Return `exit code 3 (…)`, or the name of the signal."""
    if code < 0:
        return f"signal {signal.Signals(-code).name}"
    reason = MEANINGS.get(code)
    return f"exit code {code} ({reason})" if reason else f"exit code {code}"
