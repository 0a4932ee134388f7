"""
What a record costs in a large table, compared with a small one, and what the commands take there.

Fills two databases with judged records and their photos. Then photos are saved and judged in both by turns, ten at a
time, so that a busy machine slows both alike. On the large one follow reconcile, prune and status, each in a process
of its own. Exits with 1 where a record costs more than 1.2 times as much in the large table, in seconds or in CPU, or
where reconcile needs more than 20 MB more there.

    DATABASE_URL=postgres://… python benchmarks/scale.py                          # 15 GB, a quarter of an hour
    DATABASE_URL=postgres://… python benchmarks/scale.py --large 200000
    DATABASE_URL=postgres://… python benchmarks/scale.py --keep imgmod_scale --whole

With ``--keep`` the large database stays under that name, and is not filled again the next time.
"""

from __future__ import annotations

import argparse
import gc
import hashlib
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, fields
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

sys.path.insert(0, str(Path(__file__).parent.parent))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")

from django.conf import settings

_JUDGE = {"BACKEND": "tests.faults.digesting.DigestProvider"}
settings.DATABASES = {"default": settings.DATABASES["default"]}
settings.IMGMOD = {
    "PROVIDERS": {"default": _JUDGE, "second": _JUDGE},
    "DISPATCHER": "django_imgmod.dispatch.SweepDispatcher",
}
# In memory: what files cost does not depend on the table, and would only make it look cheaper.
settings.STORAGES = {**settings.STORAGES, "default": {"BACKEND": "django.core.files.storage.InMemoryStorage"}}

import django

django.setup()

import psycopg
from django.contrib.contenttypes.models import ContentType
from django.core.files.base import ContentFile
from django.core.management import call_command
from django.core.management.color import no_style
from django.db import connection, connections, models
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from psycopg import sql

from benchmarks.backfill import FIELD, peak_megabytes
from benchmarks.postgresql import own_name
from django_imgmod.management.arguments import watched_fields_named
from django_imgmod.models import Decision, DetectedLabel, ModerationRecord
from django_imgmod.services.passes import SLICE
from django_imgmod.services.reconcile import reconcile_slice
from django_imgmod.services.sweep import sweep
from django_imgmod.services.walk import Walk
from tests.faults.digesting import new_picture
from tests.hostapp.models import Photo

MAX_RATIO: Final = 1.2
MAX_GROWTH_MEGABYTES: Final = 20
# Photos saved and then judged together, and rounds that only warm up.
AT_ONCE: Final = 10
WARM_UP: Final = 10

# The comment of a database that is not filled yet. What has another is not to be dropped.
MARK: Final = "imgmod scale benchmark"
# Two sessions fill, and build indexes.
SESSIONS: Final = 2
BATCH: Final = 100_000
MEMORY: Final = "512MB"


def digest(text: str) -> str:
    return f"encode(sha256(convert_to({text}, 'UTF8')), 'hex')"


# Of twenty numbers that follow each other one is a photo that was replaced by the next, one a photo that was deleted,
# and one has the bytes of the photo before it. Per mille of the rest: 20 blocked, 5 in review, 1 still submitted.
_SOURCE: Final = """
    SELECT *,
        mod(number, 10) = 0 AS is_superseded,
        mod(number, 20) = 7 AS is_reused,
        draw = 25 AND mod(number, 20) NOT IN (0, 6, 7, 10) AS is_submitted,
        until - interval '730 days' * (1 - number / total) AS created_at
    FROM (
        SELECT number, content, object_id, total, until, mod((content * 2654435761) >> 16, 1000) AS draw
        FROM (
            SELECT
                number,
                number - CASE WHEN mod(number, 20) = 7 THEN 1 ELSE 0 END AS content,
                number + CASE WHEN mod(number, 20) = 0 THEN 1 ELSE 0 END AS object_id,
                %(total)s::float8 AS total,
                %(until)s::timestamptz AS until
            FROM generate_series(%(first)s::bigint, %(last)s::bigint) AS number
        ) AS numbers
    ) AS drawn
"""
_FILE_NAME: Final = "'photos/' || lpad((number / 1000)::text, 6, '0') || '/' || lpad(number::text, 10, '0') || '.jpg'"
_CURRENT_KEY: Final = digest(r"E'hostapp.photo\n' || object_id || E'\nimage'")
_SUBMISSION_KEY: Final = digest("content || ' default digest'")

