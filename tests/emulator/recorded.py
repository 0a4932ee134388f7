"""Requests that the official SDKs sent, as they were recorded, with what is needed to send them again."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from django_imgmod.emulator import Emulator

from .signed import Clock, Draft, Reply

Make = Callable[..., Emulator]

VECTORS = {
    path.stem: json.loads(path.read_text()) for path in (Path(__file__).parent.parent / "vectors").glob("v*.json")
}
CALLS = sorted(name for name, vector in VECTORS.items() if vector["request"]["method"] == "POST")
UPLOADS = sorted(set(VECTORS) - set(CALLS))
ROA = [name for name in CALLS if name.startswith("v1-")]
RPC = [name for name in CALLS if "Signature=" in VECTORS[name]["request"]["query"]]
ACS3 = sorted(set(CALLS) - set(ROA) - set(RPC))


def draft_of(name: str) -> Draft:
    request = VECTORS[name]["request"]
    body = base64.b64decode(request["body_base64"])
    return Draft(request["method"], request["path"], request["query"], dict(request["headers"]), body)


def credentials_of(name: str) -> tuple[str, str, str]:
    vector = VECTORS[name]
    given = vector.get("oss_credentials") or vector["credentials"]
    # Names are written in two ways.
    found = {key.replace("_", "").lower(): value for key, value in given.items()}
    return found["accesskeyid"], found["accesskeysecret"], found.get("securitytoken", "")


def emulator_for(name: str, make: Make, *, secret: str = "", **options: Any) -> Emulator:
    key_id, right_secret, token = credentials_of(name)
    clock = Clock(datetime.fromtimestamp(VECTORS[name]["frozen"]["unix"], UTC))
    return make(
        credentials={key_id: secret or right_secret},
        security_tokens={key_id: token} if token else {},
        clock=clock,
        **options,
    )


def set_header(draft: Draft, name: str, value: str) -> None:
    draft.remove(name)
    draft.headers[name] = value


def set_parameter(draft: Draft, name: str, value: str) -> None:
    draft.query = urlencode([(known, value if known == name else kept) for known, kept in draft.pairs])


def error_of(reply: Reply) -> str:
    """Return the code of a refusal by the gateway or the bucket."""
    if reply.headers["Content-Type"] == "application/xml":
        found = re.search(r"<Code>(.+?)</Code>", reply.body.decode())
        assert found is not None
        return found[1]
    assert reply.status >= 400
    assert set(reply.json) == {"RequestId", "HostId", "Code", "Message"}
    return str(reply.json["Code"])


def signed_headers(name: str) -> list[str]:
    """Return the names of the headers that the signature is of, in lower case."""
    draft = draft_of(name)
    if name in ACS3:
        found = re.search(r"SignedHeaders=([^,]+)", draft.headers["Authorization"])
        assert found is not None
        return found[1].split(";")
    prefix = "x-oss-" if name in UPLOADS else "x-acs-"
    fixed = {"accept", "content-type", "date", "content-md5"} - ({"accept"} if name in UPLOADS else set())
    return [known.lower() for known in draft.headers if known.lower().startswith(prefix) or known.lower() in fixed]
