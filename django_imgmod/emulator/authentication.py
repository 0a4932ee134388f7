"""
Whether a request is from whom it says: checks 3 to 10 of the ones that every request has to pass, in this order.

| #  | what is checked                                                | by                             |
|----|----------------------------------------------------------------|--------------------------------|
| 1  | method, path and action are known                              | ``route`` of each generation   |
| 2  | the version of the interface                                   | likewise                       |
| 3  | a claim is there and well formed                               | ``Scheme.read_claim``          |
| 4  | the AccessKeyId is known                                       | ``Authenticator``              |
| 5  | the date is one, and at most 15 minutes from the clock         | likewise                       |
| 6  | a temporary key comes with its own token, which has not ended  | likewise                       |
| 7  | the digest of the body                                         | ``Scheme.check_body``          |
| 8  | the signature                                                  | ``Authenticator``              |
| 9  | the nonce is new for this key                                  | likewise                       |
| 10 | the rate                                                       | ``RateLimit``                  |
| 11 | the parameters                                                 | ``answer`` of each generation  |

None can be left out. Signatures, digests and tokens are compared in constant time.
"""

from __future__ import annotations

import threading
from collections import defaultdict, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

from ..providers.alibaba.signing import percent_encode
from .schemes import Claim, Scheme, is_same
from .wire import Refusal, Request

Clock = Callable[[], datetime]

MAX_SKEW: Final = timedelta(minutes=15)
RATE_WINDOW: Final = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class SecurityToken:
    """What a temporary key needs beside its signature."""

    value: str = field(repr=False)

    expires_at: datetime | None = None
    """None: never."""


@dataclass(frozen=True, slots=True)
class Key:
    """What belongs to an AccessKeyId."""

    secret: str = field(repr=False)

    token: SecurityToken | None = None
    """Of a temporary key."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Attempt:
    request: Request
    scheme: Scheme
    claim: Claim
    key: Key
    now: datetime
    date: datetime


class Authenticator:
    """Checks 3 to 9, for the keys that it is given. Usable from any thread."""

    def __init__(self, keys: Mapping[str, Key], clock: Clock) -> None:
        self._keys = keys
        self._clock = clock
        self._nonces = Nonces()

    def authenticate(self, request: Request, scheme: Scheme) -> str:
        """Return the AccessKeyId of an authentic request. Raises ``Refusal`` at the first check that it fails."""
        claim = scheme.read_claim(request)
        key = self._keys.get(claim.key_id)
        if key is None:
            raise Refusal("InvalidAccessKeyId.NotFound", "Specified access key is not found.")
        now = self._clock()
        date = _check_date(scheme, claim, now)
        attempt = _Attempt(request=request, scheme=scheme, claim=claim, key=key, now=now, date=date)
        self._check_token(attempt)
        scheme.check_body(request)
        _check_signature(attempt)
        self._check_nonce(attempt)
        return claim.key_id

    def _check_token(self, attempt: _Attempt) -> None:
        given, token = attempt.claim.token, attempt.key.token
        if token is not None and not given:
            raise Refusal("MissingSecurityToken", "The key is a temporary one: its security token is needed.")
        if given and (token is None or not is_same(given, token.value)):
            # A copy: keys for uploads come and go meanwhile.
            if any(key.token is not None and is_same(given, key.token.value) for key in list(self._keys.values())):
                raise Refusal(
                    "InvalidSecurityToken.MismatchWithAccessKey", "The security token belongs to another AccessKeyId."
                )
            raise Refusal("InvalidSecurityToken.Malformed", "The security token is none that was given out.")
        if token is not None and token.expires_at is not None and attempt.now >= token.expires_at:
            raise Refusal("InvalidSecurityToken.Expired", "The security token has expired.")

    def _check_nonce(self, attempt: _Attempt) -> None:
        claim = attempt.claim
        until = max(attempt.now, attempt.date) + MAX_SKEW
        if claim.nonce and not self._nonces.use(claim.key_id, claim.nonce, now=attempt.now, until=until):
            raise Refusal("SignatureNonceUsed", "Specified signature nonce was used already.")


def _check_date(scheme: Scheme, claim: Claim, now: datetime) -> datetime:
    try:
        date = scheme.read_date(claim.date)
    except ValueError as error:
        raise Refusal("InvalidTimeStamp.Format", "Specified time stamp or date value is not well formatted.") from error
    if abs(now - date) > MAX_SKEW:
        raise Refusal(
            "InvalidTimeStamp.Expired",
            f"Specified time stamp or date value is expired: it is {now.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ} here.",
        )
    return date


def _check_signature(attempt: _Attempt) -> None:
    expected = attempt.scheme.expect(attempt.request, attempt.claim, attempt.key.secret)
    if not is_same(attempt.claim.signature, expected.signature):
        # The SDK of v1 reads what comes after the colon, and breaks where there is none.
        raise Refusal(
            "SignatureDoesNotMatch",
            "Specified signature is not matched with our calculation. "
            f"server string to sign is:{_without_token(expected.signed, attempt.claim.token)}",
        )


def _without_token(text: str, token: str) -> str:
    if token:
        for shown in (token, percent_encode(token), percent_encode(percent_encode(token))):
            text = text.replace(shown, "***")
    return text


class Nonces:
    """The nonces of each key that would be found out if they were used again."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._used: set[tuple[str, str]] = set()
        self._ends: deque[tuple[datetime, tuple[str, str]]] = deque()

    def use(self, key_id: str, nonce: str, *, now: datetime, until: datetime) -> bool:
        """Remember a nonce at least until then; False where it is remembered already."""
        with self._lock:
            while self._ends and self._ends[0][0] < now:
                self._used.discard(self._ends.popleft()[1])
            if (key_id, nonce) in self._used:
                return False
            self._used.add((key_id, nonce))
            self._ends.append((until, (key_id, nonce)))
            return True


class RateLimit:
    """Check 10: at most so many requests in any second, for each key and operation. None: any number."""

    def __init__(self, per_second: int | None, clock: Clock) -> None:
        self._per_second = per_second
        self._clock = clock
        self._lock = threading.Lock()
        self._times: defaultdict[tuple[str, str], deque[datetime]] = defaultdict(deque)

    def check(self, key_id: str, operation: str) -> None:
        """Count a request, or raise ``Refusal`` with the milliseconds to wait. What is refused does not count."""
        if self._per_second is None:
            return
        with self._lock:
            now = self._clock()
            times = self._times[key_id, operation]
            while times and times[0] <= now - RATE_WINDOW:
                times.popleft()
            if len(times) >= self._per_second:
                wait = times[0] + RATE_WINDOW - now
                raise Refusal(
                    "Throttling.User",
                    "Request was denied due to user flow control.",
                    retry_after=max(1, round(wait / timedelta(milliseconds=1))),
                )
            times.append(now)
