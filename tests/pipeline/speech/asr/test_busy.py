from pipeline.base.metrics import Metrics
from pipeline.speech.asr.busy import BusyTime


def test_time_in_which_several_threads_work_counts_once() -> None:
    metrics, now = Metrics(), [0.0]
    busy = BusyTime(metrics.recogniser_busy_seconds, lambda: now[0])
    with busy.working():
        now[0] = 2.0
        with busy.working():
            now[0] = 5.0
        now[0] = 6.0
    now[0] = 100.0
    assert metrics.registry.get_sample_value("voxwarden_recogniser_busy_seconds_total") == 6.0
