"""Several worker processes side by side: real ones, on a database file of their own."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

DEADLINE = 60.0

# The processes of one site: saves and workers see each other only through the database.
SETTINGS = """
from tests.settings import *
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": %(database)r, "OPTIONS": {"timeout": 20}}}
MEDIA_ROOT = %(media)r
IMGMOD = {**IMGMOD, "DISPATCHER": "django_imgmod.dispatch.SweepDispatcher"}
LOGGING = {
    "version": 1,
    "handlers": {"stderr": {"class": "logging.StreamHandler"}},
    "loggers": {"django_imgmod": {"handlers": ["stderr"], "level": "INFO"}},
}
"""

SAVE = """
import io
from django.core.files.base import ContentFile
from PIL import Image
from tests.hostapp.models import Photo
for number in range(%d):
    output = io.BytesIO()
    Image.new("RGB", (8, 8), (number, 90, 160)).save(output, "PNG")
    Photo.objects.create(image=ContentFile(output.getvalue(), name="picture.png"))
"""

COUNT = """
from collections import Counter
from django_imgmod.models import ModerationRecord
print(dict(Counter(ModerationRecord.objects.values_list("status", flat=True))))
"""


class Site:
    """A site in a folder, driven by its management commands."""

    def __init__(self, folder: Path) -> None:
        root = str(Path(__file__).parents[2])
        values = {"database": str(folder / "site.sqlite3"), "media": str(folder / "media")}
        (folder / "site_settings.py").write_text(SETTINGS % values)
        path = os.pathsep.join([str(folder), root])
        environment = {"PYTHONPATH": path, "DJANGO_SETTINGS_MODULE": "site_settings", "PYTHONWARNINGS": "error"}
        self.environment = {**os.environ, **environment}
        self.run("migrate", "--run-syncdb", "--verbosity=0")

    def start(self, *arguments: str, **options: Any) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "django", *arguments]
        return subprocess.Popen(command, env=self.environment, text=True, **options)  # noqa: S603 - our own command

    def run(self, *arguments: str) -> str:
        process = self.start(*arguments, stdout=subprocess.PIPE)
        output, _ = process.communicate(timeout=DEADLINE)
        assert process.returncode == 0
        return str(output)

    def save(self, count: int) -> None:
        self.run("shell", "--verbosity=0", "-c", SAVE % count)

    def statuses(self) -> str:
        return self.run("shell", "--verbosity=0", "-c", COUNT).strip()


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


@pytest.fixture
def workers(site: Site) -> Iterator[subprocess.Popen[str]]:
    command = ["imgmod_worker", "--processes=2", "--interval=0.1", "--verbosity=0"]
    with site.start(*command, start_new_session=True) as process:
        eventually(lambda: len(children_of(process.pid)) == 2)
        yield process
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)


def eventually(is_true: Callable[[], Any]) -> None:
    deadline = time.monotonic() + DEADLINE
    while not is_true():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.05)


def children_of(pid: int) -> list[int]:
    """Return the processes that work, without Python's own helper."""
    listed = subprocess.run(["ps", "-A", "-ww", "-o", "pid=,ppid=,args="], capture_output=True, text=True, check=True)  # noqa: S607
    found = re.findall(rf"^\s*(\d+)\s+{pid}\s.*spawn_main", listed.stdout, re.MULTILINE)
    return [int(number) for number in found]


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return "Z" not in Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1][:3] if Path("/proc").exists() else True


def test_once_shares_the_work_and_ends(site):
    site.save(20)
    output = site.run("imgmod_worker", "--once", "--processes=3")
    assert len(re.findall("^passed ", output, re.MULTILINE)) == 20
    assert site.statuses() == "{'passed': 20}"


def test_process_that_was_killed_is_replaced(site, workers):
    before = children_of(workers.pid)
    os.kill(before[0], signal.SIGKILL)
    eventually(lambda: len(children_of(workers.pid)) == 2 and before[0] not in children_of(workers.pid))
    site.save(3)
    eventually(lambda: site.statuses() == "{'passed': 3}")


@pytest.mark.parametrize("is_for_all", [False, True])
def test_signal_to_stop_ends_all_of_them_in_order(workers, is_for_all):
    pids = children_of(workers.pid)
    (os.killpg if is_for_all else os.kill)(workers.pid, signal.SIGTERM)
    assert workers.wait(DEADLINE) == 0
    assert not any(map(is_running, pids))


def test_none_stays_behind_when_the_first_is_killed(workers):
    pids = children_of(workers.pid)
    workers.kill()
    eventually(lambda: not any(map(is_running, pids)))
