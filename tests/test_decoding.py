from __future__ import annotations

import io
import struct
import warnings
import zlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageChops, ImageFile, ImageOps

from django_imgmod.choices import ErrorCode
from django_imgmod.decoding import MORE_FORMATS, DecodedPicture, count_scans, decode, read_facts, shrunk
from django_imgmod.exceptions import ProviderRefused
from django_imgmod.results import ImageFacts

from .providers.pictures import encoded, exif_orientation, landscape

RED, GREEN, WHITE = (255, 0, 0), (0, 255, 0), (255, 255, 255)


def decoded(
    picture: Image.Image | bytes, image_format: str = "PNG", *, side: int = 64, **options: Any
) -> DecodedPicture:
    content = picture if isinstance(picture, bytes) else encoded(picture, image_format, **options)
    return decode(content, file_name="holiday.jpg", side=side)


def refusal(content: bytes, **limits: Any) -> ProviderRefused:
    with pytest.raises(ProviderRefused) as caught:
        decode(content, file_name="holiday.jpg", side=64, **limits)
    assert not caught.value.retryable
    assert "holiday.jpg" in str(caught.value)
    return caught.value


def png_header(width: int, height: int) -> bytes:
    """A PNG that says how large it is, and has next to no pixels."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0")) + chunk(b"IEND", b"")


def with_more_scans(picture: Image.Image, count: int) -> bytes:
    """A progressive JPEG that ends in the same short scan again and again: each visits every pixel."""
    content = encoded(picture, "JPEG", progressive=True)
    last = content[content.rindex(b"\xff\xda") : -2]
    return content[:-2] + last * count + content[-2:]


def icon(picture: bytes, *, side: int = 16) -> bytes:
    """An icon whose directory says how large its picture is, and need not say the truth."""
    return struct.pack("<HHHBBBBHHII", 0, 1, 1, side, side, 0, 0, 1, 32, len(picture), 22) + picture


def near(colour: tuple[int, ...], expected: tuple[int, ...], tolerance: int = 8) -> bool:
    return all(abs(got - wanted) <= tolerance for got, wanted in zip(colour, expected, strict=True))


@pytest.mark.parametrize("image_format", ["PNG", "JPEG", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(orientation, image_format):
    stored = encoded(landscape((60, 40)), image_format, exif=exif_orientation(orientation))
    with Image.open(io.BytesIO(stored)) as image:
        expected = ImageOps.exif_transpose(image).convert("RGB")
    image = decoded(stored).image
    assert image.size == expected.size == ((40, 60) if orientation > 4 else (60, 40))
    assert ImageChops.difference(image, expected).getbbox() is None


@pytest.mark.parametrize("image_format", ["PNG", "JPEG", "WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_facts_are_of_the_upright_picture(orientation, image_format):
    stored = encoded(landscape((60, 40)), image_format, exif=exif_orientation(orientation))
    picture = decode(stored, file_name="holiday", side=1000, formats=MORE_FORMATS).image
    facts = read_facts(stored)
    assert (facts.width, facts.height) == picture.size == ((40, 60) if orientation > 4 else (60, 40))


def test_orientation_behind_the_pixels_of_a_png_is_not_heeded():
    stored = encoded(landscape((60, 40)), "PNG", exif=exif_orientation(6))
    start = stored.index(b"eXIf") - 4
    end = stored.index(b"IDAT") - 4
    moved = stored[:start] + stored[end:-12] + stored[start:end] + stored[-12:]
    facts = read_facts(moved)
    assert decoded(moved).image.size == (facts.width, facts.height) == (60, 40)


@pytest.mark.parametrize("image_format", ["PNG", "JPEG", "WEBP", "TIFF", "BMP", "GIF"])
def test_facts_are_read_without_the_pixels(image_format, monkeypatch):
    stored = encoded(landscape((60, 40)), image_format)
    monkeypatch.setattr(ImageFile.ImageFile, "load", lambda image: pytest.fail("The pixels were decoded."))
    assert read_facts(stored).width == 60


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data")
@pytest.mark.parametrize("image_format", ["PNG", "JPEG", "WEBP"])
@pytest.mark.parametrize("exif", [b"rubbish", b"MM\0*", b"MM\0*\xff\xff\xff\xff"])
def test_unreadable_exif_turns_nothing(exif, image_format):
    image = decoded(landscape((60, 40)), image_format, exif=b"Exif\0\0" + exif).image
    assert image.size == (60, 40)


def test_cmyk():
    image = decoded(Image.new("CMYK", (20, 20), (0, 255, 255, 0)), "JPEG").image
    assert image.mode == "RGB"
    assert near(image.getpixel((10, 10)), RED)


def test_sixteen_bit_greyscale_is_scaled():
    deep = Image.new("I;16", (4, 1))
    for column, value in enumerate((0, 0x40FF, 0x8000, 0xFFFF)):
        deep.putpixel((column, 0), value)
    image = decoded(deep).image
    assert [image.getpixel((column, 0))[0] for column in range(4)] == [0, 0x40, 0x80, 0xFF]


@pytest.mark.parametrize("mode", ["RGBA", "LA", "PA"])
def test_transparency_is_put_on_white(mode):
    picture = Image.new("RGBA", (20, 10), (*RED, 0))
    picture.paste((*GREEN, 255), (10, 0, 20, 10))
    image = decoded(picture.convert("P") if mode == "PA" else picture.convert(mode)).image
    assert image.getpixel((2, 5)) == WHITE
    assert image.getpixel((15, 5)) != WHITE


def test_transparent_colours_of_palette_and_header():
    palette = Image.new("P", (20, 10), 0)
    palette.putpalette([*RED, *GREEN])
    palette.paste(1, (10, 0, 20, 10))
    for options in ({"transparency": 0}, {"transparency": b"\x00\xff"}):
        image = decoded(palette, **options).image
        assert [image.getpixel((2, 5)), image.getpixel((15, 5))] == [WHITE, GREEN]
    image = decoded(palette.convert("RGB"), transparency=RED).image
    assert [image.getpixel((2, 5)), image.getpixel((15, 5))] == [WHITE, GREEN]


@pytest.mark.parametrize("image_format", ["PNG", "BMP", "GIF"])
def test_one_bit(image_format):
    image = decoded(Image.new("1", (9, 9), 1), image_format).image
    assert image.getpixel((4, 4)) == WHITE


def test_one_pixel():
    assert decoded(Image.new("RGB", (1, 1), RED), side=768).image.getpixel((0, 0)) == RED


@pytest.mark.parametrize("image_format", ["GIF", "WEBP", "PNG"])
def test_first_frame_of_an_animation(image_format):
    frames = [Image.new("RGB", (20, 20), RED), Image.new("RGB", (20, 20), GREEN)]
    picture = decoded(frames[0], image_format, save_all=True, append_images=frames[1:])
    assert picture.has_more_frames
    assert near(picture.image.getpixel((10, 10)), RED)


def test_still_picture_has_no_more_frames():
    assert not any(decoded(landscape((20, 20)), each).has_more_frames for each in ("GIF", "WEBP", "PNG", "JPEG", "BMP"))


def test_jpeg_with_several_pictures():
    frames = [Image.new("RGB", (20, 20), RED), Image.new("RGB", (20, 20), GREEN)]
    picture = decoded(frames[0], "MPO", save_all=True, append_images=frames[1:])
    assert near(picture.image.getpixel((10, 10)), RED)


@pytest.mark.parametrize("image_format", ["JPEG", "PNG"])
@pytest.mark.parametrize(
    ("size", "shorter"), [((800, 600), 75), ((2449, 163), 81), ((90, 2000), 90), ((64, 64), 64), ((30, 500), 30)]
)
def test_large_pictures_are_shrunk_in_their_own_aspect(size, shorter, image_format):
    image = decoded(landscape(size), image_format, side=64).image
    assert abs(min(image.size) - shorter) <= 8
    assert min(image.size) < 128
    assert image.width / image.height == pytest.approx(size[0] / size[1], rel=0.05)


def test_shrunk_leaves_small_pictures_alone():
    image = landscape((100, 127))
    assert shrunk(image, 64) is image
    assert shrunk(image, 50).size == (50, 64)


@pytest.mark.parametrize("image_format", ["JPEG", "PNG", "GIF", "WEBP", "BMP"])
def test_truncated_file_is_damaged(image_format):
    content = encoded(landscape((200, 150)), image_format)
    error = refusal(content[: len(content) * 2 // 3])
    assert error.code == ErrorCode.DAMAGED


@pytest.mark.parametrize(
    "content",
    [b"", b"just some words", b"<svg xmlns='http://www.w3.org/2000/svg'/>", b"\xff\xd8", b"%!PS-Adobe-3.0 EPSF-3.0\n"],
)
def test_what_is_no_picture(content):
    error = refusal(content)
    assert error.code == ErrorCode.NOT_AN_IMAGE
    assert "JPEG, PNG" in str(error)


@pytest.mark.parametrize("image_format", ["TIFF", "ICO", "TGA", "PPM", "PCX"])
def test_other_formats_are_not_even_tried(image_format):
    assert refusal(encoded(landscape((32, 32)), image_format)).code == ErrorCode.NOT_AN_IMAGE


@pytest.mark.parametrize("size", [(60_000, 60_000), (10_000, 10_000), (8_000, 8_000)])
def test_pixels_are_counted_before_they_are_decoded(size):
    """60 000 a side Pillow refuses, of 10 000 it warns (an error in these tests), 8 000 is over the engine's limit."""
    error = refusal(png_header(*size))
    assert error.code == ErrorCode.TOO_LARGE
    assert "50,000,000 pixels" in str(error)


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_pixels_are_counted_where_pillow_only_warns():
    assert refusal(png_header(10_000, 10_000)).code == ErrorCode.TOO_LARGE