PHOTOS: Final = {"id": "number", "title": "'A photo'", "image": _FILE_NAME}
# What is not named here has its default.
RECORDS: Final = {
    "id": "number",
    "public_id": "gen_random_uuid()",
    "content_type_id": "%(content_type_id)s",
    "object_id": "object_id::text",
    "field_name": "'image'",
    "current_key": f"CASE WHEN NOT is_superseded THEN {_CURRENT_KEY} END",
    # The last to be worked on has it.
    "submission_key": f"CASE WHEN mod(number, 20) <> 6 THEN {_SUBMISSION_KEY} END",
    "file_name": _FILE_NAME,
    "sha256": digest("'picture ' || content"),
    "image_format": "'JPEG'",
    "width": "640 + mod(number, 4000)",
    "height": "480 + mod(number, 3000)",
    "byte_count": "20000 + mod(number * 7919, 4000000)",
    "frame_count": "1",
    "provider": """CASE mod(number / 20, 20) WHEN 0 THEN 'retired' WHEN 1 THEN 'second' ELSE 'default' END""",
    "service": "'digest'",
    "policy": "'default'",
    "reference": "md5('request ' || number)",
    "status": """CASE WHEN is_superseded THEN 'superseded' WHEN is_submitted THEN 'submitted'
        WHEN draw < 20 THEN 'blocked' WHEN draw < 25 THEN 'in_review' ELSE 'passed' END""",
    "risk_level": """CASE WHEN is_submitted THEN '' WHEN draw < 20 THEN 'high' WHEN draw < 25 THEN 'medium'
        WHEN draw < 50 THEN 'low' ELSE 'none' END""",
    "top_label": """CASE WHEN is_submitted OR draw >= 50 THEN '' WHEN mod(draw, 2) = 0 THEN 'pornographic'
        ELSE 'contraband' END""",
    "top_confidence": "CASE WHEN draw < 50 AND NOT is_submitted THEN 99 - draw END",
    "evaluated": """'["pornographic", "contraband"]'""",
    "reason": "'the policy \"default\" says so about its risk'",
    "reused_from_id": "CASE WHEN is_reused THEN number - 1 END",
    "created_at": "created_at",
    "submitted_at": "created_at + interval '1 second'",
    "verdict_at": "CASE WHEN NOT is_submitted THEN created_at + interval '2 seconds' END",
    "settled_at": """CASE WHEN is_superseded THEN least(created_at + interval '30 days', until)
        WHEN is_submitted OR draw BETWEEN 20 AND 24 THEN NULL ELSE created_at + interval '2 seconds' END""",
    "due_at": "CASE WHEN is_submitted THEN until + interval '3 days' END",
    "attempt_count": "1",
    "version": "2",
    "raw": """CASE WHEN is_submitted THEN '{}' ELSE '{"confidence": 12.5}' END""",
}
LABELS: Final = {
    "record_id": "id",
    "label": "top_label",
    "confidence": "top_confidence",
    "risk_level": "risk_level",
}
DECISIONS: Final = {"record_id": "id", "outcome": "'block'", "decided_at": "verdict_at + interval '1 hour'"}
# What was filled in otherwise is not used again.
LAYOUT: Final = hashlib.sha256(repr((_SOURCE, PHOTOS, RECORDS, LABELS, DECISIONS)).encode()).hexdigest()[:8]


@contextmanager
def session(name: str) -> Iterator[psycopg.Connection[Any]]:
    """Connect to a database of the server, past Django."""
    address = os.environ["DATABASE_URL"].rpartition("/")[0] + "/" + name
    with psycopg.connect(address, autocommit=True) as opened:
        opened.execute("SET synchronous_commit = off")
        opened.execute(f"SET maintenance_work_mem = '{MEMORY}'")
        yield opened


@contextmanager
def database(name: str, rows: int, *, is_kept: bool = False) -> Iterator[Any]:
    """Make and fill a database, unless it was kept; yield Django's connection to it."""
    mark = f"{MARK}: {rows} records, {LAYOUT}"
    identifier = sql.Identifier(name)
    with session("postgres") as server:
        found = server.execute(
            "SELECT coalesce(shobj_description(oid, 'pg_database'), '') FROM pg_database WHERE datname = %s", [name]
        ).fetchone()
        if found and found[0] not in (mark, MARK):
            sys.exit(f'The database "{name}" holds something else ({found[0] or "unknown"}): name another, or drop it.')
        is_filled = bool(found) and found[0] == mark
        if not is_filled:
            server.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(identifier))
            server.execute(sql.SQL("CREATE DATABASE {}").format(identifier))
            server.execute(sql.SQL("COMMENT ON DATABASE {} IS {}").format(identifier, MARK))
    wrapper = connections.create_connection("default")
    wrapper.settings_dict = {**wrapper.settings_dict, "NAME": name}
    try:
        connections["default"] = wrapper
        # A kept one gets what has been added since.
        call_command("migrate", run_syncdb=True, interactive=False, verbosity=0)
        if not is_filled:
            fill(name, rows)
            with session("postgres") as server:
                server.execute(sql.SQL("COMMENT ON DATABASE {} IS {}").format(identifier, mark))
        yield wrapper
    finally:
        wrapper.close()
        if not is_kept:
            with session("postgres") as server:
                server.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(identifier))


