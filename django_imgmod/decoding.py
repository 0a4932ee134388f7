"""
From the bytes of an upload to a picture that is safe to look at.

Uploads are hostile until decoded: only listed formats are tried, the limit on pixels is checked before one is decoded,
and a large JPEG is decoded at the smaller size that is needed.
"""

from __future__ import annotations

import io
import struct
from dataclasses import dataclass
from typing import Final

from PIL import ExifTags, Image, UnidentifiedImageError

from .choices import ErrorCode
from .exceptions import ProviderRefused
from .results import ImageFacts

# What every browser shows and Pillow decodes by itself. A JPEG with several pictures (MPO) comes under JPEG.
FORMATS: Final = ("BMP", "GIF", "JPEG", "PNG", "WEBP")
# What else is recognised by its header, and shown to a moderator.
MORE_FORMATS: Final = (*FORMATS, "ICO", "TIFF")
MAX_PIXELS: Final = 50_000_000

# What Pillow raises for damaged files of these formats, as found with its own test files and 380 000 mutated ones.
_DAMAGE: Final = (OSError, ValueError, SyntaxError, IndexError, struct.error)
_BOMB: Final = (Image.DecompressionBombError, Image.DecompressionBombWarning)

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


@dataclass(frozen=True, slots=True)
class DecodedPicture:
    """A picture as a visitor sees it: upright, in RGB, on a background where it is transparent; its first frame."""

    image: Image.Image
    has_more_frames: bool


def decode(
    content: bytes,
    *,
    file_name: str,
    side: int,
    max_pixels: int = MAX_PIXELS,
    formats: tuple[str, ...] = FORMATS,
    background: str = "white",
) -> DecodedPicture:
    """
    Return the picture, ``shrunk`` to ``side`` pixels.

    Raises ``ProviderRefused`` with ``TOO_LARGE``, ``NOT_AN_IMAGE`` or ``DAMAGED``, naming the file.
    """
    name = f'The file "{file_name}"'
    too_many_pixels = f"{name} has more than the {max_pixels:,} pixels that are accepted."
    try:
        with Image.open(io.BytesIO(content), formats=formats) as image:
            if image.width * image.height > max_pixels:
                raise ProviderRefused(too_many_pixels, code=ErrorCode.TOO_LARGE)
            return _decode(image, side, background)
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
    """Return what the header of an image says, without decoding it; empty facts where it is none."""
    try:
        with Image.open(io.BytesIO(content), formats=MORE_FORMATS) as image:
            width, height = image.size
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


def _decode(image: Image.Image, side: int, background: str) -> DecodedPicture:
    has_more_frames = bool(getattr(image, "is_animated", False))
    shorter = min(image.size)
    # draft() keeps both sides at least as long as asked for: without the picture's own aspect it would hardly shrink.
    image.draft(None, (image.width * side // shorter, image.height * side // shorter))
    image.load()
    orientation = _orientation(image)
    flat = _flattened(image, side, background)
    if orientation in _UPRIGHT:
        flat = flat.transpose(_UPRIGHT[orientation])
    return DecodedPicture(flat, has_more_frames)


def _orientation(image: Image.Image) -> object:
    """Return the EXIF orientation; None where it cannot be read, for then browsers turn nothing either."""
    try:
        return image.getexif().get(ExifTags.Base.Orientation)
    except _DAMAGE:
        return None


def _flattened(image: Image.Image, side: int, background: str) -> Image.Image:
    if image.mode == "I;16":
        # Pillow's own conversion clips instead of scaling. The samples are little-endian: every second byte is high.
        image = Image.frombytes("L", image.size, image.tobytes()[1::2])
    elif image.has_transparency_data and image.mode != "RGBA":
        image = image.convert("RGBA")
    elif image.mode in ("1", "P"):
        image = image.convert("RGB")
    # Before anything else is made of it, so that a large picture is in memory once.
    image = shrunk(image, side)
    if image.mode == "RGBA":
        image = Image.alpha_composite(Image.new("RGBA", image.size, background), image)
    return image if image.mode == "RGB" else image.convert("RGB")
