"""Each way in which an image reaches a row, and what the records say afterwards."""

from __future__ import annotations

import uuid
from functools import cache
from io import StringIO
from typing import Any

import pytest
from django.contrib.contenttypes.models import ContentType
from django.core.management import call_command
from django.db import connection, connections, models, transaction
from django.db.models.signals import post_save
from django.test.utils import CaptureQueriesContext

from django_imgmod.choices import Status
from django_imgmod.models import ModerationRecord
from django_imgmod.services import intake
from django_imgmod.shortcuts import image_record, is_image_visible

from .hostapp.models import (
    Document,
    Note,
    NullablePhoto,
    OverwrittenPhoto,
    PairOfPhotos,
    PanoramaPhoto,
    Photo,
    PhotoProxy,
    PostCard,
    RenamedPhoto,
    SizedPhoto,
    StringPhoto,
    SuffixedPhoto,
    UuidPhoto,
)

pytestmark = pytest.mark.django_db


def history(instance: models.Model, *, using: str = "default") -> list[tuple[str, bool]]:
    """File name and whether it is current, of each record of the object, oldest first."""
    records = ModerationRecord.objects.using(using).filter(object_id=str(instance.pk)).order_by("pk")
    return [(record.file_name, record.is_current) for record in records]


@pytest.fixture
def photo(picture):
    return Photo.objects.create(image=picture())


class TestOneObject:
    def test_create(self, photo):
        assert history(photo) == [(photo.image.name, True)]
        record = ModerationRecord.objects.get()
        assert record.status == Status.PENDING
        assert record.content_object == photo
        assert (record.field_name, record.provider, record.policy) == ("image", "default", "default")

    def test_create_without_a_file(self):
        Photo.objects.create()
        NullablePhoto.objects.create(image=None)
        assert not ModerationRecord.objects.exists()

    def test_a_file_that_comes_later(self, picture):
        photo = Photo.objects.create()
        photo.image = picture()
        photo.save()
        assert history(photo) == [(photo.image.name, True)]

    def test_replace(self, photo, picture):
        first = photo.image.name
        photo.image = picture(2)
        photo.save()
        assert history(photo) == [(first, False), (photo.image.name, True)]
        assert ModerationRecord.objects.get(file_name=first).status == Status.SUPERSEDED

    @pytest.mark.parametrize("nothing", ["", None])
    def test_clear(self, picture, nothing):
        photo = NullablePhoto.objects.create(image=picture())
        name = photo.image.name
        photo.image = nothing
        photo.save()
        assert history(photo) == [(name, False)]

    def test_delete(self, photo):
        pk, name = photo.pk, photo.image.name
        photo.delete()
        photo.pk = pk
        assert history(photo) == [(name, False)]

    def test_delete_by_queryset(self, photo):
        Photo.objects.all().delete()
        assert history(photo) == [(photo.image.name, False)]

    def test_save_with_the_image_unchanged(self, photo):
        photo.title = "another title"
        photo.save()
        Photo.objects.get().save()
        assert history(photo) == [(photo.image.name, True)]

    def test_image_save(self, photo, picture):
        first = photo.image.name
        photo.image.save("second.png", picture(2))
        assert history(photo) == [(first, False), (photo.image.name, True)]

    def test_image_save_without_saving_the_object(self, photo, picture):
        first = photo.image.name
        photo.image.save("second.png", picture(2), save=False)
        assert history(photo) == [(first, True)]
        photo.save()
        assert history(photo) == [(first, False), (photo.image.name, True)]

    def test_image_delete(self, photo):
        name = photo.image.name
        photo.image.delete()
        assert history(photo) == [(name, False)]

    def test_assigning_a_name(self, photo):
        first = photo.image.name
        photo.image = "photos/from-elsewhere.png"
        photo.save()
        assert history(photo) == [(first, False), ("photos/from-elsewhere.png", True)]

    def test_back_to_an_earlier_name(self, photo):
        first = photo.image.name
        for name in ("photos/b.png", first):
            photo.image = name
            photo.save()
        assert history(photo) == [(first, False), ("photos/b.png", False), (first, True)]

    def test_copy_by_clearing_the_key(self, photo):
        original, photo.pk = photo.pk, None
        photo.save()
        assert photo.pk != original
        assert history(photo) == [(photo.image.name, True)]
        assert ModerationRecord.objects.current().count() == 2

    def test_two_stale_instances_that_save_in_turn(self, photo, picture):
        first = photo.image.name
        one, two = Photo.objects.get(), Photo.objects.get()
        one.image = picture(2)
        one.save()
        two.title = "unaware of the new picture, and writing the old one back"
        two.save()
        assert history(photo) == [(first, False), (one.image.name, False), (first, True)]

    def test_save_within_a_post_save_handler_does_not_recurse(self, picture):
        saves = []

        def save_again(sender: Any, instance: Photo, **kwargs: Any) -> None:
            saves.append(instance.title)
            if len(saves) < 3:
                instance.title = f"save {len(saves)}"
                instance.save()

        post_save.connect(save_again, sender=Photo)
        try:
            photo = Photo.objects.create(image=picture())
        finally:
            post_save.disconnect(save_again, sender=Photo)
        assert len(saves) == 3
        assert history(photo) == [(photo.image.name, True)]

    def test_width_and_height_fields(self, picture):
        sized = SizedPhoto.objects.create(image=picture())
        SizedPhoto.objects.get().save()
        assert history(sized) == [(sized.image.name, True)]


