"""Records, and what was seen in them."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.contrib.contenttypes.fields import GenericForeignKey
from django.contrib.contenttypes.models import ContentType
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from ..choices import UNDECIDED, ErrorCode, Lane, RiskLevel, Status
from ..clock import DatabaseNow
from ..conf import MAX_KEY_LENGTH, MAX_NAME_LENGTH
from .fields import DigestField
from .ordering import ClaimEnd, RiskOrder

if TYPE_CHECKING:
    from django.db.models.fields.related_descriptors import RelatedManager

ALIAS_LENGTH = MAX_NAME_LENGTH
LABEL_LENGTH = 100
SERVICE_LENGTH = 100
REFERENCE_LENGTH = 128
JUDGED_AS_LENGTH = 100


def current_key(model: type[models.Model], object_id: str, field_name: str) -> str:
    """
    Return what ``ModerationRecord.current_key`` holds for one image field of one object.

    A digest, because a unique text column must not depend on the database's collation, which may ignore case or
    trailing spaces, nor outgrow its index.
    """
    return hashlib.sha256(f"{model._meta.label_lower}\n{object_id}\n{field_name}".encode()).hexdigest()


def distinct_values(queryset: models.QuerySet[Any], column: str) -> Iterator[Any]:
    """
    Yield the values of a column that an index begins with, in their order.

    One indexed look-up a value, each for the next one after the last: ``DISTINCT`` would read every row.
    """
    values = queryset.order_by(column).values_list(column, flat=True)
    value = values.first()
    while value is not None:
        yield value
        value = values.filter(**{f"{column}__gt": value}).first()


class ModerationRecordQuerySet(models.QuerySet["ModerationRecord"]):
    """Questions asked of records."""

    def current(self) -> ModerationRecordQuerySet:
        """Leave out what was superseded."""
        return self.filter(current_key__isnull=False)

    def for_field(
        self, model: type[models.Model], object_ids: Iterable[str], field_name: str
    ) -> ModerationRecordQuerySet:
        """The current records of one image field of many objects; one indexed look-up."""
        keys = [current_key(model, object_id, field_name) for object_id in object_ids]
        return self.filter(current_key__in=keys)

    def for_images(
        self, model: type[models.Model], object_ids: Iterable[str], field_name: str
    ) -> ModerationRecordQuerySet:
        """All records of one image field of many objects, superseded ones included, the oldest first."""
        content_type = ContentType.objects.db_manager(self.db).get_for_model(model)
        records = self.filter(content_type=content_type, object_id__in=list(object_ids), field_name=field_name)
        return records.order_by("pk")

    def providers(self) -> list[str]:
        """Return the aliases of the providers that have records, whether or not the settings still name them."""
        return list(distinct_values(self, "provider"))

    def due(self) -> ModerationRecordQuerySet:
        """
        What can be worked on now, the longest due first: its time has come by the database's clock, nobody holds it.

        Only records that wait for a verdict have a ``due_at``.
        """
        is_free = models.Q(lease_until__isnull=True) | models.Q(lease_until__lte=DatabaseNow())
        return self.filter(is_free, due_at__lte=DatabaseNow()).order_by("due_at")


class ModerationRecord(models.Model):
    """
    One image in one watched field of one object.

    At most one record of an image field is current: its ``current_key`` is set and unique. All others are superseded
    and are kept as evidence. ``status`` is written by ``django_imgmod.services`` alone.
    """

    public_id = models.UUIDField(_("public id"), default=uuid.uuid4, unique=True, editable=False)
    content_type = models.ForeignKey(
        ContentType,
        on_delete=models.CASCADE,
        related_name="+",
        db_index=False,  # the first column of imgmod_record_image
        verbose_name=_("model"),
    )
    object_id = models.CharField(_("object id"), max_length=MAX_KEY_LENGTH)
    content_object = GenericForeignKey("content_type", "object_id")
    field_name = models.CharField(_("field"), max_length=100)
    current_key = DigestField(_("current key"), max_length=64, unique=True, null=True, editable=False)
    submission_key = DigestField(
        _("submission key"),
        max_length=64,
        unique=True,
        null=True,
        editable=False,
        help_text=_("Set while these bytes are with a provider: they are not submitted twice at once."),
    )

    file_name = models.TextField(_("file name"))
    last_accepted_name = models.TextField(  # noqa: DJ001 - no default on MySQL
        _("last accepted file"),
        blank=True,
        null=True,
        help_text=_("The file of this field that was passed last before this one took its place."),
    )
    sha256 = models.CharField(_("SHA-256"), max_length=64, blank=True)
    perceptual_hash = models.CharField(_("perceptual hash"), max_length=80, blank=True)
    image_format = models.CharField(_("format"), max_length=20, blank=True)
    width = models.PositiveIntegerField(_("width"), null=True, blank=True, help_text=_("In pixels, upright."))
    height = models.PositiveIntegerField(_("height"), null=True, blank=True, help_text=_("In pixels, upright."))
    byte_count = models.PositiveBigIntegerField(_("size in bytes"), null=True, blank=True)
    frame_count = models.PositiveIntegerField(_("frames"), null=True, blank=True)

    provider = models.CharField(_("provider"), max_length=ALIAS_LENGTH)
    service = models.CharField(
        _("service"),
        max_length=SERVICE_LENGTH,
        blank=True,
        help_text=_("What exactly judged: a model, a service code."),
    )
    judged_as = models.CharField(
        _("judged as"),
        max_length=JUDGED_AS_LENGTH,
        blank=True,
        default="",
        db_default="",
        help_text=_("The copy that was judged, where the provider does not take the stored bytes themselves."),
    )
    judged_width = models.PositiveIntegerField(
        _("judged width"),
        null=True,
        blank=True,
        editable=False,
        help_text=_("In pixels, of what the provider was given, where that is upright."),
    )
    judged_height = models.PositiveIntegerField(
        _("judged height"),
        null=True,
        blank=True,
        editable=False,
        help_text=_("In pixels, of what the provider was given, where that is upright."),
    )
    policy = models.CharField(_("policy"), max_length=ALIAS_LENGTH)
    reference = models.CharField(
        _("reference"),
        max_length=REFERENCE_LENGTH,
        blank=True,
        help_text=_("The provider's own name for the request."),
    )
    seed = models.CharField(_("seed"), max_length=64, blank=True, editable=False)

    status = models.CharField(_("status"), max_length=10, choices=Status, default=Status.PENDING)
    risk_level = models.CharField(_("risk level"), max_length=7, choices=RiskLevel, blank=True)
    top_label = models.CharField(_("label"), max_length=LABEL_LENGTH, blank=True)
    top_confidence = models.DecimalField(
        _("confidence"), max_digits=5, decimal_places=2, null=True, blank=True, help_text=_("0 to 100.")
    )
    evaluated = models.JSONField(
        _("looked for"),
        default=list,
        blank=True,
        help_text=_("What was looked for. What is not listed was not seen."),
    )
    reason = models.TextField(_("reason"), blank=True, help_text=_("Why the status is what it is."))
    reused_from = models.ForeignKey(
        "self",
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="reuses",
        verbose_name=_("reused from"),
        help_text=_("The record of the same bytes that was judged before."),
    )

    uploaded_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        db_index=False,  # the first column of imgmod_record_uploader
        db_constraint=False,  # to add it to a long table would lock this one and that of the users
        verbose_name=_("uploaded by"),
        help_text=_("Known where the watched field names its uploader."),
    )
    created_at = models.DateTimeField(_("created at"), default=timezone.now)
    submitted_at = models.DateTimeField(_("submitted at"), null=True, blank=True)
    verdict_at = models.DateTimeField(_("verdict at"), null=True, blank=True)
    settled_at = models.DateTimeField(_("settled at"), null=True, blank=True)

    due_at = models.DateTimeField(_("due at"), null=True, blank=True, help_text=_("When there is work to do."))
    lease_until = models.DateTimeField(_("leased until"), null=True, blank=True)
    lease_owner = models.CharField(_("leased by"), max_length=100, blank=True)
    attempt_count = models.PositiveIntegerField(_("attempts"), default=0)
    error_code = models.CharField(_("error"), max_length=20, choices=ErrorCode, blank=True)
    error_message = models.TextField(_("error message"), blank=True)

    lane = models.CharField(
        _("queue"),
        max_length=9,
        choices=Lane,
        default=Lane.FIRST,
        db_default=Lane.FIRST,
        help_text=_("Where it waits for a person while it is in review."),
    )
    claimed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("claimed by"),
    )
    claimed_until = models.DateTimeField(_("claimed until"), null=True, blank=True)
    is_shadow = models.BooleanField(
        _("shadow"),
        default=False,
        db_default=False,
        help_text=_("Judged without consequence: the image shows whatever the status, until a person decides."),
    )
    version = models.PositiveIntegerField(
        _("version"),
        default=1,
        help_text=_("Counts every change: a decision names the version that was seen."),
    )
    raw = models.JSONField(_("the provider's answer"), default=dict, blank=True)

    objects = ModerationRecordQuerySet.as_manager()

    if TYPE_CHECKING:
        content_type_id: int
        claimed_by_id: int | None
        uploaded_by_id: int | None
        detected_labels: RelatedManager[DetectedLabel]

    class Meta:
        verbose_name = _("moderation record")
        verbose_name_plural = _("moderation records")
        permissions = [
            ("review_moderationrecord", _("Can decide about images")),
            ("review_escalated_moderationrecord", _("Can decide about escalated images")),
        ]
        indexes = [
            models.Index(fields=["provider", "due_at"], name="imgmod_record_provider_due"),
            models.Index(fields=["provider", "verdict_at"], name="imgmod_record_verdict"),
            models.Index(fields=["status", "risk_level", "created_at"], name="imgmod_record_queue"),
            models.Index(fields=["content_type", "object_id", "field_name"], name="imgmod_record_image"),
            models.Index(fields=["sha256"], name="imgmod_record_sha256"),
            models.Index(fields=["reference"], name="imgmod_record_reference"),
            models.Index(fields=["uploaded_by", "status"], name="imgmod_record_uploader"),
            models.Index(
                "lane",
                RiskOrder("risk_level"),
                "created_at",
                "id",
                ClaimEnd("claimed_until"),
                condition=models.Q(status=Status.IN_REVIEW),
                name="imgmod_record_review",
            ),
            models.Index(
                "lane",
                "created_at",
                "id",
                ClaimEnd("claimed_until"),
                condition=models.Q(status=Status.IN_REVIEW),
                name="imgmod_record_review_age",
            ),
        ]
        constraints = [
            models.CheckConstraint(
                name="imgmod_record_superseded_is_not_current",
                condition=models.Q(status=Status.SUPERSEDED, current_key__isnull=True)
                | (~models.Q(status=Status.SUPERSEDED) & models.Q(current_key__isnull=False)),
            ),
            models.CheckConstraint(
                name="imgmod_record_confidence_0_to_100",
                condition=models.Q(top_confidence__isnull=True) | models.Q(top_confidence__range=(0, 100)),
            ),
        ]

    def __str__(self) -> str:
        return self.file_name

    @property
    def is_current(self) -> bool:
        return self.current_key is not None

    @property
    def is_open(self) -> bool:
        """Whether a verdict may still move it."""
        return self.status in UNDECIDED


class DetectedLabelQuerySet(models.QuerySet["DetectedLabel"]):
    """Questions asked of detected labels."""

    def names(self, limit: int) -> list[str]:
        """Return the labels that were ever detected, in their order, at most ``limit``."""
        return list(islice(distinct_values(self, "label"), limit))


class DetectedLabel(models.Model):
    """One label that a provider saw in a record's image."""

    record = models.ForeignKey(
        ModerationRecord, on_delete=models.CASCADE, related_name="detected_labels", verbose_name=_("record")
    )
    label = models.CharField(_("label"), max_length=LABEL_LENGTH)
    confidence = models.DecimalField(
        _("confidence"), max_digits=5, decimal_places=2, null=True, blank=True, help_text=_("0 to 100.")
    )
    description = models.CharField(_("description"), max_length=255, blank=True)
    risk_level = models.CharField(_("risk level"), max_length=7, choices=RiskLevel, blank=True)
    frame_index = models.PositiveIntegerField(_("frame"), null=True, blank=True, help_text=_("From 0."))
    source = models.CharField(_("source"), max_length=50, blank=True, help_text=_("What saw it."))
    regions = models.JSONField(
        _("regions"),
        null=True,
        blank=True,
        help_text=_("Where it was seen: left, top, width, height of each, as fractions of the upright picture."),
    )

    objects = DetectedLabelQuerySet.as_manager()

    class Meta:
        verbose_name = _("detected label")
        verbose_name_plural = _("detected labels")
        indexes = [models.Index(fields=["label", "confidence"], name="imgmod_label_confidence")]
        constraints = [
            models.CheckConstraint(
                name="imgmod_label_confidence_0_to_100",
                condition=models.Q(confidence__isnull=True) | models.Q(confidence__range=(0, 100)),
            )
        ]

    def __str__(self) -> str:
        return self.label if self.confidence is None else f"{self.label} {self.confidence}"
