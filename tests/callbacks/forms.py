"""Callbacks as the providers send them, and what a stranger might send in their place."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlencode

from django.db import connections
from django.test import Client
from django.test.utils import CaptureQueriesContext

from django_imgmod.providers.alibaba.checksums import checksum
from django_imgmod.seeds import callback_seed

FORM = "application/x-www-form-urlencoded"
UID = "1234567890123456"
DUMMY, ONE, TWO = "default", "one", "two"
ALIASES = (DUMMY, ONE, TWO)
# Of a picture of each provider.
DATA_IDS: Mapping[str, str] = {
    DUMMY: "6f2b6a3e-3b57-4a0e-9f0a-0d8f5a0c1e11",
    ONE: "0c1e116f-4a0e-4b57-9f0a-8f5a0d2b6a3e",
    TWO: "8f5a0d2b-9f0a-4a0e-8b57-6a3e0c1e116f",
}

_ALIBABA = {"uid": UID, "access_key_id": "id", "access_key_secret": "secret"}
PROVIDERS: Mapping[str, Any] = {
    DUMMY: {
        "BACKEND": "django_imgmod.providers.dummy.DummyProvider",
        "OPTIONS": {"is_asynchronous": True, "delay": 3600},
    },
    ONE: {
        "BACKEND": "django_imgmod.providers.alibaba.GreenProvider",
        "OPTIONS": {**_ALIBABA, "scenes": ["porn"]},
    },
    TWO: {"BACKEND": "django_imgmod.providers.alibaba.ImageModeration2Provider", "OPTIONS": _ALIBABA},
}

_SUGGESTIONS = {"high": "block", "medium": "review", "none": "pass"}


@dataclass(frozen=True)
class Answer:
    """All of an answer by which whoever called could tell one refusal from another."""

    status: int
    content: bytes
    reason: str
    headers: tuple[tuple[str, str], ...]


REFUSAL = Answer(400, b"", "Bad Request", (("Content-Type", "text/html; charset=utf-8"),))
STORED = replace(REFUSAL, status=200, reason="OK")


@dataclass(frozen=True)
class Request:
    """One request, ready to be sent."""

    body: str | bytes
    alias: str = DUMMY
    """As it stands in the address, percent-encoded."""

    content_type: str = FORM

    def send(self) -> Answer:
        client = Client(enforce_csrf_checks=True, raise_request_exception=False)
        answer = client.post(f"/imgmod/callbacks/{self.alias}/", self.body, content_type=self.content_type)
        headers = tuple((name, value) for name, value in answer.headers.items() if name != "Content-Length")
        return Answer(answer.status_code, answer.content, answer.reason_phrase, headers)


@dataclass(frozen=True)
class Callback:
    """A provider's callback before it becomes a form. As it is made, it is authentic."""

    alias: str
    data_id: str
    content: str
    checksum: str
    """Of the seed alone, where the provider makes none: the seed itself."""

    def request(self) -> Request:
        return Request(urlencode(self.fields(), errors="surrogatepass"), self.alias)

    def fields(self) -> dict[str, str]:
        if self.alias == ONE:
            return {"checksum": self.checksum, "content": self.content}
        if self.alias == TWO:
            return {"ReqId": "B07B3DB7", "Checksum": self.checksum, "Content": self.content}
        level = {"risk_level": self.content} if self.content else {}
        return {"data_id": self.data_id, "seed": self.checksum, **level}


def authentic(alias: str, risk_level: str | None = "high", **changes: Any) -> Callback:
    """Return what the provider sends for its picture; None for the risk level says that it is not done yet."""
    data_id = DATA_IDS[alias]
    if alias == DUMMY:
        return Callback(alias, data_id, risk_level or "", callback_seed(alias, data_id))
    element = (element1 if alias == ONE else element2)(data_id, risk_level)
    return signed(alias, json.dumps({**element, **changes}))


def signed(alias: str, content: str) -> Callback:
    """Return a callback of one of Alibaba Cloud's about its picture, with the right checksum over any content."""
    data_id = DATA_IDS[alias]
    return Callback(alias, data_id, content, checksum(UID, callback_seed(alias, data_id), content))


