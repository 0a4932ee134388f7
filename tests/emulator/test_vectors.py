"""Requests that the official SDKs sent, with the clock at their time: as recorded, and changed on their way."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote, urlencode

import pytest

from django_imgmod.emulator import pictures
from django_imgmod.emulator.fetching import FetchError
from django_imgmod.emulator.oss import locate
from django_imgmod.emulator.wire import Request, parse_pairs
from django_imgmod.providers.alibaba import signing

from .recorded import (
    ACS3,
    CALLS,
    ROA,
    RPC,
    UPLOADS,
    VECTORS,
    credentials_of,
    draft_of,
    emulator_for,
    error_of,
    set_header,
    set_parameter,
    signed_headers,
)
from .signed import Clock

MISMATCH = "SignatureDoesNotMatch"


@pytest.fixture(autouse=True)
def nothing_is_fetched(monkeypatch):
    def refuse(*args: Any, **kwargs: Any) -> bytes:
        raise FetchError("not_allowed", "No network.")

    monkeypatch.setattr(pictures, "fetch", refuse)


def test_there_are_vectors_of_every_kind():
    assert len(ROA) >= 15
    assert len(ACS3) >= 15
    assert len(RPC) == 2
    assert len(UPLOADS) == 4


@pytest.mark.parametrize("name", CALLS)
def test_a_recorded_request_is_authentic(name, make):
    reply = draft_of(name).send(emulator_for(name, make))
    assert reply.status == 200
    # The service answers with a number; the gateway would with a word.
    assert isinstance(reply.code, int)


@pytest.mark.parametrize("name", UPLOADS)
def test_a_recorded_upload_is_kept(name, make):
    emulator, draft = emulator_for(name, make), draft_of(name)
    reply = draft.send(emulator)
    assert (reply.status, reply.body) == (200, b"")
    place = locate(Request(method="PUT", path=_decoded(draft.path), headers={"host": draft.headers["Host"]}))
    assert emulator.objects.get(*place) == draft.body
    if "oss" in VECTORS[name]:
        assert place == (VECTORS[name]["oss"]["bucket"], VECTORS[name]["oss"]["object"])


def _decoded(path: str) -> str:
    return str(parse_pairs(path.replace("+", "%2B"))[0][0])


@pytest.mark.parametrize("name", [*ACS3, *RPC])
def test_a_recorded_request_is_authentic_once(name, make):
    emulator = emulator_for(name, make)
    draft_of(name).send(emulator)
    assert error_of(draft_of(name).send(emulator)) == "SignatureNonceUsed"


@pytest.mark.parametrize("name", ROA)
def test_without_a_nonce_a_request_to_green_is_authentic_again(name, make):
    emulator = emulator_for(name, make)
    draft_of(name).send(emulator)
    assert draft_of(name).send(emulator).status == 200


@pytest.mark.parametrize("name", [*CALLS, *UPLOADS])
def test_another_secret_is_refused(name, make):
    assert error_of(draft_of(name).send(emulator_for(name, make, secret="another"))) == MISMATCH


@pytest.mark.parametrize("name", [*ROA, *ACS3])
def test_no_signature_is_refused(name, make):
    draft = draft_of(name)
    draft.remove("Authorization")
    assert error_of(draft.send(emulator_for(name, make))) == "IncompleteSignature"


@pytest.mark.parametrize("name", UPLOADS)
def test_an_upload_without_a_signature_is_refused(name, make):
    draft = draft_of(name)
    draft.remove("Authorization")
    assert error_of(draft.send(emulator_for(name, make))) == "AccessDenied"


@pytest.mark.parametrize("name", RPC)
def test_no_signature_in_the_query_is_refused(name, make):
    draft = draft_of(name)
    draft.query = draft.query.partition("&Signature=")[0]
    assert error_of(draft.send(emulator_for(name, make))) == "IncompleteSignature"


@pytest.mark.parametrize("name", CALLS)
def test_another_body_is_refused(name, make):
    draft = draft_of(name)
    draft.body += b"x"
    assert error_of(draft.send(emulator_for(name, make))) == ("ContentMD5NotMatched" if name in ROA else MISMATCH)


@pytest.mark.parametrize("name", [*ROA, *ACS3])
def test_another_body_with_its_own_digest_is_refused(name, make):
    draft = draft_of(name)
    draft.body += b"x"
    if name in ROA:
        set_header(draft, "Content-MD5", signing.content_md5(draft.body))
    else:
        set_header(draft, "x-acs-content-sha256", signing.content_sha256(draft.body))
    assert error_of(draft.send(emulator_for(name, make))) == MISMATCH


@pytest.mark.parametrize("name", RPC)
def test_another_form_is_refused(name, make):
    draft = draft_of(name)
    draft.body = (draft.body + b"&" if draft.body else b"") + b"referer=x"
    set_header(draft, "content-type", "application/x-www-form-urlencoded")
    assert error_of(draft.send(emulator_for(name, make))) == MISMATCH


@pytest.mark.parametrize("name", [*CALLS, *UPLOADS])
def test_another_date_is_refused(name, make):
    draft = draft_of(name)
    if name in RPC:
        set_parameter(draft, "Timestamp", "2023-03-14T06:29:51Z")
    elif name in ACS3:
        set_header(draft, "x-acs-date", "2023-03-14T06:29:51Z")
    else:
        set_header(draft, "Date", "Tue, 14 Mar 2023 06:29:51 GMT")
    assert error_of(draft.send(emulator_for(name, make))) == MISMATCH


@pytest.mark.parametrize("seconds", [-901, 901])
@pytest.mark.parametrize("name", [*CALLS, *UPLOADS])
def test_another_time_is_refused(name, seconds, make):
    unix = VECTORS[name]["frozen"]["unix"] + seconds
    key_id, secret, token = credentials_of(name)
    emulator = make(
        credentials={key_id: secret},
        security_tokens={key_id: token} if token else {},
        clock=Clock(datetime.fromtimestamp(unix, UTC)),
    )
    expected = "RequestTimeTooSkewed" if name in UPLOADS else "InvalidTimeStamp.Expired"
    assert error_of(draft_of(name).send(emulator)) == expected


@pytest.mark.parametrize("name", [*CALLS, *UPLOADS])
def test_another_query_parameter_is_refused(name, make):
    draft = draft_of(name)
    draft.query = f"{draft.query}&added=1".lstrip("&")
    assert error_of(draft.send(emulator_for(name, make))) == MISMATCH


@pytest.mark.parametrize("name", [*CALLS, *UPLOADS])
def test_another_token_is_refused(name, make):
    draft, token = draft_of(name), credentials_of(name)[2]
    other = "another"
    if name in RPC:
        parameters = [(known, value) for known, value in draft.pairs if known != "SecurityToken"]
        draft.query = urlencode([*parameters, ("SecurityToken", other)])
    else:
        set_header(draft, "x-oss-security-token" if name in UPLOADS else "x-acs-security-token", other)
    expected = "InvalidSecurityToken" if name in UPLOADS else "InvalidSecurityToken.Malformed"
    if name in ACS3 and not token:
        # Nobody has signed it.
        expected = "IncompleteSignature"
    assert error_of(draft.send(emulator_for(name, make))) == expected


@pytest.mark.parametrize("name", [name for name in [*CALLS, *UPLOADS] if credentials_of(name)[2]])
def test_no_token_is_refused(name, make):
    draft = draft_of(name)
    draft.remove("x-oss-security-token" if name in UPLOADS else "x-acs-security-token")
    draft.query = re.sub(r"&SecurityToken=[^&]*", "", draft.query)
    # What SignedHeaders names has to be there.
    expected = "IncompleteSignature" if name in ACS3 else "MissingSecurityToken"
    if name in UPLOADS:
        expected = "InvalidAccessKeyId"
    assert error_of(draft.send(emulator_for(name, make))) == expected


# By scheme and header, of a request in which it is another one, or gone; the first row that fits.
CHANGED = {
    "x-acs-version": "InvalidVersion",
    "x-acs-action": {"acs3": "InvalidAction.NotFound"},
    "x-acs-signature-method": "IncompleteSignature",
    "x-acs-signature-version": "IncompleteSignature",
    "content-md5": {"roa": "ContentMD5NotMatched"},
    "date": {"roa": "InvalidTimeStamp.Format", "oss": "AccessDenied"},
    "x-acs-date": "InvalidTimeStamp.Format",
    "x-acs-security-token": "InvalidSecurityToken.Malformed",
    "x-oss-security-token": "InvalidSecurityToken",
}
REMOVED = {
    **CHANGED,
    "x-acs-security-token": {"roa": "MissingSecurityToken"},
    "x-oss-security-token": "InvalidAccessKeyId",
    "x-acs-date": {},
}


def _expected(table: dict[str, Any], name: str, header: str, default: str) -> str:
    scheme = "roa" if name in ROA else "acs3" if name in ACS3 else "oss"
    found = table.get(header, default)
    return found.get(scheme, default) if isinstance(found, dict) else found


@pytest.mark.parametrize("name", [*ROA, *ACS3, *UPLOADS])
def test_every_other_value_of_a_signed_header_is_refused(name, make):
    emulator = emulator_for(name, make)
    for header in signed_headers(name):
        draft = draft_of(name)
        value = next(value for known, value in draft.headers.items() if known.lower() == header)
        set_header(draft, header, f"{value}x")
        assert error_of(draft.send(emulator)) == _expected(CHANGED, name, header, MISMATCH), header


@pytest.mark.parametrize("name", [*ROA, *ACS3, *UPLOADS])
def test_every_missing_signed_header_is_refused(name, make):
    emulator = emulator_for(name, make)
    default = "IncompleteSignature" if name in ACS3 else MISMATCH
    for header in signed_headers(name):
        draft = draft_of(name)
        draft.remove(header)
        assert error_of(draft.send(emulator)) == _expected(REMOVED, name, header, default), header


@pytest.mark.parametrize("name", UPLOADS)
def test_another_place_is_refused(name, make):
    draft = draft_of(name)
    draft.path += quote("x")
    assert error_of(draft.send(emulator_for(name, make))) == MISMATCH
    draft = draft_of(name)
    draft.headers["Host"] = f"other-{draft.headers['Host']}"
    assert error_of(draft.send(emulator_for(name, make))) == MISMATCH
