"""What is all but authentic: refused like any noise, and without a word to any database."""

from __future__ import annotations

from io import BytesIO
from typing import Any

import pytest
from django.db import connections
from django.test import Client

from django_imgmod.choices import ReceiptOutcome, Status
from django_imgmod.models import CallbackReceipt, ModerationRecord
from tests.callbacks.forms import (
    ALIASES,
    DATA_IDS,
    DUMMY,
    FORM,
    ONE,
    REFUSAL,
    STORED,
    TWO,
    Request,
    authentic,
    near_misses,
    no_sql,
    signed,
)

pytestmark = pytest.mark.django_db(databases=["default", "other"])


@pytest.mark.parametrize(("alias", "name"), [(alias, name) for alias in ALIASES for name in near_misses(alias)])
def test_near_miss(waiting, alias, name):
    one = authentic(alias)
    other = DATA_IDS[ONE if alias == TWO else TWO]
    miss = near_misses(alias)[name]
    requests = [miss(one, other, number).request() for number in range(0, 256, 5)]
    with no_sql():
        assert {request.send() for request in requests} == {REFUSAL}
    # It was near indeed.
    assert one.request().send() == STORED


@pytest.mark.parametrize("alias", ALIASES)
def test_every_bit_of_the_digits_counts(waiting, alias):
    one = authentic(alias)
    miss = near_misses(alias)["one bit"]
    with no_sql():
        assert {miss(one, "", bit).request().send() for bit in range(256)} == {REFUSAL}


@pytest.mark.parametrize("alias", ALIASES)
def test_authentic_one_at_another_address(waiting, alias):
    body = authentic(alias).request().body
    with no_sql():
        assert {Request(body, other).send() for other in {*ALIASES, "nobody"} - {alias}} == {REFUSAL}


@pytest.mark.parametrize("alias", ALIASES)
@pytest.mark.parametrize(
    "content_type",
    [
        "application/json",
        "text/plain",
        "multipart/form-data; boundary=x",
        f"{FORM}x",
        f"x{FORM}",
        "form",
        "\u4e2d",
        " ",
    ],
)
def test_authentic_one_as_something_else_than_a_form(waiting, alias, content_type):
    body = authentic(alias).request().body
    with no_sql():
        assert Request(body, alias, content_type).send() == REFUSAL


@pytest.mark.parametrize("content_type", [f"{FORM}; charset=utf-8", f"{FORM};charset=GBK", FORM.upper(), f"{FORM}; =;"])
def test_form_by_its_other_names(waiting, content_type):
    request = authentic(TWO).request()
    assert Request(request.body, TWO, content_type).send() == STORED


@pytest.mark.parametrize("alias", [ONE, TWO])
class TestDigits:
    def test_in_capitals(self, waiting, alias):
        one = authentic(alias)
        body = one.request().body
        assert Request(str(body).replace(one.checksum, one.checksum.upper()), alias).send() == STORED

    def test_the_wrong_ones_after_the_right_ones(self, waiting, alias):
        body = authentic(alias).request().body
        with no_sql():
            assert Request(f"{body}&checksum=0&Checksum=0", alias).send() == REFUSAL


@pytest.mark.parametrize("alias", [ONE, TWO])
def test_account_that_is_not_set_lets_nobody_in(waiting, settings, alias):
    """A checksum over seed and content alone would be right."""
    entry = settings.IMGMOD["PROVIDERS"][alias]
    options = {**entry["OPTIONS"], "uid": ""}
    providers = {**settings.IMGMOD["PROVIDERS"], alias: {**entry, "OPTIONS": options}}
    settings.IMGMOD = {**settings.IMGMOD, "PROVIDERS": providers}
    one = authentic(alias)
    with no_sql():
        assert one.request().send() == REFUSAL
        assert near_misses(alias)["no account"](one, "", 0).request().send() == REFUSAL


class TestTooMuch:
    """3 MB, whatever the site allows to be posted."""

    SIZE = 3_000_000
    BODIES = (
        "a" * SIZE,
        "%" * SIZE,
        "&" * SIZE,
        "=" * SIZE,
        "a&" * (SIZE // 2),
        "%F0%9F" * (SIZE // 6),
        b"\xf0\x9f\x98" * (SIZE // 3),
        b"\x00" * SIZE,
    )

    @pytest.mark.parametrize("limit", [None, 2_621_440])
    @pytest.mark.parametrize("number", range(len(BODIES)))
    def test_of_noise(self, waiting, settings, number, limit):
        settings.DATA_UPLOAD_MAX_MEMORY_SIZE = limit
        with no_sql():
            assert Request(self.BODIES[number], TWO).send() == REFUSAL

    @pytest.mark.parametrize("limit", [None, 2_621_440])
    @pytest.mark.parametrize("alias", [ONE, TWO])
    def test_of_an_authentic_one(self, waiting, settings, alias, limit):
        settings.DATA_UPLOAD_MAX_MEMORY_SIZE = limit
        with no_sql():
            assert authentic(alias, more="x" * self.SIZE).request().send() == REFUSAL

    @pytest.mark.parametrize("alias", ALIASES)
    def test_fields(self, waiting, alias):
        """A hundred at most, and it is not read how many more there are."""
        body = str(authentic(alias).request().body)
        room = 100 - len(body.split("&"))
        with no_sql():
            assert Request("a=&" * (room + 1) + body, alias).send() == REFUSAL
        assert Request("a=&" * room + body, alias).send() == STORED

    @pytest.mark.parametrize("alias", [ONE, TWO])
    @pytest.mark.parametrize("start", ["[", '{"a":', '[{"a":', '"\\u00'])
    def test_nesting_without_end(self, waiting, settings, alias, start):
        """Even where the seed were known."""
        settings.DATA_UPLOAD_MAX_MEMORY_SIZE = None
        with no_sql():
            assert signed(alias, start * 200_000).request().send() == REFUSAL


class _Broken(BytesIO):
    def read(self, *args: Any) -> bytes:
        raise OSError("connection reset")


def test_form_that_breaks_off(waiting):
    client = Client(raise_request_exception=False)
    with no_sql():
        answer = client.generic("POST", f"/imgmod/callbacks/{TWO}/", b"x", FORM, **{"wsgi.input": _Broken()})
    assert answer.status_code == 400


class TestAtomicRequests:
    """Whatever a site says about transactions, a forged request begins none and a receipt waits for none."""

    @pytest.fixture(params=[["default"], ["other"], ["default", "other"]], autouse=True)
    def atomic(self, request, waiting, monkeypatch):
        for using in request.param:
            monkeypatch.setitem(connections[using].settings_dict, "ATOMIC_REQUESTS", True)
            monkeypatch.setitem(connections.settings[using], "ATOMIC_REQUESTS", True)

    @pytest.mark.parametrize("alias", ALIASES)
    def test_forged_costs_nothing(self, waiting, alias):
        one = near_misses(alias)["one bit"](authentic(alias), "", 3)
        with no_sql():
            assert one.request().send() == REFUSAL

    @pytest.mark.django_db(databases=["default", "other"], transaction=True)
    def test_receipt_outlives_what_happens_afterwards(self, waiting, monkeypatch):
        def interrupt(*args: Any) -> None:
            raise KeyboardInterrupt

        monkeypatch.setattr("django_imgmod.services.callbacks.apply_verdict", interrupt)
        with pytest.raises(KeyboardInterrupt):
            authentic(DUMMY).request().send()
        assert CallbackReceipt.objects.get().outcome == ReceiptOutcome.RECEIVED
        assert ModerationRecord.objects.get(pk=waiting[DUMMY].pk).status == Status.SUBMITTED
