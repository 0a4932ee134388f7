"""
From uploads to verdicts through a provider that allows 100 requests a second.

Real processes: one saves photos, ``imgmod_worker`` judges them in several, a server on loopback answers after 20 ms and
counts what arrives. First more is uploaded than the rate allows: how much of the rate is used, and is it ever exceeded
in any second? Then less: how long does a picture wait for its verdict?

    DATABASE_URL=postgres://… python benchmarks/throughput.py             # ten minutes, then two
    DATABASE_URL=postgres://… python benchmarks/throughput.py --seconds 60
    DATABASE_URL=postgres://… python benchmarks/throughput.py --prepared  # with the OPTIONS of docs/databases.md
"""

from __future__ import annotations

import argparse
import io
import math
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))

import environ

from benchmarks.postgresql import PREPARED, own_name
from tests.faults.server import FaultServer
from tests.faults.sites import Site, ended

QPS = 100
LATENCY = 0.02


def feed(rate: float, seconds: float) -> None:
    """Save photos at a steady rate. Runs in a process of the site."""
    from django.core.files.base import ContentFile
    from PIL import Image

    from tests.hostapp.models import Photo

    output = io.BytesIO()
    Image.new("RGB", (8, 8)).save(output, "PNG")
    began = time.monotonic()
    number = 0
    while (elapsed := time.monotonic() - began) < seconds:
        if number / rate > elapsed:
            time.sleep(number / rate - elapsed)
        # What follows the end of a picture is not looked at, but makes other bytes.
        Photo.objects.create(image=ContentFile(output.getvalue() + f"{began} {number}".encode(), name="photo.png"))
        number += 1


def print_latencies(warm_up: float) -> None:
    """Print the median and the 99th percentile from upload to verdict, in seconds, of what is counted."""
    from django_imgmod.models import ModerationRecord

    begins_at = ModerationRecord.objects.earliest("created_at").created_at + timedelta(seconds=warm_up)
    times = ModerationRecord.objects.filter(created_at__gte=begins_at).values_list("created_at", "verdict_at")
    waits = sorted((verdict_at - created_at).total_seconds() for created_at, verdict_at in times if verdict_at)
    assert len(waits) == times.count(), "a picture got no verdict"
    print(waits[len(waits) // 2], waits[int(len(waits) * 0.99)])


@contextmanager
def database(url: str, **options: object) -> Iterator[str]:
    """Make an empty database on the server of ``url``; yield its entry of DATABASES, as Python source."""
    import psycopg
    from psycopg import sql

    entry: dict[str, Any] = environ.Env.db_url_config(url)
    name = own_name("throughput")
    with psycopg.connect(url.rsplit("/", 1)[0] + "/postgres", autocommit=True) as server:
        server.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        try:
            yield repr({**entry, "NAME": name, "OPTIONS": options})
        finally:
            server.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def most_in_a_second(arrivals: list[float]) -> int:
    most, first = 0, 0
    for index, arrival in enumerate(arrivals):
        while arrivals[first] <= arrival - 1:
            first += 1
        most = max(most, index - first + 1)
    return most


@contextmanager
def busy_site(
    url: str, processes: int, *, interval: float, options: Mapping[str, object]
) -> Iterator[tuple[Site, FaultServer]]:
    """Have workers run for a site that is new, beside the server that they ask."""
    with tempfile.TemporaryDirectory() as folder, FaultServer() as server, database(url, **options) as entry:
        # A limit that is never reached: the server counts by itself, and a 429 would only hide what came too early.
        server.behave("submit", "latency", seconds=LATENCY)
        provider = {"BACKEND": "tests.faults.provider.LoopbackProvider", "OPTIONS": {"url": server.url, "qps": QPS}}
        site = Site(Path(folder), entry, PROVIDERS={"default": provider})
        with site.workers(processes, interval=interval):
            yield site, server


def above_capacity(url: str, processes: int, seconds: float, *, warm_up: float, options: Mapping[str, object]) -> bool:
    """Upload more than the rate allows; return whether enough of it is used, and no more."""
    with busy_site(url, processes, interval=0.1, options=options) as (site, server):
        began = time.monotonic()
        ended(site.start_call("benchmarks.throughput.feed", QPS * 1.02, seconds), seconds + 60)
        arrivals = sorted(entry.at for entry in server.log("submit") if began + warm_up <= entry.at < began + seconds)
    kept = len(arrivals) / (QPS * (seconds - warm_up))
    most = most_in_a_second(arrivals)
    shortest = min((after - before for before, after in zip(arrivals, arrivals[QPS:], strict=False)), default=math.inf)
    print(f"above capacity: {kept:.1%} of the rate used, at most {most} requests in any second", end=" ")
    print(f"({QPS + 1} came within {shortest:.3f} s)", flush=True)
    return kept >= 0.98 and most <= QPS


def below_capacity(url: str, processes: int, seconds: float, *, warm_up: float, options: Mapping[str, object]) -> bool:
    """Upload half of what the rate allows; return whether each picture has its verdict soon."""
    seconds += warm_up
    with busy_site(url, processes, interval=0.5, options=options) as (site, _):
        ended(site.start_call("benchmarks.throughput.feed", QPS * 0.5, seconds), seconds + 60)
        site.settle()
        median, p99 = map(float, site.call("benchmarks.throughput.print_latencies", warm_up).split())
    print(f"below capacity: from upload to verdict {median:.2f} s in the median, {p99:.2f} s at the 99th percentile")
    return p99 < 2


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--warm-up", type=float, default=15, help="seconds, in which processes start: not counted")
    parser.add_argument("--processes", type=int, default=8)
    parser.add_argument("--prepared", action="store_true", help="with prepared statements")
    options = parser.parse_args()
    url = os.environ.get("DATABASE_URL", "")
    if not url.startswith("postgres"):
        parser.error("DATABASE_URL must name a database of a PostgreSQL server.")
    given = {"warm_up": options.warm_up, "options": PREPARED if options.prepared else {}}
    is_kept = above_capacity(url, options.processes, options.seconds, **given)
    is_quick = below_capacity(url, options.processes, options.seconds / 5, **given)
    return 0 if is_kept and is_quick else 1


if __name__ == "__main__":
    sys.exit(main())
