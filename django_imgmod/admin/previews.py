"""Small pictures for moderators, made anew for each look: nothing is written, nothing may be cached."""

from __future__ import annotations

import io
import logging
from typing import TYPE_CHECKING, Final

from django.http import HttpResponse
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _

from ..choices import ErrorCode
from ..decoding import MORE_FORMATS, decode
from ..exceptions import ImgmodConfigurationError, ProviderError
from ..models import ModerationRecord
from ..services.sources import read_source

if TYPE_CHECKING:
    from django.utils.functional import _StrOrPromise

logger = logging.getLogger("django_imgmod")

MAX_SIDE: Final = 320
MAX_BYTES: Final = 20 * 1024 * 1024
# Neither white nor black: what is drawn on transparency in one of them must not vanish.
BACKGROUND: Final = "grey"

_UNREADABLE: Final = _("The file cannot be read")
_REASONS: Final = {
    ErrorCode.DAMAGED: _("Damaged picture"),
    ErrorCode.NOT_AN_IMAGE: _("Not a picture"),
    ErrorCode.TOO_LARGE: _("Too large to show"),
}

HEADERS: Final = {
    "Cache-Control": "no-store",
    "Content-Disposition": "inline",
    "Content-Security-Policy": "default-src 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}


def preview_response(record: ModerationRecord) -> HttpResponse:
    """
    Return a record's picture as a small JPEG.

    Where there is none to show: status 404 with a placeholder that says why. Browsers draw the body of a 404 in an
    ``<img>``, so the moderator reads the reason in place and scripts still see that there is no picture.
    """
    try:
        source = read_source(record, max_bytes=MAX_BYTES)
        preview = make_preview(source.content, file_name=source.file_name)
    except FileNotFoundError:
        return _placeholder(_("The file is missing"))
    except ProviderError as error:
        logger.info("preview=unavailable record=%s message=%r", record.public_id, str(error))
        return _placeholder(_REASONS.get(error.code, _UNREADABLE))
    except ImgmodConfigurationError as error:
        logger.warning("preview=unavailable record=%s message=%r", record.public_id, str(error))
        return _placeholder(_UNREADABLE)
    return HttpResponse(preview, content_type="image/jpeg", headers=HEADERS)


def make_preview(content: bytes, *, file_name: str) -> bytes:
    """
    Return a picture as JPEG, upright, of its first frame, no side longer than ``MAX_SIDE``, without metadata.

    Raises ``ProviderRefused`` for what is no picture, is damaged or too large.
    """
    picture = decode(content, file_name=file_name, side=MAX_SIDE, formats=MORE_FORMATS, background=BACKGROUND)
    picture.image.thumbnail((MAX_SIDE, MAX_SIDE))
    output = io.BytesIO()
    picture.image.save(output, "JPEG", quality=80, exif=b"")
    return output.getvalue()


def _placeholder(reason: _StrOrPromise) -> HttpResponse:
    drawing = format_html(
        '<svg xmlns="http://www.w3.org/2000/svg" width="{side}" height="{height}" viewBox="0 0 320 200" role="img">'
        '<rect x="1" y="1" width="318" height="198" fill="#f0f0f0" stroke="#767676" stroke-width="2"'
        ' stroke-dasharray="8 6"/>'
        '<text x="160" y="109" text-anchor="middle" font-family="sans-serif" font-size="26" fill="#4d4d4d">{reason}'
        "</text></svg>",
        side=MAX_SIDE,
        height=200,
        reason=reason,
    )
    return HttpResponse(drawing, content_type="image/svg+xml", status=404, headers=HEADERS)
