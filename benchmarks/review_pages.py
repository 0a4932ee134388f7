"""
What the pages of the review desk take in a large table, compared with a small one and with a plain ModelAdmin.

Fills two databases of which one record of a hundred waits. Each page is asked for as a browser does, by turns in both,
so that a busy machine slows all alike. Beside the wall time stands the CPU of this process and, where it runs on this
machine, of the server's, which other load falsifies less. The plain ModelAdmin has the columns and the filters of the
grid, shows what waits, the oldest first, and nothing else is set.

Exits with 1 where a page of the grid costs more than 1.5 times as much in the large table, in seconds or in CPU, or is
not at least 20 times faster there than the plain ModelAdmin.

    DATABASE_URL=postgres://… python benchmarks/review_pages.py                   # 2 GB, five minutes
    DATABASE_URL=postgres://… python benchmarks/review_pages.py --large 100000
"""

from __future__ import annotations

import argparse
import gc
import os
import re
import statistics
import sys
import time
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

sys.path.insert(0, str(Path(__file__).parent.parent))

from benchmarks.postgresql import own_name

# Before the models: it makes the settings.
from benchmarks.review import prepare
from benchmarks.scale import cpu_seconds, database, session

# isort: split
from django.conf import settings
from django.contrib import admin
from django.contrib.auth import get_user_model
from django.db import connections
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import path
from django.utils import timezone

from django_imgmod.models import Decision, ModerationRecord

MAX_RATIO: Final = 1.5
MIN_GAIN: Final = 20
WARM_UP: Final = 3
DECISIONS: Final = 20_000

DESK: Final = "/admin/django_imgmod/moderationrecord/review"
PLAIN: Final = "/plain/django_imgmod/moderationrecord/?status__exact=in_review"
GRID: Final = f"{DESK}/grid/?lane=first"
PAGES: Final = {
    "grid": GRID,
    "grid, low risk": f"{DESK}/grid/",
    "grid, by label": f"{DESK}/grid/?lane=first&label=nudity",
    "grid, a later page": "",
    "statistics": f"{DESK}/statistics/",
}


class PlainAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    list_display = ("file_name", "labels", "risk_level", "created_at")
    list_filter = ("status", "risk_level", "top_label", "content_type", "provider")
    ordering = ("created_at",)

    def labels(self, record: ModerationRecord) -> str:
        return ", ".join(map(str, record.detected_labels.all()))


plain = admin.AdminSite(name="plain")
plain.register(ModerationRecord, PlainAdmin)
urlpatterns = [path("admin/", admin.site.urls), path("plain/", plain.urls)]

# Decided within the last month: as many as the statistics read.
_DECIDED: Final = f"""
    UPDATE {Decision._meta.db_table}
    SET decided_at = %s::timestamptz - interval '29 days' * mod(id, 1000) / 1000, status_before = 'in_review',
        decided_by_id = %s
    WHERE id IN (SELECT id FROM {Decision._meta.db_table} ORDER BY id DESC LIMIT %s)
"""  # noqa: S608 - names of our own


@dataclass(frozen=True, slots=True)
class Cost:
    wall_ms: float
    cpu_ms: float


class Site:
    """The site as somebody sees it who is logged in, on one of the databases."""

    def __init__(self, name: str, wrapper: Any) -> None:
        self.wrapper = wrapper
        self._enter()
        user, _ = get_user_model()._default_manager.get_or_create(
            username="moderator", defaults={"is_superuser": True, "is_staff": True}
        )
        prepare(name, user)
        with session(name) as opened:
            opened.execute(_DECIDED, [timezone.now() - timedelta(hours=1), user.pk, DECISIONS])
            opened.execute("VACUUM (ANALYZE)")
        self._client = Client()
        self._client.force_login(user)

    def cost_of(self, address: str) -> Cost:
        self._enter()
        gc.collect()
        cpu, began = cpu_seconds(self.wrapper), time.perf_counter()
        self._get(address)
        ended = time.perf_counter()
        return Cost((ended - began) * 1e3, (cpu_seconds(self.wrapper) - cpu) * 1e3)

    def statements_of(self, address: str) -> int:
        self._enter()
        with CaptureQueriesContext(self.wrapper) as queries:
            self._get(address)
        return len(queries)

    def later_page(self, count: int) -> str:
        """Return the address of the grid some pages on."""
        self._enter()
        address = GRID
        for _ in range(count):
            after = re.findall(r"after=[^&\"]+", self._get(address).content.decode())[-1]
            address = f"{GRID}&{after}"
        return address

    def _enter(self) -> None:
        connections["default"] = self.wrapper

    def _get(self, address: str) -> Any:
        response = self._client.get(address)
        assert response.status_code == 200, f"{address} answered {response.status_code}"
        return response


