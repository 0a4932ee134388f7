"""
What the review desk asks of the database, in a table of a million records of which ten thousand wait.

next card
    The statement by which a claim finds the next record, as the database itself explains it: how long it took to carry
    out, and how many pages of 8 KB it looked at. In a queue that nobody has touched, where others hold the first
    twenty, in the other orders, and where nothing waits. Beside it the floor: the same of one row by its primary key.
    Planning, which takes longer, is told apart. Also where the moderator has skipped the first of the queue, which
    looks at the row of each. Medians; the first look after somebody else's claim sees one page more,
    that of what was claimed. What a crowd and a day's work leave behind until the table is vacuumed is measured, too.
calls
    As the desk makes them, all statements and commits included; beside the wall time the CPU of this process and, where
    it runs on this machine, of the server's, which other load falsifies less.

Exits with 1 where the next card takes more than 0.2 ms or 5 pages.

    DATABASE_URL=postgres://… python benchmarks/review.py                         # 2 GB, five minutes
    DATABASE_URL=postgres://… python benchmarks/review.py --records 100000
    DATABASE_URL=postgres://… python benchmarks/review.py --keep imgmod_review    # is not filled again the next time
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

sys.path.insert(0, str(Path(__file__).parent.parent))

from django.contrib.auth import get_user_model
from django.db import connection, connections, transaction
from django.test.utils import CaptureQueriesContext

from benchmarks.postgresql import own_name

# Before the models: it makes the settings.
from benchmarks.scale import cpu_seconds, database, session
from django_imgmod.choices import Lane
from django_imgmod.models import Decision, ModerationRecord
from django_imgmod.services.review.cards import claim_card
from django_imgmod.services.review.claims import claim_next, claim_these, is_free, release
from django_imgmod.services.review.likeness import MAX_REMEMBERED, similar_keys
from django_imgmod.services.review.queue import QueueFilter, counts_waiting, waiting

MAX_MS: Final = 0.2
MAX_PAGES: Final = 5
# One of so many waits.
SHARE: Final = 100
SEVERAL: Final = 20
# As many as the desk remembers.
SKIPS: Final = 250

# Of those that wait: all risks, no two alike, of many people.
_WAITING: Final = f"""
    UPDATE {ModerationRecord._meta.db_table}
    SET status = 'in_review', settled_at = NULL, claimed_by_id = NULL, claimed_until = NULL,
        risk_level = (ARRAY['high', 'medium', 'medium', 'medium', 'low', 'unknown'])[1 + mod(id / {SHARE}, 6)],
        perceptual_hash = 'dct256:' || encode(sha256(('hash ' || id)::bytea), 'hex'),
        uploaded_by_id = 1000000 + mod(id, 5000)
    WHERE mod(id, {SHARE}) = 3
"""  # noqa: S608 - names of our own
_SETTLED: Final = f"""
    UPDATE {ModerationRecord._meta.db_table} SET status = 'passed', settled_at = created_at
    WHERE status = 'in_review' AND mod(id, {SHARE}) <> 3
"""  # noqa: S608 - names of our own
# What somebody has decided lately, to be compared with.
_DECIDED: Final = f"""
    WITH decided AS (
        UPDATE {Decision._meta.db_table} SET decided_by_id = %s
        WHERE id IN (SELECT id FROM {Decision._meta.db_table} ORDER BY id LIMIT %s) RETURNING record_id, id
    )
    UPDATE {ModerationRecord._meta.db_table} AS record
    SET perceptual_hash = 'dct256:' || encode(sha256(('decided ' || decided.id)::bytea), 'hex')
    FROM decided WHERE record.id = decided.record_id
"""  # noqa: S608 - names of our own
_DECIDE: Final = f"""
    UPDATE {ModerationRecord._meta.db_table} SET status = 'passed', settled_at = now(), version = version + 1
    WHERE id = ANY (%s)
