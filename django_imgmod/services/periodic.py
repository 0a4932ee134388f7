"""
What a worker does beside the records that are due.

Any number of processes may call these functions at any time: each piece of work is claimed by one of them.
"""

from __future__ import annotations

from .alarms import check_alarms
from .decisions import release_expired_claims
from .feedback import send_due_feedback
from .passes import take_due_slices
from .sweep import record_databases


def run_periodic(*, patience: float = 0) -> int:
    """
    Send the feedback that is due and compare the next slices of rows and records; return how much of it there was.

    Cheap where nothing is due. Raises what the databases raise.
    """
    sent = sum(send_due_feedback(using=using, patience=patience) for using in record_databases())
    return sent + take_due_slices()


def run_every_minute() -> None:
    """Notice that verdicts stay away, and free what moderators claimed and left. Raises what the databases raise."""
    check_alarms()
    for using in record_databases():
        release_expired_claims(using=using)
