"""Pictures for the tests of the engine, drawn when they are needed."""

from __future__ import annotations

import hashlib
import io
from typing import Any

import segno
from PIL import Image, ImageDraw, ImageFilter

from django_imgmod.results import ImageSource

ORIENTATION = 0x0112


def encoded(image: Image.Image, image_format: str = "PNG", **options: Any) -> bytes:
    output = io.BytesIO()
    image.save(output, image_format, **options)
    return output.getvalue()


def source_of(picture: Image.Image | bytes, image_format: str = "PNG", **options: Any) -> ImageSource:
    content = picture if isinstance(picture, bytes) else encoded(picture, image_format, **options)
    return ImageSource(
        data_id="test", file_name="holiday.jpg", content=content, sha256=hashlib.sha256(content).hexdigest()
    )


def exif_orientation(value: int) -> Image.Exif:
    exif = Image.Exif()
    exif[ORIENTATION] = value
    return exif


def landscape(size: tuple[int, int] = (640, 480), seed: int = 1) -> Image.Image:
    """Something between a photograph and a painting: soft areas, edges and grain, the same for the same seed."""
    width, height = size
    ramp = Image.linear_gradient("L").resize(size)
    image = Image.merge("RGB", (ramp, ramp.transpose(Image.Transpose.ROTATE_180), ramp.point(lambda v: v // 2 + 60)))
    draw = ImageDraw.Draw(image)
    for number in range(12):
        left, top = (number * 131 * seed) % width, (number * 97 * seed) % height
        colour = ((number * 53) % 256, (seed * 71) % 256, (number * seed * 37) % 256)
        draw.ellipse((left, top, left + width // 6, top + height // 5), fill=colour)
    return image.filter(ImageFilter.GaussianBlur(2))


def qr_code(text: str, side: int, *, angle: float = 0) -> Image.Image:
    """A QR code with its quiet zone, as RGBA: what a turned one leaves free is transparent."""
    output = io.BytesIO()
    segno.make(text, micro=False, error="m").save(output, kind="png", scale=8, border=4)
    code = Image.open(output).convert("RGBA").resize((side, side), Image.Resampling.LANCZOS)
    return code.rotate(angle, expand=True, resample=Image.Resampling.BICUBIC)


def with_codes(background: Image.Image, *codes: tuple[Image.Image, tuple[int, int]]) -> Image.Image:
    picture = background.copy()
    for code, position in codes:
        picture.paste(code, position, code)
    return picture
