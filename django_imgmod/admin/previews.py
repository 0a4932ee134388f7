"""Pictures for moderators, made anew for each look: nothing is written, nothing may be cached."""

from __future__ import annotations

import io
import logging
import textwrap
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from django.http import FileResponse, HttpResponse
from django.http.response import HttpResponseBase
from django.utils.html import format_html, format_html_join
from django.utils.translation import gettext_lazy as _

from ..choices import ErrorCode
from ..decoding import MORE_FORMATS, decode_to_fit
from ..exceptions import ImgmodConfigurationError, ProviderError
from ..models import ModerationRecord
from ..services.sources import open_file, read_content

if TYPE_CHECKING:
    from django.utils.functional import _StrOrPromise

logger = logging.getLogger("django_imgmod")

MAX_BYTES: Final = 20 * 1024 * 1024
# Of what is passed on and not decoded here.
MAX_ORIGINAL_BYTES: Final = 100 * 1024 * 1024
# Neither white nor black: what is drawn on transparency in one of them must not vanish.
BACKGROUND: Final = "grey"
# As many characters as fit beside each other on a placeholder, and as many lines.
LINE_LENGTH: Final = 23
MAX_LINES: Final = 4

_UNREADABLE: Final = _("The file cannot be read")
_REASONS: Final[Mapping[str, _StrOrPromise]] = {
    ErrorCode.DAMAGED: _("Damaged picture"),
    ErrorCode.NOT_AN_IMAGE: _("Not a picture"),
    ErrorCode.TOO_LARGE: _("Too large to show"),
}
_REASONS_OF_FRAME: Final = {**_REASONS, ErrorCode.DAMAGED: _("This frame is missing or damaged")}

HEADERS: Final = {
    "Cache-Control": "no-store",
    "Content-Disposition": "inline",
    "Content-Security-Policy": "default-src 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}
_ORIGINAL_HEADERS: Final = {name: value for name, value in HEADERS.items() if name != "Content-Disposition"} | {
    "Content-Security-Policy": "default-src 'none'; sandbox"
}

# How an original is declared, and the ending under which it is saved, by what its header says that it is.
_TYPES: Final = {
    "BMP": ("image/bmp", "bmp"),
    "GIF": ("image/gif", "gif"),
    "ICO": ("image/x-icon", "ico"),
    "JPEG": ("image/jpeg", "jpg"),
    "MPO": ("image/jpeg", "jpg"),
    "PNG": ("image/png", "png"),
    "TIFF": ("image/tiff", "tif"),
    "WEBP": ("image/webp", "webp"),
}
_UNKNOWN_TYPE: Final = ("application/octet-stream", "bin")


@dataclass(frozen=True, kw_only=True, slots=True)
class Shape:
    """What a preview looks like."""

    side: int
    """The longest, in pixels."""

    quality: int = 80
    is_grey: bool = False


SMALL: Final = Shape(side=320)
LARGE: Final = Shape(side=1600)
# So small that nothing is recognised, but enough for light and dark.
VEILED: Final = Shape(side=24, quality=50, is_grey=True)


def preview_response(record: ModerationRecord, shape: Shape = SMALL, *, frame: int = 0) -> HttpResponseBase:
    """
    Return a record's picture, or one frame of it, as a JPEG.

    Where there is none to show: a ``placeholder`` that says why.
    """

    def respond() -> HttpResponse:
        content = read_content(record, max_bytes=MAX_BYTES)
        preview = make_preview(content, file_name=record.file_name, shape=shape, frame=frame)
        return HttpResponse(preview, content_type="image/jpeg", headers=HEADERS)

    return _unless_unavailable(record, respond, _REASONS_OF_FRAME if frame else _REASONS)


def original_response(record: ModerationRecord) -> HttpResponseBase:
    """
    Return a record's file as it is stored, in pieces, to be saved or drawn and never opened as a page.

    Its type is that of the format that was found when it was judged, whatever it is called: the name that it came with
    is not passed on either, for people open what they save. Where there is nothing to return: a ``placeholder``.
    """

    def respond() -> FileResponse:
        content_type, ending = _TYPES.get(record.image_format, _UNKNOWN_TYPE)
        return FileResponse(
            open_file(record, max_bytes=MAX_ORIGINAL_BYTES),
            as_attachment=True,
            filename=f"{record.public_id}.{ending}",
            content_type=content_type,
            headers=_ORIGINAL_HEADERS,
        )

    return _unless_unavailable(record, respond, _REASONS)


def make_preview(content: bytes, *, file_name: str, shape: Shape = SMALL, frame: int = 0) -> bytes:
    """
    Return a picture, or one frame of it, as JPEG, upright, in the given shape, without metadata.

    Raises ``ProviderRefused`` for what is no picture, is damaged or too large, or has no such frame.
    """
    image = decode_to_fit(
        content, file_name=file_name, side=shape.side, frame=frame, formats=MORE_FORMATS, background=BACKGROUND
    )
    output = io.BytesIO()
    (image.convert("L") if shape.is_grey else image).save(output, "JPEG", quality=shape.quality, exif=b"")
    return output.getvalue()


def placeholder(reason: _StrOrPromise, *, status: int = 404) -> HttpResponse:
    """
    Return a drawing of the reason why there is no picture.

    Browsers draw the body of an error in an ``<img>``, so the moderator reads the reason in place, and scripts still
    see that there is no picture.
    """
    lines = textwrap.wrap(str(reason), LINE_LENGTH, max_lines=MAX_LINES, placeholder="…")
    top = 109 - 16 * (len(lines) - 1)
    drawing = format_html(
        '<svg xmlns="http://www.w3.org/2000/svg" width="320" height="200" viewBox="0 0 320 200" role="img">'
        '<rect x="1" y="1" width="318" height="198" fill="#f0f0f0" stroke="#767676" stroke-width="2"'
        ' stroke-dasharray="8 6"/>'
        '<text text-anchor="middle" font-family="sans-serif" font-size="26" fill="#4d4d4d">{lines}</text></svg>',
        lines=format_html_join(
            "", '<tspan x="160" y="{}">{}</tspan>', ((top + 32 * number, line) for number, line in enumerate(lines))
        ),
    )
    return HttpResponse(drawing, content_type="image/svg+xml", status=status, headers=HEADERS)


def _unless_unavailable(
    record: ModerationRecord, respond: Callable[[], HttpResponseBase], reasons: Mapping[str, _StrOrPromise]
) -> HttpResponseBase:
    try:
        return respond()
    except FileNotFoundError:
        return placeholder(_("The file is missing"))
    except ProviderError as error:
        logger.info("preview=unavailable record=%s message=%r", record.public_id, str(error))
        return placeholder(reasons.get(error.code, _UNREADABLE))
    except ImgmodConfigurationError as error:
        logger.warning("preview=unavailable record=%s message=%r", record.public_id, str(error))
        return placeholder(_UNREADABLE)
