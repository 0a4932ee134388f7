"""What a verdict, an earlier one of the same bytes, or the lack of one does to a record."""

from __future__ import annotations

import json
import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from decimal import Decimal
from typing import Any, Final

from django.db import OperationalError, transaction
from django.db.models import F
from django.utils import timezone

from ..choices import Outcome, RiskLevel, Status
from ..conf import imgmod_settings
from ..exceptions import ImgmodConfigurationError, RecordConflict
from ..models import LABEL_LENGTH, DetectedLabel, ModerationRecord
from ..policy import Policy, Ruling
from ..results import MAX_REGIONS, Detection, Region, Verdict
from ..signals import verdict_received
from .announcements import announce, announce_status
from .deadlocks import is_repeatable
from .storable import storable
from .transitions import change_status
from .twins import wake_twins

logger = logging.getLogger("django_imgmod")

MAX_RAW_CHARACTERS: Final = 64 * 1024

STATUS_OF_OUTCOME: Final = {
    Outcome.PASS: Status.PASSED,
    Outcome.REVIEW: Status.IN_REVIEW,
    Outcome.BLOCK: Status.BLOCKED,
}


def apply_verdict(record: ModerationRecord, verdict: Verdict, *, ruling: Ruling | None = None, **changes: Any) -> bool:
    """
    Settle a record by a verdict; return whether it was moved.

    The policy decides, unless ``ruling`` already says what to do. ``changes`` are further columns to write. A record
    that is no longer waiting for a verdict, because it was superseded or settled meanwhile, keeps its status: the
    verdict is kept as evidence, and only where there was none.

    Sends ``verdict_received`` and the signal of the new status after the commit.
    """
    columns = {**_columns(verdict), **changes}
    while record.is_open:
        try:
            placed = _placed(verdict, _judged_size(record, changes))
            _settle(record, placed, ruling or policy_of(record).judge(verdict), columns)
        except (RecordConflict, OperationalError) as error:
            if not isinstance(error, RecordConflict) and not is_repeatable(error, using=str(record._state.db)):
                raise
            # As likely as not it was only accepted by its provider meanwhile, and waits for this very verdict.
            if not _reread(record):
                return False
        else:
            return True
    keep_as_evidence(record, _placed(verdict, _judged_size(record, changes)), columns)
    return False


def _settle(record: ModerationRecord, verdict: Verdict, ruling: Ruling, columns: Mapping[str, Any]) -> None:
    no_error = {"error_code": "", "error_message": ""}
    labels = _labels(record, verdict)
    # One statement needs no transaction of its own.
    with transaction.atomic(using=record._state.db) if labels else nullcontext():
        change_status(record, STATUS_OF_OUTCOME[ruling.outcome], **columns, **no_error, reason=ruling.reason)
        _insert(labels, record)
        announce(verdict_received, record, verdict=verdict)
        _announce_outcome(record)


def _reread(record: ModerationRecord) -> bool:
    """Bring a record up to date; return False where its row is gone."""
    try:
        record.refresh_from_db()
    except ModerationRecord.DoesNotExist:
        return False
    return True


def apply_ruling(record: ModerationRecord, ruling: Ruling, **changes: Any) -> None:
    """Settle a record by an outcome for which there is no verdict. Raises ``RecordConflict`` as ``change_status``."""
    with transaction.atomic(using=record._state.db):
        change_status(record, STATUS_OF_OUTCOME[ruling.outcome], **changes, reason=ruling.reason)
        _announce_outcome(record)


def keep_as_evidence(record: ModerationRecord, verdict: Verdict, columns: Mapping[str, Any]) -> None:
    """
    Write a verdict that came too late to a record that has none, without touching its status.

    Whoever decides by what they saw before is told: it counts as a change of the record.
    """
    rows = ModerationRecord.objects.using(record._state.db).filter(pk=record.pk, verdict_at__isnull=True)
    # Half of it would be a verdict without labels, and the same bytes would be judged by that.
    with transaction.atomic(using=record._state.db):
        if rows.update(version=F("version") + 1, **storable(columns)):
            _insert(_labels(record, verdict), record)
    logger.info("verdict=late record=%s risk_level=%s", record.public_id, verdict.risk_level)


def was_settled_by(record: ModerationRecord, verdict: Verdict) -> bool:
    """Return whether a verdict says what the one said that settled a record: the same level, and the same labels."""
    settled_at, verdict_at = record.settled_at, record.verdict_at
    if verdict_at is None or record.error_code or (settled_at is not None and settled_at < verdict_at):
        # There is none, or it came when the record was settled, and is no more than evidence.
        return False
    if (record.risk_level, record.evaluated) != (verdict.risk_level, list(verdict.evaluated)):
        return False
    given = [tuple(getattr(row, name) for name in _OF_LABEL) for row in _labels(record, verdict)]
    return Counter(record.detected_labels.values_list(*_OF_LABEL)) == Counter(given)


