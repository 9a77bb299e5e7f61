"""Files that people attach to an item of the report: the organisation chart, rules, screenshots.

The item names each with its SHA-256, and the bundle has the files. The caller opens the transaction.
"""

import re
import unicodedata
from collections.abc import Mapping
from pathlib import PurePath

from msgspec import Struct
from sqlalchemy import Connection, delete, func, insert, select

from pipeline.assessment import forms
from pipeline.assessment.report.content import ITEMS, AssessmentReport
from pipeline.base import canonical_json
from pipeline.base.errors import CaseError, InputError, Missing
from pipeline.review import audit_log
from pipeline.review.database import fields_of
from pipeline.review.tables.assessment_tables import ATTACHMENTS

KIND = "attachment"
"""The kind of evidence in a report."""
PNG, JPEG = b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff"
TYPES = {".pdf": b"%PDF-", ".png": PNG, ".jpg": JPEG, ".jpeg": JPEG}
"""The allowed endings of a name, and the first bytes of such a file."""
MAX_BYTES = 10 << 20
MAX_TOTAL = 50 << 20
"""The most bytes of all attachments of an assessment: a bundle is made in memory."""
NAME = re.compile(r"""[^.\x00-\x1f\x7f/\\:*?"<>|][^\x00-\x1f\x7f/\\:*?"<>|]{0,79}""")
"""A name that is possible on every system, because an inspector unpacks the bundle."""


class Attachment(Struct, frozen=True, kw_only=True):
    """An attached file without its content."""

    item: str
    """One of ITEMS."""
    name: str
    sha256: str
    author: str
    at: float
    """UTC seconds."""


def attach(
    connection: Connection, assessment: str, item: str, name: str, content: bytes, by: str, at: float
) -> Attachment:
    """Attach a file to an item of a draft, at `at` (UTC seconds).

    Raises InputError for an unknown item, and for a wrong name, type or size; Missing for an unknown assessment;
    CaseError if its report is final or has the name already.
    """
    name = unicodedata.normalize("NFC", name)  # macOS writes an accent as a character of its own
    _check(item, name, content)
    forms.lock(connection, assessment)
    if name.casefold() in {each.casefold() for each in digests(connection, assessment)}:
        raise CaseError(
            f"Assessment {assessment} already has a file {name}",
            "Detach it first, or rename the new one.",
            text="attachment_taken",
            id=assessment,
            name=name,
        )
    stored = select(func.coalesce(func.sum(func.length(ATTACHMENTS.c.content)), 0))
    if connection.scalars(stored.where(ATTACHMENTS.c.assessment == assessment)).one() + len(content) > MAX_TOTAL:
        raise InputError(
            f"The attachments would have more than {MAX_TOTAL >> 20} MiB",
            "Make the files smaller.",
            text="attachments_large",
            most=MAX_TOTAL >> 20,
        )
    made = Attachment(item=item, name=name, sha256=canonical_json.digest(content), author=by, at=at)
    values = {each: getattr(made, each) for each in made.__struct_fields__}
    connection.execute(insert(ATTACHMENTS).values(values | {"assessment": assessment, "content": content}))
    detail = {"name": name, "item": item, "sha256": made.sha256}
    audit_log.append(connection, at, by, "assessment.attach", assessment, detail)
    return made


def detach(connection: Connection, assessment: str, name: str, by: str, at: float) -> None:
    """Remove an attachment of a draft. Raises Missing, and CaseError if the report is final."""
    forms.lock(connection, assessment)
    mine = (ATTACHMENTS.c.assessment == assessment, ATTACHMENTS.c.name == unicodedata.normalize("NFC", name))
    if not connection.execute(delete(ATTACHMENTS).where(*mine)).rowcount:
        raise Missing(
            f"Assessment {assessment} has no file {name}",
            "`voxwarden assess attachments` lists them.",
            text="no_attachment",
            id=assessment,
            name=name,
        )
    audit_log.append(connection, at, by, "assessment.detach", assessment, {"name": name})


def listed(connection: Connection, assessment: str) -> list[Attachment]:
    """Return the attachments by item, oldest first."""
    columns = [ATTACHMENTS.c[name] for name in Attachment.__struct_fields__]
    query = select(*columns).where(ATTACHMENTS.c.assessment == assessment)
    ordered = query.order_by(ATTACHMENTS.c.item, ATTACHMENTS.c.at, ATTACHMENTS.c.name)
    return [Attachment(**fields_of(row)) for row in connection.execute(ordered)]


def digests(connection: Connection, assessment: str) -> dict[str, str]:
    """Return the SHA-256 that each attachment got when it was attached, by name."""
    return {each.name: each.sha256 for each in listed(connection, assessment)}


def files(connection: Connection, assessment: str) -> dict[str, bytes]:
    """Return the content of the attachments by name, as it is now."""
    query = select(ATTACHMENTS.c.name, ATTACHMENTS.c.content).where(ATTACHMENTS.c.assessment == assessment)
    return {row.name: row.content for row in connection.execute(query)}


def in_report(report: AssessmentReport) -> dict[str, str]:
    """Return the SHA-256 of the attachments that a report names, by name."""
    return {each.name: each.sha256 for item in report.items for each in item.evidence if each.kind == KIND}


def differing(report: AssessmentReport, found: Mapping[str, bytes]) -> list[str]:
    """Return the names of files that are not as in the report: changed, missing, or not in it."""
    told, digest = in_report(report), {name: canonical_json.digest(content) for name, content in found.items()}
    return sorted(name for name in {*told, *digest} if told.get(name) != digest.get(name))


def _check(item: str, name: str, content: bytes) -> None:
    if item not in ITEMS:
        raise InputError(
            f"Article 5 has no item {item}",
            f"Name one of {', '.join(ITEMS)}.",
            text="no_item",
            item=item,
            items="、".join(ITEMS),
        )
    if not NAME.fullmatch(name):
        raise InputError(
            f"{name} is too long for a name, or has a character that some systems forbid",
            "Rename the file.",
            text="attachment_name",
            name=name,
        )
    if len(content) > MAX_BYTES:
        raise InputError(
            f"{name} has more than {MAX_BYTES >> 20} MiB",
            "Make it smaller.",
            text="attachment_large",
            name=name,
            most=MAX_BYTES >> 20,
        )
    begin = TYPES.get(PurePath(name).suffix.lower())
    if begin is None or not content.startswith(begin):
        raise InputError(
            f"{name} is no PDF, PNG or JPEG file",
            "Save it as one of these, with its ending.",
            text="attachment_type",
            name=name,
        )
