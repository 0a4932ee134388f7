"""Pictures that can be told apart by their hashes, and their lookalikes."""

from __future__ import annotations

import io

from django.core.files.base import ContentFile
from PIL import Image, ImageDraw

from django_imgmod.perceptual import ALGORITHM


def drawing(number: int) -> Image.Image:
    """Draw ellipses, the places and colours of which come of a number: another picture for each."""
    image = Image.new("RGB", (240, 180), "white")
    draw = ImageDraw.Draw(image)
    for place in range(9):
        draws = (number * 7919 + place * 104_729) * 2_654_435_761 >> 8
        left, top, size = draws % 191, draws // 191 % 139, 30 + draws // 26_549 % 60
        draw.ellipse((left, top, left + size, top + size), fill=(draws % 200, draws // 7 % 200, draws // 49 % 200))
    return image


def upload(image: Image.Image, *, image_format: str = "PNG", quality: int = 75) -> ContentFile[bytes]:
    output = io.BytesIO()
    image.save(output, image_format, quality=quality)
    return ContentFile(output.getvalue(), name=f"drawing.{image_format.lower()}")


def some_hash(number: int, *, flipped: int = 0) -> str:
    """Return a hash as it is stored, with so many of its bits turned round: as far from the one without."""
    bits = int.from_bytes(bytes((number * (place + 3) * 97 + place) % 251 for place in range(32)), "big")
    return f"{ALGORITHM}:{bits ^ ((1 << flipped) - 1):064x}"
