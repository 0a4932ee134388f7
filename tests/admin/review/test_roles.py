"""Who may do what at the review desk and at the records: one table of roles, one of pages, and every pair of them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import timedelta
from itertools import product
from typing import Any

import pytest
from django.apps import apps
from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission, User
from django.core.files.storage import default_storage
from django.db import connection
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from django_imgmod.admin.review.media import media_url
from django_imgmod.admin.review.urls import ROUTES
from django_imgmod.choices import Lane, Outcome
from django_imgmod.models import ModerationRecord
from django_imgmod.services.review.batches import Seen, decide_batch
from tests.hostapp.models import Photo
from tests.review.moderating import ESCALATED, FIRST, make_waiting

BY_SCRIPT = {"HTTP_X_IMGMOD_DESK": "parts"}
IMGMOD = apps.get_app_config("django_imgmod")
DESK_NAME = "admin:django_imgmod_moderationrecord_review"
METHODS = ("GET", "HEAD", "PUT", "DELETE", "POST")
LOGIN, DESK = "login", "desk"
REFUSALS = {LOGIN, 403, 405, 409}

pytestmark = pytest.mark.django_db


@dataclass(frozen=True)
class Role:
    """Somebody, and what is open to them."""

    codenames: tuple[str, ...] = ()
    lanes: frozenset[Lane] = frozenset()
    may_view: bool = False
    is_let_in: bool = True
    """Whether the admin's own door is open."""

    columns: Mapping[str, bool] | None = None
    """The columns of the account; None for whoever has none."""


STAFF = {"is_staff": True}
EVERY_LANE = frozenset(Lane)
OWN_LANES = frozenset({Lane.FIRST, Lane.APPEALED})
DJANGOS_OWN = tuple(f"{verb}_moderationrecord" for verb in ("add", "change", "delete", "view"))

ROLES = {
    "anonymous": Role(is_let_in=False),
    "editor": Role((FIRST, ESCALATED, *DJANGOS_OWN), is_let_in=False, columns={}),
    "dismissed": Role((FIRST, ESCALATED, *DJANGOS_OWN), is_let_in=False, columns={**STAFF, "is_active": False}),
    "staff": Role(columns=STAFF),
    "viewer": Role(("view_moderationrecord",), may_view=True, columns=STAFF),
    "manager": Role(DJANGOS_OWN, may_view=True, columns=STAFF),
    "reviewer": Role((FIRST,), OWN_LANES, may_view=True, columns=STAFF),
    "escalation holder": Role((ESCALATED,), frozenset({Lane.ESCALATED}), may_view=True, columns=STAFF),
    "reviewer and escalation holder": Role((FIRST, ESCALATED), EVERY_LANE, may_view=True, columns=STAFF),
    "superuser": Role((), EVERY_LANE, may_view=True, columns={**STAFF, "is_superuser": True}),
}


@dataclass(frozen=True)
class Attempt:
    """A record that waits in a lane, which the user holds, or held while it was still theirs to decide about."""

    user: User
    record: ModerationRecord

    @property
    def ids(self) -> str:
        return str(self.record.public_id)

    @property
    def seen(self) -> str:
        return f"{self.record.public_id}:{self.record.version}"

    @property
    def token(self) -> str:
        return media_url(self.record, self.user, size="original").rstrip("/").rpartition("/")[2]

    def done(self) -> str:
        """Decide about the record while everything is allowed; return the name of the batch."""
        allowed = User(pk=self.user.pk, is_superuser=True)
        return str(
            decide_batch(allowed, [Seen(self.record.public_id, self.record.version)], Outcome.BLOCK, using="default").id
        )


def in_lane(role: Role, attempt: Attempt) -> bool:
    return attempt.record.lane in role.lanes


def in_any_lane(role: Role, attempt: Attempt) -> bool:
    return bool(role.lanes)


def may_view(role: Role, attempt: Attempt) -> bool:
    return role.may_view


def nobody(role: Role, attempt: Attempt) -> bool:
    return False


@dataclass(frozen=True)
class Page:
    """What is at an address: for whom, and what it answers to them."""

    is_open: Callable[[Role, Attempt], bool]
    """Who is not refused."""

    answers: Mapping[str, int | str]
    """The status by the method; what is not named is answered with 405."""

    by_script: int | None = None
    """The status of a POST of the desk's script, where it is another."""

    sent: Callable[[Attempt], Mapping[str, Any]] = lambda attempt: {}
    """What a form of the page posts."""

    args: Callable[[Attempt], list[Any]] = lambda attempt: []
    """What the address holds."""

    is_writing: bool = False
    """Whether a POST that is not refused changes something."""

    in_vain: Collection[Lane] = ()
    """The queues in which it has nothing to do, and leads to the desk."""


