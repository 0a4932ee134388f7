from __future__ import annotations

import subprocess
import sys
import threading
import uuid
from types import SimpleNamespace
from typing import Any

import pytest
from celery import Celery
from django.core.checks import Error

from django_imgmod import checks
from django_imgmod.beat import BEAT_SCHEDULE, SWEEP_INTERVAL
from django_imgmod.choices import Status
from django_imgmod.dispatch import celery as celery_dispatch
from django_imgmod.dispatch.celery import CeleryDispatcher, sweep_records, work_record
from django_imgmod.models import ModerationRecord
from django_imgmod.providers.dummy import DummyProvider
from tests.hostapp.models import Photo

from .conftest import CELERY_DISPATCHER
from .listeners import closed_port, listening
from .processes import CHECKOUT

BROKERS = {"amqp": "amqp://guest:s3cret@127.0.0.1:{}//", "redis": "redis://:s3cret@127.0.0.1:{}/0"}


def statuses() -> list[str]:
    return list(ModerationRecord.objects.order_by("pk").values_list("status", flat=True))


@pytest.fixture
def memory_app(use_celery) -> Celery:
    """A broker in this process's memory, with the settings of a site that has none."""
    app = Celery("tests", broker="memory://")
    use_celery(app)
    return app


def message_of(app: Celery, queue: str) -> Any:
    with app.connection_for_read() as connection:
        message = connection.default_channel.basic_get(queue, no_ack=True)
        assert message is not None, f"There is nothing in {queue}."
        return message


@pytest.mark.django_db(transaction=True)
class TestSave:
    def test_message_names_the_record(self, memory_app, picture):
        Photo.objects.create(image=picture())
        record = ModerationRecord.objects.get()
        assert record.status == Status.PENDING
        message = message_of(memory_app, "imgmod")
        _, keywords, _ = message.decode()
        assert keywords == {"public_id": str(record.public_id), "using": "default"}
        assert message.headers["task"] == "imgmod.work"
        assert message.headers["expires"]

    @pytest.mark.parametrize("broker", BROKERS)
    @pytest.mark.parametrize("is_hanging_up", [False, True], ids=["silent", "hanging up"])
    def test_broker_that_is_of_no_use_is_tried_once(self, use_celery, picture, caplog, broker, is_hanging_up):
        with listening(is_hanging_up=is_hanging_up) as useless:
            use_celery(Celery("tests", broker=BROKERS[broker].format(useless.port)))
            for number in range(5):
                Photo.objects.create(image=picture(number))
            assert useless.connection_count == 1
        assert statuses() == [Status.PENDING] * 5
        [line] = caplog.messages
        assert line.startswith("wake=suspended ")
        assert f"{broker} at 127.0.0.1:{useless.port}: " in line
        assert "s3cret" not in line

    @pytest.mark.parametrize("broker", BROKERS)
    def test_broker_that_is_down_is_no_error_of_the_save(self, use_celery, picture, caplog, broker):
        use_celery(Celery("tests", broker=BROKERS[broker].format(closed_port())))
        for number in range(5):
            Photo.objects.create(image=picture(number))
        assert statuses() == [Status.PENDING] * 5
        [line] = caplog.messages
        assert "refused" in line

    def test_password_does_not_show(self, use_celery, picture, caplog, tmp_path):
        use_celery(Celery("tests", broker=f"redis+socket://{tmp_path}/none?password=s3cret"))
        Photo.objects.create(image=picture())
        [line] = caplog.messages
        assert f"{tmp_path}/none" in line
        assert "s3cret" not in line

    def test_queue_that_the_site_does_not_allow_is_told(self, memory_app, picture, caplog):
        memory_app.conf.task_create_missing_queues = False
        Photo.objects.create(image=picture())
        assert statuses() == [Status.PENDING]
        [line] = caplog.messages
        assert "missing from task_queues" in line

    def test_eager_site_works_at_once(self, memory_app, picture):
        memory_app.conf.task_always_eager = True
        Photo.objects.create(image=picture())
        assert statuses() == [Status.PASSED]


