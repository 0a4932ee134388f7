"""The pictures of the review desk, under addresses that serve one person, for ten minutes or while they hold them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta
from enum import StrEnum
from functools import partial
from typing import Any, Final
from uuid import UUID

from django.contrib.admin import AdminSite
from django.core import signing
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.urls import reverse
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_safe

from ...choices import Status
from ...models import ModerationRecord
from ...services.review.claims import held, is_open_to
from ...services.review.lanes import may_decide, may_review
from ..previews import LARGE, SMALL, VEILED, original_response, placeholder, preview_response
from .pages import database, reviewers_only

SALT: Final = "django_imgmod.admin.review.media"
# Where a token goes in an address, as nothing else is called there.
_PLACE: Final = "-00-"
MAX_AGE: Final = timedelta(minutes=10)


class Size(StrEnum):
    """In which shape a picture is sent."""

    VEILED = "veiled"
    """Grey, no side longer than 24 pixels: nothing can be recognised, whatever the browser does."""

    SMALL = "small"
    """No side longer than 320 pixels."""

    LARGE = "large"
    """No side longer than 1,600 pixels."""

    ORIGINAL = "original"
    """The stored bytes, metadata included; an animation plays."""


_PREVIEWS: Final[Mapping[Size, Callable[..., HttpResponseBase]]] = {
    Size.VEILED: partial(preview_response, shape=VEILED),
    Size.SMALL: partial(preview_response, shape=SMALL),
    Size.LARGE: partial(preview_response, shape=LARGE),
}


def media_url(
    record: ModerationRecord,
    user: Any,
    *,
    size: str = Size.SMALL,
    frame: int | None = None,
    current_app: str | None = None,
) -> str:
    """
    Return where ``user``, and nobody else, sees a record's picture; no query.

    For the next ten minutes, and for as long as the user holds the record.

    ``size`` is "veiled", "small", "large" or "original". Only the last one moves: of an animation the others show
    the first frame, or that of number ``frame``, from 0.

    "veiled" is what to put on the page at rest: 24 grey pixels, drawn large by CSS, in place of a picture that CSS
    hides, so that there is nothing to see before the style arrives or without it. Revealing changes ``src`` to the
    "small" address, which is best loaded ahead. "original" may be the ``src`` of an ``<img>`` too; as a link it is
    saved to a file and never opened in the browser.

    Whatever cannot be shown is a drawing that says why, with status 404 or 403. ``current_app`` is the name of the
    admin site, where there are several. Raises ``ValueError`` for a size that does not exist.
    """
    return MediaUrls(user, current_app=current_app).of(record.public_id, size=size, frame=frame)


class MediaUrls:
    """The addresses of a user's pictures, as ``media_url`` gives one: for pages that show many."""

    def __init__(self, user: Any, *, current_app: str | None = None) -> None:
        self._key = str(user.pk)
        # To look for the pattern takes longer than to sign.
        address = reverse("admin:django_imgmod_moderationrecord_review_media", args=[_PLACE], current_app=current_app)
        self._head, _, self._tail = address.rpartition(_PLACE)

    def of(self, public_id: UUID, *, size: str = Size.SMALL, frame: int | None = None) -> str:
        token = signing.dumps([str(public_id), Size(size), frame or 0, self._key], salt=SALT)
        return f"{self._head}{token}{self._tail}"


def renewed_urls(tokens: Iterable[str], user: Any, *, current_app: str | None = None) -> dict[str, str]:
    """
    Return fresh addresses of a user's pictures, by the tokens of old ones, however old.

    Left out is what does not wait any more, what somebody else holds, what they may not decide about, and what was
    never signed for them: so nobody gets an address that loading a page anew would not give them.
    """
    named: dict[str, tuple[UUID, Size, int]] = {}
    for token in tokens:
        try:
            public_id, size, frame, _is_old = _read(token, user)
        except (signing.BadSignature, ValueError, TypeError):
            continue
        named[token] = public_id, size, frame
    wanted = {public_id for public_id, _size, _frame in named.values()}
    rows = ModerationRecord.objects.using(database()).filter(public_id__in=wanted, status=Status.IN_REVIEW)
    records = rows.filter(is_open_to(user)).only("public_id", "lane", "uploaded_by")
    open_to_them = {record.public_id for record in records if may_decide(user, record) is None}
    urls = MediaUrls(user, current_app=current_app)
    return {
        token: urls.of(public_id, size=size, frame=frame)
        for token, (public_id, size, frame) in named.items()
        if public_id in open_to_them
    }


@require_safe
@reviewers_only
def media_view(request: HttpRequest, *, token: str, site: AdminSite) -> HttpResponseBase:
    """
    Answer with the picture that a token stands for, to the person it was made for.

    They must still be allowed to review in the lane in which the record is now. What is refused is a drawing that says
    why; whether a record exists is told to nobody else.
    """
    try:
        public_id, size, frame, is_old = _read(token, request.user)
    except (signing.BadSignature, ValueError, TypeError):
        return placeholder(_("The link is not valid"))
    if is_old and not held(request.user, using=database()).filter(public_id=public_id).exists():
        return placeholder(_("The link has expired: reload the page"))
    records = ModerationRecord.objects.using(database()).select_related("content_type").defer("raw")
    record = records.filter(public_id=public_id).first()
    if record is None:
        return placeholder(_("The record is gone"))
    if not may_review(request.user, record.lane):
        return placeholder(_("No longer in a queue of yours"), status=403)
    return original_response(record) if size == Size.ORIGINAL else _PREVIEWS[size](record, frame=frame)


def _read(token: str, user: Any) -> tuple[UUID, Size, int, bool]:
    """Return what a token of this user names, and whether its time is over."""
    try:
        named, is_old = signing.loads(token, salt=SALT, max_age=MAX_AGE), False
    except signing.SignatureExpired:
        named, is_old = signing.loads(token, salt=SALT), True
    public_id, size, frame, user_id = named
    if user_id != str(user.pk):
        raise signing.BadSignature("The token was made for somebody else.")
    return UUID(public_id), Size(size), int(frame), is_old
