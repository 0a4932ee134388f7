"""Whatever is wrong with a request is told in one shape, and nothing of it is done."""

from __future__ import annotations

import base64
import json
import logging
from urllib.parse import urlencode

import pytest
from django.core.signals import got_request_exception
from django.db import connection
from django.test import Client

from django_imgmod.models import Decision, ModerationRecord
from django_imgmod.rest.formats import MAX_BODY
from django_imgmod.rest.views import statistics
from tests.rest.asking import API, Moderator, read
from tests.review.moderating import FIRST, make_waiting

# The name of no record. Never another one, so that every worker of the suite has the same tests.
NOBODY = "0f7e2b1c-5d43-4c6a-9a8b-7c6d5e4f3a2b"

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.rest.urls")]


def cursor(**tokens: object) -> str:
    return base64.b64encode(urlencode(tokens).encode()).decode()


# By either list: a place in the one is none in the other.
BAD_CURSORS = [
    "x",
    "ä",
    "\0",
    cursor(p="abc"),
    cursor(p="\0"),
    cursor(p="-1"),
    cursor(p="1e3"),
    cursor(p="٣"),
    cursor(p=2**63),
    cursor(p="1" * 5000),
    cursor(p=1, r="x"),
    cursor(p=1, o=-1),
    cursor(p="9_2026-01-01T00:00:00+00:00_1"),
    cursor(p="1_2026-99-99T00:00:00+00:00_1"),
    cursor(p="1_9999-12-31T23:59:59+00:00_1"),
    cursor(p="1_2026-01-01T00:00:00_1"),
    cursor(p="1_2026-01-01T00:00:00+00:00_" + "1" * 19),
]


@pytest.mark.parametrize("address", ["records/", "queue/"])
@pytest.mark.parametrize("text", BAD_CURSORS)
def test_bad_cursor_is_refused(anna, address, text):
    problem = read(anna.get(address, cursor=text), 400)
    assert [error["place"] for error in problem["errors"]] == ["cursor"]


@pytest.mark.parametrize("address", ["records/", "queue/"])
@pytest.mark.parametrize(
    "query",
    [
        "misspelt=1",
        "format=json",
        "risk_level=",
        "risk_level=highest",
        "lane=second",
        "provider=nobody",
        "model=hostapp.Nothing",
        "model=Photo",
        "label=",
        "label=%00",
        "label=" + "x" * 101,
        "reason=%00",
        "older_than_hours=-1",
        "older_than_hours=x",
        "older_than_hours=1.5",
        "older_than_hours=" + "9" * 30,
        "page_size=0",
        "page_size=101",
        "page_size=%D9%A3",
        "risk_level=low&risk_level=high",
    ],
)
def test_bad_parameter_is_named_and_never_ignored(anna, address, query):
    problem = read(anna.get(f"{address}?{query}"), 400)
    assert [error["place"] for error in problem["errors"]] == [query.partition("=")[0]]


def test_status_is_no_filter_of_what_waits_and_order_none_of_all(anna):
    for query in ("queue/?status=passed", "records/?order=risk", "statistics/?days=3", "batches/?page_size=1"):
        assert read(anna.get(query), 400)["errors"][0]["code"] == "unknown"


DECISION = {"outcome": "pass", "version": 1}


@pytest.mark.parametrize(
    ("sent", "places"),
    [
        ({}, ["outcome", "version"]),
        ([], [""]),
        ("pass", [""]),
        (None, [""]),
        ({**DECISION, "reason": "x"}, ["reason"]),
        ({**DECISION, "\ud800": "x"}, ["?"]),
        ({**DECISION, "outcome": "review"}, ["outcome"]),
        ({**DECISION, "outcome": None}, ["outcome"]),
        ({**DECISION, "outcome": ["pass"]}, ["outcome"]),
        ({**DECISION, "version": "1"}, ["version"]),
        ({**DECISION, "version": 1.5}, ["version"]),
        ({**DECISION, "version": True}, ["version"]),
        ({**DECISION, "version": -1}, ["version"]),
        ({**DECISION, "version": 2**31}, ["version"]),
        ({**DECISION, "version": 10**400}, ["version"]),
        ({**DECISION, "version": {}}, ["version"]),
        ({**DECISION, "comment": 1}, ["comment"]),
        ({**DECISION, "comment": "\0"}, ["comment"]),
        ({**DECISION, "comment": "\ud800"}, ["comment"]),
        ({**DECISION, "comment": "x" * 2001}, ["comment"]),
        ({**DECISION, "reason_code": "nonsense"}, ["reason_code"]),
        ({**DECISION, "reason_code": ""}, ["reason_code"]),
    ],
)
def test_bad_decision_names_its_places_and_decides_nothing(anna, sent, places):
    record = make_waiting()
    address = f"{API}records/{record.public_id}/decide/"
    problem = read(anna.client.post(address, json.dumps(sent), content_type="application/json"), 400)
    assert sorted(error["place"] for error in problem["errors"]) == places
    assert not Decision.objects.exists()


