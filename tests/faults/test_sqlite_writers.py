"""Several processes write to one SQLite file. The full count: ``python -m tests.faults.sqlite_writers``."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.contenttypes.models import ContentType
from django.core.management import call_command
from django.db import connection

from django_imgmod.choices import Outcome, ReceiptOutcome
from django_imgmod.clock import DatabaseNow
from django_imgmod.models import CallbackReceipt, Feedback, ModerationRecord
from django_imgmod.providers import providers
from django_imgmod.providers.dummy import DummyProvider
from django_imgmod.results import Callback
from django_imgmod.services.callbacks import apply_receipt, receive_callback
from django_imgmod.services.decisions import decide
from tests.faults.digesting import verdict_on
from tests.faults.sites import eventually
from tests.faults.sqlite_writers import RECOMMENDED, site_on_sqlite, write_together
from tests.faults.uploads import WAYS
from tests.hostapp.models import Photo


def test_recommended_options_let_no_lock_through_to_a_user(tmp_path):
    report = write_together(tmp_path, RECOMMENDED, seconds=3)
    assert set(report.acknowledged) == set(WAYS)
    assert not report.locked
    assert not report.other_errors
    assert not report.found["faults"]
    assert report.are_workers_unharmed


def test_workers_outlive_a_database_that_is_locked(tmp_path):
    site = site_on_sqlite(tmp_path, '{"timeout": 0.1}')
    with site.workers(2) as workers:
        with site.uploading(1, "atomic"):
            pass
        blocker = sqlite3.connect(tmp_path / "site.sqlite3", isolation_level=None)
        blocker.execute("BEGIN EXCLUSIVE")
        met = workers.count_lines("worker=database_error")
        eventually(lambda: workers.count_lines("worker=database_error") > met + 3)
        blocker.close()
        site.settle()
        assert workers.are_unharmed
    assert not site.examine()["faults"]


@pytest.fixture
def first_statements() -> Any:
    """Collect the first statement of every transaction."""
    found: list[str] = []
    is_first = False

    def listen(execute: Callable[..., Any], sql: str, *arguments: Any) -> Any:
        nonlocal is_first
        if sql == "BEGIN":
            is_first = True
        elif is_first and not sql.startswith("SAVEPOINT"):
            found.append(sql)
            is_first = False
        return execute(sql, *arguments)

    with connection.execute_wrapper(listen):
        yield found


@pytest.mark.django_db(transaction=True, databases=["default", "other"])
def test_no_transaction_of_ours_begins_by_reading(picture, settings, django_user_model, first_statements):
    """Such a transaction is refused at its first write, without waiting, when another process has written meanwhile."""
    provider = {"BACKEND": "django_imgmod.providers.dummy.DummyProvider", "OPTIONS": {"qps": 1000}}
    settings.IMGMOD = {**settings.IMGMOD, "PROVIDERS": {"default": provider}}
    moderator = django_user_model.objects.create_user("moderator")
    dummy = providers["default"]
    assert isinstance(dummy, DummyProvider)
    ContentType.objects.clear_cache()

    dummy.script("medium")
    photo = Photo.objects.create(image=picture(1))
    copy = Photo.objects.create(image=picture(1))
    photo.image = picture(2)
    photo.save()
    copy.delete()
    Photo.objects.bulk_create([Photo(image="photos/nowhere.png")])
    call_command("imgmod_reconcile", verbosity=0)
    decide(ModerationRecord.objects.current().latest("pk"), Outcome.BLOCK, decided_by=moderator)
    Feedback.objects.update(due_at=DatabaseNow())
    Photo.objects.bulk_create([Photo(image=photo.image.name)])
    call_command("imgmod_backfill", "hostapp.Photo.image", verbosity=0)
    call_command("imgmod_worker", once=True, verbosity=0)

    settings.IMGMOD = {**settings.IMGMOD, "DISPATCHER": "django_imgmod.dispatch.SweepDispatcher"}
    photo.image = picture(3)
    photo.save()
    waiting = ModerationRecord.objects.latest("pk")
    callback = Callback(data_id=str(waiting.public_id), verdict=verdict_on("0" * 64))
    apply_receipt(receive_callback("default", "{}", callback), callback)
    assert CallbackReceipt.objects.get().outcome == ReceiptOutcome.APPLIED
    ModerationRecord.objects.update(settled_at=DatabaseNow() - timedelta(days=400))
    call_command("imgmod_prune", "--older-than=180d", verbosity=0)

    assert len(first_statements) > 10
    assert [sql for sql in first_statements if sql.startswith("SELECT")] == []
