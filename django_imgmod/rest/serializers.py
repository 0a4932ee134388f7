"""What is told of records and of what became of them. The provider's raw answer is not among it."""

from __future__ import annotations

from datetime import UTC
from decimal import Decimal
from typing import Any

from rest_framework import serializers

from ..choices import ErrorCode, Lane, Outcome, RiskLevel, Status
from ..models import Appeal, Decision, ModerationRecord
from ..services.review.acting import Receipt
from .strict import IdField, WordField


class ToldSerializer(serializers.Serializer[Any]):
    """What is told, and never read."""


class MomentField(serializers.DateTimeField):
    """A time as ISO 8601 has it, in UTC where the site keeps time zones."""

    def __init__(self, **options: Any) -> None:
        super().__init__(format="iso-8601", default_timezone=UTC, **options)


class ConfidenceField(serializers.FloatField):
    """0 to 100; null where the provider told none."""


class RecordSerializer(ToldSerializer):
    """One image in one watched field of one object, and what is known of it."""

    public_id = IdField()
    status = WordField(Status)
    lane = WordField(Lane, help_text="Which queue it waits in, while it is in review.")
    version = serializers.IntegerField(help_text="Counts every change. A decision names the version that was seen.")
    model = serializers.SerializerMethodField()
    object_id = serializers.CharField()
    field_name = serializers.CharField()  # type: ignore[assignment]
    file_name = serializers.CharField()
    is_current = serializers.BooleanField(help_text="False once the image was replaced, cleared or deleted.")
    is_shadow = serializers.BooleanField(help_text="Whether it shows whatever its status.")
    risk_level = WordField(RiskLevel, allow_null=True)
    top_label = serializers.CharField(allow_blank=True)
    top_confidence = ConfidenceField(allow_null=True)
    reason = serializers.CharField(allow_blank=True, help_text="Why the status is what it is.")
    provider = serializers.CharField()
    service = serializers.CharField(allow_blank=True)
    policy = serializers.CharField()
    error_code = WordField(ErrorCode, allow_null=True)
    image_format = serializers.CharField(allow_blank=True)
    width = serializers.IntegerField(allow_null=True)
    height = serializers.IntegerField(allow_null=True)
    byte_count = serializers.IntegerField(allow_null=True)
    frame_count = serializers.IntegerField(allow_null=True)
    sha256 = serializers.CharField(allow_blank=True)
    created_at = MomentField()
    submitted_at = MomentField(allow_null=True)
    verdict_at = MomentField(allow_null=True)
    settled_at = MomentField(allow_null=True)

    def get_model(self, record: ModerationRecord) -> str:
        """Return the model's label; of one that is not installed any more, what is known of it."""
        content_type = record.content_type
        model = content_type.model_class()
        return model._meta.label if model else f"{content_type.app_label}.{content_type.model}"


class LabelSerializer(ToldSerializer):
    """One label that a provider saw in the image."""

    label = serializers.CharField()  # type: ignore[assignment]
    confidence = ConfidenceField(allow_null=True)
    description = serializers.CharField(allow_blank=True)
    risk_level = WordField(RiskLevel, allow_null=True)
    frame_index = serializers.IntegerField(allow_null=True, help_text="From 0; null of a picture that does not move.")
    source = serializers.CharField(allow_blank=True)  # type: ignore[assignment]
    regions = serializers.ListField(
        child=serializers.ListField(child=serializers.FloatField(), min_length=4, max_length=4),
        allow_null=True,
        help_text="Where it was seen: left, top, width, height of each, as fractions of the upright picture. Null where"
        " the provider does not say.",
    )


class UploaderSerializer(ToldSerializer):
    """Who uploaded the image, and what became of their other ones; none of these is counted beyond 1,000."""

    name = serializers.CharField(allow_blank=True, help_text="Empty where the account is gone.")
    is_new = serializers.BooleanField(help_text="Whether nothing of theirs was ever decided.")
    passed_count = serializers.IntegerField()
    blocked_count = serializers.IntegerField()
    waiting_count = serializers.IntegerField()


class DecisionSerializer(ToldSerializer):
    """An outcome chosen by a person. ``review`` says that it was handed on, or back to the queue."""

    outcome = WordField(Outcome)
    reason_code = serializers.CharField(allow_blank=True)
    comment = serializers.CharField(allow_blank=True)
    decided_by = serializers.SerializerMethodField()
    decided_at = MomentField()
    batch = IdField(allow_null=True, help_text="What takes it back, together with all that was decided with it.")
    is_undo = serializers.SerializerMethodField()

    def get_decided_by(self, decision: Decision) -> str:
        """Return the name of who decided; empty where the account is gone."""
        return decision.decided_by.get_username() if decision.decided_by else ""

    def get_is_undo(self, decision: Decision) -> bool:
        """Return whether it takes back the one before it."""
        return decision.undoes_id is not None


class AppealSerializer(ToldSerializer):
    """The editor's wish for a second look. Passing the image overturns what was decided first, blocking upholds it."""

    text = serializers.CharField(allow_blank=True)
    appealed_at = MomentField()
    is_open = serializers.SerializerMethodField()

    def get_is_open(self, appeal: Appeal) -> bool:
        return appeal.resolution_id is None


class ResemblanceSerializer(ToldSerializer):
    """A picture that looks like this one and that the same moderator decided about before."""

    public_id = IdField(source="record.public_id")
    outcome = WordField(Outcome, source="decision.outcome")
    distance = serializers.IntegerField(help_text="Of 256 bits; 0 where it is the same picture.")


