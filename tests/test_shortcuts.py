from __future__ import annotations

import pytest
from django.db import connections

from django_imgmod.choices import Status
from django_imgmod.exceptions import ImgmodConfigurationError
from django_imgmod.models import ModerationRecord
from django_imgmod.shortcuts import (
    filter_visible,
    image_record,
    image_records,
    image_status,
    is_image_visible,
    moderate_image,
)

from .hostapp.models import Document, NullablePhoto, PanoramaPhoto, Photo, PhotoProxy, StringPhoto, UuidPhoto

pytestmark = pytest.mark.django_db(databases=["default", "other"])


def put(obj, status: Status, **columns) -> None:
    records = ModerationRecord.objects.filter(object_id=str(obj.pk), current_key__isnull=False)
    assert records.update(status=status, **columns) == 1


class TestOneObject:
    @pytest.mark.parametrize("status", [status for status in Status if status != Status.SUPERSEDED])
    def test_only_passed_is_visible(self, picture, status):
        photo = Photo.objects.create(image=picture())
        put(photo, status)
        assert image_status(photo, "image") == status
        assert is_image_visible(photo, "image") == (status == Status.PASSED)
        assert list(filter_visible(Photo.objects.all(), "image")) == ([photo] if status == Status.PASSED else [])

    @pytest.mark.parametrize("status", [status for status in Status if status != Status.SUPERSEDED])
    def test_shadow_policy_shows_everything(self, picture, settings, status):
        photo = Photo.objects.create(image=picture())
        put(photo, status, policy="watching")
        settings.IMGMOD = {**settings.IMGMOD, "POLICIES": {"watching": {"mode": "shadow"}}}
        assert is_image_visible(photo, "image")
        assert list(filter_visible(Photo.objects.all(), "image")) == [photo]

    @pytest.mark.parametrize(("setting", "is_visible"), [("hide", False), ("show", True)])
    def test_unrecorded(self, settings, setting, is_visible):
        [photo] = Photo.objects.bulk_create([Photo(image="photos/old.png")])
        settings.IMGMOD = {**settings.IMGMOD, "UNRECORDED": setting}
        assert image_status(photo, "image") is None
        assert is_image_visible(photo, "image") == is_visible
        assert list(filter_visible(Photo.objects.all(), "image")) == ([photo] if is_visible else [])

    def test_record_of_another_file_does_not_count(self, picture):
        photo = Photo.objects.create(image=picture())
        put(photo, Status.PASSED)
        Photo.objects.update(image="photos/swapped.png")
        photo = Photo.objects.get()
        assert image_record(photo, "image") is None
        assert not is_image_visible(photo, "image")
        assert list(filter_visible(Photo.objects.all(), "image")) == []

    @pytest.mark.parametrize("value", ["", None])
    def test_nothing_to_show(self, settings, value):
        settings.IMGMOD = {**settings.IMGMOD, "UNRECORDED": "show"}
        photo = NullablePhoto.objects.create(image=value)
        assert not is_image_visible(photo, "image")
        assert list(filter_visible(NullablePhoto.objects.all(), "image")) == []

    @pytest.mark.parametrize("field_name", ["title", "no_such_field"])
    def test_field_that_is_not_watched(self, field_name):
        for call in (image_record, image_status, is_image_visible, moderate_image):
            with pytest.raises(ImgmodConfigurationError, match=rf"Photo\.{field_name} is not watched"):
                call(Photo(), field_name)
        with pytest.raises(ImgmodConfigurationError, match=rf"Photo\.{field_name} is not watched"):
            filter_visible(Photo.objects.all(), field_name)
        with pytest.raises(ImgmodConfigurationError, match=r"Document\.attachment is not watched"):
            image_status(Document(), "attachment")


class TestManyObjects:
    @pytest.mark.parametrize("model", [Photo, PhotoProxy, PanoramaPhoto, UuidPhoto, StringPhoto])
    def test_every_kind_of_key(self, picture, model, django_assert_num_queries):
        photos = []
        for number in range(4):
            extra = {"code": f"SKU {number}"} if model is StringPhoto else {}
            photos.append(model.objects.create(image=picture(number), **extra))
            put(photos[-1], Status.PASSED if number % 2 else Status.BLOCKED)
        with django_assert_num_queries(1):
            found = set(filter_visible(model.objects.all(), "image"))
        assert found == {photos[1], photos[3]}
        with django_assert_num_queries(1):
            records = image_records(photos, "image")
        assert {pk: record.status for pk, record in records.items()} == {
            photo.pk: Status.PASSED if number % 2 else Status.BLOCKED for number, photo in enumerate(photos)
        }

    def test_no_objects(self, django_assert_num_queries):
        with django_assert_num_queries(0):
            assert image_records([], "image") == {}

    def test_composes_with_the_queryset(self, picture):
        for number in range(3):
            put(Photo.objects.create(title=str(number), image=picture(number)), Status.PASSED)
        queryset = filter_visible(Photo.objects.exclude(title="1"), "image").order_by("-title")
        assert [photo.title for photo in queryset[:5]] == ["2", "0"]
        assert queryset.count() == 2

    def test_other_database(self, picture):
        photo = Photo(image=picture())
        photo.save(using="other")
        ModerationRecord.objects.using("other").update(status=Status.PASSED)
        assert list(filter_visible(Photo.objects.using("other"), "image")) == [photo]
        assert is_image_visible(photo, "image")
        assert len(connections.databases) == 2

    def test_records_kept_elsewhere_cannot_be_joined(self, picture, settings):
        settings.DATABASE_ROUTERS = ["tests.test_watching.RecordsInDefault"]
        photo = Photo(image=picture())
        photo.save(using="other")
        put(photo, Status.PASSED)
        assert is_image_visible(photo, "image")
        with pytest.raises(ImgmodConfigurationError, match="image_records"):
            filter_visible(Photo.objects.using("other"), "image")


class TestModerateImage:
    def test_image_written_past_the_signals(self, picture, django_capture_on_commit_callbacks):
        photo = Photo.objects.create(image=picture())
        ModerationRecord.objects.all().delete()
        with django_capture_on_commit_callbacks(execute=True):
            moderate_image(photo, "image")
        assert is_image_visible(photo, "image")

    def test_again(self, picture, django_capture_on_commit_callbacks):
        photo = Photo.objects.create(image=picture())
        with django_capture_on_commit_callbacks(execute=True):
            moderate_image(photo, "image")
        statuses = ModerationRecord.objects.order_by("pk").values_list("status", flat=True)
        assert list(statuses) == [Status.SUPERSEDED, Status.PASSED]

    @pytest.mark.django_db(transaction=True)
    def test_returns_what_became_of_it(self, picture):
        photo = Photo.objects.create(image=picture())
        record = moderate_image(photo, "image")
        assert record is not None
        assert record.status == Status.PASSED
        assert moderate_image(Photo.objects.create(), "image") is None
