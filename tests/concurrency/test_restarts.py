"""PostgreSQL crashes under load. The full count: ``python -m tests.faults.restarts``."""

from __future__ import annotations

from tests.faults.restarts import WAYS, restart_under_load


def test_no_acknowledged_upload_is_lost_when_the_database_crashes(tmp_path):
    report = restart_under_load(2, tmp_path)
    assert set(report.acknowledged) == set(WAYS)
    assert report.found["faults"] == {}
    assert "atomic" not in report.found["unrecorded"]
    assert report.are_workers_unharmed
    # Else nobody noticed anything.
    assert report.failed
    assert report.interruptions