class TestUpdateFields:
    def test_that_name_the_image(self, photo, picture):
        first = photo.image.name
        photo.image = picture(2)
        photo.save(update_fields=["image"])
        assert history(photo) == [(first, False), (photo.image.name, True)]

    @pytest.mark.parametrize("written", ["image", "image_file"])
    def test_by_name_and_by_attname(self, picture, written):
        photo = SuffixedPhoto.objects.create(image_file=picture())
        first = photo.image_file.name
        photo.image_file = picture(2)
        photo.save(update_fields=[written])
        assert history(photo) == [(first, False), (photo.image_file.name, True)]

    def test_that_do_not_name_it(self, photo, picture, django_assert_num_queries):
        first = photo.image.name
        photo.image = picture(2)
        photo.title = "only this"
        with django_assert_num_queries(1):
            photo.save(update_fields=["title"])
        assert history(photo) == [(first, True)]

    def test_of_an_instance_without_the_field(self, photo, django_assert_num_queries):
        for instance in (Photo.objects.only("title").get(), Photo.objects.defer("image").get()):
            instance.title = "deferred"
            with django_assert_num_queries(1):
                instance.save()
        assert history(photo) == [(photo.image.name, True)]

    def test_deferred_field_that_is_assigned(self, photo, picture):
        first = photo.image.name
        instance = Photo.objects.only("title").get()
        instance.image = picture(2)
        instance.save()
        assert history(photo) == [(first, False), (instance.image.name, True)]


