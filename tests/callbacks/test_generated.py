"""
Callbacks by the thousand: what no provider sent leaves no trace, and what one sent is read as it says or not at all.

The full count: ``IMGMOD_CALLBACKS=10000 pytest -s tests/callbacks/test_generated.py``. Each test prints its seed;
``IMGMOD_CALLBACKS_SEED`` makes it draw the same again.
"""

from __future__ import annotations

import json
import os
import random
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote, quote_plus, urlencode

import pytest
from django.db import transaction
from django.test import override_settings
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from django_imgmod.choices import ReceiptOutcome, Status
from django_imgmod.models import CallbackReceipt, DetectedLabel, ModerationRecord
from django_imgmod.providers.alibaba.answers import found
from tests.callbacks.forms import (
    ALIASES,
    DATA_IDS,
    DUMMY,
    FORM,
    ONE,
    REFUSAL,
    STORED,
    TWO,
    Answer,
    Request,
    authentic,
    element1,
    element2,
    near_misses,
    no_sql,
    signed,
)
from tests.providers.alibaba.strange import json_values, nested, variations

COUNT = int(os.environ.get("IMGMOD_CALLBACKS", "200"))
SIZE = 3_000_000

pytestmark = pytest.mark.django_db(databases=["default", "other"])

Draw = st.DrawFn

aliases = st.sampled_from(ALIASES)
addresses = st.sampled_from(ALIASES) | st.text(min_size=1, max_size=60).filter(lambda text: "/" not in text).map(
    lambda text: quote(text, safe="", errors="replace")
)
names = st.sampled_from(["checksum", "content", "Checksum", "Content", "CONTENT", "ReqId", "seed", "data_id"])
digits = st.text("0123456789abcdefABCDEF", min_size=64, max_size=64)


@st.composite
def noise(draw: Draw) -> Request:
    """Bytes, or a form of any fields."""
    body: str | bytes
    if draw(st.booleans()):
        body = draw(st.binary(max_size=300))
    else:
        pairs = draw(st.lists(st.tuples(names | st.text(), st.text() | digits), max_size=8))
        body = urlencode(pairs, errors="surrogatepass")
    return Request(body, draw(addresses))


@st.composite
def wrong_types(draw: Draw) -> Request:
    """A form of the right fields, with anything inside."""
    value = draw(json_values | st.fixed_dictionaries({"dataId": json_values, "Data": json_values}))
    if draw(st.booleans()):
        value = draw(variations(element1(DATA_IDS[ONE], "high"), element2(DATA_IDS[TWO], "high")))
    content = json.dumps(value)
    given = {"content": content, "risk_level": content, "data_id": draw(st.text() | st.just(DATA_IDS[DUMMY]))}
    given |= {"checksum": draw(digits | st.text()), "seed": draw(digits | st.text())}
    return Request(urlencode(given, errors="surrogatepass"), draw(aliases))


@st.composite
def deep(draw: Draw) -> Request:
    """JSON that is nested further than anybody reads."""
    start = draw(st.sampled_from(["[", '{"a":', '{"Data":', '[{"dataId":', " [\n"]))
    depth = draw(st.integers(1, 20_000))
    ends = {"[": "]", "{": "}"}
    end = "".join(ends[letter] for letter in reversed(start) if letter in ends) if draw(st.booleans()) else ""
    content = start * depth + "1" + end * depth
    names_of_fields = draw(st.sampled_from([("checksum", "content"), ("Checksum", "Content"), ("seed", "data_id")]))
    return Request(urlencode(dict(zip(names_of_fields, (draw(digits), content), strict=True))), draw(aliases))


@st.composite
def bad_encoding(draw: Draw) -> Request:
    """An authentic form with bytes in it that are no UTF-8, percent-encoded or as they are, wherever they land."""
    alias = draw(aliases)
    bad = draw(st.sampled_from([b"\xff", b"\xc3", b"\xed\xa0\x80", b"\xf5\x80", b"\x80"]))
    body = str(authentic(alias).request().body).encode()
    # In the digits, so that it is not authentic by what else the form holds.
    place = body.index(authentic(alias).checksum.encode()) + draw(st.integers(0, 63))
    if draw(st.booleans()):
        bad = quote_plus(bad).encode()
    return Request(body[:place] + bad + body[place:], alias)


@st.composite
def wrong_content_type(draw: Draw) -> Request:
    """An authentic form that is said to be something else."""
    alias = draw(aliases)
    printable = st.text(st.characters(codec="ascii", exclude_categories=["Cc"]), max_size=40)
    content_type = draw(
        st.sampled_from(["application/json", "text/plain", "multipart/form-data", "multipart/form-data; boundary=a"])
        | printable.filter(lambda text: text.partition(";")[0].strip().lower() != FORM)
    )
    return Request(authentic(alias).request().body, alias, content_type)


