"""One rate for many that call at the same time, by the count of the server that is called."""

from __future__ import annotations

import pytest

from django_imgmod.models import ModerationRecord
from django_imgmod.services.sweep import sweep
from tests.concurrency.test_races import together
from tests.faults.server import FaultServer
from tests.hostapp.models import Photo
from tests.services.test_rate import most_within_a_second, use_server

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "other"])

WORKERS = 4
PICTURES = 60
QPS = 25


def test_together_they_stay_below_it(picture, settings, monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with FaultServer() as server:
        use_server(settings, server, qps=QPS)
        settings.IMGMOD = {**settings.IMGMOD, "DISPATCHER": "django_imgmod.dispatch.SweepDispatcher"}
        for number in range(PICTURES):
            Photo.objects.create(image=picture(number))

        def work() -> int:
            done = 0
            while records := list(sweep(limit=5, patience=5)):
                done += len(records)
            return done

        shares = together(*[work] * WORKERS)
        # More where one had to wait so long that it was put off.
        assert sum(shares) >= PICTURES, shares
        assert sum(share > 0 for share in shares) > 1
        assert len(server.log()) == PICTURES
        assert most_within_a_second(server) <= QPS
    assert not ModerationRecord.objects.filter(verdict_at=None).exists()
