"""
What pictures each generation takes. Tables, without a recommendation among them: a small picture is judged badly, not
refused.

Where sources differ, the newest page of the operation counts. "MB" is read as a million bytes, the smaller of its two
meanings.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from PIL import Image


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """The largest picture that is taken, each figure included."""

    formats: frozenset[str]
    """By Pillow's names, and "HEIF" and "SVG"."""

    max_bytes: int

    max_side: int
    """Pixels of the longer side."""

    max_pixels: int
    """Width times height."""

    max_gif_pixels: int
    """Width times height of a GIF, however many frames it has."""

    def takes_format(self, image_format: str) -> bool:
        return image_format in self.formats

    def takes_size(self, width: int, height: int, *, image_format: str) -> bool:
        max_pixels = self.max_gif_pixels if image_format == "GIF" else self.max_pixels
        return max(width, height) <= self.max_side and width * height <= max_pixels

    def scaled(self, width: int, height: int, *, max_pixels: int) -> tuple[int, int]:
        """Return the size itself, or what is left of it within the limits and ``max_pixels``, in its aspect."""
        max_pixels = min(max_pixels, self.max_pixels)
        factor = min(1, self.max_side / max(width, height), math.sqrt(max_pixels / (width * height)))
        # What floating point took off a whole number is given back.
        return max(1, int(width * factor + 1e-6)), max(1, int(height * factor + 1e-6))

    def resized(self, image: Image.Image, *, max_pixels: int) -> Image.Image:
        """Return the picture in the size that is left of its own: as it is where that is all of it."""
        size = self.scaled(*image.size, max_pixels=max_pixels)
        return image if size == image.size else image.resize(size, Image.Resampling.LANCZOS)


# 2022-03-02. "Image Moderation 2.0 asynchronous API": 20 MB, where the metadata of ImageAsyncModeration says 10;
# 16,384 pixels a side and 167 million in all, where an older page says 30,000 a side. AVIF is left out: one page names
# it, that of the asynchronous operation does not, and a copy is taken by both.
IMAGE_MODERATION_2: Final = Limits(
    formats=frozenset({"BMP", "GIF", "HEIF", "ICO", "JPEG", "PNG", "SVG", "TIFF", "WEBP"}),
    max_bytes=20_000_000,
    max_side=16_384,
    max_pixels=167_000_000,
    max_gif_pixels=167_000_000,
)

# 2018-05-09. "Synchronous moderation" and "Asynchronous moderation": since 2021, 20 MB and WEBP for both, where a page
# of 2019 says 5 MB for the synchronous one and has no WEBP.
GREEN: Final = Limits(
    formats=frozenset({"BMP", "GIF", "JPEG", "PNG", "WEBP"}),
    max_bytes=20_000_000,
    max_side=30_000,
    max_pixels=250_000_000,
    max_gif_pixels=4_194_304,
)