def element1(data_id: str, risk_level: str | None) -> dict[str, Any]:
    if risk_level is None:
        return {"code": 280, "msg": "PROCESSING", "dataId": data_id, "taskId": "t"}
    label = "normal" if risk_level == "none" else "porn"
    result = {"scene": "porn", "label": label, "suggestion": _SUGGESTIONS[risk_level], "rate": 99.5}
    return {"code": 200, "msg": "OK", "dataId": data_id, "taskId": "t", "results": [result]}


def element2(data_id: str, risk_level: str | None) -> dict[str, Any]:
    if risk_level is None:
        return {"Code": 280, "Msg": "PROCESSING", "Data": {"DataId": data_id, "ReqId": "r"}}
    label = {"Label": "nonLabel" if risk_level == "none" else "pornographic_adultContent", "Confidence": 99.5}
    data = {"DataId": data_id, "ReqId": "r", "RiskLevel": risk_level, "Result": [label]}
    return {"Code": 200, "Msg": "OK", "Data": data}


def near_misses(alias: str) -> Mapping[str, Miss]:
    """Return what may be wrong with a callback of a provider, by its name."""
    return _OF_ALL if alias == DUMMY else {**_OF_ALL, **_OF_ALIBABA}


def _with_bit_changed(digits: str, bit: int) -> str:
    value = int(digits, 16) ^ (1 << bit % (4 * len(digits)))
    return f"{value:0{len(digits)}x}"


def _checksum(one: Callback, *, uid: str = UID, crypt_type: str = "SHA256") -> str:
    return checksum(uid, callback_seed(one.alias, one.data_id), one.content, crypt_type)


def _swapped(one: Callback) -> str:
    return hashlib.sha256(f"{callback_seed(one.alias, one.data_id)}{UID}{one.content}".encode()).hexdigest()


def _forged(one: Callback, seed: str) -> Callback:
    """The same callback by somebody who takes ``seed`` for the right one."""
    return replace(one, checksum=seed if one.alias == DUMMY else checksum(UID, seed, one.content))


def _misspelt(text: str, number: int) -> str:
    place = number % len(text)
    return f"{text[:place]}{'0' if text[place] != '0' else '1'}{text[place + 1 :]}"


Miss = Callable[[Callback, str, int], Callback]

# From an authentic callback, the id of another record and any number to one that is not authentic.
_OF_ALL: Mapping[str, Miss] = {
    "one bit": lambda one, other, number: replace(one, checksum=_with_bit_changed(one.checksum, number)),
    "one digit less": lambda one, other, number: replace(one, checksum=one.checksum[:-1]),
    "one digit more": lambda one, other, number: replace(one, checksum=f"{one.checksum}0"),
    "a space after the digits": lambda one, other, number: replace(one, checksum=f"{one.checksum} "),
    "no digits": lambda one, other, number: replace(one, checksum=""),
    "seed of another record": lambda one, other, number: _forged(one, callback_seed(one.alias, other)),
    "seed of another provider": lambda one, other, number: _forged(one, callback_seed("another", one.data_id)),
    "no seed": lambda one, other, number: _forged(one, ""),
    "data_id for a seed": lambda one, other, number: _forged(one, one.data_id),
    "about another record": lambda one, other, number: replace(
        one, data_id=other, content=one.content.replace(one.data_id, other)
    ),
}
# The dummy knows neither account nor checksum.
_OF_ALIBABA: Mapping[str, Miss] = {
    "another account": lambda one, other, number: replace(one, checksum=_checksum(one, uid=f"{UID[:-1]}7")),
    "no account": lambda one, other, number: replace(one, checksum=_checksum(one, uid="")),
    "another digest": lambda one, other, number: replace(one, checksum=_checksum(one, crypt_type="SM3")),
    "seed before account": lambda one, other, number: replace(one, checksum=_swapped(one)),
    "one character of the content": lambda one, other, number: replace(one, content=_misspelt(one.content, number)),
    "a space more in the content": lambda one, other, number: replace(one, content=f"{one.content} "),
    "content written anew": lambda one, other, number: replace(
        one, content=json.dumps(json.loads(one.content), separators=(",", ":"))
    ),
}


@contextmanager
def no_sql() -> Iterator[None]:
    """Assert that no database is told anything, not even to begin a transaction."""
    with ExitStack() as stack:
        captured = [stack.enter_context(CaptureQueriesContext(connections[using])) for using in connections]
        yield
    assert [query["sql"] for context in captured for query in context.captured_queries] == []
