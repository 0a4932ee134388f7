"""
Kill processes with ``kill -9`` at every statement and every call to the outside, and see whether anything is lost.

    python -m tests.faults.kills --kills 1000
    python -m tests.faults.kills --kills 1000 --database postgres://…

Prints the figures, and the seed that draws the same kills again. The exit code is 1 where a record was lost, an outcome
contradicted its verdict, a provider was paid more often than once more a kill, or work was taken over too late.
"""

from __future__ import annotations

import argparse
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

import django
from django.conf import settings

if TYPE_CHECKING:
    from .trials import Figures

# The provider is made to fail.
QUIET: Final = {"version": 1, "loggers": {"django_imgmod": {"level": "CRITICAL"}}}
CROWD: Final = "any moment"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=1000, help="how many processes (default: 1000)")
    parser.add_argument("--waits", type=int, default=40, help="how many more whose lease is waited for (default: 40)")
    parser.add_argument("--slack", type=float, default=1.0, help="seconds after the lease, there (default: 1)")
    parser.add_argument("--seed", type=int, help="draws the same kills again (default: another one each time)")
    parser.add_argument(
        "--database",
        default=os.environ.get("DATABASE_URL"),
        help="URL (default: DATABASE_URL, or else SQLite in a file)",
    )
    options = parser.parse_args()
    seed = random.randrange(10**6) if options.seed is None else options.seed  # noqa: S311 - no secret
    with tempfile.TemporaryDirectory() as folder, _fault_server() as url, _site(options.database, folder):
        # These have models, which need the settings.
        from .scenarios import Server
        from .trials import Trials

        started = time.monotonic()
        trials = Trials(Server(url), random.Random(seed), tell=_complain)  # noqa: S311 - no secret
        trials.run(options.kills)
        trials.wait(options.waits, timedelta(seconds=options.slack))
        _print(trials.figures, seed, time.monotonic() - started)
    sys.exit(bool(trials.figures.wrong))


@contextmanager
def _fault_server() -> Iterator[str]:
    """In a process of its own: one with threads should not be forked."""
    os.environ["NO_PROXY"] = "127.0.0.1"
    command = [sys.executable, "-m", "tests.faults.server"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603 - our own command
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.kill()


@contextmanager
def _site(database_url: str | None, folder: str) -> Iterator[None]:
    """The tests' site with one database, made for this and thrown away after it."""
    _configure(database_url, folder)
    from django.contrib.auth import get_user_model
    from django.db import connection
    from django.test.utils import setup_test_environment

    setup_test_environment()
    name = connection.settings_dict["NAME"]
    connection.creation.create_test_db(verbosity=0, autoclobber=True)
    try:
        get_user_model().objects.create_user("moderator")
        yield
    finally:
        connection.creation.destroy_test_db(name, verbosity=0)


def _configure(database_url: str | None, folder: str) -> None:
    if database_url:
        os.environ["DATABASE_URL"] = database_url
    # Reads the URL.
    import tests.settings as of_tests

    database: dict[str, Any] = of_tests.DATABASES["default"]
    if "sqlite" in database["ENGINE"]:
        # A process that is killed takes nothing with it that it has handed to the system: no need to wait for the disk.
        options = {"timeout": 20, "init_command": "PRAGMA synchronous = OFF"}
        file = f"{folder}/kills.sqlite3"
        database |= {"NAME": file, "TEST": {"NAME": file}, "OPTIONS": options}
    else:
        database["NAME"] = f"{database['NAME']}_kills_{os.getpid()}"
    values = {name: getattr(of_tests, name) for name in dir(of_tests) if name.isupper()}
    own = {"DATABASES": {"default": database}, "MEDIA_ROOT": f"{folder}/media", "LOGGING": QUIET}
    settings.configure(**{**values, **own})
    django.setup()


def _complain(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _print(figures: Figures, seed: int, seconds: float) -> None:
    lines = [f"{figures.kills.total()} kills, seed {seed}, {settings.DATABASES['default']['ENGINE']}, {seconds:.0f} s"]
    lines += [
        f"  {name:<30}{figures.kills[name]:6} kills at {count} moments" for name, count in figures.moments.items()
    ]
    lines += [f"  {CROWD:<30}{figures.kills[CROWD]:6} kills"]
    lines += [f"  {kind:<30}{figures.wrong[kind]:6}" for kind in ("lost", "contradictory", "repeated", "late")]
    most = f"at most {figures.most_repeated_calls:g} a kill"
    lines += [f"  {'repeated paid calls':<30}{figures.repeated_calls:6}, {most}"]
    if figures.waits:
        slowest = f"{max(figures.waits):6.2f} s at the latest, of {len(figures.waits)} that were waited for"
        lines += [f"  {'recovered with a lease of 1 s':<30}{slowest}"]
    print("\n".join(lines))


if __name__ == "__main__":
    main()
