"""
From what was uploaded to what the provider takes.

A picture within the limits is sent as it is, without being decoded. Any other, and an animation of which the provider
would look at the first frame only, is judged by a copy that shows what a visitor sees, of an animation the frames that
the site has judged. The record says so.
"""

from __future__ import annotations

import io
import re
from dataclasses import dataclass, field
from typing import Any, Final

from PIL import Image, features

from ...choices import ErrorCode
from ...decoding import FORMATS, MAX_PIXELS, count_scans, decode, is_upright, opened
from ...exceptions import ProviderRefused
from ...results import ImageSource
from .animations import FIRST_FRAME, Frames, copy_frames
from .limits import Limits

# What a copy can be made of, as far as Pillow has it: AVIF is in most builds, HEIF where the site registers an opener.
_COPIED: Final = (*FORMATS, "ICO", "TIFF", "AVIF", "HEIF")
# A JPEG with several pictures opens under the name of those.
_NAMES: Final = {"MPO": "JPEG"}
# What may be an animation beside a GIF, for which alone the generations document frames.
_FIRST_FRAME_ONLY: Final = ("PNG", "WEBP")
# How every decoder understands a picture. CMYK, 16 bits and more are read differently, inverted or not at all.
_PLAIN_MODES: Final = frozenset({"1", "L", "LA", "P", "PA", "RGB", "RGBA"})
# A PNG's bits a sample are in its header, and not all of them in Pillow's mode.
_PNG_DEPTH: Final = slice(24, 25)

# Large enough that small print stays legible, small enough for a worker that makes several copies at once.
COPY_PIXELS: Final = 4096 * 3072
# Of a JPEG in one scan, no more is in memory than the size that it is decoded at.
MAX_STREAMED_PIXELS: Final = 250_000_000
# Quality of a JPEG, and by what its sides are divided. Nearly always the first fits.
_STEPS: Final = ((90, 1), (75, 1), (60, 1), (60, 2), (60, 4), (60, 8))

