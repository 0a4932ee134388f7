"""A site in a folder, driven by processes: these see each other only through the database."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

DEADLINE = 120.0

SETTINGS = """
from tests.settings import *
DATABASES = {"default": %(database)s}
MEDIA_ROOT = %(media)r
IMGMOD = {
    **IMGMOD,
    "PROVIDERS": {"default": {"BACKEND": "tests.faults.digesting.DigestProvider"}},
    "DISPATCHER": "django_imgmod.dispatch.SweepDispatcher",
    **%(imgmod)r,
}
LOGGING = {
    "version": 1,
    "handlers": {"stderr": {"class": "logging.StreamHandler"}},
    "loggers": {"django_imgmod": {"handlers": ["stderr"], "level": "INFO"}},
}
"""


class Site:
    """
    A site whose photos are judged by ``imgmod_worker``.

    ``database`` is the entry of DATABASES, as Python source; ``imgmod`` are keys of IMGMOD.
    """

    def __init__(self, folder: Path, database: str, **imgmod: object) -> None:
        self.folder = folder
        values = {"database": database, "media": str(folder / "media"), "imgmod": imgmod}
        (folder / "site_settings.py").write_text(SETTINGS % values)
        path = os.pathsep.join([str(folder), str(Path(__file__).parents[2])])
        environment = {"PYTHONPATH": path, "DJANGO_SETTINGS_MODULE": "site_settings", "PYTHONWARNINGS": "error"}
        # What else is said there about a database is not about this one.
        inherited = {name: value for name, value in os.environ.items() if not name.endswith("DATABASE_URL")}
        self._environment = {**inherited, **environment}
        self.run("migrate", "--run-syncdb", "--verbosity=0")

    def start(self, *arguments: str, **options: Any) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "django", *arguments]
        return subprocess.Popen(command, env=self._environment, text=True, **options)  # noqa: S603 - our own command

    def start_call(self, function: str, *arguments: object) -> subprocess.Popen[str]:
        """Call ``package.module.function`` in a process of its own."""
        module, _, name = function.rpartition(".")
        source = f"from {module} import {name}; {name}(*{arguments!r})"
        return self.start("shell", "--verbosity=0", "-c", source, stdout=subprocess.PIPE)

    def run(self, *arguments: str) -> str:
        return ended(self.start(*arguments, stdout=subprocess.PIPE))

    def call(self, function: str, *arguments: object) -> str:
        """Call ``package.module.function``; return what it prints."""
        return ended(self.start_call(function, *arguments))

    @contextmanager
    def workers(self, count: int, *, interval: float = 0.1) -> Iterator[Workers]:
        """Have ``imgmod_worker`` run in so many processes."""
        log = self.folder / "worker.log"
        command = ["imgmod_worker", f"--processes={count}", f"--interval={interval}", "--verbosity=0"]
        with log.open("w") as file, self.start(*command, start_new_session=True, stderr=file) as process:
            try:
                eventually(lambda: len(children_of(process.pid)) == count or log.read_text())
                assert len(children_of(process.pid)) == count, log.read_text()
                yield Workers(process, log)
                process.terminate()
                process.wait(DEADLINE)
            finally:
                if process.poll() is None:
                    os.killpg(process.pid, signal.SIGKILL)

    @contextmanager
    def uploading(self, count: int, *ways: str) -> Iterator[list[Path]]:
        """
        Have so many processes upload, see ``uploads.upload``; yield the files of their notes.

        Each has noted something before the block begins, and must end in order after it.
        """
        stop = self.folder / "stop"
        notes = [self.folder / f"{number}.notes" for number in range(count)]
        processes: list[subprocess.Popen[str]] = []
        try:
            for path in notes:
                path.touch()
                processes.append(self.start_call("tests.faults.uploads.upload", ways, str(path), str(stop)))
            eventually(lambda: all(path.stat().st_size for path in notes))
            yield notes
        finally:
            stop.touch()
            for process in processes:
                ended(process)

    def settle(self) -> None:
        """Wait until the workers have brought all records to an outcome. Leases and retries need not be waited for."""
        eventually(lambda: self.call("tests.faults.uploads.let_time_pass").strip() == "0")

    def examine(self) -> dict[str, Any]:
        """Return what is wrong with acknowledged uploads and what else is to be known, see ``uploads.examine``."""
        found: dict[str, Any] = json.loads(self.call("tests.faults.uploads.examine", str(self.folder)))
        return found


class Workers:
    """The processes of one ``imgmod_worker``, and what they say."""

    def __init__(self, process: subprocess.Popen[str], log: Path) -> None:
        self._process = process
        self._log = log
        self._pids = children_of(process.pid)

    @property
    def are_unharmed(self) -> bool:
        """Whether all are the processes that were there in the beginning."""
        return self._process.poll() is None and children_of(self._process.pid) == self._pids

    def count_lines(self, beginning: str) -> int:
        return len(re.findall(f"^{re.escape(beginning)}", self._log.read_text(), re.MULTILINE))


def read_notes(folder: Path) -> list[dict[str, Any]]:
    """Return what the processes that upload have noted, one for each upload."""
    return [json.loads(line) for path in sorted(folder.glob("*.notes")) for line in path.read_text().splitlines()]


def ended(process: subprocess.Popen[str], deadline: float = DEADLINE) -> str:
    """Return what a process prints until its orderly end."""
    output, _ = process.communicate(timeout=deadline)
    assert process.returncode == 0, f"{process.args} ended with {process.returncode}"
    return str(output)


def eventually(is_true: Callable[[], Any]) -> None:
    deadline = time.monotonic() + DEADLINE
    while not is_true():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.05)


def children_of(pid: int) -> list[int]:
    """Return the processes that work, without Python's own helper."""
    listed = subprocess.run(["ps", "-A", "-ww", "-o", "pid=,ppid=,args="], capture_output=True, text=True, check=True)  # noqa: S607
    found = re.findall(rf"^\s*(\d+)\s+{pid}\s.*spawn_main", listed.stdout, re.MULTILINE)
    return sorted(int(number) for number in found)
