"""
Trying with the world outside whether a provider and the site find each other, and leaving nothing behind.

What is tried is about no record. The receipts that it brings are taken away by whoever waits for them; one that comes
too late says what it is.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlencode, urljoin, urlsplit

import requests
from django.core.files.storage import Storage
from django.db.models import QuerySet

from ..choices import ReceiptOutcome
from ..exceptions import (
    ImgmodConfigurationError,
    ImgmodError,
    ProviderError,
    ProviderThrottled,
    ProviderUnavailable,
    UnsupportedOperation,
)
from ..models import CallbackReceipt
from ..providers import providers
from ..results import LiveFinding, Soundness, Verdict
from ..seeds import callback_seed
from . import gate
from .callbacks import TRIAL, authenticate_callback
from .probe import PREFIX, stored_canary
from .provider_states import NotAdmitted
from .rate import giving_turns
from .sources import callback_address, source_in
from .sweep import record_databases

# In seconds.
CONNECT_TIMEOUT: Final = 5.0
READ_TIMEOUT: Final = 10.0
# Between two looks at the receipts, and between two questions for the verdict.
PAUSE: Final = 0.5
FETCH_PAUSE: Final = 5.0
# How much later than the verdict a callback may come.
GRACE: Final = 15.0
# How long a question about the settings waits for its turn at the rate.
PATIENCE: Final = 10.0
# As much of a page as tells whose it is.
MAX_BODY: Final = 4096


@dataclass(frozen=True, kw_only=True, slots=True)
class CallbackTrial:
    """What became of a callback that the site sent to itself."""

    url: str
    status: int = 0
    """Of HTTP; 0 where there was no answer."""

    failure: str = ""
    """Why there was none, in words."""

    location: str = ""
    """Where to a redirection leads: scheme, host and path."""

    body: str = ""
    """What the answer begins with."""

    is_stored: bool = False
    """Whether it is in the database of this process, where it has been deleted since."""

    milliseconds: float = 0


@dataclass(kw_only=True, slots=True)
class JudgementTrial:
    """What became of a test picture that a provider was sent."""

    is_sent: bool = False
    """Whether the provider was asked, so that it may charge."""

    reference: str = ""
    judged_as: str = ""
    verdict: Verdict | None = None
    milliseconds: float = 0
    error: Exception | None = None
    """Why it was not judged."""

    is_called_back: bool = False
    """Whether an authentic callback came."""

    waited: float = 0
    """Seconds."""


def diagnose(alias: str) -> str:
    """
    Return what a provider says of itself, having asked its service in its turn, whatever its circuit.

    Raises what ``BaseProvider.diagnose`` does; ``ProviderThrottled`` where the rate leaves no room.
    """
    try:
        with giving_turns(alias, time.monotonic() + PATIENCE):
            return providers[alias].diagnose()
    except NotAdmitted as held:
        raise ProviderThrottled(held.reason, retry_after=held.retry_after) from held


def ask_about_settings(alias: str) -> Sequence[LiveFinding]:
    """Return what a provider's service, asked in its turn and whatever its circuit, says of the settings."""
    try:
        with giving_turns(alias, time.monotonic() + PATIENCE):
            return providers[alias].live_findings()
    except NotAdmitted as held:
        mend = 'The site uses up OPTIONS["qps"], or the provider has asked to be left alone: ask again later.'
        return [LiveFinding(subject="rate", text=held.reason, soundness=Soundness.WARNING, mend=mend)]


def try_callback(alias: str) -> CallbackTrial:
    """
    Post a callback, signed as the provider would, to the address that the provider is told, and look for its receipt.

    It is about no record and holds no verdict. Nobody is asked but the site. Raises ``UnsupportedOperation`` where the
    provider does not call back, ``ImgmodConfigurationError`` where the site has no address for that.
    """
    data_id = f"{PREFIX}{uuid.uuid4().hex}"
    fields = providers[alias].callback_for(data_id, callback_seed(alias, data_id))
    url = callback_address(alias)
    if not url:
        raise UnsupportedOperation('IMGMOD["CALLBACK_BASE_URL"] is not set.')
    started = time.perf_counter()
    try:
        status, location, body = _post(url, urlencode(fields))
    except (requests.RequestException, OSError) as error:
        return CallbackTrial(url=url, failure=_in_words(error))
    milliseconds = (time.perf_counter() - started) * 1000
    return CallbackTrial(
        url=url,
        status=status,
        location=location,
        body=body,
        is_stored=_take_receipt(alias, data_id) is not None,
        milliseconds=milliseconds,
    )


def try_judgement(alias: str, storage: Storage, *, timeout: float, awaits_callback: bool) -> JudgementTrial:
    """
    Send a provider a test picture to be judged, once, and return what became of that within ``timeout`` seconds.

    The picture lies in ``storage`` meanwhile. The provider is asked as ever: with the callback that it would be given,
    at its rate, unless its circuit is open. With ``awaits_callback`` the callback is waited for as well. Raises what
    the storage or the database raises; what fails at the provider is in the answer.
    """
    data_id = f"{PREFIX}{uuid.uuid4().hex}"
    with stored_canary(storage, f"{data_id}.png", "high") as file_name:
        attempt = _Attempt(alias, data_id, started=time.monotonic(), ends_at=time.monotonic() + timeout)
        try:
            attempt.submit(storage, file_name)
            attempt.follow(awaits_callback=awaits_callback)
        except (ImgmodError, ImgmodConfigurationError) as error:
            attempt.trial.error = error
        except NotAdmitted as held:
            attempt.trial.error = ProviderUnavailable(held.reason)
        finally:
            _take_receipt(alias, data_id)
    attempt.trial.waited = time.monotonic() - attempt.started
    return attempt.trial


