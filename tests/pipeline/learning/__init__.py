"""Tests of pipeline/learning."""
