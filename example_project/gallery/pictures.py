"""
The pictures of the demo: photographs out of the scikit-image package, and generated ones.

Only photographs whose licence that package states plainly (CC0 or public domain) are used; README.md lists them.
Nothing here is random: two runs give the same bytes.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import segno
from PIL import Image

from django_imgmod.canary import canary_png

from .models import Photo, Picture, Postcard, Poster

# EXIF tag 274: which way the camera was held. 6 says "turn it clockwise by 90 degrees to see it upright".
ORIENTATION_TAG: Final = 0x0112
TURN_CLOCKWISE: Final = 6


@dataclass(frozen=True, kw_only=True, slots=True)
class Sample:
    """One picture of the demo."""

    title: str
    file_name: str
    content: Callable[[], bytes]
    description: str = ""
    model: type[Picture] = Photo
    replaces_previous: bool = False
    """An editor puts it in the place of the sample before."""


def photograph(name: str) -> bytes:
    """Return a file of the scikit-image package as it is. Raises ``LookupError`` where that is not installed."""
    # The data folder is looked up without importing the package, which would be slow.
    spec = find_spec("skimage")
    if spec is None or not spec.submodule_search_locations:
        raise LookupError('The photographs come with scikit-image: pip install "django-imgmod[example]"')
    return (Path(spec.submodule_search_locations[0]) / "data" / name).read_bytes()


def encoded(image: Image.Image, image_format: str, **options: Any) -> bytes:
    """Return a picture as the bytes of a file."""
    output = io.BytesIO()
    image.save(output, image_format, **options)
    return output.getvalue()


def opened(name: str) -> Image.Image:
    """Return a photograph in RGB."""
    return Image.open(io.BytesIO(photograph(name))).convert("RGB")


def blurred_coffee() -> bytes:
    small = opened("coffee.png").resize((24, 16))
    return encoded(small.resize((600, 400), Image.Resampling.BICUBIC), "JPEG")


def qr_code_on_a_wall() -> bytes:
    code = io.BytesIO()
    segno.make("https://example.org/you-have-won", error="m").save(code, kind="png", scale=6, border=4)
    wall = opened("brick.png")
    with Image.open(code) as sticker:
        wall.paste(sticker.convert("RGB"), ((wall.width - sticker.width) // 2, (wall.height - sticker.height) // 2))
    return encoded(wall, "JPEG", quality=90)


def smaller_sticker(side: int, *, quality: int) -> bytes:
    """The wall with the sticker as it comes back from elsewhere: scaled, and compressed anew."""
    with Image.open(io.BytesIO(qr_code_on_a_wall())) as image:
        return encoded(image.resize((side, side), Image.Resampling.LANCZOS), "JPEG", quality=quality)


def animated_gif() -> bytes:
    """A slow pan over the sky. It plays once: what moves for ever disturbs readers."""
    sky = opened("hubble_deep_field.jpg")
    frames = [sky.crop((40 * step, 20 * step, 40 * step + 400, 20 * step + 300)) for step in range(12)]
    return encoded(frames[0], "GIF", save_all=True, append_images=frames[1:], duration=150)


def rotated_by_exif() -> bytes:
    """A portrait that is stored lying on its side, as many phones do."""
    upright = opened("astronaut.png").crop((60, 0, 400, 454))
    exif = Image.Exif()
    exif[ORIENTATION_TAG] = TURN_CLOCKWISE
    return encoded(upright.transpose(Image.Transpose.ROTATE_90), "JPEG", quality=90, exif=exif)


def cmyk_jpeg() -> bytes:
    """In the colours of the printing press."""
    return encoded(opened("chelsea.png").crop((90, 20, 370, 230)).convert("CMYK"), "JPEG", quality=90)


def single_pixel() -> bytes:
    return encoded(Image.new("RGB", (1, 1), (214, 124, 63)), "PNG")


def truncated_jpeg() -> bytes:
    """The upload broke off half-way."""
    whole = encoded(opened("rocket.jpg").rotate(180), "JPEG", quality=90)
    return whole[: len(whole) // 2]


def text_named_jpg() -> bytes:
    return b"A text file does not become a picture by being called one.\n"


def _photo(title: str, name: str, description: str, **options: Any) -> Sample:
    return Sample(title=title, file_name=name, content=lambda: photograph(name), description=description, **options)


SAMPLES: Final = (
    _photo("Lift-off", "rocket.jpg", "A rocket rises into a dusky sky on a column of fire."),
    _photo("Chelsea", "chelsea.png", "The face of a ginger cat, looking past the camera."),
    Sample(title="Coffee, out of focus", file_name="coffee-blurred.jpg", content=blurred_coffee),
    _photo("Coffee", "coffee.png", "A cup of espresso on a wooden table, seen from above.", replaces_previous=True),
    Sample(title="Sticker on a wall", file_name="sticker.jpg", content=qr_code_on_a_wall),
    _photo("Eileen Collins", "astronaut.png", "An astronaut in an orange suit, smiling, a flag behind her."),
    _photo("Deep field", "hubble_deep_field.jpg", "Hundreds of galaxies on a black sky."),
    Sample(title="Test card, high risk", file_name="canary-high.png", content=lambda: canary_png("high")),
    _photo("Cameraman", "camera.png", "A man in a long coat behind a film camera on a tripod."),
    Sample(
        title="Panorama of the sky",
        file_name="sky.gif",
        content=animated_gif,
        description="The view moves slowly across a field of galaxies.",
    ),
    Sample(
        title="Portrait, held sideways",
        file_name="portrait.jpg",
        content=rotated_by_exif,
        description="The astronaut again, nearer.",
    ),
    Sample(title="Test card, medium risk", file_name="canary-medium.png", content=lambda: canary_png("medium")),
    Sample(
        title="Chelsea, for the printer",
        file_name="chelsea-cmyk.jpg",
        content=cmyk_jpeg,
        description="The ginger cat again, nearer.",
    ),
    Sample(
        title="One pixel",
        file_name="pixel.png",
        content=single_pixel,
        description="A plain orange square.",
    ),
    Sample(title="Broken off half-way", file_name="truncated.jpg", content=truncated_jpeg),
    _photo("Fundus of an eye", "retina.jpg", "The back of an eye: a red disc with fine vessels."),
    Sample(title="Not a picture at all", file_name="notes.jpg", content=text_named_jpg),
    _photo("Gravel", "gravel.png", "Grey pebbles."),
    _photo("Lawn", "grass.png", "Blades of grass, close, in grey."),
    Sample(
        title="Chelsea once more",
        file_name="chelsea-again.png",
        content=lambda: photograph("chelsea.png"),
        description="The face of a ginger cat, looking past the camera.",
    ),
    _photo("Greetings from the wall", "brick.png", "A brick wall in grey.", model=Postcard),
    _photo("Station clock", "clock_motion.png", "A clock on a wall, blurred by motion.", model=Poster),
)
