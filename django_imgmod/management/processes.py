"""Running one command in several processes. Imports no model: the processes begin here, before Django is set up."""

from __future__ import annotations

import logging
import math
import multiprocessing
import signal
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from multiprocessing.context import SpawnProcess
from types import FrameType
from typing import Any, Final

import django
from django.core.management import call_command

logger = logging.getLogger("django_imgmod")

STOP_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)
# In seconds: how often is looked after the processes, and how long one waits that takes another's place.
PAUSE: Final = 0.5
# In seconds: how late a signal is seen at most.
MAX_WAIT: Final = 1.0


@contextmanager
def stop_on_signal() -> Iterator[threading.Event]:
    """
    Give an event that is set by the first SIGTERM or SIGINT; a second one acts as it did before.

    One of several processes bears any number of SIGTERM: a service manager sends it to all of them, and the process
    that looks after them passes its own on.
    """
    stop = threading.Event()
    previous = {number: signal.getsignal(number) for number in STOP_SIGNALS}
    is_one_of_many = multiprocessing.parent_process() is not None

    def ask_to_stop(number: int, frame: FrameType | None) -> None:
        if number == signal.SIGINT or not is_one_of_many:
            signal.signal(number, previous[signal.Signals(number)])
        stop.set()

    for number in STOP_SIGNALS:
        signal.signal(number, ask_to_stop)
    try:
        yield stop
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def pause(stop: threading.Event, seconds: float) -> None:
    """
    Wait for about so many seconds, or until the event of ``stop_on_signal`` is set.

    In steps: a signal that arrives in the very moment in which a wait begins is seen only when it ends.
    """
    for _ in range(math.ceil(seconds / MAX_WAIT)):
        if stop.wait(min(seconds, MAX_WAIT)):
            return


def is_orphan() -> bool:
    """Return whether this is one of several processes and the one that looks after them is gone."""
    parent = multiprocessing.parent_process()
    return parent is not None and not parent.is_alive()


def run_in_processes(count: int, command: str, options: Mapping[str, Any], *, is_restarting: bool) -> bool:
    """
    Run a command ``count`` times side by side until all have ended; return whether none failed.

    A signal to stop is passed on, and how the processes end is no failure then. With ``is_restarting`` a process that
    ends before that is replaced: whatever killed it, the work goes on.
    """
    processes = [_start(command, options) for _ in range(count)]
    with stop_on_signal() as stop:
        while not stop.wait(PAUSE):
            ended = [process for process in processes if process.exitcode is not None]
            if is_restarting:
                for process in ended:
                    logger.error("worker=ended pid=%s exit_code=%s", process.pid, process.exitcode)
                    processes[processes.index(process)] = _start(command, options)
            elif len(ended) == count:
                return not any(process.exitcode for process in processes)
        for process in processes:
            process.terminate()
        for process in processes:
            process.join()
    return True


def _start(command: str, options: Mapping[str, Any]) -> SpawnProcess:
    # Spawned, not forked: connections, threads and loaded engines must not be shared.
    process = multiprocessing.get_context("spawn").Process(target=_run, args=(command, dict(options)))
    process.start()
    return process


def _run(command: str, options: dict[str, Any]) -> None:
    django.setup()
    call_command(command, **options)