def test_silent_broker_holds_up_every_thread_once(use_celery):
    """All that save at the moment when the broker falls silent, wait for the same attempt."""
    with listening() as silent:
        use_celery(Celery("tests", broker=BROKERS["redis"].format(silent.port)))
        barrier = threading.Barrier(4)

        def wake() -> None:
            barrier.wait()
            CeleryDispatcher().wake(uuid.uuid4(), using="default")

        threads = [threading.Thread(target=wake) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert silent.connection_count == 1


class TestQueues:
    def test_sweeps_have_their_own(self, memory_app):
        sweep_records.delay()
        assert message_of(memory_app, "imgmod-sweep").headers["task"] == "imgmod.sweep"

    @pytest.mark.parametrize("routes", [{"imgmod.*": {"queue": "pictures"}}, (lambda name, *_, **__: "pictures",)])
    def test_routes_of_the_site_come_first(self, memory_app, routes):
        memory_app.conf.task_routes = routes
        sweep_records.delay()
        assert message_of(memory_app, "pictures").headers["task"] == "imgmod.sweep"
        CeleryDispatcher().wake(uuid.uuid4(), using="default")
        assert message_of(memory_app, "pictures").headers["task"] == "imgmod.work"

    def test_routes_of_other_functions_do_not_matter(self, memory_app):
        memory_app.conf.task_routes = {"mail.*": {"queue": "mail"}}
        sweep_records.delay()
        assert message_of(memory_app, "imgmod-sweep")

    def test_whoever_sends_may_name_another(self, memory_app):
        sweep_records.apply_async(queue="now")
        assert message_of(memory_app, "now").headers["task"] == "imgmod.sweep"


class TestWorker:
    def test_messages_survive_a_worker_that_dies(self, memory_app):
        for function in (work_record, sweep_records):
            assert function.acks_late
            assert function.reject_on_worker_lost
            assert function.ignore_result

    def test_message_that_comes_again_finds_nothing_to_do(self, memory_app, picture, db):
        Photo.objects.create(image=picture())
        record = ModerationRecord.objects.get()
        for _ in range(2):
            work_record(public_id=str(record.public_id), using="default")
        assert ModerationRecord.objects.get().version == record.version + 1


@pytest.mark.django_db(databases=["default", "other"])
class TestSweep:
    def test_works_until_nothing_is_due(self, memory_app, picture):
        for number in range(3):
            Photo.objects.create(image=picture(number))
        assert sweep_records() == 3
        assert statuses() == [Status.PASSED] * 3
        assert sweep_records() == 0

    def test_ends_before_the_next_one_begins(self, memory_app, picture, monkeypatch):
        for number in range(5):
            Photo.objects.create(image=picture(number))
        # It looks at the clock first for its own beginning.
        readings = iter([100.0, 100.1, 100.2, 100.0 + SWEEP_INTERVAL, 100.0 + SWEEP_INTERVAL])
        monkeypatch.setattr(celery_dispatch, "time", SimpleNamespace(monotonic=lambda: next(readings)))
        assert sweep_records() == 2
        assert ModerationRecord.objects.due().count() == 3

    def test_what_becomes_due_meanwhile_is_found(self, memory_app, picture, monkeypatch):
        Photo.objects.create(image=picture(1))
        submit = DummyProvider.submit

        def save_another(self, source):
            monkeypatch.setattr(DummyProvider, "submit", submit)
            Photo.objects.create(image=picture(2))
            return submit(self, source)

        monkeypatch.setattr(DummyProvider, "submit", save_another)
        assert sweep_records() == 2
        assert statuses() == [Status.PASSED] * 2


def test_beat_sends_what_the_worker_knows(memory_app):
    [entry] = BEAT_SCHEDULE.values()
    assert entry["task"] in memory_app.tasks
    # A sweep that nobody has taken when the next one comes is of no use any more.
    assert entry["options"]["expires"] <= entry["schedule"]


class TestWithoutCelery:
    @pytest.fixture(autouse=True)
    def celery_is_missing(self, monkeypatch):
        monkeypatch.setitem(sys.modules, "celery", None)
        monkeypatch.delitem(sys.modules, "django_imgmod.dispatch.celery")

    def test_check_names_what_to_install(self, settings):
        settings.IMGMOD = {**settings.IMGMOD, "DISPATCHER": CELERY_DISPATCHER}
        [error] = checks.check_settings()
        assert isinstance(error, Error)
        assert error.id == "imgmod.E005"
        assert 'pip install "django-imgmod[celery]"' in error.msg

    @pytest.mark.django_db(transaction=True)
    def test_save_does_not_fail(self, settings, picture):
        settings.IMGMOD = {**settings.IMGMOD, "DISPATCHER": CELERY_DISPATCHER}
        Photo.objects.create(image=picture())
        assert statuses() == [Status.PENDING]


def run(script: str) -> str:
    """Run a script in a process in which Django is set up, and nothing else."""
    setup = "import django; django.setup()\n"
    done = subprocess.run(  # noqa: S603 - our own interpreter
        [sys.executable, "-c", setup + script],
        cwd=CHECKOUT,
        env={"DJANGO_SETTINGS_MODULE": "tests.settings"},
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_other_queues_can_look_at_tasks_without_celery():
    hide = "from importlib import util; util.find_spec = lambda name: None\n"
    look = "import sys, django_imgmod.tasks; print('celery' in sys.modules)"
    assert run(hide + look) == "False"


def test_celery_is_not_loaded_with_the_app():
    assert run("import sys; print('celery' in sys.modules)") == "False"


def test_child_process_has_a_connection_of_its_own():
    script = """
import os
from django_imgmod.dispatch import celery
inherited = celery.line
if not os.fork():
    print(celery.line is inherited, flush=True)
"""
    assert run(script) == "False"
