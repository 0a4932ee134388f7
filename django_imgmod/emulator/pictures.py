"""From where a request says that its picture is, to its bytes: fetched or read, and within the provider's limits."""

from __future__ import annotations

import io
from collections.abc import Collection
from typing import Final, Literal

from PIL import Image

from ..choices import ErrorCode
from ..decoding import MORE_FORMATS, opened
from ..exceptions import ProviderRefused
from ..providers.alibaba.limits import Limits
from .fetching import FetchError, FetchFailure, fetch
from .objects import Objects
from .oss import Place

PictureFailure = FetchFailure | Literal["bad_format"]

OSS_URL: Final = "oss://"
# Of no other format is it documented that more than the first frame is looked at.
ANIMATED: Final = ("GIF",)


class PictureError(Exception):
    """A picture cannot be judged. ``kind`` is a word of ``FetchError``, or ``bad_format``."""

    def __init__(self, kind: PictureFailure, message: str) -> None:
        super().__init__(message)
        self.kind: PictureFailure = kind


class Pictures:
    """Reads pictures, from the buckets and from the hosts that are allowed."""

    def __init__(self, objects: Objects, allowed_hosts: Collection[str]) -> None:
        self._objects = objects
        self._allowed_hosts = allowed_hosts

    def read(self, source: str | Place, limits: Limits, *, referer: str = "") -> bytes:
        """
        Return the bytes at a URL, ``oss://bucket/name`` too, or of an object. Raises ``PictureError``.

        ``referer`` is told to the host of a URL.
        """
        if isinstance(source, str) and source.startswith(OSS_URL):
            bucket, _, name = source.removeprefix(OSS_URL).partition("/")
            source = Place(bucket, name)
        content = self._fetched(source, limits, referer) if isinstance(source, str) else self._stored(source)
        _check(content, limits)
        return content

    def _fetched(self, url: str, limits: Limits, referer: str) -> bytes:
        try:
            return fetch(url, self._allowed_hosts, max_bytes=limits.max_bytes, referer=referer)
        except FetchError as error:
            raise PictureError(error.kind, str(error)) from error

    def _stored(self, place: Place) -> bytes:
        content = self._objects.get(*place)
        if content is None:
            raise PictureError("not_found", f"There is no object {place.name!r} in the bucket {place.bucket!r}.")
        return content


def _check(content: bytes, limits: Limits) -> None:
    if len(content) > limits.max_bytes:
        raise PictureError("too_large", f"The picture has more than {limits.max_bytes:,} bytes.")
    try:
        with opened(content, file_name="picture", max_pixels=limits.max_pixels, formats=MORE_FORMATS) as image:
            image_format, (width, height) = image.format or "", image.size
    except ProviderRefused as error:
        raise picture_error_of(error) from error
    if not limits.takes_format(image_format):
        raise PictureError("bad_format", f"{image_format} is not taken.")
    if not limits.takes_size(width, height, image_format=image_format):
        raise PictureError("too_large", f"{width} x {height} pixels are too many.")


def picture_error_of(error: ProviderRefused) -> PictureError:
    """Return what the provider would say of a picture that cannot be decoded."""
    return PictureError("too_large" if error.code == ErrorCode.TOO_LARGE else "bad_format", str(error))


def split_frames(content: bytes, limits: Limits, *, interval: int, max_frames: int) -> list[bytes]:
    """
    Return every so many-th frame of an animated picture, each as a picture of its own, at most so many.

    A picture that is not animated, or of which one frame is asked for, is returned as it is. Raises ``PictureError``.
    """
    if max_frames == 1:
        return [content]
    try:
        with opened(content, file_name="picture", max_pixels=limits.max_pixels, formats=ANIMATED) as image:
            numbers = range(0, getattr(image, "n_frames", 1), interval)[:max_frames]
            return [_frame(image, number) for number in numbers] if len(numbers) > 1 else [content]
    except ProviderRefused as error:
        if error.code == ErrorCode.NOT_AN_IMAGE:
            return [content]
        raise picture_error_of(error) from error


def _frame(image: Image.Image, number: int) -> bytes:
    image.seek(number)
    output = io.BytesIO()
    image.convert("RGBA").save(output, "PNG")
    return output.getvalue()
