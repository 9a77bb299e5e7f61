"""Why a connection was not made, in words for a person. Libraries wrap the errors of the system in their own."""

import os
import re
import socket
import ssl
from collections.abc import Iterator


def fault_of(error: BaseException) -> str:
    """Return the words of the operating system, or of TLS, for a connection that failed with `error`."""
    for cause in _causes(error):
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"its certificate is not accepted ({cause.verify_message})"
        if isinstance(cause, socket.gaierror):
            return cause.strerror or "the name is unknown"
        # asyncio tries all addresses of a name, and puts the errors into one text.
        if isinstance(cause, OSError) and (number := re.search(r"\[Errno (\d+)\]", str(cause))):
            return os.strerror(int(number[1]))
    late = any(isinstance(cause, TimeoutError) for cause in _causes(error))
    return "no answer in time" if late else str(error)


def certificate_refused(error: BaseException) -> bool:
    """Whether no later try can help, because we do not accept the certificate of the server."""
    return any(isinstance(cause, ssl.SSLCertVerificationError) for cause in _causes(error))


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an error, and those that it wraps. Of a group, the first one."""
    while error is not None:
        yield error
        first = error.exceptions[0] if isinstance(error, BaseExceptionGroup) else None
        error = first or error.__cause__ or error.__context__
