"""The schema that drf-spectacular writes: without a warning, complete, and nobody else's names taken."""

from __future__ import annotations

import pytest
from django.core.management import call_command
from django.db import models
from django.urls import include, path
from drf_spectacular.management.commands.spectacular import Command
from drf_spectacular.settings import patched_settings
from rest_framework import serializers
from rest_framework.generics import GenericAPIView
from rest_framework.parsers import MultiPartParser
from rest_framework.response import Response

from django_imgmod.rest.access import RATES
from django_imgmod.rest.fields import ModeratedImageField
from django_imgmod.rest.openapi import OPERATIONS
from django_imgmod.rest.urls import ROUTES
from django_imgmod.rest.views.statistics import StatisticsView
from tests.rest.schema import SPECTACULAR, generate

pytestmark = pytest.mark.urls("tests.rest.urls")

# The name of no record.
NOBODY = "0f7e2b1c-5d43-4c6a-9a8b-7c6d5e4f3a2b"


def test_command_has_nothing_to_warn_of(settings, tmp_path):
    settings.REST_FRAMEWORK = SPECTACULAR
    file = tmp_path / "schema.yaml"
    call_command(Command(), "--fail-on-warn", "--validate", "--file", str(file))
    assert file.read_text().count("operationId: imgmod_") == len(ROUTES)


def test_every_view_is_described():
    assert {view for _address, view in ROUTES.values()} == OPERATIONS.keys()
    assert {view.throttle_scope for _address, view in ROUTES.values()} == RATES.keys()


def test_every_answer_is_described():
    schema = generate()
    for address, methods in schema["paths"].items():
        for method, operation in methods.items():
            problems = {status: answer for status, answer in operation["responses"].items() if status != "200"}
            is_public = address.endswith("/status/{token}/")
            assert {"400", "406", "429"} <= problems.keys()
            assert ({"401", "403"} <= problems.keys()) is not is_public
            assert ("requestBody" in operation) == ({"413", "415"} <= problems.keys()) == (method == "post")
            assert "404" in problems or "{" not in address
            assert all(answer["content"].keys() == {"application/problem+json"} for answer in problems.values())
            assert operation.get("security", []) == ([] if is_public else [{"cookieAuth": []}])


METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace")


@pytest.mark.django_db
def test_method_that_is_not_described_is_not_allowed(anna):
    """So no operation has a 405 among its answers: a method that has one would be described as one that there is."""
    for address, described in generate()["paths"].items():
        allowed = {*described, *(["head"] if "get" in described else [])}
        assert not any("405" in operation["responses"] for operation in described.values())
        place = address.format(public_id=NOBODY, batch=NOBODY, token="unknown")
        for method in METHODS:
            answer = getattr(anna.client, method)(place)
            assert (answer.status_code == 405) == (method not in allowed), (method, place)
            if answer.status_code == 405:
                assert {word.strip().lower() for word in answer["Allow"].split(",")} == allowed
                assert answer["Content-Type"] == "application/problem+json"


class Colour(models.TextChoices):
    RED = "red"


class RecordSerializer(serializers.Serializer):
    """The site's own, of the same name."""

    status = serializers.ChoiceField(Colour)
    outcome = serializers.ChoiceField(Colour)


class UploadSerializer(serializers.Serializer):
    image = ModeratedImageField()
    preview = ModeratedImageField(with_status=False, read_only=True)


class SitesView(GenericAPIView):
    serializer_class = RecordSerializer

    def get(self, request):
        return Response({})


class UploadView(GenericAPIView):
    serializer_class = UploadSerializer
    parser_classes = (MultiPartParser,)

    def post(self, request):
        return Response({})


class SlowView(StatisticsView):
    throttle_scope = "read"


class Urls:
    urlpatterns = [
        path("imgmod/api/", include("django_imgmod.rest.urls")),
        path("site/record/", SitesView.as_view()),
        path("site/upload/", UploadView.as_view()),
        path("site/statistics/", SlowView.as_view()),
    ]


def test_site_keeps_its_own_names(settings):
    settings.ROOT_URLCONF = Urls
    with_ours = generate()
    names = with_ours["components"]["schemas"].keys()
    assert {name for name in names if not name.startswith(("Imgmod", "PaginatedImgmod"))} == {
        "Record",
        "Upload",
        "StatusEnum",
        "OutcomeEnum",
    }


def test_subclass_is_described_as_what_it_is(settings):
    settings.ROOT_URLCONF = Urls
    operation = generate()["paths"]["/site/statistics/"]["get"]
    assert operation["responses"]["200"]["content"]["application/json"]["schema"]["$ref"].endswith("ImgmodStatistics")


@pytest.mark.parametrize("is_split", [False, True])
def test_image_field_is_a_file_to_write_and_a_picture_to_read(settings, is_split):
    settings.ROOT_URLCONF = Urls
    with patched_settings({"COMPONENT_SPLIT_REQUEST": is_split}):
        components = generate()["components"]["schemas"]
    told = components["Upload"]["properties"]
    assert told["image"] == {"allOf": [{"$ref": "#/components/schemas/ImgmodImage"}], "nullable": True}
    assert told["preview"]["allOf"] == [{"$ref": "#/components/schemas/ImgmodPicture"}]
    if is_split:
        # Without that one component stands for both, as with the stock field.
        assert components["UploadRequest"]["properties"] == {"image": {"type": "string", "format": "binary"}}


def test_schema_tells_the_words_of_the_settings(settings):
    settings.IMGMOD = {**settings.IMGMOD, "REVIEW": {"REASONS": {"spam": "Spam"}}}
    schema = generate()
    assert schema["components"]["schemas"]["ImgmodReasonCode"]["enum"] == ["spam"]
    (model,) = (
        parameter
        for parameter in schema["paths"]["/imgmod/api/queue/"]["get"]["parameters"]
        if parameter["name"] == "model"
    )
    assert "hostapp.Photo" in model["schema"]["enum"]
