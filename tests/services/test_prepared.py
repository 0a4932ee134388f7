"""What is built once must still be right the second time."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.db.models import F
from django.test.utils import CaptureQueriesContext

from django_imgmod.clock import DatabaseNow
from django_imgmod.models import ModerationRecord
from django_imgmod.services.prepared import Parameter, Prepared
from tests.hostapp.models import Photo

pytestmark = pytest.mark.django_db(databases=["default", "other"])


@pytest.fixture
def records(picture, settings) -> list[ModerationRecord]:
    settings.IMGMOD = {**settings.IMGMOD, "DISPATCHER": "django_imgmod.dispatch.SweepDispatcher"}
    for number in (1, 2):
        Photo.objects.create(image=picture(number))
    return list(ModerationRecord.objects.order_by("pk"))


def postponed(using: str) -> Any:
    rows = ModerationRecord.objects.using(using).filter(id=Parameter(ModerationRecord, "id"))
    return rows, {
        "due_at": DatabaseNow(),
        "reason": Parameter(ModerationRecord, "reason"),
        "version": F("version") + 1,
    }


def found(using: str) -> Any:
    rows = ModerationRecord.objects.using(using).filter(reason=Parameter(ModerationRecord, "reason"))
    return rows.order_by("pk").values_list("pk", "version")[:1], {}


def test_each_time_with_its_own_values(records):
    write, find = Prepared(postponed, has_time=True), Prepared(found)
    for record in records:
        assert write.update("default", id=record.pk, reason=f"100 % of {record.pk}") == 1
    assert write.update("default", id=10**9, reason="nobody") == 0
    assert [find.first("default", reason=f"100 % of {record.pk}") for record in records] == [
        (record.pk, record.version + 1) for record in records
    ]
    assert find.first("default", reason="nobody") is None


def test_time_is_that_of_each_execution(records):
    write = Prepared(postponed, has_time=True)
    times = []
    for _ in range(2):
        write.update("default", id=records[0].pk, reason="")
        times.append(ModerationRecord.objects.get(pk=records[0].pk).due_at)
    assert times[0] < times[1]


def test_columns_are_those_of_the_model(records):
    def name(using: str) -> Any:
        rows = ModerationRecord.objects.using(using).filter(id=Parameter(ModerationRecord, "id"))
        return rows.values_list("public_id", "created_at", "evaluated"), {}

    record, find = records[0], Prepared(name)
    for _ in range(2):
        assert find.first("default", id=record.pk) == (record.public_id, record.created_at, record.evaluated)


def test_each_database_has_its_own(records):
    with CaptureQueriesContext(connection) as captured:
        find = Prepared(found)
        assert find.first("default", reason="") == (records[0].pk, records[0].version)
        assert len(captured) == 1
        assert find.first("other", reason="") is None
        assert len(captured) == 1
