"""What a backfill will take, before it begins: rows, distinct contents, calls, time, money."""

from __future__ import annotations

import sqlite3
import statistics
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from typing import Final

from django.db.models import Q
from django.db.models.functions import MD5

from ..conf import imgmod_settings
from ..exceptions import ProviderError
from ..models import ModerationRecord
from ..providers import providers
from .backlog import Found, Need, backlog, has_file
from .reuse import known_contents
from .sources import digest_of_file
from .walk import Walk

# Verdicts that say how long one takes, and how many it needs at least.
HISTORY: Final = 200
MIN_HISTORY: Final = 10
# In seconds. What takes longer is no call that waits for its verdict but an answer that comes later.
MAX_CALL: Final = 20.0


@dataclass(slots=True)
class Plan:
    """What a backfill finds to do in a watched field."""

    needs: Counter[Need] = field(default_factory=Counter)
    """How many rows there are of each kind."""
    content_count: int = 0
    """How many different contents are to be judged; where the files were not read, no more than that."""
    is_exact: bool = False
    """Whether the files were read."""
    known_count: int = 0
    """Contents that were judged before and cost nothing. Known only where the files were read."""
    missing_count: int = 0
    """Files that are not there. Known only where the files were read."""
    unreadable_count: int = 0
    """Files that the storage could not give. Known only where the files were read."""

    @property
    def row_count(self) -> int:
        return self.needs.total()

    @property
    def work_count(self) -> int:
        return sum(self.needs[need] for need in (Need.OPEN, Need.WORK, Need.RETRY))

    @property
    def call_count(self) -> int:
        """How often the provider will be called; where the files were not read, no more than that."""
        return self.content_count - self.known_count


def make_plan(
    walk: Walk,
    condition: Q,
    *,
    is_retrying: bool = False,
    is_reading: bool = False,
    progress: Callable[[int], None] = lambda row_count: None,
) -> Plan:
    """
    Compare all rows with their records and count; nothing is written.

    With ``is_reading`` each file that is to be judged is read and its content counted once, however many rows have it;
    otherwise names stand for contents. Memory is bounded either way. ``progress`` is told how many rows were compared.
    Raises what the databases raise.
    """
    plan = Plan(is_exact=is_reading)
    with closing(_Contents(walk)) as contents:
        for batch in backlog(walk, condition, is_retrying=is_retrying):
            plan.needs.update(found.need for found in batch)
            if is_reading:
                contents.read(found for found in batch if found.has_work)
            progress(plan.row_count)
        if is_reading:
            contents.tell(plan)
        elif plan.work_count:
            plan.content_count = min(plan.work_count, _count_names(walk, condition))
    return plan


def calls_a_second(provider: str, rate: float | None) -> float | None:
    """Return how many calls may begin a second, by the wish of whoever asks and by the provider's OPTIONS."""
    limits = [limit for limit in (rate, providers[provider].qps) if limit is not None]
    return min(limits, default=None)


def seconds_for(call_count: int, *, provider: str, rate: float | None, using: str) -> float | None:
    """
    Return how long so many calls will take, one after the other; None where nothing is known.

    As long as the rate says, or as the provider has lately taken for a verdict, whichever is longer.
    """
    allowed = calls_a_second(provider, rate)
    known = [seconds for seconds in (1 / allowed if allowed else None, _usual_seconds(provider, using)) if seconds]
    return call_count * max(known) if known else None


def cost_of(call_count: int, *, provider: str) -> str | None:
    """Return what so many calls cost, with the currency; None where the settings name no price."""
    price = imgmod_settings.providers[provider].price
    return None if price is None else price.of(call_count)


def _usual_seconds(provider: str, using: str) -> float | None:
    """Return how long the provider usually takes from the begin of an attempt to its verdict."""
    given = ModerationRecord.objects.using(using).filter(provider=provider, verdict_at__isnull=False)
    rows = given.order_by("-verdict_at").values_list("submitted_at", "verdict_at")[:HISTORY]
    # What was reused was never submitted; left out here and not in SQL, where it might tempt away from the index.
    seconds = [
        (verdict_at - submitted_at).total_seconds() for submitted_at, verdict_at in rows if submitted_at and verdict_at
    ]
    if len(seconds) < MIN_HISTORY:
        return None
    usual = statistics.median(seconds)
    # Below zero where the clocks of application and database differ by more than that.
    return usual if 0 < usual <= MAX_CALL else None


def _count_names(walk: Walk, condition: Q) -> int:
    # By digest: the names themselves may compare equal in another case.
    rows = walk.objects().filter(condition & has_file(walk))
    return rows.order_by().values(digest=MD5(walk.watched.name)).distinct().count()


class _Contents:
    """Counts different contents. They are kept in a temporary file: ten million digests are too much for memory."""

    def __init__(self, walk: Walk) -> None:
        self._walk = walk
        self._digests = sqlite3.connect("")
        self._digests.execute("PRAGMA journal_mode = OFF")
        self._digests.execute("CREATE TABLE digest (value BLOB PRIMARY KEY) WITHOUT ROWID")
        self._known_count = self._missing_count = self._unreadable_count = 0

    def read(self, found: Iterable[Found]) -> None:
        """Read the files of some rows."""
        new = [digest for digest in self._digests_of(found) if self._is_new(digest)]
        watched = self._walk.watched
        self._known_count += len(
            known_contents(
                new,
                provider=watched.provider,
                service=providers[watched.provider].service,
                policy=watched.policy,
                using=self._walk.record_db,
            )
        )

    def tell(self, plan: Plan) -> None:
        plan.content_count = self._digests.execute("SELECT COUNT(*) FROM digest").fetchone()[0]
        plan.known_count = self._known_count
        plan.missing_count = self._missing_count
        plan.unreadable_count = self._unreadable_count

    def close(self) -> None:
        self._digests.close()

    def _digests_of(self, found: Iterable[Found]) -> Iterator[str]:
        storage = self._walk.watched.field.storage
        for each in found:
            try:
                yield digest_of_file(storage, each.row.file_name)
            except FileNotFoundError:
                self._missing_count += 1
            except ProviderError:
                self._unreadable_count += 1

    def _is_new(self, digest: str) -> bool:
        insert = "INSERT OR IGNORE INTO digest VALUES (?)"
        return self._digests.execute(insert, [bytes.fromhex(digest)]).rowcount == 1
