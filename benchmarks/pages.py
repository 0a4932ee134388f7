"""
What a page of 50 pictures costs with ``imgmod_url``, against the same page with ``.url``.

Both are rendered by Django's templates from the same query of their objects, by turns, so that a busy machine slows
all alike; beside them stand pages of pictures that may not be shown, of whole ``<img>`` tags, and of what editors are
told. A page is what a view does: ask for the objects, and render. Beside the wall time stands the CPU of this process,
which other load falsifies less; that of a database server is not in it.

Exits with 1 where ``imgmod_url`` costs more than one query or two milliseconds a page.

    python benchmarks/pages.py                 # SQLite in a file
    DATABASE_URL=postgres://… python benchmarks/pages.py
"""

from __future__ import annotations

import argparse
import gc
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

sys.path.insert(0, str(Path(__file__).parent.parent))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")

import django
from django.conf import settings

WORK = tempfile.TemporaryDirectory()
os.environ.setdefault("DATABASE_URL", f"sqlite:///{WORK.name}/benchmark.sqlite3")
django.setup()
# Nothing is to be judged: the records are made as they are to be.
settings.IMGMOD = {**settings.IMGMOD, "DISPATCHER": "django_imgmod.dispatch.SweepDispatcher"}

from django.db import connection
from django.template import Context, Template
from django.test.utils import CaptureQueriesContext, setup_test_environment

from django_imgmod.choices import Status
from django_imgmod.models import ModerationRecord
from tests.hostapp.models import Photo

MAX_QUERIES: Final = 1
MAX_MS: Final = 2.0
WARM_UP: Final = 3

PASSED: Final = "passed"
BLOCKED: Final = "blocked"
PREFETCH: Final = "{% load imgmod %}{% imgmod_prefetch photos 'image' %}"
FLOOR: Final = ".url"
MEASURED: Final = "imgmod_url"


class Cost(NamedTuple):
    """In milliseconds."""

    wall: float
    cpu: float


@dataclass(frozen=True, slots=True)
class Page:
    """A list of pictures, and how it is rendered."""

    title: str
    template: Template

    def render(self, size: int) -> str:
        photos = Photo.objects.filter(title=self.title).order_by("-pk")[:size]
        return str(self.template.render(Context({"photos": photos})))


def page(shown: str, *, title: str = PASSED, before: str = PREFETCH) -> Page:
    return Page(title, Template(f"{before}{{% for photo in photos %}}{shown}\n{{% endfor %}}"))


def pages() -> dict[str, Page]:
    return {
        FLOOR: page("{{ photo.image.url }}", before=""),
        MEASURED: page("{{ photo.image|imgmod_url }}"),
        "imgmod_url, all blocked": page("{{ photo.image|imgmod_url }}", title=BLOCKED),
        "imgmod_image": page("{% imgmod_image photo.image alt='' %}"),
        "imgmod_status": page(
            "{% imgmod_status photo.image %}", before=PREFETCH.replace("' %}", "' with_status=True %}")
        ),
        "imgmod_url, without prefetching": page("{{ photo.image|imgmod_url }}", before="{% load imgmod %}"),
    }


def fill(count: int) -> None:
    """Save photos of which one half has passed and the other is blocked."""
    for number in range(count):
        Photo.objects.create(title=BLOCKED if number % 2 else PASSED, image=f"photos/2026/picture-{number}.jpg")
    blocked = [str(pk) for pk in Photo.objects.filter(title=BLOCKED).values_list("pk", flat=True)]
    records = ModerationRecord.objects.all()
    records.update(status=Status.PASSED, width=1200, height=800, raw={"labels": ["harbour"] * 50})
    records.filter(object_id__in=blocked).update(status=Status.BLOCKED, reason="high risk: harbour 99.00")


def cost_of(run: Callable[[], object]) -> Cost:
    gc.collect()
    cpu, wall = time.process_time(), time.perf_counter()
    run()
    ended = time.perf_counter()
    return Cost((ended - wall) * 1e3, (time.process_time() - cpu) * 1e3)


def queries_of(run: Callable[[], object]) -> int:
    with CaptureQueriesContext(connection) as queries:
        run()
    return len(queries)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.strip().splitlines()[0])
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--pictures", type=int, default=50, help="pictures a page")
    parser.add_argument("--rows", type=int, default=2000, help="pictures in the table")
    options = parser.parse_args()

    setup_test_environment()
    connection.creation.create_test_db(verbosity=0, autoclobber=True)
    try:
        fill(options.rows)
        renders = {name: lambda one=one: one.render(options.pictures) for name, one in pages().items()}
        queries = {name: queries_of(render) for name, render in renders.items()}
        costs: dict[str, list[Cost]] = {name: [] for name in renders}
        for number in range(WARM_UP + options.rounds):
            for name, render in renders.items():
                cost = cost_of(render)
                if number >= WARM_UP:
                    costs[name].append(cost)
    finally:
        connection.creation.destroy_test_db(connection.settings_dict["NAME"], verbosity=0)

    print(f"{connection.vendor}, pages of {options.pictures} of {options.rows:,} pictures; medians of {options.rounds}")
    more: dict[str, float] = {}
    for name, of_page in costs.items():
        pairs = [(a.wall - b.wall, a.cpu - b.cpu) for a, b in zip(of_page, costs[FLOOR], strict=True)]
        walls, cpus = map(sorted, zip(*pairs, strict=True))
        more[name] = statistics.median(walls)
        quarter = len(walls) // 4
        print(
            f"  {name:<33} {statistics.median(cost.wall for cost in of_page):6.2f} ms {more[name]:+6.2f} "
            f"(middle half {walls[quarter]:+.2f} to {walls[-quarter - 1]:+.2f}), "
            f"{statistics.median(cpus):+6.2f} ms of CPU, {queries[name]} queries"
        )
    is_cheap = more[MEASURED] <= MAX_MS and queries[MEASURED] <= queries[FLOOR] + MAX_QUERIES
    return 0 if is_cheap else 1


if __name__ == "__main__":
    sys.exit(main())
