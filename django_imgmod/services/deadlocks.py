"""
Transactions that the database rolls back because another one was in the way of theirs, and theirs of it.

InnoDB does that to single statements too: two that write the same unique key are enough. Nothing is wrong with what
was rolled back; done again it works.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import Final, TypeVar

from django.db import OperationalError, connections

T = TypeVar("T")

# MySQL's ER_LOCK_DEADLOCK; PostgreSQL's deadlock_detected and serialization_failure.
MYSQL_CODE: Final = 1213
POSTGRESQL_CODES: Final = frozenset({"40P01", "40001"})
# In seconds, at most: two that repeat at the same moment would meet again.
PAUSES: Final = (0.01, 0.02, 0.05, 0.1, 0.2)


def repeat(write: Callable[[], T], *, using: str) -> T:
    """
    Call ``write``, and again where the database rolled it back to end a deadlock.

    ``write`` is a transaction, or a single statement. Inside a transaction of the caller it is called once: what the
    caller had written is gone with it, and only the caller can repeat that. Raises what ``write`` raises, a deadlock
    after six attempts.
    """
    for pause in PAUSES:
        try:
            return write()
        except OperationalError as error:
            if not is_repeatable(error, using=using):
                raise
        time.sleep(random.uniform(0, pause))  # noqa: S311 - no secret
    return write()


def is_repeatable(error: Exception, *, using: str) -> bool:
    """Return whether an error rolled back a transaction to end a deadlock, and nothing of the caller's with it."""
    return isinstance(error, OperationalError) and _is_deadlock(error) and not connections[using].in_atomic_block


def _is_deadlock(error: OperationalError) -> bool:
    cause = error.__cause__
    # The attribute's name in psycopg, and in psycopg2.
    code = getattr(cause, "sqlstate", None) or getattr(cause, "pgcode", None)
    return code in POSTGRESQL_CODES or error.args[:1] == (MYSQL_CODE,)
