"""
Everything that can happen to one image, in every order: played against a model.

    python -m tests.faults.interleavings --length 6 --random 10000 [--seed N] [--processes N]

Plays all sequences of the given length, their beginnings included, then random longer ones. Prints what was played;
exit code 1 and the sequence where the database is not what the model says.
"""

from __future__ import annotations

import argparse
import atexit
import itertools
import logging
import os
import random
import sys
import time
import traceback
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from typing import Any, Final

import django
from django.apps import apps

if not apps.ready:
    # As a command, and in its processes.
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
    django.setup()

from django.db import connection
from django.test import override_settings

from .machine import play_at_random
from .play import SETTINGS, Play, moderator

Step = Callable[[Play], bool]


def submit_answer(play: Play) -> bool:
    """The oldest submission that is under way is answered: accepted, the verdict comes later."""
    return _end(play, "submit")


def callback(play: Play) -> bool:
    """The provider calls back about its oldest submission of which it has told nothing; then about the newest again."""
    untold = [number for number, record in enumerate(play.submitted) if record not in play.called_back]
    return bool(play.submitted) and play.callback(untold[0] if untold else -1)


def poll(play: Play) -> bool:
    """A worker asks for the verdict; while it is asking, the verdict arrives."""
    record = play.model.current
    return _end(play, "fetch") or bool(record and record.status == "submitted" and play.work())


def feedback(play: Play) -> bool:
    """A message that is being sent is taken; or else one that waits is sent; or else a person decides."""
    return _end(play, "feedback") or (any(play.model.waiting()) and play.send()) or _decide(play)


def replace(play: Play) -> bool:
    """The other of two pictures takes the place; after its deletion the object is saved anew."""
    return play.save("b" if play.model.records[-1].picture == "a" else "a")


def delete(play: Play) -> bool:
    return play.delete()


def _end(play: Play, place: str, how: str = "answer") -> bool:
    numbers = [number for number, (_, work) in enumerate(play.calls) if not place or work.place == place]
    return bool(numbers) and play.end(numbers[0], how)


def _decide(play: Play) -> bool:
    record = play.model.current
    if record is None or record.is_open:
        return False
    return play.look() and play.decide("pass" if record.status == "blocked" else "block")


# A worker hears of each new picture at once. No lease runs out, nobody dies.
SWIFT: Final[Mapping[str, Step]] = {
    "submit answer": submit_answer,
    "callback": callback,
    "poll": poll,
    "feedback": feedback,
    "replace": replace,
    "delete": delete,
}
# Every wake-up is lost; workers die or are too slow, people decide about what they saw long ago.
SLOW: Final[Mapping[str, Step]] = {
    "work": lambda play: play.work(),
    "answer": partial(_end, place=""),
    "newest answers": lambda play: len(play.calls) > 1 and play.end(-1, "answer"),
    "die": partial(_end, place="", how="die"),
    "refuse": partial(_end, place="", how="refuse"),
    "expire": lambda play: play.expire(),
    "callback": callback,
    "look": lambda play: not play.looks and play.look(),
    "decide": lambda play: play.decide("pass"),
    "send": lambda play: play.send(),
    "replace": replace,
}
ALPHABETS: Final = {"swift": SWIFT, "slow": SLOW}
# Random sequences that share a seed, a process and a verdict.
CHUNK: Final = 500


def play_all(name: str, length: int, beginning: Sequence[str] = ()) -> Counter[str]:
    """
    Play every sequence of ``length`` events that begins so; return how many were covered, played and stepped.

    A sequence in which something cannot happen is one of the shorter ones, whose states were all compared: after the
    first such event it and its like are passed over.
    """
    events = list(ALPHABETS[name])
    figures: Counter[str] = Counter(covered=len(events) ** (length - len(beginning)))
    odometer = [events.index(event) for event in beginning] + [0] * (length - len(beginning))
    while True:
        count = play_one(name, [events[number] for number in odometer])
        figures += Counter(played=1, steps=count)
        place = count - 1
        while place >= len(beginning) and odometer[place] == len(events) - 1:
            place -= 1
        if place < len(beginning):
            return figures
        odometer[place:] = [odometer[place] + 1] + [0] * (length - place - 1)


