"""Signed links to the status of an upload: who may follow them, and for how long."""

from __future__ import annotations

import base64
import zlib

import pytest
from django.core import signing

from django_imgmod.models import ModerationRecord
from django_imgmod.services.showing.links import record_of_token, status_token
from tests.backdated import make_record

pytestmark = pytest.mark.django_db(databases=["default", "other"])

SALT = "django_imgmod.status"


@pytest.fixture
def record() -> ModerationRecord:
    return make_record()


def test_leads_to_its_record_alone(record, django_assert_num_queries):
    make_record()
    token = status_token(record)
    with django_assert_num_queries(1):
        assert record_of_token(token) == record
    assert token != status_token(make_record())


def test_can_stand_in_an_address(record):
    assert set(status_token(record)) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_:")


def test_leads_into_the_other_database(record):
    elsewhere = make_record(using="other")
    found = record_of_token(status_token(elsewhere))
    assert found is not None
    assert (found.public_id, found._state.db) == (elsewhere.public_id, "other")


@pytest.mark.parametrize(("age", "is_found"), [(0, True), (3590, True), (3610, False), (10**6, False)])
def test_expires(record, settings, monkeypatch, age, is_found):
    settings.IMGMOD = {**settings.IMGMOD, "EDITORS": {"LINK_SECONDS": 3600}}
    token = status_token(record)
    clock = signing.time.time
    monkeypatch.setattr(signing.time, "time", lambda: clock() + age)
    assert (record_of_token(token) == record) == is_found


def test_of_a_record_that_is_gone(record):
    token = status_token(record)
    record.delete()
    assert record_of_token(token) is None


def test_key_that_was_changed(record, settings):
    old = status_token(record)
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "another one"
    assert record_of_token(old) == record
    settings.SECRET_KEY_FALLBACKS = []
    assert record_of_token(old) is None


def tampered(token: str, place: int) -> str:
    letter = "A" if token[place] != "A" else "B"
    return token[:place] + letter + token[place:][1:]


def test_forged(record, django_assert_num_queries):
    token, name = status_token(record), record.public_id.hex
    payload, stamp, signature = token.split(":")
    bomb = base64.urlsafe_b64encode(zlib.compress(b'"' + b"0" * 10**7 + b'"')).decode().rstrip("=")
    foreign = [
        *(tampered(token, place) for place in (0, len(payload) + 1, -1)),
        # As if it were of another one, or of another purpose.
        signing.dumps(name),
        signing.dumps(name, salt=f"{SALT}."),
        signing.dumps(name, salt=SALT, key="guessed"),
        signing.TimestampSigner().sign(payload),
        name,
        str(record.public_id),
        f"{payload}:{stamp}",
        f"{payload}::{signature}",
        f"{token}:{signature}",
        f"{token}\x00",
        f"\x00{token}",
        f" {token}",
        f"{token}\n",
        "",
        ":",
        "::",
        "\x00",
        "\N{SNOWMAN}" * 3,
        "\ud800",
        "A" * 10**6,
        ":" * 10**6,
        f".{bomb}:{stamp}:{signature}",
    ]
    with django_assert_num_queries(0):
        assert {record_of_token(forged) for forged in foreign} == {None}


@pytest.mark.parametrize("content", [None, 1, True, [], {}, "", "no uuid", "0" * 31, "\x00" * 32, ["a"], 1.5])
def test_signed_by_us_for_something_else(content, django_assert_num_queries):
    with django_assert_num_queries(0):
        assert record_of_token(signing.dumps(content, salt=SALT)) is None
