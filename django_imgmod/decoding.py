"""
From the bytes of an upload to a picture that is safe to look at.

Uploads are hostile until decoded: only listed formats are tried, the limit on pixels is checked before one is decoded,
and a large JPEG is decoded at the smaller size that is needed.
"""

from __future__ import annotations

import io
import math
import re
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final, cast

from PIL import ExifTags, Image, UnidentifiedImageError

from .choices import ErrorCode
from .exceptions import ProviderRefused
from .results import ImageFacts

# What every browser shows and Pillow decodes by itself. A JPEG with several pictures (MPO) comes under JPEG.
FORMATS: Final = ("BMP", "GIF", "JPEG", "PNG", "WEBP")
# What else is recognised by its header, and shown to a moderator.
MORE_FORMATS: Final = (*FORMATS, "ICO", "TIFF")
MAX_PIXELS: Final = 50_000_000
# A progressive JPEG may visit all its pixels again for every few bytes of file, and takes seconds a hundred times. What
# cameras and editors write has 10 to 20 passes.
MAX_JPEG_VISITS: Final = 20 * MAX_PIXELS
# To look at one frame of an animation, those before it are decoded too.
MAX_FRAME_VISITS: Final = 2 * MAX_PIXELS

# What Pillow raises for damaged files of these formats, as found with its own test files and 380 000 mutated ones: of
# first frames, then of further ones and of AVIF.
_DAMAGE: Final = (
    *(OSError, ValueError, SyntaxError, IndexError, struct.error),
    *(AssertionError, EOFError, KeyError, RuntimeError, TypeError, ZeroDivisionError),
)
_BOMB: Final = (Image.DecompressionBombError, Image.DecompressionBombWarning)

# A JPEG's markers with their meaning; within the data, 0xFF is followed by 0 or the number of a restart.
_JPEG_MARKER: Final = re.compile(rb"\xff([^\x00\x01\xd0-\xd8\xff])")
_JPEG_SCAN: Final = b"\xda"
_JPEG_END: Final = b"\xd9"
_MOST_JPEG_MARKERS: Final = 10_000

# Which byte of a sample of 16 bits is the high one. Pillow's own conversion clips instead of scaling.
_HIGH_BYTE: Final = {"I;16": 1, "I;16L": 1, "I;16B": 0}

# What makes a picture upright, by the value of its EXIF orientation.
_UPRIGHT: Final = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
# Of these the width becomes the height.
_SIDEWAYS: Final = frozenset({5, 6, 7, 8})


@dataclass(frozen=True, slots=True)
class DecodedPicture:
    """A picture as a visitor sees it: upright, on a background where it is transparent; its first frame."""

    image: Image.Image
    """RGB; RGBA where it is transparent and no background was asked for."""

    has_more_frames: bool


def decode(
    content: bytes,
    *,
    file_name: str,
    side: int,
    max_pixels: int = MAX_PIXELS,
    formats: tuple[str, ...] = FORMATS,
    background: str | None = "white",
) -> DecodedPicture:
    """
    Return the picture, ``shrunk`` to ``side`` pixels; with its transparency where ``background`` is None.

    Raises as ``opened`` does.
    """
    with opened(content, file_name=file_name, max_pixels=max_pixels, formats=formats) as image:
        _refuse_many_passes(image, content, file_name)
        return _decode(image, side, background)


