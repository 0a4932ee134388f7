"""The pages of the grid: the same bytes are one tile, wherever they wait, and none is lost between two pages."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext

from django_imgmod.choices import RiskLevel, Status
from django_imgmod.models import ModerationRecord
from django_imgmod.services.review import tiles
from django_imgmod.services.review.claims import claim_one
from django_imgmod.services.review.queue import QueueFilter
from django_imgmod.services.review.tiles import read_page
from tests.review.moderating import make_moderator, make_waiting

pytestmark = pytest.mark.django_db

SAME = {"sha256": "a" * 64}


@pytest.fixture
def anna() -> User:
    return make_moderator("anna")


def make_copies(count: int, digit: str = "a", **columns: Any) -> list[ModerationRecord]:
    return [make_waiting(sha256=digit * 64, **columns) for _ in range(count)]


def make_many(count: int, **columns: Any) -> None:
    """Insert records of different bytes, by few statements."""
    template = make_waiting(**columns)
    columns = {field.attname: getattr(template, field.attname) for field in template._meta.concrete_fields}
    names = [uuid.uuid4().hex for _ in range(count)]
    ModerationRecord.objects.bulk_create(
        ModerationRecord(
            **columns
            | {"id": None, "public_id": uuid.UUID(name), "object_id": name, "current_key": name, "sha256": 2 * name}
        )
        for name in names
    )


def pages(user: User, size: int, **wanted: Any) -> list[list[tuple[ModerationRecord, ...]]]:
    """Return what is decided together on each page, one page after the other."""
    found, after = [], None
    while True:
        page = read_page(QueueFilter(**wanted), user=user, after=after, size=size, using="default")
        assert all(tile.record == tile.members[0] for tile in page.tiles)
        found.append([tile.members for tile in page.tiles])
        if page.following is None:
            return found
        after = page.following


def test_same_bytes_are_one_tile_where_the_first_of_them_stands(anna):
    other, copies = make_waiting(), make_copies(40)
    others = make_copies(1, ""), make_copies(1, ""), make_copies(1, "b")
    assert pages(anna, 24) == [[(other,), tuple(copies), *map(tuple, others)]]


def test_page_of_a_risk_level_is_read_in_the_order_of_the_index(anna):
    # With fewer rows it matters to nobody how they are read.
    make_many(2000, risk_level=RiskLevel.LOW)
    make_many(5000, status=Status.PASSED)
    with CaptureQueriesContext(connection) as queries:
        assert len(read_page(QueueFilter(risk_level="low"), user=anna, size=24, using="default").tiles) == 24
    if connection.vendor == "postgresql":
        # Which alone reads two indexes at once, and sorts what it found.
        with connection.cursor() as cursor:
            cursor.execute(f"ANALYZE {ModerationRecord._meta.db_table}")
            cursor.execute(f"EXPLAIN {queries[0]['sql']}")
            plan = "\n".join(line for (line,) in cursor.fetchall())
        assert "Index Scan using imgmod_record_review" in plan
        assert "Sort" not in plan


@pytest.mark.parametrize("size", [1, 2, 3, 5])
@pytest.mark.parametrize("order", ["risk", "oldest", "newest"])
def test_every_picture_is_on_one_page(anna, size, order):
    records = [make_waiting(sha256=digit * 64) for digit in "abaacbaaacdbbb"]
    every = pages(anna, size, order=order)
    in_order = records[::-1] if order == "newest" else records
    tiles_in_order = list(dict.fromkeys(record.sha256 for record in in_order))
    wanted = [tuple(record for record in in_order if record.sha256 == digest) for digest in tiles_in_order]
    assert [members for page in every for members in page] == wanted
    assert {len(page) for page in every[:-1]} <= {size}


def test_copies_beyond_what_is_looked_at_hide_nothing(anna, monkeypatch):
    monkeypatch.setattr(tiles, "MAX_PORTIONS", 2)
    records = [make_waiting(sha256=digit * 64) for digit in "abcdefgh" * 3]
    assert {record for page in pages(anna, 2) for members in page for record in members} == set(records)


def test_only_what_the_filter_lets_through_and_the_policy_is_the_same_of(anna):
    low = make_copies(2, risk_level=RiskLevel.LOW)
    make_copies(2, risk_level=RiskLevel.HIGH)
    strict = make_copies(2, risk_level=RiskLevel.LOW)
    ModerationRecord.objects.filter(pk__in=[record.pk for record in strict]).update(policy="strict")
    assert pages(anna, 24, risk_level="low") == [[tuple(low), tuple(strict)]]


def test_what_others_hold_or_one_uploaded_is_not_among_them(anna):
    held, own, free, mine = make_copies(4)
    bob = make_moderator("bob")
    assert claim_one(bob, held.public_id, using="default")
    assert claim_one(anna, mine.public_id, using="default")
    ModerationRecord.objects.filter(pk=own.pk).update(uploaded_by=anna)
    assert pages(anna, 24) == [[(free, mine)]]


def test_no_more_than_is_decided_at_once(anna, monkeypatch):
    monkeypatch.setattr(tiles, "MAX_RECORDS", 10)
    monkeypatch.setattr(tiles, "MAX_SIMILAR", 5)
    first, second, third = make_copies(8), make_copies(8, "b"), make_copies(1, "c")
    assert pages(anna, 4) == [[tuple(first[:5]), tuple(second[:3]), tuple(third)]]


@pytest.mark.parametrize("count", [1, 30])
def test_two_statements_a_page(anna, count):
    for digit in "abcdef":
        make_copies(count if digit == "f" else 1, digit)
    with CaptureQueriesContext(connection) as queries:
        pages(anna, 12)
    assert len([query for query in queries if "django_imgmod" in query["sql"]]) == (2 if count == 1 else 3)