class SeenSerializer(ToldSerializer):
    """A record as it was shown to somebody."""

    public_id = IdField()
    version = serializers.IntegerField()


class CardSerializer(ToldSerializer):
    """A record with all that there is to know before deciding about it."""

    record = RecordSerializer()
    labels = LabelSerializer(many=True, help_text="The gravest first.")
    uploader = UploaderSerializer(allow_null=True, help_text="Null where it is not known.")
    object_text = serializers.CharField(allow_blank=True, help_text="What the object calls itself.")
    appeal = AppealSerializer(allow_null=True)
    decisions = DecisionSerializer(many=True, help_text="The newest first.")
    resembling = ResemblanceSerializer(many=True)
    refusal = serializers.CharField(
        allow_blank=True, help_text="Why this person may not decide about it, in words; empty where they may."
    )
    members = SeenSerializer(many=True, help_text="What is decided together with it: itself first.")


class PictureSerializer(ToldSerializer):
    """What may be shown of an image: itself, or what stands in its place."""

    url = serializers.CharField()
    width = serializers.IntegerField(allow_null=True, help_text="In pixels, upright; null where it is not known.")
    height = serializers.IntegerField(allow_null=True)
    is_placeholder = serializers.BooleanField()
    is_last_accepted = serializers.BooleanField(help_text="Whether it is the picture that was accepted before.")


class ImageSerializer(PictureSerializer):
    """What may be shown of an image, and what its editor may know of it."""

    status = WordField(Status, allow_null=True)
    message = serializers.CharField(help_text="What it is, in one or two sentences.")
    reason = serializers.CharField(allow_blank=True, help_text="Why, in one sentence.")
    status_url = serializers.CharField(allow_null=True, help_text="Where to ask again, without logging in.")


class DetectedSerializer(ToldSerializer):
    """What was detected, in words."""

    label = serializers.CharField()  # type: ignore[assignment]
    confidence = ConfidenceField(allow_null=True)

    def to_representation(self, detected: tuple[str, Decimal | None]) -> dict[str, Any]:
        return dict(super().to_representation(dict(zip(("label", "confidence"), detected, strict=True))))


class ProgressSerializer(ToldSerializer):
    """What becomes of an upload, as its editor may know it."""

    status = WordField(Status)
    is_public = serializers.BooleanField(help_text="Whether this very file is shown.")
    is_settled = serializers.BooleanField(help_text="Whether there is no need to ask again.")
    message = serializers.CharField(help_text="What it is, in one or two sentences.")
    reason = serializers.CharField(allow_blank=True, help_text="Why, in one sentence.")
    expected = serializers.CharField(allow_blank=True, help_text="How long it usually takes, in a sentence.")
    may_appeal = serializers.BooleanField(help_text="Whether there is anything to be gained by a second look.")
    labels = DetectedSerializer(many=True, help_text="Empty, unless the site lets editors see them.")


class ClaimSerializer(ToldSerializer):
    """What was claimed; null where nothing waits that is free."""

    card = CardSerializer(allow_null=True)


class ReceiptSerializer(ToldSerializer):
    """What became of one record."""

    public_id = IdField()
    file_name = serializers.CharField(allow_blank=True, help_text="Empty where the record is gone.")
    is_done = serializers.SerializerMethodField()
    problem = serializers.CharField(allow_blank=True, help_text="Why nothing was done, in words; empty where it was.")

    def get_is_done(self, receipt: Receipt) -> bool:
        return receipt.decision is not None


class DecidedSerializer(ToldSerializer):
    """A record that was decided about or escalated."""

    batch = IdField(help_text="What takes it back.")
    record = RecordSerializer()


class BatchSerializer(ToldSerializer):
    """What became of each of several records."""

    batch = IdField(source="id", help_text="What takes all of it back at once.")
    receipts = ReceiptSerializer(many=True)


class UndoneSerializer(ToldSerializer):
    """What became of each record of a batch that was taken back."""

    receipts = ReceiptSerializer(many=True)


class DoneBatchSerializer(ToldSerializer):
    """What one decided by one key."""

    batch = IdField(source="id")
    outcome = WordField(Outcome)
    at = MomentField()
    count = serializers.IntegerField()
    file_name = serializers.CharField(help_text="Of the first record.")
    is_undone = serializers.BooleanField()
    can_undo = serializers.BooleanField()


class DoneBatchesSerializer(ToldSerializer):
    """The last of them, the newest first."""

    results = DoneBatchSerializer(many=True)


class ReleasedSerializer(ToldSerializer):
    """How many claims there were."""

    released_count = serializers.IntegerField()


class ErrorSerializer(ToldSerializer):
    """What is wrong in one place of the request."""

    place = serializers.CharField(allow_blank=True, help_text="Such as `records.3.version`; empty for the whole.")
    detail = serializers.CharField()
    code = serializers.CharField()


class ProblemSerializer(ToldSerializer):
    """An error as RFC 9457 has it."""

    type = serializers.CharField()
    title = serializers.CharField()
    status = serializers.IntegerField()
    detail = serializers.CharField(help_text="In words for a person.")
    code = serializers.CharField(help_text="In one word for a program.")
    errors = ErrorSerializer(many=True, required=False)  # type: ignore[assignment]


class RecordProblemSerializer(ProblemSerializer):
    """A conflict, with what is there instead."""

    record = RecordSerializer(required=False)


class ReceiptsProblemSerializer(ProblemSerializer):
    """Nothing was done, and why."""

    receipts = ReceiptSerializer(many=True, required=False)