class TestManyKindsOfModels:
    def test_child_and_parent_share_one_record(self, picture):
        child = PanoramaPhoto.objects.create(image=picture())
        first = child.image.name
        assert history(child) == [(first, True)]
        assert ModerationRecord.objects.get().content_type == ContentType.objects.get_for_model(Photo)
        parent = Photo.objects.get()
        parent.image = picture(2)
        parent.save()
        assert history(child) == [(first, False), (parent.image.name, True)]
        child.refresh_from_db()
        child.image = picture(3)
        child.save()
        assert len(history(child)) == 3
        child.delete()
        assert not ModerationRecord.objects.current().exists()

    def test_delete_of_the_parent(self, picture):
        child = PanoramaPhoto.objects.create(image=picture())
        Photo.objects.get().delete()
        assert history(child) == [(child.image.name, False)]

    def test_delete_that_keeps_the_parent(self, picture):
        child = PanoramaPhoto.objects.create(image=picture())
        child.delete(keep_parents=True)
        assert ModerationRecord.objects.current().count() == Photo.objects.count() == 1

    def test_proxy(self, picture):
        proxy = PhotoProxy.objects.create(image=picture())
        first = proxy.image.name
        photo = Photo.objects.get()
        photo.image = picture(2)
        photo.save()
        assert history(proxy) == [(first, False), (photo.image.name, True)]
        PhotoProxy.objects.get().delete()
        assert not ModerationRecord.objects.current().exists()

    def test_abstract_parent(self, picture):
        card = PostCard.objects.create(image=picture())
        assert ModerationRecord.objects.get().content_object == card

    def test_uuid_key(self, picture):
        photo = UuidPhoto.objects.create(image=picture())
        assert history(photo) == [(photo.image.name, True)]
        assert image_record(UuidPhoto.objects.get(), "image") == ModerationRecord.objects.get()

    @pytest.mark.parametrize("code", ["sku-1", "SKU 1/ä:'\"", "x" * 50])
    def test_string_key(self, picture, code):
        photo = StringPhoto.objects.create(code=code, image=picture())
        assert history(photo) == [(photo.image.name, True)]
        assert image_record(StringPhoto.objects.get(), "image") is not None

    def test_string_keys_that_differ_only_in_case_or_spaces(self, picture):
        # On MySQL the keys themselves are equal.
        codes = ["a", "b"] if connection.vendor == "mysql" else ["a", "A", "a "]
        for code in codes:
            StringPhoto.objects.create(code=code, image=picture())
        assert ModerationRecord.objects.current().count() == len(codes)

    def test_big_integer_key(self, picture):
        photo = Photo.objects.create(pk=2**62, image=picture())
        assert history(photo) == [(photo.image.name, True)]

    def test_two_image_fields(self, picture, django_assert_num_queries):
        pair = PairOfPhotos.objects.create(front=picture(1), back=picture(2))
        assert sorted(ModerationRecord.objects.values_list("field_name", flat=True)) == ["back", "front"]
        with django_assert_num_queries(2):
            pair.save()
        pair.back = ""
        pair.save()
        assert ModerationRecord.objects.current().get().field_name == "front"

    def test_storage_that_renames(self, picture):
        photo = RenamedPhoto.objects.create(image=picture())
        assert photo.image.name.startswith("renamed/")
        assert history(photo) == [(photo.image.name, True)]

    def test_storage_that_overwrites(self, picture):
        photo = OverwrittenPhoto.objects.create(image=picture(1, name="same.png"))
        photo.image = picture(2, name="same.png")
        photo.save()
        assert history(photo) == [("same.png", False), ("same.png", True)]
        photo.title = "nothing new to see"
        photo.save()
        assert len(history(photo)) == 2

    def test_file_field_only_where_it_is_named(self, picture):
        Document.objects.create(scan=picture(), attachment=picture(2))
        record = ModerationRecord.objects.get()
        assert (record.field_name, record.policy) == ("scan", "strict")

    def test_models_without_images_keep_their_fast_deletes(self, django_assert_num_queries):
        Note.objects.bulk_create([Note(text="a"), Note(text="b")])
        with django_assert_num_queries(1):
            Note.objects.all().delete()

    def test_base_manager_that_answers_by_the_tenant(self, picture, monkeypatch, django_capture_on_commit_callbacks):
        tenant = ["a"]

        class OfTenant(models.Manager):
            def get_queryset(self) -> models.QuerySet[Any]:
                return super().get_queryset().filter(title=tenant[0])

        manager = OfTenant()
        manager.model, manager.name = Photo, "of_tenant"
        monkeypatch.setattr(Photo._meta, "base_manager", manager)
        # As if nothing had been saved before.
        monkeypatch.setattr(intake, "_find_name_always", cache(intake._find_name))
        for title in ("a", "b", "a"):
            tenant[0] = title
            with django_capture_on_commit_callbacks(execute=True):
                photo = Photo.objects.create(title=title, image=picture())
            assert history(photo) == [(photo.image.name, True)]


