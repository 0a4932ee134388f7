"""What the providers of both generations have in common: OPTIONS, hosts, signed requests and what errors mean."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from email.utils import format_datetime
from hashlib import sha256
from json import dumps
from typing import Any, ClassVar, Final
from urllib.parse import urljoin, urlsplit

from django.utils.http import parse_http_date_safe

from ...exceptions import ImgmodConfigurationError, ProviderError, ProviderProtocolError, ProviderRefused
from ...results import ImageSource
from ..addresses import in_ascii
from ..http import MAX_RETRY_AFTER, Answer, HttpProvider, parse_retry_after
from . import codes, signing
from .cleaning import said
from .codes import Retry
from .credentials import Credentials, read_credentials
from .options import OPTION_NAMES, AlibabaOptions, is_absolute
from .regions import GREEN, MODERATION2, Generation

# Of either generation's API.
MAX_URL_LENGTH: Final = 2048
# Of ``service``, and of what stands for the rest of a longer one.
MAX_SERVICE: Final = 100
DIGEST_LENGTH: Final = 16

FORM: Final = "application/x-www-form-urlencoded"
JSON: Final = "application/json"

Signed = tuple[str, dict[str, str]]
"""A URL and headers."""


class _Repeatable(ProviderError):
    """What an answer stands for, if the request is not repeated with success. Never leaves ``_call``."""

    def __init__(self, error: ProviderError, retry: Retry) -> None:
        super().__init__(str(error))
        self.error = error
        self.retry = retry


class AlibabaProvider(HttpProvider):
    """
    Abstract base of Alibaba Cloud's providers; a subclass names its ``generation``.

    OPTIONS:

    - ``access_key_id``, ``access_key_secret``, ``security_token``: otherwise those of the environment
    - ``region`` (default "ap-southeast-1"); ``vpc`` (stay in the provider's network); ``endpoint`` (in place of the
      region's host: ``host``, ``host:port``, or either after ``http://``)
    - ``uid``: the main account's, which callbacks are signed with; ``crypt_type``: "SHA256" or "SM3"
    - ``is_asynchronous`` (default True): the answer comes by callback, where ``CALLBACK_BASE_URL`` and ``uid`` are
      set, and is asked for otherwise; False has it in the answer to the request
    - ``source``: how a picture gets there. "upload" (default) into the provider's bucket; "url": it is fetched from
      its storage's URL, a relative one joined to ``base_url``; "oss": it lies in the site's own ``bucket``, in
      ``bucket_region``, under ``key_prefix`` and its name in the storage
    """

    generation: ClassVar[Generation]
    # The rate is about requests to the interface, those for upload tokens too. Uploads themselves go to another server.
    takes_turns = True

    def __init__(self, alias: str, **options: Any) -> None:
        own = {name: options.pop(name) for name in OPTION_NAMES & options.keys()}
        super().__init__(alias, **options)
        self.options = AlibabaOptions(alias=alias, **own)
        self.is_asynchronous = self.options.is_asynchronous
        self.wants_url = self.options.source == "url"
        self.needs_stored_file = self.options.source != "upload"
        self.address = self.options.address_of(self.generation)
        """Scheme, host and port of the interface; no slash at its end."""
        self._sent_token = ""

    @property
    def host(self) -> str:
        """The host of the interface, with its port where that is not the scheme's own."""
        return urlsplit(self.address).netloc

    def credentials(self) -> Credentials:
        """Return the credentials as they are now. Raises ``ImgmodConfigurationError`` where there are none."""
        return read_credentials(self.alias, self.options.credentials)

    def call_green(self, path: str, body: Any, *, at_most: float | None = None) -> Mapping[str, Any]:
        """
        Send a JSON value to a path of Green and return the answer, whose ``code`` is 200 or 280.

        Waits for a turn as ``wait_for_turn`` does. Raises as ``send`` does, by the codes of the gateway and of the
        service. Signed anew where it has to be sent again. What the single pictures' own codes mean is for the caller
        to see.
        """
        content = dumps(body).encode()
        return self._call(lambda credentials: self._sign_green(credentials, path, content), content, at_most)

    def call_rpc(
        self, action: str, *, query: Mapping[str, str] | None = None, form: Mapping[str, str] | None = None
    ) -> Mapping[str, Any]:
        """Ask for an action of 2.0 and return the answer, whose ``Code`` is 200 or 280; else as ``call_green``."""
        pairs = list((query or {}).items())
        content = signing.canonical_query((form or {}).items()).encode()
        return self._call(lambda credentials: self._sign_rpc(credentials, action, pairs, content), content)

    def url_of(self, source: ImageSource) -> str:
        """
        Return the URL of an image as the provider may be told it: absolute, with ASCII characters alone.

        The host is in Punycode, the rest percent-encoded. Raises ``ImgmodConfigurationError`` where the storage gives
        none, or a host that cannot exist; ``ProviderRefused`` for one that is too long.
        """
        try:
            url = in_ascii(urljoin(self.options.base_url, source.url)) if source.url else ""
        except ValueError:
            url = ""
        if not is_absolute(url):
            raise ImgmodConfigurationError(
                f'Provider "{self.alias}" can fetch no picture, for its storage gives no absolute URL. '
                'Set OPTIONS["base_url"] to the site\'s own, or "source" to "upload".'
            )
        if len(url) > MAX_URL_LENGTH:
            raise ProviderRefused(
                f'Provider "{self.alias}" takes URLs of at most {MAX_URL_LENGTH:,} characters, and that of '
                f'"{source.file_name}" has {len(url):,}. With OPTIONS["source"] = "upload" it needs none.'
            )
        return url

    def object_of(self, source: ImageSource) -> str:
        """Return the name of an image's object in the site's own bucket."""
        return f"{self.options.key_prefix}{source.file_name}"

    def error_of(self, answer: Answer) -> ProviderError | None:
        given = _code_of(answer.payload)
        number = codes.number_of(given)
        if isinstance(given, str) and given and number is None:
            return self._error_of_gateway(given, answer)
        if number in (codes.OK, codes.PROCESSING) or number is None:
            # Either may be silent: the status about the failure, the body about its code.
            is_of_service = any(answer.payload.get(name) for name in ("RequestId", "requestId"))
            if not is_of_service or answer.status not in self.generation.codes:
                return self._error_of_status(answer)
            number = answer.status
        return codes.error_of_code(
            self.generation.codes, number, self._quoted(answer), self._at(), retry_after=_retry_after(answer)
        )

    def _error_of_status(self, answer: Answer) -> ProviderError | None:
        """Return the error of an answer without a code that says when to come back in the gateway's own way."""
        if answer.status not in (429, 503) or (retry_after := _gateway_retry_after(answer)) is None:
            return None
        return codes.THROTTLED.error_at(self._at(), f"HTTP {answer.status}", retry_after=retry_after)

    def _error_of_gateway(self, name: str, answer: Answer) -> ProviderError:
        failure = codes.gateway_failure(name, answer.status)
        detail = ""
        if name == codes.CLOCK_IS_OFF:
            detail = _skew_words(answer)
        elif failure.is_guessed:
            # What comes with the others may hold all that was signed, and with it the security token.
            detail = self._quoted(answer)
        request_id = answer.payload.get("RequestId")
        facts = [said(name), f"HTTP {answer.status}", *([f"request {said(request_id)}"] if request_id else [])]
        error = failure.error_at(self._at(), ", ".join(facts), detail, retry_after=_retry_after(answer))
        is_repeatable = failure.retry in (Retry.NOW, Retry.WITH_OTHER_CREDENTIALS)
        return _Repeatable(error, failure.retry) if is_repeatable else error

    def _call(
        self, sign: Callable[[Credentials], Signed], content: bytes, at_most: float | None = None
    ) -> Mapping[str, Any]:
        """Send a request in its turn, once more where its code says so, and return the payload."""
        credentials = self.credentials()
        for is_last in (False, True):
            self.wait_for_turn(at_most=at_most)
            self._sent_token = credentials.security_token
            url, headers = sign(credentials)
            try:
                payload = self.send("POST", url, headers=headers, data=content).payload
            except _Repeatable as repeatable:
                failure = repeatable
            else:
                if codes.number_of(_code_of(payload)) is None:
                    raise ProviderProtocolError(f"{self._at()} answered without a code that can be understood.")
                return payload
            used, credentials = credentials, self.credentials()
            if is_last or (failure.retry is not Retry.NOW and used == credentials):
                break
        raise failure.error

    def _sign_green(self, credentials: Credentials, path: str, content: bytes) -> Signed:
        query = [("RegionId", self.options.region)]
        headers = {
            "Accept": JSON,
            "Content-MD5": signing.content_md5(content),
            "Content-Type": JSON,
            "Date": format_datetime(datetime.now(UTC), usegmt=True),
            "x-acs-region-id": self.options.region,
            "x-acs-signature-method": "HMAC-SHA1",
            "x-acs-signature-nonce": uuid.uuid4().hex,
            "x-acs-signature-version": "1.0",
            "x-acs-version": GREEN.version,
        }
        if credentials.security_token:
            headers["x-acs-security-token"] = credentials.security_token
        string = signing.roa_string_to_sign("POST", path, query, headers)
        signature = signing.roa_signature(credentials.access_key_secret, string)
        headers["Authorization"] = f"acs {credentials.access_key_id}:{signature}"
        return f"{self.address}{path}?{signing.canonical_query(query)}", headers

    def _sign_rpc(
        self, credentials: Credentials, action: str, query: Sequence[tuple[str, str]], content: bytes
    ) -> Signed:
        payload_hash = signing.content_sha256(content)
        # Accept and User-Agent are left out, for a proxy may rewrite them.
        headers = {
            "host": self.host,
            "x-acs-action": action,
            "x-acs-content-sha256": payload_hash,
            "x-acs-date": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "x-acs-signature-nonce": uuid.uuid4().hex,
            "x-acs-version": MODERATION2.version,
        }
        if content:
            headers["content-type"] = FORM
        if credentials.security_token:
            headers["x-acs-accesskey-id"] = credentials.access_key_id
            headers["x-acs-security-token"] = credentials.security_token
        names = sorted(headers)
        canonical = signing.acs3_canonical_request("POST", "/", query, headers, names, payload_hash)
        signature = signing.acs3_signature(credentials.access_key_secret, signing.acs3_string_to_sign(canonical))
        headers["Authorization"] = (
            f"{signing.ACS3} Credential={credentials.access_key_id},SignedHeaders={';'.join(names)},"
            f"Signature={signature}"
        )
        # Without a query the lone question mark is not sent.
        return f"{self.address}/?{signing.canonical_query(query)}", headers

    def _service_of(self, parts: Iterable[str]) -> str:
        """Return what judges in one name: where it is too long, its end is a digest, so that none stands for two."""
        name = "/".join(parts).rstrip("/")
        if len(name) <= MAX_SERVICE:
            return name
        digest = sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:DIGEST_LENGTH]
        return f"{name[: MAX_SERVICE - DIGEST_LENGTH - 1]}~{digest}"

    def _check_choices(self, name: str, given: object, choices: Collection[str], *, is_needed: bool = False) -> None:
        """Raise ``ImgmodConfigurationError`` unless it is a list of some of the choices, or of none."""
        is_list = isinstance(given, Collection) and not isinstance(given, str | bytes)
        wanted = list(given) if isinstance(given, Collection) else []
        # A list in the list can be in no set, and is no choice either.
        is_known = all(isinstance(one, str) and one in choices for one in wanted)
        if not (is_list and is_known) or (is_needed and not wanted):
            raise self._wrong(name, f"must be a list of {', '.join(choices)}, not {given!r}")

    def _check_frames(self, interval: object, max_frames: object, *, at_most: int = 1_000_000) -> None:
        """Raise ``ImgmodConfigurationError`` unless both are whole numbers in range, or both are None."""
        if (interval is None) != (max_frames is None):
            raise self._wrong("interval", 'and OPTIONS["max_frames"] belong together')
        for name, value, most in (("interval", interval, 1_000_000), ("max_frames", max_frames, at_most)):
            is_number = isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= most
            if value is not None and not is_number:
                raise self._wrong(name, f"must be a whole number from 1 to {most:,}, not {value!r}")

    def _wrong(self, name: str, words: str) -> ImgmodConfigurationError:
        return ImgmodConfigurationError(f'Provider "{self.alias}": OPTIONS["{name}"] {words}.')

    def _at(self) -> str:
        return f'Provider "{self.alias}" ({self.host})'

    def _quoted(self, answer: Answer) -> str:
        """Return what the provider said, without the token that it was sent."""
        names = ("Msg", "msg", "Message", "message")
        message: str = next((answer.payload[name] for name in names if isinstance(answer.payload.get(name), str)), "")
        return said(message.replace(self._sent_token, "…") if self._sent_token else message)


def _code_of(payload: Mapping[str, Any]) -> object:
    return payload.get("Code", payload.get("code"))


def _retry_after(answer: Answer) -> float | None:
    """Return the seconds that an answer asks for, by the gateway's own header, else by that of HTTP; zero is none."""
    return _gateway_retry_after(answer) or parse_retry_after(answer.headers.get("Retry-After", "")) or None


def _gateway_retry_after(answer: Answer) -> float | None:
    given = answer.headers.get("x-acs-retry-after", "")
    if not (given.isascii() and given.isdigit()) or len(given) > 12 or int(given) == 0:
        return None
    # It counts in milliseconds.
    return min(int(given) / 1000, MAX_RETRY_AFTER)


def _skew_words(answer: Answer) -> str:
    answered_at = parse_http_date_safe(answer.headers.get("Date", ""))
    if answered_at is None:
        return ""
    seconds = round(time.time() - answered_at)
    return f"By its answer, this machine's clock is {abs(seconds):,} s {'ahead' if seconds > 0 else 'behind'}."
