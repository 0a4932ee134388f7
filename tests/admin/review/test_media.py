"""The pictures of the review desk: for whom, for how long, and as what."""

from __future__ import annotations

import io
import uuid
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.core import signing
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.test import Client
from django.urls import reverse
from PIL import Image

from django_imgmod.admin import previews
from django_imgmod.admin.review import media
from django_imgmod.admin.review.forms import MAX_LINKS
from django_imgmod.admin.review.media import media_url
from django_imgmod.choices import Lane, Status
from django_imgmod.conf import imgmod_settings
from django_imgmod.models import ModerationRecord
from django_imgmod.services.review.claims import claim_one
from tests.timetravel import fast_forward

DESK = "/admin/django_imgmod/moderationrecord/review/"
SIZES = ("veiled", "small", "large", "original")
REVIEW, ESCALATED, VIEW = "review_moderationrecord", "review_escalated_moderationrecord", "view_moderationrecord"


def encoded(image: Image.Image, image_format: str, **options: Any) -> bytes:
    output = io.BytesIO()
    image.save(output, image_format, **options)
    return output.getvalue()


def drawn(response: Any) -> Image.Image:
    assert response["Content-Type"] == "image/jpeg"
    image = Image.open(io.BytesIO(response.content), formats=["JPEG"])
    image.load()
    return image


@pytest.fixture
def make_user(db: None) -> Callable[..., User]:
    """Return a function that makes a member of staff with the permissions that it names."""

    def make(*codenames: str, **columns: Any) -> User:
        user = User.objects.create_user(f"user-{uuid.uuid4().hex}", **{"is_staff": True, **columns})
        user.user_permissions.set(Permission.objects.filter(codename__in=codenames))
        return user

    return make


@pytest.fixture
def reviewer(make_user: Callable[..., User]) -> User:
    return make_user(REVIEW)


@pytest.fixture
def make_stored(make_record: Callable[..., ModerationRecord]) -> Callable[..., ModerationRecord]:
    """Return a function that stores bytes and makes a record of them that is in review."""

    def make(content: bytes, name: str = "picture.jpg", **columns: Any) -> ModerationRecord:
        file_name = default_storage.save(name, ContentFile(content))
        return make_record(file_name=file_name, **{"status": Status.IN_REVIEW, **columns})

    return make


@pytest.fixture
def jpeg() -> bytes:
    return encoded(Image.new("RGB", (4000, 2000), "red"), "JPEG")


@pytest.fixture
def record(make_stored: Callable[..., ModerationRecord], jpeg: bytes) -> ModerationRecord:
    return make_stored(jpeg, image_format="JPEG")


def get(user: User, url: str) -> Any:
    """Return the response with all of it read, streamed or not, as its ``body``."""
    client = Client()
    client.force_login(user)
    response: Any = client.get(url)
    response.body = b"".join(response)
    return response


def token_of(url: str) -> str:
    return url.rstrip("/").rpartition("/")[2]


def fresh_links(user: User, *tokens: str) -> Any:
    """Return what the desk's script gets for old tokens."""
    client = Client()
    client.force_login(user)
    response = client.post(f"{DESK}links/", {"links": " ".join(tokens)}, HTTP_X_IMGMOD_DESK="parts")
    assert response.status_code == 200
    return response.json()["links"]


