from __future__ import annotations

import io
from importlib.resources import files
from pathlib import Path

import pytest
from PIL import Image, ImageEnhance, ImageFilter, ImageOps

from django_imgmod.canary import GRID, LEVELS, canary_png, detect_canary, draw_canary
from django_imgmod.choices import RiskLevel


def reencoded(image: Image.Image, image_format: str, **options: int) -> Image.Image:
    output = io.BytesIO()
    image.save(output, image_format, **options)
    return Image.open(io.BytesIO(output.getvalue()))


CHANGES = {
    "none": lambda image: image,
    "JPEG 20": lambda image: reencoded(image, "JPEG", quality=20),
    "64 pixels": lambda image: image.resize((64, 64)),
    "64 pixels, nearest, JPEG 20": lambda image: reencoded(
        image.resize((64, 64), Image.Resampling.NEAREST), "JPEG", quality=20
    ),
    "uneven cells": lambda image: image.resize((70, 65), Image.Resampling.NEAREST),
    "enlarged": lambda image: image.resize((1500, 1500)),
    "stretched wide": lambda image: image.resize((900, 64)),
    "stretched tall": lambda image: image.resize((64, 1200)),
    "greyscale": lambda image: image.convert("L"),
    "WebP 20": lambda image: reencoded(image, "WEBP", quality=20),
    "GIF": lambda image: reencoded(image, "GIF"),
    "palette": lambda image: image.convert("P"),
    "two colours": lambda image: image.quantize(2),
    "one bit": lambda image: image.convert("1"),
    "CMYK": lambda image: reencoded(image.convert("CMYK"), "JPEG", quality=20),
    "alpha": lambda image: image.convert("RGBA"),
    "palette with alpha": lambda image: reencoded(image.convert("P"), "PNG", transparency=bytes([255] * 255)),
    "dark": lambda image: ImageEnhance.Brightness(image).enhance(0.4),
    "pale": lambda image: ImageEnhance.Contrast(image).enhance(0.4),
    "blurred": lambda image: image.filter(ImageFilter.GaussianBlur(8)),
    "tinted": lambda image: ImageOps.colorize(image.convert("L"), "navy", "yellow"),
    "thin border": lambda image: ImageOps.expand(image, 8, "white"),
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("level", LEVELS)
def test_canary_survives(level, change):
    found = detect_canary(CHANGES[change](draw_canary(level).convert("RGB")))
    assert found is not None
    assert (found.label, found.risk_level) == (f"canary_{level}", RiskLevel(level))
    assert found.confidence is not None
    assert found.confidence > 95


@pytest.mark.parametrize("level", LEVELS)
def test_png_bytes_are_the_canary(level):
    with Image.open(io.BytesIO(canary_png(level))) as image:
        found = detect_canary(image)
    assert found is not None
    assert found.confidence == 100


@pytest.mark.parametrize("level", LEVELS)
def test_what_is_nearly_a_canary_is_none(level):
    canary = draw_canary(level)
    assert detect_canary(ImageOps.invert(canary)) is None
    assert detect_canary(ImageOps.mirror(canary)) is None
    assert detect_canary(ImageEnhance.Contrast(canary).enhance(0.1)) is None
    assert detect_canary(canary.crop((0, 0, 512, 256))) is None


@pytest.mark.parametrize("size", [(1, 1), (1, 500), (512, 512)])
@pytest.mark.parametrize("colour", ["white", "black", "red"])
def test_plain_picture_is_no_canary(colour, size):
    assert detect_canary(Image.new("RGB", size, colour)) is None


def test_other_grids_are_no_canary():
    for seed in range(200):
        noise = Image.effect_noise((GRID, GRID), 200 + seed % 50)
        assert detect_canary(noise.resize((256, 256), Image.Resampling.NEAREST)) is None


def test_photographs_are_no_canary():
    folder = Path(str(files("skimage"))) / "data"
    paths = [*folder.glob("*.png"), *folder.glob("*.jpg")]
    assert len(paths) > 20
    for path in paths:
        with Image.open(path) as image:
            whole = image.convert("L")
        for box in _parts(whole.size):
            assert detect_canary(whole.crop(box)) is None, (path.name, box)


def _parts(size: tuple[int, int]) -> list[tuple[int, int, int, int]]:
    """The whole, its quarters and its middle."""
    width, height = size
    left, top = width // 2, height // 2
    return [
        (0, 0, width, height),
        (0, 0, left, top),
        (left, 0, width, top),
        (0, top, left, height),
        (left, top, width, height),
        (left // 2, top // 2, left + left // 2, top + top // 2),
    ]
