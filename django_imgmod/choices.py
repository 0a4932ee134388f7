"""The closed vocabularies. Every stored value is one of these words."""

from typing import Final

from django.db import models
from django.utils.translation import gettext_lazy as _


class Status(models.TextChoices):
    """Where a record is in its life."""

    PENDING = "pending", _("Waiting to be judged")
    """Saved; no provider has accepted it yet."""

    SUBMITTED = "submitted", _("Being judged")
    """A provider has accepted it and will answer later."""

    IN_REVIEW = "in_review", _("In review")
    """A person has to decide."""

    PASSED = "passed", _("Passed")
    """Visible."""

    BLOCKED = "blocked", _("Blocked")
    """Not to be shown."""

    SUPERSEDED = "superseded", _("Superseded")
    """The image was replaced, cleared or deleted: evidence of something that is no longer there."""


UNDECIDED: Final = (Status.PENDING, Status.SUBMITTED)
"""The statuses from which a verdict may still move a record."""


class RiskLevel(models.TextChoices):
    """How grave a provider thinks it is."""

    HIGH = "high", _("High")
    """A violation."""

    MEDIUM = "medium", _("Medium")
    """Uncertain: a person should look."""

    LOW = "low", _("Low")
    """Worth noting only where every suspicion counts."""

    NONE = "none", _("None")
    """Looked at, and nothing was found."""

    UNKNOWN = "unknown", _("Unknown")
    """The provider used a word that we do not know. Never treated as harmless."""

    @property
    def gravity(self) -> int:
        """Where it stands in the order from harmless to grave. What is unknown is worse than what is uncertain."""
        return _GRAVITY.index(self)


_GRAVITY: Final = (RiskLevel.NONE, RiskLevel.LOW, RiskLevel.MEDIUM, RiskLevel.UNKNOWN, RiskLevel.HIGH)


class Outcome(models.TextChoices):
    """What a policy or a person chose."""

    PASS = "pass", _("Pass")
    """Show it."""

    REVIEW = "review", _("Review")
    """Put it before a person."""

    BLOCK = "block", _("Block")
    """Do not show it."""


class Lane(models.TextChoices):
    """Which of the moderators' queues a record waits in while it is in review."""

    FIRST = "first", _("Review")
    """Nobody has looked at it yet."""

    ESCALATED = "escalated", _("Escalated")
    """A moderator was not sure: for holders of a second permission."""

    APPEALED = "appealed", _("Appeals")
    """The editor asked for a second look: for anybody but who decided."""


class PolicyMode(models.TextChoices):
    """Whether outcomes are acted upon."""

    ENFORCE = "enforce", _("Enforce")
    """An image is visible only once it has passed."""

    SHADOW = "shadow", _("Shadow")
    """Record everything, show the image as if it had passed."""


class ErrorCode(models.TextChoices):
    """Why a record could not be judged."""

    NOT_AN_IMAGE = "not_an_image", _("Not a picture in an accepted format")
    """The bytes are no picture, or one in a format that is not accepted."""

    DAMAGED = "damaged", _("Damaged picture")
    """The header is that of a picture, the rest cannot be decoded."""

    TOO_LARGE = "too_large", _("Too large")
    """More bytes or pixels than the provider accepts."""

    STORAGE = "storage", _("Storage unreachable")
    """The file could not be read, for a reason other than that it does not exist."""

    UNAVAILABLE = "unavailable", _("Provider unreachable")
    """No answer, or an answer that says to come back later."""

    THROTTLED = "throttled", _("Too many requests")
    """The provider asked us to slow down."""

    AUTHENTICATION = "authentication", _("Not authorised")
    """The provider refused the credentials, or the account may not use the service."""

    PROTOCOL = "protocol", _("Answer not understood")
    """The provider's answer could not be decoded or contradicts itself."""

    REFUSED = "refused", _("Refused by the provider")
    """The provider will not judge this picture, whatever we do."""

    CONFIGURATION = "configuration", _("Wrong settings")
    """The provider cannot be used as the settings stand."""

    INTERNAL = "internal", _("Unexpected error")
    """A fault in this package, in an extension of it or in what it runs on; the log has the traceback."""


class Discrepancy(models.TextChoices):
    """What does not agree between an object's image and its record."""

    UNRECORDED = "unrecorded", _("File without its record")
    """The row names a file that its current record is not about, or there is no record, or no file any more."""

    OBJECT_MISSING = "object_missing", _("Record without its object")
    """The object was deleted past the signals."""

    FILE_MISSING = "file_missing", _("Record without its file")
    """The file is not in the storage any more."""

    GONE = "gone", _("File that is still not there")
    """The row names a file that had a record before it went, and is not back: a person must clear or replace it."""

    OVERWRITTEN = "overwritten", _("Other bytes")
    """Other bytes lie under the name than those that were judged."""


class Circuit(models.TextChoices):
    """Whether a provider is being called."""

    CLOSED = "closed", _("Closed")
    """It is."""

    OPEN = "open", _("Open")
    """It failed too often in a row: nothing is sent until it is time for a probe."""

    HALF_OPEN = "half_open", _("Half open")
    """One call is under way as a probe; the rest waits for how it ends."""


class FeedbackStatus(models.TextChoices):
    """What became of a decision that was told back to the provider."""

    QUEUED = "queued", _("Queued")
    """Not sent yet."""

    ACCEPTED = "accepted", _("Accepted")
    """The provider took it."""

    REFUSED = "refused", _("Refused")
    """The provider answered that it does not take it."""

    UNSUPPORTED = "unsupported", _("Unsupported")
    """This provider has no way to be told."""

    WITHDRAWN = "withdrawn", _("Withdrawn")
    """The decision was taken back before it was sent."""


class ReceiptOutcome(models.TextChoices):
    """What became of an authentic callback."""

    RECEIVED = "received", _("Received")
    """Stored, not processed yet."""

    APPLIED = "applied", _("Applied")
    """It moved its record."""

    REPEATED = "repeated", _("Repeated")
    """Its content had been applied before."""

    LATE = "late", _("Too late")
    """Its record was settled or superseded already; kept as evidence."""

    FAILED = "failed", _("Failed")
    """Processing raised an error; it can be replayed."""
