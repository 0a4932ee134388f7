"""The checks that every request has to pass, in their order: of two faults, the answer is about the first."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import combinations
from typing import Any

import pytest
from PIL import Image

from django_imgmod.emulator import Emulator, Fault
from django_imgmod.emulator.faults import NAMES
from django_imgmod.emulator.objects import BUCKET

from .signed import KEY_ID, NOW, SECRET, Draft, Reply, acs3, put, roa, rpc

CREDENTIALS = "/green/credentials/uploadcredentials"
PLACE = {"ossBucketName": BUCKET, "ossObjectName": "a.png"}
FORM = {"Service": "baselineCheck", "ServiceParameters": json.dumps(PLACE)}


def picture() -> bytes:
    output = io.BytesIO()
    Image.new("L", (8, 8)).save(output, "PNG")
    return output.getvalue()


def unchanged(draft: Draft) -> None:
    pass


@dataclass(frozen=True, kw_only=True)
class Flaw:
    """What a request does wrong so that one check refuses it, and what it is told."""

    check: str
    answer: str
    words: str = ""
    options: dict[str, Any] = field(default_factory=dict)
    spoil: Callable[[Draft], None] = unchanged
    """What is done to it once it is signed."""

    is_too_soon: bool = False


def set_(name: str, value: str) -> Callable[[Draft], None]:
    return lambda draft: draft.headers.update({name: value})


EXPIRED = {"now": NOW + timedelta(seconds=901)}
TOO_SOON = Flaw(check="rate", answer="Throttling.User", is_too_soon=True)


def green(**options: Any) -> Draft:
    return roa(options.pop("path", CREDENTIALS), options.pop("payload", {}), **options)


def modern(**options: Any) -> Draft:
    return acs3(options.pop("action", "ImageModeration"), **{"form": FORM, **options})


def older(**options: Any) -> Draft:
    return rpc(options.pop("action", "ImageModeration"), **{"form": FORM, **options})


def upload(**options: Any) -> Draft:
    place = options.pop("bucket", "of-the-site"), options.pop("name", "a.png")
    return put(*place, picture(), **{"key_id": KEY_ID, "secret": SECRET, **options})


GREEN = [
    Flaw(check="route", answer="InvalidApi.NotFound", options={"path": "/green/image/nothing"}),
    Flaw(check="version", answer="InvalidVersion", options={"x_acs_version": "x"}),
    Flaw(check="claim", answer="IncompleteSignature", options={"x_acs_signature_method": "x"}),
    Flaw(check="key", answer="InvalidAccessKeyId.NotFound", options={"key_id": "nobody"}),
    Flaw(check="date", answer="InvalidTimeStamp.Expired", options=EXPIRED),
    Flaw(check="token", answer="InvalidSecurityToken.Malformed", options={"token": "x"}),
    Flaw(check="body", answer="ContentMD5NotMatched", options={"Content_MD5": "x"}),
    Flaw(check="signature", answer="SignatureDoesNotMatch", options={"secret": "another"}),
    Flaw(check="nonce", answer="SignatureNonceUsed", options={"nonce": "used"}),
    TOO_SOON,
    Flaw(check="fault", answer="InvalidParameter", spoil=set_("x-imgmod-emulator-fault", "nonsense")),
    Flaw(check="parameters", answer="400", options={"payload": []}),
]
MODERN = [
    Flaw(check="route", answer="InvalidAction.NotFound", options={"action": "Nothing"}),
    Flaw(check="version", answer="InvalidVersion", options={"x_acs_version": "x"}),
    Flaw(check="claim", answer="IncompleteSignature", options={"without": ["host"]}),
    Flaw(check="key", answer="InvalidAccessKeyId.NotFound", options={"key_id": "nobody"}),
    Flaw(check="date", answer="InvalidTimeStamp.Expired", options=EXPIRED),
    Flaw(check="token", answer="InvalidSecurityToken.Malformed", options={"token": "x"}),
    Flaw(
        check="body",
        answer="SignatureDoesNotMatch",
        words="The header x-acs-content-sha256",
        options={"x_acs_content_sha256": "0" * 64},
    ),
    Flaw(
        check="signature", answer="SignatureDoesNotMatch", words="server string to sign", options={"secret": "another"}
    ),
    Flaw(check="nonce", answer="SignatureNonceUsed", options={"nonce": "used"}),
    TOO_SOON,
    Flaw(check="fault", answer="InvalidParameter", spoil=set_("x-imgmod-emulator-fault", "nonsense")),
    Flaw(check="parameters", answer="400", options={"form": {"Service": "baselineCheck"}}),
]
OLDER = [
    MODERN[0],
    Flaw(check="version", answer="InvalidVersion", options={"Version": "x"}),
    Flaw(check="claim", answer="IncompleteSignature", options={"SignatureMethod": "x"}),
    *MODERN[3:6],
    Flaw(
        check="body",
        answer="SignatureDoesNotMatch",
        words="A body must be a form",
        spoil=set_("content-type", "text/plain"),
    ),
    MODERN[7],
    Flaw(check="nonce", answer="SignatureNonceUsed", options={"SignatureNonce": "used"}),
    *MODERN[9:],
]
UPLOAD = [
    Flaw(check="route", answer="InvalidArgument", options={"name": ""}),
    Flaw(check="claim", answer="AccessDenied", words="Authorization", spoil=set_("Authorization", "x")),
    Flaw(check="key", answer="InvalidAccessKeyId", options={"key_id": "nobody"}),
    Flaw(check="date", answer="RequestTimeTooSkewed", options=EXPIRED),
    Flaw(check="token", answer="InvalidSecurityToken", options={"token": "x"}),
    Flaw(check="body", answer="InvalidDigest", options={"Content_MD5": "x"}),
    Flaw(check="signature", answer="SignatureDoesNotMatch", options={"secret": "another"}),
    Flaw(check="place", answer="AccessDenied", words="not for this place", options={"bucket": BUCKET}),
]


def newer_upload(**options: Any) -> Draft:
    return upload(version=4, **options)


SIGNERS: list[tuple[Callable[..., Draft], list[Flaw], dict[str, str]]] = [
    (green, GREEN, {"nonce": "used"}),
    (modern, MODERN, {"nonce": "used"}),
    (older, OLDER, {"SignatureNonce": "used"}),
    (upload, UPLOAD, {}),
    (newer_upload, UPLOAD, {}),
]


def answer_to(make: Callable[..., Emulator], signer: int, *flaws: Flaw) -> Reply:
    """Send a request with these flaws, after one that has none and has used the nonce and the rate."""
    sign, _, used = SIGNERS[signer]
    emulator = make(per_second=1 if any(flaw.is_too_soon for flaw in flaws) else None)
    emulator.objects.put(BUCKET, "a.png", picture())
    first = sign(**used).send(emulator)
    assert first.status == 200
    draft = sign(**{name: value for flaw in flaws for name, value in flaw.options.items()})
    for flaw in flaws:
        flaw.spoil(draft)
    return draft.send(emulator)


def is_about(reply: Reply, flaw: Flaw) -> bool:
    text = reply.body.decode()
    codes = (f'"{flaw.answer}"', f'ode": {flaw.answer},', f"<Code>{flaw.answer}</Code>")
    return any(code in text for code in codes) and flaw.words in text


ALONE = [(number, flaw) for number, (_, flaws, _) in enumerate(SIGNERS) for flaw in flaws]
PAIRS = [(number, *pair) for number, (_, flaws, _) in enumerate(SIGNERS) for pair in combinations(flaws, 2)]


def words_for(value: object) -> str:
    return value.check if isinstance(value, Flaw) else SIGNERS[value][0].__name__ if isinstance(value, int) else ""


@pytest.mark.parametrize(("signer", "flaw"), ALONE, ids=words_for)
def test_each_check_has_its_answer(make, signer, flaw):
    reply = answer_to(make, signer, flaw)
    assert is_about(reply, flaw), reply.body


@pytest.mark.parametrize(("signer", "first", "second"), PAIRS, ids=words_for)
def test_of_two_faults_the_answer_is_about_the_first(make, signer, first, second):
    reply = answer_to(make, signer, first, second)
    assert is_about(reply, first), reply.body
    assert not is_about(reply, second)


@pytest.mark.parametrize("signer", range(len(SIGNERS)))
def test_of_all_faults_at_once_the_answer_is_about_the_first(make, signer):
    flaws = SIGNERS[signer][1]
    for start in range(len(flaws)):
        assert is_about(answer_to(make, signer, *flaws[start:]), flaws[start])


@pytest.mark.parametrize("signer", range(len(SIGNERS)))
@pytest.mark.parametrize("name", NAMES)
def test_no_fault_takes_a_check_away(make, signer, name):
    sign, flaws, used = SIGNERS[signer]
    for flaw in flaws:
        # These come after the faults, or are about those.
        if flaw.is_too_soon or flaw.check in ("fault", "parameters"):
            continue
        emulator = make()
        sign(**used).send(emulator)
        emulator.faults.add(Fault(name=name))
        draft = sign(**flaw.options)
        draft.headers["x-imgmod-emulator-fault"] = name
        flaw.spoil(draft)
        assert is_about(draft.send(emulator), flaw)