class TestPastTheSignals:
    """No signal is sent, so no record is opened: such images are hidden until they are reconciled."""

    def test_bulk_create(self):
        [photo] = Photo.objects.bulk_create([Photo(image="photos/a.png")])
        assert history(photo) == []
        assert not is_image_visible(Photo.objects.get(), "image")

    def test_queryset_update(self, photo):
        Photo.objects.update(image="photos/other.png")
        assert history(photo) == [(photo.image.name, True)]
        ModerationRecord.objects.update(status=Status.PASSED)
        assert not is_image_visible(Photo.objects.get(), "image")

    def test_fixture(self, photo, tmp_path):
        fixture = tmp_path / "photos.json"
        call_command("dumpdata", "hostapp.Photo", output=str(fixture))
        Photo.objects.all().delete()
        call_command("loaddata", str(fixture), stdout=StringIO())
        assert history(photo) == [(photo.image.name, False)]
        assert not is_image_visible(Photo.objects.get(), "image")

    def test_next_save_finds_what_was_written_past_the_signals(self, photo):
        first = photo.image.name
        Photo.objects.update(image="photos/other.png")
        Photo.objects.get().save()
        assert history(photo) == [(first, False), ("photos/other.png", True)]


class TestTransactions:
    def test_rollback(self, picture):
        with transaction.atomic():
            Photo.objects.create(image=picture())
            assert ModerationRecord.objects.exists()
            transaction.set_rollback(True)
        assert not ModerationRecord.objects.exists()

    def test_rollback_of_a_replacement(self, photo, picture):
        with transaction.atomic():
            photo.image = picture(2)
            photo.save()
            transaction.set_rollback(True)
        assert [is_current for _, is_current in history(photo)] == [True]

    def test_no_work_before_the_commit(self, picture, django_capture_on_commit_callbacks):
        with django_capture_on_commit_callbacks() as callbacks:
            Photo.objects.create(image=picture())
        assert ModerationRecord.objects.get().status == Status.PENDING
        [callback] = callbacks
        callback()
        assert ModerationRecord.objects.get().status == Status.PASSED

    def test_replaced_twice_in_one_transaction(self, picture, django_capture_on_commit_callbacks):
        with django_capture_on_commit_callbacks(execute=True):
            photo = Photo.objects.create(image=picture())
            photo.image = picture(2)
            photo.save()
        assert list(ModerationRecord.objects.order_by("pk").values_list("status", "attempt_count")) == [
            (Status.SUPERSEDED, 0),
            (Status.PASSED, 1),
        ]

    def test_stale_record_of_an_object_deleted_behind_djangos_back(self, picture, django_capture_on_commit_callbacks):
        with django_capture_on_commit_callbacks(execute=True):
            first = StringPhoto.objects.create(code="reused", image=picture(1))
        StringPhoto.objects.all()._raw_delete("default")
        with django_capture_on_commit_callbacks(execute=True):
            second = StringPhoto.objects.create(code="reused", image=picture(2))
        assert history(second) == [(first.image.name, False), (second.image.name, True)]
        assert ModerationRecord.objects.current().get().status == Status.PASSED

    def test_handler_that_ran_after_a_later_save_of_another_process(self, photo, django_capture_on_commit_callbacks):
        with django_capture_on_commit_callbacks(execute=True):
            stale = Photo.objects.get()
            stale.image = "photos/stale.png"
            stale.save()
            # The other process's update came last, its handler first.
            Photo.objects.update(image="photos/last.png")
        assert history(photo)[-1] == ("photos/last.png", False)
        assert not ModerationRecord.objects.current().filter(file_name="photos/stale.png").exists()


@pytest.mark.django_db(transaction=True)
def test_first_save_of_a_process_does_not_begin_by_reading(picture):
    """On SQLite, a transaction that begins by reading may find that another process writes, and fails at once."""
    photo = Photo.objects.create(image=picture())
    ContentType.objects.clear_cache()
    photo.image = picture(2)
    with CaptureQueriesContext(connection) as context:
        photo.save()
    statements = [query["sql"].split()[0] for query in context.captured_queries]
    begin = statements.index("BEGIN")
    assert statements[begin + 1] == "UPDATE"


