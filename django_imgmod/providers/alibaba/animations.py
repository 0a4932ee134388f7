"""
Copies of animations, with the frames that the site has judged.

They are GIF, for that is what both generations document ``interval`` and ``max_frames`` for, and the two keep to it.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from PIL import Image

from ...choices import ErrorCode
from ...decoding import MAX_PIXELS, decode_frames, opened
from ...exceptions import ProviderRefused
from ...results import ImageSource
from .limits import Limits

# Of a copy. With so many, each has 354 x 354 pixels at most.
MAX_FRAMES: Final = 100
# Of all frames up to the last that is copied, as each is drawn over the one before: several seconds.
MAX_VISITS: Final = 10 * MAX_PIXELS
# By what the sides are divided. Nearly always the first fits.
_DIVISORS: Final = (1, 2, 4)
# Milliseconds. Nobody watches a copy.
_DURATION: Final = 100


@dataclass(frozen=True, kw_only=True, slots=True)
class Frames:
    """Which frames of an animation are to be judged: each ``interval``-th from the first on, ``at_most`` so many."""

    interval: int = 1
    at_most: int = 1

    @classmethod
    def of(cls, interval: int | None, at_most: int | None) -> Frames:
        """Return what the two options say, the first frame alone where they are not set."""
        return cls() if interval is None or at_most is None else cls(interval=interval, at_most=at_most)

    def numbers(self, frame_count: int) -> range:
        """Return which of so many frames they are."""
        return range(0, frame_count, self.interval)[: self.at_most]


FIRST_FRAME: Final = Frames()


class AnimatedCopy(NamedTuple):
    """A GIF that holds several frames."""

    content: bytes
    size: tuple[int, int]
    frame_count: int
    is_on_white: bool
    """Whether any of them was transparent."""


def frames_in_copy(asked: Mapping[str, int], *, has_chosen_frames: bool) -> dict[str, int]:
    """Return the parameters of a request for frames: of a copy that holds the chosen ones alone, every frame."""
    return {**asked, **({"interval": 1} if has_chosen_frames and asked else {})}


def copy_frames(
    source: ImageSource, limits: Limits, frames: Frames, *, formats: tuple[str, ...], max_pixels: int
) -> AnimatedCopy | None:
    """
    Return a copy that holds the frames asked for, of ``max_pixels`` in all; None where that is the first alone.

    Raises ``ProviderRefused``: ``TOO_LARGE`` where not all of them can be copied within the bounds of this module and
    the provider's, else as ``decode_frames``.
    """
    if frames.at_most == 1:
        return None
    with opened(source.content, file_name=source.file_name, formats=formats) as image:
        width, height = image.size
        count = int(getattr(image, "n_frames", 1))
    numbers = frames.numbers(count)
    if len(numbers) < 2:
        return None
    if len(numbers) > MAX_FRAMES or (numbers[-1] + 1) * width * height > MAX_VISITS:
        raise _refusal(source, count, "it has to be copied, and that is too much")
    each = min(max_pixels // len(numbers), limits.max_gif_pixels)
    decoded = decode_frames(
        source.content,
        file_name=source.file_name,
        numbers=numbers,
        # Either side may become the shorter one of the copy.
        side=min(limits.scaled(width, height, max_pixels=each)),
        formats=formats,
    )
    pictures: list[Image.Image] = []
    is_on_white = False
    for frame in decoded:
        picture, was_transparent = _on_white(limits.resized(frame, max_pixels=each))
        pictures.append(picture)
        is_on_white = is_on_white or was_transparent
    for divisor in _DIVISORS:
        content, size = _gif(pictures, divisor)
        if len(content) <= limits.max_bytes:
            return AnimatedCopy(content, size, len(pictures), is_on_white)
    raise _refusal(source, count, f"no copy of them has at most {limits.max_bytes:,} bytes")


def _refusal(source: ImageSource, count: int, why: str) -> ProviderRefused:
    return ProviderRefused(
        f'The file "{source.file_name}" has {count:,} frames, of which the provider could be shown the first only: '
        f"{why}. Upload it with fewer frames or pixels.",
        code=ErrorCode.TOO_LARGE,
    )


def _on_white(image: Image.Image) -> tuple[Image.Image, bool]:
    """Return a frame of its own, without transparency, and whether it had some."""
    if image.mode != "RGBA":
        # The decoder may draw the next frame into the same memory.
        return image.copy(), False
    is_transparent = image.getextrema()[-1] != (255, 255)
    return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB"), is_transparent


def _gif(pictures: Sequence[Image.Image], divisor: int) -> tuple[bytes, tuple[int, int]]:
    first, *others = [(one if divisor == 1 else one.reduce(divisor)).quantize() for one in pictures]
    output = io.BytesIO()
    first.save(output, "GIF", save_all=True, append_images=others, duration=_DURATION, loop=0)
    return output.getvalue(), first.size