@st.composite
def large(draw: Draw) -> Request:
    """Three megabytes."""
    part = draw(st.binary(min_size=1, max_size=12) | st.sampled_from([b"%", b"&", b"a=b&", b"%ff", b"content=["]))
    alias = draw(aliases)
    start = str(near_misses(alias)["one bit"](authentic(alias), DATA_IDS[DUMMY], 1).request().body).encode()
    return Request((start if draw(st.booleans()) else b"") + part * (SIZE // len(part)), alias)


@st.composite
def near(draw: Draw) -> Request:
    """All but authentic."""
    alias = draw(aliases)
    miss = near_misses(alias)[draw(st.sampled_from(sorted(near_misses(alias))))]
    one = authentic(alias, draw(st.sampled_from(["high", "none", None])))
    return miss(one, DATA_IDS[ONE if alias == TWO else TWO], draw(st.integers(0, 10_000))).request()


# How many in a hundred are of each kind. Three megabytes take their time.
SHARES: Mapping[Callable[[], st.SearchStrategy[Request]], int] = {
    noise: 25,
    near: 26,
    wrong_types: 20,
    bad_encoding: 10,
    wrong_content_type: 10,
    deep: 6,
    large: 3,
}


def run(count: int, check: Callable[..., None], *strategies: st.SearchStrategy[Any]) -> None:
    """Check so many draws, and say what they were drawn from."""
    number = int(os.environ.get("IMGMOD_CALLBACKS_SEED") or random.randrange(10**9))  # noqa: S311 - no secret
    print(f"IMGMOD_CALLBACKS={COUNT} IMGMOD_CALLBACKS_SEED={number}")  # noqa: T201 - a run can be had again
    chosen = settings(
        max_examples=count,
        deadline=None,
        database=None,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )
    seed(number)(chosen(given(*strategies)(check)))()


def state() -> list[Any]:
    models = (ModerationRecord, CallbackReceipt, DetectedLabel)
    return [
        list(model.objects.using(using).order_by("pk").values()) for model in models for using in ("default", "other")
    ]


@pytest.mark.parametrize("kind", SHARES, ids=lambda kind: kind.__name__)
def test_what_nobody_sent_leaves_no_trace(waiting, kind):
    count = COUNT * SHARES[kind] // 100
    before = state()
    answers: Counter[Answer] = Counter()

    def check(request: Request, limit: int | None) -> None:
        with override_settings(DATA_UPLOAD_MAX_MEMORY_SIZE=limit), no_sql():
            answer = request.send()
        assert answer == REFUSAL
        answers[answer] += 1

    run(count, check, kind(), st.sampled_from([None, 2_621_440]))
    print(f"{kind.__name__}: {answers.total()} refused")  # noqa: T201 - what was tried
    assert answers.total() >= count
    assert state() == before


WHOLE = {
    ONE: [element1(DATA_IDS[ONE], level) for level in ("high", "none", None)],
    TWO: [element2(DATA_IDS[TWO], level) for level in ("high", "none", None)],
}


@st.composite
def strange_verdicts(draw: Draw) -> tuple[str, str]:
    """An alias, and the content of a callback that is authentic, whatever else it is."""
    alias = draw(st.sampled_from([ONE, TWO]))
    element = dict(draw(variations(*WHOLE[alias]).filter(lambda value: isinstance(value, dict))))
    if draw(st.booleans()):
        element["more"] = draw(json_values | st.integers(1, 300).map(nested))
    # Its own name for the picture is all that it has to have.
    data_id = DATA_IDS[alias]
    if alias == ONE:
        element["dataId"] = data_id
    elif isinstance(element.get("Data"), dict):
        element["Data"] = {**element["Data"], "DataId": data_id}
    else:
        element = {name: value for name, value in element.items() if name.lower() != "data"} | {"DataId": data_id}
    return alias, json.dumps(element)


def words_of(alias: str, element: dict[str, Any]) -> set[str]:
    """Return the words in which a verdict of no risk has to say so: of the picture, and of each thing in it."""
    if alias == ONE:
        words = [found(result, "suggestion") for result in found(element, "results")]
    else:
        data = element.get("Data", element)
        levels = [found(label, "RiskLevel") for label in found(data, "Result") or []]
        words = [found(data, "RiskLevel"), *(level for level in levels if level not in (None, ""))]
    return {str(word).lower() for word in words}


def test_what_a_provider_sent_is_kept_whatever_it_says(waiting):
    """Kept and answered 200, at most once a change, and never a pass that its words do not give."""
    statuses: Counter[str] = Counter()

    def check(drawn: tuple[str, str]) -> None:
        alias, content = drawn
        request = signed(alias, content).request()
        try:
            json.loads(content, parse_constant=_refuse)
        except ValueError:
            with no_sql():
                assert request.send() == REFUSAL
            statuses["no JSON"] += 1
            return
        with transaction.atomic():
            assert {request.send(), request.send()} == {STORED}
            outcomes = set(CallbackReceipt.objects.values_list("outcome", flat=True))
            record = ModerationRecord.objects.get(pk=waiting[alias].pk)
            transaction.set_rollback(True)
        assert outcomes <= {ReceiptOutcome.APPLIED, ReceiptOutcome.REPEATED}
        assert record.version <= waiting[alias].version + 1
        if record.status == Status.PASSED:
            words = words_of(alias, json.loads(content))
            assert words
            assert words <= ({"pass"} if alias == ONE else {"none", "low"})
        statuses[record.status] += 1

    before = state()
    run(COUNT, check, strange_verdicts())
    print(f"{statuses.total()} kept: {dict(statuses)}")  # noqa: T201 - what was tried
    assert statuses.total() >= COUNT
    assert statuses.keys() >= {Status.PASSED, Status.IN_REVIEW, Status.BLOCKED, Status.SUBMITTED}
    assert state() == before


def _refuse(name: str) -> None:
    raise ValueError(name)
