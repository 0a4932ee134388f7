from __future__ import annotations

import os
import signal
import threading

import pytest
from django.core.management import CommandError, call_command
from django.db import OperationalError, connection
from django.db.backends.signals import connection_created

from django_imgmod.choices import Status
from django_imgmod.management.commands import imgmod_worker
from django_imgmod.management.processes import STOP_SIGNALS
from django_imgmod.models import ModerationRecord
from django_imgmod.providers import providers
from tests.hostapp.models import Photo

# A record's work is woken on commit, which never comes in these tests: what is saved stays due.
pytestmark = pytest.mark.django_db(databases=["default", "other"])


def statuses() -> list[str]:
    return list(ModerationRecord.objects.order_by("pk").values_list("status", flat=True))


def is_in_memory() -> bool:
    return connection.vendor == "sqlite" and connection.is_in_memory_db()


def send(number: signal.Signals) -> None:
    os.kill(os.getpid(), number)


@pytest.fixture(autouse=True)
def handlers_are_restored():
    # Of a process in the background of a shell, SIGINT may be ignored.
    inherited = signal.signal(signal.SIGINT, signal.default_int_handler)
    before = [signal.getsignal(number) for number in STOP_SIGNALS]
    yield
    assert [signal.getsignal(number) for number in STOP_SIGNALS] == before
    signal.signal(signal.SIGINT, inherited)


@pytest.fixture
def stop_after_first(monkeypatch):
    """Return a function that asks the worker to stop, by a signal, while it works on its first record."""

    def arrange(number: signal.Signals) -> None:
        submit = type(providers["default"]).submit

        def submit_and_signal(self, source):
            send(number)
            return submit(self, source)

        monkeypatch.setattr(type(providers["default"]), "submit", submit_and_signal)

    return arrange


class TestOnce:
    def test_works_through_everything_due_in_batches(self, picture):
        for number in range(5):
            Photo.objects.create(image=picture(number))
        call_command("imgmod_worker", "--once", "--batch=2")
        assert statuses() == [Status.PASSED] * 5

    def test_looks_for_other_work_now_and_then_and_in_the_end(self, picture, monkeypatch):
        looks = []
        monkeypatch.setattr(imgmod_worker, "LOOK", 3600.0)
        monkeypatch.setattr(imgmod_worker, "run_periodic", lambda **options: looks.append(judged()) or 0)

        def judged() -> int:
            return ModerationRecord.objects.exclude(verdict_at=None).count()

        for number in range(3):
            Photo.objects.create(image=picture(number))
        call_command("imgmod_worker", once=True, batch=1)
        assert looks == [1, 3]

    def test_works_in_every_database(self, picture):
        photo = Photo(image=picture())
        photo.save(using="other")
        call_command("imgmod_worker", "--once")
        assert ModerationRecord.objects.using("other").get().status == Status.PASSED

    def test_leaves_a_failure_for_later(self, picture):
        providers["default"].script(RuntimeError("the engine broke"))
        Photo.objects.create(image=picture())
        call_command("imgmod_worker", "--once")
        record = ModerationRecord.objects.get()
        assert (record.status, record.attempt_count) == (Status.PENDING, 1)

    def test_tells_each_record_on_a_line(self, picture, capsys):
        Photo.objects.create(image=picture(name="cat.png"))
        call_command("imgmod_worker", "--once")
        record = ModerationRecord.objects.get()
        (line,) = capsys.readouterr().out.splitlines()
        assert line.startswith(f"passed     {record.public_id} 'photos/cat.png' ")
        assert line.endswith(" ms")

    def test_file_name_cannot_write_to_the_terminal(self, picture, capsys):
        Photo.objects.create(image=picture())
        ModerationRecord.objects.update(file_name="a\x1b[2J\nb.png")
        call_command("imgmod_worker", "--once")
        (line,) = capsys.readouterr().out.splitlines()
        assert "\x1b" not in line

    def test_is_silent_if_so_asked(self, picture, capsys):
        Photo.objects.create(image=picture())
        call_command("imgmod_worker", "--once", verbosity=0)
        assert capsys.readouterr().out == ""

    def test_stops_after_the_current_record(self, picture, stop_after_first):
        Photo.objects.create(image=picture(1))
        Photo.objects.create(image=picture(2))
        stop_after_first(signal.SIGTERM)
        call_command("imgmod_worker", "--once")
        assert statuses() == [Status.PASSED, Status.PENDING]


