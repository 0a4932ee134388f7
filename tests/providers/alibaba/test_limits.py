from __future__ import annotations

import pytest

from django_imgmod.providers.alibaba.limits import GREEN, IMAGE_MODERATION_2


@pytest.mark.parametrize(
    ("limits", "width", "height", "image_format", "is_taken"),
    [
        (IMAGE_MODERATION_2, 16_384, 10_000, "JPEG", True),
        (IMAGE_MODERATION_2, 16_385, 1, "JPEG", False),
        (IMAGE_MODERATION_2, 1, 16_385, "GIF", False),
        (IMAGE_MODERATION_2, 16_700, 10_001, "JPEG", False),
        (IMAGE_MODERATION_2, 13_360, 12_500, "GIF", True),
        (IMAGE_MODERATION_2, 13_361, 12_500, "PNG", False),
        (GREEN, 30_000, 8333, "PNG", True),
        (GREEN, 30_001, 1, "PNG", False),
        (GREEN, 30_000, 8334, "PNG", False),
        (GREEN, 2048, 2048, "GIF", True),
        (GREEN, 2048, 2049, "GIF", False),
        (GREEN, 2048, 2049, "WEBP", True),
        (GREEN, 1, 1, "JPEG", True),
        (IMAGE_MODERATION_2, 1, 1, "JPEG", True),
    ],
)
def test_sides_and_pixels(limits, width, height, image_format, is_taken):
    assert limits.takes_size(width, height, image_format=image_format) is is_taken


@pytest.mark.parametrize("image_format", ["BMP", "GIF", "JPEG", "PNG", "WEBP"])
def test_what_browsers_show_is_taken_by_both(image_format):
    assert GREEN.takes_format(image_format)
    assert IMAGE_MODERATION_2.takes_format(image_format)


@pytest.mark.parametrize("image_format", ["HEIF", "ICO", "SVG", "TIFF"])
def test_more_formats_are_taken_by_the_second_generation_only(image_format):
    assert not GREEN.takes_format(image_format)
    assert IMAGE_MODERATION_2.takes_format(image_format)


@pytest.mark.parametrize("image_format", ["AVIF", "JPEG2000", "PSD", ""])
def test_other_formats_are_taken_by_none(image_format):
    assert not GREEN.takes_format(image_format)
    assert not IMAGE_MODERATION_2.takes_format(image_format)