def later(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let links be signed, and looked at, after those of now have ended."""
    now = signing.time.time()
    monkeypatch.setattr(signing.time, "time", lambda: now + media.MAX_AGE.total_seconds() + 5)


def assert_placeholder(response: Any, reason: str, status: int = 404) -> None:
    assert response.status_code == status
    assert response["Content-Type"] == "image/svg+xml"
    assert "no-store" in response["Cache-Control"]
    words = response.content.decode().replace("</tspan>", " ")
    for word in reason.split():
        assert word in words


@pytest.mark.parametrize("size", SIZES)
class TestAccess:
    def test_anonymous_is_sent_to_the_login(self, record, reviewer, size):
        response = Client().get(media_url(record, reviewer, size=size))
        assert response.status_code == 302
        assert "/login/" in response["Location"]

    @pytest.mark.parametrize("columns", [{"is_staff": False}, {"is_active": False}])
    def test_who_may_not_enter_the_admin_is_sent_to_the_login(self, record, make_user, size, columns):
        user = make_user(REVIEW, ESCALATED)
        url = media_url(record, user, size=size)
        client = Client()
        client.force_login(user)
        User.objects.filter(pk=user.pk).update(**columns)
        assert client.get(url).status_code == 302

    @pytest.mark.parametrize("codenames", [[], [VIEW], ["change_moderationrecord", "delete_moderationrecord"]])
    def test_staff_who_may_not_review_are_refused(self, record, make_user, size, codenames):
        user = make_user(*codenames)
        assert get(user, media_url(record, user, size=size)).status_code == 403
        # Nor are they told anything about the address.
        assert get(user, f"{DESK}media/{size}/").status_code == 403

    @pytest.mark.parametrize(
        ("codename", "lanes"), [(REVIEW, {Lane.FIRST, Lane.APPEALED}), (ESCALATED, {Lane.ESCALATED})]
    )
    @pytest.mark.parametrize("lane", Lane)
    def test_each_lane_has_its_permission(self, record, make_user, size, codename, lanes, lane):
        user = make_user(codename)
        ModerationRecord.objects.update(lane=lane)
        response = get(user, media_url(record, user, size=size))
        if lane in lanes:
            assert response.status_code == 200
            assert response["Content-Type"] == "image/jpeg"
        else:
            assert_placeholder(response, "No longer in a queue of yours", 403)

    def test_superuser_sees_every_lane(self, record, make_user, size):
        user = make_user(is_superuser=True)
        ModerationRecord.objects.update(lane=Lane.ESCALATED)
        assert get(user, media_url(record, user, size=size)).status_code == 200

    def test_permission_that_was_taken_away_is_gone_at_once(self, record, reviewer, size):
        url = media_url(record, reviewer, size=size)
        reviewer.user_permissions.clear()
        assert get(reviewer, url).status_code == 403

    @pytest.mark.parametrize("method", ["post", "put", "patch", "delete", "options"])
    def test_is_only_looked_at(self, record, reviewer, size, method):
        client = Client()
        client.force_login(reviewer)
        assert getattr(client, method)(media_url(record, reviewer, size=size)).status_code == 405


class TestToken:
    def test_of_somebody_else_shows_nothing(self, record, reviewer, make_user):
        assert_placeholder(get(make_user(REVIEW), media_url(record, reviewer)), "The link is not valid")

    def test_lasts_ten_minutes(self, record, reviewer, monkeypatch):
        url = media_url(record, reviewer)
        now = signing.time.time()
        monkeypatch.setattr(signing.time, "time", lambda: now + 595)
        assert get(reviewer, url).status_code == 200
        monkeypatch.setattr(signing.time, "time", lambda: now + 605)
        assert_placeholder(get(reviewer, url), "The link has expired: reload the page")
        assert timedelta(minutes=10) == media.MAX_AGE

    def test_lasts_as_long_as_the_card_is_held(self, record, reviewer, make_user, monkeypatch):
        url, of_a_colleague = media_url(record, reviewer), media_url(record, make_user(REVIEW))
        record = claim_one(reviewer, record.public_id, using="default")
        later = signing.time.time() + 24 * 60 * 60
        monkeypatch.setattr(signing.time, "time", lambda: later)
        assert get(reviewer, url).status_code == 200
        assert_placeholder(get(reviewer, of_a_colleague), "The link is not valid")
        fast_forward(imgmod_settings.review.claim_seconds + 1)
        assert_placeholder(get(reviewer, url), "The link has expired: reload the page")
        assert_placeholder(get(make_user(REVIEW), of_a_colleague), "The link is not valid")

    @pytest.mark.parametrize("size", SIZES)
    def test_that_is_old_is_exchanged_for_one_of_the_same_picture(self, record, reviewer, monkeypatch, size):
        old = token_of(media_url(record, reviewer, size=size, frame=1))
        later(monkeypatch)
        links = fresh_links(reviewer, old)
        assert links == {old: media_url(record, reviewer, size=size, frame=1)}
        assert get(reviewer, media_url(record, reviewer, size=size)).status_code == 200

    @pytest.mark.parametrize("status", [status for status in Status if status != Status.IN_REVIEW])
    def test_of_what_does_not_wait_any_more_is_not_exchanged(self, record, reviewer, status):
        old = token_of(media_url(record, reviewer))
        key = None if status == Status.SUPERSEDED else record.current_key
        ModerationRecord.objects.update(status=status, current_key=key)
        assert fresh_links(reviewer, old) == {}

    def test_of_what_is_not_theirs_to_see_is_not_exchanged(self, make_stored, jpeg, reviewer, make_user):
        mine, of_colleague, own, other_lane, held = (make_stored(jpeg) for _ in range(5))
        colleague = make_user(REVIEW)
        ModerationRecord.objects.filter(pk=own.pk).update(uploaded_by=reviewer)
        ModerationRecord.objects.filter(pk=other_lane.pk).update(lane=Lane.ESCALATED)
        claim_one(colleague, held.public_id, using="default")
        claim_one(reviewer, mine.public_id, using="default")
        links = [token_of(media_url(record, reviewer)) for record in (mine, own, other_lane, held)]
        stolen = token_of(media_url(of_colleague, colleague))
        assert list(fresh_links(reviewer, *links, stolen, "x", "1:2:3")) == links[:1]

    def test_is_exchanged_for_nothing_without_the_permission(self, record, reviewer):
        old = token_of(media_url(record, reviewer))
        reviewer.user_permissions.clear()
        client = Client()
        client.force_login(reviewer)
        assert client.post(f"{DESK}links/", {"links": old}).status_code == 403

    def test_too_many_are_refused(self, record, reviewer):
        client = Client()
        client.force_login(reviewer)
        assert client.post(f"{DESK}links/", {"links": "x " * (MAX_LINKS + 1)}).status_code == 400
        assert client.post(f"{DESK}links/", {"links": "x " * MAX_LINKS}).status_code == 200

    def test_cannot_be_changed(self, record, reviewer):
        url = media_url(record, reviewer)
        before, token = url.rstrip("/").rsplit("/", 1)
        for position in range(0, len(token), 5):
            other = "A" if token[position] != "A" else "B"
            forged = f"{before}/{token[:position]}{other}{token[position + 1 :]}/"
            assert_placeholder(get(reviewer, forged), "The link is not valid")

    def test_signed_for_something_else_shows_nothing(self, record, reviewer):
        payload = [str(record.public_id), "small", 0, str(reviewer.pk)]
        for token in (signing.dumps(payload), signing.dumps(payload, salt="another"), "x", "1:2:3", "a" * 5000):
            url = reverse("admin:django_imgmod_moderationrecord_review_media", args=[token])
            assert_placeholder(get(reviewer, url), "The link is not valid")

    @pytest.mark.parametrize(
        "change", [[], {}, None, ["x", "small", 0], ["x", "small", 0, ""], [None, "tiny", "a", ""]]
    )
    def test_of_an_earlier_release_shows_nothing(self, reviewer, change):
        """Its shape may have been another."""
        if isinstance(change, list) and len(change) == 4:
            change[3] = str(reviewer.pk)
        token = signing.dumps(change, salt=media.SALT)
        url = reverse("admin:django_imgmod_moderationrecord_review_media", args=[token])
        assert_placeholder(get(reviewer, url), "The link is not valid")

    def test_of_a_record_that_is_gone_says_so(self, record, reviewer):
        url = media_url(record, reviewer)
        ModerationRecord.objects.all().delete()
        assert_placeholder(get(reviewer, url), "The record is gone")

    def test_for_a_size_that_does_not_exist_is_not_made(self, record, reviewer):
        with pytest.raises(ValueError, match="tiny"):
            media_url(record, reviewer, size="tiny")

    def test_costs_no_query(self, record, reviewer, django_assert_num_queries):
        with django_assert_num_queries(0):
            media_url(record, reviewer)

    def test_costs_a_bounded_number_of_queries_to_look_at(self, record, reviewer, django_assert_num_queries):
        client = Client()
        client.force_login(reviewer)
        # Session, user, their permissions and those of their groups, the record with its model.
        with django_assert_num_queries(5):
            client.get(media_url(record, reviewer))


class TestResponse:
    @pytest.mark.parametrize("size", SIZES)
    def test_is_kept_by_nobody_and_run_by_nothing(self, record, reviewer, size):
        response = get(reviewer, media_url(record, reviewer, size=size))
        assert "no-store" in response["Cache-Control"]
        assert response["X-Content-Type-Options"] == "nosniff"
        assert response["Cross-Origin-Resource-Policy"] == "same-origin"
        assert response["Content-Security-Policy"].startswith("default-src 'none'")

    @pytest.mark.parametrize("size", SIZES)
    def test_leaves_the_storage_and_the_database_as_they_were(self, record, reviewer, size, media_root: Path):
        def state() -> Any:
            return {path: path.stat().st_mtime_ns for path in media_root.rglob("*")}, ModerationRecord.objects.values()[
                0
            ]

        before = state()
        get(reviewer, media_url(record, reviewer, size=size))
        assert state() == before

    @pytest.mark.parametrize(("size", "pixels"), [("veiled", (24, 12)), ("small", (320, 160)), ("large", (1600, 800))])
    def test_has_the_size_that_was_asked_for(self, record, reviewer, size, pixels):
        assert drawn(get(reviewer, media_url(record, reviewer, size=size))).size == pixels

    def test_veiled_has_no_colour(self, record, reviewer):
        assert drawn(get(reviewer, media_url(record, reviewer, size="veiled"))).mode == "L"
        assert drawn(get(reviewer, media_url(record, reviewer, size="small"))).mode == "RGB"

    @pytest.mark.parametrize("size", SIZES[:-1])
    def test_is_upright_and_without_metadata(self, make_stored, reviewer, size):
        exif = Image.Exif()
        exif[0x0112] = 6
        exif[0x010F] = "a camera"
        record = make_stored(encoded(Image.new("RGB", (1600, 800)), "JPEG", exif=exif))
        image = drawn(get(reviewer, media_url(record, reviewer, size=size)))
        assert image.height == 2 * image.width
        assert not image.getexif()

    @pytest.mark.parametrize("size", SIZES)
    def test_of_a_missing_file_says_so(self, make_record, reviewer, size):
        record = make_record(file_name="photos/gone.jpg")
        assert_placeholder(get(reviewer, media_url(record, reviewer, size=size)), "The file is missing")

    @pytest.mark.parametrize("size", SIZES)
    def test_of_too_many_bytes_says_so(self, record, reviewer, size, monkeypatch):
        monkeypatch.setattr(previews, "MAX_BYTES", 100)
        monkeypatch.setattr(previews, "MAX_ORIGINAL_BYTES", 100)
        assert_placeholder(get(reviewer, media_url(record, reviewer, size=size)), "Too large to show")

    @pytest.mark.parametrize("size", SIZES)
    def test_of_a_storage_that_fails_says_so(self, record, reviewer, size, monkeypatch):
        def fail(*args: Any) -> None:
            raise PermissionError("no")

        monkeypatch.setattr(default_storage, "open", fail)
        assert_placeholder(get(reviewer, media_url(record, reviewer, size=size)), "The file cannot be read")

    @pytest.mark.parametrize("size", SIZES)
    def test_of_a_field_that_is_no_more_says_so(self, record, reviewer, size):
        ModerationRecord.objects.update(field_name="picture")
        assert_placeholder(get(reviewer, media_url(record, reviewer, size=size)), "The file cannot be read")


def hostile() -> dict[str, bytes]:
    """Files that are no picture, or hardly one."""
    jpeg = encoded(Image.effect_noise((300, 200), 90), "JPEG")
    png = encoded(Image.effect_noise((300, 200), 90), "PNG")
    gif = encoded(Image.effect_noise((300, 200), 90), "GIF")
    return {
        "empty": b"",
        "text": b"no picture",
        "html": b"<!doctype html><script>alert(1)</script>",
        "svg": b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>",
        "half a jpeg": jpeg[: len(jpeg) // 2],
        "half a png": png[: len(png) // 2],
        "half a gif": gif[: len(gif) // 2],
        "head of a jpeg": jpeg[:20],
        "head of a webp": b"RIFF\xff\xff\xff\xffWEBPVP8 ",
        "head of a tiff": b"II*\0\xff\xff\xff\xff",
        "head of an icon": b"\0\0\1\0\xff\xff",
    }


class TestPictures:
    # What Pillow says of half a header, beside refusing it.
    @pytest.mark.filterwarnings("ignore:Corrupt EXIF data:UserWarning")
    @pytest.mark.parametrize("kind", hostile())
    def test_what_is_no_picture_is_answered_in_words(self, make_stored, reviewer, kind):
        record = make_stored(hostile()[kind])
        for size in SIZES[:-1]:
            response = get(reviewer, media_url(record, reviewer, size=size))
            assert response.status_code == 404
            assert response["Content-Type"] == "image/svg+xml"
            assert b"<script" not in response.body

    @pytest.mark.parametrize(
        ("mode", "image_format"),
        [
            *(("CMYK", "JPEG"), ("L", "JPEG"), ("P", "GIF"), ("1", "PNG"), ("P", "PNG"), ("LA", "PNG")),
            *(("RGBA", "PNG"), ("I;16", "PNG"), ("RGBA", "WEBP"), ("F", "TIFF"), ("I", "TIFF"), ("RGB", "BMP")),
        ],
    )
    @pytest.mark.parametrize("pixels", [(1, 1), (640, 480), (3000, 1), (1, 3000), (2000, 7)])
    def test_every_kind_of_picture_is_drawn(self, mode, image_format, pixels):
        content = encoded(Image.new(mode, pixels), image_format)
        for shape in (previews.VEILED, previews.SMALL, previews.LARGE):
            image = Image.open(io.BytesIO(previews.make_preview(content, file_name="x", shape=shape)), formats=["JPEG"])
            image.load()
            assert max(image.size) == min(max(pixels), shape.side)

    @pytest.mark.parametrize("background", ["black", "white"])
    def test_what_is_drawn_on_transparency_is_seen(self, make_stored, reviewer, background):
        image = Image.new("RGBA", (80, 80), (0, 0, 0, 0))
        image.paste(background, (0, 0, 40, 80))
        record = make_stored(encoded(image, "PNG"))
        darkest, lightest = drawn(get(reviewer, media_url(record, reviewer, size="veiled"))).getextrema()
        assert lightest - darkest > 100


class TestFrames:
    COLOURS = ("red", "lime", "blue")

    @pytest.fixture(params=["GIF", "WEBP", "PNG", "TIFF"])
    def animation(self, request, make_stored) -> ModerationRecord:
        first, *others = (Image.new("RGB", (64, 48), colour) for colour in self.COLOURS)
        lossless = {"lossless": True} if request.param == "WEBP" else {}
        content = encoded(first, request.param, save_all=True, append_images=others, **lossless)
        return make_stored(content, image_format=request.param)

    @pytest.mark.parametrize(("frame", "channel"), [(None, 0), (0, 0), (1, 1), (2, 2)])
    @pytest.mark.parametrize("size", ["small", "large"])
    def test_stand_still_one_by_one(self, animation, reviewer, frame, channel, size):
        image = drawn(get(reviewer, media_url(animation, reviewer, size=size, frame=frame)))
        assert image.size == (64, 48)
        pixel = image.getpixel((32, 24))
        assert pixel.index(max(pixel)) == channel
        assert sorted(pixel)[1] < 40

    @pytest.mark.parametrize("frame", [3, 10**9])
    def test_that_is_not_there_is_answered_in_words(self, animation, reviewer, frame):
        response = get(reviewer, media_url(animation, reviewer, frame=frame))
        assert response.status_code == 404
        assert response["Content-Type"] == "image/svg+xml"

    def test_too_far_away_is_answered_in_words(self, animation, reviewer, monkeypatch):
        monkeypatch.setattr("django_imgmod.decoding.MAX_FRAME_VISITS", 64 * 48)
        assert get(reviewer, media_url(animation, reviewer, frame=1)).status_code == 200
        response = get(reviewer, media_url(animation, reviewer, frame=2))
        assert_placeholder(response, "Too large to show")

    def test_of_a_picture_that_has_one_alone(self, record, reviewer):
        assert get(reviewer, media_url(record, reviewer, frame=0)).status_code == 200
        assert_placeholder(get(reviewer, media_url(record, reviewer, frame=1)), "This frame is missing or damaged")

    def test_larger_than_the_first_is_not_decoded(self, make_stored, reviewer, monkeypatch):
        pages = [Image.new("L", (20, 20)), Image.new("L", (200, 200))]
        record = make_stored(encoded(pages[0], "TIFF", save_all=True, append_images=pages[1:]))
        assert get(reviewer, media_url(record, reviewer, frame=1)).status_code == 200
        monkeypatch.setattr("django_imgmod.decoding.MAX_PIXELS", 1000)
        assert_placeholder(get(reviewer, media_url(record, reviewer, frame=1)), "Too large to show")


class TestOriginal:
    def test_is_the_stored_bytes(self, record, reviewer, jpeg):
        response = get(reviewer, media_url(record, reviewer, size="original"))
        assert response.streaming
        assert response.body == jpeg
        assert response["Content-Length"] == str(len(jpeg))
        assert response["Content-Type"] == "image/jpeg"

    def test_is_saved_and_never_opened(self, record, reviewer):
        response = get(reviewer, media_url(record, reviewer, size="original"))
        assert response["Content-Disposition"] == f'attachment; filename="{record.public_id}.jpg"'
        assert response["Content-Security-Policy"] == "default-src 'none'; sandbox"

    @pytest.mark.parametrize(
        "name",
        [
            *("page.html", "drawing.svg", "program.exe", "noending", "ünïcode.jpg"),
            *('quote".jpg', "semi;colon.html", "back\\slash.jpg", "new\r\nline: x.jpg", "‮gpj.exe"),
        ],
    )
    @pytest.mark.parametrize("kind", ["html", "svg"])
    def test_of_what_is_no_picture_is_no_page(self, make_record, reviewer, monkeypatch, name, kind):
        content = hostile()[kind]
        monkeypatch.setattr(default_storage, "open", lambda *args: ContentFile(content, name=name))
        monkeypatch.setattr(default_storage, "size", lambda *args: len(content))
        record = make_record(file_name=name)
        response = get(reviewer, media_url(record, reviewer, size="original"))
        assert response.body == content
        assert response["Content-Type"] == "application/octet-stream"
        assert response["Content-Disposition"] == f'attachment; filename="{record.public_id}.bin"'
        assert response["X-Content-Type-Options"] == "nosniff"

    @pytest.mark.parametrize(
        ("image_format", "content_type"),
        [
            *(("GIF", "image/gif"), ("PNG", "image/png"), ("WEBP", "image/webp"), ("MPO", "image/jpeg")),
            *(("", "application/octet-stream"), ("SVG", "application/octet-stream")),
        ],
    )
    def test_has_the_type_of_its_format_whatever_it_is_called(
        self, make_stored, reviewer, jpeg, image_format, content_type
    ):
        record = make_stored(jpeg, "page.html", image_format=image_format)
        assert get(reviewer, media_url(record, reviewer, size="original"))["Content-Type"] == content_type