def decode_to_fit(
    content: bytes,
    *,
    file_name: str,
    side: int,
    frame: int = 0,
    formats: tuple[str, ...] = FORMATS,
    background: str = "white",
) -> Image.Image:
    """
    Return a frame of the picture, by its number from 0, with no side longer than ``side``. Nothing is enlarged.

    All frames up to it are visited. Raises as ``opened`` does, and ``ProviderRefused`` with ``TOO_LARGE`` where that
    would take too long.
    """
    with opened(content, file_name=file_name, formats=formats) as image:
        _refuse_many_passes(image, content, file_name)
        if image.width * image.height * frame > MAX_FRAME_VISITS:
            raise ProviderRefused(
                f'Frame {frame + 1:,} of the file "{file_name}" lies too far from the first to be decoded.',
                code=ErrorCode.TOO_LARGE,
            )
        if frame:
            image.seek(frame)
        if image.width * image.height > MAX_PIXELS:
            raise ProviderRefused(
                f'Frame {frame + 1:,} of the file "{file_name}" has more than the {MAX_PIXELS:,} pixels that are '
                "accepted.",
                code=ErrorCode.TOO_LARGE,
            )
        picture = _decode(image, -(-side * min(image.size) // max(image.size)), background).image
        picture.thumbnail((side, side))
        return picture


def decode_frames(
    content: bytes, *, file_name: str, numbers: range, side: int, formats: tuple[str, ...] = FORMATS
) -> Iterator[Image.Image]:
    """
    Yield the frames of these ascending numbers as ``decode`` returns the first, with their transparency.

    All frames up to the last are visited. Raises as ``opened`` does, and ``ProviderRefused`` with ``DAMAGED`` where one
    is missing or of another size than the first, before its pixels are decoded.
    """
    with opened(content, file_name=file_name, formats=formats) as image:
        size = image.size
        for number in range(numbers[-1] + 1):
            image.seek(number)
            if image.size != size:
                raise ProviderRefused(
                    f'The file "{file_name}" cannot be judged as an animation: frame {number + 1:,} is of another size '
                    "than the first. Upload it with frames of one size.",
                    code=ErrorCode.DAMAGED,
                )
            if number in numbers:
                yield _decode(image, side, None).image


@contextmanager
def opened(
    content: bytes, *, file_name: str, max_pixels: int = MAX_PIXELS, formats: tuple[str, ...] = FORMATS
) -> Iterator[Image.Image]:
    """
    Give the picture with its header read and its pixels not decoded yet.

    Whatever Pillow says of it, also within the block, becomes ``ProviderRefused`` with ``TOO_LARGE``,
    ``NOT_AN_IMAGE`` or ``DAMAGED``, naming the file.
    """
    name = f'The file "{file_name}"'
    if Image.MAX_IMAGE_PIXELS is not None:
        # Where Pillow refuses by itself.
        max_pixels = min(max_pixels, 2 * Image.MAX_IMAGE_PIXELS)
    too_many_pixels = f"{name} has more than the {max_pixels:,} pixels that are accepted. Upload it with fewer."
    try:
        if _icon_pixels(content) > min(max_pixels, MAX_PIXELS):
            raise ProviderRefused(too_many_pixels, code=ErrorCode.TOO_LARGE)
        with Image.open(io.BytesIO(content), formats=formats) as image:
            if image.width * image.height > max_pixels:
                raise ProviderRefused(too_many_pixels, code=ErrorCode.TOO_LARGE)
            yield image
    except _BOMB as error:
        raise ProviderRefused(too_many_pixels, code=ErrorCode.TOO_LARGE) from error
    except UnidentifiedImageError as error:
        raise ProviderRefused(
            f"{name} is no picture in a format that is accepted: {', '.join(formats)}.", code=ErrorCode.NOT_AN_IMAGE
        ) from error
    except _DAMAGE as error:
        raise ProviderRefused(
            f"{name} is damaged and cannot be decoded: {error}. Upload it anew.", code=ErrorCode.DAMAGED
        ) from error


def read_facts(content: bytes) -> ImageFacts:
    """
    Return what the header of an image says, without decoding it; empty facts where it is none.

    Width and height are those of the upright picture, as browsers show it.
    """
    if _icon_pixels(content) > MAX_PIXELS:
        return ImageFacts()
    try:
        with Image.open(io.BytesIO(content), formats=MORE_FORMATS) as image:
            width, height = reversed(image.size) if _turn_due(image) in _SIDEWAYS else image.size
            return ImageFacts(
                image_format=image.format or "",
                width=width,
                height=height,
                frame_count=getattr(image, "n_frames", 1),
            )
    except (*_DAMAGE, *_BOMB):
        return ImageFacts()


def shrunk(image: Image.Image, side: int) -> Image.Image:
    """Return the picture with its shorter side between ``side`` and twice that, or as it is where it is smaller."""
    factor = min(image.size) // side
    return image.reduce(factor) if factor > 1 else image


def count_scans(content: bytes) -> int:
    """Return how often the pixels are visited to decode the picture: once, but for a JPEG in several scans."""
    if not content.startswith(b"\xff\xd8"):
        return 1
    # Enough for most; it counts too many where other pictures or a film are attached.
    if (at_most := content.count(b"\xff" + _JPEG_SCAN)) <= 1:
        return at_most
    position, count = 0, 0
    for _ in range(_MOST_JPEG_MARKERS):
        marker = _JPEG_MARKER.search(content, position)
        if marker is None or marker[1] == _JPEG_END:
            return count
        count += marker[1] == _JPEG_SCAN
        position = marker.end() + int.from_bytes(content[marker.end() : marker.end() + 2])
    return at_most


def _refuse_many_passes(image: Image.Image, content: bytes, file_name: str) -> None:
    if image.width * image.height * count_scans(content) > MAX_JPEG_VISITS:
        raise ProviderRefused(
            f'The file "{file_name}" would take too long to decode: it is a JPEG of very many passes. '
            "Save it anew with an editor, and upload that.",
            code=ErrorCode.TOO_LARGE,
        )


def _icon_pixels(content: bytes) -> int:
    """Return the pixels of the largest picture in an icon: Pillow decodes it at once, whatever the directory says."""
    if content[:4] != b"\0\0\1\0":
        return 0
    largest = 0
    for entry in range(int.from_bytes(content[4:6], "little")):
        start = int.from_bytes(content[18 + 16 * entry : 22 + 16 * entry], "little")
        head = content[start : start + 24]
        width = height = 0
        if head.startswith(b"\x89PNG\r\n\x1a\n"):
            width, height = int.from_bytes(head[16:20]), int.from_bytes(head[20:24])
        elif head.startswith(b"\x28\0\0\0"):
            # A bitmap, whose height counts its mask too.
            width, height = int.from_bytes(head[4:8], "little"), int.from_bytes(head[8:12], "little") // 2
        largest = max(largest, width * height)
    return largest


def _decode(image: Image.Image, side: int, background: str | None) -> DecodedPicture:
    has_more_frames = bool(getattr(image, "is_animated", False))
    shorter = min(image.size)
    # draft() keeps both sides at least as long as asked for: without the picture's own aspect it would hardly shrink.
    image.draft(None, (image.width * side // shorter, image.height * side // shorter))
    turn = _turn_due(image)
    image.load()
    flat = _flattened(image, side, background)
    if turn in _UPRIGHT:
        flat = flat.transpose(_UPRIGHT[turn])
    return DecodedPicture(flat, has_more_frames)


def is_upright(image: Image.Image) -> bool:
    """Return whether a picture whose pixels are not decoded yet is stored as it is to be seen."""
    return _orientation(image) not in _UPRIGHT


def _turn_due(image: Image.Image) -> object:
    """Return the orientation that is left to be heeded: Pillow turns a TIFF by itself."""
    return None if image.format == "TIFF" else _orientation(image)


def _orientation(image: Image.Image) -> object:
    """
    Return the EXIF orientation of a picture whose pixels are not decoded yet.

    None where it cannot be read, for then browsers turn nothing either.
    """
    if image.format == "PNG" and "exif" not in image.info:
        # Browsers heed what stands before the pixels. To look for it beyond them, Pillow would decode them.
        return None
    try:
        return image.getexif().get(ExifTags.Base.Orientation)
    except _DAMAGE:
        return None


def _flattened(image: Image.Image, side: int, background: str | None) -> Image.Image:
    if image.mode in _HIGH_BYTE:
        image = Image.frombytes("L", image.size, image.tobytes()[_HIGH_BYTE[image.mode] :: 2])
    elif image.has_transparency_data and image.mode != "RGBA":
        image = image.convert("RGBA")
    elif image.mode in ("1", "P"):
        image = image.convert("RGB")
    # Before anything else is made of it, so that a large picture is in memory once.
    image = shrunk(image, side)
    if image.mode in ("I", "F"):
        image = _stretched(image)
    if image.mode == "RGBA":
        if background is None:
            return image
        image = Image.alpha_composite(Image.new("RGBA", image.size, background), image)
    return image if image.mode == "RGB" else image.convert("RGB")


def _stretched(image: Image.Image) -> Image.Image:
    """Return samples of 32 bits in 8, the darkest as black and the lightest as white: nothing says what they mean."""
    darkest, lightest = cast("tuple[float, float]", image.getextrema())
    span = lightest - darkest
    scale = 255 / span if 0 < span < math.inf else 1
    return image.point(lambda sample: sample * scale - darkest * scale).convert("L")
