"""
Perceptual hashes: what stays the same of a picture when it is encoded anew, scaled or brightened.

256 bits, one for each of the 16 x 16 lowest frequencies of a greyscale copy of 64 x 64 pixels: whether it is stronger
than the median of them. Crops, overlays and mirrored copies are not recognised. These are not PDQ's hashes, though they
are made alike, hence the name in front of each. All is computed in whole numbers: every machine finds the same hash.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from operator import mul
from statistics import median
from typing import Final, TypeVar

from PIL import Image

from .decoding import shrunk

K = TypeVar("K")

ALGORITHM: Final = "dct256"
# Of 256 bits. Unrelated pictures differ in about 128 of them.
MAX_DISTANCE: Final = 31
# Below this, in grey levels, what distinguishes a picture is no more than what re-encoding changes in it.
MIN_DETAIL: Final = 2.0

_SIDE: Final = 64
_HALF: Final = _SIDE // 2
# The mean of a row or column tells nothing but brightness: frequency 0 is left out.
_FREQUENCIES: Final = range(1, 17)
_DIGITS: Final = len(_FREQUENCIES) ** 2 // 4
_PREFIX: Final = f"{ALGORITHM}:"
_TEXT: Final = re.compile(rf"{ALGORITHM}:(?P<digits>[0-9a-f]{{{_DIGITS}}})")
_SCALE: Final = 1 << 10
# By frequency. The other half of a cosine is its mirror image, or the negative of that: half the products suffice.
_COSINES: Final = [
    [round(_SCALE * math.cos(math.pi * (2 * place + 1) * frequency / (2 * _SIDE))) for place in range(_HALF)]
    for frequency in _FREQUENCIES
]
# From a coefficient of whole numbers to one in grey levels, of the orthonormal transform.
_UNIT: Final = 2 / _SIDE / _SCALE**2


@dataclass(frozen=True, slots=True)
class PerceptualHash:
    """The hash of one picture, and whether it tells that picture from others."""

    text: str
    """``dct256:`` and 64 hexadecimal digits."""

    detail: float
    """In grey levels: how far a middling frequency is from the median of all. 0 where there is nothing to see."""

    @property
    def is_telling(self) -> bool:
        """False for flat pictures, plain gradients and stripes: their hashes resemble each other by chance."""
        return self.detail >= MIN_DETAIL

    def __str__(self) -> str:
        return self.text


def perceptual_hash(image: Image.Image) -> PerceptualHash:
    """
    Return the hash of an upright picture of any size and mode.

    What is transparent counts with the colour that lies under it: flatten such a picture first, as ``decode`` does.
    """
    coefficients = _coefficients(_grey(image))
    middle = median(coefficients)
    bits = 0
    for coefficient in coefficients:
        bits = bits << 1 | (coefficient > middle)
    detail = median(abs(coefficient - middle) for coefficient in coefficients) * _UNIT
    return PerceptualHash(f"{ALGORITHM}:{bits:0{_DIGITS}x}", round(detail, 2))


def distance(first: str, second: str) -> int:
    """Return in how many bits, 0 to 256, two hashes differ. Raises ``ValueError`` for what is no hash of this kind."""
    return (_bits(first) ^ _bits(second)).bit_count()


def is_hash(text: str) -> bool:
    """Return whether a text that was stored as one is a hash of this kind."""
    return text.startswith(_PREFIX)


def near(text: str, others: Mapping[K, str]) -> dict[K, int]:
    """
    Return how far those of the other hashes are that are within ``MAX_DISTANCE``. What is no hash is near nothing.

    For ten thousand at once: that each is well-formed is not looked at.
    """
    if not is_hash(text):
        return {}
    bits, start = _bits(text), len(_PREFIX)
    distances = ((key, (bits ^ int(other[start:], 16)).bit_count()) for key, other in others.items() if is_hash(other))
    return {key: far for key, far in distances if far <= MAX_DISTANCE}


def _bits(text: str) -> int:
    match = _TEXT.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is no perceptual hash of the kind {ALGORITHM}.")
    return int(match["digits"], 16)


def _grey(image: Image.Image) -> bytes:
    if image.mode == "P":
        # Pillow warns where it would have to drop the transparency of a palette.
        image = image.convert("RGBA")
    # Twice the size that is needed: the better filter is for the last step only.
    small = shrunk(image, 2 * _SIDE).convert("L")
    return small.resize((_SIDE, _SIDE), Image.Resampling.BILINEAR).tobytes()


def _coefficients(grey: bytes) -> list[int]:
    """Return the two-dimensional cosine transform at the chosen frequencies, row by row."""
    # One list a frequency, with one number a row of the picture.
    across = zip(*(_transformed(grey[start : start + _SIDE]) for start in range(0, len(grey), _SIDE)), strict=True)
    return [coefficient for column in across for coefficient in _transformed(column)]


def _transformed(values: Sequence[int]) -> list[int]:
    first, last = values[:_HALF], values[: _HALF - 1 : -1]
    sums = [one + other for one, other in zip(first, last, strict=True)]
    differences = [one - other for one, other in zip(first, last, strict=True)]
    return [
        sum(map(mul, cosines, differences if frequency % 2 else sums))
        for frequency, cosines in zip(_FREQUENCIES, _COSINES, strict=True)
    ]
