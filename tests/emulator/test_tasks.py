from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import timedelta

import pytest

from django_imgmod.emulator.tasks import LIFETIME1, LIFETIME2, Tasks

from .signed import Clock


@pytest.fixture
def tasks(clock: Clock) -> Iterator[Tasks[str]]:
    tasks: Tasks[str] = Tasks(clock, lifetime=LIFETIME1)
    yield tasks
    tasks.close()


def test_first_answer_is_that_it_is_worked_on_then_comes_the_result(tasks):
    tasks.add("one", lambda: "done")
    assert tasks.get("one").is_processing
    for _ in range(3):
        task = tasks.get("one")
        assert not task.is_processing
        assert task.result == "done"


def test_each_task_has_a_first_answer(tasks):
    tasks.add("one", lambda: "1")
    tasks.add("other", lambda: "2")
    assert [tasks.get(name).result for name in ("one", "other", "one", "other")] == [None, None, "1", "2"]


@pytest.mark.parametrize("count", [0, 3])
def test_first_answers_can_be_more_or_none(clock, count):
    tasks: Tasks[str] = Tasks(clock, lifetime=LIFETIME1, processing_answers=count)
    tasks.add("one", lambda: "done")
    assert [tasks.get("one").is_processing for _ in range(count + 1)] == [True] * count + [False]
    tasks.close()


def test_unknown_task(tasks):
    assert tasks.get("one") is None


@pytest.mark.parametrize(("lifetime", "kept"), [(LIFETIME1, timedelta(hours=1)), (LIFETIME2, timedelta(days=3))])
def test_task_is_forgotten_by_the_clock(clock, lifetime, kept):
    tasks: Tasks[str] = Tasks(clock, lifetime=lifetime)
    tasks.add("one", lambda: "done")
    tasks.get("one")
    clock.now += kept - timedelta(seconds=1)
    assert tasks.get("one").result == "done"
    tasks.add("later", lambda: "too")
    clock.now += timedelta(seconds=1)
    assert tasks.get("one") is None
    assert tasks.get("later") is not None
    tasks.close()


def test_forgotten_tasks_take_no_memory(tasks, clock):
    for number in range(50):
        tasks.add(str(number), lambda: "done")
    clock.now += LIFETIME1
    tasks.add("new", lambda: "done")
    assert len(tasks._entries) == 1


def test_work_is_done_without_being_asked_for_and_once(tasks):
    calls: list[str] = []
    concluded = threading.Event()
    tasks.add("one", lambda: calls.append("work") or "done", lambda result: (calls.append(result), concluded.set()))
    assert concluded.wait(10)
    assert [tasks.get("one").result for _ in range(3)] == [None, "done", "done"]
    assert calls == ["work", "done"]


def test_adding_does_not_wait_for_the_work_but_the_result_does(tasks):
    is_asked = threading.Event()
    tasks.add("one", lambda: "done" if is_asked.wait(10) else "nobody asked")
    assert tasks.get("one").is_processing
    is_asked.set()
    assert tasks.get("one").result == "done"


def test_failing_work_fails_whoever_asks(tasks, caplog):
    def fail() -> str:
        raise RuntimeError("no eyes today")

    tasks.add("one", fail, lambda result: pytest.fail("there is no result"))
    assert tasks.get("one").is_processing
    with pytest.raises(RuntimeError, match="no eyes today"):
        tasks.get("one")
    tasks.close()
    assert "task=one" in caplog.text


def test_failing_conclusion_is_logged_and_changes_nothing(tasks, caplog):
    tasks.add("one", lambda: "done", lambda result: 1 / 0)
    tasks.get("one")
    assert tasks.get("one").result == "done"
    tasks.close()
    assert "ZeroDivisionError" in caplog.text


def test_what_was_not_begun_is_given_up_at_the_end(clock):
    tasks: Tasks[str] = Tasks(clock, lifetime=LIFETIME1)
    may_go_on, calls = threading.Event(), []
    for number in range(20):
        tasks.add(str(number), lambda: calls.append(may_go_on.wait(10)) or "done")
    closing = threading.Thread(target=tasks.close)
    closing.start()
    while not tasks._executor._shutdown:
        pass
    may_go_on.set()
    closing.join(10)
    assert not closing.is_alive()
    assert len(calls) < 20
