"""
What the schema says is true of every address, whatever is sent, by a moderator and by nobody.

The full count: ``IMGMOD_API=500 pytest -s tests/rest/test_schemathesis.py``. Each test prints its seed;
``IMGMOD_API_SEED`` makes it draw the same again.
"""

from __future__ import annotations

import os
import random
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import schemathesis
from django.contrib.auth.models import User
from django.core.handlers.wsgi import WSGIHandler
from django.core.signals import request_finished, request_started
from django.db import close_old_connections
from django.test import Client
from hypothesis import HealthCheck, Phase, given, seed, settings
from schemathesis import GenerationMode

from django_imgmod.choices import Outcome
from django_imgmod.models import ModerationRecord
from django_imgmod.services.review.batches import decide_batch
from django_imgmod.services.showing.links import status_token
from tests.rest.schema import generate
from tests.review.moderating import ESCALATED, FIRST, make_moderator, make_waiting, seen

COUNT = int(os.environ.get("IMGMOD_API", "5"))
CSRF_TOKEN = "a" * 32
# Higher than what records reach by themselves, so that no other number is ever right by accident.
VERSION = 1000

pytestmark = [pytest.mark.django_db(databases=["default", "other"]), pytest.mark.urls("tests.rest.unthrottled")]


@pytest.fixture(autouse=True)
def hosts(settings: Any) -> None:
    settings.ALLOWED_HOSTS = ["localhost", "testserver"]
    # None that needs a comment: that is a rule which a schema cannot tell.
    settings.IMGMOD = {**settings.IMGMOD, "REVIEW": {"REASONS": {"sexual": "Nudity", "hate": "Hate"}}}


@contextmanager
def one_connection() -> Iterator[None]:
    """As Django's own test client does: the end of a request does not end the connection of the test."""
    signals = (request_started, request_finished)
    for signal in signals:
        signal.disconnect(close_old_connections)
    try:
        yield
    finally:
        for signal in signals:
            signal.connect(close_old_connections)


@pytest.fixture
def number() -> int:
    chosen = int(os.environ.get("IMGMOD_API_SEED") or random.randrange(10**9))  # noqa: S311 - no secret
    print(f"IMGMOD_API={COUNT} IMGMOD_API_SEED={chosen}")  # noqa: T201 - a run can be had again
    return chosen


def load(schema: dict[str, Any], number: int, **generation: Any) -> Any:
    options = {"allow-x00": False, "database": "none", **generation}
    config = schemathesis.Config.from_dict({"seed": number, "generation": options})
    loaded = schemathesis.openapi.from_dict(schema, config=config)
    loaded.app = WSGIHandler()
    return loaded


def try_all(schema: Any, number: int, *, count: int, **sent: Any) -> Counter[tuple[str, int]]:
    """Try every operation: what follows from its schema, and as many draws of either kind. Return what was answered."""
    answers: Counter[tuple[str, int]] = Counter()

    def check(case: Any) -> None:
        with one_connection():
            response = case.call_and_validate(**sent)
        answers[case.operation.label, response.status_code] += 1

    chosen = settings(
        max_examples=count,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    for operation in (found.ok() for found in schema.get_all_operations()):
        generation = schema.config.generation
        for case in schema.iter_coverage_cases(
            operation, generation_modes=list(GenerationMode), generation_config=generation
        ):
            check(case)
        for mode in modes_of(operation):
            seed(number)(chosen(given(operation.as_strategy(generation_mode=mode))(check)))()
    return answers


def modes_of(operation: Any) -> Iterator[GenerationMode]:
    yield GenerationMode.POSITIVE
    schemas = [parameter.definition["schema"] for parameter in operation.iter_parameters()]
    if operation.body or any(schema.keys() > {"type"} for schema in schemas):
        # Where anything may be said, or nothing, nothing can be said wrongly.
        yield GenerationMode.NEGATIVE


def with_what_there_is(schema: dict[str, Any], client: Client, user: User) -> dict[str, Any]:
    """Name records, batches and cursors in a schema: what nobody could guess, and only the site itself hands out."""
    batches = [decide_batch(user, seen(record), Outcome.BLOCK, using="default").id for record in make_some()]
    for path, methods in schema["paths"].items():
        # Each operation decides about others.
        records = make_some()
        there_is = {
            "public_id": [str(record.public_id) for record in records],
            "batch": list(map(str, batches)),
            "token": list(map(status_token, records)),
        }
        for parameter in (named for method in methods.values() for named in method.get("parameters", ())):
            if parameter["name"] == "cursor":
                link = client.get(path, {"page_size": 1}).json()["next"]
                parameter["schema"] = {"type": "string", "enum": parse_qs(urlsplit(link).query)["cursor"]}
            elif parameter["name"] in there_is:
                parameter["schema"] = {"type": "string", "enum": there_is[parameter["name"]]}
    components = schema["components"]["schemas"]
    seen_request = components["ImgmodSeenRequest"]["properties"]
    seen_request["public_id"]["enum"] = [str(record.public_id) for record in make_some()]
    for properties in (seen_request, *(components[name]["properties"] for name in ("ImgmodEscalate", "ImgmodDecide"))):
        properties["version"] = {"type": "integer", "enum": [VERSION, VERSION + 1]}
    return schema


def make_some() -> list[ModerationRecord]:
    return [make_waiting(version=VERSION, perceptual_hash="-") for _ in range(8)]


def test_moderator(number):
    user = make_moderator("anna", FIRST, ESCALATED)
    client = Client()
    client.force_login(user)
    schema = load(with_what_there_is(generate(), client, user), number, **{"with-security-parameters": False})
    cookies = {"sessionid": client.cookies["sessionid"].value, "csrftoken": CSRF_TOKEN}
    # As a header, too: so the checks see that it was meant.
    headers = {"Cookie": f"sessionid={cookies['sessionid']}", "X-CSRFToken": CSRF_TOKEN}
    answers = try_all(schema, number, count=COUNT, cookies=cookies, headers=headers)
    # Nothing was tried in vain.
    assert {label for label, status in answers if status == 200} == {label for label, _status in answers}


def test_nobody(number):
    answers = try_all(load(generate(), number), number, count=2)
    of_people = {label: status for label, status in answers if "/status/" not in label}
    assert set(of_people.values()) == {401}
