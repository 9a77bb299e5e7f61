"""The report as PDF, by WeasyPrint. The same page gives the same bytes with the same WeasyPrint, Pango and fonts."""

import logging
from importlib import metadata
from io import BytesIO
from typing import Any

from pipeline.base import canonical_json
from pipeline.base.errors import ConfigError, DependencyError
from pipeline.base.libraries import install_extra

SYSTEM = "sudo apt-get install libpango-1.0-0 libpangoft2-1.0-0 libharfbuzz-subset0 fonts-noto-cjk"
"""Installs the libraries and fonts that WeasyPrint needs, on Debian and Ubuntu."""


def render(page: str, compressed: bool = True) -> bytes:
    """Return the HTML `page` as PDF. Nothing outside the page is loaded.

    Raises ConfigError or DependencyError if a part is not installed.
    """
    weasyprint = _weasyprint()
    written = BytesIO()
    identity = canonical_json.digest(page.encode())[:32].encode()  # WeasyPrint's own is random
    document = weasyprint.HTML(string=page, url_fetcher=weasyprint.URLFetcher(allowed_protocols=())).render()
    document.write_pdf(written, pdf_identifier=identity, uncompressed_pdf=not compressed)
    return written.getvalue()


def engine() -> str:
    """Return the versions that the bytes of a PDF depend on."""
    from weasyprint.text.ffi import pango

    return f"weasyprint {metadata.version('weasyprint')}, pango {pango.pango_version()}"


def _weasyprint() -> Any:
    # They warn of CSS rules that they ignore, and of odd fonts, in which no reader is interested.
    logging.getLogger("weasyprint").setLevel(logging.ERROR)
    logging.getLogger("fontTools").setLevel(logging.ERROR)
    try:
        import weasyprint
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"A PDF needs {error.name}, which is not installed",
            f"Install it: {install_extra('report')}",
            text="no_pdf",
            name=error.name,
            how=install_extra("report"),
        ) from error
    except OSError as error:  # a system library is missing
        raise DependencyError(
            "A PDF needs Pango, which is not installed",
            f"Install it: {SYSTEM}",
            text="no_pdf",
            name="Pango",
            how=SYSTEM,
        ) from error
    return weasyprint
