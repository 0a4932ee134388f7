"""Commits that need not wait for the disk, as nothing is lost with them."""

from __future__ import annotations

from django.db.backends.base.base import BaseDatabaseWrapper


def unhurried(connection: BaseDatabaseWrapper) -> str:
    """
    Return how the condition of a statement begins by which its commit does not wait for the disk.

    It is there on PostgreSQL alone, which then may undo the statement if it crashes within a second. It is empty in a
    transaction of the caller's, where it would hold for all that is in it.
    """
    if connection.vendor == "postgresql" and connection.get_autocommit():
        return "(SELECT set_config('synchronous_commit', 'off', true)) = 'off' AND "
    return ""
