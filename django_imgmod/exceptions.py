"""Everything this package raises on purpose."""

from __future__ import annotations

from django.core.exceptions import ImproperlyConfigured

from .choices import ErrorCode, Status


class ImgmodError(Exception):
    """Base of the errors that can happen to a site whose settings are right."""


class ImgmodConfigurationError(ImproperlyConfigured):
    """
    The settings cannot be used.

    Deliberately no ``ImgmodError``: code that tolerates a provider's troubles must not hide a wrong setting.
    """


class ProviderError(ImgmodError):
    """
    A provider did not judge an image.

    ``code`` is what the record keeps. ``retryable`` says whether the same request may succeed later;
    ``retry_after`` is the provider's own wish in seconds, or None.
    """

    code = ErrorCode.PROTOCOL
    retryable = False

    def __init__(self, message: str, *, code: ErrorCode | None = None, retry_after: float | None = None) -> None:
        super().__init__(message)
        if code is not None:
            self.code = code
        self.retry_after = retry_after


class ProviderUnavailable(ProviderError):
    """The provider gave no usable answer: refused connection, timeout, outage."""

    code = ErrorCode.UNAVAILABLE
    retryable = True


class ProviderThrottled(ProviderError):
    """The provider asked to be called less often."""

    code = ErrorCode.THROTTLED
    retryable = True


class ProviderRefused(ProviderError):
    """The provider will never judge this image: too large, damaged, in a format it does not accept."""

    code = ErrorCode.REFUSED


class ProviderAuthError(ProviderError):
    """The provider refused the credentials, or the account lacks the right, the activation or the money."""

    code = ErrorCode.AUTHENTICATION


class ProviderProtocolError(ProviderError):
    """The provider's answer could not be understood."""

    code = ErrorCode.PROTOCOL


class UnsupportedOperation(ImgmodError):
    """A provider was asked for something that it declares not to offer."""


class CallbackRefused(ImgmodError):
    """A callback is not authentic, or not a callback at all. Its words are for the log, never for the sender."""


class RecordConflict(ImgmodError):
    """The record changed since it was read: somebody else was faster. Read it again."""


class InvalidTransition(ImgmodError):
    """A record was asked to go where no arrow leads; names both statuses."""

    def __init__(self, current: Status, requested: Status) -> None:
        super().__init__(f'A record that is "{current}" cannot become "{requested}".')
        self.current = current
        self.requested = requested


class ReviewRefused(ImgmodError):
    """What a person asked of the review desk is not to be had, of no record. Its words, translated, are for them."""
