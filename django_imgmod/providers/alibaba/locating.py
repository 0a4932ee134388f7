"""How a picture gets where the provider can read it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from ...results import ImageSource
from .animations import FIRST_FRAME, Frames
from .base import AlibabaProvider
from .fitting import fit
from .limits import Limits
from .uploads import AskToken, upload

# Of uploaded objects, by format; others are written as they are named.
_EXTENSIONS: Final[Mapping[str, str]] = {"JPEG": "jpg", "TIFF": "tif"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Location:
    """Where a picture lies: a URL, or an object in a bucket."""

    url: str = ""
    bucket: str = ""
    object_name: str = ""

    region: str = ""
    """Of the site's own bucket; empty for the provider's."""

    judged_as: str = ""
    """In words, the copy that lies there; empty for the stored bytes themselves."""

    size: tuple[int, int] | None = None
    has_chosen_frames: bool = False
    """As of ``Fitted``, these two."""


def locate(
    provider: AlibabaProvider,
    source: ImageSource,
    limits: Limits,
    ask_token: AskToken,
    frames: Frames = FIRST_FRAME,
) -> Location:
    """
    Return where the provider finds a picture, which is uploaded unless the site says that it lies somewhere already.

    What it would refuse there is uploaded as a copy of these frames. Raises as ``fit``, ``upload`` and
    ``AlibabaProvider.url_of``.
    """
    fitted = fit(source, limits, frames)
    if provider.options.source == "upload" or fitted.judged_as:
        extension = _EXTENSIONS.get(fitted.image_format, fitted.image_format.lower())
        bucket, object_name = upload(provider, ask_token, fitted.content, extension)
        return Location(
            bucket=bucket,
            object_name=object_name,
            judged_as=fitted.judged_as,
            size=fitted.size,
            has_chosen_frames=fitted.has_chosen_frames,
        )
    if provider.options.source == "url":
        return Location(url=provider.url_of(source), size=fitted.size)
    return Location(
        bucket=provider.options.bucket,
        object_name=provider.object_of(source),
        region=provider.options.bucket_region,
        size=fitted.size,
    )