"""  # noqa: S608 - names of our own
_QUEUES: Final = {"imgmod_record_review", "imgmod_record_review_age"}


def prepare(name: str, user: Any) -> None:
    """Let one of ``SHARE`` records wait, and nobody hold one, whatever an earlier run left behind."""
    with session(name) as opened:
        opened.execute(_SETTLED)
        opened.execute(_WAITING)
        opened.execute(_DECIDED, [user.pk, MAX_REMEMBERED])
        opened.execute(f"VACUUM (ANALYZE) {ModerationRecord._meta.db_table}")


@dataclass(frozen=True, slots=True)
class Look:
    """How the database fared with one statement."""

    ms: float
    planning_ms: float
    pages: int
    indexes: frozenset[str]

    @property
    def is_enough(self) -> bool:
        return self.ms <= MAX_MS and self.pages <= MAX_PAGES

    @classmethod
    def at(cls, statement: str) -> Look:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {statement}")
            explained = cursor.fetchone()[0]
        [found] = explained if isinstance(explained, list) else json.loads(explained)
        plan = found["Plan"]
        pages = plan["Shared Hit Blocks"] + plan["Shared Read Blocks"]
        return cls(found["Execution Time"], found["Planning Time"], pages, frozenset(_indexes(plan)))


def _indexes(plan: dict[str, Any]) -> set[str]:
    found = {plan["Index Name"]} if "Index Name" in plan else set()
    return found.union(*map(_indexes, plan.get("Plans", [])))


def statement_of(user: Any, wanted: QueueFilter, but: Collection[int]) -> str:
    """Return the statement by which a claim finds the next record, but for some that were skipped."""
    with transaction.atomic(), CaptureQueriesContext(connection) as queries:
        claim_next(user, wanted, but=but, using="default")
        transaction.set_rollback(True)
    return next(query["sql"] for query in queries if "SKIP LOCKED" in query["sql"])


def looks(statements: Sequence[str], rounds: int) -> list[Look]:
    """Return the medians of statements that take turns."""
    found: list[list[Look]] = [[] for _ in statements]
    for _ in range(rounds):
        for place, statement in enumerate(statements):
            found[place].append(Look.at(statement))
    return [
        Look(
            statistics.median(look.ms for look in each),
            statistics.median(look.planning_ms for look in each),
            int(statistics.median(look.pages for look in each)),
            each[-1].indexes,
        )
        for each in found
    ]


def hold(user: Any, count: int) -> None:
    """Let the first records be held by somebody."""
    records = waiting(QueueFilter(), user=user, using="default").filter(is_free())
    claim_these(user, list(records.values_list("pk", flat=True)[:count]), using="default")


def decide(user: Any, count: int) -> None:
    """Let the first records be claimed and decided, one after the other."""
    for _ in range(count):
        record = claim_next(user, QueueFilter(), using="default")
        assert record is not None, "the queue ended"
        with connection.cursor() as cursor:
            cursor.execute(_DECIDE, [[record.pk]])


def next_card(me: Any, others: Any, rounds: int, crowd: int) -> bool:
    """Print what the next card takes; return whether that is little enough."""
    print(f"next card, at most {MAX_MS} ms and {MAX_PAGES} pages; medians of {rounds}")
    is_enough = look("untouched", me, QueueFilter(), rounds).is_enough
    is_enough &= look("oldest first", me, QueueFilter(order="oldest"), rounds).is_enough
    is_enough &= look("newest first", me, QueueFilter(order="newest"), rounds).is_enough
    is_enough &= look("of medium risk", me, QueueFilter(risk_level="medium"), rounds).is_enough
    is_enough &= look("nothing waits", me, QueueFilter(lane=Lane.ESCALATED), rounds).is_enough
    hold(others, SEVERAL)
    is_enough &= look(f"{SEVERAL} held", me, QueueFilter(), rounds).is_enough
    print("  after so many skips, and before the next vacuum, whatever they take")
    first = list(
        waiting(QueueFilter(), user=me, using="default").filter(is_free()).values_list("pk", flat=True)[:SKIPS]
    )
    look(f"{SEVERAL} skipped", me, QueueFilter(), rounds, but=first[:SEVERAL])
    look(f"{SKIPS} skipped", me, QueueFilter(), rounds, but=first)
    hold(others, crowd)
    look(f"{crowd:,} held", me, QueueFilter(), rounds)
    release(others, None, using="default")
    decide(others, crowd)
    look(f"{crowd:,} decided", me, QueueFilter(), rounds)
    return is_enough


def look(name: str, user: Any, wanted: QueueFilter, rounds: int, *, but: Collection[int] = ()) -> Look:
    floor_key = ModerationRecord.objects.order_by("pk").values_list("pk", flat=True)[:1].get()
    floor = f"SELECT id FROM {ModerationRecord._meta.db_table} WHERE id = {floor_key} FOR UPDATE SKIP LOCKED"  # noqa: S608 - names of our own
    found, least = looks([statement_of(user, wanted, but), floor], rounds)
    print(
        f"  {name:<16} {found.ms:.3f} ms, {found.pages:>2} pages of {', '.join(sorted(found.indexes & _QUEUES))}; "
        f"by primary key {least.ms:.3f} ms, {least.pages} pages: {found.ms / least.ms:.1f}x; "
        f"planned in {found.planning_ms:.2f} ms",
        flush=True,
    )
    return found


@dataclass(frozen=True, slots=True)
class Cost:
    wall_ms: float
    cpu_ms: float

    @classmethod
    def of(cls, function: Callable[[], Any]) -> Cost:
        cpu, began = cpu_seconds(connection), time.perf_counter()
        function()
        return cls((time.perf_counter() - began) * 1e3, (cpu_seconds(connection) - cpu) * 1e3)


def measure(name: str, function: Callable[[], Any], rounds: int) -> None:
    """Print what a call costs: the medians of many."""
    costs = [Cost.of(function) for _ in range(rounds)]
    wall_ms = statistics.median(cost.wall_ms for cost in costs)
    cpu_ms = statistics.median(cost.cpu_ms for cost in costs)
    print(f"  {name:<16} {wall_ms:>6.1f} ms, {cpu_ms:>5.1f} ms of CPU", flush=True)


def calls(me: Any, rounds: int) -> None:
    print(f"calls; medians of {rounds}")
    measure("number waiting", lambda: counts_waiting(using="default"), rounds)
    measure("claim", lambda: claim_next(me, QueueFilter(), using="default"), rounds)
    measure("card", lambda: claim_card(me, QueueFilter(), using="default"), rounds)
    release(me, None, using="default")
    queue = waiting(QueueFilter(), user=me, using="default")
    # With as many before it as after it.
    record = queue[counts_waiting(using="default").by_lane[Lane.FIRST] // 2]
    measure("similar pictures", lambda: similar_keys(record, queue.filter(is_free())), rounds)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.strip().splitlines()[0])
    parser.add_argument("--records", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--crowd", type=int, default=1000, help="records that others hold, and then decide")
    parser.add_argument("--keep", metavar="NAME", help="keep the database under this name, or use it")
    options = parser.parse_args()
    if not os.environ.get("DATABASE_URL", "").startswith("postgres"):
        parser.error("DATABASE_URL must name a database of a PostgreSQL server.")
    name = options.keep or own_name("review")
    with database(name, options.records, is_kept=bool(options.keep)) as wrapper:
        connections["default"] = wrapper
        users = get_user_model()._default_manager
        me, others = (users.get_or_create(username=username, is_superuser=True)[0] for username in ("me", "others"))
        prepare(name, me)
        print(f"{options.records:,} records, {counts_waiting(using='default').by_lane[Lane.FIRST]:,} wait", flush=True)
        calls(me, options.rounds)
        is_enough = next_card(me, others, options.rounds, options.crowd)
    return 0 if is_enough else 1


if __name__ == "__main__":
    sys.exit(main())
