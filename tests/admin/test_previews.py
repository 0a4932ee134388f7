from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.test import Client
from django.urls import reverse
from PIL import Image

from django_imgmod.admin import previews
from django_imgmod.models import ModerationRecord


def encoded(image: Image.Image, image_format: str, **options) -> bytes:
    output = io.BytesIO()
    image.save(output, image_format, **options)
    return output.getvalue()


def preview_of(content: bytes) -> bytes:
    return previews.make_preview(content, file_name="picture")


def decoded(content: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(content), formats=["JPEG"])
    image.load()
    return image


def url_of(record: ModerationRecord) -> str:
    return reverse("admin:django_imgmod_moderationrecord_preview", args=[record.pk])


@pytest.fixture
def make_stored(make_record):
    """Return a function that stores bytes and makes a record of them."""

    def make(content: bytes, name: str = "picture.jpg") -> ModerationRecord:
        return make_record(file_name=default_storage.save(name, ContentFile(content)))

    return make


@pytest.fixture
def large() -> bytes:
    return encoded(Image.new("RGB", (1600, 800), "red"), "JPEG")


class TestAccess:
    def test_anonymous_is_sent_to_the_login(self, make_stored, large):
        assert Client().get(url_of(make_stored(large))).status_code == 302

    def test_staff_without_permission_is_refused(self, make_stored, large, client_of):
        assert client_of("view_photo").get(url_of(make_stored(large))).status_code == 403
        assert client_of("view_photo").get("/admin/django_imgmod/moderationrecord/999/preview/").status_code == 403

    @pytest.mark.parametrize("codename", ["view_moderationrecord", "review_moderationrecord"])
    def test_permission_to_view_or_review_suffices(self, make_stored, large, client_of, codename):
        assert client_of(codename).get(url_of(make_stored(large))).status_code == 200

    def test_only_get_is_answered(self, make_stored, large, viewer):
        assert viewer.post(url_of(make_stored(large))).status_code == 405

    def test_record_that_does_not_exist_is_not_found(self, viewer):
        assert viewer.get("/admin/django_imgmod/moderationrecord/999/preview/").status_code == 404


class TestResponse:
    def test_is_a_small_jpeg_that_nobody_keeps(self, make_stored, large, viewer):
        response = viewer.get(url_of(make_stored(large)))
        assert response["Content-Type"] == "image/jpeg"
        assert "no-store" in response["Cache-Control"]
        assert response["X-Content-Type-Options"] == "nosniff"
        assert response["Content-Disposition"] == "inline"
        assert response["Content-Security-Policy"] == "default-src 'none'"
        assert decoded(response.content).size == (320, 160)

    def test_leaves_the_storage_as_it_was(self, make_stored, large, viewer, media_root: Path):
        record = make_stored(large)
        before = {path: path.stat().st_mtime_ns for path in media_root.rglob("*")}
        viewer.get(url_of(record))
        assert {path: path.stat().st_mtime_ns for path in media_root.rglob("*")} == before

    def assert_placeholder(self, response, reason: str) -> None:
        assert response.status_code == 404
        assert response["Content-Type"] == "image/svg+xml"
        assert "no-store" in response["Cache-Control"]
        assert reason in response.content.decode()

    def test_of_a_missing_file_says_so(self, make_record, viewer):
        response = viewer.get(url_of(make_record(file_name="photos/gone.jpg")))
        self.assert_placeholder(response, "The file is missing")

    @pytest.mark.parametrize("content", [b"", b"no picture", b"<svg><script>alert(1)</script></svg>"])
    def test_of_what_is_no_picture_says_so(self, make_stored, viewer, content):
        self.assert_placeholder(viewer.get(url_of(make_stored(content))), "Not a picture")

    def test_of_a_truncated_picture_says_so(self, make_stored, large, viewer):
        self.assert_placeholder(viewer.get(url_of(make_stored(large[: len(large) // 2]))), "Damaged picture")

    def test_of_too_many_pixels_says_so(self, make_stored, viewer):
        small = encoded(Image.new("1", (9, 9)), "PNG")
        header = b"IHDR" + struct.pack(">II", 9000, 9000) + small[24:29]
        bomb = small[:12] + header + struct.pack(">I", zlib.crc32(header)) + small[33:]
        self.assert_placeholder(viewer.get(url_of(make_stored(bomb))), "Too large to show")

    def test_of_too_many_bytes_reads_no_further(self, make_stored, large, viewer, monkeypatch):
        monkeypatch.setattr(previews, "MAX_BYTES", 100)
        self.assert_placeholder(viewer.get(url_of(make_stored(large))), "Too large to show")

    def test_of_a_storage_that_fails_says_so(self, make_stored, large, viewer, monkeypatch):
        def fail(name: str, mode: str = "rb") -> None:
            raise PermissionError("no")

        record = make_stored(large)
        monkeypatch.setattr(default_storage, "open", fail)
        self.assert_placeholder(viewer.get(url_of(record)), "The file cannot be read")


class TestPicture:
    def test_small_one_is_not_blown_up(self):
        assert decoded(preview_of(encoded(Image.new("RGB", (40, 20)), "PNG"))).size == (40, 20)

    def test_is_upright_and_without_metadata(self):
        exif = Image.Exif()
        exif[0x0112] = 6
        exif[0x010F] = "a camera"
        preview = decoded(preview_of(encoded(Image.new("RGB", (1600, 800)), "JPEG", exif=exif)))
        assert preview.size == (160, 320)
        assert not preview.getexif()

    @pytest.mark.parametrize("colour", ["black", "white"])
    def test_what_is_drawn_on_transparency_is_seen(self, colour):
        image = Image.new("RGBA", (80, 80), (0, 0, 0, 0))
        image.paste(colour, (0, 0, 40, 80))
        darkest, lightest = decoded(preview_of(encoded(image, "PNG"))).convert("L").getextrema()
        assert lightest - darkest > 100

    def test_16_bits_a_pixel_are_scaled_not_clipped(self):
        image = Image.new("I;16", (80, 80), 2**15)
        low, high = decoded(preview_of(encoded(image, "PNG"))).convert("L").getextrema()
        assert 120 < low <= high < 136

    @pytest.mark.parametrize(
        ("mode", "image_format"),
        [("CMYK", "JPEG"), ("L", "JPEG"), ("P", "GIF"), ("1", "PNG"), ("LA", "PNG"), ("RGB", "WEBP")],
    )
    def test_every_kind_of_picture_can_be_shown(self, mode, image_format):
        content = encoded(Image.new(mode, (640, 480)), image_format)
        assert decoded(preview_of(content)).size == (320, 240)
