from __future__ import annotations

import io
import itertools
import math
import warnings
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw, ImageEnhance, ImageOps

from django_imgmod.canary import draw_canary
from django_imgmod.perceptual import MAX_DISTANCE, distance, is_hash, near, perceptual_hash
from tests.providers.pictures import landscape

# From two places beside each other: the same scene indeed. A chessboard has nothing but its stripes.
STEREO = {"motorcycle_left.png", "motorcycle_right.png"}
BOARDS = {"chessboard_GRAY.png", "chessboard_RGB.png"}

PINNED = "dct256:036a01240955006a06bb09d79b73002f8f3eb5e35f731ffff96a97e72f0095ca"

texts = st.integers(0, 2**256 - 1).map(lambda bits: f"dct256:{bits:064x}")


def reencoded(image: Image.Image, image_format: str, **options: int) -> Image.Image:
    output = io.BytesIO()
    image.save(output, image_format, **options)
    return Image.open(io.BytesIO(output.getvalue()))


def apart(first: Image.Image, second: Image.Image) -> int:
    return distance(perceptual_hash(first).text, perceptual_hash(second).text)


def photographs() -> dict[str, Image.Image]:
    pictures = {}
    for path in sorted((Path(str(files("skimage"))) / "data").glob("*.[pj][np]g")):
        with Image.open(path) as image:
            flat = image.convert("RGBA")
            pictures[path.name] = Image.alpha_composite(Image.new("RGBA", image.size, "white"), flat).convert("RGB")
    return pictures