def give_up(record: ModerationRecord, *, error_code: str, error_message: str) -> None:
    """
    End a record that cannot be judged in its policy's ``on_error`` outcome, which is never ``pass``.

    Raises ``RecordConflict`` where the record changed meanwhile.
    """
    ruling = Ruling(policy_of(record).on_error, f"could not be judged: {error_message}")
    apply_ruling(record, ruling, error_code=error_code, error_message=error_message)


def policy_of(record: ModerationRecord) -> Policy:
    """Return the record's policy. One that the settings no longer have, or no longer have right, passes nothing."""
    try:
        return imgmod_settings.policy(record.policy)
    except ImgmodConfigurationError:
        logger.exception("policy=%s record=%s", record.policy, record.public_id)
        everything_to_review = dict.fromkeys(RiskLevel, Outcome.REVIEW)
        return Policy(name=record.policy, risk=everything_to_review)


def verdict_of(record: ModerationRecord) -> Verdict:
    """Return the verdict that a record was settled by, as its provider gave it."""
    return Verdict(
        risk_level=RiskLevel(record.risk_level),
        detections=tuple(
            Detection(
                label=row.label,
                confidence=None if row.confidence is None else float(row.confidence),
                description=row.description,
                risk_level=RiskLevel(row.risk_level) if row.risk_level else None,
                source=row.source,
                frame_index=row.frame_index,
                regions=tuple(Region(*region) for region in row.regions or ()),
            )
            for row in record.detected_labels.order_by("pk")
        ),
        evaluated=tuple(record.evaluated),
        raw=record.raw,
    )


def bounded(raw: Any) -> Any:
    """Return JSON values as they are, or the beginning of their text where they are too long to keep."""
    text = json.dumps(storable(raw), default=str)
    if len(text) <= MAX_RAW_CHARACTERS:
        return json.loads(text)
    return {"truncated": text[:MAX_RAW_CHARACTERS], "character_count": len(text)}


def _announce_outcome(record: ModerationRecord) -> None:
    announce_status(record)
    if record.sha256:
        transaction.on_commit(lambda: wake_twins(record), using=record._state.db, robust=True)


def _judged_size(record: ModerationRecord, changes: Mapping[str, Any]) -> tuple[int, int] | None:
    """Return the width and height of what the provider was given; None where they are not known."""
    width, height = (changes.get(name, getattr(record, name)) for name in ("judged_width", "judged_height"))
    return (width, height) if width and height else None


def _placed(verdict: Verdict, size: tuple[int, int] | None) -> Verdict:
    """Return a verdict that says as parts of the whole where something was seen; nowhere, where nobody can tell."""
    if not any(detection.pixel_regions for detection in verdict.detections):
        return verdict
    return replace(verdict, detections=tuple(_placed_detection(each, size) for each in verdict.detections))


def _placed_detection(detection: Detection, size: tuple[int, int] | None) -> Detection:
    found = [region.within(size) for region in detection.pixel_regions] if size else []
    regions = (*detection.regions, *(region for region in found if region))
    return replace(detection, regions=regions, pixel_regions=())


def _columns(verdict: Verdict) -> dict[str, Any]:
    top = max(verdict.detections, key=lambda detection: _weight(detection, verdict), default=None)
    return {
        "risk_level": verdict.risk_level,
        "top_label": top.label[:LABEL_LENGTH] if top else "",
        "top_confidence": _decimal(top.confidence) if top else None,
        "evaluated": list(verdict.evaluated),
        "raw": bounded(verdict.raw),
        "verdict_at": timezone.now(),
    }


def _weight(detection: Detection, verdict: Verdict) -> tuple[int, float]:
    """The gravest first, then the surest; what has no confidence counts as sure."""
    level = verdict.risk_level if detection.risk_level is None else detection.risk_level
    return level.gravity, 100.0 if detection.confidence is None else detection.confidence


def _decimal(confidence: float | None) -> Decimal | None:
    return None if confidence is None else Decimal(f"{confidence:.2f}")


# What a label says. Its description is for people.
_OF_LABEL: Final = ("label", "confidence", "risk_level", "frame_index", "source")


def _insert(labels: Sequence[DetectedLabel], record: ModerationRecord) -> None:
    if labels:
        DetectedLabel.objects.using(record._state.db).bulk_create(labels)


def _labels(record: ModerationRecord, verdict: Verdict) -> list[DetectedLabel]:
    return [
        DetectedLabel(
            record=record,
            label=storable(detection.label)[:LABEL_LENGTH],
            confidence=_decimal(detection.confidence),
            description=storable(detection.description)[:255],
            risk_level=detection.risk_level or "",
            frame_index=detection.frame_index,
            source=storable(detection.source)[:50],
            regions=[[round(each, 4) for each in region] for region in detection.regions[:MAX_REGIONS]] or None,
        )
        for detection in verdict.detections
    ]
