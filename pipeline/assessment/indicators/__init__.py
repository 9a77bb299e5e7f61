"""The indicators of the assessment: one function each, from the review store to figures."""
