"""Every fault, asked for by a request and on the command line, of both generations."""

from __future__ import annotations

import argparse
import hashlib
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from django_imgmod.canary import canary_png
from django_imgmod.emulator import Emulator, Faults
from django_imgmod.emulator.commandline import add_arguments
from django_imgmod.emulator.faults import HEADER, NAMES
from django_imgmod.emulator.objects import BUCKET

from .listening import LIMIT, Listener, listening
from .signed import KEY_ID, SECRET, Draft, Reply, acs3, put, roa

UID, SEED = "1234567890123456", "seed_1"
URL = f"oss://{BUCKET}/upload/a.png"
PLACE = {"ossBucketName": BUCKET, "ossObjectName": "upload/a.png"}
WAYS = ("request", "command line")


class Green:
    name = "Green"

    def scan(self) -> Draft:
        return roa("/green/image/scan", {"scenes": ["porn"], "tasks": [{"url": URL}]})

    def submission(self, callback: str = "") -> Draft:
        wish = {"callback": callback, "seed": SEED} if callback else {}
        return roa("/green/image/asyncscan", {"scenes": ["porn"], "tasks": [{"url": URL}], **wish})

    def question(self, reply: Reply) -> Draft:
        return roa("/green/image/results", [reply.json["data"][0]["taskId"]])

    def code(self, reply: Reply) -> Any:
        """Of the picture, where the answer has got so far."""
        data = reply.json.get("data")
        return data[0]["code"] if data else reply.code

    def checksum(self, form: dict[str, str]) -> tuple[str, str]:
        return form["checksum"], form["content"]


class Moderation2:
    name = "2.0"

    def scan(self) -> Draft:
        return acs3("ImageModeration", form=self._given())

    def submission(self, callback: str = "") -> Draft:
        wish = {"callback": callback, "seed": SEED} if callback else {}
        return acs3("ImageAsyncModeration", query=self._given(**wish))

    def question(self, reply: Reply) -> Draft:
        return acs3("DescribeImageModerationResult", query={"ReqId": reply.json["Data"]["ReqId"]})

    def code(self, reply: Reply) -> Any:
        return reply.code

    def checksum(self, form: dict[str, str]) -> tuple[str, str]:
        return form["Checksum"], form["Content"]

    def _given(self, **more: str) -> dict[str, str]:
        return {"Service": "baselineCheck_global", "ServiceParameters": json.dumps({**PLACE, **more})}


Client = Green | Moderation2
Ask = Callable[..., Reply]


@pytest.fixture
def listener() -> Iterator[Listener]:
    with listening() as listener:
        yield listener


@pytest.fixture(params=[Green(), Moderation2()], ids=lambda client: client.name)
def client(request: pytest.FixtureRequest) -> Client:
    found: Client = request.param
    return found


@pytest.fixture(params=WAYS)
def demand(request: pytest.FixtureRequest, make: Callable[..., Emulator]) -> Callable[[str], tuple[Emulator, Ask]]:
    """
    Return a function that makes an emulator which does this wrong, and one that asks it.

    On the command line, the fault is asked for once; by a request, for that request. ``is_right`` asks for none.
    """

    def start(fault: str) -> tuple[Emulator, Ask]:
        by_request = request.param == "request"
        parser = argparse.ArgumentParser()
        add_arguments(parser)
        options = parser.parse_args([] if by_request else [f"--fault={fault}x1"])
        emulator = make(faults=Faults(options.faults))
        emulator.objects.put(BUCKET, "upload/a.png", canary_png("high"))

        def ask(draft: Draft, *, is_right: bool = False, **environ: Any) -> Reply:
            if by_request and not is_right:
                draft.headers[HEADER] = fault
            return draft.send(lambda given, respond: emulator({**given, **environ}, respond))

        return emulator, ask

    return start


def test_still_processing(demand, client):
    _, ask = demand("processing")
    accepted = ask(client.submission(), is_right=True)
    codes = [client.code(ask(client.question(accepted)))]
    codes += [client.code(ask(client.question(accepted), is_right=True)) for _ in range(2)]
    # One by itself, as every task, and one more on demand.
    assert codes == [280, 280, 200]


@pytest.mark.parametrize(("fault", "hint"), [("throttled", None), ("throttled=1500", "1500")])
def test_throttled_by_the_gateway(demand, client, fault, hint):
    _, ask = demand(fault)
    reply = ask(client.scan())
    assert (reply.status, reply.code, reply.headers.get("x-acs-retry-after")) == (400, "Throttling.User", hint)
    assert client.code(ask(client.scan(), is_right=True)) == 200


def test_throttled_by_the_service(demand, client):
    reply = demand("throttled=service")[1](client.scan())
    assert (reply.status, reply.code) == (200, {"Green": 588, "2.0": 403}[client.name])


@pytest.mark.parametrize(
    ("kind", "codes"),
    [
        ("", (480, 404)),
        ("=failed", (480, 404)),
        ("=not_allowed", (401, 404)),
        ("=forbidden", (403, 404)),
        ("=not_found", (404, 404)),
        ("=timed_out", (592, 405)),
        ("=too_large", (589, 406)),
    ],
)
def test_not_fetchable(demand, client, kind, codes):
    _, ask = demand(f"not-fetchable{kind}")
    expected = dict(zip(("Green", "2.0"), codes, strict=True))[client.name]
    assert client.code(ask(client.scan())) == expected
    assert client.code(ask(client.scan(), is_right=True)) == 200


def test_not_fetchable_later(demand, client):
    _, ask = demand("not-fetchable")
    accepted = ask(client.submission())
    assert client.code(accepted) == 200
    codes = [client.code(ask(client.question(accepted), is_right=True)) for _ in range(2)]
    assert codes == [280, {"Green": 480, "2.0": 404}[client.name]]