def test_pixel_limit_of_pillow_is_named_where_it_is_lower():
    assert "178,956,970 pixels" in str(refusal(png_header(60_000, 60_000), max_pixels=10**12))


def test_pixel_limit_is_the_last_that_passes():
    content = encoded(landscape((100, 80)))
    assert decode(content, file_name="holiday.jpg", side=64, max_pixels=8000).image.size == (100, 80)
    assert refusal(content, max_pixels=7999).code == ErrorCode.TOO_LARGE


def test_picture_without_pixels_is_no_picture():
    content = bytearray(encoded(Image.new("P", (20, 20)), "GIF"))
    content[6:10] = bytes(4)
    # The size of the whole, then that of the only frame.
    frame = content.index(b",", 10 + 3)
    content[frame + 5 : frame + 9] = bytes(4)
    assert refusal(bytes(content)).code == ErrorCode.NOT_AN_IMAGE


def test_jpeg_of_very_many_passes_is_not_decoded():
    error = refusal(with_more_scans(Image.new("L", (2000, 2000), 128), 2000))
    assert error.code == ErrorCode.TOO_LARGE
    assert "passes" in str(error)


def test_progressive_jpeg_with_a_film_attached():
    """What follows the picture may hold any bytes, the markers of scans among them."""
    content = encoded(landscape((800, 600)), "JPEG", progressive=True) + b"\xff\xda\0\0" * 50_000
    assert decoded(content).image.size == (100, 75)
    assert count_scans(content) == 10


