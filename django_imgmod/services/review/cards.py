"""All that a card of the review desk tells, in a fixed number of statements."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from django.contrib.auth import get_user_model
from django.db import router
from django.db.models import F

from ...choices import UNDECIDED, Lane, Status
from ...models import Appeal, Decision, DetectedLabel, ModerationRecord, RiskOrder
from .claims import claim_next, claim_one, claim_these, claimed_by, is_free
from .hashes import ensure_hash, hash_first
from .likeness import Resemblance, resembling, similar_among, similar_keys
from .queue import Position, QueueFilter, waiting

logger = logging.getLogger("django_imgmod")

# Nobody reads more labels, and no more of somebody's earlier pictures are counted.
MAX_LABELS: Final = 100
MAX_COUNT: Final = 1000
MAX_TEXT: Final = 200


@dataclass(frozen=True, slots=True)
class Uploader:
    """Who uploaded a picture, and what became of their other ones; none of these is counted beyond ``MAX_COUNT``."""

    user_id: Any
    name: str
    """Empty where the user is gone."""

    passed_count: int
    blocked_count: int
    waiting_count: int

    @property
    def is_new(self) -> bool:
        """Whether nothing of theirs was ever decided, by a person or by a policy."""
        return not self.passed_count and not self.blocked_count


@dataclass(frozen=True, slots=True)
class Card:
    """One picture with all that is decided together with it, and what there is to know before looking."""

    record: ModerationRecord
    members: tuple[ModerationRecord, ...]
    """What is decided with it: itself first, then the same bytes, then the nearest."""

    labels: tuple[DetectedLabel, ...]
    """Of the record; the gravest first."""

    uploader: Uploader | None
    """None where it is not known."""

    resembling: tuple[Resemblance, ...] = field(default=())
    appeal: Appeal | None = None
    last_decision: Decision | None = None
    object_text: str = ""
    """What the object calls itself; empty where it is gone."""

    @property
    def position(self) -> Position:
        return Position.of(self.record)

    @property
    def uploader_count(self) -> int:
        """How many people uploaded the members, as far as they are known."""
        return len({member.uploaded_by_id for member in self.members} - {None})


def claim_card(
    user: Any, wanted: QueueFilter, *, after: Position | None = None, but: Collection[int] = (), using: str
) -> Card | None:
    """
    Claim the next record with what resembles it, and return its card; None where nothing waits that is free.

    The keys in ``but`` are passed over. Beyond a position, what resembles the record that stands there is passed over,
    too: it was on one card with it.
    """
    beside = [] if after is None else _resembling_at(after, user, using)
    record = claim_next(user, wanted, after=after, but=[*but, *beside], using=using)
    return None if record is None else card_of(record, user=user, similar=_claim_similar(user, record))


def _resembling_at(position: Position, user: Any, using: str) -> list[int]:
    rows = ModerationRecord.objects.using(using).filter(pk=position.id, status=Status.IN_REVIEW)
    record = rows.defer("raw").first()
    if record is None or not _is_grouped(record):
        return []
    return similar_keys(record, waiting(QueueFilter(lane=Lane(record.lane)), user=user, using=using))


def claim_named(user: Any, public_id: uuid.UUID, *, using: str) -> Card | None:
    """
    Claim a record, or renew the user's own claim, with what resembles it, and return its card.

    None where it does not wait any more, somebody else holds it, or the user may not decide about it.
    """
    record = claim_one(user, public_id, using=using)
    if record is None:
        return None
    _claim_similar(user, record)
    return card_of(record, user=user)


def _claim_similar(user: Any, record: ModerationRecord) -> list[ModerationRecord]:
    """Claim what is decided with a record and is free; return it, the nearest first."""
    using = str(record._state.db)
    ensure_hash(record)
    if not _is_grouped(record):
        return []
    free = waiting(QueueFilter(lane=Lane(record.lane)), user=user, using=using).filter(is_free())
    hash_first(free)
    keys = similar_keys(record, free)
    claimed = claim_these(user, keys, using=using)
    return [claimed[key] for key in keys if key in claimed]


def _is_grouped(record: ModerationRecord) -> bool:
    """Whether others are decided with a record: what people said of one, appealing or handing it on, is of it alone."""
    return record.lane == Lane.FIRST


def card_of(record: ModerationRecord, *, user: Any, similar: Sequence[ModerationRecord] | None = None) -> Card:
    """
    Return the card of a record.

    ``similar`` is what is decided with it; by default, in the first lane, what resembles it of all that the user holds.
    """
    using = str(record._state.db)
    if similar is None:
        similar = similar_among(record, claimed_by(user, using=using)) if _is_grouped(record) else ()
    members = (record, *similar)
    return Card(
        record=record,
        members=members,
        labels=tuple(_labels(record)),
        uploader=_uploader(record, members),
        resembling=tuple(resembling(record, user=user, using=using)),
        appeal=_appeal(record),
        last_decision=_last_decision(record),
        object_text=_object_text(record),
    )


def _labels(record: ModerationRecord) -> Iterable[DetectedLabel]:
    labels = DetectedLabel.objects.using(record._state.db).filter(record=record)
    return labels.order_by(RiskOrder("risk_level"), F("confidence").desc(nulls_first=True), "id")[:MAX_LABELS]


def _uploader(record: ModerationRecord, members: Sequence[ModerationRecord]) -> Uploader | None:
    user_id = record.uploaded_by_id
    if user_id is None:
        return None
    users = get_user_model()._base_manager.using(router.db_for_read(get_user_model(), instance=record))
    user = users.filter(pk=user_id).first()
    others = ModerationRecord.objects.using(record._state.db).filter(uploaded_by=user_id)
    others = others.exclude(pk__in=[member.pk for member in members])

    def count(*statuses: Status) -> int:
        return others.filter(status__in=statuses)[:MAX_COUNT].count()

    return Uploader(
        user_id=user_id,
        name="" if user is None else user.get_username(),
        passed_count=count(Status.PASSED),
        blocked_count=count(Status.BLOCKED),
        waiting_count=count(*UNDECIDED, Status.IN_REVIEW),
    )


def _appeal(record: ModerationRecord) -> Appeal | None:
    appeals = Appeal.objects.using(record._state.db).filter(record=record)
    return appeals.select_related("decision__decided_by", "appealed_by").first()


def _last_decision(record: ModerationRecord) -> Decision | None:
    decisions = Decision.objects.using(record._state.db).filter(record=record)
    return decisions.select_related("decided_by").order_by("-pk").first()


def _object_text(record: ModerationRecord) -> str:
    model = record.content_type.model_class()
    if model is None:
        return ""
    try:
        found = (
            model._base_manager.using(router.db_for_read(model, instance=record)).filter(pk=record.object_id).first()
        )
        return "" if found is None else str(found)[:MAX_TEXT]
    except Exception:
        # The site's own code, or a key that is none any more: the picture can be decided about all the same.
        logger.exception("card=nameless record=%s", record.public_id)
        return ""
