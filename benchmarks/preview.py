"""
What a moderator waits for a picture: stored JPEG of 12 megapixels to response, in each size that the desk asks for.

Run as ``python benchmarks/preview.py``; needs the extra [example]. The floor is the least that Pillow can do: read the
file, have it decoded at the next smaller scale, shrink it, encode it. Both take turns in one process, in CPU time, so
that a busy machine disturbs both alike. The exit code is 1 where a limit is not kept.
"""

from __future__ import annotations

import argparse
import io
import os
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")

import django
from django.conf import settings

django.setup()
WORK = tempfile.TemporaryDirectory()
settings.MEDIA_ROOT = WORK.name

from django.contrib.contenttypes.models import ContentType
from engine import cpu_milliseconds, photograph, processor
from PIL import Image

from django_imgmod.admin.previews import LARGE, SMALL, VEILED, Shape, preview_response
from django_imgmod.models import ModerationRecord

SIZE = (4000, 3000)
SHAPES = {"veiled": VEILED, "small": SMALL, "large": LARGE}
# Of the small one, which is what a card shows: in ms of CPU time for an ordinary photograph, and as a multiple of the
# floor's for all. What a JPEG of many bytes costs is mostly the decoding of each, whoever does it.
MAX_MILLISECONDS = 70
MAX_RATIO = 1.5


def floor(path: Path, shape: Shape) -> Callable[[], object]:
    """Return a call that makes the same picture with nothing around it, and for no picture but this one."""
    fitting = (shape.side, shape.side * SIZE[1] // SIZE[0])

    def run() -> bytes:
        image = Image.open(io.BytesIO(path.read_bytes()), formats=["JPEG"])
        image.draft("L" if shape.is_grey else "RGB", fitting)
        image.thumbnail(fitting, reducing_gap=None)
        output = io.BytesIO()
        image.save(output, "JPEG", quality=shape.quality)
        return output.getvalue()

    return run


def record_of(path: Path) -> ModerationRecord:
    photo = ContentType(app_label="hostapp", model="photo")
    return ModerationRecord(content_type=photo, field_name="image", file_name=path.name)


def compare(path: Path, rounds: int, *, max_milliseconds: float | None = None) -> bool:
    """Print what each size costs; return whether the limits are kept."""
    record = record_of(path)
    is_kept = True
    print(f"{path.stem}, {path.stat().st_size / 1e6:.1f} MB:")
    for name, shape in SHAPES.items():
        assert preview_response(record, shape).status_code == 200
        ours = partial(preview_response, record, shape)
        costs = cpu_milliseconds({"ours": ours, "floor": floor(path, shape)}, rounds)
        ratio = costs["ours"] / costs["floor"]
        limits = ""
        if shape is SMALL:
            is_kept = ratio <= MAX_RATIO and costs["ours"] <= (max_milliseconds or costs["ours"])
            limits = f"  (at most {MAX_RATIO}x{f', {max_milliseconds} ms' if max_milliseconds else ''})"
        print(f"  {name:<8} {costs['ours']:6.1f} ms CPU  {ratio:.2f}x the floor's {costs['floor']:.1f} ms{limits}")
    return is_kept


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.strip().splitlines()[0])
    parser.add_argument("--rounds", type=int, default=20)
    rounds = parser.parse_args().rounds
    print(f"{os.cpu_count()} x {processor()}, Pillow {Image.__version__}, {SIZE[0]} x {SIZE[1]}")
    image = Image.open(io.BytesIO(photograph(SIZE)))
    grain = Image.blend(image, Image.effect_noise(SIZE, 60).convert("RGB"), 0.15)
    plain, grainy, progressive = (Path(WORK.name, f"{name}.jpg") for name in ("plain", "grainy", "progressive"))
    image.save(plain, quality=88)
    grain.save(grainy, quality=92)
    image.save(progressive, quality=88, progressive=True)
    are_kept = [compare(plain, rounds, max_milliseconds=MAX_MILLISECONDS)]
    are_kept += [compare(path, rounds) for path in (grainy, progressive)]
    return 0 if all(are_kept) else 1


if __name__ == "__main__":
    sys.exit(main())
