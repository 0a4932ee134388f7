"""The image field of a site's own serializers: what may be shown, what its editor may know, and what a page costs."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.paginator import Paginator
from django.test import Client
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.test import APIRequestFactory

from django_imgmod.choices import Outcome, Status
from django_imgmod.exceptions import ImgmodConfigurationError
from django_imgmod.models import ModerationRecord
from django_imgmod.rest.fields import ModeratedImageField
from django_imgmod.rest.serializers import ImageSerializer, PictureSerializer
from django_imgmod.services.decisions import decide
from django_imgmod.shortcuts import prefetch_images
from tests.hostapp.models import Album, Document, OwnedPhoto, Photo, UuidPhoto

pytestmark = [pytest.mark.django_db(databases=["default", "other"]), pytest.mark.urls("tests.rest.urls")]

PLACEHOLDER = "/static/django_imgmod/placeholder.svg"


class PhotoSerializer(serializers.ModelSerializer):
    image = ModeratedImageField(required=False)

    class Meta:
        model = Photo
        fields = ["title", "image"]


class OwnedSerializer(serializers.ModelSerializer):
    image = ModeratedImageField()

    class Meta:
        model = OwnedPhoto
        fields = ["image"]


class StockSerializer(serializers.Serializer):
    image = serializers.ImageField()


class AlbumSerializer(serializers.ModelSerializer):
    photos = OwnedSerializer(source="ownedphoto_set", many=True)

    class Meta:
        model = Album
        fields = ["photos"]


class PublicSerializer(serializers.Serializer):
    image = ModeratedImageField(with_status=False)


class FlatSerializer(serializers.Serializer):
    """Of the photo of a portrait, under a name of its own."""

    picture = ModeratedImageField(source="image")


class NestedSerializer(serializers.Serializer):
    photo = FlatSerializer(source="*")


@pytest.fixture
def make_photo(picture: Any) -> Any:
    def make(status: str = Status.PASSED, model: Any = Photo, **columns: Any) -> Any:
        photo = model.objects.create(image=picture(), **columns)
        records = ModerationRecord.objects.filter(file_name=photo.image.name)
        if status == Status.BLOCKED:
            # A person's word, with a reason.
            records.update(status=Status.IN_REVIEW)
            decide(records.get(), Outcome.BLOCK, decided_by=None, reason_code="hate")
        records.update(status=status)
        return photo

    return make


@pytest.fixture
def request_(rf: Any) -> Request:
    return Request(APIRequestFactory().get("/photos/"))


def told(photo: Any, **context: Any) -> Any:
    return PhotoSerializer(photo, context=context).data["image"]


class TestWriting:
    def test_upload_is_kept_and_told_as_not_public_yet(self, picture, request_):
        upload = SimpleUploadedFile("harbour.png", picture().read())
        serializer = PhotoSerializer(data={"title": "Harbour", "image": upload}, context={"request": request_})
        assert serializer.is_valid(), serializer.errors
        photo = serializer.save()
        assert photo.image.size == upload.size
        image = serializer.data["image"]
        assert image["url"] == f"http://testserver{PLACEHOLDER}"
        assert (image["status"], image["is_placeholder"]) == ("pending", True)
        assert image["message"] == "Being checked, and not public yet."
        answer = Client().get(image["status_url"])
        assert answer.json()["status"] == "pending"

    def test_what_is_no_picture_is_refused_as_by_the_stock_field(self):
        errors = []
        for serializer in (OwnedSerializer, StockSerializer):
            given = serializer(data={"image": SimpleUploadedFile("a.png", b"no picture")})
            assert not given.is_valid()
            errors.append(given.errors)
        assert errors[0] == errors[1]

    def test_replaced_picture_is_told_anew(self, make_photo, picture):
        photo = make_photo()
        assert told(photo)["status"] == "passed"
        serializer = PhotoSerializer(
            photo, data={"image": SimpleUploadedFile("b.png", picture(7).read())}, partial=True
        )
        assert serializer.is_valid()
        serializer.save()
        assert serializer.data["image"]["status"] == "pending"


class TestReading:
    def test_passed_picture_is_told_with_its_address(self, make_photo, request_):
        photo = make_photo()
        image = told(photo, request=request_)
        assert image["url"] == f"http://testserver/{photo.image.url.lstrip('/')}"
        assert (image["status"], image["is_placeholder"], image["reason"]) == ("passed", False, "")
        assert image["message"] == "Checked, and public."
        assert told(photo)["url"] == photo.image.url

    def test_blocked_picture_is_told_with_its_reason_and_without_its_address(self, make_photo):
        photo = make_photo(Status.BLOCKED)
        image = told(photo)
        assert (image["url"], image["status"], image["reason"]) == (PLACEHOLDER, "blocked", "Hate or harassment")
        assert photo.image.name not in str(image)

    @pytest.mark.parametrize("serializer_class", [PhotoSerializer, PublicSerializer])
    def test_object_in_memory_is_told_of_as_it_is_now(self, make_photo, serializer_class):
        photo = make_photo()
        assert not serializer_class([photo], many=True).data[0]["image"]["is_placeholder"]
        ModerationRecord.objects.update(status=Status.BLOCKED)
        assert serializer_class(photo).data["image"]["is_placeholder"]

    def test_last_accepted_picture_stays_live(self, make_photo, picture, settings):
        settings.IMGMOD = {**settings.IMGMOD, "FIELDS": {"hostapp.Photo.image": {"keep_last_accepted": True}}}
        photo = make_photo()
        first = photo.image.url
        photo.image = picture(9)
        photo.save()
        image = told(photo)
        assert (image["url"], image["is_last_accepted"], image["status"]) == (first, True, "pending")

    def test_unrecorded_picture_is_told_as_such(self, make_photo):
        photo = make_photo()
        ModerationRecord.objects.all().delete()
        image = told(photo)
        assert (image["url"], image["status"], image["status_url"]) == (PLACEHOLDER, None, None)

    def test_no_file_is_null(self):
        assert told(Photo.objects.create()) is None

    def test_what_is_the_editors_alone_can_be_left_out(self, make_photo):
        photo = make_photo(Status.BLOCKED)
        image = PublicSerializer(photo).data["image"]
        assert image.keys() == PictureSerializer().fields.keys()
        assert image["url"] == PLACEHOLDER

    @pytest.mark.urls("tests.urls")
    def test_site_without_the_api_has_no_links(self, make_photo):
        assert told(make_photo())["status_url"] is None

    def test_keys_are_those_of_the_schema(self, make_photo):
        assert told(make_photo()).keys() == ImageSerializer().fields.keys()


class TestCost:
    @pytest.fixture(autouse=True)
    def warm(self, make_photo):
        """What Django keeps for as long as the process lives."""
        told(make_photo())

    @pytest.mark.parametrize("page", [list, lambda photos: photos, lambda photos: Paginator(photos, 50).page(1)])
    def test_page_costs_one_query(self, make_photo, page, django_assert_num_queries):
        for number in range(12):
            make_photo((Status.PASSED, Status.BLOCKED, Status.PENDING)[number % 3])
        photos = page(Photo.objects.order_by("pk"))
        list(photos)
        with django_assert_num_queries(1):
            data = PhotoSerializer(photos, many=True).data
        assert len({image["image"]["status"] for image in data}) == 3

    def test_queryset_that_was_not_read_yet_costs_its_own_query_and_one(self, make_photo, django_assert_num_queries):
        for _ in range(3):
            make_photo()
        with django_assert_num_queries(2):
            assert len(PhotoSerializer(Photo.objects.all(), many=True).data) == 4
        with django_assert_num_queries(2):
            assert len(PublicSerializer(Photo.objects.all(), many=True).data) == 4

    @pytest.mark.parametrize("many", [True, False])
    def test_nested_lists_cost_one_query_together(self, make_photo, many, django_assert_num_queries):
        for _ in range(2):
            album = Album.objects.create()
            for _ in range(3):
                make_photo(model=OwnedPhoto, album=album)
        albums = list(Album.objects.prefetch_related("ownedphoto_set"))
        with django_assert_num_queries(1):
            data = AlbumSerializer(albums if many else albums[0], many=many).data
        (first, *_others) = data if many else [data]
        assert [photo["image"]["status"] for photo in first["photos"]] == ["passed"] * 3

    def test_nested_lists_that_were_not_prefetched_are_not_fetched_twice(self, make_photo, django_assert_num_queries):
        album = Album.objects.create()
        for _ in range(2):
            make_photo(model=OwnedPhoto, album=album)
        with django_assert_num_queries(1 + 2):
            AlbumSerializer(album).data  # noqa: B018 - what it costs

    def test_nested_objects_cost_one_query_together(self, make_photo, django_assert_num_queries):
        photos = [make_photo() for _ in range(3)]
        with django_assert_num_queries(1):
            data = NestedSerializer(photos, many=True).data
        assert {row["photo"]["picture"]["status"] for row in data} == {"passed"}

    def test_page_that_was_prefetched_costs_none(self, make_photo, django_assert_num_queries):
        photos = prefetch_images([make_photo(), make_photo(model=UuidPhoto)], with_status=True)
        with django_assert_num_queries(0):
            FlatSerializer(photos, many=True).data  # noqa: B018 - what it costs
        photos = prefetch_images([make_photo(), make_photo()])
        with django_assert_num_queries(0):
            PublicSerializer(photos, many=True).data  # noqa: B018 - likewise
        # Where less was asked for than is told, it is asked for once.
        with django_assert_num_queries(1):
            assert FlatSerializer(photos, many=True).data[1]["picture"]["status"] == "passed"

    def test_object_that_cannot_be_read_fails_by_itself(self, make_photo):
        data = PhotoSerializer([make_photo(), SimpleNamespace(title="No picture")], many=True).data
        assert data[1] == {"title": "No picture"}
        with pytest.raises(AttributeError):
            OwnedSerializer([make_photo(model=OwnedPhoto), object()], many=True).data  # noqa: B018 - it is read here


class TestUnwatched:
    class Serializer(serializers.Serializer):
        image = ModeratedImageField(source="attachment")

    @pytest.fixture
    def document(self) -> Document:
        return Document.objects.create(attachment=ContentFile(b"text", name="a.txt"))

    def test_developer_is_told_what_to_do(self, document, settings):
        settings.DEBUG = True
        with pytest.raises(ImgmodConfigurationError, match=r"Document\.attachment is not watched"):
            self.Serializer(document).data  # noqa: B018 - it is read here

    def test_visitor_sees_a_placeholder(self, document, caplog):
        image = self.Serializer(document).data["image"]
        assert (image["url"], image["status"], image["status_url"]) == (PLACEHOLDER, None, None)
        assert "Document.attachment is not watched" in caplog.text
