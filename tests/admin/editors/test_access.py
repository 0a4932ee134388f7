"""Who may ask for a panel and for a second look, and that whoever may not changes nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client

from django_imgmod.admin.editors import views
from django_imgmod.choices import Lane, Outcome, Status
from django_imgmod.exceptions import RecordConflict
from django_imgmod.models import Appeal, Decision, ModerationRecord
from django_imgmod.services.review.acting import MAX_WORDS
from tests.hostapp.models import Album, OwnedPhoto, PairOfPhotos, Photo

from . import site as sites
from .reading import below, elements, messages_of, panel

pytestmark = pytest.mark.django_db

VIEWER = ("view_photo", "view_album", "view_ownedphoto")
EDITOR = (*VIEWER, "change_photo", "change_album", "change_ownedphoto")


@pytest.fixture
def client_of() -> Callable[..., Client]:
    def log_in(*codenames: str) -> Client:
        user = User.objects.create_user(f"user-{User.objects.count()}", is_staff=True)
        user.user_permissions.set(Permission.objects.filter(codename__in=codenames))
        client = Client()
        client.force_login(user)
        return client

    return log_in


@pytest.fixture
def photo(picture, put) -> Photo:
    photo = Photo.objects.create(image=picture())
    put(photo, Status.BLOCKED)
    return photo


@pytest.fixture
def row(picture, put) -> OwnedPhoto:
    row = OwnedPhoto.objects.create(album=Album.objects.create(), image=picture(2))
    put(row, Status.BLOCKED)
    return row


def record_of(obj: Any) -> ModerationRecord:
    return ModerationRecord.objects.for_field(type(obj), [str(obj.pk)], "image").get()


def address(obj: Any, page: str = "second_look") -> str:
    if isinstance(obj, OwnedPhoto):
        return f"/admin/hostapp/album/{obj.album_id}/{page}/hostapp.ownedphoto/{obj.pk}/image/"
    return f"/admin/hostapp/photo/{obj.pk}/{page}/image/"


def everything() -> list[Any]:
    return [list(ModerationRecord.objects.values()), list(Appeal.objects.values()), list(Decision.objects.values())]


def ask(client: Client, obj: Any, text: str = "", **more: Any) -> Any:
    given = {"record": record_of(obj).public_id, "text": text, **more}
    return client.post(address(obj), given, follow=True)


class TestDoors:
    @pytest.mark.parametrize(
        ("permissions", "statuses"),
        [
            (None, (302, 302, 302)),
            ((), (403, 403, 403)),
            (("view_moderationrecord", "add_photo", "delete_photo", "add_album", "delete_album"), (403, 403, 403)),
            (VIEWER, (200, 403, 403)),
            (EDITOR, (200, 200, 302)),
        ],
        ids=["anonymous", "nobody", "others", "viewer", "editor"],
    )
    def test_open_by_permission(self, client_of, photo, row, permissions, statuses):
        client = Client() if permissions is None else client_of(*permissions)
        for obj in (photo, row):
            before, given = everything(), {"record": record_of(obj).public_id}
            responses = [
                client.get(address(obj, "moderation")),
                client.get(address(obj)),
                client.post(address(obj), given),
            ]
            assert tuple(response.status_code for response in responses) == statuses
            assert (everything() != before) == (permissions == EDITOR)
            if permissions is None:
                assert all("/login/" in response["Location"] for response in responses)

    @pytest.mark.parametrize("missing", ["change_album", "change_ownedphoto"])
    def test_row_needs_both_permissions(self, client_of, row, missing):
        client = client_of(*({*EDITOR} - {missing}))
        assert "second look" not in panel(client.get(address(row, "moderation"))).text
        assert client.post(address(row), {"record": record_of(row).public_id}).status_code == 403
        assert not Appeal.objects.exists()

    def test_row_needs_a_permission_of_its_own(self, client_of, row):
        client = client_of("change_album", "view_album")
        assert client.get(address(row, "moderation")).status_code == 404

    def test_closed_by_the_host(self, root, photo, monkeypatch):
        """A ModelAdmin may say more than permissions do."""

        def only_others(request, obj=None):
            return obj is None or obj.pk != photo.pk

        monkeypatch.setattr(sites.site.get_model_admin(Photo), "has_change_permission", only_others)
        assert panel(root.get(address(photo, "moderation"))).links == {}
        assert ask(root, photo).status_code == 403
        assert not Appeal.objects.exists()

    def test_closed_by_the_host_of_a_row(self, root, row, monkeypatch):
        (inline,) = sites.site.get_model_admin(Album).inlines
        monkeypatch.setattr(inline, "has_view_or_change_permission", lambda self, request, obj=None: obj is None)
        assert root.get(address(row, "moderation")).status_code == 404

    def test_closed_to_other_sites(self, photo):
        client = Client(enforce_csrf_checks=True)
        client.force_login(User.objects.create_superuser("root"))
        assert client.post(address(photo), {"record": record_of(photo).public_id}).status_code == 403
        (form,) = [one for one in elements(client.get(address(photo))) if "novalidate" in dict(one.attributes)]
        inputs = [dict(one.attributes) for one in below(form) if one.name == "input"]
        given = {one["name"]: one["value"] for one in inputs if one["type"] == "hidden"}
        assert client.post(address(photo), given).status_code == 302

    @pytest.mark.parametrize("page", ["moderation", "second_look"])
    def test_nothing_behind_an_address_of_nothing(self, root, client_of, photo, row, picture, page):
        elsewhere = OwnedPhoto.objects.create(album=Album.objects.create(), image=picture(3))
        album = f"/admin/hostapp/album/{row.album_id}/{page}"
        before = everything()
        for path in (
            f"/admin/hostapp/photo/{photo.pk}/{page}/title/",
            f"/admin/hostapp/photo/{photo.pk}/{page}/nonsense/",
            f"/admin/hostapp/photo/{photo.pk}/{page}/hostapp.ownedphoto/{row.pk}/image/",
            f"/admin/hostapp/pairofphotos/{PairOfPhotos.objects.create().pk}/{page}/front/",
            f"/admin/hostapp/album/{row.album_id}/{page}/image/",
            f"{album}/hostapp.ownedphoto/{elsewhere.pk}/image/",
            f"{album}/hostapp.ownedphoto/nonsense/image/",
            f"{album}/hostapp.ownedphoto/{row.pk}/title/",
            f"{album}/hostapp.photo/{photo.pk}/image/",
        ):
            assert root.get(path).status_code == 404, path
            assert root.post(path).status_code == (405 if page == "moderation" else 404), path
        missing = f"/admin/hostapp/photo/0/{page}/image/"
        # Who may see no photo at all does not learn which there are.
        assert [root.get(missing).status_code, client_of().get(missing).status_code] == [404, 403]
        assert everything() == before

    def test_picture_that_its_form_does_not_show(self, root, photo, monkeypatch):
        monkeypatch.setattr(sites.site.get_model_admin(Photo), "fields", ["title"])
        assert root.get(address(photo, "moderation")).status_code == 404
        assert root.get(address(photo)).status_code == 404

    def test_panel_is_kept_nowhere(self, root, photo):
        response = root.get(address(photo, "moderation"))
        assert "no-store" in response["Cache-Control"]
        assert response["X-Imgmod-Panel"]
        assert root.post(address(photo, "moderation")).status_code == 405


class TestSecondLook:
    def test_is_asked_for_with_words(self, root, photo, row):
        for obj, back in ((photo, photo), (row, row.album)):
            response = ask(root, obj, "It is my cat.")
            assert response.redirect_chain == [(f"/admin/hostapp/{back._meta.model_name}/{back.pk}/change/", 302)]
            assert messages_of(response) == [("success", "“picture.png”: somebody else will look at it again.")]
            record, made = record_of(obj), Appeal.objects.get(record=record_of(obj))
            assert (record.status, record.lane) == (Status.IN_REVIEW, Lane.APPEALED)
            assert (made.text, made.appealed_by) == ("It is my cat.", User.objects.get(username="root"))
            assert "A second look was asked for" in panel(response).told

    def test_page_changes_nothing(self, root, photo):
        before = everything()
        page = root.get(address(photo)).content.decode()
        assert "picture.png" in page
        assert "The check found something that may not be shown." in page
        assert everything() == before

    @pytest.mark.parametrize(
        ("status", "is_asked"),
        [(Status.BLOCKED, True), (Status.PASSED, False), (Status.IN_REVIEW, False), (Status.PENDING, False)],
    )
    def test_is_offered_where_it_is_to_be_had(self, root, photo, put, status, is_asked):
        put(photo, status)
        assert ("<textarea" in root.get(address(photo)).content.decode()) == is_asked
        assert ("Ask for a second look" in panel(root.get(address(photo, "moderation"))).links) == is_asked
        if not is_asked:
            before = everything()
            assert messages_of(ask(root, photo)) == [
                (
                    "warning",
                    "“picture.png”: nothing was sent. This image is not blocked: there is nothing to appeal against.",
                )
            ]
            assert everything() == before

    def test_is_had_once(self, root, photo, put):
        ask(root, photo)
        put(photo, Status.BLOCKED)
        assert "<textarea" not in root.get(address(photo)).content.decode()
        assert "nothing was sent. There was a second look" in messages_of(ask(root, photo))[0][1]
        assert Appeal.objects.count() == 1

    def test_names_the_reason_of_the_decision(self, root, photo):
        Decision.objects.create(record=record_of(photo), outcome=Outcome.BLOCK, reason_code="violence")
        assert "Violence" in root.get(address(photo)).content.decode()

    def test_is_of_the_picture_that_was_seen(self, root, photo, picture, put):
        seen = record_of(photo).public_id
        photo.image = picture(3, name="other.png")
        photo.save()
        put(photo, Status.BLOCKED)
        response = ask(root, photo, "It is my cat.", record=seen)
        assert (
            messages_of(response)[0][1] == "“other.png”: nothing was sent. Another picture has taken its place since."
        )
        assert not Appeal.objects.exists()
        # What was written is not lost, and may be meant of this picture.
        assert response.context["form"].initial == {"text": "It is my cat.", "record": record_of(photo).public_id}
        assert "It is my cat." in response.content.decode()

    @pytest.mark.parametrize("given", [{"text": "x" * (MAX_WORDS + 1)}, {"record": "nonsense"}])
    def test_needs_a_form_that_is_right(self, root, photo, given):
        response = ask(root, photo, **given)
        assert response.context["form"].errors
        assert 'class="errorlist"' in response.content.decode()
        assert not Appeal.objects.exists()

    def test_is_not_lost_when_something_else_happens_to_the_picture(self, root, photo, monkeypatch):
        def overtaken(*args, **kwargs):
            raise RecordConflict("Record 1 has changed since it was read.")

        monkeypatch.setattr(views, "appeal", overtaken)
        response = ask(root, photo, "It is my cat.")
        assert "Please look again." in messages_of(response)[0][1]
        assert "It is my cat." in response.content.decode()
