"""
What the codes of answers mean: which error each is, whether to repeat the request, and words for whoever must act.

A code in letters is the gateway's, a number the service's. The two generations give other meanings to the same number:
403 is a URL that cannot be read in Green, and too many requests in 2.0.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import Enum, auto
from typing import Final, NamedTuple

from ...choices import ErrorCode
from ...exceptions import (
    ProviderAuthError,
    ProviderError,
    ProviderProtocolError,
    ProviderRefused,
    ProviderThrottled,
    ProviderUnavailable,
)

OK: Final = 200
PROCESSING: Final = 280
CLOCK_IS_OFF: Final = "InvalidTimeStamp.Expired"


class Retry(Enum):
    """Whether a request that failed may be repeated. Signed anew, whenever it is."""

    NOW = auto()
    """Once, within the same call."""

    WITH_OTHER_CREDENTIALS = auto()
    """Likewise, where those that can be read now are not the ones that were refused."""

    LATER = auto()
    """By the services, with growing pauses."""

    NEVER = auto()
    """A person has to act first, or nothing helps."""


class ImageFailed(ProviderError):
    """The provider is at work, but could not judge this image now. Says nothing about others."""

    code = ErrorCode.UNAVAILABLE
    retryable = True


class UnknownTask(ImageFailed):
    """The provider knows no such task: not yet, or not any more."""


class TaskFailed(ImageFailed):
    """The provider is done with a task and did not judge its image. Asked for again, the result is the same."""

    retryable = False


class NotPermitted(ProviderAuthError):
    """The credentials are right, and the account lacks the right, the activation or the money."""


class ClockIsOff(ProviderAuthError):
    """A request was refused for its time alone."""


class Failure(NamedTuple):
    """What one code means."""

    retry: Retry
    error: type[ProviderError]
    """For ``Retry.NOW`` and ``WITH_OTHER_CREDENTIALS``: what it is when that did not help."""
    words: str
    advice: str = ""
    code: ErrorCode | None = None
    is_guessed: bool = False
    """By the status, for the code itself is not known."""

    def error_at(
        self, where: str, code: object, detail: str = "", *, retry_after: float | None = None
    ) -> ProviderError:
        """Return the error; ``where`` begins its message, ``detail`` comes before the advice."""
        # An outage that names its end is a matter of too many requests.
        error = ProviderThrottled if retry_after is not None and self.error.retryable else self.error
        sentences = [f"{where} {self.words} ({code}).", detail, self.advice]
        return error(" ".join(filter(None, sentences)), code=self.code, retry_after=retry_after)


_CHECK_KEY: Final = "Check the access key in its OPTIONS or in the environment."
_CHECK_STS: Final = "Check the security token and its access key in OPTIONS or in the environment."
_ADDRESS: Final = 'Check "region" and "endpoint" in its OPTIONS.'
_RIGHT: Final = "Give the access key's user the policy AliyunYundunGreenWebFullAccess in the RAM console."
_ACTIVATION: Final = (
    "The account's user lacks AliyunYundunGreenWebFullAccess, or the service is not activated or overdue."
)
_LEAD: Final = "That says nothing about the picture: please report it, with the settings of this provider."
_WHICH_SERVICE: Final = (
    'Is OPTIONS["service"] spelt as the console spells it, and offered in its region? '
    'If "manage.py imgmod_doctor --live" finds nothing either, please report it, with the settings of this provider.'
)

THROTTLED: Final = Failure(Retry.LATER, ProviderThrottled, "asked for fewer requests")
_OUTAGE: Final = Failure(Retry.LATER, ProviderUnavailable, "failed")
_IMAGE_FAILED: Final = Failure(Retry.LATER, ImageFailed, "failed on the picture")
_NOT_TAKEN: Final = Failure(Retry.NEVER, ProviderProtocolError, "did not take the request", _LEAD)
_NO_SUCH_THING: Final = Failure(Retry.NEVER, ProviderProtocolError, "does not offer this operation there", _ADDRESS)
_FORBIDDEN: Final = Failure(Retry.NEVER, NotPermitted, "forbade it", _RIGHT)
_NOT_DOWNLOADED: Final = Failure(Retry.LATER, ImageFailed, "could not download the picture")
_TOO_LARGE: Final = Failure(Retry.NEVER, ProviderRefused, "found the picture too large", code=ErrorCode.TOO_LARGE)
_WRONG_FORMAT: Final = Failure(
    Retry.NEVER, ProviderRefused, "does not know the picture's format", code=ErrorCode.NOT_AN_IMAGE
)


def _refused_token(what: str) -> Failure:
    return Failure(Retry.WITH_OTHER_CREDENTIALS, ProviderAuthError, what, _CHECK_STS)


# By the whole code, else by what comes before its first full stop. Sources: the error pages of other products behind
# the same gateway.
GATEWAY: Final[Mapping[str, Failure]] = {
    "InvalidAccessKeyId": Failure(Retry.NEVER, ProviderAuthError, "does not know the access key's id", _CHECK_KEY),
    "InvalidAccessKeyId.Inactive": Failure(
        Retry.NEVER, ProviderAuthError, "says that the access key is disabled", "Enable it in the RAM console."
    ),
    "SignatureDoesNotMatch": Failure(
        Retry.NEVER, ProviderAuthError, "found the signature wrong", "Check the access key's secret."
    ),
    "IncompleteSignature": Failure(
        Retry.NEVER,
        ProviderProtocolError,
        "found no whole signature",
        "Does a proxy on the way remove or rewrite headers?",
    ),
    "InvalidTimeStamp": Failure(Retry.NEVER, ProviderProtocolError, "could not read the request's time", _LEAD),
    CLOCK_IS_OFF: Failure(
        Retry.NEVER,
        ClockIsOff,
        "found the request's time more than 15 minutes off",
        "Set this machine's clock.",
    ),
    "MissingParameter": _NOT_TAKEN,
    "SignatureNonceUsed": Failure(Retry.NOW, ProviderUnavailable, "took the request for one that it had seen before"),
    "InvalidSecurityToken": _refused_token("refused the security token"),
    "InvalidSecurityToken.Expired": _refused_token("says that the security token has expired"),
    "InvalidSecurityToken.Malformed": _refused_token("cannot read the security token"),
    "InvalidSecurityToken.MismatchWithAccessKey": _refused_token("says that the security token is of another key"),
    "MissingSecurityToken": _refused_token("misses the security token that belongs to the access key"),
    "ContentMD5NotMatched": Failure(Retry.LATER, ProviderUnavailable, "received other bytes than were sent"),
    "InvalidAction": _NO_SUCH_THING,
    "InvalidVersion": _NO_SUCH_THING,
    "InvalidApi": _NO_SUCH_THING,
    "InvalidProduct": _NO_SUCH_THING,
    "InvalidProtocol.NeedSsl": Failure(
        Retry.NEVER, ProviderProtocolError, "wants HTTPS", 'Take "http://" out of OPTIONS["endpoint"].'
    ),
    "Forbidden": _FORBIDDEN,
    "Throttling": THROTTLED,
    "ServiceUnavailable": _OUTAGE,
    "InternalError": _OUTAGE,
}
_MISSING: Final = re.compile(r"Missing[A-Z]\w*")

# 2018-05-09, of requests and of tasks. Up to 503 from the provider's pages, the rest from a list that quotes them.
GREEN: Final[Mapping[int, Failure]] = {
    400: _NOT_TAKEN,
    401: Failure(
        Retry.NEVER,
        ProviderRefused,
        "will not fetch the picture from its URL, which is unsafe or redirects",
        'With OPTIONS["source"] = "upload" it need not.',
    ),
    403: Failure(
        Retry.NEVER,
        ProviderRefused,
        "was not let in at the picture's URL",
        'It must be public, or OPTIONS["source"] be "upload".',
    ),
    404: Failure(Retry.NEVER, ProviderRefused, "found nothing at the picture's URL"),
    480: _NOT_DOWNLOADED,
    500: _OUTAGE,
    503: _OUTAGE,
    580: _OUTAGE,
    581: _OUTAGE,
    585: _OUTAGE,
    586: _IMAGE_FAILED,
    587: _OUTAGE,
    588: THROTTLED,
    589: _TOO_LARGE,
    590: _WRONG_FORMAT,
    591: _OUTAGE,
    592: _NOT_DOWNLOADED,
    594: Failure(
        Retry.NEVER,
        ProviderRefused,
        "has forgotten the task",
        "Results are kept for an hour: ask more often, or submit the picture again.",
    ),
    595: _IMAGE_FAILED,
    596: Failure(Retry.NEVER, NotPermitted, "does not serve this account", _ACTIVATION),
}

# 2022-03-02, from the page of the asynchronous operation; 409 from the metadata.
MODERATION2: Final[Mapping[int, Failure]] = {
    400: _NOT_TAKEN,
    401: Failure(Retry.NEVER, ProviderProtocolError, "found something in the request wrong", _WHICH_SERVICE),
    402: _NOT_TAKEN,
    403: THROTTLED,
    404: _NOT_DOWNLOADED,
    405: _NOT_DOWNLOADED,
    406: _TOO_LARGE,
    407: _WRONG_FORMAT,
    408: Failure(Retry.NEVER, NotPermitted, "does not serve this account", _ACTIVATION),
    409: Failure(
        Retry.LATER,
        UnknownTask,
        "does not know the request",
        "It was asked too early, or the result is gone: those are kept for 3 days.",
    ),
    500: _OUTAGE,
}

_UNKNOWN: Final = Failure(Retry.NEVER, ProviderProtocolError, "answered with a code that is not known")
_UNKNOWN_BY_STATUS: Final[Mapping[int, Failure]] = {401: _FORBIDDEN, 403: _FORBIDDEN, 429: THROTTLED}


def gateway_failure(name: str, status: int) -> Failure:
    """Return what a code in letters means; the status decides about one that is not known."""
    known = GATEWAY.get(name) or GATEWAY.get(name.partition(".")[0])
    if known is None and _MISSING.fullmatch(name):
        known = _NOT_TAKEN
    return known or (_UNKNOWN_BY_STATUS.get(status) or _unknown(status))._replace(is_guessed=True)


def error_of_code(
    table: Mapping[int, Failure],
    code: object,
    message: str,
    where: str,
    *,
    retry_after: float | None = None,
) -> ProviderError:
    """
    Return the error that a service's code stands for; ``ProviderProtocolError`` for what is no code at all.

    ``message`` is what the provider said, fit to be quoted; ``where`` begins the error's own message. ``retry_after``
    is in seconds.
    """
    number = number_of(code)
    if number is None:
        return ProviderProtocolError(f"{where} answered without a code that can be understood.")
    detail = f'It says: "{message}".' if message else ""
    failure = table.get(number) or _unknown(number)
    return failure.error_at(where, f"code {number}", detail, retry_after=retry_after)


def of_result(error: ImageFailed) -> ImageFailed:
    """Return what the failure of an image means where it is the result of its task: the end of that task."""
    if isinstance(error, UnknownTask):
        return error
    words = 'Its task has ended with that: once the cause is mended, "manage.py imgmod_retry" has it judged anew.'
    return TaskFailed(f"{error} {words}", code=error.code)


def number_of(code: object) -> int | None:
    """Return the number that a code is, written as one or as text; None where it is none."""
    if isinstance(code, str) and len(code) <= 6 and code.isascii() and code.isdigit():
        return int(code)
    return code if isinstance(code, int) and not isinstance(code, bool) and abs(code) < 10**6 else None


def _unknown(number: int) -> Failure:
    return _OUTAGE if 500 <= number < 600 else _UNKNOWN
