from __future__ import annotations

import io
import struct
import warnings
import zlib
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageChops, ImageOps, ImageStat, features

from django_imgmod.choices import ErrorCode
from django_imgmod.exceptions import ProviderRefused
from django_imgmod.providers.alibaba import animations
from django_imgmod.providers.alibaba.animations import FIRST_FRAME, MAX_FRAMES, Frames
from django_imgmod.providers.alibaba.fitting import COPY_PIXELS, Fitted, fit
from django_imgmod.providers.alibaba.limits import GREEN, IMAGE_MODERATION_2, Limits

from ...test_decoding import near, png_header, with_more_scans
from ..pictures import encoded, exif_orientation, landscape, source_of

RED, GREEN_COLOUR, WHITE = (255, 0, 0), (0, 255, 0), (255, 255, 255)
BOTH = pytest.mark.parametrize("limits", [IMAGE_MODERATION_2, GREEN], ids=["2.0", "green"])

HEIC = struct.pack(">I4s4sI4s4s", 24, b"ftyp", b"heic", 0, b"mif1", b"heic") + bytes(200)
VIDEO = struct.pack(">I4s4sI4s4s", 24, b"ftyp", b"isom", 0, b"mp41", b"iso2") + bytes(200)
SVG = b'<?xml version="1.0"?>\n<!-- a <drawing> -->\n<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>'


def animated(pictures: list[Image.Image], image_format: str = "GIF", **options: object) -> bytes:
    return encoded(pictures[0], image_format, save_all=True, append_images=pictures[1:], duration=100, **options)


def frames(image_format: str, size: tuple[int, int] = (20, 20)) -> bytes:
    return animated([Image.new("RGB", size, RED), Image.new("RGB", size, GREEN_COLOUR)], image_format)


def shades(count: int, size: tuple[int, int] = (20, 20)) -> list[Image.Image]:
    """Frames that are told apart by how red they are: twice their number."""
    return [Image.new("RGB", size, (2 * number, 0, 0)) for number in range(count)]


def deep_png(width: int, height: int, sample: int) -> bytes:
    """A grey picture in colours of 16 bits, which Pillow opens as if they had 8."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", width, height, 16, 2, 0, 0, 0)
    row = b"\0" + struct.pack(">H", sample) * 3 * width
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(row * height))
        + chunk(b"IEND", b"")
    )


def untouched(content: bytes, limits: Limits) -> Fitted:
    source = source_of(content)
    fitted = fit(source, limits)
    assert fitted.content is source.content
    assert fitted.judged_as == ""
    return fitted


def copied(content: bytes, limits: Limits, wanted: Frames = FIRST_FRAME) -> tuple[Fitted, Image.Image]:
    """The copy, and what a provider makes of it: checked against the limits that the original did not keep."""
    fitted = fit(source_of(content), limits, wanted)
    assert fitted.content != content
    assert len(fitted.content) <= limits.max_bytes
    image = Image.open(io.BytesIO(fitted.content))
    image.load()
    assert image.format == fitted.image_format
    assert limits.takes_format(fitted.image_format)
    assert limits.takes_size(*image.size, image_format=fitted.image_format)
    assert not image.getexif()
    assert not {"icc_profile", "comment", "dpi", "xmp"} & set(image.info)
    assert fitted.judged_as.startswith(f"a {fitted.image_format} copy of ")
    assert f"{image.width} x {image.height} pixels" in fitted.judged_as
    assert fitted.size == image.size
    assert len(fitted.judged_as) <= 100
    return fitted, image


def colours(image: Image.Image) -> list[tuple[int, int, int]]:
    """What is in the middle of each frame."""
    found = []
    for number in range(getattr(image, "n_frames", 1)):
        image.seek(number)
        found.append(image.convert("RGB").getpixel((image.width // 2, image.height // 2)))
    return found


def refusal(content: bytes, limits: Limits, wanted: Frames = FIRST_FRAME) -> ProviderRefused:
    with pytest.raises(ProviderRefused) as caught:
        fit(source_of(content), limits, wanted)
    assert not caught.value.retryable
    assert "holiday.jpg" in str(caught.value)
    return caught.value


@BOTH
@pytest.mark.parametrize("image_format", ["BMP", "GIF", "JPEG", "PNG", "WEBP"])
def test_picture_within_the_limits_is_handed_through(image_format, limits):
    assert untouched(encoded(landscape((64, 48)), image_format), limits).image_format == image_format


@BOTH
@pytest.mark.parametrize("image_format", ["GIF", "WEBP", "PNG"])
def test_animation_within_the_limits_is_handed_through(image_format, limits):
    untouched(frames(image_format), limits)


@BOTH
def test_jpeg_with_several_pictures_is_a_jpeg(limits):
    assert untouched(frames("MPO"), limits).image_format == "JPEG"


@BOTH
@pytest.mark.parametrize("size", [(1, 1), (1, 16_000), (16_384, 1)])
def test_odd_shapes_within_the_limits_are_handed_through(size, limits):
    untouched(encoded(Image.new("RGB", size, RED)), limits)


@BOTH
@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA"])
def test_plain_modes_are_handed_through(mode, limits):
    untouched(encoded(Image.new(mode, (8, 8))), limits)


@BOTH
def test_palette_with_transparency_is_handed_through(limits):
    untouched(encoded(Image.new("P", (8, 8)), transparency=0), limits)


@BOTH
def test_what_lies_within_the_limits_is_not_decoded(limits):
    """Whether the rest can be decoded is then the provider's to say, and costs no time here."""
    truncated = encoded(landscape((200, 150)), "JPEG")[:-500]
    untouched(truncated, limits)
    untouched(png_header(8000, 8000), limits)


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_more_pixels_than_are_decoded_are_handed_through_where_they_are_taken():
    untouched(png_header(12_000, 9000), IMAGE_MODERATION_2)


