from __future__ import annotations

import threading
import uuid

import pytest

from django_imgmod.dispatch import messages
from django_imgmod.dispatch.messages import PAUSE, MessageDispatcher, Outage


class FlakyDispatcher(MessageDispatcher):
    """Sends nothing while it ``is_down``."""

    is_down = False
    sent: list[uuid.UUID] = []
    attempt_count = 0

    def send(self, public_id: uuid.UUID, *, using: str) -> None:
        type(self).attempt_count += 1
        if self.is_down:
            raise OSError("connection refused")
        self.sent.append(public_id)


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(messages, "time", clock)
    return clock


@pytest.fixture(autouse=True)
def fresh(monkeypatch):
    monkeypatch.setattr(FlakyDispatcher, "outage", Outage())
    monkeypatch.setattr(FlakyDispatcher, "attempt_count", 0)
    monkeypatch.setattr(FlakyDispatcher, "is_down", False)
    monkeypatch.setattr(FlakyDispatcher, "sent", [])


def wake(dispatcher: type[MessageDispatcher] = FlakyDispatcher) -> uuid.UUID:
    """Wake as the app does: with a new instance each time."""
    public_id = uuid.uuid4()
    dispatcher().wake(public_id, using="default")
    return public_id


def test_each_wake_up_is_a_message(caplog):
    woken = [wake() for _ in range(3)]
    assert woken == FlakyDispatcher.sent
    assert caplog.messages == []


def test_outage_is_felt_once_in_a_while(clock):
    FlakyDispatcher.is_down = True
    for _ in range(10):
        wake()
    assert FlakyDispatcher.attempt_count == 1
    clock.now += PAUSE - 0.1
    wake()
    assert FlakyDispatcher.attempt_count == 1
    clock.now += 0.1
    for _ in range(10):
        wake()
    assert FlakyDispatcher.attempt_count == 2


def test_pause_begins_when_an_attempt_ends(clock, monkeypatch):
    def time_out(self, public_id, *, using):
        type(self).attempt_count += 1
        clock.now += 2 * PAUSE
        raise TimeoutError

    monkeypatch.setattr(FlakyDispatcher, "send", time_out)
    for number in (1, 2):
        wake()
        wake()
        assert FlakyDispatcher.attempt_count == number
        clock.now += PAUSE


def test_outage_is_told_once_and_its_end_too(clock, caplog):
    FlakyDispatcher.is_down = True
    first = wake()
    for _ in range(5):
        clock.now += PAUSE
        wake()
        wake()
    [line] = caplog.messages
    assert line.startswith(f"wake=suspended record={first} dispatcher=FlakyDispatcher error=OSError ")
    assert "message='connection refused'" in line
    FlakyDispatcher.is_down = False
    clock.now += PAUSE
    wake()
    wake()
    assert caplog.messages[1:] == ["wake=resumed dispatcher=FlakyDispatcher unsent=11"]
    FlakyDispatcher.is_down = True
    wake()
    assert len(caplog.messages) == 3


def test_others_do_not_wait_for_the_one_who_finds_out_whether_it_is_over(clock, monkeypatch):
    FlakyDispatcher.is_down = True
    wake()
    clock.now += PAUSE
    is_trying, may_end = threading.Event(), threading.Event()

    def hang(self, public_id, *, using):
        is_trying.set()
        assert may_end.wait(30)
        raise TimeoutError

    monkeypatch.setattr(FlakyDispatcher, "send", hang)
    thread = threading.Thread(target=wake)
    thread.start()
    assert is_trying.wait(30)
    monkeypatch.setattr(FlakyDispatcher, "send", lambda *args, **kwargs: pytest.fail("a second one tries"))
    wake()
    may_end.set()
    thread.join()


def test_outage_of_one_kind_of_message_is_not_that_of_another():
    class First(FlakyDispatcher):
        is_down = True

    class Second(FlakyDispatcher):
        pass

    wake(First)
    assert wake(Second) in FlakyDispatcher.sent