def fill(name: str, rows: int) -> None:
    print(f"{name}: filling", flush=True)
    began = time.perf_counter()
    common = {
        "total": rows,
        "until": timezone.now() - timedelta(hours=1),
        "content_type_id": ContentType.objects.db_manager("default").get_for_model(Photo).pk,
    }
    records = ModerationRecord._meta.db_table
    photos = insertion(Photo, PHOTOS, f"({_SOURCE}) AS source WHERE NOT is_superseded")
    statements = [photos, insertion(ModerationRecord, RECORDS, f"({_SOURCE}) AS source")]

    def write(first: int) -> None:
        part = {**common, "first": first, "last": min(first + BATCH - 1, rows)}
        with session(name) as opened:
            for statement, defaults in statements:
                opened.execute(statement, {**defaults, **part})

    with without_indexes(name, records), ThreadPoolExecutor(SESSIONS) as pool:
        list(pool.map(write, range(1, rows + 1, BATCH)))
        # Before the indexes are built, which would otherwise write every page once more than this does.
        with session(name) as opened:
            opened.execute("VACUUM")
    with session(name) as opened:
        labels = insertion(DetectedLabel, LABELS, f"{records} WHERE top_label <> ''")
        decisions = insertion(Decision, DECISIONS, f"{records} WHERE status = 'blocked' AND mod(id, 2) = 0")
        for statement, defaults in (labels, decisions):
            opened.execute(statement, defaults)
        for statement in connection.ops.sequence_reset_sql(no_style(), [Photo, ModerationRecord]):
            opened.execute(statement)
        opened.execute("VACUUM (ANALYZE)")
        with suppress(psycopg.errors.InsufficientPrivilege):
            opened.execute("CHECKPOINT")
        size = opened.execute("SELECT pg_database_size(%s)", [name]).fetchone()[0]
    print(f"{name}: {rows:,} records in {time.perf_counter() - began:.0f} s, {size / 1e9:.2f} GB", flush=True)


def insertion(model: type[models.Model], expressions: dict[str, str], source: str) -> tuple[str, dict[str, Any]]:
    """Return an INSERT of what ``expressions`` give for each row of ``source``, and the defaults of the rest."""
    blank = model()
    defaults = {}
    selected = {}
    for field in model._meta.concrete_fields:
        column = field.column
        if column in expressions:
            selected[column] = f"CAST({expressions[column]} AS {field.db_type(connection)})"
        elif not field.primary_key:
            defaults[column] = field.get_db_prep_save(getattr(blank, field.attname), connection)
            selected[column] = f"CAST(%({column})s AS {field.db_type(connection)})"
    assert expressions.keys() <= selected.keys(), "a column is not there any more"
    names = ", ".join(map(connection.ops.quote_name, selected))
    return (
        f"INSERT INTO {model._meta.db_table} ({names}) SELECT {', '.join(selected.values())} FROM {source}",  # noqa: S608 - names of our own
        defaults,
    )


@contextmanager
def without_indexes(name: str, table: str) -> Iterator[None]:
    """Drop what slows a fill, all but the primary key; make it anew afterwards."""
    with session(name) as opened:
        foreign = opened.execute(
            "SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint"
            " WHERE conrelid = %s::regclass AND contype = 'f'",
            [table],
        ).fetchall()
        indexes = opened.execute(
            "SELECT relname, pg_get_indexdef(indexrelid), conname IS NOT NULL FROM pg_index"
            " JOIN pg_class ON pg_class.oid = indexrelid"
            " LEFT JOIN pg_constraint ON conindid = indexrelid AND contype = 'u'"
            " WHERE indrelid = %s::regclass AND NOT indisprimary",
            [table],
        ).fetchall()
        unique = [index for index, _, is_constraint in indexes if is_constraint]
        for constraint in [*(constraint for constraint, _ in foreign), *unique]:
            opened.execute(f'ALTER TABLE {table} DROP CONSTRAINT "{constraint}"')
        for index in [index for index, _, is_constraint in indexes if not is_constraint]:
            opened.execute(f'DROP INDEX "{index}"')
    yield

    def build(definition: str) -> None:
        with session(name) as opened:
            opened.execute("SET max_parallel_maintenance_workers = 0")
            opened.execute(definition)

    with ThreadPoolExecutor(SESSIONS) as pool:
        list(pool.map(build, [definition for _, definition, _ in indexes]))
    with session(name) as opened:
        for index in unique:
            opened.execute(f'ALTER TABLE {table} ADD CONSTRAINT "{index}" UNIQUE USING INDEX "{index}"')
        for constraint, definition in foreign:
            opened.execute(f'ALTER TABLE {table} ADD CONSTRAINT "{constraint}" {definition}')