@pytest.mark.parametrize("image_format", ["TIFF", "ICO"])
def test_format_of_the_second_generation(image_format):
    content = encoded(landscape((64, 48)), image_format)
    assert untouched(content, IMAGE_MODERATION_2).image_format == image_format
    fitted, image = copied(content, GREEN)
    assert fitted.judged_as == f"a JPEG copy of {image.width} x {image.height} pixels"
    assert near(image.getpixel((20, 20)), Image.open(io.BytesIO(content)).convert("RGB").getpixel((20, 20)), 12)


@BOTH
@pytest.mark.skipif(not features.check("avif"), reason="needs a Pillow with AVIF")
def test_avif_is_copied(limits):
    fitted, image = copied(encoded(landscape((64, 48)), "AVIF"), limits)
    assert fitted.judged_as == "a JPEG copy of 64 x 48 pixels"
    assert near(image.getpixel((30, 20)), landscape((64, 48)).getpixel((30, 20)), 16)


@pytest.mark.filterwarnings("ignore:image file could not be identified")
@BOTH
def test_avif_that_pillow_cannot_decode_is_refused_in_words(limits, monkeypatch):
    monkeypatch.setattr(features, "check", lambda feature: False)
    content = struct.pack(">I4s4sI4s4s", 24, b"ftyp", b"avif", 0, b"mif1", b"miaf") + bytes(99)
    error = refusal(content, limits)
    assert error.code == ErrorCode.NOT_AN_IMAGE
    assert "AVIF" in str(error)
    assert "Upload it as JPEG or PNG" in str(error)


@BOTH
def test_cmyk_is_copied(limits):
    fitted, image = copied(encoded(Image.new("CMYK", (20, 20), (0, 255, 255, 0)), "JPEG"), limits)
    assert fitted.judged_as == "a JPEG copy of 20 x 20 pixels"
    assert near(image.getpixel((10, 10)), RED)


@BOTH
def test_sixteen_bits_are_copied(limits):
    grey = Image.new("I;16", (16, 16), 0x8000)
    _, image = copied(encoded(grey), limits)
    assert near(image.getpixel((8, 8)), (0x80, 0x80, 0x80))
    _, image = copied(deep_png(8, 8, 0x8000), limits)
    assert near(image.getpixel((4, 4)), (0x80, 0x80, 0x80))


@pytest.mark.parametrize("mode", ["I;16B", "I", "F", "CMYK", "YCbCr", "LAB"])
def test_odd_modes_are_copied(mode):
    _, image = copied(encoded(Image.new(mode, (8, 8)), "TIFF"), GREEN)
    assert image.mode == "RGB"


