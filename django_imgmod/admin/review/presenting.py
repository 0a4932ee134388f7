"""A card in words, for its template. Everything in it is untrusted text, to be escaped there."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.contrib.admin import AdminSite
from django.http import HttpRequest
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from ...choices import Lane, Outcome
from ...conf import imgmod_settings
from ...models import Appeal, Decision, DetectedLabel, ModerationRecord
from ...reviewing import Protection, Reason
from ...services.review.batches import DoneBatch, last_decisions
from ...services.review.cards import Card, Uploader
from ...services.review.likeness import Resemblance
from ...services.review.preferences import Preferences, preferences_of, veil_for
from ..columns import dimensions_of
from ..links import change_url, object_url
from .media import Size, media_url
from .pages import database

_DONE: Any = {
    Outcome.PASS: gettext_lazy("Passed"),
    Outcome.BLOCK: gettext_lazy("Blocked"),
    Outcome.REVIEW: gettext_lazy("Escalated"),
}


@dataclass(frozen=True, slots=True)
class Sight:
    """One picture of a card, or one frame of it, in the sizes in which it can be asked for."""

    small: str
    large: str
    veiled: str = ""
    number: int = 0
    """Of a frame, from 1; 0 for the picture as a whole."""

    labels: str = ""


@dataclass(frozen=True, slots=True)
class Mark:
    """A part of the picture in which a label was seen; in pixels of the stored picture, upright."""

    left: int
    top: int
    width: int
    height: int
    frame: int
    """From 1; 0 for the picture as a whole."""


@dataclass(frozen=True, slots=True)
class Likeness:
    """A picture that the moderator decided about before, and how near it is."""

    resemblance: Resemblance
    url: str

    @property
    def file_name(self) -> str:
        return short_name(self.resemblance.record.file_name)

    @property
    def text(self) -> str:
        if not self.resemblance.distance:
            return _("the same picture")
        return _("%(distance)s of 256 bits differ") % {"distance": self.resemblance.distance}


@dataclass(frozen=True, slots=True)
class Done:
    """What the moderator decided by one key."""

    batch: DoneBatch

    @property
    def file_name(self) -> str:
        return short_name(self.batch.file_name)

    @property
    def more_count(self) -> int:
        return self.batch.count - 1

    @property
    def words(self) -> str:
        return str(_DONE[self.batch.outcome])


@dataclass(frozen=True, slots=True)
class CardPage:
    """What the template of a card needs."""

    card: Card
    number: int
    total: int | None
    """How many there are in all; None where a filter leaves some out."""

    record_url: str
    object_url: str
    sight: Sight
    original: str
    frames: Sequence[Sight]
    marks: Sequence[Mark]
    veil: Protection
    preferences: Preferences
    likenesses: Sequence[Likeness]
    reasons: Sequence[Reason]
    shown: str = ""
    """``grey`` or ``colour`` where the picture was asked for without a script."""

    draft: Mapping[str, Any] = field(default_factory=dict)
    """What was answered already, and refused."""

    @property
    def record(self) -> ModerationRecord:
        return self.card.record

    @property
    def file_name(self) -> str:
        return short_name(self.record.file_name)

    @property
    def heading(self) -> str:
        if self.total is None or self.total < self.number:
            return _("Picture %(number)s") % {"number": self.number}
        return _("Picture %(number)s of %(total)s") % {"number": self.number, "total": self.total}

    @property
    def summary(self) -> str:
        """The gravest label and who uploaded it, in the fewest words."""
        return ", ".join([label_in_short(self.record, self.card.labels), _uploader_in_short(self.card.uploader)])

    @property
    def members_text(self) -> str:
        return uploads_in_words(self.card.members)

    @property
    def seen(self) -> str:
        return seen_in_words(self.card.members)

    @property
    def ids(self) -> str:
        return ids_in_words(self.card.members)

    @property
    def keys(self) -> str:
        return ".".join(str(member.pk) for member in self.card.members)

    @property
    def object_name(self) -> str:
        """What the object calls itself; its key where it is gone, or says nothing."""
        return self.card.object_text or self.record.object_id

    @property
    def uploader_text(self) -> str:
        return _uploader_in_full(self.card.uploader)

    @property
    def labels(self) -> Iterator[tuple[DetectedLabel, int]]:
        """Each label, with the number of its frame from 1, or 0."""
        return ((label, _frame_number(label)) for label in self.card.labels)

    @property
    def dimensions(self) -> str:
        return dimensions_of(self.record)

    @property
    def is_moving(self) -> bool:
        return (self.record.frame_count or 1) > 1

    @property
    def likeness_text(self) -> str:
        """``Looks like 3 that you blocked``, and passed."""
        told = []
        for outcome, words in (
            (Outcome.BLOCK, _("Looks like %(count)s that you blocked")),
            (Outcome.PASS, _("Looks like %(count)s that you passed")),
        ):
            count = sum(one.resemblance.decision.outcome == outcome for one in self.likenesses)
            if count:
                told.append(words % {"count": count})
        return ". ".join(told)

    @property
    def appeal(self) -> Appeal | None:
        appeal = self.card.appeal
        return appeal if appeal and appeal.resolution_id is None else None

    @property
    def waiting_since(self) -> datetime:
        return self.appeal.appealed_at if self.appeal else self.record.created_at

    @property
    def first_reason(self) -> str:
        """Why the image was blocked that is appealed for."""
        decision = self.appeal and self.appeal.decision
        if not decision or not decision.reason_code:
            return ""
        reason = imgmod_settings.review.reason(decision.reason_code)
        return str(reason.label) if reason else decision.reason_code

    @property
    def escalation(self) -> Decision | None:
        decision = self.card.last_decision
        is_escalated = self.record.lane == Lane.ESCALATED and decision and decision.outcome == Outcome.REVIEW
        return decision if is_escalated else None

    @property
    def pass_label(self) -> str:
        return _("Overturn") if self.appeal else _("Pass")

    @property
    def block_label(self) -> str:
        return _("Uphold") if self.appeal else _("Block")

    @property
    def may_escalate(self) -> bool:
        return self.record.lane != Lane.ESCALATED


def present(
    request: HttpRequest,
    site: AdminSite,
    card: Card,
    *,
    number: int,
    total: int | None,
    shown: str = "",
    draft: Mapping[str, Any] | None = None,
) -> CardPage:
    """Return a card as its template needs it."""
    record, preferences = card.record, preferences_of(request.user)
    frames = sorted({label.frame_index for label in card.labels if label.frame_index is not None})
    return CardPage(
        card=card,
        number=number,
        total=total,
        record_url=change_url(site, record),
        object_url=object_url(site, request, record),
        sight=_sight(request, site, card),
        original=media_url(record, request.user, size=Size.ORIGINAL, current_app=site.name),
        frames=[_sight(request, site, card, frame) for frame in frames],
        marks=list(_marks(card)),
        veil=veil_for(record, card.labels, preferences),
        preferences=preferences,
        likenesses=[Likeness(one, change_url(site, one.record)) for one in card.resembling],
        reasons=imgmod_settings.review.reasons,
        shown=shown,
        draft=draft or {},
    )


def uploads_in_words(members: Sequence[ModerationRecord]) -> str:
    """Return how many uploads are decided at once, and of how many people; empty where it is one."""
    if len(members) < 2:
        return ""
    uploads = ngettext("%(count)s upload", "%(count)s uploads", len(members)) % {"count": len(members)}
    people = len({member.uploaded_by_id for member in members} - {None})
    if not people:
        return uploads
    return f"{uploads}, " + ngettext("%(count)s person", "%(count)s people", people) % {"count": people}


def seen_in_words(records: Iterable[ModerationRecord]) -> str:
    """Return which records are shown in which version, as a form sends it."""
    return " ".join(f"{record.public_id}:{record.version}" for record in records)


def ids_in_words(records: Iterable[ModerationRecord]) -> str:
    """Return which records are shown, as a form sends it."""
    return " ".join(str(record.public_id) for record in records)


def last_done(user: Any) -> list[Done]:
    """Return what a user decided last, for the list of it."""
    return [Done(batch) for batch in last_decisions(user, using=database())]


def short_name(file_name: str) -> str:
    """Return the name of a file without its folders."""
    return posixpath.basename(file_name) or file_name


def _frame_number(label: DetectedLabel) -> int:
    return 0 if label.frame_index is None else label.frame_index + 1


def _marks(card: Card) -> Iterator[Mark]:
    """Yield where its labels were seen, as far as providers say; nothing of a picture whose size is not known."""
    across, down = card.record.width, card.record.height
    if across and down:
        for label in card.labels:
            for left, top, width, height in label.regions or ():
                yield Mark(
                    left=round(left * across),
                    top=round(top * down),
                    width=round(width * across),
                    height=round(height * down),
                    frame=_frame_number(label),
                )


def _sight(request: HttpRequest, site: AdminSite, card: Card, frame: int | None = None) -> Sight:
    def url(size: Size) -> str:
        return media_url(card.record, request.user, size=size, frame=frame, current_app=site.name)

    seen = (label for label in card.labels if frame is not None and label.frame_index == frame)
    return Sight(
        small=url(Size.SMALL),
        large=url(Size.LARGE),
        veiled=url(Size.VEILED),
        number=0 if frame is None else frame + 1,
        labels=", ".join(named(label.label, label.confidence) for label in seen),
    )


def named(label: str, confidence: Any) -> str:
    """Return a label with its confidence, in the fewest words."""
    return label if confidence is None else f"{label} {round(confidence)}"


def label_in_short(record: ModerationRecord, labels: Sequence[DetectedLabel]) -> str:
    """Return the gravest label, or why there is none."""
    if labels:
        return named(labels[0].label, labels[0].confidence)
    if record.top_label:
        return named(record.top_label, record.top_confidence)
    return _("nothing seen") if record.risk_level else _("not judged")


def _uploader_in_short(uploader: Uploader | None) -> str:
    if uploader is None:
        return _("uploader unknown")
    if uploader.is_new:
        return _("uploader new")
    if uploader.blocked_count:
        return _("uploader with %(count)s blocked") % {"count": uploader.blocked_count}
    return _("uploader with %(count)s passed") % {"count": uploader.passed_count}


def _uploader_in_full(uploader: Uploader | None) -> str:
    if uploader is None:
        return _("Unknown")
    name = uploader.name or _("An account that is gone")
    counts = (
        (_("%(count)s passed"), uploader.passed_count),
        (_("%(count)s blocked"), uploader.blocked_count),
        (_("%(count)s waiting"), uploader.waiting_count),
    )
    told = [words % {"count": count} for words, count in counts if count]
    if uploader.is_new:
        told.insert(0, _("new: nothing of theirs was decided yet"))
    return f"{name} ({', '.join(told)})"