@pytest.mark.parametrize(
    ("content", "scans"),
    [
        (encoded(landscape((40, 30)), "PNG"), 1),
        (encoded(landscape((40, 30)), "JPEG"), 1),
        (encoded(landscape((40, 30)), "JPEG", progressive=True), 10),
        (encoded(landscape((40, 30)), "JPEG", progressive=True, exif=exif_orientation(1), restart_marker_rows=1), 10),
        (with_more_scans(Image.new("L", (40, 30)), 7), 6 + 7),
    ],
)
def test_scans_are_counted(content, scans):
    assert count_scans(content) == scans


def test_scans_are_counted_roughly_where_that_would_take_long():
    """What looks like the second scan is the length of the first."""
    scans = b"\xff\xda\xff\xda"
    assert count_scans(b"\xff\xd8" + b"\xff\xe0\0\2" * 9000 + scans) == 1
    assert count_scans(b"\xff\xd8" + b"\xff\xe0\0\2" * 2_000_000 + scans) == 2


def test_icon_with_a_larger_picture_than_it_says_is_not_decoded():
    """Pillow decodes an icon when it opens it."""
    picture = icon(encoded(Image.new("1", (8000, 8000))))
    assert refusal(picture, formats=("ICO",)).code == ErrorCode.TOO_LARGE
    assert read_facts(picture) == ImageFacts()
    assert refusal(picture, formats=("ICO",), max_pixels=10**9).code == ErrorCode.TOO_LARGE


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_icon_with_a_larger_bitmap_than_it_says_is_not_decoded():
    bitmap = struct.pack("<IiiHHIIiiII", 40, 7500, 15_000, 1, 32, 0, 0, 0, 0, 0, 0)
    assert refusal(icon(bitmap), formats=("ICO",)).code == ErrorCode.TOO_LARGE


