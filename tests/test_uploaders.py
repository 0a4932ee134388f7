"""Whose upload a record says that it is, where a site says how to find out."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.contrib.contenttypes.models import ContentType
from django.core.files.storage import default_storage
from django.db import connection, models
from django.db.models import Value
from django.test.utils import CaptureQueriesContext, isolate_apps

from django_imgmod import checks, uploaders
from django_imgmod.models import ModerationRecord
from django_imgmod.registry import WatchedField, get_watched_field, moderate, watched_fields
from django_imgmod.services.reconcile import reconcile
from django_imgmod.shortcuts import moderate_image
from django_imgmod.uploaders import uploader_path

from .hostapp.models import Album, OwnedPhoto, Photo, Profile, UuidPanorama, UuidPhoto

pytestmark = pytest.mark.django_db

FIELD = "hostapp.OwnedPhoto.image"


@pytest.fixture
def anna() -> User:
    return User.objects.create_user("anna")


@pytest.fixture
def bob() -> User:
    return User.objects.create_user("bob")


@pytest.fixture
def uploader(settings: Any) -> Any:
    """Return a function that says how the uploader of an owned photo, or of another field, is found."""

    def configure(path: str, field: str = FIELD, **others: Any) -> None:
        settings.IMGMOD = {**settings.IMGMOD, "FIELDS": {"__all__": {}, field: {"uploader": path}, **others}}

    return configure


def uploader_of(instance: models.Model) -> Any:
    [field] = watched_fields(type(instance))
    return ModerationRecord.objects.for_field(type(instance), [str(instance.pk)], field.name).get().uploaded_by


def statements(call: Any) -> int:
    # Asked for once a process, whichever test comes first.
    ContentType.objects.get_for_model(OwnedPhoto)
    with CaptureQueriesContext(connection) as captured:
        call()
    return len(captured)


class TestFinding:
    def test_nobody_unless_somebody_says_how(self, anna, picture):
        assert uploader_of(OwnedPhoto.objects.create(image=picture(), owner=anna)) is None

    def test_foreign_key(self, anna, picture, uploader):
        uploader("owner")
        assert uploader_of(OwnedPhoto.objects.create(image=picture(), owner=anna)) == anna
        assert uploader_of(OwnedPhoto.objects.create(image=picture(), owner_id=str(anna.pk))) == anna
        assert uploader_of(OwnedPhoto.objects.create(image=picture())) is None

    def test_through_a_relation(self, anna, picture, uploader):
        uploader("album__owner")
        album = Album.objects.create(owner=anna)
        assert uploader_of(OwnedPhoto.objects.create(image=picture(), album=album)) == anna
        assert uploader_of(OwnedPhoto.objects.create(image=picture(), album_id=album.pk)) == anna
        assert uploader_of(OwnedPhoto.objects.create(image=picture(), album=Album.objects.create())) is None
        assert uploader_of(OwnedPhoto.objects.create(image=picture())) is None

    def test_relation_that_leads_to_nothing(self, picture, uploader):
        uploader("album__owner")
        assert uploader_of(OwnedPhoto.objects.create(image=picture(), album_id=4711)) is None

    def test_foreign_key_to_another_column(self, anna, picture, uploader):
        uploader("editor")
        assert uploader_of(OwnedPhoto.objects.create(image=picture(), editor=anna)) == anna
        assert uploader_of(OwnedPhoto.objects.create(image=picture(), editor_id="anna")) == anna
        assert uploader_of(OwnedPhoto.objects.create(image=picture())) is None

    @pytest.mark.parametrize("path", ["pk", "user", "user__pk", "user__id"])
    def test_row_that_is_the_users(self, anna, picture, uploader, path):
        uploader(path, "hostapp.Profile.avatar")
        assert uploader_of(Profile.objects.create(user=anna, avatar=picture())) == anna

    def test_of_another_picture_is_another(self, anna, bob, picture, uploader):
        uploader("owner")
        photo = OwnedPhoto.objects.create(image=picture(), owner=anna)
        photo.image, photo.owner = picture(2), bob
        photo.save()
        assert list(ModerationRecord.objects.order_by("pk").values_list("uploaded_by", flat=True)) == [anna.pk, bob.pk]

    def test_new_owner_of_the_same_picture_did_not_upload_it(self, anna, bob, picture, uploader):
        uploader("owner")
        photo = OwnedPhoto.objects.create(image=picture(), owner=anna)
        photo.owner = bob
        photo.save()
        assert uploader_of(photo) == anna

    def test_instance_that_was_read_in_part(self, anna, picture, uploader):
        uploader("owner")
        photo = OwnedPhoto.objects.only("title").get(pk=OwnedPhoto.objects.create(owner=anna).pk)
        photo.image = picture()
        photo.save()
        assert uploader_of(photo) == anna

    def test_value_that_only_the_row_tells(self, anna, picture, uploader):
        uploader("owner")
        photo = OwnedPhoto.objects.create()
        photo.image, photo.owner_id = picture(), Value(anna.pk)
        photo.save()
        assert uploader_of(photo) == anna

    def test_found_without_an_instance(self, anna, picture, uploader):
        """As ``imgmod_reconcile`` and ``imgmod_backfill`` find it."""
        uploader("album__owner")
        name = default_storage.save("owned/x.png", picture())
        OwnedPhoto.objects.bulk_create([OwnedPhoto(image=name, album=Album.objects.create(owner=anna))])
        watched = get_watched_field(OwnedPhoto, "image")
        assert watched is not None
        assert len(list(reconcile(watched, using="default"))) == 1
        assert uploader_of(OwnedPhoto.objects.get()) == anna

    def test_asked_for_again(self, anna, picture, uploader):
        photo = OwnedPhoto.objects.create(image=picture(), owner=anna)
        uploader("owner")
        moderate_image(photo, "image")
        assert uploader_of(photo) == anna

    def test_user_who_is_deleted(self, anna, picture, uploader):
        uploader("album__owner")
        photo = OwnedPhoto.objects.create(image=picture(), album=Album.objects.create(owner=anna))
        anna.delete()
        assert uploader_of(photo) is None


class TestSaying:
    def test_for_all_fields(self, anna, picture, settings):
        settings.IMGMOD = {**settings.IMGMOD, "FIELDS": {"__all__": {"uploader": "owner"}}}
        assert uploader_of(OwnedPhoto.objects.create(image=picture(), owner=anna)) == anna
        assert uploader_of(Photo.objects.create(image=picture())) is None

    def test_key_of_a_row_that_is_no_users_is_none(self, anna, picture, settings):
        settings.IMGMOD = {**settings.IMGMOD, "FIELDS": {"__all__": {"uploader": "pk"}}}
        photo = Photo.objects.create(pk=anna.pk, image=picture())
        assert uploader_of(photo) is None

    def test_one_field_may_have_none_of_all(self, anna, picture, uploader):
        uploader("", __all__={"uploader": "owner"})
        assert uploader_of(OwnedPhoto.objects.create(image=picture(), owner=anna)) is None

    @isolate_apps("tests.hostapp")
    def test_decorator(self, settings):
        @moderate("image", uploader="owner")
        class Said(models.Model):
            owner = models.ForeignKey(User, models.CASCADE)
            image = models.ImageField()

            class Meta:
                app_label = "hostapp"

        @moderate("image", policy="strict")
        class Unsaid(models.Model):
            owner = models.ForeignKey(User, models.CASCADE)
            image = models.ImageField()

            class Meta:
                app_label = "hostapp"

        [said], [unsaid] = watched_fields(Said), watched_fields(Unsaid)
        assert (said.uploader, unsaid.uploader) == ("owner", "")
        settings.IMGMOD = {**settings.IMGMOD, "FIELDS": {"__all__": {"uploader": "owner__pk"}}}
        [said], [unsaid] = watched_fields(Said), watched_fields(Unsaid)
        assert (said.uploader, unsaid.uploader) == ("owner", "owner__pk")


class TestCost:
    def test_of_what_is_in_memory_nothing(self, anna, picture, uploader):
        def save() -> None:
            OwnedPhoto.objects.create(image=picture(), owner=anna, album=album)

        album = Album.objects.create(owner=anna)
        plain = statements(save)
        for path in ("owner", "album__owner"):
            uploader(path)
            assert statements(save) == plain

    def test_of_what_is_not_one_statement_a_picture(self, anna, picture, uploader):
        album = Album.objects.create(owner=anna)
        plain = statements(lambda: OwnedPhoto.objects.create(image=picture(), album_id=album.pk))
        uploader("album__owner")
        photo = OwnedPhoto(image=picture(), album_id=album.pk)
        assert statements(photo.save) == plain + 1
        assert uploader_of(photo) == anna

    def test_of_a_title_or_a_delete_nothing(self, anna, picture, uploader):
        album = Album.objects.create(owner=anna)
        costs = []
        for path in ("", "album__owner"):
            uploader(path)
            photo = OwnedPhoto.objects.create(image=picture(), album=album)
            photo = OwnedPhoto.objects.get(pk=photo.pk)
            costs.append([statements(photo.save), statements(photo.delete)])
        assert costs[0] == costs[1]


class TestPaths:
    @pytest.mark.parametrize(
        ("model", "path", "lookup"),
        [
            (OwnedPhoto, "owner", "owner_id"),
            (OwnedPhoto, "owner__pk", "owner__id"),
            (OwnedPhoto, "album__owner", "album__owner_id"),
            (OwnedPhoto, "editor", "editor__id"),
            (Profile, "pk", "user_id"),
            (User, "pk", "id"),
        ],
    )
    def test_that_lead_to_a_user(self, model, path, lookup):
        found = uploader_path(model, path)
        assert found is not None
        assert found.lookup == lookup

    @pytest.mark.parametrize(
        ("model", "path"),
        [
            (OwnedPhoto, "pk"),
            (OwnedPhoto, "title"),
            (OwnedPhoto, "nobody"),
            (OwnedPhoto, "album"),
            (OwnedPhoto, "album__pk"),
            (OwnedPhoto, "album__nobody"),
            (OwnedPhoto, "title__owner"),
            (OwnedPhoto, "owner__username"),
            (OwnedPhoto, "owner__groups"),
            (OwnedPhoto, "__owner"),
            (OwnedPhoto, "owner__"),
            (Album, "ownedphoto__owner"),
            (ModerationRecord, "content_object"),
        ],
    )
    def test_that_lead_elsewhere(self, model, path):
        assert uploader_path(model, path) is None

    @pytest.fixture
    def uuid_users(self, monkeypatch):
        """Let the users be of a model with UUIDs for keys, of which there is a child by inheritance."""
        uploader_path.cache_clear()
        monkeypatch.setattr(uploaders, "get_user_model", lambda: UuidPhoto)
        yield
        uploader_path.cache_clear()

    def test_user_model_that_holds_the_picture(self, uuid_users):
        user = UuidPhoto()
        path = WatchedField(UuidPhoto, "image", uploader="pk").uploader_path
        assert path is not None
        assert (path.read(user), path.lookup) == (user.pk, "id")

    def test_child_of_the_user_model(self, uuid_users):
        user = UuidPanorama()
        user.uuidphoto_ptr_id = user.pk
        path = WatchedField(UuidPanorama, "wide", uploader="pk").uploader_path
        assert path is not None
        assert (path.read(user), path.lookup) == (user.pk, "uuidphoto_ptr_id")


class TestChecks:
    def found(self) -> list[tuple[str, str]]:
        return [(message.id, message.msg) for message in checks.check_watched_fields()]

    @pytest.mark.parametrize("path", ["owner", "album__owner", "editor", "owner__pk", ""])
    def test_good_path(self, uploader, path):
        uploader(path)
        assert self.found() == []

    @pytest.mark.parametrize("path", ["nobody", "title", "pk", "album"])
    def test_wrong_path(self, uploader, path, picture):
        uploader(path)
        [(check_id, words)] = self.found()
        assert check_id == "imgmod.E027"
        assert FIELD in words
        assert f'"{path}"' in words
        assert uploader_of(OwnedPhoto.objects.create(image=picture())) is None

    def test_path_of_all_fields_that_some_models_lack(self, settings):
        settings.IMGMOD = {**settings.IMGMOD, "FIELDS": {"__all__": {"uploader": "owner"}}}
        assert self.found() == []

    def test_path_of_all_fields_that_no_model_has(self, settings):
        settings.IMGMOD = {**settings.IMGMOD, "FIELDS": {"__all__": {"uploader": "ownre"}}}
        assert {check_id for check_id, _ in self.found()} == {"imgmod.E027"}

    def test_path_that_is_no_string(self, uploader):
        uploader(["owner"])
        [(check_id, words)] = self.found()
        assert check_id == "imgmod.E020"
        assert "album__owner" in words

    def test_long_path(self, uploader):
        """It is no name that a record has to have room for."""
        uploader("__".join(["album"] * 20))
        assert [check_id for check_id, _ in self.found()] == ["imgmod.E027"]
