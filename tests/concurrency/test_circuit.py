"""Many processes that meet a provider that fails: one probe, one line in the log a change."""

from __future__ import annotations

import logging
import threading

import pytest

from django_imgmod.choices import Circuit, Status
from django_imgmod.exceptions import ProviderUnavailable
from django_imgmod.models import ModerationRecord, ProviderState
from django_imgmod.providers import providers
from django_imgmod.providers.dummy import DummyProvider
from django_imgmod.results import ImageSource, Submission
from django_imgmod.services.circuit import FAILURES_TO_OPEN
from django_imgmod.services.sweep import sweep
from tests.backdated import ago
from tests.concurrency.test_races import together
from tests.hostapp.models import Photo

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "other"])

PROCESSES = 4
ROUNDS = 6
DEADLINE = 30.0


@pytest.fixture(autouse=True)
def sweep_only(settings):
    settings.IMGMOD = {**settings.IMGMOD, "DISPATCHER": "django_imgmod.dispatch.SweepDispatcher"}


def dummy() -> DummyProvider:
    provider = providers["default"]
    assert isinstance(provider, DummyProvider)
    return provider


def open_circuit() -> None:
    outage = {"circuit": Circuit.OPEN, "failure_count": FAILURES_TO_OPEN, "retry_at": ago(seconds=1)}
    ProviderState.objects.update_or_create(provider="default", defaults=outage)


def test_one_of_many_processes_sends_the_probe(picture, monkeypatch):
    """The answer is kept back until all the others are through: they did not wait, and sent nothing."""
    submit = DummyProvider.submit
    are_through = threading.Semaphore(0)

    def answer_last(self: DummyProvider, source: ImageSource) -> Submission:
        if self.alias == "default" and ProviderState.objects.get().circuit == Circuit.HALF_OPEN:
            for _ in range(PROCESSES - 1):
                assert are_through.acquire(timeout=DEADLINE)
        return submit(self, source)

    def work() -> int:
        done = [record for record in sweep(limit=5) if record.status != Status.PENDING]
        are_through.release()
        return len(done)

    monkeypatch.setattr(DummyProvider, "submit", answer_last)
    for number in range(ROUNDS):
        for copy in range(PROCESSES + 2):
            Photo.objects.create(image=picture(10 * number + copy))
        open_circuit()
        calls = len(dummy().calls)
        assert sorted(together(*[work] * PROCESSES)) == [0] * (PROCESSES - 1) + [1]
        assert len(dummy().calls) == calls + 1
        assert ProviderState.objects.get().circuit == Circuit.CLOSED
        are_through = threading.Semaphore(0)
        ModerationRecord.objects.all().delete()


def test_opening_is_told_once(picture, caplog):
    caplog.set_level(logging.INFO, "django_imgmod")
    for number in range(ROUNDS):
        for copy in range(4 * PROCESSES):
            Photo.objects.create(image=picture(20 * number + copy))
        dummy().script(*[ProviderUnavailable("down")] * 4 * PROCESSES)
        together(*[lambda: list(sweep(limit=4))] * PROCESSES)
        state = ProviderState.objects.get()
        assert state.circuit == Circuit.OPEN
        assert FAILURES_TO_OPEN <= state.failure_count < FAILURES_TO_OPEN + PROCESSES
        ProviderState.objects.all().delete()
        ModerationRecord.objects.all().delete()
        DummyProvider.clear()
    lines = [entry.getMessage() for entry in caplog.records]
    assert len([line for line in lines if line.startswith("circuit=open")]) == ROUNDS


def test_failures_of_many_processes_are_all_counted(picture):
    for copy in range(FAILURES_TO_OPEN - 1):
        Photo.objects.create(image=picture(copy))
    dummy().script(*[ProviderUnavailable("down")] * FAILURES_TO_OPEN)
    together(*[lambda: list(sweep(limit=1))] * (FAILURES_TO_OPEN - 1))
    while ModerationRecord.objects.filter(attempt_count=0).exists():
        list(sweep())
    assert ProviderState.objects.get().failure_count == FAILURES_TO_OPEN - 1