# The loop drops connections, which a test's own transaction would not survive.
@pytest.mark.django_db(databases=["default", "other"], transaction=True)
class TestLoop:
    @pytest.fixture(autouse=True)
    def nothing_is_woken(self, settings):
        settings.IMGMOD = {**settings.IMGMOD, "DISPATCHER": "django_imgmod.dispatch.SweepDispatcher"}

    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
    def test_stops_after_the_current_record(self, picture, stop_after_first, number):
        Photo.objects.create(image=picture(1))
        Photo.objects.create(image=picture(2))
        stop_after_first(number)
        call_command("imgmod_worker")
        assert statuses() == [Status.PASSED, Status.PENDING]

    def test_waiting_can_be_interrupted(self):
        timer = threading.Timer(0.05, send, [signal.SIGTERM])
        timer.start()
        call_command("imgmod_worker", "--loop", "--interval=3600")
        timer.join()

    def test_signal_that_is_missed_by_the_wait_is_seen_soon(self, monkeypatch):
        """As one is that arrives between the last look and the beginning of the wait."""
        waits = []

        def missed(event, timeout):
            waits.append(timeout)
            if len(waits) == 2:
                send(signal.SIGTERM)
            return event.is_set()

        monkeypatch.setattr(threading.Event, "wait", missed)
        call_command("imgmod_worker", "--interval=3600")
        assert len(waits) == 2
        assert max(waits) <= 1

    def test_second_signal_acts_as_ever(self, picture, monkeypatch):
        def never_ends(**options):
            send(signal.SIGINT)
            send(signal.SIGINT)
            return iter(())

        monkeypatch.setattr(imgmod_worker, "sweep", never_ends)
        with pytest.raises(KeyboardInterrupt):
            call_command("imgmod_worker")

    def test_finds_what_became_due_meanwhile(self, picture, monkeypatch):
        waits = iter([lambda: Photo.objects.create(image=picture(2)), lambda: send(signal.SIGTERM)])
        monkeypatch.setattr(threading.Event, "wait", lambda self, timeout: next(waits)())
        Photo.objects.create(image=picture(1))
        call_command("imgmod_worker")
        assert statuses() == [Status.PASSED] * 2

    def test_keeps_its_connection_while_there_is_work(self, picture, monkeypatch):
        """It costs more than a record; who only waits has none."""
        for number in range(3):
            Photo.objects.create(image=picture(number))
        made, open_while_waiting = [], []

        def wait(event, timeout):
            open_while_waiting.append(connection.connection is not None)
            send(signal.SIGTERM)

        def count(connection, **kwargs):
            made.append(connection.alias)

        monkeypatch.setattr(threading.Event, "wait", wait)
        connection.close()
        connection_created.connect(count)
        try:
            call_command("imgmod_worker", "--batch=1")
        finally:
            connection_created.disconnect(count)
        assert statuses() == [Status.PASSED] * 3
        # A database in memory lives as long as its connection.
        assert (made.count("default"), open_while_waiting) == ((0, [True]) if is_in_memory() else (1, [False]))

    def test_survives_a_database_that_goes_away(self, monkeypatch, caplog):
        rounds = iter([OperationalError("server closed the connection"), None])

        def fail_once(**options):
            if error := next(rounds):
                raise error
            send(signal.SIGTERM)
            return iter(())

        monkeypatch.setattr(imgmod_worker, "sweep", fail_once)
        call_command("imgmod_worker", "--interval=0.01")
        assert next(rounds, "over") == "over"
        assert "worker=database_error" in caplog.text

    def test_outage_is_a_line_each_round_and_one_traceback(self, monkeypatch, caplog):
        rounds = iter(["gone", "gone", "still starting", None, "gone", ""])

        def fail_sometimes(**options):
            if error := next(rounds):
                raise OperationalError(error)
            if error is not None:
                send(signal.SIGTERM)
            return iter(())

        monkeypatch.setattr(imgmod_worker, "sweep", fail_sometimes)
        call_command("imgmod_worker", "--interval=0.01")
        logged = [record for record in caplog.records if "worker=database_error" in record.message]
        assert [record.message.partition("message=")[2] for record in logged] == [
            "'gone'",
            "'gone'",
            "'still starting'",
            "'gone'",
        ]
        assert [bool(record.exc_info) for record in logged] == [True, False, True, True]


def test_once_does_not_hide_a_database_that_is_away(monkeypatch):
    def fail(**options):
        raise OperationalError("server closed the connection")

    monkeypatch.setattr(imgmod_worker, "sweep", fail)
    with pytest.raises(OperationalError):
        call_command("imgmod_worker", "--once")


@pytest.mark.parametrize(
    "option", ["--interval=0", "--interval=nan", "--interval=-1", "--interval=soon", "--batch=0", "--batch=1.5"]
)
def test_senseless_numbers_are_refused(option):
    with pytest.raises(CommandError, match=r"more than 0|invalid"):
        call_command("imgmod_worker", option)