class TestStatements:
    def added(self, save, table: str = "django_imgmod_moderationrecord") -> list[str]:
        with CaptureQueriesContext(connection) as context:
            save()
        return [query["sql"].split()[0] for query in context.captured_queries if table in query["sql"]]

    def test_create_adds_one_insert(self, photo, picture):
        assert self.added(lambda: Photo.objects.create(image=picture(2))) == ["INSERT"]

    def test_create_without_a_file_adds_none(self, photo):
        assert self.added(Photo.objects.create) == []

    def test_unchanged_adds_one_select(self, photo):
        assert self.added(photo.save) == ["SELECT"]

    def test_replace_adds_four(self, photo, picture):
        photo.image = picture(2)
        assert self.added(photo.save) == ["SELECT", "UPDATE", "SELECT", "INSERT"]

    def test_delete_adds_one_update(self, photo):
        assert self.added(photo.delete) == ["UPDATE"]

    def test_select_uses_an_index(self, photo):
        with CaptureQueriesContext(connection) as context:
            photo.save()
        [select] = [query["sql"] for query in context.captured_queries if query["sql"].startswith("SELECT")]
        assert "current_key" in select.partition("WHERE")[2]
        assert "JOIN" not in select


@pytest.mark.django_db(databases=["default", "other"])
class TestSecondDatabase:
    def test_the_record_is_where_the_object_is(self, picture):
        photo = Photo(image=picture())
        photo.save(using="other")
        assert history(photo, using="other") == [(photo.image.name, True)]
        assert history(photo) == []
        photo.delete()
        assert not ModerationRecord.objects.using("other").current().exists()

    def test_copy_into_the_other_database(self, photo):
        photo.save(using="other")
        assert history(photo) == history(photo, using="other") == [(photo.image.name, True)]

    def test_same_key_in_both(self, picture):
        for using in ("default", "other"):
            Photo(pk=7, image=picture()).save(using=using)
        assert [len(history(Photo(pk=7), using=using)) for using in connections] == [1, 1]

    def test_work_is_done_there(self, picture, django_capture_on_commit_callbacks):
        with django_capture_on_commit_callbacks(using="other", execute=True):
            Photo(image=picture()).save(using="other")
        assert ModerationRecord.objects.using("other").get().status == Status.PASSED

    def test_router_that_keeps_records_in_one_place(self, picture, settings):
        settings.DATABASE_ROUTERS = ["tests.test_watching.RecordsInDefault"]
        photo = Photo(image=picture())
        photo.save(using="other")
        assert history(photo) == [(photo.image.name, True)]
        assert history(photo, using="other") == []

    def test_move_to_the_other_database(self, picture):
        """As the documentation of Django does it."""
        photo = Photo.objects.create(image=picture())
        photo.save(using="other")
        photo.delete(using="default")
        photo.pk = Photo.objects.using("other").get().pk
        assert history(photo) == [(photo.image.name, False)]
        assert history(photo, using="other") == [(photo.image.name, True)]


class RecordsInDefault:
    def db_for_write(self, model, **hints):
        return "default" if model._meta.app_label == "django_imgmod" else None

    db_for_read = db_for_write


class TestSettings:
    def test_exclude_a_field(self, settings, picture):
        settings.IMGMOD = {**settings.IMGMOD, "EXCLUDE": ["hostapp.PairOfPhotos.back"]}
        PairOfPhotos.objects.create(front=picture(1), back=picture(2))
        assert ModerationRecord.objects.get().field_name == "front"

    def test_exclude_a_model(self, settings, picture):
        settings.IMGMOD = {**settings.IMGMOD, "EXCLUDE": ["hostapp.Photo", "hostapp.Document.scan"]}
        Photo.objects.create(image=picture())
        PhotoProxy.objects.create(image=picture())
        Document.objects.create(scan=picture())
        assert not ModerationRecord.objects.exists()

    def test_list_of_fields(self, settings, picture):
        settings.IMGMOD = {**settings.IMGMOD, "FIELDS": ["hostapp.Photo.image"]}
        UuidPhoto.objects.create(image=picture())
        Photo.objects.create(image=picture())
        assert ModerationRecord.objects.get().content_type.model == "photo"

    def test_options_of_a_field(self, settings, picture):
        settings.IMGMOD = {
            **settings.IMGMOD,
            "FIELDS": {"__all__": {}, "hostapp.Photo.image": {"policy": "strict"}},
        }
        Photo.objects.create(image=picture())
        UuidPhoto.objects.create(image=picture(), id=uuid.uuid4())
        assert list(ModerationRecord.objects.order_by("pk").values_list("policy", flat=True)) == ["strict", "default"]
