"""The status column and the filter of a host's list."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from django_imgmod.choices import Status
from django_imgmod.models import ModerationRecord
from tests.hostapp.models import PairOfPhotos, PanoramaPhoto, Photo, StringPhoto, UuidPhoto

from . import site as sites
from .reading import elements, text_of

pytestmark = pytest.mark.django_db

LIST = "/admin/hostapp/photo/"
STATUSES = (Status.PASSED, Status.PENDING, Status.SUBMITTED, Status.IN_REVIEW, Status.BLOCKED)


def cells(client: Client, page: str = LIST) -> dict[str, str]:
    """Return what the column says of each object, by its key."""
    page = client.get(page)
    names = [obj.pk for obj in page.context["cl"].result_list]
    found = [
        element for element in elements(page) if "field-moderation_status" in dict(element.attributes).get("class", "")
    ]
    return {str(pk): text_of(cell) for pk, cell in zip(names, found, strict=True)}


def links(client: Client, page: str) -> list[str]:
    return [text_of(element) for element in elements(client.get(page)) if "__moderation" in str(element.attributes)]


@pytest.fixture
def photos(picture, put) -> dict[Any, Photo]:
    """A photo of each status, one without a record and one without a picture."""
    made: dict[Any, Photo] = {
        status: Photo.objects.create(image=picture(number)) for number, status in enumerate(STATUSES)
    }
    for status, photo in made.items():
        put(photo, status)
    made[None] = Photo.objects.create(image=picture(9))
    ModerationRecord.objects.filter(object_id=made[None].pk).delete()
    return {**made, "": Photo.objects.create()}


class TestColumn:
    def test_says_how_each_image_stands(self, root, photos):
        said = ("Public", "Being checked", "Being checked", "Held", "Blocked", "Not checked", "-")
        assert cells(root) == dict(zip([str(photo.pk) for photo in photos.values()], said, strict=True))

    def test_says_whether_what_is_public_was_checked(self, root, photos, settings):
        watching = {"FIELDS": {"__all__": {"policy": "watching"}}, "POLICIES": {"watching": {"mode": "shadow"}}}
        settings.IMGMOD = {**settings.IMGMOD, **watching, "UNRECORDED": "show"}
        said = (
            "Public",
            "Public, being checked",
            "Public, being checked",
            "Public",
            "Public",
            "Public, not checked",
            "-",
        )
        assert tuple(cells(root)[str(photo.pk)] for photo in photos.values()) == said

    def test_has_a_line_for_each_field(self, root, picture, put):
        pair = PairOfPhotos.objects.create(front=picture(1), back=picture(2))
        one = PairOfPhotos.objects.create(back=picture(3))
        put(pair, Status.BLOCKED, "back")
        assert cells(root, "/admin/hostapp/pairofphotos/") == {
            str(pair.pk): "Front Being checked Back Blocked",
            str(one.pk): "Back Being checked",
        }

    @pytest.mark.parametrize("see_labels", [False, True])
    def test_adds_one_query_however_long_the_list_is(self, root, picture, settings, see_labels):
        settings.IMGMOD = {**settings.IMGMOD, "EDITORS": {"SEE_LABELS": see_labels}}
        for number in range(12):
            PairOfPhotos.objects.create(front=picture(number), back=picture(number + 20))
        listed, plain = ("/admin/hostapp/pairofphotos/", "/plain/hostapp/pairofphotos/")
        assert queries(root, listed) - queries(root, plain) == 1

    def test_adds_none_where_it_is_not_shown(self, root, photos, monkeypatch):
        monkeypatch.setattr(sites.site.get_model_admin(Photo), "list_display", ["__str__"])
        assert queries(root, LIST) == queries(root, "/plain/hostapp/photo/")

    def test_is_there_beside_what_is_written_in_the_list(self, root, photos, monkeypatch):
        """A form that is shown again with an error shows the list again."""
        model_admin = sites.site.get_model_admin(Photo)
        monkeypatch.setattr(model_admin, "list_display", ["id", "title", "moderation_status"])
        monkeypatch.setattr(model_admin, "list_editable", ["title"])
        before = len(cells(root))
        forms = {
            "form-TOTAL_FORMS": 1,
            "form-INITIAL_FORMS": 1,
            "form-0-id": photos[None].pk,
            "form-0-title": "x" * 200,
        }
        with CaptureQueriesContext(connection) as captured:
            response = root.post(LIST, {**forms, "_save": "1"})
        assert response.context["cl"].formset.errors
        assert len([one for one in captured if "moderationrecord" in one["sql"]]) == 1
        assert before == 7

    def test_costs_an_action_nothing(self, root, photos):
        given = {"action": "delete_selected", "_selected_action": [photos[""].pk], "post": "yes"}
        with CaptureQueriesContext(connection) as captured:
            assert root.post(LIST, given).status_code == 302
        assert not [one for one in captured if one["sql"].startswith("SELECT") and "file_name" in one["sql"]]


class TestFilter:
    @pytest.mark.parametrize(
        ("chosen", "statuses"),
        [
            ("public", [Status.PASSED]),
            ("checking", [Status.PENDING, Status.SUBMITTED]),
            ("held", [Status.IN_REVIEW]),
            ("blocked", [Status.BLOCKED]),
            ("unchecked", [None]),
        ],
    )
    def test_leaves_what_stands_so(self, root, photos, chosen, statuses):
        assert {*cells(root, f"{LIST}?image__moderation={chosen}")} == {str(photos[status].pk) for status in statuses}

    def test_agrees_with_the_column_about_shadows(self, root, photos, put):
        put(photos[Status.BLOCKED], Status.BLOCKED, is_shadow=True)
        public = {str(photos[status].pk): "Public" for status in (Status.PASSED, Status.BLOCKED)}
        assert cells(root, f"{LIST}?image__moderation=public") == public
        assert cells(root, f"{LIST}?image__moderation=blocked") == {}

    @pytest.mark.parametrize("model", [UuidPhoto, StringPhoto, PanoramaPhoto])
    def test_knows_every_kind_of_key(self, root, picture, put, model, monkeypatch):
        model_admin = sites.site.get_model_admin(model)
        options = sites.site.get_model_admin(Photo)
        for name in ("list_display", "list_filter"):
            monkeypatch.setattr(model_admin, name, getattr(options, name))
        given = {"code": "a b"} if model is StringPhoto else {}
        blocked, other = model.objects.create(**given, image=picture()), model(image=picture(2))
        other.save()
        put(blocked, Status.BLOCKED)
        page = f"/admin/hostapp/{model._meta.model_name}/?image__moderation="
        assert cells(root, f"{page}blocked") == {str(blocked.pk): "Blocked"}
        assert cells(root, f"{page}checking") == {str(other.pk): "Being checked"}

    def test_of_several_fields_narrows_down_by_each(self, root, picture, put):
        page = "/admin/hostapp/pairofphotos/"
        pairs = [PairOfPhotos.objects.create(front=picture(number), back=picture(number + 9)) for number in range(3)]
        for pair, front, back in zip(
            pairs, ("passed", "passed", "blocked"), ("passed", "blocked", "blocked"), strict=True
        ):
            put(pair, Status(front), "front")
            put(pair, Status(back), "back")
        assert {*cells(root, f"{page}?front__moderation=public")} == {str(pairs[0].pk), str(pairs[1].pk)}
        assert {*cells(root, f"{page}?front__moderation=public&back__moderation=blocked")} == {str(pairs[1].pk)}
        assert "By status of back" in root.get(page).content.decode()

    def test_counts_if_asked(self, root, photos):
        words = ["Public (1)", "Being checked (2)", "Held (1)", "Blocked (1)", "Not checked (1)"]
        assert links(root, f"{LIST}?_facets=True") == words

    def test_refuses_what_it_does_not_offer(self, root, photos):
        response = root.get(f"{LIST}?image__moderation=nonsense")
        assert (response.status_code, response["Location"]) == (302, f"{LIST}?e=1")

    def test_is_not_there_for_a_field_that_is_not_watched(self, root, photos, settings):
        assert len(links(root, LIST)) == 5
        settings.IMGMOD = {**settings.IMGMOD, "EXCLUDE": ["hostapp.Photo"]}
        assert links(root, LIST) == []
        assert {*cells(root, f"{LIST}?image__moderation=blocked").values()} == {"-"}


def queries(client: Client, page: str) -> int:
    client.get(page)  # the first look of a process also fills the cache of content types
    with CaptureQueriesContext(connection) as captured:
        assert client.get(page).status_code == 200
    return len(captured)
