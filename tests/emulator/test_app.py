"""The emulator as what it says it is: a WSGI application, made of credentials, tokens, an account and a clock."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from wsgiref.util import setup_testing_defaults
from wsgiref.validate import validator

import pytest

from django_imgmod.canary import canary_png
from django_imgmod.emulator import Emulator

from .listening import listening
from .signed import NOW, STS_ID, STS_SECRET, STS_TOKEN, Clock, Draft, acs3, put, roa, rpc

CREDENTIALS = "/green/credentials/uploadcredentials"
STS = {"key_id": STS_ID, "secret": STS_SECRET, "token": STS_TOKEN}


@pytest.fixture
def plain() -> Iterator[Emulator]:
    """Made of what is documented, by these names and nothing else."""
    with Emulator(
        credentials={"id": "secret", STS_ID: STS_SECRET},
        security_tokens={STS_ID: STS_TOKEN},
        uid="42",
        clock=Clock(),
    ) as emulator:
        yield emulator


def by(sign: Callable[..., Draft], where: str, *arguments: Any) -> Callable[..., Draft]:
    return lambda **options: sign(where, *arguments, **options)


@pytest.mark.parametrize(
    "sign", [by(roa, CREDENTIALS, {}), by(acs3, "DescribeUploadToken"), by(rpc, "DescribeUploadToken")]
)
def test_credentials_and_tokens_are_those_that_were_given(plain, sign):
    assert sign(key_id="id", secret="secret").send(plain).code == 200
    assert sign(**STS).send(plain).code == 200
    assert sign(**{**STS, "token": ""}).send(plain).code == "MissingSecurityToken"
    assert sign(key_id="other", secret="secret").send(plain).code == "InvalidAccessKeyId.NotFound"


def test_uid_is_that_of_the_account(plain):
    plain.objects.put("bucket", "a", canary_png("medium"))
    with listening() as listener:
        tasks = [{"url": "oss://bucket/a"}]
        body = {"scenes": ["porn"], "tasks": tasks, "callback": listener.url, "seed": "s"}
        assert roa("/green/image/asyncscan", body, key_id="id", secret="secret").send(plain).code == 200
        form = listener.next().form
    assert form["checksum"] == hashlib.sha256(f"42s{form['content']}".encode()).hexdigest()


@pytest.mark.parametrize("zone", [UTC, timezone(timedelta(hours=-7))])
def test_clock_is_asked_each_time_and_may_be_of_any_zone(zone):
    now = [NOW]

    def clock() -> datetime:
        return now[0].astimezone(zone)

    with Emulator(credentials={"id": "secret"}, clock=clock) as emulator:
        key = {"key_id": "id", "secret": "secret"}
        assert acs3("DescribeUploadToken", **key).send(emulator).code == 200
        now[0] += timedelta(hours=1)
        assert acs3("DescribeUploadToken", **key).send(emulator).code == "InvalidTimeStamp.Expired"
        assert acs3("DescribeUploadToken", **key, now=now[0]).send(emulator).code == 200


def test_it_has_a_clock_of_its_own():
    with Emulator(credentials={"id": "secret"}) as emulator:
        key = {"key_id": "id", "secret": "secret"}
        assert acs3("DescribeUploadToken", **key).send(emulator).code == "InvalidTimeStamp.Expired"
        assert acs3("DescribeUploadToken", **key, now=datetime.now(UTC)).send(emulator).code == 200


@pytest.mark.parametrize(
    ("draft", "status"),
    [
        (roa(CREDENTIALS, {}, **STS), "200 OK"),
        (acs3("DescribeUploadToken", **STS), "200 OK"),
        (acs3("ImageModeration", form={"Service": "x"}, **STS), "200 OK"),
        (put("bucket", "name", b"x", **STS), "200 OK"),
        (put("bucket", "name", b"x", **{**STS, "secret": "another"}), "403 Forbidden"),
        (roa("/nothing", {}), "404 Not Found"),
        (Draft("GET", "/"), "404 Not Found"),
    ],
)
def test_it_keeps_to_the_rules_of_wsgi(plain, draft, status):
    environ: dict[str, Any] = {}
    setup_testing_defaults(environ)
    environ |= {
        "REQUEST_METHOD": draft.method,
        "PATH_INFO": draft.path.replace("%2F", "/"),
        "QUERY_STRING": draft.query,
        "CONTENT_LENGTH": str(len(draft.body)),
        "wsgi.input": io.BytesIO(draft.body),
    }
    for name, value in draft.headers.items():
        key = name.upper().replace("-", "_")
        environ[key if key == "CONTENT_TYPE" else f"HTTP_{key}"] = value
    answered: list[Any] = []

    def start_response(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Callable[[bytes], object]:
        answered.extend((status, headers))
        return answered.append

    answer = validator(plain)(environ, start_response)
    body = b"".join(answer)
    answer.close()
    assert answered[0] == status
    assert dict(answered[1])["Content-Length"] == str(len(body))