class _Attempt:
    """One test picture on its way."""

    def __init__(self, alias: str, data_id: str, *, started: float, ends_at: float) -> None:
        self.alias = alias
        self.data_id = data_id
        self.started = started
        self.ends_at = ends_at
        self.trial = JudgementTrial()

    def submit(self, storage: Storage, file_name: str) -> None:
        provider = providers[self.alias]
        source = source_in(storage, file_name, data_id=self.data_id, provider=provider)
        with gate.calling(self.alias, patience=self._time_left()):
            self.trial.is_sent = True
            submission = provider.submit(source)
        self.trial.reference, self.trial.judged_as = submission.reference, submission.judged_as
        self._note(submission.verdict)

    def follow(self, *, awaits_callback: bool) -> None:
        """Wait until there is a verdict and, if so wished, a callback."""
        trial = self.trial
        fetch_at, callback_until = time.monotonic() + FETCH_PAUSE, self.ends_at
        while True:
            if awaits_callback and not trial.is_called_back:
                self._look_for_callback()
            if trial.verdict is None and time.monotonic() >= fetch_at:
                self._fetch()
                fetch_at, callback_until = time.monotonic() + FETCH_PAUSE, time.monotonic() + GRACE
            waits = awaits_callback and not trial.is_called_back and time.monotonic() < callback_until
            if (trial.verdict is not None and not waits) or self._time_left() <= 0:
                return
            time.sleep(min(PAUSE, self._time_left()))

    def _look_for_callback(self) -> None:
        body = _take_receipt(self.alias, self.data_id)
        if body is not None:
            self.trial.is_called_back = True
            self._note(authenticate_callback(self.alias, body).read_verdict())

    def _fetch(self) -> None:
        try:
            with gate.calling(self.alias, patience=self._time_left()):
                self._note(providers[self.alias].fetch(self.trial.reference))
        except UnsupportedOperation:
            # It calls back, or says nothing.
            return
        except ProviderError as error:
            # It may have been asked too early.
            if not error.retryable:
                raise

    def _note(self, verdict: Verdict | None) -> None:
        if verdict is not None and self.trial.verdict is None:
            self.trial.verdict = verdict
            self.trial.milliseconds = (time.monotonic() - self.started) * 1000

    def _time_left(self) -> float:
        return max(self.ends_at - time.monotonic(), 0)


def _post(url: str, form: str) -> tuple[int, str, str]:
    """Post a form as a stranger does, follow no redirection, and return status, where that leads, and the beginning."""
    with requests.Session() as session:
        # No credentials of a .netrc: the provider has none either.
        session.auth = _as_it_is
        with session.post(
            url,
            data=form.encode(),
            headers={"Content-Type": "application/x-www-form-urlencoded"},
            timeout=(CONNECT_TIMEOUT, READ_TIMEOUT),
            allow_redirects=False,
            stream=True,
        ) as response:
            body = response.raw.read(MAX_BODY, decode_content=True) or b""
            location = urlsplit(urljoin(url, response.headers.get("Location", "")))
            where = f"{location.scheme}://{location.netloc}{location.path}" if response.is_redirect else ""
            return response.status_code, where, body.decode(errors="replace")


def _as_it_is(request: requests.PreparedRequest) -> requests.PreparedRequest:
    return request


def _in_words(error: Exception) -> str:
    words = next((words for kind, words in _FAILURES if isinstance(error, kind)), "cannot be reached")
    reason: BaseException | None = error
    details = []
    while reason is not None:
        if isinstance(reason, OSError) and reason.strerror:
            details.append(reason.strerror)
        reason = reason.__cause__ or reason.__context__
    return f"{words} ({details[-1] if details else type(error).__name__})"


# The first row that fits.
_FAILURES: Final[tuple[tuple[type[Exception], str], ...]] = (
    (requests.exceptions.ProxyError, "cannot be reached through the proxy that the environment names"),
    (requests.exceptions.SSLError, "offers no TLS connection that can be trusted"),
    (requests.exceptions.ConnectTimeout, f"accepted no connection in {CONNECT_TIMEOUT:g} s"),
    (requests.exceptions.Timeout, f"was silent for {READ_TIMEOUT:g} s"),
)


def _take_receipt(alias: str, data_id: str) -> str | None:
    """Delete what came for a trial and return the body of the first; None where nothing did."""
    bodies: list[str] = []
    for using in record_databases():
        receipts = _receipts_of(alias, data_id, using)
        if found := dict(receipts.order_by("pk").values_list("pk", "body")):
            bodies += found.values()
            # What comes just now has not been read.
            receipts.filter(pk__in=found).delete()
    return bodies[0] if bodies else None


def _receipts_of(alias: str, data_id: str, using: str) -> QuerySet[CallbackReceipt]:
    # What is kept for trials alone is little; the name is of letters that no form has to encode.
    receipts = CallbackReceipt.objects.using(using).filter(outcome=ReceiptOutcome.LATE, record=None)
    return receipts.filter(provider=alias, error_message=TRIAL, body__contains=data_id)