@dataclass(frozen=True, slots=True)
class Cost:
    """What one record took, from the save of its photo to its verdict."""

    wall_ms: float
    cpu_ms: float
    """Of this process and, where it runs on this machine, of the server's."""
    wal_kib: float


def cost_of_a_record(wrapper: Any) -> Cost:
    gc.collect()
    log, cpu, began = log_position(wrapper), cpu_seconds(wrapper), time.perf_counter()
    save_and_judge()
    ended = time.perf_counter()
    cpu = cpu_seconds(wrapper) - cpu
    log = log_position(wrapper) - log
    return Cost((ended - began) / AT_ONCE * 1e3, cpu / AT_ONCE * 1e3, log / AT_ONCE / 1024)


def save_and_judge() -> None:
    for content in [new_picture() for _ in range(AT_ONCE)]:
        Photo.objects.create(title="A photo", image=ContentFile(content, name="photo.png"))
    judged = list(sweep(limit=AT_ONCE))
    assert len(judged) == AT_ONCE, "something else was due"
    assert all(record.risk_level for record in judged), "a picture got no verdict"


def log_position(wrapper: Any) -> int:
    with wrapper.cursor() as cursor:
        cursor.execute("SELECT pg_current_wal_insert_lsn() - '0/0'")
        return int(cursor.fetchone()[0])


def cpu_seconds(wrapper: Any) -> float:
    process = Path(f"/proc/{wrapper.connection.info.backend_pid}")
    seconds = time.process_time()
    if process.exists() and "postgres" in (process / "comm").read_text():
        seconds += int((process / "schedstat").read_text().split()[0]) / 1e9
    return seconds


def compare(small: Any, large: Any, rounds: int) -> tuple[list[tuple[Cost, Cost]], list[float]]:
    """Return what a record cost in both tables, round by round, and the statements it takes in each."""
    pairs = []
    statements = []
    for wrapper in (small, large):
        connections["default"] = wrapper
        # What an interrupted run left behind.
        list(sweep(limit=10_000))
        save_and_judge()
        with CaptureQueriesContext(wrapper) as queries:
            save_and_judge()
        statements.append(len(queries) / AT_ONCE)
    for number in range(WARM_UP + rounds):
        costs = {}
        # Who comes second finds the caches as the first left them: each is that as often as the other.
        for wrapper in (small, large) if number % 2 else (large, small):
            connections["default"] = wrapper
            costs[wrapper] = cost_of_a_record(wrapper)
        if number >= WARM_UP:
            pairs.append((costs[small], costs[large]))
    return pairs, statements


def report(pairs: list[tuple[Cost, Cost]], statements: list[float], sizes: tuple[int, int]) -> dict[str, float]:
    """Print what a record cost; return by what factor it costs more in the large table, by the names of ``Cost``."""
    print(f"a record, from save to verdict; medians of {len(pairs)} rounds of {AT_ONCE}")
    print(f"  {'in a table of':<14} {sizes[0]:>12,} {sizes[1]:>12,}")
    factors = {}
    for field in fields(Cost):
        sides = [(getattr(small, field.name), getattr(large, field.name)) for small, large in pairs]
        ratios = sorted(large / small for small, large in sides)
        factors[field.name] = statistics.median(ratios)
        quarter = len(ratios) // 4
        print(
            f"  {field.name:<14} {statistics.median(small for small, _ in sides):>12.2f} "
            f"{statistics.median(large for _, large in sides):>12.2f}   "
            f"{factors[field.name]:.2f}x (middle half {ratios[quarter]:.2f} to {ratios[-quarter - 1]:.2f})"
        )
    print(f"  {'statements':<14} {statements[0]:>12.1f} {statements[1]:>12.1f}", flush=True)
    return factors