def play_one(name: str, sequence: Sequence[str]) -> int:
    """Play a sequence as far as the first event that cannot happen, that one included; return how far."""
    play = Play(moderator(), is_eager=name == "swift")
    count = 0
    try:
        for event in sequence:
            count += 1
            if not ALPHABETS[name][event](play):
                break
    except Exception as error:
        error.add_note(f"Sequence ({name}): {', '.join(sequence[:count])}")
        raise
    finally:
        play.close()
    return count


def _prepare() -> None:
    """Give this process a database of its own, for as long as it lives."""
    logging.disable()
    override_settings(**SETTINGS).enable()
    if connection.vendor != "sqlite":
        connection.settings_dict["NAME"] = f"{connection.settings_dict['NAME']}_{os.getpid()}"
    connection.creation.create_test_db(verbosity=0, autoclobber=True)
    if connection.vendor != "sqlite":
        atexit.register(connection.creation.destroy_test_db, connection.settings_dict["NAME"], verbosity=0)
    connection.inc_thread_sharing()
    moderator.cache_clear()


def _in_process(function: Callable[..., Counter[str]], arguments: Sequence[Any]) -> tuple[Counter[str], str]:
    """Return the figures and what went wrong: an exception of a process would lose its notes."""
    try:
        return function(*arguments), ""
    except Exception:  # noqa: BLE001 - printed
        return Counter(), traceback.format_exc()


def _tasks(arguments: argparse.Namespace) -> list[tuple[str, Callable[..., Counter[str]], tuple[object, ...]]]:
    """Return what there is to play, in pieces for the processes: a name, a function, its arguments."""
    lengths = {"swift": arguments.length, "slow": arguments.slow_length}
    # Two first events a piece: small enough to be shared out evenly.
    tasks: list[tuple[str, Callable[..., Counter[str]], tuple[object, ...]]] = [
        (name, play_all, (name, length, beginning))
        for name, length in lengths.items()
        for beginning in itertools.product(ALPHABETS[name], repeat=min(2, length))
        if length
    ]
    for number in range(0, arguments.random, CHUNK):
        count = min(CHUNK, arguments.random - number)
        tasks.append(("random", play_at_random, (count, arguments.seed + number, arguments.random_length)))
    return tasks


def _parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--length", type=int, default=6, help="of all sequences of: " + ", ".join(SWIFT))
    parser.add_argument("--slow-length", type=int, default=5, help="of all sequences of: " + ", ".join(SLOW))
    parser.add_argument("--random", type=int, default=10_000, help="how many random sequences")
    parser.add_argument("--random-length", type=int, default=14, help="steps of each, about")
    parser.add_argument("--seed", type=int, help="of the random sequences; chosen and printed by default")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    arguments = parser.parse_args()
    if arguments.seed is None:
        arguments.seed = random.SystemRandom().randrange(10**6)
    return arguments


def main() -> int:
    """Play everything; return the exit code."""
    arguments = _parsed()
    begun_at = time.monotonic()
    print(f"database {connection.vendor}, seed {arguments.seed}, processes {arguments.processes}", flush=True)
    figures: dict[str, Counter[str]] = defaultdict(Counter)
    failures = []
    with ProcessPoolExecutor(arguments.processes, get_context("spawn"), initializer=_prepare) as pool:
        runs = [(name, pool.submit(_in_process, *task)) for name, *task in _tasks(arguments)]
        for name, run in runs:
            counted, failure = run.result()
            figures[name].update(counted)
            if failure:
                failures.append(failure)
                print(f"VIOLATION ({name})\n{failure}", flush=True)
    for name, counted in figures.items():
        print(f"{name}: " + ", ".join(f"{number:,} {what}" for what, number in counted.items()))
    print(f"{len(failures)} violations, {time.monotonic() - begun_at:.0f} seconds, seed {arguments.seed}")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
