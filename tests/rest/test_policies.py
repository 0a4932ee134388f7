"""The API is what it is whatever the site set for its own, and changes nothing of that."""

from __future__ import annotations

import re
import subprocess
import sys
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.urls import path, reverse
from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request
from rest_framework.views import APIView

from django_imgmod.exceptions import ImgmodConfigurationError
from django_imgmod.models import ModerationRecord
from django_imgmod.rest.urls import api_urls
from django_imgmod.rest.views.base import ApiView
from tests.rest.asking import Moderator, read
from tests.review.moderating import FIRST, make_moderator, make_waiting, now

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.rest.urls")]

HOSTILE = {
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.StaticHTMLRenderer"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.FileUploadParser"],
    "DEFAULT_AUTHENTICATION_CLASSES": [],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.AllowAny"],
    "DEFAULT_THROTTLE_CLASSES": ["rest_framework.throttling.AnonRateThrottle"],
    "DEFAULT_THROTTLE_RATES": {"anon": "0/day", "read": "0/day", "decide": "0/day"},
    "DEFAULT_VERSIONING_CLASS": "rest_framework.versioning.AcceptHeaderVersioning",
    "ALLOWED_VERSIONS": ["7"],
    "DEFAULT_PAGINATION_CLASS": "rest_framework.pagination.PageNumberPagination",
    "PAGE_SIZE": 1,
    "EXCEPTION_HANDLER": "tests.rest.test_policies.refuse_everything",
    "UNAUTHENTICATED_USER": None,
    "UNAUTHENTICATED_TOKEN": None,
    "URL_FORMAT_OVERRIDE": "order",
    "NON_FIELD_ERRORS_KEY": "errors_of_all",
    "DATETIME_FORMAT": "%Y",
    "DATE_FORMAT": "%Y",
    "COERCE_DECIMAL_TO_STRING": True,
    "UNICODE_JSON": False,
    "COMPACT_JSON": False,
    "STRICT_JSON": False,
    "LIST_SERIALIZER_ERRORS_AS_DICT": True,
}


def refuse_everything(error: Exception, context: Any) -> None:
    raise AssertionError("The site's own handler is for the site's own views.")


def test_every_policy_is_set_on_the_view():
    settings_of_views = {name for name in vars(APIView) if name.endswith(("_classes", "_class"))}
    assert settings_of_views <= vars(ApiView).keys()


def ask_everything(anna: Moderator) -> list[Any]:
    """Return what is answered to requests of every kind, without what differs each time."""
    ModerationRecord.objects.all().delete()
    first, second = make_waiting(object_id="7", reason="ä", top_confidence="60.5"), make_waiting(object_id="8")
    answers = [
        Moderator().get("records/"),
        anna.get("queue/", order="newest", page_size=1),
        anna.get(f"records/{first.public_id}/"),
        anna.get("records/", misspelt=1),
        anna.post("decisions/", outcome="block", records=[{"public_id": str(second.public_id), "version": 1}, 3]),
        anna.client.post("/imgmod/api/decisions/", "[]", content_type="application/json"),
        anna.decide(first, "block"),
        anna.decide(first, "block"),
        anna.get("statistics/"),
    ]
    told = []
    for answer in answers:
        text = answer.content.decode()
        for pattern in (
            r"[0-9a-f]{8}-[-0-9a-f]{27}",
            r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]+Z",
            "user-[0-9a-f]+",
            'cursor=[^&"]+',
        ):
            text = re.sub(pattern, "…", text)
        told.append((answer.status_code, answer.headers["Content-Type"], text))
    return told


def test_answers_are_the_same_under_any_settings(client_of, settings):
    usual = ask_everything(client_of(FIRST))
    settings.REST_FRAMEWORK = HOSTILE
    assert ask_everything(client_of(FIRST)) == usual
    assert [status for status, _type, _text in usual] == [401, 200, 200, 400, 400, 400, 200, 409, 200]
    assert '"reason":"ä"' in usual[2][2]


class NamedAuthentication(BaseAuthentication):
    """A site's own way to log in: by name."""

    def authenticate(self, request: Request) -> tuple[User, None] | None:
        scheme, _, name = request.headers.get("Authorization", "").partition(" ")
        return (User.objects.get(username=name), None) if scheme == "Name" else None

    def authenticate_header(self, request: Request) -> str:
        return "Name"


class Named:
    """The API of a site whose moderators come with a token."""

    urlpatterns = [path("imgmod/api/", (*api_urls(authentication_classes=[NamedAuthentication]), "api"))]


def test_site_names_how_people_log_in(anna, client, settings):
    settings.ROOT_URLCONF = Named
    make_moderator("zoe")
    record = make_waiting()
    answer = anna.get("records/")
    assert read(answer, 401)
    assert answer["WWW-Authenticate"] == "Name"
    headers = {"Authorization": "Name zoe"}
    sent = {"outcome": "pass", "version": 1}
    address = reverse("api:decide", args=[record.public_id])
    read(client.post(address, sent, content_type="application/json", headers=headers))
    assert now(record).status == "passed"


def test_scope_that_does_not_exist_is_an_error():
    with pytest.raises(ImgmodConfigurationError, match=r"'reed'\. There are: read, decide, statistics"):
        api_urls(throttle_rates={"reed": "1/s"})


def test_addresses_have_names():
    assert reverse("django_imgmod_api:record-list") == "/imgmod/api/records/"


def test_app_itself_needs_no_rest_framework():
    """Neither of the packages is imported before a site names the API's addresses."""
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            "import sys, django; sys.modules['rest_framework'] = sys.modules['drf_spectacular'] = None; django.setup();"
            "import django_imgmod.urls, django_imgmod.admin, django_imgmod.shortcuts; print('ready')",
        ],
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )
    assert done.stdout == "ready\n", done.stderr
