"""An alarm that many processes notice at the same moment is told once."""

from __future__ import annotations

import logging

import pytest

from django_imgmod.models import ModerationRecord, ProviderState
from django_imgmod.services.alarms import check_alarms
from tests.backdated import ago, make_record
from tests.concurrency.test_races import together

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "other"])

ROUNDS = 10


def test_begin_and_end_are_each_told_once(caplog):
    caplog.set_level(logging.INFO, "django_imgmod")
    for _ in range(ROUNDS):
        make_record(created_at=ago(minutes=16))
        assert together(*[check_alarms] * 4) == [["default"]] * 4
        ModerationRecord.objects.all().delete()
        assert together(*[check_alarms] * 4) == [[]] * 4
        ProviderState.objects.all().delete()
    told = [record.getMessage().partition(" ")[0] for record in caplog.records]
    assert told == ["alarm=no_verdict", "alarm=over"] * ROUNDS
