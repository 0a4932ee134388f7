"""A database that rolls a transaction back to end a deadlock, as InnoDB may do with each write."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest
from django.db import OperationalError, connection, transaction

from django_imgmod.choices import ReceiptOutcome, RiskLevel, Status
from django_imgmod.models import ModerationRecord
from django_imgmod.providers import providers
from django_imgmod.providers.dummy import DummyProvider
from django_imgmod.results import Callback, Detection, Verdict
from django_imgmod.services.callbacks import receive_callback
from django_imgmod.services.deadlocks import PAUSES
from tests.hostapp.models import Photo

pytestmark = pytest.mark.django_db(transaction=True)

DEADLOCK = OperationalError(1213, "Deadlock found when trying to get lock; try restarting transaction")


@contextmanager
def deadlocks(is_hit: Callable[[int], bool]) -> Iterator[list[str]]:
    """Let the writes to our tables that ``is_hit`` names by their number, from 0, end in a deadlock."""
    writes: list[str] = []

    def execute(run: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if not sql.startswith("SELECT") and "imgmod_" in sql:
            writes.append(sql)
            if is_hit(len(writes) - 1):
                raise DEADLOCK
        return run(sql, params, many, context)

    with connection.execute_wrapper(execute):
        yield writes


def dummy() -> DummyProvider:
    provider = providers["default"]
    assert isinstance(provider, DummyProvider)
    return provider


def verdict() -> Verdict:
    return Verdict(risk_level=RiskLevel.NONE, detections=(Detection(label="cat", confidence=90.0),))


def upload_twice(picture: Any, number: int) -> Photo:
    photo = Photo.objects.create(image=picture(2 * number))
    photo.image = picture(2 * number + 1)
    photo.save()
    return photo


def test_deadlock_at_any_write_of_an_upload_costs_nothing(picture):
    dummy().script(verdict(), verdict())
    with deadlocks(lambda number: False) as writes:
        upload_twice(picture, 1000)
    assert len(writes) >= 8
    for hit in range(len(writes)):
        DummyProvider.clear()
        dummy().script(verdict(), verdict())
        with deadlocks(lambda number, hit=hit: number == hit):
            photo = upload_twice(picture, hit)
        record = ModerationRecord.objects.current().get(object_id=str(photo.pk))
        assert (record.status, record.top_label) == (Status.PASSED, "cat"), writes[hit]
        assert len(dummy().calls) == 2, writes[hit]
        assert record.detected_labels.count() == 1


def test_deadlock_at_any_write_of_a_callback_costs_nothing(picture, settings):
    options = {"is_asynchronous": True, "delay": 600}
    settings.IMGMOD = {
        **settings.IMGMOD,
        "PROVIDERS": {"default": {**settings.IMGMOD["PROVIDERS"]["default"], "OPTIONS": options}},
    }

    def called_back(number: int, is_hit: Callable[[int], bool]) -> list[str]:
        photo = Photo.objects.create(image=picture(number))
        record = ModerationRecord.objects.current().get(object_id=str(photo.pk))
        assert record.status == Status.SUBMITTED
        callback = Callback(data_id=str(record.public_id), verdict=verdict())
        with deadlocks(is_hit) as writes:
            receive_callback("default", "{}", callback)
        record.refresh_from_db()
        assert (record.status, record.callback_receipts.get().outcome) == (Status.PASSED, ReceiptOutcome.APPLIED)
        assert record.detected_labels.count() == 1
        return writes

    # All but the first, which stores it: whoever calls back calls again where that fails.
    count = len(called_back(1000, lambda number: False))
    assert count >= 4
    for hit in range(1, count):
        called_back(hit, lambda number, hit=hit: number == hit)


def test_one_after_the_other_reaches_the_user(picture, monkeypatch):
    monkeypatch.setattr("django_imgmod.services.deadlocks.time.sleep", lambda seconds: None)
    with deadlocks(lambda number: True) as writes, pytest.raises(OperationalError):
        Photo.objects.create(image=picture())
    assert len(writes) == len(PAUSES) + 1


def test_transaction_of_the_caller_is_the_callers_to_repeat(picture):
    """The database has rolled back all that was written in it, not our statement alone."""
    with deadlocks(lambda number: number == 0) as writes, ExitStack() as stack:
        stack.enter_context(pytest.raises(OperationalError))
        stack.enter_context(transaction.atomic())
        Photo.objects.create(image=picture())
    assert len(writes) == 1
    assert not Photo.objects.exists()


def test_other_errors_are_not_repeated(picture):
    def execute(run: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if sql.startswith("INSERT") and "imgmod_" in sql:
            written.append(sql)
            raise OperationalError(1114, "The table is full")
        return run(sql, params, many, context)

    written: list[str] = []
    with connection.execute_wrapper(execute), pytest.raises(OperationalError, match="full"):
        Photo.objects.create(image=picture())
    assert len(written) == 1