def test_icon_is_decoded():
    content = encoded(Image.new("RGB", (48, 48), RED), "ICO")
    assert decode(content, file_name="a.ico", side=64, formats=("ICO",)).image.getpixel((20, 20)) == RED
    assert read_facts(content).image_format == "ICO"


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_transparency_is_kept_where_no_background_is_asked_for(mode):
    picture = Image.new("RGBA", (20, 10), (*RED, 0))
    picture.paste((*GREEN, 255), (10, 0, 20, 10))
    image = decode(encoded(picture.convert(mode)), file_name="holiday.jpg", side=64, background=None).image
    assert image.mode == "RGBA"
    assert [image.getpixel((column, 5))[3] for column in (2, 15)] == [0, 255]


def test_opaque_picture_is_rgb_with_or_without_background():
    assert decode(encoded(landscape((20, 20))), file_name="holiday.jpg", side=64, background=None).image.mode == "RGB"


@pytest.mark.parametrize("mode", ["I;16", "I;16B", "I", "F"])
def test_deep_greys_are_scaled(mode):
    deep = Image.new(mode, (4, 1))
    for column, value in enumerate((0, 0x4000, 0x8000, 0xFFFF)):
        deep.putpixel((column, 0), value)
    image = decode(encoded(deep, "TIFF"), file_name="holiday.tif", side=64, formats=("TIFF",)).image
    assert [image.getpixel((column, 0))[0] for column in range(4)] == pytest.approx([0, 64, 128, 255], abs=1)


@pytest.mark.parametrize("value", [7.0, float("inf"), float("nan")])
def test_deep_greys_without_contrast(value):
    image = decode(encoded(Image.new("F", (4, 4), value), "TIFF"), file_name="a.tif", side=64, formats=("TIFF",)).image
    assert image.mode == "RGB"


SEEDS = [
    encoded(landscape((40, 30)), "JPEG", exif=exif_orientation(6)),
    encoded(landscape((40, 30)), "PNG"),
    encoded(landscape((40, 30)).convert("P"), "GIF"),
    encoded(landscape((40, 30)), "WEBP"),
    encoded(landscape((40, 30)), "BMP"),
]


@given(
    content=st.sampled_from(SEEDS),
    changes=st.lists(st.tuples(st.integers(0, 400), st.binary(min_size=1, max_size=4)), max_size=6),
    length=st.integers(0, 4000),
)
def test_any_bytes_are_a_picture_or_refused(content, changes, length):
    mutated = bytearray(content)
    for position, replacement in changes:
        mutated[position : position + len(replacement)] = replacement
    with warnings.catch_warnings():
        # Pillow warns of some damage. That is an error in these tests only.
        warnings.simplefilter("ignore")
        try:
            image = decoded(bytes(mutated[:length])).image
        except ProviderRefused:
            return
    assert image.mode == "RGB"
