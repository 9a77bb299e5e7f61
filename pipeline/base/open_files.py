"""The number of files and sockets that a process may have open. Each connection is one."""

import contextlib
import resource

MOST = 65_536  # the limit of some systems is a thousand millions, and some libraries go through all numbers


def raise_limit() -> None:
    """Raise the soft limit of this process, and of those that it starts, as far as the hard one and MOST allow."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if _counted(soft) < _counted(hard):
        with contextlib.suppress(OSError, ValueError):  # macOS allows less than its hard limit says
            resource.setrlimit(resource.RLIMIT_NOFILE, (_counted(hard), hard))


def limit() -> int:
    """Return the soft limit, at most MOST."""
    return _counted(resource.getrlimit(resource.RLIMIT_NOFILE)[0])


def _counted(number: int) -> int:
    return MOST if number == resource.RLIM_INFINITY else min(number, MOST)
