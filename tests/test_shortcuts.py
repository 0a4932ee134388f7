from __future__ import annotations

import uuid

import pytest
from django.db import connections

from django_imgmod.choices import Outcome, Status
from django_imgmod.exceptions import ImgmodConfigurationError
from django_imgmod.models import ModerationRecord
from django_imgmod.services.decisions import decide
from django_imgmod.shortcuts import (
    filter_visible,
    image_record,
    image_records,
    image_status,
    is_image_visible,
    moderate_image,
)

from .hostapp.models import (
    Document,
    NullablePhoto,
    NumberedPhoto,
    PanoramaPhoto,
    Photo,
    PhotoProxy,
    StringPhoto,
    UuidPanorama,
    UuidPhoto,
    UuidPortrait,
)

pytestmark = pytest.mark.django_db(databases=["default", "other"])


def put(obj, status: Status, **columns) -> None:
    records = ModerationRecord.objects.filter(object_id=str(obj.pk), current_key__isnull=False)
    assert records.update(status=status, **columns) == 1


def watch(settings) -> None:
    """Put every image field under a policy that only watches."""
    settings.IMGMOD = {
        **settings.IMGMOD,
        "FIELDS": {"__all__": {"policy": "watching"}},
        "POLICIES": {**settings.IMGMOD["POLICIES"], "watching": {"mode": "shadow"}},
    }


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
        watch(settings)
        photo = Photo.objects.create(image=picture())
        put(photo, status)
        assert is_image_visible(photo, "image")
        assert list(filter_visible(Photo.objects.all(), "image")) == [photo]

    def test_end_of_the_shadow(self, picture, settings):
        """However it is ended: the policy that the field has today decides, not the one that was recorded."""
        original = settings.IMGMOD
        watch(settings)
        photo = Photo.objects.create(image=picture())
        put(photo, Status.BLOCKED)
        settings.IMGMOD = {**settings.IMGMOD, "FIELDS": original.get("FIELDS", "__all__")}
        assert not is_image_visible(photo, "image")
        assert list(filter_visible(Photo.objects.all(), "image")) == []

    @pytest.mark.parametrize("status", [status for status in Status if status != Status.SUPERSEDED])
    def test_shadow_record_shows_whatever_its_status(self, picture, status, django_assert_num_queries):
        shadow, other = Photo.objects.create(image=picture(1)), Photo.objects.create(image=picture(2))
        put(shadow, status, is_shadow=True)
        put(other, Status.BLOCKED)
        assert is_image_visible(shadow, "image")
        with django_assert_num_queries(1):
            assert list(filter_visible(Photo.objects.all(), "image")) == [shadow]

    def test_shadow_record_of_a_replaced_image_shows_nothing(self, picture, settings):
        settings.IMGMOD = {**settings.IMGMOD, "UNRECORDED": "show"}
        photo = Photo.objects.create(image=picture())
        put(photo, Status.PASSED, is_shadow=True)
        ModerationRecord.objects.update(status=Status.SUPERSEDED, current_key=None)
        assert not is_image_visible(photo, "image")
        assert list(filter_visible(Photo.objects.all(), "image")) == []

    @pytest.mark.parametrize("outcome", Outcome)
    def test_decision_ends_the_shadow_of_a_record(self, picture, outcome):
        photo = Photo.objects.create(image=picture())
        # From somewhere else than where the decision leads.
        status = Status.IN_REVIEW if outcome == Outcome.BLOCK else Status.BLOCKED
        put(photo, status, is_shadow=True)
        decide(ModerationRecord.objects.get(), outcome, decided_by=None)
        assert not ModerationRecord.objects.get().is_shadow
        assert is_image_visible(photo, "image") == (outcome == Outcome.PASS)
        assert list(filter_visible(Photo.objects.all(), "image")) == ([photo] if outcome == Outcome.PASS else [])

    def test_what_was_recorded_once_is_not_unrecorded(self, picture, settings):
        settings.IMGMOD = {**settings.IMGMOD, "UNRECORDED": "show"}
        photo = Photo.objects.create(image=picture())
        ModerationRecord.objects.update(status=Status.SUPERSEDED, current_key=None)
        assert image_status(photo, "image") == Status.SUPERSEDED
        assert not is_image_visible(photo, "image")
        assert list(filter_visible(Photo.objects.all(), "image")) == []

    def test_stale_instance_of_a_replaced_image(self, picture, settings):
        settings.IMGMOD = {**settings.IMGMOD, "UNRECORDED": "show"}
        photo = Photo.objects.create(image=picture())
        put(photo, Status.BLOCKED)
        stale = Photo.objects.get()
        photo.image = picture(2)
        photo.save()
        put(photo, Status.PASSED)
        assert not is_image_visible(stale, "image")
        assert is_image_visible(photo, "image")

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

    def test_keys_of_keys(self, picture):
        """A key that is another model's, an image beside an inherited one, a child with a key of its own."""
        for number in range(1, 5):
            photo = UuidPhoto.objects.create(image=picture(number))
            UuidPortrait.objects.create(photo=photo, image=picture(number))
            UuidPanorama.objects.create(image=picture(number), wide=picture(number))
            NumberedPhoto.objects.create(pk=100 + number, image=picture(number))
        passed = ModerationRecord.objects.order_by("pk").values_list("pk", flat=True)[::2]
        ModerationRecord.objects.filter(pk__in=list(passed)).update(status=Status.PASSED)
        for model, name in (
            (UuidPortrait, "image"),
            (UuidPanorama, "wide"),
            (UuidPanorama, "image"),
            (NumberedPhoto, "image"),
        ):
            expected = {obj for obj in model.objects.all() if is_image_visible(obj, name)}
            assert set(filter_visible(model.objects.all(), name)) == expected
            assert image_records(model.objects.all(), name).keys() == {obj.pk for obj in model.objects.all()}
        assert ModerationRecord.objects.filter(status=Status.PASSED).count() == 10

    def test_uuid_that_is_still_a_string(self, picture):
        key = uuid.uuid4()
        UuidPhoto(pk=key.hex, image=picture()).save()
        UuidPhoto.objects.get().save()
        assert ModerationRecord.objects.get().object_id == str(key)

    def test_router_that_reads_from_replicas(self, picture, settings):
        settings.DATABASE_ROUTERS = ["tests.test_shortcuts.Replica"]
        photo = Photo.objects.create(image=picture())
        put(photo, Status.PASSED)
        queryset = filter_visible(Photo.objects.all(), "image")
        assert queryset.db == "other"
        assert list(queryset) == []
        assert list(filter_visible(Photo.objects.using("default"), "image")) == [photo]

    def test_no_objects(self, django_assert_num_queries):
        with django_assert_num_queries(0):
            assert image_records([], "image") == {}

    def test_objects_of_several_models(self, picture):
        photos = [Photo.objects.create(image=picture()), PhotoProxy.objects.create(image=picture(2))]
        assert len(image_records(photos, "image")) == 2
        with pytest.raises(ValueError, match="objects of one model"):
            image_records([*photos, UuidPhoto.objects.create(image=picture(3))], "image")

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


class Replica:
    """Writes here, reads there."""

    def db_for_read(self, model, **hints):
        return "other"

    def db_for_write(self, model, **hints):
        return "default"
