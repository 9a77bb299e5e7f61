"""Types of request fields with their limits: ids, names, filters, notes.

No field may contain a NUL character, because PostgreSQL cannot store it.
"""

from typing import Annotated

from fastapi import Form, Path, Query

NO_CONTROL = r"^[^\x00-\x1f\x7f]*$"
NO_NUL = r"^[^\x00]*$"

CaseId = Annotated[str, Path(max_length=64, pattern=r"^[0-9a-f-]{1,64}$", description="Id of the case.")]
NameQuery = Annotated[str, Query(max_length=256, pattern=NO_CONTROL)]
NameForm = Annotated[str, Form(max_length=256, pattern=NO_CONTROL)]
SecretForm = Annotated[str, Form(max_length=1_024)]
CodeForm = Annotated[str, Form(max_length=16)]
NoteForm = Annotated[str, Form(max_length=4_000, pattern=NO_NUL)]
WordForm = Annotated[str, Form(max_length=64, pattern=r"^[a-z_]*$")]
IdForm = Annotated[str, Form(max_length=64, pattern=r"^[0-9a-f-]*$")]