def reading(is_open: Callable[[Role, Attempt], bool], **more: Any) -> Page:
    return Page(is_open, {"GET": 200, "HEAD": 200}, **more)


def acting(status: int, by_script: int, sent: Callable[[Attempt], Mapping[str, Any]], **more: Any) -> Page:
    """What is done at the desk; a GET leads there, whoever asks."""
    return Page(in_lane, {"POST": status, "GET": DESK, "HEAD": DESK}, by_script, sent, is_writing=True, **more)


def of_django(is_open: Callable[[Role, Attempt], bool], *, post: int = 200, **more: Any) -> Page:
    """A page of the admin's own, which takes every method that it does not know for a GET."""
    return Page(is_open, {**dict.fromkeys(METHODS, 200), "POST": post}, **more)


def key_of(attempt: Attempt) -> list[Any]:
    return [attempt.record.pk]


def other_wishes(attempt: Attempt) -> dict[str, str]:
    """Return choices that are not those of the attempt before."""
    return {"grid_size": "48" if attempt.record.pk % 2 else "96"}


def page_of_one(attempt: Attempt) -> dict[str, str]:
    return {"seen": attempt.seen, "selected_outcome": "block", "rest_outcome": "pass"}


# By the end of the name of each address of the record admin.
PAGES = {
    "review": reading(in_lane),
    "review_claim": acting(302, 200, lambda attempt: {"public_id": attempt.ids}),
    "review_decide": acting(302, 200, lambda attempt: {"seen": attempt.seen, "outcome": "block"}),
    "review_escalate": acting(302, 200, lambda attempt: {"seen": attempt.seen}, in_vain=[Lane.ESCALATED]),
    "review_skip": acting(302, 204, lambda attempt: {"seen": attempt.seen, "keys": attempt.record.pk}),
    "review_undo": acting(302, 200, lambda attempt: {"batch": attempt.done()}),
    "review_release": acting(204, 204, lambda attempt: {"ids": attempt.ids}),
    "review_heartbeat": acting(200, 200, lambda attempt: {"ids": attempt.ids}),
    "review_links": Page(
        in_lane, {"POST": 200, "GET": DESK, "HEAD": DESK}, 200, lambda attempt: {"links": attempt.token}
    ),
    "review_revealed": acting(302, 204, lambda attempt: {"count": 1, "shown": "grey"}),
    "review_preferences": Page(in_any_lane, {"GET": 200, "HEAD": 200, "POST": 302}, sent=other_wishes, is_writing=True),
    "review_grid": Page(
        in_lane,
        {"GET": 200, "HEAD": 200, "POST": 302},
        sent=page_of_one,
        is_writing=True,
        in_vain=[Lane.ESCALATED, Lane.APPEALED],
    ),
    "review_statistics": reading(in_any_lane),
    "review_decisions": reading(in_any_lane),
    "review_media": reading(in_lane, args=lambda attempt: [attempt.token]),
    "changelist": of_django(may_view),
    "change": of_django(may_view, post=403, args=key_of),
    "history": of_django(may_view, args=key_of),
    "add": of_django(nobody),
    "delete": of_django(nobody, args=key_of),
    "preview": reading(may_view, args=key_of),
}
# What names records that are to be changed.
NAMING = [name for name, page in PAGES.items() if page.is_writing and page.is_open is in_lane]
NAMING.remove("review_revealed")


def expected(role: Role, page: Page, method: str, attempt: Attempt, *, by_script: bool = False) -> int | str:
    """Return the answer: the admin's door comes first, then the method, then what is allowed."""
    if not role.is_let_in:
        return LOGIN
    if method not in page.answers:
        return 405
    if page.answers[method] == DESK:
        return DESK
    if not page.is_open(role, attempt):
        return 403
    if attempt.record.lane in page.in_vain:
        return 409 if by_script else 302
    if method == "POST" and by_script and page.by_script is not None:
        return page.by_script
    return page.answers[method]


def fingerprint() -> list[list[Any]]:
    """Return every row of the app, and what an admin writes beside it."""
    with connection.cursor() as cursor:
        return [_rows(cursor, model._meta) for model in (*IMGMOD.get_models(), User, LogEntry, Photo)]


def _rows(cursor: Any, meta: Any) -> list[Any]:
    table, key = connection.ops.quote_name(meta.db_table), connection.ops.quote_name(meta.pk.column)
    cursor.execute(f"SELECT * FROM {table} ORDER BY {key}")  # noqa: S608 - names of our own
    return list(cursor.fetchall())


@pytest.fixture
def file_name(picture) -> str:
    return default_storage.save("photos/picture.png", picture())


