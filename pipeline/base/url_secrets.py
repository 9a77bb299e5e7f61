"""Hides the passwords in addresses, before a person or a log sees them."""

import re

HIDDEN = "***"
PASSWORD = re.compile(r"(?<=://)([^\s/?#:]*):[^\s/?#]*@")
"""The password before the host. The last @ ends it, because people forget to escape one."""
PARAMETER = re.compile(r"([?&][\w.-]*(?:passw(?:or)?d|secret|token|key|sig|signature)=)[^\s&#'\"]*", re.IGNORECASE)
"""A parameter whose name ends like that of a secret, for example `sslpassword` or `api_key`."""


def without_secrets(text: str) -> str:
    """Return a text with *** in place of the passwords and secret parameters of its URLs."""
    return PARAMETER.sub(rf"\1{HIDDEN}", PASSWORD.sub(rf"\1:{HIDDEN}@", text))
