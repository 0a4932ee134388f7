"""The database's clock, in the form of its columns: whatever time zones server, session and settings have."""

from __future__ import annotations

from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest
from django.db import connection
from django.utils import timezone

from django_imgmod.clock import DatabaseNow
from django_imgmod.models import ProviderState

pytestmark = pytest.mark.django_db


def now_of_the_database():
    return ProviderState.objects.values_list(DatabaseNow(), flat=True).get()


@pytest.fixture(autouse=True)
def state():
    return ProviderState.objects.create(provider="default")


@pytest.mark.parametrize("zone", ["UTC", "Asia/Kathmandu", "America/New_York"])
def test_what_is_written_by_it_reads_as_now(zone, monkeypatch):
    # PostgreSQL's columns know their zone; Django refuses another one for its connection.
    if not connection.features.supports_timezones:
        monkeypatch.setattr(connection, "timezone", ZoneInfo(zone))
    before = timezone.now()
    ProviderState.objects.update(retry_at=DatabaseNow() + timedelta(minutes=5))
    retry_at = ProviderState.objects.get().retry_at
    assert abs(retry_at - timedelta(minutes=5) - before) < timedelta(seconds=5)
    assert abs(now_of_the_database() - before) < timedelta(seconds=5)


def test_a_row_that_was_just_written_does_not_lie_in_the_future():
    ProviderState.objects.update(retry_at=DatabaseNow())
    assert ProviderState.objects.filter(retry_at__lte=DatabaseNow()).exists()


def test_session_in_another_zone():
    if connection.vendor == "mysql":
        with connection.cursor() as cursor:
            cursor.execute("SET time_zone = '+09:00'")
    assert abs(now_of_the_database() - timezone.now()) < timedelta(seconds=5)


def test_without_time_zones(settings):
    settings.USE_TZ = False
    ProviderState.objects.update(retry_at=DatabaseNow())
    assert abs(ProviderState.objects.get().retry_at - timezone.now()) < timedelta(seconds=5)
