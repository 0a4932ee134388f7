"""Run by test_pages.py under the example's settings, with DummyProvider as the default provider."""

from __future__ import annotations

from collections.abc import Callable
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.files.base import ContentFile
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from django_imgmod.canary import CanaryLevel, canary_png
from django_imgmod.choices import Outcome
from django_imgmod.models import Decision, ModerationRecord
from django_imgmod.services.decisions import decide
from example_project.gallery.models import Photo, Postcard, Poster
from example_project.gallery.pictures import Sample
from example_project.gallery.staging import make_users, remove_pictures, save_pictures

# Pictures are judged after the commit, so there has to be one.
pytestmark = pytest.mark.django_db(transaction=True)

Draw = Callable[..., "ContentFile[bytes]"]


def canary(level: CanaryLevel) -> ContentFile[bytes]:
    return ContentFile(canary_png(level), name=f"{level}.png")


@pytest.fixture
def editor(settings: Any) -> User:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    return make_users()


@pytest.fixture
def photo(editor: User, picture: Draw) -> Photo:
    return Photo.objects.create(title="Harbour", description="Boats at dusk", image=picture(), uploaded_by=editor)


@pytest.fixture
def blocked(editor: User) -> Photo:
    return Photo.objects.create(title="Contraband", image=canary("high"), uploaded_by=editor)


def text_of(client: Client, address: str = "/") -> str:
    return unescape(client.get(address).content.decode())


def log_in(client: Client, name: str) -> None:
    client.force_login(User.objects.get(username=name))


def upload(client: Client, image: ContentFile[bytes], title: str = "Harbour") -> str:
    return unescape(client.post("/upload/", {"title": title, "image": image}, follow=True).content.decode())


def test_gallery_without_photos_says_so(client: Client) -> None:
    assert "Nothing here yet" in text_of(client)


def test_gallery_shows_a_passed_photo_with_its_description(client: Client, photo: Photo) -> None:
    page = text_of(client)

    assert f'src="{photo.image.url}" alt="Boats at dusk"' in page
    assert "1 of 1 photos have passed" in page


def test_gallery_hides_a_blocked_photo_and_keeps_the_reason_from_visitors(client: Client, blocked: Photo) -> None:
    page = text_of(client)

    assert "Contraband" in page
    assert "Blocked" in page
    assert blocked.image.url not in page
    assert "canary_high" not in page


def test_gallery_tells_an_editor_the_reason(client: Client, blocked: Photo) -> None:
    log_in(client, "editor")

    assert "high risk: canary_high" in text_of(client)


def test_gallery_names_what_is_waited_for(client: Client, editor: User, picture: Draw) -> None:
    Postcard.objects.create(title="Greetings", image=picture(), uploaded_by=editor)
    Poster.objects.create(title="Tonight", image=picture(), uploaded_by=editor)
    log_in(client, "editor")

    page = text_of(client)

    assert "Being checked" in page
    assert "Not checked yet" in page
    assert 'Provider "unreachable" is down' in page


def test_gallery_needs_one_query_for_all_records(
    client: Client, photo: Photo, picture: Draw, editor: User, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    for number in range(2, 6):
        Photo.objects.create(title="Again", image=picture(number), uploaded_by=editor)

    # Photos and their records; postcards and posters, of which there are none.
    with django_assert_num_queries(4):
        client.get("/")


def test_media_serves_a_passed_photo(client: Client, photo: Photo) -> None:
    response = client.get(photo.image.url)

    assert response.status_code == 200
    with photo.image.open() as file:
        assert b"".join(response.streaming_content) == file.read()
    assert "private" in response["Cache-Control"]


@pytest.mark.parametrize("name", [None, "editor"])
def test_media_has_no_blocked_photo_for_the_public(client: Client, blocked: Photo, name: str | None) -> None:
    if name:
        log_in(client, name)

    assert client.get(blocked.image.url).status_code == 404


def test_media_serves_a_blocked_photo_to_a_moderator(client: Client, blocked: Photo) -> None:
    log_in(client, "moderator")

    response = client.get(blocked.image.url)

    assert response.status_code == 200
    response.close()


@pytest.mark.parametrize("name", ["photos/none.png", "../db.sqlite3", "photos/%2e%2e/%2e%2e/db.sqlite3"])
def test_media_has_nothing_else(client: Client, editor: User, name: str) -> None:
    log_in(client, "moderator")

    assert client.get(f"/media/{name}").status_code == 404


def test_upload_without_login_leads_to_the_login(client: Client) -> None:
    assert client.get("/upload/").headers["Location"] == "/login/?next=/upload/"


def test_upload_is_for_editors_only(client: Client, editor: User, picture: Draw) -> None:
    log_in(client, "moderator")

    response = client.post("/upload/", {"title": "Harbour", "image": picture()})

    assert response.status_code == 403
    assert not Photo.objects.exists()


def test_upload_that_passes_says_so(client: Client, editor: User, picture: Draw) -> None:
    log_in(client, "editor")

    assert "“Harbour” has passed and is in the gallery." in upload(client, picture())
    assert Photo.objects.get().uploaded_by == editor


def test_upload_that_is_held_says_why(client: Client, editor: User) -> None:
    log_in(client, "editor")

    page = upload(client, canary("medium"))

    assert "“Harbour” is held until a moderator has looked at it (medium risk: canary_medium 100.00)." in page


def test_upload_that_is_blocked_says_why(client: Client, editor: User) -> None:
    log_in(client, "editor")

    assert "“Harbour” is blocked and will not be shown (high risk: canary_high 100.00)." in upload(
        client, canary("high")
    )


def test_upload_that_nobody_has_judged_yet_does_not_claim_to_have_passed(
    client: Client, editor: User, picture: Draw, settings: Any
) -> None:
    settings.IMGMOD = {**settings.IMGMOD, "DISPATCHER": "django_imgmod.dispatch.SweepDispatcher"}
    log_in(client, "editor")

    assert "It will be shown once it has been checked and has passed." in upload(client, picture())


def test_upload_of_something_else_is_refused_with_a_word(client: Client, editor: User) -> None:
    log_in(client, "editor")

    page = upload(client, ContentFile(b"text", name="notes.jpg"))

    assert "Upload a valid image" in page
    assert not ModerationRecord.objects.exists()


def test_demo_removes_its_own_pictures_and_nothing_else(
    editor: User, photo: Photo, picture: Draw, media_root: Path
) -> None:
    sample = Sample(title="Sample", file_name="sample.png", content=picture(2).read)
    record = next(save_pictures([sample], editor)).record
    decision = decide(record, Outcome.BLOCK, decided_by=editor)
    Decision.objects.create(record=record, outcome=Outcome.PASS, decided_by=editor, undoes=decision)

    assert remove_pictures() == 1

    assert list(Photo.objects.all()) == [photo]
    assert [record.file_name for record in ModerationRecord.objects.all()] == [photo.image.name]
    assert [path.name for path in media_root.rglob("*") if path.is_file()] == ["picture.png"]
