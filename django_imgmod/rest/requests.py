"""What moderators send."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from rest_framework import serializers

from ..choices import Outcome
from ..conf import imgmod_settings
from ..services.review.acting import MAX_RECORDS, MAX_WORDS
from ..services.review.batches import Seen
from .strict import IdField, NumberField, StrictSerializer, TextField, WordField

MAX_VERSION: Final = 2**31 - 1


def outcomes() -> Iterable[str]:
    return (Outcome.PASS, Outcome.BLOCK)


def reason_codes() -> Iterable[str]:
    return (reason.code for reason in imgmod_settings.review.reasons)


class EscalateSerializer(StrictSerializer):
    """The handing on of one record, as it was seen."""

    version = NumberField(min_value=0, max_value=MAX_VERSION, help_text="Of the record as it was shown.")
    comment = TextField(required=False, allow_blank=True, default="", max_length=MAX_WORDS)


class AnswerSerializer(StrictSerializer):
    """An outcome, and why. A pass has no reason, and drops it."""

    outcome = WordField(outcomes, name="DecidedOutcome")
    reason_code = WordField(reason_codes, name="ReasonCode", required=False)
    comment = TextField(required=False, allow_blank=True, default="", max_length=MAX_WORDS)


class DecideSerializer(AnswerSerializer):
    """A decision about one record, as it was seen."""

    version = NumberField(min_value=0, max_value=MAX_VERSION, help_text="Of the record as it was shown.")


class SeenRequestSerializer(StrictSerializer):
    """A record as it was shown."""

    public_id = IdField()
    version = NumberField(min_value=0, max_value=MAX_VERSION)

    def to_internal_value(self, data: object) -> Seen:
        return Seen(**super().to_internal_value(data))


class DecideManySerializer(AnswerSerializer):
    """A decision about many records."""

    records = SeenRequestSerializer(many=True, allow_empty=False, max_length=MAX_RECORDS)  # type: ignore[call-arg]


class ClaimRequestSerializer(StrictSerializer):
    """Which card, if a certain one: a claim of one's own is renewed. Or behind which the next one is looked for."""

    public_id = IdField(required=False, help_text="The record of that card; then nothing else counts.")
    after = IdField(required=False, help_text="The record that was skipped.")


class ReleaseSerializer(StrictSerializer):
    """Which claims are given back; without any, all of them."""

    public_ids = serializers.ListField(child=IdField(), required=False, min_length=1, max_length=MAX_RECORDS)


class NothingSerializer(StrictSerializer):
    """Nothing needs to be sent."""