def enter(role: Role) -> tuple[Client, User]:
    """Return a browser of somebody in a role, and the account; that of a colleague where they have none."""
    client = Client()
    user = User.objects.create_user("somebody", **(STAFF if role.columns is None else role.columns))
    user.user_permissions.set(Permission.objects.filter(codename__in=role.codenames))
    if role.columns is not None:
        client.force_login(user)
    return client, user


def make_attempt(user: User, lane: Lane, file_name: str, *, is_held: bool = True) -> Attempt:
    held = {"claimed_by": user, "claimed_until": timezone.now() + timedelta(minutes=1)} if is_held else {}
    # With a hash of its own, so that no file is read for one.
    record = make_waiting(lane=lane, perceptual_hash="-", **held)
    ModerationRecord.objects.filter(pk=record.pk).update(file_name=file_name)
    return Attempt(user, record)


def address(name: str, attempt: Attempt) -> str:
    return reverse(f"admin:django_imgmod_moderationrecord_{name}", args=PAGES[name].args(attempt))


def form(name: str, attempt: Attempt, lane: str) -> dict[str, Any]:
    """Return what is sent from a place of the desk; nothing to the admin's own pages, which would wonder."""
    place = {"lane": lane, "query": f"lane={lane}"} if name.startswith("review") else {}
    return {**place, **PAGES[name].sent(attempt)}


def ask(client: Client, method: str, url: str, sent: Mapping[str, Any], *, by_script: bool = False) -> int | str:
    """Send a request as a form of the desk does, or its script; return the status, or where it led."""
    headers = BY_SCRIPT if by_script else {}
    if method == "POST":
        response = client.post(url, sent, **headers)
    else:
        # What a form posts is in the address: nobody takes it from there.
        response = getattr(client, method.lower())(url, query_params=sent, **headers)
    # What is streamed is made while it is read.
    b"".join(response)
    is_login = response.status_code == 302 and "/login/" in response["Location"]
    # An address without a place: what was in that of the request was not looked at.
    is_desk = method in ("GET", "HEAD") and response.status_code == 302 and response["Location"] == reverse(DESK_NAME)
    return LOGIN if is_login else DESK if is_desk else response.status_code


def test_every_address_is_in_the_table():
    """What is built later must say for whom it is."""
    patterns = admin.site.get_model_admin(ModerationRecord).get_urls()
    names = {pattern.name.removeprefix("django_imgmod_moderationrecord_") for pattern in patterns if pattern.name}
    assert names == set(PAGES)
    assert {name for _address, name, _view in ROUTES} <= names


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize("role", ROLES.values(), ids=ROLES)
def test_looking_is_for_whom_the_table_says_and_changes_nothing(role: Role, name: str, file_name: str):
    client, user = enter(role)
    attempts = [make_attempt(user, lane, file_name) for lane in Lane]
    sent = [(attempt, address(name, attempt), form(name, attempt, attempt.record.lane)) for attempt in attempts]
    before = fingerprint()
    for method, (attempt, url, fields) in product(("GET", "HEAD", "PUT", "DELETE"), sent):
        case = f"{method} {name} in the queue {attempt.record.lane}"
        assert ask(client, method, url, fields) == expected(role, PAGES[name], method, attempt), case
        assert fingerprint() == before, case


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize("role", ROLES.values(), ids=ROLES)
def test_posting_is_for_whom_the_table_says_and_changes_nothing_of_others(role: Role, name: str, file_name: str):
    client, user = enter(role)
    page = PAGES[name]
    for lane, by_script in product(Lane, (False, True) if page.by_script else (False,)):
        attempt = make_attempt(user, lane, file_name)
        url, sent = address(name, attempt), form(name, attempt, lane)
        before = fingerprint()
        wanted = expected(role, page, "POST", attempt, by_script=by_script)
        case = f"{name} in the queue {lane}, {by_script=}"
        assert ask(client, "POST", url, sent, by_script=by_script) == wanted, case
        is_done = page.is_writing and wanted not in REFUSALS and lane not in page.in_vain
        # The same form changes something for those who may, or nothing would be said by the rest.
        assert (fingerprint() != before) is is_done, case


@pytest.mark.parametrize("name", NAMING)
@pytest.mark.parametrize("role", ["reviewer", "escalation holder"])
def test_record_of_another_queue_is_not_reached_through_ones_own(role: str, name: str, file_name: str):
    client, user = enter(ROLES[role])
    own = ROLES[role].lanes
    for lane, other, by_script in product(own, EVERY_LANE - own, (False, True)):
        attempt = make_attempt(user, other, file_name, is_held=False)
        url, sent = address(name, attempt), form(name, attempt, lane)
        before = fingerprint()
        assert ask(client, "POST", url, sent, by_script=by_script) in (200, 204, 302, 409)
        assert fingerprint() == before, f"{name} of the queue {other} in the queue {lane}, {by_script=}"