@pytest.mark.parametrize(
    ("records", "places"),
    [
        (None, ["records"]),
        ({}, ["records"]),
        ([], ["records"]),
        ([{"public_id": NOBODY, "version": 1}] * 501, ["records"]),
        ([{"public_id": "x", "version": 1}], ["records.0.public_id"]),
        ([{"public_id": 7, "version": 1}], ["records.0.public_id"]),
        ([{"public_id": "\ud800", "version": 1}], ["records.0.public_id"]),
        ([{"public_id": NOBODY.replace("-", ""), "version": 1}], ["records.0.public_id"]),
        ([{"public_id": NOBODY, "version": 1}, 3], ["records.1"]),
        ([{"public_id": NOBODY, "version": 1, "more": 2}], ["records.0.more"]),
    ],
)
def test_bad_record_of_many_is_named(anna, records, places):
    problem = read(anna.post("decisions/", outcome="pass", records=records), 400)
    assert [error["place"] for error in problem["errors"]] == places


@pytest.mark.parametrize(
    "body",
    [b"{", b"", b"\xff", b'{"version": NaN}', b"[" * 100_000, b'{"version": 1e400}', b"1" * 5000, b"{}}", b"'"],
)
def test_bad_json_is_a_bad_request(anna, body):
    record = make_waiting()
    answer = anna.client.post(f"{API}records/{record.public_id}/decide/", body, content_type="application/json")
    assert "Traceback" not in str(read(answer, 400))


@pytest.mark.parametrize("address", ["records/{}/", "records/{}/decide/", "records/{}/escalate/", "batches/{}/undo/"])
@pytest.mark.parametrize("name", ["x", "%00", "1", NOBODY, NOBODY.replace("-", ""), "%F0%9F%8E%A8", "x" * 3000])
def test_what_is_not_there_is_not_found(anna, address, name):
    ask = anna.get if address == "records/{}/" else anna.post
    assert read(ask(address.format(name)), 404)["code"] == "not_found"


def test_too_large_a_body_is_not_read(anna):
    problem = read(anna.post("decisions/", comment="x" * MAX_BODY), 413)
    assert problem["code"] == "too_large"


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", "application/xml"])
def test_other_than_json_is_not_read(anna, content_type):
    record = make_waiting()
    address = f"{API}records/{record.public_id}/decide/"
    read(anna.client.post(address, "outcome=pass&version=1", content_type=content_type), 415)
    assert not Decision.objects.exists()


def test_other_than_json_is_not_written(anna):
    assert read(anna.client.get(f"{API}records/", headers={"Accept": "text/html"}), 406)["title"] == "Not Acceptable"


@pytest.mark.parametrize("method", ["put", "patch", "delete", "options", "trace"])
def test_other_methods_are_not_allowed(anna, method):
    answer = getattr(anna.client, method)(f"{API}queue/claim/")
    read(answer, 405)
    assert answer["Allow"] == "POST"


def test_request_that_django_refuses_is_told_alike(anna, settings):
    settings.DATA_UPLOAD_MAX_NUMBER_FIELDS = 3
    assert read(anna.get("records/?" + "&a=1" * 5), 400)["code"] == "malformed"


def test_nobody_is_asked_to_log_in(db):
    answer = Moderator().get("records/")
    assert read(answer, 401)["code"] == "not_authenticated"
    assert answer["WWW-Authenticate"] == "Session"


def test_session_is_protected_against_forged_requests(anna):
    record = make_waiting()
    careful = Moderator(anna.user, client=Client(enforce_csrf_checks=True))
    assert "CSRF" in read(careful.decide(record, "pass"), 403)["detail"]
    careful.client.cookies["csrftoken"] = "a" * 32
    address = f"{API}records/{record.public_id}/decide/"
    sent = {"outcome": "pass", "version": 1}
    read(careful.client.post(address, sent, content_type="application/json", headers={"X-CSRFToken": "a" * 32}))


def test_unexpected_error_is_logged_and_told_without_a_word_of_it(anna, monkeypatch, caplog):
    def fail(*args: object, **kwargs: object) -> None:
        raise RuntimeError("the secret of the house")

    monkeypatch.setattr(statistics, "read_statistics", fail)
    heard = []

    def hear(sender: object, request: object, **kwargs: object) -> None:
        heard.append(request)

    got_request_exception.connect(hear)
    try:
        anna.client.raise_request_exception = False
        problem = read(anna.get("statistics/"), 500)
    finally:
        got_request_exception.disconnect(hear)
    assert "secret" not in str(problem)
    # Whoever collects errors collects this one.
    assert [request.path for request in heard] == [f"{API}statistics/"]
    (line,) = (line for line in caplog.records if line.levelno == logging.ERROR)
    assert "the secret of the house" in str(line.exc_info)


def test_failed_request_is_rolled_back_where_requests_are_transactions(anna, monkeypatch):
    def write_and_fail(*args: object, **kwargs: object) -> None:
        make_waiting()
        raise RuntimeError

    monkeypatch.setitem(connection.settings_dict, "ATOMIC_REQUESTS", True)
    monkeypatch.setattr(statistics, "read_statistics", write_and_fail)
    anna.client.raise_request_exception = False
    read(anna.get("statistics/"), 500)
    assert not ModerationRecord.objects.exists()


@pytest.mark.urls("tests.rest.throttled")
def test_who_asks_too_often_is_told_when_to_come_again(anna, client_of):
    for _ in range(2):
        read(anna.get("records/"))
    answer = anna.get("queue/")
    assert read(answer, 429)["code"] == "throttled"
    assert 0 < int(answer["Retry-After"]) <= 60
    # Each scope and each person by themselves.
    read(anna.get("statistics/"))
    read(anna.get("statistics/"), 429)
    read(client_of(FIRST).get("records/"))
    for _ in range(3):
        read(anna.post("queue/release/"))
