"""
A worker whose clock is a day off.

Leases and due times go by the database's clock, so it does what all others do.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from django_imgmod.choices import ErrorCode, FeedbackStatus, Outcome, Status
from django_imgmod.exceptions import ProviderThrottled
from django_imgmod.models import Feedback, ModerationRecord
from django_imgmod.providers import providers
from django_imgmod.providers.dummy import DummyProvider
from django_imgmod.services import claims
from django_imgmod.services.decisions import decide
from django_imgmod.services.feedback import GRACE, send_due_feedback
from django_imgmod.services.submission import work
from django_imgmod.services.sweep import sweep
from tests.hostapp.models import Photo
from tests.skewed import SHIFTS, clock_off_by

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "other"])

BACKEND = "django_imgmod.providers.dummy.DummyProvider"
DEADLINE = 60.0
COUNT = 12

# Another process of the site, with its own clock: says what it was asked to judge, then waits to be let go.
WORKER = """
import sys
from datetime import timedelta
from django.utils import timezone
real_now = timezone.now
timezone.now = lambda: real_now() + timedelta(days=float(sys.argv[1]))
from tests import settings
settings.MEDIA_ROOT = sys.argv[2]
settings.DATABASES = {"default": settings.env.db_url_config(sys.argv[3])}
settings.IMGMOD = {**settings.IMGMOD, "DISPATCHER": "django_imgmod.dispatch.SweepDispatcher"}
import django
django.setup()
from django_imgmod.providers import providers
from django_imgmod.services.sweep import sweep
print("ready", flush=True)
sys.stdin.readline()
while list(sweep(limit=2)):
    pass
print(*[source.data_id for source in providers["default"].calls])
"""


@pytest.fixture(autouse=True)
def workers_of_their_own(settings):
    settings.IMGMOD = {**settings.IMGMOD, "DISPATCHER": "django_imgmod.dispatch.SweepDispatcher"}


@pytest.fixture(params=SHIFTS, ids=["ahead", "behind"])
def skewed(request) -> Callable[[], Any]:
    """Return a context in which this process is the one whose clock is wrong."""
    return lambda: clock_off_by(request.param)


@pytest.fixture
def record(picture) -> ModerationRecord:
    Photo.objects.create(image=picture())
    return ModerationRecord.objects.get()


@pytest.fixture
def moderator(django_user_model):
    return django_user_model.objects.create_user("moderator")


def dummy() -> DummyProvider:
    provider = providers["default"]
    assert isinstance(provider, DummyProvider)
    return provider


def is_about(moment: datetime | None, delay: timedelta) -> bool:
    """Whether a time lies as far ahead as it should, by a clock that is right."""
    assert moment is not None
    return abs(moment - timezone.now() - delay) < timedelta(seconds=20)


def test_lease_that_another_holds_is_respected(record, skewed):
    held = claims.claim(record.public_id, using="default")
    assert held is not None
    with skewed():
        assert not work(record.public_id, using="default")
        assert list(sweep()) == []
    stored = ModerationRecord.objects.get()
    assert (stored.lease_owner, stored.lease_until, stored.attempt_count) == (held.lease_owner, held.lease_until, 1)
    assert dummy().calls == []


def test_lease_that_it_holds_lasts_as_long_as_any(record, skewed):
    with skewed():
        held = claims.claim(record.public_id, using="default")
    assert held is not None
    assert is_about(held.lease_until, claims.LEASE)
    assert is_about(claims.claimed_at(held), timedelta())
    assert claims.claim(record.public_id, using="default") is None


def test_picture_that_it_saves_is_due_at_once(picture, skewed):
    with skewed():
        Photo.objects.create(image=picture())
    record = ModerationRecord.objects.get()
    assert is_about(record.due_at, timedelta())
    assert work(record.public_id, using="default")


def test_due_times_that_it_writes_are_right(record, skewed, settings):
    options = {"is_asynchronous": True, "delay": 600}
    settings.IMGMOD = {**settings.IMGMOD, "PROVIDERS": {"default": {"BACKEND": BACKEND, "OPTIONS": options}}}
    dummy().script(ProviderThrottled("slower", retry_after=3600))
    with skewed():
        work(record.public_id, using="default")
    record.refresh_from_db()
    assert record.status == Status.SUBMITTED
    assert is_about(record.due_at, timedelta(minutes=10))
    assert is_about(record.submitted_at, timedelta())
    ModerationRecord.objects.update(due_at=timezone.now())
    with skewed():
        work(record.public_id, using="default")
    record.refresh_from_db()
    assert record.error_code == ErrorCode.THROTTLED
    assert is_about(record.due_at, timedelta(hours=1))


def test_it_waits_for_an_answer_as_long_as_any(record, skewed, settings):
    """A day more or less must not make an answer late: how long it is waited for is the database's matter."""
    options = {"is_asynchronous": True}
    settings.IMGMOD = {**settings.IMGMOD, "PROVIDERS": {"default": {"BACKEND": BACKEND, "OPTIONS": options}}}
    work(record.public_id, using="default")
    dummy()._memories["default"].waiting.clear()
    two_days_and_a_half = timedelta(days=2.5)
    ModerationRecord.objects.update(submitted_at=timezone.now() - two_days_and_a_half)
    with skewed():
        work(record.public_id, using="default")
    record.refresh_from_db()
    assert (record.status, record.error_code) == (Status.SUBMITTED, "")
    assert is_about(record.due_at, timedelta(minutes=15))


