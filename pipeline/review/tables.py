"""All tables: whoever imports this has every file's in METADATA. A new file of tables is named here."""

from pipeline.review import schema_quality, schema_rights, schema_wellness
from pipeline.review.schema import METADATA

__all__ = ["METADATA", "schema_quality", "schema_rights", "schema_wellness"]
