"""
What a worker does beside the records that are due.

Any number of processes may call these functions at any time: each piece of work is claimed by one of them.
"""

from __future__ import annotations

from .alarms import check_alarms
from .callbacks import apply_waiting_callbacks
from .decisions import release_expired_claims
from .feedback import send_due_feedback
from .passes import take_due_slices
from .review.hashes import fill_hashes
from .sweep import record_databases


def run_periodic(*, patience: float = 0) -> int:
    """
    Apply the callbacks that wait, send the feedback that is due and compare the next slices of rows and records;
    return how much of it there was.

    Cheap where nothing is due. Raises what the databases raise.
    """
    count = 0
    for using in record_databases():
        count += apply_waiting_callbacks(using=using)
        count += send_due_feedback(using=using, patience=patience)
    return count + take_due_slices()


def run_every_minute() -> None:
    """
    Notice that verdicts stay away, free what moderators claimed and left, and prepare what waits for them.

    Raises what the databases raise.
    """
    check_alarms()
    for using in record_databases():
        release_expired_claims(using=using)
        fill_hashes(using=using)
