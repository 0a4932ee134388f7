"""What a worker does now and then, beside the records that are due."""

from __future__ import annotations

from .feedback import send_due_feedback
from .sweep import record_databases


def run_periodic(*, patience: float = 0) -> int:
    """
    Send the feedback that is due; return how much there was to do.

    Any number of processes may call this at any time: each piece of work is claimed by one of them.
    """
    return sum(send_due_feedback(using=using, patience=patience) for using in record_databases())