@pytest.mark.parametrize("mode", ["I", "F"])
def test_deep_samples_keep_their_order(mode):
    deep = Image.new(mode, (32, 8), 1000)
    deep.paste(70_000, (8, 0, 16, 8))
    deep.paste(139_000, (16, 0, 32, 8))
    _, image = copied(encoded(deep, "TIFF"), IMAGE_MODERATION_2)
    assert [image.getpixel((column, 4))[0] for column in (2, 12, 28)] == pytest.approx([0, 127, 255], abs=4)


def test_side_beyond_the_limit():
    content = encoded(landscape((20_000, 300)), "JPEG")
    untouched(content, GREEN)
    fitted, image = copied(content, IMAGE_MODERATION_2)
    assert image.size == (16_384, 245)
    assert fitted.judged_as == "a JPEG copy of 16384 x 245 pixels"


@pytest.mark.parametrize("size", [(1, 30_000), (30_000, 1), (16_661, 1)])
def test_a_line_stays_a_line(size):
    content = encoded(Image.new("RGB", size, RED))
    untouched(content, GREEN)
    _, image = copied(content, IMAGE_MODERATION_2)
    assert sorted(image.size) == [1, 16_384]


def test_large_copy_is_made_smaller_in_its_aspect():
    fitted, image = copied(encoded(Image.new("RGB", (6000, 4500), RED), "TIFF"), GREEN)
    assert image.size == (4096, 3072)
    assert image.width * image.height == COPY_PIXELS
    assert fitted.judged_as == "a JPEG copy of 4096 x 3072 pixels"


def test_small_copy_is_not_enlarged():
    _, image = copied(encoded(Image.new("RGB", (3, 2), RED), "TIFF"), GREEN)
    assert image.size == (3, 2)


def test_pixels_are_those_of_the_limits():
    limits = replace(IMAGE_MODERATION_2, max_pixels=1999)
    _, image = copied(encoded(landscape((200, 100))), limits)
    assert 1800 < image.width * image.height < 2000


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("image_format", ["JPEG", "TIFF"])
def test_copy_is_upright(orientation, image_format):
    content = encoded(landscape((300, 200)), image_format, exif=exif_orientation(orientation))
    limits = replace(GREEN, max_side=150)
    with Image.open(io.BytesIO(content)) as image:
        upright = ImageOps.exif_transpose(image).convert("RGB").resize((150, 100) if orientation < 5 else (100, 150))
    _, image = copied(content, limits)
    assert image.size == upright.size
    assert max(ImageStat.Stat(ImageChops.difference(image, upright)).mean) < 5


@BOTH
@pytest.mark.parametrize("image_format", ["JPEG", "PNG", "WEBP"])
def test_size_is_told_of_what_is_upright(image_format, limits):
    picture = landscape((60, 40))
    assert untouched(encoded(picture, image_format), limits).size == (60, 40)
    assert untouched(encoded(picture, image_format, exif=exif_orientation(1)), limits).size == (60, 40)
    for orientation in range(2, 9):
        # Whether the provider turns it, nobody says.
        assert untouched(encoded(picture, image_format, exif=exif_orientation(orientation)), limits).size is None


def test_size_of_a_turned_tiff_is_not_told():
    assert untouched(encoded(landscape((60, 40)), "TIFF"), IMAGE_MODERATION_2).size == (60, 40)
    turned = encoded(landscape((60, 40)), "TIFF", exif=exif_orientation(6))
    assert untouched(turned, IMAGE_MODERATION_2).size is None


@pytest.mark.parametrize("content", [HEIC, SVG])
def test_size_of_what_is_known_by_its_signature_is_not_told(content):
    assert untouched(content, IMAGE_MODERATION_2).size is None


def test_metadata_of_the_picture_is_not_in_the_copy():
    picture = landscape((300, 200))
    content = encoded(picture, "JPEG", icc_profile=b"profile " * 20, comment=b"taken at home", exif=exif_orientation(1))
    fitted, _ = copied(content, replace(GREEN, max_side=150))
    assert b"profile" not in fitted.content
    assert b"taken at home" not in fitted.content
    transparent = Image.new("RGBA", (300, 200), (*RED, 90))
    fitted, _ = copied(encoded(transparent, icc_profile=b"profile " * 20), replace(GREEN, max_side=150))
    assert fitted.image_format == "PNG"


