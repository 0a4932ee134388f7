import re
import subprocess
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import pytest

from django_imgmod.choices import Status

from .site import DUMMY, ExampleSite

ROW = re.compile(
    rf"^(?P<picture>\S.*?)  +.* (?P<status>{'|'.join(Status.values)}) +(?P<milliseconds>\d+)$", re.MULTILINE
)
RECORDS = "SELECT file_name, status, sha256 FROM django_imgmod_moderationrecord ORDER BY id"


@dataclass(frozen=True)
class FirstRun:
    site: ExampleSite
    result: subprocess.CompletedProcess[str]
    records: list[tuple[object, ...]]
    files: list[str]


@pytest.fixture(scope="module")
def first_run(tmp_path_factory: pytest.TempPathFactory) -> FirstRun:
    """The demo on an empty database, judged by the embedded engine, and what it left behind."""
    site = ExampleSite(tmp_path_factory.mktemp("site"))
    migrated = site.manage("migrate", "--verbosity", "0")
    assert migrated.returncode == 0, migrated.stderr
    return FirstRun(site, site.manage("demo"), site.rows(RECORDS), site.files())


def test_demo_shows_every_status_for_its_reason(first_run: FirstRun) -> None:
    result = first_run.result

    assert result.returncode == 0, result.stderr
    pictures = defaultdict(set)
    for row in ROW.finditer(result.stdout):
        pictures[row["status"]].add(row["picture"])
    assert sum(map(len, pictures.values())) >= 16
    assert pictures["blocked"] == {"Test card, high risk"}
    assert pictures["in_review"] == {
        "Broken off half-way",
        "Not a picture at all",
        "Sticker on a wall",
        "Test card, medium risk",
    }
    assert pictures["passed"] >= {"Lift-off", "Coffee", "Panorama of the sky", "Portrait, held sideways"}
    assert pictures["superseded"] == {"Coffee, out of focus"}
    assert pictures["submitted"] == {"Greetings from the wall"}
    assert pictures["pending"] == {"Station clock"}
    assert "Every status occurred." in result.stdout


def test_demo_fits_a_terminal(first_run: FirstRun) -> None:
    # The last line is a command, as long as the path of the interpreter.
    assert max(map(len, first_run.result.stdout.splitlines()[:-1])) <= 120


def test_second_demo_ends_as_the_first(first_run: FirstRun) -> None:
    site = first_run.site

    result = site.manage("demo")

    assert result.returncode == 0, result.stderr
    assert site.rows(RECORDS) == first_run.records
    assert site.files() == first_run.files
    assert site.rows("SELECT username FROM auth_user ORDER BY id") == [("editor",), ("moderator",), ("admin",)]


def test_demo_refuses_where_debug_is_off(tmp_path: Path) -> None:
    site = ExampleSite(tmp_path, DEBUG="false", SECRET_KEY="secret", IMGMOD_BACKEND=DUMMY)

    result = site.manage("demo", "--skip-checks")

    assert result.returncode == 1
    assert "only with DEBUG on" in result.stderr
