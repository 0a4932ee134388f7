"""The emulator as a WSGI application: the way of a request through all checks."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import UTC, datetime
from http.client import responses
from typing import Any, Final, Self

from .authentication import Authenticator, Clock, Key, RateLimit, SecurityToken
from .backstage import Backstage, Call, Generation
from .faults import HEADER, Fault, FaultError, Faults
from .green1 import Green1
from .green2 import Green2
from .judging import Judge
from .objects import Objects
from .oss import Oss, error_answer
from .parameters2 import SERVICES
from .pictures import Pictures
from .sender import DELAY_SECONDS, PAUSE_SECONDS, CallbackSender
from .wire import Answer, Refusal, Request, gateway_answer, read_request

logger = logging.getLogger("django_imgmod")

PUT_OBJECT: Final = "PutObject"


class Emulator:
    """
    A WSGI application that speaks both of Alibaba Cloud's wire protocols, and takes uploads.

    It accepts what is signed with ``credentials``, secrets by AccessKeyId, and nothing else: no check can be left out.
    Of these keys, those in ``security_tokens`` are temporary ones: a ``SecurityToken``, or its text for one without an
    end. ``uid`` is the account's, of which callbacks hold a digest. ``clock`` returns an aware datetime.

    | option             | means                                                                                   |
    |--------------------|-----------------------------------------------------------------------------------------|
    | services           | those of 2.0 that the account has beside the documented ones; of all there may be copies |
    | allowed_hosts      | names that it may connect to for pictures and callbacks, beside this machine            |
    | faults             | what it does wrong; a request may ask for more with a header                            |
    | judge              | what it thinks of pictures; a ``Judge`` with the engine, where that is installed        |
    | per_second         | requests in any second for each key and operation; any number if not given              |
    | processing_answers | how often a task that is asked for is said to be still worked on, whatever it is        |
    | is_code_in_status  | the service's codes are the HTTP status too; else that is 200: sources differ           |
    | region             | the only one for which a V4 signature of an upload holds; any if not given              |
    | endpoint           | the URL of the buckets; if not given, where the request for credentials came to         |
    | callback_delay     | seconds until a callback is sent, and                                                   |
    | callback_pause     | until it is tried again                                                                 |

    Usable from any thread. ``close()`` ends its own threads; as a context manager it does so at the end. Raises
    ``ValueError`` for a security token without its key.
    """

    def __init__(
        self,
        credentials: Mapping[str, str],
        security_tokens: Mapping[str, str | SecurityToken] | None = None,
        uid: str = "1234567890123456",
        *,
        clock: Clock | None = None,
        services: Collection[str] = (),
        allowed_hosts: Collection[str] = (),
        faults: Faults | None = None,
        judge: Judge | None = None,
        per_second: int | None = None,
        processing_answers: int = 1,
        is_code_in_status: bool = False,
        region: str = "",
        endpoint: str = "",
        callback_delay: float = DELAY_SECONDS,
        callback_pause: float = PAUSE_SECONDS,
    ) -> None:
        clock = clock or _utc_now
        keys = _keys(credentials, security_tokens or {})
        self.faults = faults or Faults()
        self.objects = Objects(keys, uid=uid, clock=clock)
        self.sender = CallbackSender(uid, allowed_hosts, delay=callback_delay, pause=callback_pause)
        self._authenticator = Authenticator(keys, clock)
        self._rate = RateLimit(per_second, clock)
        self._oss = Oss(self.objects, clock, region=region)
        backstage = Backstage(
            judge=judge or Judge(),
            pictures=Pictures(self.objects, allowed_hosts),
            objects=self.objects,
            sender=self.sender,
            faults=self.faults,
            endpoint=endpoint,
            is_code_in_status=is_code_in_status,
        )
        self._green1 = Green1(backstage, clock, processing_answers=processing_answers)
        self._green2 = Green2(
            backstage, clock, processing_answers=processing_answers, services=SERVICES.union(services)
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *args: object) -> None:
        self.close()

    def close(self) -> None:
        """Send no more callbacks, and work on nothing more."""
        self.sender.close()
        self._green1.close()
        self._green2.close()

    def __call__(self, environ: Mapping[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        stopped = environ.get("imgmod.stopped") or threading.Event()
        answer = self._answer(environ, stopped.wait)
        headers = [*answer.headers.items(), ("Content-Length", str(len(answer.body)))]
        start_response(f"{answer.status} {responses.get(answer.status, 'Unnamed')}", headers)
        return [answer.body]

    def _answer(self, environ: Mapping[str, Any], wait: Callable[[float], object]) -> Answer:
        try:
            request = read_request(environ)
        except Refusal as refusal:
            return gateway_answer(refusal)
        try:
            return self._put(request, wait) if request.method == "PUT" else self._call(request, wait)
        except Refusal as refusal:
            is_put = request.method == "PUT"
            return error_answer(refusal, request.host) if is_put else gateway_answer(refusal, host=request.host)
        except ConnectionResetError:
            raise
        except Exception:
            logger.exception("emulator=failed method=%s path=%s", request.method, request.path)
            failure = Refusal("InternalError", "The emulator failed; its log says why.", status=500)
            return gateway_answer(failure, host=request.host)

    def _call(self, request: Request, wait: Callable[[float], object]) -> Answer:
        generation: Generation = self._green2 if request.path == "/" else self._green1
        operation, scheme = generation.route(request)
        key_id = self._authenticator.authenticate(request, scheme)
        self._rate.check(key_id, operation)
        fault = self._fault(operation, request)
        return _spoilt(fault, wait, lambda: generation.answer(Call(operation=operation, request=request, fault=fault)))

    def _put(self, request: Request, wait: Callable[[float], object]) -> Answer:
        place = self._oss.admit(request)
        return _spoilt(self._fault(PUT_OBJECT, request), wait, lambda: self._oss.put(place, request.body))

    def _fault(self, operation: str, request: Request) -> Fault | None:
        try:
            return self.faults.next(operation, request.headers.get(HEADER, ""))
        except FaultError as error:
            raise Refusal("InvalidParameter", str(error)) from error


def _utc_now() -> datetime:
    return datetime.now(UTC)


def _keys(credentials: Mapping[str, str], tokens: Mapping[str, str | SecurityToken]) -> dict[str, Key]:
    if keyless := sorted(set(tokens).difference(credentials)):
        raise ValueError(f"There is a security token, but no secret, for {', '.join(keyless)}.")
    keys = {}
    for key_id, secret in credentials.items():
        token = tokens.get(key_id)
        keys[key_id] = Key(secret, SecurityToken(token) if isinstance(token, str) else token)
    return keys


_GARBAGE: Final[Mapping[str, tuple[str, bytes]]] = {
    "html": ("text/html", b"<!doctype html><title>Welcome</title><p>Please sign in to this network."),
    "empty": ("application/json;charset=utf-8", b""),
    "binary": ("application/octet-stream", bytes(range(256))),
}


def _spoilt(fault: Fault | None, wait: Callable[[float], object], act: Callable[[], Answer]) -> Answer:
    """Act, and do wrong with the answer what a fault says; nothing is done where a fault stands in for the answer."""
    name, number = (fault.name, fault.number) if fault else ("", None)
    if name == "reset":
        raise ConnectionResetError("A fault was asked for.")
    if name == "5xx":
        status = int(number or 503)
        raise Refusal(
            "ServiceUnavailable" if status == 503 else "InternalError",
            "The request has failed due to a temporary failure of the server.",
            status=status,
        )
    if name == "throttled" and fault is not None and fault.value != "service":
        raise Refusal(
            "Throttling.User",
            "Request was denied due to user flow control.",
            retry_after=None if number is None else int(number),
        )
    if name == "garbage" and fault is not None and fault.value in _GARBAGE:
        content_type, body = _GARBAGE[fault.value]
        return Answer(headers={"Content-Type": content_type}, body=body)
    answer = act()
    if name == "garbage":
        return Answer(status=answer.status, headers=answer.headers, body=answer.body[: len(answer.body) // 2])
    if name == "slow":
        wait(number or 0)
    return answer
