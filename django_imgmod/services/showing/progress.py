"""What the editor of an image may know of it, in words: never who decided, nor what a moderator wrote."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Final

from django.utils import timezone
from django.utils.functional import Promise
from django.utils.timesince import timesince
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from ...choices import ErrorCode, Lane, Status
from ...conf import imgmod_settings
from ...models import ModerationRecord
from .records import History, history_of, is_record_visible
from .waits import expected_wait

# What is on its way, by status.
_HIDDEN: Final[Mapping[str, Promise]] = {
    Status.PENDING: _("Being checked, and not public yet."),
    Status.SUBMITTED: _("Being checked, and not public yet."),
    Status.IN_REVIEW: _("Held until somebody has looked at it, and not public yet."),
    Status.BLOCKED: _("Blocked. It is not shown to anybody."),
    Status.SUPERSEDED: _("Replaced or removed since."),
}
_UNRECORDED: Final = _("Not checked yet, and not public.")
_UNRECORDED_AND_SHOWN: Final = _("Public. It has not been checked.")
_PUBLIC: Final = _("Checked, and public.")
_PUBLIC_MEANWHILE: Final = _("Public, and still being checked.")
_APPEALED: Final = _("A second look was asked for. It is not public until somebody has decided.")

# What somebody who uploads can do something about, or at least understand.
_ERRORS: Final[Mapping[str, Promise]] = {
    ErrorCode.NOT_AN_IMAGE: _("The file is no picture of a kind that can be checked. Another one may be."),
    ErrorCode.DAMAGED: _("The file is damaged. Save the picture anew, and upload that."),
    ErrorCode.TOO_LARGE: _("The picture is too large to be checked. A smaller one may do."),
}
_NOT_CHECKED: Final = _("It could not be checked by itself.")
_BY_PERSON: Final = _("Somebody who looked at it decided so.")
_BY_CHECK: Final = _("The check found something that may not be shown.")
_UNSURE: Final = _("The check was not sure.")


@dataclass(frozen=True, kw_only=True, slots=True)
class Progress:
    """What becomes of an upload, as its editor may know it."""

    status: Status | None
    """None where nothing is recorded of it."""

    is_public: bool
    """Whether this very file is shown."""

    is_settled: bool
    """Whether nothing will change unless somebody does something: there is no need to ask again."""

    message: str
    """What it is, in one or two sentences."""

    reason: str = ""
    """Why, in one sentence; empty where there is nothing to say."""

    expected: str = ""
    """How long it usually takes, in a sentence; empty where too little is known."""

    may_appeal: bool = False
    """Whether there is anything to be gained by a second look; who may ask for it is not said."""

    labels: tuple[tuple[str, Decimal | None], ...] = ()
    """What was detected and how surely (0 to 100), the surest first, where the site lets editors see that."""


def progress_of(record: ModerationRecord | None, *, may_ask: bool = True) -> Progress:
    """
    Return what the editor of an image may know; None stands for "no record".

    No query for a record of ``find_records`` where ``may_ask`` is off. Else those of ``history_of`` and of
    ``expected_wait``, and one for labels where the site shows them.
    """
    is_public = is_record_visible(record)
    if record is None:
        message = str(_UNRECORDED_AND_SHOWN if is_public else _UNRECORDED)
        return Progress(status=None, is_public=is_public, is_settled=is_public, message=message)
    wait = None if is_public else expected_wait(record, may_ask=may_ask)
    is_held = not is_public and record.status in (Status.BLOCKED, Status.IN_REVIEW)
    history = history_of(record) if is_held else History(reason_code=None, is_appealed=False)
    return Progress(
        status=Status(record.status),
        is_public=is_public,
        is_settled=not record.is_open and record.status != Status.IN_REVIEW,
        message=_message(record, is_public=is_public),
        reason=_reason(record, history) if is_held else "",
        expected="" if wait is None else _in_words(wait),
        may_appeal=is_held and record.status == Status.BLOCKED and not history.is_appealed,
        labels=_labels(record),
    )


def _message(record: ModerationRecord, *, is_public: bool) -> str:
    if is_public:
        return str(_PUBLIC_MEANWHILE if record.is_open else _PUBLIC)
    if record.status == Status.IN_REVIEW and record.lane == Lane.APPEALED:
        return str(_APPEALED)
    return str(_HIDDEN[record.status])


def _reason(record: ModerationRecord, history: History) -> str:
    is_blocked = record.status == Status.BLOCKED
    if is_blocked and history.reason_code is not None:
        reason = imgmod_settings.review.reason(history.reason_code)
        return str(reason.label if reason else _BY_PERSON)
    if record.error_code:
        return str(_ERRORS.get(record.error_code, _NOT_CHECKED))
    if is_blocked:
        return str(_BY_CHECK)
    return "" if record.lane == Lane.APPEALED else str(_UNSURE)


def _in_words(wait: timedelta) -> str:
    if wait < timedelta(minutes=1):
        return gettext("That usually takes less than a minute.")
    now = timezone.now()
    return gettext("That usually takes %(time)s.") % {"time": timesince(now - wait, now, depth=1)}


def _labels(record: ModerationRecord) -> tuple[tuple[str, Decimal | None], ...]:
    if not imgmod_settings.editors.see_labels:
        return ()
    # One without a confidence counts as sure.
    detected = sorted(
        record.detected_labels.all(), key=lambda label: -(100 if label.confidence is None else label.confidence)
    )
    return tuple((label.description or label.label, label.confidence) for label in detected)
