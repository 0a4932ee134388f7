"""Commits that need not wait for the disk, as nothing is lost with them."""

from __future__ import annotations

from django.db.backends.base.base import BaseDatabaseWrapper


def unhurried(connection: BaseDatabaseWrapper) -> str:
    """
    Return a condition, always true, by which the commit of its statement does not wait for the disk.

    On PostgreSQL alone, which then may undo the statement if it crashes within a second, unless another commit waited
    for the disk meanwhile: that is for all before it. Not in a transaction of the caller's, where it would hold for all
    that is in it.
    """
    if connection.vendor == "postgresql" and connection.get_autocommit():
        return "(SELECT set_config('synchronous_commit', 'off', true)) = 'off'"
    return "TRUE"
