from __future__ import annotations

import sqlite3
import sys
from contextlib import closing
from typing import Any

import pytest

from django_imgmod import checks
from django_imgmod.choices import Status
from django_imgmod.dispatch import tasks
from django_imgmod.dispatch.messages import Outage
from django_imgmod.exceptions import ImgmodConfigurationError
from django_imgmod.models import ModerationRecord
from tests.hostapp.models import Photo

from .processes import Processes

TASKS_DISPATCHER = "django_imgmod.dispatch.tasks.TasksDispatcher"
# Django's own, or the backport's.
IMMEDIATE = type(tasks.task_backends["default"])


class BrokenBackend(IMMEDIATE):  # type: ignore[valid-type, misc]
    attempt_count = 0

    def enqueue(self, task: Any, args: Any, kwargs: Any) -> Any:
        type(self).attempt_count += 1
        raise ConnectionError("no route to the broker")


def use_backend(settings: Any, backend: type, **options: Any) -> None:
    settings.TASKS = {"default": {"BACKEND": f"{backend.__module__}.{backend.__qualname__}", **options}}


@pytest.fixture(autouse=True)
def dispatcher(use_dispatcher, monkeypatch):
    use_dispatcher(TASKS_DISPATCHER)
    monkeypatch.setattr(tasks.TasksDispatcher, "outage", Outage())


@pytest.mark.django_db(transaction=True)
class TestSave:
    def test_immediate_backend_works_at_once(self, picture):
        Photo.objects.create(image=picture())
        assert ModerationRecord.objects.get().status == Status.PASSED

    def test_backend_that_fails_is_no_error_of_the_save(self, picture, settings, caplog, monkeypatch):
        monkeypatch.setattr(BrokenBackend, "attempt_count", 0)
        use_backend(settings, BrokenBackend)
        for number in range(5):
            Photo.objects.create(image=picture(number))
        assert set(ModerationRecord.objects.values_list("status", flat=True)) == {Status.PENDING}
        assert BrokenBackend.attempt_count == 1
        [line] = caplog.messages
        assert "no route to the broker" in line


class TestQueue:
    @pytest.mark.parametrize(
        ("queues", "name"),
        [(None, "default"), (["default", "imgmod"], "imgmod"), (["imgmod"], "imgmod"), ([], "default")],
    )
    def test_is_its_own_where_there_is_one(self, settings, queues, name):
        use_backend(settings, IMMEDIATE, **({} if queues is None else {"QUEUES": queues}))
        assert tasks.queue_name() == name

    def test_site_that_has_neither_is_told_what_to_add(self, settings):
        use_backend(settings, IMMEDIATE, QUEUES=["mail"])
        with pytest.raises(ImgmodConfigurationError, match=r'neither "imgmod" nor "default"\. Add "imgmod"'):
            tasks.queue_name()


def test_check_names_what_to_install(monkeypatch):
    for package in ("django.tasks", "django_tasks"):
        monkeypatch.setitem(sys.modules, package, None)
    monkeypatch.delitem(sys.modules, "django_imgmod.dispatch.tasks")
    [error] = checks.check_settings()
    assert error.id == "imgmod.E005"
    assert 'pip install "django-imgmod[tasks]"' in error.msg


SAVE_THREE = """
import io
from PIL import Image
from django.core.files.base import ContentFile
from tests.hostapp.models import Photo

for number in range(3):
    output = io.BytesIO()
    Image.new("RGB", (8, 8), (number, 0, 0)).save(output, "PNG")
    Photo.objects.create(image=ContentFile(output.getvalue(), name="picture.png"))
"""


def test_worker_of_the_database_backend(tmp_path):
    path = tmp_path / "database.sqlite3"
    site = Processes(
        tmp_path / "processes.log",
        DATABASE_URL=f"sqlite:///{path}",
        MEDIA_ROOT=str(tmp_path),
        DISPATCHER=TASKS_DISPATCHER,
    )

    def query(statement: str) -> list[Any]:
        with closing(sqlite3.connect(path)) as database:
            rows = database.execute(statement).fetchall()
            database.commit()
            return [row[0] for row in rows]

    def statuses() -> list[str]:
        return query("SELECT status FROM django_imgmod_moderationrecord ORDER BY id")

    site.run("django", "migrate", "--run-syncdb", "--verbosity=0")
    site.run("django", "shell", "-c", SAVE_THREE)
    assert statuses() == [Status.PENDING] * 3
    assert query("SELECT queue_name FROM django_tasks_database_dbtaskresult") == ["imgmod"] * 3
    # A message that is lost.
    query("DELETE FROM django_tasks_database_dbtaskresult WHERE rowid = 1")
    site.run("django", "db_worker", "--batch", "--no-startup-delay", "--queue-name=imgmod")
    assert sorted(statuses()) == [Status.PASSED, Status.PASSED, Status.PENDING]
    assert query("SELECT status FROM django_tasks_database_dbtaskresult") == ["SUCCESSFUL"] * 2
    site.run("django", "imgmod_worker", "--once")
    assert statuses() == [Status.PASSED] * 3
