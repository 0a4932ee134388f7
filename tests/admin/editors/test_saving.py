"""What an editor is told after saving."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.messages import get_messages
from django.db import connection, connections
from django.test import Client

from django_imgmod.exceptions import ProviderRefused
from django_imgmod.models import ModerationRecord
from django_imgmod.providers.dummy import DummyProvider
from tests.hostapp.models import Album, OwnedPhoto, PairOfPhotos, Photo

from . import site as sites
from .reading import messages_of

ADD = "/admin/hostapp/photo/add/"
CHECKING = "saved. Being checked, and not public yet."


def told(client: Client, page: str, **given: Any) -> list[tuple[str, str]]:
    """Return what is said of images after a form was sent, and what Django says itself is left out."""
    response = client.post(page, given, follow=True)
    if response.context is None:
        response = client.get("/admin/")
    assert not response.context.get("errors")
    return [(level, words) for level, words in messages_of(response) if "successfully" not in words]


def rows(**fields: Any) -> dict[str, Any]:
    return {f"ownedphoto_set-{name}": value for name, value in fields.items()}


class TestTruth:
    """Once the transaction has ended: there has to be one."""

    pytestmark = pytest.mark.django_db(transaction=True)

    def test_is_the_verdict_where_it_is_there(self, root, picture):
        DummyProvider("default").script("none", "medium", "high", ProviderRefused("Too small."))
        saved = [told(root, ADD, image=picture(number, name=f"{number}.png"))[0] for number in range(4)]
        assert saved == [
            ("success", "Image “0.png”: saved. Checked, and public."),
            (
                "warning",
                "Image “1.png”: saved. Held until somebody has looked at it, and not public yet. "
                "The check was not sure.",
            ),
            (
                "warning",
                "Image “2.png”: saved. Blocked. It is not shown to anybody. "
                "The check found something that may not be shown.",
            ),
            (
                "warning",
                "Image “3.png”: saved. Held until somebody has looked at it, and not public yet. "
                "It could not be checked by itself.",
            ),
        ]

    def test_is_not_known_within_the_transaction_of_a_request(self, root, picture, monkeypatch):
        for given in (connection.settings_dict, connections.settings["default"]):
            monkeypatch.setitem(given, "ATOMIC_REQUESTS", True)
        assert told(root, ADD, image=picture(name="x.png")) == [("info", f"Image “x.png”: {CHECKING}")]


@pytest.mark.django_db
class TestMessages:
    """Within the test's own transaction nothing is judged yet."""

    @pytest.mark.parametrize("button", ["_save", "_addanother", "_continue"])
    def test_whichever_way_it_goes_on(self, root, picture, button):
        assert told(root, ADD, image=picture(name="x.png"), **{button: "1"}) == [("info", f"Image “x.png”: {CHECKING}")]

    def test_after_a_popup(self, root, picture):
        response = root.post(ADD, {"image": picture(name="x.png"), "_popup": "1"})
        assert "popup_response" in response.content.decode()
        assert CHECKING in messages_of(root.get("/admin/"))[-1][1]

    def test_every_field_and_row_that_was_changed(self, root, picture):
        pair = PairOfPhotos.objects.create(front=picture(1), back=picture(2))
        page = f"/admin/hostapp/pairofphotos/{pair.pk}/change/"
        assert told(root, page, back=picture(3, name="new.png")) == [("info", f"Back “new.png”: {CHECKING}")]
        given = {"front": picture(4, name="4.png"), "back": picture(5, name="5.png")}
        assert [words for _level, words in told(root, page, **given)] == [
            f"Front “4.png”: {CHECKING}",
            f"Back “5.png”: {CHECKING}",
        ]

        album = Album.objects.create()
        kept, removed = [OwnedPhoto.objects.create(album=album, image=picture(number)) for number in (6, 7)]
        given = rows(
            **{"TOTAL_FORMS": 5, "INITIAL_FORMS": 2, "0-id": kept.pk, "0-title": "Kept", "1-id": removed.pk},
            **{"1-image": picture(8), "1-DELETE": "on", "2-image": picture(9, name="9.png"), "3-title": "No picture"},
            **{f"{number}-album": album.pk for number in range(5)},
        )
        assert told(root, f"/admin/hostapp/album/{album.pk}/change/", **given) == [
            ("info", f"Image “9.png”: {CHECKING}")
        ]
        assert OwnedPhoto.objects.count() == 3

    def test_every_picture_that_was_changed_in_the_list(self, root, picture, monkeypatch):
        model_admin = sites.site.get_model_admin(Photo)
        monkeypatch.setattr(model_admin, "list_display", ["__str__", "title", "image"])
        monkeypatch.setattr(model_admin, "list_editable", ["title", "image"])
        photos = [Photo.objects.create(image=picture(number)) for number in range(3)]
        given = {"TOTAL_FORMS": 3, "INITIAL_FORMS": 3, "2-title": "New"}
        given |= {f"{number}-id": photo.pk for number, photo in enumerate(reversed(photos))}
        given |= {f"{number}-image": picture(7 + number, name=f"{number}.png") for number in (0, 1)}
        given = {f"form-{name}": value for name, value in given.items()}
        assert told(root, "/admin/hostapp/photo/", _save="1", **given) == [
            ("info", f"Image “{number}.png”: {CHECKING}") for number in (0, 1)
        ]

    def test_none_where_no_picture_was_changed(self, root, picture, django_assert_num_queries):
        photo = Photo.objects.create(image=picture())
        page = f"/admin/hostapp/photo/{photo.pk}/change/"
        assert told(root, page, title="New") == []
        assert told(root, page, **{"image-clear": "on"}) == []
        assert not Photo.objects.get().image
        assert told(root, ADD, title="Without") == []

    def test_none_where_nothing_was_saved(self, root, picture):
        response = root.post(ADD, {"title": "x" * 200, "image": picture()})
        assert response.context["errors"]
        assert not list(get_messages(response.wsgi_request))
        assert not ModerationRecord.objects.exists()

    def test_picture_that_the_code_of_the_host_has_put_there(self, root, picture, monkeypatch):
        def save_model(request, obj, form, change):
            obj.image = picture(2, name="stamped.png")
            obj.save()

        photo = Photo.objects.create(image=picture())
        monkeypatch.setattr(sites.site.get_model_admin(Photo), "save_model", save_model)
        assert told(root, f"/admin/hostapp/photo/{photo.pk}/change/") == [("info", f"Image “stamped.png”: {CHECKING}")]

    def test_row_of_an_inline_without_the_mixin(self, root, picture, monkeypatch):
        album = Album.objects.create()
        monkeypatch.setattr(sites.site.get_model_admin(Album), "inlines", [sites.OwnedPhotoInline])
        given = rows(**{"TOTAL_FORMS": 1, "INITIAL_FORMS": 0, "0-image": picture(), "0-album": album.pk})
        assert told(root, f"/admin/hostapp/album/{album.pk}/change/", **given) == []
        assert OwnedPhoto.objects.count() == 1
