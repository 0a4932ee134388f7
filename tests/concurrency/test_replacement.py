"""A picture is replaced while its provider is asked about it. The full count: ``python -m tests.faults.races``."""

from __future__ import annotations

import pytest

from tests.faults.races import racing_settings, run_races

pytestmark = pytest.mark.django_db(transaction=True)


def test_no_old_verdict_is_kept_for_new_bytes(settings):
    settings.IMGMOD = racing_settings()
    ends, faults = run_races(100)
    assert not faults
    assert ends.total() == 100
    # Else nothing was raced.
    assert ends["during the call"]
    assert ends["after the call"]
