"""The example site as somebody runs it: in a process of its own, with a database and a media folder of its own."""

import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

CHECKOUT = Path(__file__).parents[2]
DUMMY = "django_imgmod.providers.dummy.DummyProvider"


class ExampleSite:
    def __init__(self, folder: Path, **variables: str) -> None:
        self.folder = folder
        # Nothing of the test settings, nor of the developer's own.
        inherited = {name: os.environ[name] for name in ("PATH", "HOME", "SYSTEMROOT") if name in os.environ}
        self.variables = {
            **inherited,
            "DATABASE_URL": f"sqlite:///{folder / 'db.sqlite3'}",
            "MEDIA_ROOT": str(folder / "media"),
            "CACHE_ROOT": str(folder / "cache"),
            "VAR_ROOT": str(folder),
            "PYTHONIOENCODING": "utf-8",
            **variables,
        }

    def python(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(  # noqa: S603 - our own interpreter
            [sys.executable, *arguments],
            cwd=CHECKOUT,
            env=self.variables,
            capture_output=True,
            encoding="utf-8",
            check=False,
        )

    def manage(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return self.python("example_project/manage.py", *arguments)

    @contextmanager
    def started(self, *arguments: str) -> Iterator[subprocess.Popen[str]]:
        """Begin with a command, as the first of a group of processes; none of the group is left behind."""
        process = subprocess.Popen(  # noqa: S603 - our own interpreter
            [sys.executable, "-u", "example_project/manage.py", *arguments],
            cwd=CHECKOUT,
            env=self.variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            start_new_session=True,
        )
        try:
            yield process
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.communicate()

    def rows(self, statement: str) -> list[tuple[object, ...]]:
        """Look into the database from outside."""
        database = sqlite3.connect(self.folder / "db.sqlite3")
        try:
            return database.execute(statement).fetchall()
        finally:
            database.close()

    def files(self) -> list[str]:
        return sorted(path.name for path in (self.folder / "media").rglob("*") if path.is_file())
