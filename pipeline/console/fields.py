"""Types of request fields with their limits: ids, names, filters, notes.

No field may contain a NUL character, because PostgreSQL cannot store it.
"""

from datetime import date
from typing import Annotated

from fastapi import Form, Path, Query
from pydantic import BeforeValidator, Field

NO_CONTROL = r"^[^\x00-\x1f\x7f]*$"
NO_NUL = r"^[^\x00]*$"

CaseId = Annotated[str, Path(max_length=64, pattern=r"^[0-9a-f-]{1,64}$", description="Id of the case.")]
NameQuery = Annotated[str, Query(max_length=256, pattern=NO_CONTROL)]
NameForm = Annotated[str, Form(max_length=256, pattern=NO_CONTROL)]
WordQuery = Annotated[str, Query(max_length=64, pattern=r"^[a-z_]*$")]
SecretForm = Annotated[str, Form(max_length=1_024)]
CodeForm = Annotated[str, Form(max_length=24)]
NoteForm = Annotated[str, Form(max_length=4_000, pattern=NO_NUL)]
WordForm = Annotated[str, Form(max_length=64, pattern=r"^[a-z_]*$")]
IdForm = Annotated[str, Form(max_length=64, pattern=r"^[0-9a-f-]*$")]
DayForm = Annotated[date | None, Form(ge=date(2000, 1, 1), lt=date(2100, 1, 1))]
# A day in an address. The empty field of a form counts as none.
DayQuery = Annotated[
    Annotated[date, Field(ge=date(2000, 1, 1), lt=date(2100, 1, 1))] | None,
    BeforeValidator(lambda text: text or None),
    Query(),
]
NeededDayForm = Annotated[date, Form(ge=date(2000, 1, 1), lt=date(2100, 1, 1))]
HashForm = Annotated[str, Form(pattern="^([0-9a-f]{64})?$", description="SHA-256 of a file.")]
