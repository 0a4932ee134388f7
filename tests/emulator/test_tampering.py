"""Every recorded request, with one character of it another one: none is let through, wherever that character is."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlencode

import pytest

from .recorded import ACS3, CALLS, ROA, UPLOADS, credentials_of, draft_of, emulator_for, error_of, signed_headers
from .signed import Draft

SIGNED = {*ROA, *ACS3}


def others(text: str, start: int = 0, end: int | None = None) -> Iterator[str]:
    """Yield the text once for each of its characters, or those of a part, with another one in its place."""
    for place in range(start, len(text) if end is None else end):
        yield f"{text[:place]}{'1' if text[place] == '0' else '0'}{text[place + 1 :]}"


def in_headers(name: str) -> Iterator[Draft]:
    headers = draft_of(name).headers
    meant = {*signed_headers(name), "authorization"}
    for header, value in headers.items():
        if header.lower() not in meant:
            continue
        # Of the host, an upload signs the bucket.
        end = value.index(".") if name in UPLOADS and header.lower() == "host" else None
        for other in others(value, 0, end):
            draft = draft_of(name)
            draft.headers[header] = other
            yield draft


def in_host_of_upload(name: str) -> Iterator[Draft]:
    host = draft_of(name).headers["Host"]
    for other in others(host, 0, host.index(".") + 1):
        draft = draft_of(name)
        draft.headers["Host"] = other
        yield draft


def in_path(name: str) -> Iterator[Draft]:
    for other in others(draft_of(name).path):
        draft = draft_of(name)
        draft.path = other
        yield draft


def in_query(name: str) -> Iterator[Draft]:
    for other in others(draft_of(name).query):
        draft = draft_of(name)
        draft.query = other
        yield draft


def in_body(name: str) -> Iterator[Draft]:
    body = draft_of(name).body
    for place, byte in enumerate(body):
        draft = draft_of(name)
        draft.body = body[:place] + bytes([byte ^ 1]) + body[place + 1 :]
        yield draft
    for place in range(len(body)):
        draft = draft_of(name)
        draft.body = body[:place]
        yield draft


def without_a_parameter(name: str) -> Iterator[Draft]:
    pairs = draft_of(name).pairs
    for place in range(len(pairs)):
        draft = draft_of(name)
        draft.query = urlencode(pairs[:place] + pairs[place + 1 :])
        yield draft


def with_a_parameter_twice(name: str) -> Iterator[Draft]:
    pairs = draft_of(name).pairs
    for known, _ in pairs:
        for added in ([*pairs, (known, "x")], [(known, "x"), *pairs]):
            draft = draft_of(name)
            draft.query = urlencode(added)
            yield draft


KINDS = {
    in_headers: [*ROA, *ACS3, *UPLOADS],
    in_host_of_upload: UPLOADS,
    in_path: [*CALLS, *UPLOADS],
    in_query: CALLS,
    without_a_parameter: CALLS,
    with_a_parameter_twice: CALLS,
    # The SDK's uploads have no digest of their body.
    in_body: CALLS,
}


@pytest.mark.parametrize(
    ("tamper", "name"),
    [(tamper, name) for tamper, names in KINDS.items() for name in names],
    ids=lambda value: value if isinstance(value, str) else value.__name__,
)
def test_no_changed_copy_is_let_through(make, tamper, name):
    emulator = emulator_for(name, make)
    original = draft_of(name)
    for draft in tamper(name):
        assert draft != original
        assert error_of(draft.send(emulator)), draft
    # What was refused has used nothing up: neither nonce nor place.
    assert original.send(emulator).status == 200


def test_every_kind_changes_something():
    for tamper, names in KINDS.items():
        assert any(list(tamper(name)) for name in names), tamper


def test_what_green_does_not_sign_may_change_on_the_way(make):
    """A proxy rewrites such headers; the recorded requests say which ones the SDK leaves out."""
    for name in ROA:
        draft = draft_of(name)
        for header in draft.headers:
            if header.lower() in ("user-agent", "x-sdk-client", "x-sdk-invoke-type", "accept-encoding"):
                draft.headers[header] = "another"
        assert draft != draft_of(name)
        assert draft.send(emulator_for(name, make)).status == 200


@pytest.mark.parametrize("name", ROA)
def test_another_header_of_the_gateway_is_refused(make, name):
    draft = draft_of(name)
    draft.headers["x-acs-added"] = "1"
    assert error_of(draft.send(emulator_for(name, make))) == "SignatureDoesNotMatch"


@pytest.mark.parametrize("name", CALLS)
def test_another_method_is_refused(make, name):
    for method in ("GET", "PATCH", "DELETE", "post"):
        draft = draft_of(name)
        draft.method = method
        assert error_of(draft.send(emulator_for(name, make))) == "InvalidApi.NotFound"


@pytest.mark.parametrize("name", [name for name in [*CALLS, *UPLOADS] if credentials_of(name)[2]])
def test_another_secret_is_refused_beside_the_right_token(make, name):
    assert error_of(draft_of(name).send(emulator_for(name, make, secret="another"))) == "SignatureDoesNotMatch"
