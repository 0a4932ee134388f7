"""Whose card it is: what a claim brings, how long it lasts, and that nobody else gets what is held."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.db import connection

from django_imgmod.choices import Lane, Outcome, RiskLevel
from django_imgmod.conf import imgmod_settings
from django_imgmod.models import ModerationRecord
from django_imgmod.services.decisions import decide
from django_imgmod.services.review.claims import (
    claim_next,
    claim_one,
    claim_these,
    claimed_by,
    heartbeat,
    release,
)
from django_imgmod.services.review.queue import Position, QueueFilter
from tests.review.moderating import ESCALATED, FIRST, make_moderator, make_waiting, now
from tests.timetravel import fast_forward

pytestmark = pytest.mark.django_db


@pytest.fixture
def anna() -> User:
    return make_moderator("anna")


@pytest.fixture
def bob() -> User:
    return make_moderator("bob")


def claim(user: User, *, after: Position | None = None, **options: Any) -> int | None:
    record = claim_next(user, QueueFilter(**options), after=after, using="default")
    return None if record is None else record.pk


def held(user: User) -> list[int]:
    return [record.pk for record in claimed_by(user, using="default")]


def end_of_claims() -> None:
    fast_forward(imgmod_settings.review.claim_seconds + 1)


def test_nobody_gets_what_another_holds(anna, bob):
    first, second, third = make_waiting(), make_waiting(), make_waiting()
    assert [claim(anna), claim(bob), claim(anna), claim(bob)] == [first.pk, second.pk, third.pk, None]
    assert (held(anna), held(bob)) == ([first.pk, third.pk], [second.pk])


def test_claim_is_no_change_of_what_was_seen(anna):
    record = make_waiting()
    claimed = claim_next(anna, QueueFilter(), using="default")
    assert claimed is not None
    assert (claimed.version, now(record).version) == (record.version, record.version)
    assert claimed.claimed_by_id == anna.pk
    decide(claimed, Outcome.PASS, decided_by=anna)


def test_claimed_record_is_read_without_the_answer_and_knows_its_model(anna, django_assert_num_queries):
    make_waiting()
    record = claim_next(anna, QueueFilter(), using="default")
    assert record is not None
    assert record.get_deferred_fields() == {"raw"}
    with django_assert_num_queries(0):
        assert record.content_type.model == "photo"


def test_statements_of_a_claim(anna, django_assert_num_queries):
    make_waiting()
    claim(anna)
    # Beside them, on PostgreSQL, the begin and the end of a savepoint; in production of a transaction.
    extra = 2 if connection.vendor == "postgresql" else 0
    with django_assert_num_queries(1 + extra):
        assert claim(anna) is None
    make_waiting()
    with django_assert_num_queries(3 + extra):
        assert claim(anna) is not None


def test_claim_runs_out_by_itself(anna, bob):
    record = make_waiting()
    claim(anna)
    assert claim(bob) is None
    end_of_claims()
    assert held(anna) == []
    assert claim(bob) == record.pk
    assert heartbeat(anna, [record.public_id], using="default") == []
    assert now(record).claimed_by_id == bob.pk


def test_own_claim_that_ran_out_can_be_had_again(anna):
    record = make_waiting()
    claim(anna)
    end_of_claims()
    assert claim(anna) == record.pk


def test_heartbeat_renews(anna, bob):
    kept, left = make_waiting(), make_waiting()
    assert [claim(anna), claim(anna)] == [kept.pk, left.pk]
    for _ in range(3):
        fast_forward(imgmod_settings.review.claim_seconds - 10)
        assert heartbeat(anna, [kept.public_id], using="default") == [kept.public_id]
    assert held(anna) == [kept.pk]
    assert claim(bob) == left.pk


def test_heartbeat_is_for_own_claims_alone(anna, bob):
    record, free = make_waiting(), make_waiting()
    claim(anna)
    assert heartbeat(bob, [record.public_id, free.public_id], using="default") == []
    assert now(record).claimed_by_id == anna.pk
    assert now(free).claimed_by_id is None


def test_heartbeat_asks_whether_the_lane_is_still_open():
    senior = make_moderator("senior", FIRST, ESCALATED)
    first, escalated = make_waiting(), make_waiting(lane=Lane.ESCALATED)
    assert [claim(senior), claim(senior, lane=Lane.ESCALATED)] == [first.pk, escalated.pk]
    until = now(escalated).claimed_until
    senior.user_permissions.set(Permission.objects.filter(codename=FIRST))
    junior = User.objects.get(pk=senior.pk)
    assert heartbeat(junior, [first.public_id, escalated.public_id], using="default") == [first.public_id]
    assert now(escalated).claimed_until == until


def test_release_of_some_and_of_all(anna, bob):
    records = [make_waiting() for _ in range(4)]
    for _ in range(3):
        claim(anna)
    claim(bob)
    public_ids = [record.public_id for record in records]
    assert release(anna, [public_ids[0], public_ids[3]], using="default") == 1
    assert held(anna) == [record.pk for record in records[1:3]]
    assert release(anna, None, using="default") == 2
    assert (held(anna), held(bob)) == ([], [records[3].pk])


def test_time_of_a_claim_is_the_site_s_choice(anna, bob, settings):
    settings.IMGMOD = {**settings.IMGMOD, "REVIEW": {"CLAIM_SECONDS": 600}}
    make_waiting()
    claim(anna)
    fast_forward(590)
    assert claim(bob) is None
    fast_forward(20)
    assert claim(bob) is not None


def test_next_beyond_a_position(anna):
    first, second, third = make_waiting(), make_waiting(), make_waiting()
    assert claim(anna, after=Position.of(first)) == second.pk
    assert claim(anna, after=Position.of(second), order="newest") == first.pk
    assert claim(anna, after=Position.of(third)) is None


def test_filter_and_order_hold_for_claims(anna):
    low, high = make_waiting(risk_level=RiskLevel.LOW), make_waiting(risk_level=RiskLevel.HIGH)
    newest = make_waiting(risk_level=RiskLevel.NONE)
    assert claim(anna, order="newest") == newest.pk
    assert claim(anna, risk_level="low") == low.pk
    assert claim(anna, lane=Lane.ESCALATED) is None
    assert claim(anna) == high.pk


def test_own_upload_is_never_dealt(anna, bob):
    record = make_waiting(uploaded_by=anna)
    assert claim(anna) is None
    assert claim(bob) == record.pk


def test_oldest_claim_first_whatever_its_risk(anna):
    low = make_waiting(risk_level=RiskLevel.LOW)
    claim(anna)
    fast_forward(1)
    high = make_waiting(risk_level=RiskLevel.HIGH)
    claim(anna)
    assert held(anna) == [low.pk, high.pk]
    # Renewed at once, they are in the order of the queue.
    heartbeat(anna, [low.public_id, high.public_id], using="default")
    assert held(anna) == [high.pk, low.pk]


def test_what_was_decided_is_held_no_longer(anna):
    record = make_waiting()
    claim(anna)
    decide(now(record), Outcome.BLOCK, decided_by=anna)
    assert held(anna) == []
    assert heartbeat(anna, [record.public_id], using="default") == []


def test_claim_by_name(anna, bob):
    mine, other = make_waiting(), make_waiting()
    claim(anna)
    fast_forward(100)
    claimed = claim_one(anna, mine.public_id, using="default")
    assert claimed is not None
    fast_forward(100)
    assert held(anna) == [mine.pk]
    assert claim_one(bob, mine.public_id, using="default") is None
    assert claim_one(bob, other.public_id, using="default") is not None
    assert held(bob) == [other.pk]


def test_claim_by_name_asks_for_permission(anna):
    escalated, own = make_waiting(lane=Lane.ESCALATED), make_waiting(uploaded_by=anna)
    settled = make_waiting()
    decide(settled, Outcome.PASS, decided_by=anna)
    for record in (escalated, own, settled):
        assert claim_one(anna, record.public_id, using="default") is None
    assert not ModerationRecord.objects.filter(claimed_by__isnull=False).exists()
    second = make_moderator("second", ESCALATED)
    assert claim_one(second, escalated.public_id, using="default") is not None


def test_claim_of_several_brings_what_is_free(anna, bob):
    records = [make_waiting() for _ in range(3)]
    claim(bob)
    keys = [record.pk for record in records]
    assert sorted(claim_these(anna, keys, using="default")) == keys[1:]
    assert claim_these(anna, keys, using="default") == {}
    assert claim_these(anna, [], using="default") == {}


@pytest.fixture
def overtaken(bob: User) -> Callable[[ModerationRecord], AbstractContextManager[None]]:
    """Return a context in which somebody claims a record after this process has seen it free, before it claims it."""

    def context(record: ModerationRecord) -> AbstractContextManager[None]:
        done = []

        def overtake(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
            if sql.startswith("UPDATE") and not done:
                done.append(sql)
                rows = ModerationRecord.objects.filter(pk=record.pk)
                rows.update(claimed_by=bob, claimed_until=record.created_at.replace(year=3000))
            return execute(sql, params, many, context)

        return connection.execute_wrapper(overtake)

    return context


def test_who_is_overtaken_gets_the_next(anna, bob, overtaken):
    first, second = make_waiting(), make_waiting()
    with overtaken(first):
        assert claim(anna) == second.pk
    assert (held(anna), held(bob)) == ([second.pk], [first.pk])


def test_who_is_overtaken_at_the_last_gets_none(anna, bob, overtaken):
    only = make_waiting()
    with overtaken(only):
        assert claim(anna) is None
    assert held(bob) == [only.pk]


def test_who_is_overtaken_at_one_of_several_gets_the_others(anna, bob, overtaken):
    first, second = make_waiting(), make_waiting()
    with overtaken(first):
        assert list(claim_these(anna, [first.pk, second.pk], using="default")) == [second.pk]
    assert held(bob) == [first.pk]
