"""All tables of the review store. An import of this package fills METADATA. Import a new file of tables here."""

from pipeline.review.tables import assessment_tables, case_tables, people_tables, policy_tables
from pipeline.review.tables.core import METADATA

__all__ = ["METADATA", "assessment_tables", "case_tables", "people_tables", "policy_tables"]
