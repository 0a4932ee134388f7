"""Leases: what a claim brings, how it is lost, and what it leaves alone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection, transaction
from django.utils import timezone

from django_imgmod.models import ModerationRecord
from django_imgmod.services.claims import begin, claim_due, give_back
from tests.backdated import ago, make_record

pytestmark = pytest.mark.django_db(transaction=True)

RAW = {"RequestId": "1", "Data": [{"Confidence": 99.5}]}


def claim(limit: int = 10) -> list[ModerationRecord]:
    return claim_due("default", using="default", limit=limit)


def make_due(count: int) -> None:
    for number in range(count):
        make_record(due_at=ago(minutes=count - number))


def synchronous_commit() -> Any:
    """Return whether this session's commits wait for the disk; None where that is no question."""
    if connection.vendor != "postgresql":
        return None
    with connection.cursor() as cursor:
        cursor.execute("SHOW synchronous_commit")
        return cursor.fetchone()


@pytest.fixture
def prepares() -> Iterator[None]:
    """Have the driver prepare what it runs a second time, on PostgreSQL."""
    before = connection.settings_dict["OPTIONS"]
    connection.close()
    if connection.vendor == "postgresql":
        connection.settings_dict["OPTIONS"] = {**before, "server_side_binding": True, "prepare_threshold": 1}
    yield
    connection.close()
    connection.settings_dict["OPTIONS"] = before


class TestClaimedRecord:
    @pytest.fixture(params=[True, False])
    def has_time_zones(self, request: pytest.FixtureRequest, settings: Any) -> Iterator[bool]:
        settings.USE_TZ = request.param
        # The session's time zone and what the driver makes of a time are settled when it connects.
        connection.close()
        yield request.param
        connection.close()

    def test_is_as_the_database_has_it(self, has_time_zones: bool) -> None:
        make_record(due_at=ago(minutes=1), raw=RAW, top_confidence="12.50", submitted_at=timezone.now(), width=640)
        [record] = claim()
        stored = ModerationRecord.objects.get()
        for field in ModerationRecord._meta.concrete_fields:
            value, expected = getattr(record, field.attname), getattr(stored, field.attname)
            assert (value, type(value)) == (expected, type(expected)), field.name
        assert timezone.is_aware(record.submitted_at) == has_time_zones

    @pytest.mark.usefixtures("prepares")
    def test_is_the_same_by_prepared_statements(self, has_time_zones: bool) -> None:
        self.test_is_as_the_database_has_it(has_time_zones)

    def test_leaves_the_last_answer_in_the_database(self) -> None:
        make_record(due_at=ago(minutes=1), raw=RAW)
        [record] = claim()
        assert record.get_deferred_fields() == {"evaluated", "raw"}


def test_what_is_known_of_a_claimed_record_costs_no_statement(django_assert_num_queries):
    make_due(2)
    claimed = claim()
    with django_assert_num_queries(0):
        assert [record.content_type.pk for record in claimed] == [record.content_type_id for record in claimed]


def test_longest_due_first_and_nothing_twice():
    make_due(5)
    first, second, third = claim(2), claim(2), claim(2)
    due = [record.due_at for record in first + second + third]
    assert due == sorted(due)
    assert len({record.pk for record in first + second + third}) == len(due) == 5
    assert claim() == []
    give_back(second)
    assert claim() == second


def test_claim_that_a_crash_of_the_server_undid_cannot_be_begun():
    make_due(1)
    [lost] = claim()
    ModerationRecord.objects.update(lease_owner="", lease_until=None)
    assert not begin(lost)
    [held] = claim()
    assert not begin(lost)
    assert begin(held)
    assert ModerationRecord.objects.get().attempt_count == 1


def test_nothing_but_the_claim_is_hurried():
    """Its commit need not wait for the disk; all others of the session, and a transaction it is part of, do."""
    make_due(3)
    before = synchronous_commit()
    assert len(claim(1)) == 1
    assert synchronous_commit() == before
    with transaction.atomic():
        assert len(claim(1)) == 1
        assert synchronous_commit() == before
    assert len(claim(1)) == 1


@pytest.mark.usefixtures("prepares")
def test_claims_by_prepared_statements():
    """On PostgreSQL they are planned once: to choose among all the indexes costs more than a claim itself."""
    make_due(24)
    claimed = [record.pk for _ in range(12) for record in claim(2)]
    assert len(set(claimed)) == len(claimed) == 24
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT custom_plans, generic_plans FROM pg_prepared_statements WHERE statement LIKE %s",
                ["%SKIP LOCKED%"],
            )
            [(tried, kept)] = cursor.fetchall()
        assert tried == 5, "so many PostgreSQL makes for their price"
        assert kept > 0


def test_large_claim_leaves_rows_where_they_are():
    """On PostgreSQL: hardly an index is written to, although rows that are due together lie together."""
    make_due(200)
    with transaction.atomic():
        assert len(claim(100)) == 100
        if connection.vendor == "postgresql":
            with connection.cursor() as cursor:
                cursor.execute(
                    "SELECT n_tup_upd, n_tup_hot_upd FROM pg_stat_xact_user_tables WHERE relname = %s",
                    [ModerationRecord._meta.db_table],
                )
                updated, stayed = cursor.fetchone()
                assert updated == 100
                assert stayed >= 85