def test_message_waits_for_its_time(record, moderator, skewed):
    dummy().script("medium")
    work(record.public_id, using="default")
    record.refresh_from_db()
    with skewed():
        decide(record, Outcome.BLOCK, decided_by=moderator)
        assert send_due_feedback(using="default") == 0
    message = Feedback.objects.get()
    assert message.status == FeedbackStatus.QUEUED
    assert is_about(message.due_at, GRACE)


def test_processes_with_three_clocks_do_nothing_twice(picture, media_root):
    for number in range(COUNT):
        Photo.objects.create(image=picture(number))
    held = claims.claim(ModerationRecord.objects.earliest("pk").public_id, using="default")
    assert held is not None
    workers = [start_worker(days, media_root) for days in (1, -1)]
    for worker in workers:
        assert worker.stdout.readline() == "ready\n"
    for worker in workers:
        worker.stdin.write("\n")
        worker.stdin.flush()
    while list(sweep(limit=2)):
        pass
    judged = [source.data_id for source in dummy().calls]
    for worker in workers:
        output, errors = worker.communicate(timeout=DEADLINE)
        assert (worker.returncode, errors) == (0, "")
        judged += output.split()
    records = ModerationRecord.objects.exclude(pk=held.pk)
    assert sorted(judged) == sorted(str(record.public_id) for record in records)
    assert set(records.values_list("status", "version", "attempt_count")) == {(Status.PASSED, 2, 1)}
    assert ModerationRecord.objects.get(pk=held.pk).lease_owner == held.lease_owner


def start_worker(days: int, media_root: Path) -> subprocess.Popen[str]:
    database = connection.settings_dict
    scheme = {"postgresql": "postgres", "mysql": "mysql"}[connection.vendor]
    password = f":{database['PASSWORD']}" if database["PASSWORD"] else ""
    address = f"{database['HOST'] or '127.0.0.1'}:{database['PORT']}".rstrip(":")
    url = f"{scheme}://{database['USER']}{password}@{address}/{database['NAME']}"
    command = [sys.executable, "-c", WORKER, str(days), str(media_root), url]
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "tests.settings"}
    pipe = subprocess.PIPE
    return subprocess.Popen(  # noqa: S603 - our own command
        command, env=environment, cwd=Path(__file__).parents[2], text=True, stdin=pipe, stdout=pipe, stderr=pipe
    )
