"""Migrations with rows present: forwards, backwards, and with the code of before still running."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.apps.registry import Apps
from django.contrib.contenttypes.models import ContentType
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

# Indexes are made outside transactions.
pytestmark = pytest.mark.django_db(transaction=True)

APP = "django_imgmod"
FIRST = "0001_initial"


def newest() -> str:
    [(_, name)] = MigrationExecutor(connection).loader.graph.leaf_nodes(APP)
    return name


@pytest.fixture
def migrate() -> Iterator[Callable[[str], Apps]]:
    """Return a function that takes the schema to a migration and gives the models as they are there."""

    def go(name: str) -> Apps:
        executor = MigrationExecutor(connection)
        executor.migrate([(APP, name)])
        return executor.loader.project_state([(APP, name)]).apps

    yield go
    go(newest())


def insert(apps: Apps, number: int) -> Any:
    """Insert a record as the code of that schema does."""
    content_type = ContentType.objects.get_for_model(ContentType)
    return apps.get_model(APP, "ModerationRecord").objects.create(
        content_type_id=content_type.pk,
        object_id=str(number),
        field_name="image",
        current_key=f"key {number}",
        file_name=f"{number}.png",
        provider="default",
        policy="default",
    )


def rows() -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT object_id, file_name, status FROM {APP}_moderationrecord ORDER BY id")  # noqa: S608
        return list(cursor.fetchall())


def index_names() -> set[str]:
    with connection.cursor() as cursor:
        return set(connection.introspection.get_constraints(cursor, f"{APP}_moderationrecord"))


def room() -> list[str] | None:
    """Return how the pages of records are filled; None where that is the database's own affair."""
    if connection.vendor != "postgresql":
        return None
    with connection.cursor() as cursor:
        cursor.execute("SELECT reloptions FROM pg_class WHERE relname = %s", [f"{APP}_moderationrecord"])
        return list(cursor.fetchone()[0] or [])


def test_there_and_back_with_rows(migrate):
    old = migrate(FIRST)
    for number in range(3):
        insert(old, number)
    before, indexes = rows(), index_names()
    new = migrate(newest())
    assert rows() == before
    insert(new, 3)
    migrate(FIRST)
    assert rows()[:3] == before
    assert len(rows()) == 4
    assert index_names() == indexes


def test_code_of_before_writes_to_the_new_schema(migrate):
    """During a deployment old processes go on for a while."""
    old = migrate(FIRST)
    new = migrate(newest())
    record = insert(old, 1)
    assert new.get_model(APP, "ModerationRecord").objects.get(pk=record.pk).is_shadow is False


def test_decision_by_code_of_before_says_nothing_of_what_was_seen(migrate):
    old = migrate("0010_last_accepted_name")
    new = migrate(newest())
    decision = old.get_model(APP, "Decision").objects.create(record=insert(old, 1), outcome="pass")
    found = new.get_model(APP, "Decision").objects.get(pk=decision.pk)
    assert (found.seen_policy, found.seen_risk_level, found.seen_label) == ("", "", "")
    assert (found.seen_confidence, found.seen_verdict_at) == (None, None)


def test_index_that_was_cut_short_is_made_anew(migrate):
    migrate("0002_operations")
    if connection.vendor == "postgresql":
        # What CREATE INDEX CONCURRENTLY leaves behind is in the way of the next attempt by its name.
        with connection.cursor() as cursor:
            cursor.execute(f"CREATE INDEX imgmod_record_provider_due ON {APP}_moderationrecord (status)")
    migrate(newest())
    with connection.cursor() as cursor:
        found = connection.introspection.get_constraints(cursor, f"{APP}_moderationrecord")
    assert found["imgmod_record_provider_due"]["columns"] == ["provider", "due_at"]


def test_on_postgresql_indexes_lock_nobody_out(migrate):
    migrate("0002_operations")
    executor = MigrationExecutor(connection)
    if connection.vendor != "postgresql":
        assert not executor.loader.get_migration(APP, "0003_work_by_provider").atomic
        return
    statements: list[str] = []

    def note(execute: Any, sql: str, *rest: Any) -> Any:
        statements.append(sql)
        return execute(sql, *rest)

    with connection.execute_wrapper(note):
        executor.migrate([(APP, newest())])
    long_tables = (f'"{APP}_moderationrecord"', f'"{APP}_decision"')
    added = [sql for sql in statements if "CREATE INDEX" in sql and any(f"ON {table}" in sql for table in long_tables)]
    about_indexes = [*added, *(sql for sql in statements if "DROP INDEX" in sql and "_like" not in sql)]
    assert len(about_indexes) >= 7
    assert all("CONCURRENTLY" in sql for sql in about_indexes)


def test_no_index_is_kept_that_nobody_uses(migrate):
    migrate(newest())
    assert [name for name in index_names() if name.endswith("_like")] == []


def test_room_on_pages_comes_and_goes_with_its_migration(migrate):
    new = migrate(newest())
    insert(new, 1)
    after = room()
    old = migrate("0004_judged_as")
    before = room()
    insert(old, 2)
    assert len(rows()) == 2
    assert (before, after) in [([], ["fillfactor=50"]), (None, None)]
    migrate(newest())
    assert room() == after