def reconcile_slices(rows: int, count: int) -> int:
    """Compare so many slices of rows and as many of records, from all over the table; return how many that were."""
    walk = Walk.through(watched_fields_named([FIELD])[0], using="default", batch=SLICE)
    count = max(min(count, rows // SLICE), 1)
    for phase in (0, 1):
        for number in range(count):
            found = reconcile_slice(walk, phase=phase, position=str(max(rows - 2 * SLICE, 0) * number // count))
            assert not found.found_count, "the benchmark's own rows and records do not agree"
    return 2 * count * SLICE


def reconcile_all(rows: int, count: int) -> int:
    call_command("imgmod_reconcile", FIELD)
    return Photo.objects.count() + ModerationRecord.objects.current().count()


def prune(rows: int, count: int) -> int:
    call_command("imgmod_prune", "--older-than=180d", "--dry-run")
    return ModerationRecord.objects.filter(status="superseded").count()


def status(rows: int, count: int) -> int:
    call_command("imgmod_status", verbosity=0)
    return 1


MEASURED: Final[dict[str, Callable[[int, int], int]]] = {
    function.__name__: function for function in (reconcile_slices, reconcile_all, prune, status)
}


def measure_here(name: str, rows: int, count: int) -> None:
    """In the process that is measured: print how many rows were looked at, the seconds, and megabytes at the peak."""
    connection.ensure_connection()
    began = time.perf_counter()
    looked_at = MEASURED[name](rows, count)
    print(looked_at, time.perf_counter() - began, peak_megabytes())


@dataclass(frozen=True, slots=True)
class Run:
    rows: float
    seconds: float
    megabytes: float


def measure(function: Callable[[int, int], int], wrapper: Any, rows: int, count: int) -> Run:
    address = os.environ["DATABASE_URL"].rpartition("/")[0] + "/" + wrapper.settings_dict["NAME"]
    command = [sys.executable, __file__, "--measure", function.__name__, str(rows), str(count)]
    environment = {**os.environ, "DATABASE_URL": address}
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=environment)
    *said, figures = done.stdout.splitlines()
    print("".join(f"    {line}\n" for line in said), end="")
    return Run(*map(float, figures.split()))


def measure_commands(small: Any, large: Any, options: argparse.Namespace) -> float:
    """Print what the commands take on the large table; return how many more megabytes reconcile needs there."""
    ways = [reconcile_slices, reconcile_all] if options.whole else [reconcile_slices]
    growth = 0.0
    for way in ways:
        least = measure(way, small, options.small, options.slices)
        run = measure(way, large, options.large, options.slices)
        growth = max(growth, run.megabytes - least.megabytes)
        print(
            f"{way.__name__}: {run.rows:,.0f} rows and records in {run.seconds:.1f} s, "
            f"{run.rows / run.seconds:,.0f} a second, {run.megabytes:.0f} MB at the peak "
            f"({least.megabytes:.0f} MB at {options.small:,} records)",
            flush=True,
        )
    run = measure(prune, large, options.large, 0)
    print(
        f"prune --dry-run: {run.rows:,.0f} superseded records, {run.seconds:.1f} s, {run.megabytes:.0f} MB", flush=True
    )
    first, second = (measure(status, large, options.large, 0) for _ in range(2))
    print(f"status: {first.seconds:.2f} s, again {second.seconds:.2f} s, {second.megabytes:.0f} MB")
    return growth


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.strip().splitlines()[0])
    parser.add_argument("--small", type=int, default=10_000)
    parser.add_argument("--large", type=int, default=10_000_000)
    parser.add_argument("--rounds", type=int, default=100, help=f"of {AT_ONCE} photos in each table")
    parser.add_argument("--slices", type=int, default=200, help="of rows, and of records, that reconcile compares")
    parser.add_argument("--whole", action="store_true", help="reconcile the whole table as well")
    parser.add_argument("--keep", metavar="NAME", help="keep the large database under this name, or use it")
    options = parser.parse_args()
    if not os.environ.get("DATABASE_URL", "").startswith("postgres"):
        parser.error("DATABASE_URL must name a database of a PostgreSQL server.")
    with (
        database(options.keep or own_name("large"), options.large, is_kept=bool(options.keep)) as large,
        database(own_name("small"), options.small) as small,
    ):
        factors = report(*compare(small, large, options.rounds), (options.small, options.large))
        growth = measure_commands(small, large, options)
    worst = max(factors["wall_ms"], factors["cpu_ms"])
    print(
        f"a record costs {worst:.2f}x (at most {MAX_RATIO}), "
        f"reconcile needs {growth:+.0f} MB (at most {MAX_GROWTH_MEGABYTES:+})"
    )
    return int(worst > MAX_RATIO or growth > MAX_GROWTH_MEGABYTES)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--measure"]:
        measure_here(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
    else:
        sys.exit(main())
