"""docs/metrics.md is up to date and has every metric."""

from deploy.metrics_page import COMMAND, PAGE, page
from pipeline.base.metrics import catalogue


def test_the_page_is_up_to_date() -> None:
    assert PAGE.read_text("utf-8") == page(), f"The metrics or rules have changed: run {COMMAND}"


def test_the_page_has_every_metric_with_its_alerts_through_recording_rules() -> None:
    text = page()
    assert all(f"### `{entry.name}`" in text for entry in catalogue().values())
    section = text.partition("### `voxwarden_counted_seconds_total`")[2].partition("###")[0]
    assert "[VoxwardenMonitoredBudget](runbooks.md#monitored-budget)" in section
    assert section.split("\n")[2].startswith("Counter, `room_type`, `result`. ")