_HEIF_BRANDS: Final = frozenset(
    {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1"}
)
_AVIF_BRANDS: Final = frozenset({b"avif", b"avis"})
# The first element after declarations and comments. Nothing in it is tried twice, whatever the file holds.
_SVG: Final = re.compile(
    rb"(?:\xef\xbb\xbf)?+(?>\s+|<\?.*?\?>|<!--.*?-->|<!DOCTYPE[^\[>]*+(?:\[.*?\]\s*+)?+>)*+<(?:[\w.-]++:)?+svg[\s/>]",
    re.DOTALL | re.IGNORECASE,
)
_SVG_HEAD: Final = 65_536


@dataclass(frozen=True, kw_only=True, slots=True)
class Fitted:
    """What is sent of an image."""

    content: bytes = field(repr=False)
    """The stored bytes themselves, or a copy."""

    image_format: str
    """Of the content, as in ``Limits.formats``."""

    size: tuple[int, int] | None = None
    """Width and height in pixels; None where they are not known, or not those of the upright picture."""

    judged_as: str = ""
    """What the copy is, in at most 100 characters; empty where the stored bytes are sent."""

    has_chosen_frames: bool = False
    """Whether it is a copy of several frames, each of which is to be judged."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Header:
    image_format: str
    width: int
    height: int
    is_plain: bool
    is_upright: bool
    frame_count: int
    """Of a format of which the provider looks at the first frame only; 1 for any other."""


@dataclass(frozen=True, slots=True)
class _Copy:
    content: bytes
    image_format: str
    size: tuple[int, int]
    on_what: str = ""


def fit(source: ImageSource, limits: Limits, frames: Frames = FIRST_FRAME) -> Fitted:
    """
    Return the image as the provider takes it: itself where it is within the limits, else a copy of these frames.

    Of an animated PNG or WEBP, too, a copy is made where more than the first frame is asked for.

    A copy is upright, without metadata, never larger than the image and at most ``COPY_PIXELS``, those of all its
    frames together. Of several frames it is a GIF on white; of one a PNG where that is transparent and fits, else a
    JPEG. Formats that only their signature tells (HEIF, SVG) are never copied.

    Raises ``ProviderRefused``: ``NOT_AN_IMAGE`` for what is no picture or can neither be taken nor copied, ``DAMAGED``
    where a copy is needed and cannot be decoded, ``TOO_LARGE`` where that would cost too much, be it only in
    frames: a copy never leaves out one that was asked for.
    """
    formats = _available_formats()
    by_signature = _format_by_signature(source.content)
    if by_signature and by_signature not in formats:
        return _as_it_is(source, limits, by_signature)
    header = _read_header(source, formats)
    if (
        header.is_plain
        and limits.takes_format(header.image_format)
        and limits.takes_size(header.width, header.height, image_format=header.image_format)
        and source.byte_count <= limits.max_bytes
        and len(frames.numbers(header.frame_count)) == 1
    ):
        size = (header.width, header.height) if header.is_upright else None
        return Fitted(content=source.content, image_format=header.image_format, size=size)
    return _copy(source, limits, header, formats, frames)


def _available_formats() -> tuple[str, ...]:
    Image.init()
    return tuple(name for name in _COPIED if name in Image.OPEN and (name != "AVIF" or features.check("avif")))


def _format_by_signature(content: bytes) -> str:
    """Return the format that Pillow may not know by itself; empty where it is none of these."""
    if content[4:8] == b"ftyp":
        # The brand, its version, then what else it is compatible with.
        brands = content[8 : min(int.from_bytes(content[:4]), 256)]
        found = {brands[start : start + 4] for start in range(0, len(brands), 4)}
        return "AVIF" if found & _AVIF_BRANDS else "HEIF" if found & _HEIF_BRANDS else ""
    return "SVG" if _SVG.match(content[:_SVG_HEAD]) else ""


def _as_it_is(source: ImageSource, limits: Limits, image_format: str) -> Fitted:
    if not limits.takes_format(image_format):
        raise ProviderRefused(
            f'The file "{source.file_name}" is in the format {image_format}, which the provider does not take and of '
            "which no copy can be made here. Upload it as JPEG or PNG.",
            code=ErrorCode.NOT_AN_IMAGE,
        )
    if source.byte_count > limits.max_bytes:
        raise ProviderRefused(
            f'The file "{source.file_name}" has {source.byte_count:,} bytes; the provider takes {limits.max_bytes:,}, '
            f"and of the format {image_format} no smaller copy can be made here. Upload it as JPEG or PNG.",
            code=ErrorCode.TOO_LARGE,
        )
    return Fitted(content=source.content, image_format=image_format)


def _read_header(source: ImageSource, formats: tuple[str, ...]) -> _Header:
    # Pillow's own limit is the only one here: the provider may take what is too large to be decoded.
    with opened(source.content, file_name=source.file_name, max_pixels=MAX_STREAMED_PIXELS, formats=formats) as image:
        image_format = _NAMES.get(image.format or "", image.format or "")
        is_deep = image_format == "PNG" and source.content[_PNG_DEPTH] == b"\x10"
        return _Header(
            image_format=image_format,
            width=image.width,
            height=image.height,
            is_plain=image.mode in _PLAIN_MODES and not is_deep,
            is_upright=is_upright(image),
            frame_count=getattr(image, "n_frames", 1) if image_format in _FIRST_FRAME_ONLY else 1,
        )


def _copy(source: ImageSource, limits: Limits, header: _Header, formats: tuple[str, ...], frames: Frames) -> Fitted:
    is_streamed = header.image_format == "JPEG" and count_scans(source.content) == 1
    max_pixels = MAX_STREAMED_PIXELS if is_streamed else MAX_PIXELS
    if header.width * header.height > max_pixels:
        raise ProviderRefused(
            f'The file "{source.file_name}" has {header.width:,} x {header.height:,} pixels: the provider does not '
            f"take it as it is, and copies are made of {max_pixels:,} pixels at most. Upload it with fewer pixels.",
            code=ErrorCode.TOO_LARGE,
        )
    # The pictures that a JPEG brings along are previews and depths, no frames.
    is_animation = header.image_format != "JPEG"
    if is_animation and (animated := copy_frames(source, limits, frames, formats=formats, max_pixels=COPY_PIXELS)):
        copy = _Copy(animated.content, "GIF", animated.size, " on white" if animated.is_on_white else "")
        return _fitted(copy, f"{animated.frame_count} frames, ", has_chosen_frames=True)
    picture = decode(
        source.content,
        file_name=source.file_name,
        side=min(limits.scaled(header.width, header.height, max_pixels=COPY_PIXELS)),
        max_pixels=max_pixels,
        formats=formats,
        background=None,
    )
    still = _encoded(limits.resized(picture.image, max_pixels=COPY_PIXELS), limits)
    if still is None:
        raise ProviderRefused(
            f'Of the file "{source.file_name}" no copy could be made that has at most the {limits.max_bytes:,} bytes '
            "that the provider takes. Upload it with fewer pixels.",
            code=ErrorCode.TOO_LARGE,
        )
    return _fitted(still, "the first frame, " if picture.has_more_frames and is_animation else "")


def _fitted(copy: _Copy, of_what: str, *, has_chosen_frames: bool = False) -> Fitted:
    width, height = copy.size
    return Fitted(
        content=copy.content,
        image_format=copy.image_format,
        size=copy.size,
        judged_as=f"a {copy.image_format} copy of {of_what}{width} x {height} pixels{copy.on_what}",
        has_chosen_frames=has_chosen_frames,
    )


def _encoded(image: Image.Image, limits: Limits) -> _Copy | None:
    """Return the first copy that fits into the bytes, from the best on; None where none does."""
    # Else the comments and profiles that came with the picture go into the copy.
    image.info.clear()
    on_what = ""
    if image.mode == "RGBA" and image.getextrema()[-1] != (255, 255):
        content = _saved(image, "PNG", compress_level=1)
        if len(content) <= limits.max_bytes:
            return _Copy(content, "PNG", image.size)
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
        on_what = " on white"
    image = image.convert("RGB")
    for quality, divisor in _STEPS:
        smaller = image if divisor == 1 else image.reduce(divisor)
        content = _saved(smaller, "JPEG", quality=quality)
        if len(content) <= limits.max_bytes:
            return _Copy(content, "JPEG", smaller.size, on_what)
    return None


def _saved(image: Image.Image, image_format: str, **options: Any) -> bytes:
    output = io.BytesIO()
    image.save(output, image_format, **options)
    return output.getvalue()
