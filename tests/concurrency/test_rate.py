"""One rate for many that call at the same time, by the count of the server that is called."""

from __future__ import annotations

from contextlib import nullcontext

import pytest

from django_imgmod.models import ModerationRecord, ProviderSlot
from django_imgmod.services.gate import calling
from django_imgmod.services.provider_states import NotAdmitted
from django_imgmod.services.sweep import sweep
from tests.concurrency.test_races import ROUNDS, together
from tests.faults.server import FaultServer
from tests.hostapp.models import Photo
from tests.services.test_rate import most_within_a_second, use, use_server
from tests.skewed import SHIFTS, clock_off_by

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


def test_first_calls_of_all_that_come_at_once_are_not_put_off(settings):
    """Each finds no slots, and makes those that the others make."""
    use(settings, qps=WORKERS)
    for _ in range(ROUNDS):
        ProviderSlot.objects.all().delete()

        def call() -> None:
            with calling("default"):
                pass

        assert together(*[call] * WORKERS) == [None] * WORKERS
        assert ProviderSlot.objects.count() == WORKERS
        with pytest.raises(NotAdmitted), calling("default"):
            raise AssertionError("It was called.")


@pytest.mark.parametrize("shift", SHIFTS, ids=["ahead", "behind"])
@pytest.mark.parametrize("is_first", [True, False])
def test_process_whose_clock_is_wrong_keeps_it(settings, shift, is_first):
    use(settings, qps=0.1)
    clocks = [clock_off_by(shift), nullcontext()]
    first, second = clocks if is_first else reversed(clocks)
    with first, calling("default"):
        pass
    with second, pytest.raises(NotAdmitted) as refused, calling("default"):
        raise AssertionError("It was called.")
    assert 5 < refused.value.retry_after <= 10.1
