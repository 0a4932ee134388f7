"""What is kept: records and all that hangs on them, and what the processes agree about."""

from .decisions import CallbackReceipt, Decision, DecisionQuerySet, Feedback
from .desk import Appeal, Exposure, ReviewPreference
from .operations import ProviderSlot, ProviderState, ReconcilePass
from .ordering import ClaimEnd, RiskOrder
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
    "Appeal",
    "CallbackReceipt",
    "ClaimEnd",
    "Decision",
    "DecisionQuerySet",
    "DetectedLabel",
    "DetectedLabelQuerySet",
    "Exposure",
    "Feedback",
    "ModerationRecord",
    "ModerationRecordQuerySet",
    "ProviderSlot",
    "ProviderState",
    "ReconcilePass",
    "ReviewPreference",
    "RiskOrder",
    "current_key",
    "distinct_values",
]
