"""The panel under an image field of a change form."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django import forms
from django.contrib import admin
from django.contrib.admin.utils import quote
from django.contrib.auth.models import Permission, User
from django.core.cache import cache
from django.core.files.base import ContentFile
from django.core.files.storage import Storage
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from django_imgmod.admin import ModeratedImageAdminMixin
from django_imgmod.choices import ErrorCode, Lane, Status
from django_imgmod.models import ModerationRecord
from tests.backdated import make_history
from tests.hostapp.models import (
    Album,
    NullablePhoto,
    OwnedPhoto,
    PairOfPhotos,
    PanoramaPhoto,
    Photo,
    PhotoProxy,
    StringPhoto,
    UuidPhoto,
    UuidPortrait,
)

from . import site as sites
from .reading import Seen, elements, panel, panels

pytestmark = pytest.mark.django_db(databases=["default", "other"])

HOSTILE = '"><img src=x onerror=alert(1)>'
ODD_KEY = 'a/b c"<é>?&_5F'


@pytest.fixture(autouse=True)
def empty_cache() -> Iterator[None]:
    cache.clear()
    yield
    cache.clear()


@pytest.fixture
def photo(picture) -> Photo:
    return Photo.objects.create(image=picture())


def page_of(obj: Any, site: str = "admin") -> str:
    return f"/{site}/hostapp/{obj._meta.model_name}/{quote(obj.pk)}/change/"


def replace(obj: Any, picture: Any, field_name: str = "image") -> None:
    setattr(obj, field_name, picture)
    obj.save()


def said(client: Client, obj: Any) -> Seen:
    return panel(client.get(page_of(obj)))


def in_admin_of(monkeypatch: Any, model: Any, **options: Any) -> None:
    """Change a few options of a ModelAdmin that has the mixin, for one test."""
    for name, value in options.items():
        monkeypatch.setattr(sites.site.get_model_admin(model), name, value)


class TestWords:
    @pytest.mark.parametrize(
        ("columns", "told", "is_settled"),
        [
            ({"status": Status.PENDING}, "Being checked, and not public yet.", False),
            ({"status": Status.SUBMITTED}, "Being checked, and not public yet.", False),
            ({"status": Status.PASSED}, "Checked, and public.", True),
            ({"status": Status.IN_REVIEW}, "The check was not sure.", False),
            ({"status": Status.IN_REVIEW, "lane": Lane.APPEALED}, "A second look was asked for.", False),
            ({"status": Status.BLOCKED}, "The check found something that may not be shown.", True),
            ({"status": Status.BLOCKED, "error_code": ErrorCode.DAMAGED}, "The file is damaged.", True),
            ({"status": Status.BLOCKED, "is_shadow": True}, "Checked, and public.", True),
        ],
    )
    def test_tell_status_and_reason(self, root, photo, put, columns, told, is_settled):
        put(photo, **columns)
        seen = said(root, photo)
        assert seen.told.startswith("Image picture.png:")
        assert told in seen.told
        assert (seen.label, seen.is_settled) == ("Moderation of image", is_settled)

    @pytest.mark.parametrize(
        ("unrecorded", "told"),
        [("hide", "Not checked yet, and not public."), ("show", "Public. It has not been checked.")],
    )
    def test_tell_that_nothing_is_recorded(self, root, photo, settings, unrecorded, told):
        ModerationRecord.objects.all().delete()
        settings.IMGMOD = {**settings.IMGMOD, "UNRECORDED": unrecorded}
        assert told in said(root, photo).told

    def test_tell_how_long_it_takes_where_that_is_known(self, root, photo):
        """The page itself does not go and find out: what its script asks for does."""
        make_history(10, pause=timedelta(minutes=1), wait=timedelta(minutes=20), until=timezone.now())
        seen = said(root, photo)
        assert "usually" not in seen.text
        asked = panel(root.get(seen.url))
        assert "That usually takes 20" in asked.text
        assert "usually" not in asked.told
        assert "That usually takes 20" in said(root, photo).text

    @pytest.mark.parametrize("is_kept", [True, False])
    def test_tell_of_the_last_accepted_picture(self, root, photo, put, picture, settings, is_kept):
        options = {"__all__": {"keep_last_accepted": is_kept}}
        settings.IMGMOD = {**settings.IMGMOD, "FIELDS": options}
        put(photo, Status.PASSED)
        assert said(root, photo).pictures == []
        replace(photo, picture(2, name="second.png"))
        for status in (Status.PENDING, Status.IN_REVIEW, Status.BLOCKED):
            put(photo, status)
            seen = said(root, photo)
            assert seen.pictures == ["/media/photos/picture.png"]
            assert ("goes on showing" in seen.text, "is not shown meanwhile" in seen.text) == (is_kept, not is_kept)
        put(photo, Status.PASSED)
        assert said(root, photo).pictures == []

    @pytest.mark.parametrize("error", [NotImplementedError, ValueError])
    def test_tell_of_it_where_its_storage_has_no_addresses(self, root, photo, put, picture, monkeypatch, error):
        class Closed(Storage):
            def url(self, name):
                raise error

        put(photo, Status.BLOCKED, last_accepted_name="photos/first.png")
        monkeypatch.setattr(Photo._meta.get_field("image"), "storage", Closed())
        seen = panel(root.get(f"/admin/hostapp/photo/{photo.pk}/moderation/image/"))
        assert seen.pictures == []
        assert "first.png" in seen.text

    @pytest.mark.parametrize("see_labels", [True, False])
    def test_tell_labels_only_if_the_site_says_so(self, root, photo, put, settings, see_labels):
        settings.IMGMOD = {**settings.IMGMOD, "EDITORS": {"SEE_LABELS": see_labels}}
        record = put(photo, Status.BLOCKED)
        record.detected_labels.create(label="violence_weapon", description="Weapons", confidence="97.50")
        record.detected_labels.create(label="logo")
        told = "Detected: logo , Weapons (97.5%)"
        assert (told in said(root, photo).text, "Weapons" in said(root, photo).text) == (see_labels, see_labels)

    def test_of_strangers_are_escaped(self, root, photo, put, settings):
        settings.IMGMOD = {**settings.IMGMOD, "EDITORS": {"SEE_LABELS": True}}
        name = f"photos/\u202e{HOSTILE}.png"
        Photo.objects.update(image=name)
        record = put(photo, Status.BLOCKED, file_name=name, last_accepted_name=f"photos/{HOSTILE}2.png")
        record.detected_labels.create(label=HOSTILE, description=HOSTILE)
        for page in (page_of(photo), said(root, photo).url, f"/admin/hostapp/photo/{photo.pk}/second_look/image/"):
            response = root.get(page)
            assert not [element for element in elements(response) if "onerror" in dict(element.attributes)]
            # Nor does a name turn round the words behind it.
            assert "\u202e&quot;&gt;&lt;img src=x onerror=alert(1)&gt;.png</bdi>" in response.content.decode()


class TestPlaces:
    @pytest.mark.parametrize(
        ("model", "columns", "site"),
        [
            (Photo, {"pk": 2**62}, "admin"),
            (PhotoProxy, {}, "admin"),
            (PanoramaPhoto, {}, "admin"),
            (NullablePhoto, {}, "admin"),
            (UuidPhoto, {}, "office"),
            (StringPhoto, {"pk": ODD_KEY}, "office"),
        ],
    )
    def test_every_model_has_its_panel(self, root, picture, model, columns, site):
        obj = model.objects.create(**columns, image=picture())
        page = root.get(page_of(obj, site))
        seen = panel(page)
        assert "Being checked" in seen.told
        assert seen.url.startswith(f"/{site}/hostapp/{model._meta.model_name}/")
        assert panel(root.get(seen.url)).told == seen.told
        for file in ("editors.js", "editors.css"):
            assert file in page.content.decode()

    def test_every_field_has_its_own(self, root, picture, put):
        pair = PairOfPhotos.objects.create(front=picture(1, name="front.png"), back=picture(2, name="back.png"))
        put(pair, Status.PASSED, "front")
        put(pair, Status.BLOCKED, "back")
        front, back = panels(root.get(page_of(pair)))
        assert (front.label, front.told) == ("Moderation of front", "Front front.png: Checked, and public.")
        assert back.label == "Moderation of back"
        assert back.told.startswith("Back back.png: Blocked.")
        assert front.links == {"Replace the picture": "#id_front"}
        assert back.links == {
            "Ask for a second look": f"/admin/hostapp/pairofphotos/{pair.pk}/second_look/back/",
            "Replace the picture": "#id_back",
        }

    def test_rows_have_theirs(self, root, picture, put):
        album = Album.objects.create()
        rows = [OwnedPhoto.objects.create(album=album, image=picture(number)) for number in (1, 2)]
        OwnedPhoto.objects.create(album=album)
        put(rows[0], Status.PASSED)
        put(rows[1], Status.BLOCKED)
        page = root.get(page_of(album))
        passed, blocked = panels(page)
        assert ("Checked" in passed.told, "Blocked" in blocked.told) == (True, True)
        assert passed.links == {"Replace the picture": "#id_ownedphoto_set-0-image"}
        assert [panel(root.get(seen.url)).told for seen in (passed, blocked)] == [passed.told, blocked.told]
        assert root.get(blocked.links["Ask for a second look"]).status_code == 200

    def test_object_and_row_whose_keys_are_uuids(self, root, picture):
        photo = UuidPhoto.objects.create(image=picture())
        UuidPortrait.objects.create(photo=photo, image=picture(2))
        seen = panels(root.get(page_of(photo)))
        assert len(seen) == 2
        assert [panel(root.get(one.url)).told for one in seen] == [one.told for one in seen]

    def test_there_is_none_without_a_stored_picture(self, root, picture):
        album = Album.objects.create()
        for page in ("/admin/hostapp/photo/add/", page_of(Photo.objects.create()), page_of(album)):
            assert panels(root.get(page)) == []
        added = root.post("/admin/hostapp/photo/add/", {"title": "x" * 200, "image": picture()})
        assert added.context["errors"]
        assert panels(added) == []

    def test_there_is_none_for_what_is_not_watched_or_not_shown(self, root, photo, settings, monkeypatch):
        in_admin_of(monkeypatch, Photo, fields=["title"])
        assert panels(root.get(page_of(photo))) == []
        in_admin_of(monkeypatch, Photo, fields=None)
        settings.IMGMOD = {**settings.IMGMOD, "EXCLUDE": ["hostapp.Photo"]}
        assert panels(root.get(page_of(photo))) == []

    def test_popup_stays_one(self, root, photo, put):
        put(photo, Status.BLOCKED)
        page = f"{page_of(photo)}?_popup=1&_changelist_filters=q%3Dx"
        seen = panel(root.get(page))
        assert seen.url.endswith("?_popup=1&_changelist_filters=q%3Dx")
        again = panel(root.get(seen.url)).links["Ask for a second look"]
        assert again == seen.links["Ask for a second look"]
        second_look = root.get(again)
        assert second_look.context["is_popup"]
        assert page in [dict(element.attributes).get("href") for element in elements(second_look)]


class TestForms:
    def test_that_is_wrong_still_speaks_of_what_is_stored(self, root, picture):
        stored = StringPhoto.objects.create(code="stored", image=picture())
        response = root.post(page_of(stored), {"code": "other", "image": ContentFile(b"no picture", name="other.png")})
        assert response.context["errors"]
        seen = panel(response)
        assert seen.told.startswith("Image picture.png: Being checked")
        assert seen.url == "/admin/hostapp/stringphoto/stored/moderation/image/"

    def test_rows_that_are_wrong_still_speak_of_what_is_stored(self, root, picture):
        album = Album.objects.create()
        row = OwnedPhoto.objects.create(album=album, image=picture())
        fields = {"TOTAL_FORMS": 2, "INITIAL_FORMS": 1, "0-id": row.pk, "0-title": "x" * 200, "1-title": "new"}
        fields |= {"0-album": album.pk, "0-image": picture(2, name="other.png"), "1-image": picture(3)}
        response = root.post(page_of(album), {f"ownedphoto_set-{name}": value for name, value in fields.items()})
        assert response.context["errors"]
        assert panel(response).told.startswith("Image picture.png: Being checked")

    def test_keep_the_widget_of_the_site(self, root, photo, picture, monkeypatch):
        class Dropzone(forms.FileInput):
            class Media:
                js = ["dropzone.js"]

            def render(self, name, value, attrs=None, renderer=None):
                return super().render(name, value, {**attrs, "data-dropzone": value.name}, renderer)

            def value_from_datadict(self, data, files, name):
                return super().value_from_datadict(data, files, f"dropped-{name}")

            def id_for_label(self, id_):
                return f"{id_}_dropped"

        class DropzoneForm(forms.ModelForm):
            image = forms.ImageField(widget=Dropzone)

            class Meta:
                model = Photo
                fields = ["title", "image"]

        in_admin_of(monkeypatch, Photo, form=DropzoneForm)
        page = root.get(page_of(photo))
        assert panel(page).links == {"Replace the picture": "#id_image_dropped"}
        for told in ('data-dropzone="photos/picture.png"', "dropzone.js", 'enctype="multipart/form-data"'):
            assert told in page.content.decode()
        assert isinstance(page.context["adminform"].form.fields["image"].widget, Dropzone)
        # Neither the class of the form nor the next request has kept anything.
        assert "Moderation" not in str(DropzoneForm(instance=photo))
        root.post(page_of(photo), {"title": "", "dropped-image": picture(2, name="dropped.png")})
        assert Photo.objects.get().image.name == "photos/dropped.png"

    def test_that_cannot_be_written_have_panels_to_read(self, photo, picture, put):
        viewer = User.objects.create_user("viewer", is_staff=True)
        names = ("view_photo", "view_album", "view_ownedphoto")
        viewer.user_permissions.set(Permission.objects.filter(codename__in=names))
        client = Client()
        client.force_login(viewer)
        album = Album.objects.create()
        row = OwnedPhoto.objects.create(album=album, image=picture())
        put(photo, Status.BLOCKED)
        put(row, Status.BLOCKED)
        for obj, name in ((photo, "photos/picture.png"), (album, "owned/picture.png")):
            page = client.get(page_of(obj))
            seen = panel(page)
            assert "Blocked" in seen.told
            assert seen.links == {}
            assert f'<a href="/media/{name}">{name}</a>' in page.content.decode()
            assert "field-image" in page.content.decode()
        assert 'class="column-image"' in page.content.decode()

    def test_with_a_field_that_is_only_read(self, root, photo, put, monkeypatch):
        in_admin_of(monkeypatch, Photo, readonly_fields=["image"], fieldsets=[(None, {"fields": [("title", "image")]})])
        put(photo, Status.BLOCKED)
        assert list(said(root, photo).links) == ["Ask for a second look"]
        assert root.post(page_of(photo), {"title": "New"}).status_code == 302
        assert Photo.objects.get().title == "New"

    def test_with_rows_that_are_only_added(self, picture):
        """Rows that are there are shown, new ones can be written: on one page, which has no room for panels."""
        user = User.objects.create_user("adder", is_staff=True)
        names = ("change_album", "add_ownedphoto", "view_ownedphoto")
        user.user_permissions.set(Permission.objects.filter(codename__in=names))
        client = Client()
        client.force_login(user)
        album = Album.objects.create()
        OwnedPhoto.objects.create(album=album, image=picture())
        page = client.get(page_of(album))
        assert panels(page) == []
        assert "owned/picture.png</a>" in page.content.decode()
        assert 'name="ownedphoto_set-1-image"' in page.content.decode()


class TestSpeed:
    @pytest.mark.parametrize("see_labels", [False, True])
    def test_panels_add_one_query_a_page(self, root, photo, picture, settings, see_labels):
        """And the labels one more, where editors see them."""
        settings.IMGMOD = {**settings.IMGMOD, "EDITORS": {"SEE_LABELS": see_labels}}
        album, owner = Album.objects.create(), UuidPhoto.objects.create(image=picture())
        UuidPortrait.objects.create(photo=owner, image=picture(2))
        for number in range(5):
            OwnedPhoto.objects.create(album=album, image=picture(number))
        for obj in (photo, album, owner):
            assert queries(root, page_of(obj)) - queries(root, page_of(obj, "plain")) == 1 + see_labels

    def test_page_without_a_picture_adds_none(self, root):
        obj = Photo.objects.create()
        assert queries(root, page_of(obj)) == queries(root, page_of(obj, "plain"))


class TestOtherDatabase:
    @pytest.mark.parametrize(("router", "kept_in"), [("PhotosInOther", "default"), ("RecordsBesidePhotos", "other")])
    def test_panel_finds_its_record(self, root, picture, settings, router, kept_in):
        settings.DATABASE_ROUTERS = [f"{__name__}.{router}"]
        User.objects.get().save(using="other")
        photo = Photo.objects.create(image=picture())
        assert ModerationRecord.objects.using(kept_in).update(status=Status.BLOCKED) == 1

        seen = said(root, photo)
        assert "Blocked" in seen.told
        assert panel(root.get(seen.url)).told == seen.told
        second_look = seen.links["Ask for a second look"]
        root.post(second_look, {"record": root.get(second_look).context["form"].initial["record"]})
        assert "A second look was asked for." in said(root, photo).told
        assert ModerationRecord.objects.using(kept_in).get().status == Status.IN_REVIEW


class PhotosInOther:
    def db_for_write(self, model, **hints):
        return "other" if model is Photo else "default"

    db_for_read = db_for_write


class RecordsBesidePhotos(PhotosInOther):
    def db_for_write(self, model, instance=None, **hints):
        if model is ModerationRecord and instance is not None:
            return instance._state.db
        return super().db_for_write(model)

    db_for_read = db_for_write

    def allow_relation(self, one, other, **hints):
        return True


class TestCheck:
    def test_row_needs_a_page_that_takes_it(self):
        site = admin.AdminSite()
        inline = sites.with_mixin(sites.OwnedPhotoInline)
        site.register(Album, inlines=[inline])
        (error,) = site.get_model_admin(Album).check()
        assert error.id == "imgmod.E028"
        assert "hostapp.Album" in error.hint
        site.unregister(Album)
        site.register(Album, sites.with_mixin(admin.ModelAdmin, inlines=[inline]))
        assert site.get_model_admin(Album).check() == []
        assert issubclass(inline, ModeratedImageAdminMixin)


def queries(client: Client, page: str) -> int:
    client.get(page)  # the first look of a process also fills the cache of content types
    with CaptureQueriesContext(connection) as captured:
        assert client.get(page).status_code == 200
    return len(captured)