def compare(name: str, small: tuple[Site, str], large: tuple[Site, str], rounds: int) -> tuple[float, float]:
    """Print what a page costs in both; return by what factor it costs more in the large one, in seconds and CPU."""
    costs: tuple[list[Cost], list[Cost]] = ([], [])
    for number in range(WARM_UP + rounds):
        # Who comes second finds the caches as the first left them: each is that as often as the other.
        for place in (0, 1) if number % 2 else (1, 0):
            site, address = (small, large)[place]
            cost = site.cost_of(address)
            if number >= WARM_UP:
                costs[place].append(cost)
    walls, cpus = zip(*(medians(side) for side in costs), strict=True)
    statements = [site.statements_of(address) for site, address in (small, large)]
    print(
        f"  {name:<20} {walls[0]:>7.1f} {walls[1]:>7.1f} ms {walls[1] / walls[0]:>5.2f}x"
        f"   {cpus[0]:>7.1f} {cpus[1]:>7.1f} ms of CPU {cpus[1] / cpus[0]:>5.2f}x   {statements[1]} statements",
        flush=True,
    )
    return walls[1] / walls[0], cpus[1] / cpus[0]


def medians(costs: list[Cost]) -> tuple[float, float]:
    return statistics.median(cost.wall_ms for cost in costs), statistics.median(cost.cpu_ms for cost in costs)


def gain(site: Site, rounds: int) -> float:
    """Print what the plain list costs beside the grid; return how many times faster the grid is."""
    costs: dict[str, list[Cost]] = {GRID: [], PLAIN: []}
    for number in range(WARM_UP + rounds):
        for address, found in costs.items():
            cost = site.cost_of(address)
            if number >= WARM_UP:
                found.append(cost)
    grid, other = (medians(found) for found in costs.values())
    print(
        f"  plain ModelAdmin   {other[0]:>7.1f} ms, {other[1]:.1f} ms of CPU; {site.statements_of(PLAIN)} statements\n"
        f"  the grid           {grid[0]:>7.1f} ms, {grid[1]:.1f} ms of CPU: "
        f"{other[0] / grid[0]:.1f} times faster, {other[1] / grid[1]:.1f} in CPU",
        flush=True,
    )
    return other[0] / grid[0]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.strip().splitlines()[0])
    parser.add_argument("--small", type=int, default=10_000)
    parser.add_argument("--large", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--keep", metavar="NAME", help="keep the large database under this name, or use it")
    options = parser.parse_args()
    if not os.environ.get("DATABASE_URL", "").startswith("postgres"):
        parser.error("DATABASE_URL must name a database of a PostgreSQL server.")
    settings.ROOT_URLCONF = "benchmarks.review_pages"
    settings.ALLOWED_HOSTS = ["testserver"]
    names = (own_name("small"), options.keep or own_name("large"))
    with (
        database(names[0], options.small) as few,
        database(names[1], options.large, is_kept=bool(options.keep)) as many,
    ):
        small, large = Site(names[0], few), Site(names[1], many)
        print(f"pages in tables of {options.small:,} and {options.large:,} records; medians of {options.rounds}")
        ratios = []
        for name, address in PAGES.items():
            addresses = [address or site.later_page(2) for site in (small, large)]
            ratios.append(compare(name, (small, addresses[0]), (large, addresses[1]), options.rounds))
        times_faster = gain(large, options.rounds)
    return 0 if max(ratios[0]) <= MAX_RATIO and times_faster >= MIN_GAIN else 1


if __name__ == "__main__":
    sys.exit(main())
