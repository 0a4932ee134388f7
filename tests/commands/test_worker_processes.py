"""Several worker processes side by side: real ones, on a database file of their own."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.sites import DEADLINE, Site, children_of, eventually

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


@pytest.fixture
def site(tmp_path: Path) -> Site:
    database = {"ENGINE": "django.db.backends.sqlite3", "NAME": str(tmp_path / "site.sqlite3")}
    dummy = {"default": {"BACKEND": "django_imgmod.providers.dummy.DummyProvider"}}
    return Site(tmp_path, repr({**database, "OPTIONS": {"timeout": 20}}), PROVIDERS=dummy)


@pytest.fixture
def workers(site: Site) -> Iterator[subprocess.Popen[str]]:
    command = ["imgmod_worker", "--processes=2", "--interval=0.1", "--verbosity=0"]
    with site.start(*command, start_new_session=True) as process:
        eventually(lambda: len(children_of(process.pid)) == 2)
        yield process
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)


def save(site: Site, count: int) -> None:
    site.run("shell", "--verbosity=0", "-c", SAVE % count)


def statuses(site: Site) -> str:
    return site.run("shell", "--verbosity=0", "-c", COUNT).strip()


def is_running(pid: int) -> bool:
    """Whether a process is there that has not ended: one that nobody has waited for yet does not count."""
    listed = subprocess.run(["ps", "-p", str(pid), "-o", "stat="], capture_output=True, text=True, check=False)  # noqa: S603, S607
    return bool(listed.stdout.strip()) and not listed.stdout.strip().startswith("Z")


def test_once_shares_the_work_and_ends(site):
    save(site, 20)
    output = site.run("imgmod_worker", "--once", "--processes=3")
    assert len(re.findall("^passed ", output, re.MULTILINE)) == 20
    assert statuses(site) == "{'passed': 20}"


def test_process_that_was_killed_is_replaced(site, workers):
    before = children_of(workers.pid)
    os.kill(before[0], signal.SIGKILL)
    eventually(lambda: len(children_of(workers.pid)) == 2 and before[0] not in children_of(workers.pid))
    save(site, 3)
    eventually(lambda: statuses(site) == "{'passed': 3}")


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
