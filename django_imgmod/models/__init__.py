"""What is kept: records and all that hangs on them, and what the processes agree about."""

from .decisions import CallbackReceipt, Decision, Feedback
from .operations import ProviderState, ReconcilePass
from .records import (
    ALIAS_LENGTH,
    JUDGED_AS_LENGTH,
    LABEL_LENGTH,
    REFERENCE_LENGTH,
    SERVICE_LENGTH,
    DetectedLabel,
    DetectedLabelQuerySet,
    ModerationRecord,
    ModerationRecordQuerySet,
    current_key,
    distinct_values,
)

__all__ = [
    "ALIAS_LENGTH",
    "JUDGED_AS_LENGTH",
    "LABEL_LENGTH",
    "REFERENCE_LENGTH",
    "SERVICE_LENGTH",
    "CallbackReceipt",
    "Decision",
    "DetectedLabel",
    "DetectedLabelQuerySet",
    "Feedback",
    "ModerationRecord",
    "ModerationRecordQuerySet",
    "ProviderState",
    "ReconcilePass",
    "current_key",
    "distinct_values",
]
