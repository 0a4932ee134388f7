"""Who may do what by the API: one table of roles, one of addresses, and every pair of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.db.models import Model

from django_imgmod.choices import Lane, Outcome
from django_imgmod.models import Decision, ModerationRecord
from django_imgmod.rest.urls import ROUTES
from django_imgmod.services.review.batches import Seen, decide_batch
from django_imgmod.services.showing.links import status_token
from tests.rest.asking import Moderator
from tests.review.moderating import ESCALATED, FIRST, make_waiting

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.rest.urls")]

VIEW = "view_moderationrecord"


@dataclass(frozen=True)
class Role:
    """Somebody, and what is open to them. Nobody needs to be staff."""

    codenames: tuple[str, ...] = ()
    lanes: frozenset[Lane] = frozenset()
    may_read: bool = False
    columns: Mapping[str, bool] = field(default_factory=dict)
    is_known: bool = True


OWN_LANES = frozenset({Lane.FIRST, Lane.APPEALED})
ROLES = {
    "anonymous": Role(is_known=False),
    "dismissed": Role((VIEW, FIRST, ESCALATED), columns={"is_active": False}, is_known=False),
    "user": Role(columns={}),
    "staff": Role(columns={"is_staff": True}),
    "editor of other records": Role(("add_moderationrecord", "delete_moderationrecord")),
    "viewer": Role((VIEW,), may_read=True),
    "changer": Role(("change_moderationrecord",), may_read=True),
    "reviewer": Role((FIRST,), OWN_LANES, may_read=True),
    "escalation holder": Role((ESCALATED,), frozenset({Lane.ESCALATED}), may_read=True),
    "superuser": Role((), frozenset(Lane), may_read=True, columns={"is_superuser": True}),
}


@dataclass(frozen=True)
class Address:
    """What is at an address: for whom, and what is sent there."""

    method: str = "post"
    is_public: bool = False
    is_for_readers: bool = False
    is_of_lane: bool = False
    """Whether the lane of the record, or that of the queue, has to be one's own."""

    elsewhere: int = 200
    """What is answered about a record of a lane that is not one's own, where not by a 403."""

    in_vain: Lane | None = None
    """The lane in which there is nothing to be done."""

    path: Callable[[ModerationRecord, Callable[[], Any]], str] = lambda record, batch: ""
    sent: Callable[[ModerationRecord], dict[str, Any]] = lambda record: {}

    def status(self, role: Role, lane: Lane) -> int:
        if self.is_public:
            return 200
        if not role.is_known:
            return 401
        if self.is_for_readers:
            return 200 if role.may_read else 403
        if lane in role.lanes:
            return 409 if lane == self.in_vain else 200
        return self.elsewhere if role.lanes and not self.is_of_lane else 403


def seen(record: ModerationRecord) -> dict[str, Any]:
    return {"public_id": str(record.public_id), "version": record.version}


ADDRESSES = {
    "record-list": Address("get", is_for_readers=True, path=lambda record, batch: "records/"),
    "record": Address("get", is_for_readers=True, path=lambda record, batch: f"records/{record.public_id}/"),
    "decide": Address(
        path=lambda record, batch: f"records/{record.public_id}/decide/",
        sent=lambda record: {"outcome": "pass", "version": record.version},
        is_of_lane=True,
    ),
    "escalate": Address(
        path=lambda record, batch: f"records/{record.public_id}/escalate/",
        sent=lambda record: {"version": record.version},
        is_of_lane=True,
        in_vain=Lane.ESCALATED,
    ),
    "queue": Address("get", path=lambda record, batch: f"queue/?lane={record.lane}", is_of_lane=True),
    "claim": Address(path=lambda record, batch: f"queue/claim/?lane={record.lane}", is_of_lane=True),
    "release": Address(path=lambda record, batch: "queue/release/"),
    "decide-many": Address(
        path=lambda record, batch: "decisions/",
        sent=lambda record: {"outcome": "block", "records": [seen(record)]},
        elsewhere=409,
    ),
    "batch-list": Address("get", path=lambda record, batch: "batches/"),
    "undo": Address(path=lambda record, batch: f"batches/{batch()}/undo/", elsewhere=409),
    "statistics": Address("get", path=lambda record, batch: "statistics/"),
    "status": Address("get", is_public=True, path=lambda record, batch: f"status/{status_token(record)}/"),
}


def enter(role: Role) -> Moderator:
    user = User.objects.create_user("somebody", **role.columns)
    user.user_permissions.set(Permission.objects.filter(codename__in=role.codenames))
    return Moderator(user if role.is_known or role.columns else None)


def state() -> list[Any]:
    models: tuple[type[Model], ...] = (ModerationRecord, Decision)
    return [list(model._default_manager.order_by("pk").values()) for model in models]


def test_every_address_is_in_the_table():
    assert list(ADDRESSES) == list(ROUTES)


@pytest.mark.parametrize("name", ADDRESSES)
@pytest.mark.parametrize("role", ROLES)
def test_address_is_for_whom_the_table_says_and_changes_nothing_for_others(role: str, name: str):
    somebody, address = enter(ROLES[role]), ADDRESSES[name]
    allowed = User(pk=User.objects.get(username="somebody").pk, is_superuser=True)
    # The permission of the third is that of the first.
    for lane in (Lane.FIRST, Lane.ESCALATED):
        record, done = (make_waiting(lane=lane, perceptual_hash="-") for _ in range(2))
        url = address.path(record, partial(batch_of, done, allowed))
        before = state()
        answer = somebody.get(url) if address.method == "get" else somebody.post(url, **address.sent(record))
        wanted = address.status(ROLES[role], lane)
        case = f"{name} in the queue {lane}"
        assert answer.status_code == wanted, case
        is_writing = address.method == "post" and wanted == 200 and name != "release"
        assert (state() != before) is is_writing, case


def batch_of(record: ModerationRecord, user: User) -> Any:
    """Decide about a record while everything is allowed; return what takes it back."""
    return decide_batch(user, [Seen(record.public_id, record.version)], Outcome.BLOCK, using="default").id
