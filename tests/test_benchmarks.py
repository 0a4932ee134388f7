"""
Each benchmark still runs: it comes to its end in its shortest form and prints its figures, whatever these are.

Collected is what can run on the database of the tests and with what is installed. What asks no database runs where
that is SQLite.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import pytest
from django.db import connection

from tests.e2e.chromium import missing

FOLDER: Final = Path(__file__).parents[1] / "benchmarks"
# In seconds: for what hangs, not for what is slow.
DEADLINE: Final = 280

SQLITE, POSTGRESQL, MARIADB = "sqlite", "postgresql", "mysql"
HAS_SDKS: Final = bool(find_spec("oss2") and find_spec("alibabacloud_green20220302"))


@dataclass(frozen=True, slots=True)
class Benchmark:
    """A script or package of the folder, its shortest form, and what its last line says."""

    name: str
    options: str
    says: str
    vendors: tuple[str, ...] = (SQLITE, POSTGRESQL, MARIADB)
    is_installed: bool = True

    @property
    def can_run(self) -> bool:
        return connection.vendor in self.vendors and self.is_installed


BENCHMARKS: Final = (
    Benchmark(
        "throughput.py",
        "--seconds=4 --warm-up=1 --processes=2",
        r"^below capacity: .* \d+\.\d\d s at the 99th percentile",
        (POSTGRESQL,),
    ),
    Benchmark(
        "review_pages.py",
        "--small=8000 --large=8000 --rounds=1",
        r"^  the grid .* \d+\.\d times faster, \d+\.\d in CPU",
        (POSTGRESQL,),
    ),
    Benchmark(
        "scale.py",
        "--small=1000 --large=1000 --rounds=1 --slices=1",
        r"^a record costs \d+\.\d\dx .* reconcile needs [+-]\d+ MB",
        (POSTGRESQL,),
    ),
    Benchmark(
        "queues",
        "--rounds=1 --records=100 --processes=2",
        r"^django-tasks-db +[\d,]+ .*\d\.\d\dx",
        (POSTGRESQL,),
    ),
    Benchmark(
        "review_keys.py",
        "--records=1000 --keys=2",
        r"^  hurried +\d+\.\d ms median",
        (POSTGRESQL,),
        is_installed=not missing(),
    ),
    Benchmark("review.py", "--records=5000 --crowd=20 --rounds=1", r"^  20 decided +\d+\.\d+ ms", (POSTGRESQL,)),
    Benchmark("clients.py", "--rounds=1 --processes=1", r" \d+\.\d MB", (SQLITE,), is_installed=HAS_SDKS),
    Benchmark("preview.py", "--rounds=1", r"^  large +\d+\.\d ms CPU", (SQLITE,)),
    Benchmark("engine.py", "--rounds=1 --times=1", r"peak while judging \d+ MB", (SQLITE,)),
    Benchmark(
        "claims.py", "--records=100 --processes=2", r"^claims of  100: .* claimed and done", (POSTGRESQL, MARIADB)
    ),
    Benchmark("backfill.py", "--rows=200", r"^planned in \d+\.\d s .* \d+ MB at the peak", (POSTGRESQL, MARIADB)),
    Benchmark("pages.py", "--rounds=1 --rows=20 --pictures=5", r"^  imgmod_url, without prefetching +\d+\.\d\d ms"),
    Benchmark("callbacks.py", "--rounds=1 --callbacks=10", r"^  authentic, InlineDispatcher +[\d,]+ +\d+\.\d\dx"),
    Benchmark("save.py", "--rounds=1 --saves=2", r"^  watched / bare save +\d+\.\d\dx"),
)
LEFT_OUT: Final = {
    "peer.py",  # installs another package, and a Django of its own, from a package index
    "postgresql.py",  # no benchmark: what several of them share
}


@pytest.fixture
def folder() -> Iterator[str]:
    """Give a temporary folder with a path that is short enough for the sockets that a browser makes there."""
    with tempfile.TemporaryDirectory(prefix="imgmod-") as path:
        yield path


@pytest.fixture
def environment(folder: str, request: pytest.FixtureRequest) -> dict[str, str]:
    """Where nothing collides: a folder and a database of each benchmark's own, and no brokers."""
    unwanted = ("DATABASE_URL", "OTHER_DATABASE_URL", "DJANGO_SETTINGS_MODULE", "IMGMOD_AMQP_URL", "IMGMOD_REDIS_URL")
    variables = {name: value for name, value in os.environ.items() if name not in unwanted}
    if connection.vendor != SQLITE:
        # Not the name of a test database, which is already another one in each process of pytest-xdist.
        url = urlsplit(os.environ["DATABASE_URL"])
        name = request.node.callspec.id.removesuffix(".py")
        variables["DATABASE_URL"] = url._replace(path=f"{url.path}_benchmark_{name}").geturl()
    return {**variables, "TMPDIR": folder}


@pytest.mark.parametrize("benchmark", [pytest.param(each, id=each.name) for each in BENCHMARKS if each.can_run])
def test_comes_to_its_end_with_figures(benchmark: Benchmark, environment: dict[str, str], folder: str) -> None:
    with subprocess.Popen(  # noqa: S603 - our own scripts
        [sys.executable, str(FOLDER / benchmark.name), *benchmark.options.split()],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # With a group of its own it can be killed with all that it has started.
        start_new_session=True,
    ) as process:
        try:
            output, complaints = process.communicate(timeout=DEADLINE)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
    said = f"{output}\n{complaints}"
    # 1 is also the answer of a benchmark with a figure that is too low: that is no matter here.
    assert process.returncode in (0, 1), said
    assert "Traceback (most recent call last)" not in said, said
    assert re.search(benchmark.says, output.rstrip().rpartition("\n")[2]), said


def test_each_one_is_in_the_list() -> None:
    scripts = {path.name for path in FOLDER.glob("*.py")}
    packages = {path.parent.name for path in FOLDER.glob("*/__main__.py")}
    assert sorted([each.name for each in BENCHMARKS] + [*LEFT_OUT]) == sorted(scripts | packages)
