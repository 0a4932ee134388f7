"""Whatever its provider does, a site comes through: the table of ``outages`` in its fast form."""

from __future__ import annotations

import pytest

from django_imgmod.exceptions import ProviderRefused

from .outage_runs import HEADER, OUTAGES, measure
from .provider import LoopbackProvider

pytestmark = pytest.mark.django_db(databases=["default", "other"])

SUBMISSIONS = 20


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.mark.parametrize("name", OUTAGES)
def test_all_is_recovered_without_waste(name):
    row = measure(name, submissions=SUBMISSIONS, seed=1, qps=50, timeout=0.3)
    assert not row.faults, f"\n{HEADER}\n{row}"
    assert row.calls >= SUBMISSIONS
    if "%" in name or "stalls" in name:
        assert row.spoilt, "The provider did not fail."


def test_what_is_not_recovered_shows(monkeypatch):
    def refuse(self, source):
        raise ProviderRefused("not today")

    monkeypatch.setattr(LoopbackProvider, "submit", refuse)
    row = measure("works", submissions=2, seed=1, qps=50)
    assert row.faults == ["2 not recovered"]


@pytest.mark.parametrize(("qps", "fault"), [(50, "3.000 calls a submission"), (2, "calls over the rate")])
def test_waste_and_haste_show(monkeypatch, qps, fault):
    submit = LoopbackProvider.submit

    def submit_three_times(self, source):
        submit(self, source)
        submit(self, source)
        return submit(self, source)

    monkeypatch.setattr(LoopbackProvider, "submit", submit_three_times)
    row = measure("works", submissions=1, seed=1, qps=qps)
    assert fault in ", ".join(row.faults)