def shapes(numbers: list[int]) -> Image.Image:
    """A drawing of ellipses, the places and colours of which are these numbers."""
    image = Image.new("RGB", (300, 240), "white")
    draw = ImageDraw.Draw(image)
    for number in numbers:
        left, top, size = number % 251, number // 251 % 199, 30 + number // 50_000 % 90
        colour = (number % 200, number // 7 % 200, number // 49 % 200)
        draw.ellipse((left, top, left + size, top + size * 0.7), fill=colour)
    return image


CHANGES = {
    "JPEG 30": lambda image: reencoded(image, "JPEG", quality=30),
    "WebP 50": lambda image: reencoded(image, "WEBP", quality=50),
    "two thirds of the size": lambda image: image.resize((image.width * 2 // 3, image.height * 2 // 3)),
    "twice the size": lambda image: image.resize((image.width * 2, image.height * 2)),
    "stretched": lambda image: image.resize((image.width, image.height * 5 // 7)),
    "brighter": lambda image: ImageEnhance.Brightness(image).enhance(1.15),
    "darker": lambda image: ImageEnhance.Brightness(image).enhance(0.6),
    "paler": lambda image: ImageEnhance.Contrast(image).enhance(0.6),
    "greyscale": lambda image: image.convert("L"),
    "with alpha": lambda image: image.convert("RGBA"),
    "palette": lambda image: image.quantize(128),
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("name", ["astronaut.png", "chelsea.png", "coffee.png", "rocket.jpg", "camera.png", "page.png"])
def test_changed_photograph_is_the_same_picture(name, change):
    with Image.open(Path(str(files("skimage"))) / "data" / name) as image:
        picture = image.convert("RGB")
    assert perceptual_hash(picture).is_telling
    assert apart(picture, CHANGES[change](picture)) <= MAX_DISTANCE


@settings(max_examples=60, deadline=None)
@given(
    numbers=st.lists(st.integers(0, 10**9), min_size=12, max_size=30, unique=True),
    change=st.sampled_from(sorted(CHANGES)),
)
def test_changed_drawing_is_the_same_picture(numbers, change):
    drawing = shapes(numbers)
    if perceptual_hash(drawing).detail >= 15:
        assert apart(drawing, CHANGES[change](drawing)) <= MAX_DISTANCE


@settings(max_examples=60, deadline=None)
@given(
    first=st.lists(st.integers(0, 10**9), min_size=3, max_size=12, unique=True),
    second=st.lists(st.integers(0, 10**9), min_size=3, max_size=12, unique=True),
)
def test_other_drawing_is_another_picture(first, second):
    one, other = perceptual_hash(shapes(first)), perceptual_hash(shapes(second))
    if one.is_telling and other.is_telling and not set(first) & set(second):
        assert distance(one.text, other.text) > MAX_DISTANCE


def test_photographs_are_not_each_other():
    hashes = {name: perceptual_hash(image) for name, image in photographs().items()}
    assert len(hashes) > 20
    assert {name for name, each in hashes.items() if not each.is_telling} == BOARDS
    for one, other in itertools.combinations(hashes, 2):
        if {one, other} not in (STEREO, BOARDS):
            assert distance(hashes[one].text, hashes[other].text) > MAX_DISTANCE + 20, (one, other)


def test_mirrored_and_turned_pictures_are_others():
    picture = landscape()
    assert apart(picture, ImageOps.mirror(picture)) > MAX_DISTANCE
    assert apart(picture, picture.rotate(90, expand=True)) > MAX_DISTANCE


def test_canaries_are_telling_and_unlike():
    assert perceptual_hash(draw_canary("high")).is_telling
    assert apart(draw_canary("high"), draw_canary("medium")) > MAX_DISTANCE


def gradient(angle: int) -> Image.Image:
    return Image.linear_gradient("L").resize((400, 300)).rotate(angle, expand=True)


def stripes(width: int) -> Image.Image:
    image = Image.new("RGB", (400, 300), "white")
    for left in range(0, 400, 2 * width):
        ImageDraw.Draw(image).rectangle((left, 0, left + width - 1, 300), fill="black")
    return image


@pytest.mark.parametrize(
    "picture",
    [
        *(Image.new("RGB", (300, 200), colour) for colour in ("white", "black", "teal")),
        Image.new("RGB", (1, 1), "red"),
        Image.new("L", (1, 4000), 9),
        reencoded(Image.new("RGB", (640, 480), (90, 140, 33)), "JPEG", quality=20),
        *(gradient(angle) for angle in (0, 90, 180)),
        Image.blend(gradient(0), gradient(180).resize((400, 300)), 0.5),
        *(stripes(width) for width in (5, 20, 67)),
        stripes(20).rotate(90, expand=True),
        Image.effect_noise((300, 300), 3).resize((3000, 3000), Image.Resampling.NEAREST),
    ],
)
def test_flat_pictures_tell_nothing(picture):
    assert not perceptual_hash(picture).is_telling


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr", "HSV", "I", "F"])
def test_every_mode_has_a_hash(mode):
    picture = landscape((120, 90)).convert(mode) if mode not in ("LA", "HSV") else landscape((120, 90))
    assert len(perceptual_hash(picture).text) == len("dct256:") + 64


def test_palette_with_transparency_warns_of_nothing():
    picture = reencoded(landscape().quantize(32), "PNG", transparency=bytes(range(32)))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert apart(picture, picture.convert("RGBA")) == 0


def test_hash_is_what_it_says():
    """Which of the lowest frequencies are above their median, by the definition of the transform."""
    values = np.array([[(x * 7 + y * y * 3 + x * y) % 251 for x in range(64)] for y in range(64)], np.uint8)
    basis = np.array([[math.cos(math.pi * (2 * n + 1) * k / 128) for n in range(64)] for k in range(1, 17)])
    expected = (basis @ values.astype(float) @ basis.T).T.ravel() / 32
    middle = np.median(expected)
    found = perceptual_hash(Image.fromarray(values))
    bits = [digit == "1" for digit in f"{int(found.text.removeprefix('dct256:'), 16):0256b}"]
    assert np.count_nonzero((expected > middle) != bits) <= 2
    assert found.detail == pytest.approx(np.median(abs(expected - middle)), rel=0.01)


def test_hash_is_the_same_on_every_machine():
    """What is stored must be found again by later versions: another hash needs another name."""
    content = bytes((x * x + 3 * x * y + 7 * y) % 256 for y in range(64) for x in range(64))
    assert perceptual_hash(Image.frombytes("L", (64, 64), content)).text == PINNED


def test_text_is_that_of_the_hash():
    found = perceptual_hash(landscape())
    assert str(found) == found.text


@given(texts, texts, texts)
def test_distance_is_one(first, second, third):
    assert distance(first, first) == 0
    assert 0 <= distance(first, second) == distance(second, first) <= 256
    assert distance(first, third) <= distance(first, second) + distance(second, third)


def test_distance_counts_bits():
    assert distance("dct256:" + "0" * 64, "dct256:" + "f" * 64) == 256
    assert distance("dct256:" + "0" * 64, "dct256:" + "0" * 63 + "7") == 3


@pytest.mark.parametrize(
    "text",
    [
        "",
        "0" * 64,
        "pdq:" + "0" * 64,
        *("dct256:" + digits for digits in ("0" * 63, "0" * 65, "g" * 64, "+" + "0" * 63, "0_" + "0" * 62, "٣" * 64)),
    ],
)
def test_what_is_no_hash_has_no_distance(text):
    with pytest.raises(ValueError, match="dct256"):
        distance(text, "dct256:" + "0" * 64)
    with pytest.raises(ValueError, match="dct256"):
        distance("dct256:" + "0" * 64, text)


@given(text=texts, others=st.lists(texts), flips=st.lists(st.sets(st.integers(0, 255), max_size=2 * MAX_DISTANCE)))
def test_near_are_those_that_are_not_far(text, others, flips):
    bits = int(text.removeprefix("dct256:"), 16)
    others += [f"dct256:{bits ^ sum(1 << flip for flip in flipped):064x}" for flipped in flips]
    distances = {place: distance(text, other) for place, other in enumerate(others)}
    expected = {place: far for place, far in distances.items() if far <= MAX_DISTANCE}
    assert near(text, dict(enumerate(others))) == expected


@pytest.mark.parametrize("text", ["", "-", "pdq:00"])
def test_nothing_is_near_what_is_no_hash(text):
    assert not is_hash(text)
    assert near(text, {1: text, 2: PINNED}) == {}
    assert near(PINNED, {1: text, 2: PINNED}) == {2: 0}