def test_too_many_bytes():
    noise = Image.effect_noise((256, 256), 90)
    content = encoded(noise, "PNG")
    fitted, image = copied(content, replace(GREEN, max_bytes=len(content) - 1))
    assert fitted.image_format == "JPEG"
    assert image.size == (256, 256)
    untouched(content, replace(GREEN, max_bytes=len(content)))


def test_quality_then_size_is_given_up_until_it_fits():
    content = encoded(Image.effect_noise((512, 512), 90), "PNG")
    sizes, lengths = [], []
    for max_bytes in (200_000, 120_000, 30_000, 4000):
        fitted, image = copied(content, replace(GREEN, max_bytes=max_bytes))
        sizes.append(image.width)
        lengths.append(len(fitted.content))
    assert lengths == sorted(lengths, reverse=True)
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[0] == 512
    assert sizes[-1] < 512


def test_what_no_step_makes_small_enough_is_refused():
    error = refusal(encoded(landscape((64, 48)), "PNG"), replace(GREEN, max_bytes=100))
    assert error.code == ErrorCode.TOO_LARGE
    assert "100 bytes" in str(error)


def half_transparent(size: tuple[int, int] = (40, 20)) -> Image.Image:
    picture = Image.new("RGBA", size, (*RED, 0))
    picture.paste((*GREEN_COLOUR, 255), (size[0] // 2, 0, *size))
    return picture


@pytest.mark.parametrize("mode", ["RGBA", "LA", "PA"])
def test_transparency_is_kept_in_a_png(mode):
    content = encoded(half_transparent().convert("P" if mode == "PA" else mode), "PNG")
    fitted, image = copied(content, replace(IMAGE_MODERATION_2, max_side=20))
    assert fitted.judged_as == "a PNG copy of 20 x 10 pixels"
    assert image.getpixel((2, 5))[3] == 0
    assert image.getpixel((17, 5))[3] == 255


def test_transparency_goes_onto_white_where_a_png_does_not_fit():
    picture = half_transparent((200, 100))
    picture.paste(Image.effect_noise((60, 100), 90).convert("RGBA"), (140, 0))
    content = encoded(picture, "TIFF")
    fitted, image = copied(content, replace(GREEN, max_bytes=6000))
    assert fitted.judged_as == "a JPEG copy of 200 x 100 pixels on white"
    assert near(image.getpixel((20, 50)), WHITE)
    assert near(image.getpixel((115, 50)), GREEN_COLOUR, 40)


def test_alpha_channel_without_transparency_makes_a_jpeg():
    fitted, _ = copied(encoded(Image.new("RGBA", (40, 20), (*RED, 255)), "TIFF"), GREEN)
    assert fitted.judged_as == "a JPEG copy of 40 x 20 pixels"


def test_huge_gif():
    content = frames("GIF", (2500, 1700))
    untouched(content, IMAGE_MODERATION_2)
    fitted, image = copied(content, GREEN)
    assert fitted.judged_as == "a JPEG copy of the first frame, 2500 x 1700 pixels"
    assert near(image.getpixel((1000, 1000)), RED)


def test_still_gif_says_nothing_of_frames():
    fitted, _ = copied(encoded(Image.new("P", (2500, 1700)), "GIF"), GREEN)
    assert fitted.judged_as == "a JPEG copy of 2500 x 1700 pixels"


@pytest.mark.parametrize("image_format", ["TIFF", "WEBP", "PNG"])
def test_first_frame_of_what_has_several(image_format):
    fitted, image = copied(frames(image_format), replace(GREEN, max_side=10))
    assert fitted.judged_as == "a JPEG copy of the first frame, 10 x 10 pixels"
    assert near(image.getpixel((5, 5)), RED)


TEN = Frames(interval=1, at_most=10)
SMALL = replace(GREEN, max_side=10)


def test_copy_of_a_huge_gif_keeps_the_frames_that_are_asked_for():
    fitted, image = copied(frames("GIF", (2500, 1700)), GREEN, TEN)
    assert fitted.has_chosen_frames
    assert fitted.judged_as == f"a GIF copy of 2 frames, {image.width} x {image.height} pixels"
    first, second = colours(image)
    assert near(first, RED)
    assert near(second, GREEN_COLOUR)


@pytest.mark.parametrize("image_format", ["GIF", "PNG", "WEBP", "TIFF", "AVIF"])
def test_copy_keeps_frames_of_any_format(image_format):
    first, second = colours(copied(frames(image_format), SMALL, TEN)[1])
    assert near(first, RED, 16)
    assert near(second, GREEN_COLOUR, 16)


@pytest.mark.parametrize(
    ("wanted", "reds"),
    [
        (Frames(interval=1, at_most=3), [0, 2, 4]),
        (Frames(interval=3, at_most=2), [0, 6]),
        (Frames(interval=3, at_most=100), [0, 6, 12, 18]),
        (Frames(interval=9, at_most=100), [0, 18]),
    ],
)
def test_copy_holds_those_frames_alone(wanted, reds):
    fitted, image = copied(animated(shades(12)), SMALL, wanted)
    assert [red for red, _, _ in colours(image)] == reds
    assert fitted.judged_as == f"a GIF copy of {len(reds)} frames, 10 x 10 pixels"


@pytest.mark.parametrize("wanted", [FIRST_FRAME, Frames(interval=12, at_most=9), Frames(interval=5, at_most=1)])
def test_where_the_first_frame_alone_is_asked_for_a_copy_shows_it(wanted):
    fitted, _ = copied(animated(shades(12)), SMALL, wanted)
    assert fitted.judged_as == "a JPEG copy of the first frame, 10 x 10 pixels"
    assert not fitted.has_chosen_frames


@pytest.mark.parametrize("image_format", ["GIF", "TIFF", "MPO"])
def test_what_has_no_frames_is_copied_as_ever(image_format):
    content = frames("MPO") if image_format == "MPO" else encoded(landscape((40, 30)), image_format)
    fitted, _ = copied(content, SMALL, TEN)
    assert fitted.image_format == "JPEG"
    assert not fitted.has_chosen_frames


def test_frames_within_the_limits_are_handed_through():
    content = animated(shades(12))
    assert fit(source_of(content), GREEN, TEN) == Fitted(content=content, image_format="GIF", size=(20, 20))


@BOTH
@pytest.mark.parametrize("image_format", ["PNG", "WEBP"])
def test_frames_that_the_provider_would_not_look_at_are_copied_within_the_limits_too(image_format, limits):
    fitted = fit(source_of(frames(image_format)), limits, TEN)
    assert (fitted.judged_as, fitted.has_chosen_frames) == ("a GIF copy of 2 frames, 20 x 20 pixels", True)
    first, second = colours(Image.open(io.BytesIO(fitted.content)))
    assert near(first, RED, 16)
    assert near(second, GREEN_COLOUR, 16)


@BOTH
@pytest.mark.parametrize("wanted", [FIRST_FRAME, Frames(interval=2, at_most=9), Frames(interval=1, at_most=1)])
@pytest.mark.parametrize("image_format", ["PNG", "WEBP"])
def test_animation_of_which_the_first_frame_alone_is_asked_for_is_handed_through(image_format, wanted, limits):
    content = frames(image_format)
    assert fit(source_of(content), limits, wanted) == Fitted(content=content, image_format=image_format, size=(20, 20))


@BOTH
@pytest.mark.parametrize("image_format", ["PNG", "WEBP", "BMP", "MPO"])
def test_what_has_one_frame_is_handed_through_whatever_is_asked_for(image_format, limits):
    content = frames("MPO") if image_format == "MPO" else encoded(landscape((40, 30)), image_format)
    assert fit(source_of(content), limits, TEN).content == content


def test_frames_together_have_the_pixels_of_one_copy():
    content = animated(shades(20, (1000, 1000)))
    _, image = copied(content, replace(GREEN, max_gif_pixels=999_999), Frames(at_most=20))
    assert image.n_frames == 20
    assert 0.9 * COPY_PIXELS < 20 * image.width * image.height <= COPY_PIXELS


def test_transparent_frames_go_onto_white():
    content = animated([half_transparent(), half_transparent().transpose(Image.Transpose.FLIP_LEFT_RIGHT)], "PNG")
    fitted, image = copied(content, replace(GREEN, max_side=20), TEN)
    assert fitted.judged_as == "a GIF copy of 2 frames, 20 x 10 pixels on white"
    seen = []
    for number in range(2):
        image.seek(number)
        seen.append([near(image.convert("RGB").getpixel((column, 5)), WHITE, 16) for column in (3, 16)])
    assert seen == [[True, False], [False, True]]


def test_frames_are_made_smaller_until_they_fit_into_the_bytes():
    content = animated([Image.effect_noise((256, 256), 90) for _ in range(3)])
    sizes = [copied(content, replace(GREEN, max_bytes=most), TEN)[1].size for most in (len(content) // 2, 30_000)]
    assert sizes == [(128, 128), (64, 64)]
    error = refusal(content, replace(GREEN, max_bytes=5000), TEN)
    assert error.code == ErrorCode.TOO_LARGE
    assert "has 3 frames, of which the provider could be shown the first only" in str(error)


def test_more_frames_than_are_copied_are_refused_in_words():
    content = animated(shades(MAX_FRAMES + 1))
    assert copied(content, SMALL, Frames(at_most=MAX_FRAMES))[1].n_frames == MAX_FRAMES
    error = refusal(content, SMALL, Frames(at_most=MAX_FRAMES + 1))
    assert error.code == ErrorCode.TOO_LARGE
    assert f"has {MAX_FRAMES + 1} frames, of which the provider could be shown the first only" in str(error)


def test_frames_that_take_too_long_to_visit_are_refused_undecoded(monkeypatch):
    monkeypatch.setattr(animations, "MAX_VISITS", 20 * 20 * 10)
    content = animated(shades(12))
    copied(content, SMALL, TEN)
    monkeypatch.setattr(animations, "decode_frames", None)
    assert refusal(content, SMALL, Frames(interval=10, at_most=2)).code == ErrorCode.TOO_LARGE
    assert refusal(content, SMALL, Frames(at_most=11)).code == ErrorCode.TOO_LARGE


def test_frames_of_other_sizes_are_refused():
    pages = animated([Image.new("RGB", (20, 20), RED), Image.new("RGB", (3000, 20), RED)], "TIFF")
    assert refusal(pages, SMALL, TEN).code == ErrorCode.DAMAGED
    # The second frame of this one begins outside of the canvas.
    content = bytearray(frames("GIF"))
    second = content.index(b"\x2c", content.index(b"\x2c") + 10)
    content[second + 1 : second + 3] = (5000).to_bytes(2, "little")
    assert refusal(bytes(content), SMALL, TEN).code == ErrorCode.DAMAGED


def test_frames_that_are_promised_and_missing_are_refused():
    content = bytearray(frames("PNG"))
    start = content.index(b"acTL")
    content[start + 4 : start + 8] = (5).to_bytes(4)
    content[start + 12 : start + 16] = zlib.crc32(content[start : start + 12]).to_bytes(4)
    assert refusal(bytes(content), SMALL, TEN).code == ErrorCode.DAMAGED


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_damage_in_the_header_of_a_later_page_is_damage():
    content = frames("TIFF")[:140]
    assert refusal(content, SMALL, TEN).code == ErrorCode.DAMAGED


def test_previews_that_a_jpeg_brings_along_are_no_frames():
    fitted, _ = copied(frames("MPO"), replace(GREEN, max_side=10))
    assert fitted.judged_as == "a JPEG copy of 10 x 10 pixels"


@pytest.mark.parametrize(
    ("content", "image_format"),
    [
        (HEIC, "HEIF"),
        (SVG, "SVG"),
        (b"\xef\xbb\xbf  <svg/>", "SVG"),
        (b"<svg:svg xmlns:svg='http://www.w3.org/2000/svg'/>", "SVG"),
        (b'<!DOCTYPE svg PUBLIC "-//W3C//DTD SVG 1.1//EN" [ <!ENTITY a "b"> ]>\n<svg/>', "SVG"),
    ],
)
def test_known_by_its_signature(content, image_format):
    assert untouched(content, IMAGE_MODERATION_2).image_format == image_format
    error = refusal(content, GREEN)
    assert error.code == ErrorCode.NOT_AN_IMAGE
    assert image_format in str(error)
    assert "Upload it as JPEG or PNG" in str(error)
    error = refusal(content, replace(IMAGE_MODERATION_2, max_bytes=len(content) - 1))
    assert error.code == ErrorCode.TOO_LARGE
    assert f"{len(content):,} bytes" in str(error)


@BOTH
@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"just some words",
        b"\xff\xd8",
        b"%!PS-Adobe-3.0 EPSF-3.0\n",
        b"\0\0\1\0",
        VIDEO,
        b"<!DOCTYPE html><html><body><svg/></body></html>",
        b"<!-- <svg> -->",
        b"<svgx/>",
    ],
)
def test_what_is_no_picture(content, limits):
    error = refusal(content, limits)
    assert error.code == ErrorCode.NOT_AN_IMAGE
    assert "JPEG" in str(error)


@pytest.mark.parametrize("image_format", ["TIFF", "JPEG", "PNG", "WEBP", "GIF", "BMP"])
def test_damage_is_found_where_a_copy_is_needed(image_format):
    content = encoded(landscape((200, 150)), image_format)
    error = refusal(content[: len(content) * 2 // 3], replace(GREEN, max_side=100))
    assert error.code == ErrorCode.DAMAGED


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@BOTH
def test_header_that_promises_too_much_is_refused_undecoded(limits):
    for size in ((60_000, 60_000), (40_000, 4000), (31_000, 1700)):
        error = refusal(png_header(*size), limits)
        assert error.code == ErrorCode.TOO_LARGE
        assert "fewer" in str(error)


def test_jpeg_is_decoded_at_the_size_of_its_copy():
    """So that a photograph of 100 million pixels can be copied; any other picture of its size would be too much."""
    large = encoded(Image.new("L", (17_000, 3500), 128), "JPEG")
    _, image = copied(large, IMAGE_MODERATION_2)
    assert image.width * image.height <= COPY_PIXELS
    error = refusal(encoded(Image.new("L", (17_000, 3500), 128), "JPEG", progressive=True), IMAGE_MODERATION_2)
    assert error.code == ErrorCode.TOO_LARGE


def test_jpeg_of_very_many_passes_is_refused_undecoded():
    content = with_more_scans(Image.new("L", (2000, 2000), 128), 2000)
    untouched(content, GREEN)
    assert refusal(content, replace(GREEN, max_side=1000)).code == ErrorCode.TOO_LARGE


def test_repr_holds_no_bytes():
    assert "content" not in repr(fit(source_of(landscape((20, 20))), GREEN))


SEEDS = [
    *(encoded(landscape((40, 30)), each) for each in ("JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF", "ICO")),
    encoded(landscape((40, 30)).convert("CMYK"), "JPEG"),
    encoded(half_transparent()),
    *(frames(each) for each in ("GIF", "PNG", "WEBP", "TIFF")),
    HEIC,
    SVG,
]


@given(
    content=st.sampled_from(SEEDS),
    changes=st.lists(st.tuples(st.integers(0, 400), st.binary(min_size=1, max_size=4)), max_size=6),
    length=st.integers(0, 4000),
    limits=st.sampled_from([IMAGE_MODERATION_2, GREEN, replace(GREEN, max_side=16)]),
    wanted=st.sampled_from([FIRST_FRAME, Frames(at_most=10)]),
)
def test_any_bytes_are_fitted_or_refused(content, changes, length, limits, wanted):
    mutated = bytearray(content)
    for position, replacement in changes:
        mutated[position : position + len(replacement)] = replacement
    mutated = bytes(mutated[:length])
    with warnings.catch_warnings():
        # Pillow warns of some damage. That is an error in these tests only.
        warnings.simplefilter("ignore")
        try:
            fitted = fit(source_of(mutated), limits, wanted)
        except ProviderRefused:
            return
    assert limits.takes_format(fitted.image_format)
    assert bool(fitted.judged_as) is (fitted.content != mutated)
