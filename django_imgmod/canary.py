"""
Canaries: generated test pictures that every engine must flag.

What the EICAR file is to a virus scanner. A canary is a grid of black and white cells with a caption in the middle;
the cells come from a digest of its name, so no picture of the world looks like one. It survives re-encoding, scaling
(to no less than 64 pixels a side), stretching and loss of colour.
"""

from __future__ import annotations

import hashlib
import io
from functools import cache
from typing import Final, Literal

from PIL import Image, ImageDraw, ImageFont

from .choices import RiskLevel
from .results import Detection

CanaryLevel = Literal["high", "medium"]

LEVELS: Final[tuple[CanaryLevel, ...]] = ("high", "medium")
SIZE: Final = 512
GRID: Final = 16
# To this shorter side, in pixels, a picture may be shrunk and still be recognised.
CANARY_SIDE: Final = 64
# These rows of cells carry the caption and are not compared.
CAPTION_ROWS: Final = range(6, 10)
# Of the 192 cells that are compared. An unrelated picture agrees in about half of them.
MAX_WRONG_CELLS: Final = 12
# The mean of the white cells must exceed that of the black ones by this much, of 255.
MIN_CONTRAST: Final = 60


@cache
def _cells(level: CanaryLevel) -> tuple[bool, ...]:
    """Which cells are white, row by row."""
    digest = hashlib.sha256(f"django-imgmod canary: {level}".encode()).digest()
    return tuple(bool(byte >> bit & 1) for byte in digest for bit in range(8))


def _is_compared(index: int) -> bool:
    return index // GRID not in CAPTION_ROWS


def draw_canary(level: CanaryLevel) -> Image.Image:
    """Return the canary of that level, 512 x 512, greyscale."""
    image = Image.new("L", (SIZE, SIZE), 255)
    draw = ImageDraw.Draw(image)
    cell = SIZE // GRID
    for index, is_white in enumerate(_cells(level)):
        if _is_compared(index) and not is_white:
            left, top = index % GRID * cell, index // GRID * cell
            draw.rectangle((left, top, left + cell - 1, top + cell - 1), fill=0)
    middle = (SIZE / 2, (CAPTION_ROWS.start + CAPTION_ROWS.stop) * cell / 2)
    draw.text(middle, f"TEST CARD\n{level.upper()} RISK", 0, ImageFont.load_default(40), "mm", align="center")
    return image


def canary_png(level: CanaryLevel) -> bytes:
    """Return the canary of that level as PNG bytes."""
    output = io.BytesIO()
    draw_canary(level).save(output, "PNG")
    return output.getvalue()


def detect_canary(image: Image.Image) -> Detection | None:
    """Return the detection for an upright picture that is a canary, or None."""
    if image.mode == "P":
        # Pillow warns where it would have to drop the transparency of a palette.
        image = image.convert("RGBA")
    small = image.convert("L").resize((GRID, GRID), Image.Resampling.BOX)
    values = small.tobytes()
    compared = [index for index in range(GRID * GRID) if _is_compared(index)]
    middle = sum(values[index] for index in compared) / len(compared)
    whites = [values[index] for index in compared if values[index] > middle]
    blacks = [values[index] for index in compared if values[index] <= middle]
    if not whites or sum(whites) / len(whites) - sum(blacks) / len(blacks) < MIN_CONTRAST:
        return None
    for level in LEVELS:
        expected = _cells(level)
        wrong = sum((values[index] > middle) != expected[index] for index in compared)
        if wrong <= MAX_WRONG_CELLS:
            return Detection(
                label=f"canary_{level}",
                confidence=round(100 * (1 - wrong / len(compared)), 2),
                description="Test picture of django-imgmod",
                risk_level=RiskLevel(level),
                source="canary",
            )
    return None