def test_no_permission(demand, client):
    _, ask = demand("no-permission")
    reply = ask(client.scan())
    assert (reply.status, reply.code) == (200, {"Green": 596, "2.0": 408}[client.name])
    assert client.code(ask(client.scan(), is_right=True)) == 200


@pytest.mark.parametrize(
    ("fault", "status", "code"),
    [("5xx", 503, "ServiceUnavailable"), ("5xx=500", 500, "InternalError"), ("5xx=599", 599, "InternalError")],
)
def test_5xx(demand, client, fault, status, code):
    _, ask = demand(fault)
    reply = ask(client.scan())
    assert (reply.status, reply.code) == (status, code)
    assert client.code(ask(client.scan(), is_right=True)) == 200


@pytest.mark.parametrize(("fault", "seconds"), [("slow", 5), ("slow=0.25", 0.25)])
def test_slow(demand, client, fault, seconds):
    _, ask = demand(fault)
    waits = Waits()
    assert client.code(ask(client.scan(), **{"imgmod.stopped": waits})) == 200
    assert client.code(ask(client.scan(), is_right=True, **{"imgmod.stopped": waits})) == 200
    assert waits.seconds == [seconds]


class Waits:
    """In the place of the server's event: remembers for how long somebody waits."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    def wait(self, seconds: float) -> None:
        self.seconds.append(seconds)


def test_reset(demand, client):
    _, ask = demand("reset")
    with pytest.raises(ConnectionResetError):
        ask(client.scan())
    assert client.code(ask(client.scan(), is_right=True)) == 200


@pytest.mark.parametrize("value", ["html", "half", "empty", "binary"])
def test_garbage(demand, client, value):
    _, ask = demand(f"garbage={value}")
    reply = ask(client.scan())
    assert reply.status == 200
    assert not is_json(reply.body)
    assert client.code(ask(client.scan(), is_right=True)) == 200


def is_json(body: bytes) -> bool:
    try:
        json.loads(body)
    except ValueError:
        return False
    return True


@pytest.mark.parametrize("fault", ["5xx=502", "throttled", "reset"])
def test_of_an_upload(demand, fault):
    emulator, ask = demand(fault)

    def upload() -> Draft:
        return put("of-the-site", "b.png", b"x", key_id=KEY_ID, secret=SECRET)

    if fault == "reset":
        with pytest.raises(ConnectionResetError):
            ask(upload())
    else:
        assert ask(upload()).status == {"5xx=502": 502, "throttled": 400}[fault]
    assert emulator.objects.get("of-the-site", "b.png") is None
    assert ask(upload(), is_right=True).status == 200


def is_sealed(client: Client, form: dict[str, str]) -> bool:
    given, content = client.checksum(form)
    return given == hashlib.sha256(f"{UID}{SEED}{content}".encode()).hexdigest()


def name_in(client: Client, form: dict[str, str]) -> str:
    content = json.loads(client.checksum(form)[1])
    return str(content["taskId"] if client.name == "Green" else content["Data"]["ReqId"])


def name_of(reply: Reply) -> str:
    return str(reply.json["Data"]["ReqId"] if "Data" in reply.json else reply.json["data"][0]["taskId"])


def submit(ask: Ask, client: Client, listener: Listener, **options: Any) -> str:
    return name_of(ask(client.submission(listener.url), **options))


def test_callback_is_late(demand, client, listener):
    emulator, ask = demand("callback-late=3600")
    submit(ask, client, listener)
    prompt = submit(ask, client, listener, is_right=True)
    assert name_in(client, listener.next().form) == prompt
    # The other one is still to come.
    assert not emulator.sender.wait(0)
    assert listener.is_quiet


def test_callback_comes_twice(demand, client, listener):
    emulator, ask = demand("callback-twice")
    submitted = submit(ask, client, listener)
    first, second = listener.next(), listener.next()
    assert first.body == second.body
    assert name_in(client, first.form) == submitted
    assert is_sealed(client, first.form)
    assert emulator.sender.wait(LIMIT)
    assert listener.is_quiet


def test_callback_never_comes(demand, client, listener):
    emulator, ask = demand("callback-never")
    never = ask(client.submission(listener.url))
    # It is there for who asks.
    codes = [client.code(ask(client.question(never), is_right=True)) for _ in range(2)]
    assert codes == [280, 200]
    submitted = submit(ask, client, listener, is_right=True)
    assert name_in(client, listener.next().form) == submitted
    assert emulator.sender.wait(LIMIT)
    assert listener.is_quiet


def test_callback_has_a_wrong_checksum(demand, client, listener):
    _, ask = demand("callback-wrong-checksum")
    submitted = submit(ask, client, listener)
    form = listener.next().form
    assert name_in(client, form) == submitted
    assert not is_sealed(client, form)
    submit(ask, client, listener, is_right=True)
    assert is_sealed(client, listener.next().form)


def test_callback_comes_after_the_next_one(demand, client, listener):
    emulator, ask = demand("callback-swapped")
    first = ask(client.submission(listener.url))
    # The second answer waits for the work to be done.
    codes = [client.code(ask(client.question(first), is_right=True)) for _ in range(2)]
    assert codes == [280, 200]
    second = submit(ask, client, listener, is_right=True)
    assert [name_in(client, listener.next().form) for _ in range(2)] == [second, name_of(first)]
    assert emulator.sender.wait(LIMIT)


def test_every_fault_is_here():
    tested = {
        *("processing", "throttled", "not-fetchable", "no-permission", "5xx", "slow", "reset", "garbage"),
        *("callback-late", "callback-twice", "callback-never", "callback-wrong-checksum", "callback-swapped"),
    }
    assert set(NAMES) == tested
