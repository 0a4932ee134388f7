"""
How many callbacks a second one process takes, against a plain Django view of twelve lines.

The plain view makes the same check, of the same checksum over the same form with a seed that is derived likewise, and
writes the risk level with one ``UPDATE`` by primary key into a table that has no other index. Ours keeps the whole
callback. Both are called as a WSGI server calls them, in this process and without a server: what a server and its
sockets cost would be the same for both and would bring the figures closer together. For the same reason there is no
middleware. The connection to the database is kept, and everything is committed as the database is configured to.

authentic, SweepDispatcher
    One ``INSERT`` in the request; the worker applies it. The setting for sites whose callbacks come by the hundred a
    second.
authentic, InlineDispatcher
    It is applied in the request as well: what is stored, the record, its labels, the receipt.
forged
    A wrong checksum. Neither of the two asks the database anything; ours writes a line to the log.

They take turns, ten by ten, so that a busy machine slows all of them alike. Exits with 1 where ours does less than 0.9
times as many as the plain view, with SweepDispatcher or forged.

    DATABASE_URL=postgres://… python benchmarks/callbacks.py
"""

from __future__ import annotations

import argparse
import gc
import hashlib
import io
import json
import logging
import os
import statistics
import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

sys.path.insert(0, str(Path(__file__).parent.parent))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")

import django
from django.conf import settings

PROVIDER = "default"
UID = "1234567890123456"
SWEEP = {
    "PROVIDERS": {
        PROVIDER: {
            "BACKEND": "django_imgmod.providers.alibaba.ImageModeration2Provider",
            "OPTIONS": {"uid": UID, "access_key_id": "id", "access_key_secret": "secret"},
        }
    },
    "DISPATCHER": "django_imgmod.dispatch.SweepDispatcher",
}
INLINE = {**SWEEP, "DISPATCHER": "django_imgmod.dispatch.InlineDispatcher"}

# Beside a second database that may hold the record, both would be asked for it.
settings.DATABASES.pop("other")
settings.DATABASES["default"]["CONN_MAX_AGE"] = None
settings.MIDDLEWARE = []
settings.ROOT_URLCONF = "__main__"
settings.IMGMOD = SWEEP
django.setup()

from django.contrib.contenttypes.models import ContentType
from django.core.handlers.wsgi import WSGIHandler
from django.db import connection, connections
from django.http import HttpRequest, HttpResponse
from django.test.utils import override_settings, setup_databases, setup_test_environment, teardown_databases
from django.urls import include, path
from django.utils.crypto import constant_time_compare, salted_hmac
from django.views.decorators.csrf import csrf_exempt

from benchmarks.claims import analyse, empty
from django_imgmod.choices import ReceiptOutcome, Status
from django_imgmod.models import CallbackReceipt, ModerationRecord, current_key
from django_imgmod.providers.alibaba.checksums import checksum
from django_imgmod.seeds import callback_seed
from tests.hostapp.models import Photo

MIN_RATIO = 0.9
AT_A_TIME = 10


@csrf_exempt
def plain(request: HttpRequest) -> HttpResponse:
    content = request.POST["Content"]
    data = json.loads(content)["Data"]
    seed = salted_hmac("plain", data["DataId"], algorithm="sha256").hexdigest()
    expected = hashlib.sha256(f"{UID}{seed}{content}".encode()).hexdigest()
    if not constant_time_compare(expected, request.POST["Checksum"].lower()):
        return HttpResponse(status=400)
    Photo.objects.filter(pk=data["DataId"]).update(title=data["RiskLevel"])
    return HttpResponse(status=200)


urlpatterns = [path("plain/", plain), path("imgmod/", include("django_imgmod.urls"))]

handler = WSGIHandler()


@dataclass(frozen=True, slots=True)
class Form:
    """A request that is ready to be sent."""

    path: str
    body: bytes
    status: int

    def send(self) -> None:
        environ = {
            "REQUEST_METHOD": "POST",
            "PATH_INFO": self.path,
            "SCRIPT_NAME": "",
            "QUERY_STRING": "",
            "SERVER_NAME": "testserver",
            "SERVER_PORT": "80",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "REMOTE_ADDR": "127.0.0.1",
            "CONTENT_TYPE": "application/x-www-form-urlencoded; charset=utf-8",
            "CONTENT_LENGTH": str(len(self.body)),
            "wsgi.url_scheme": "http",
            "wsgi.input": io.BytesIO(self.body),
        }
        response = handler(environ, lambda status, headers: None)
        b"".join(response)
        response.close()
        assert response.status_code == self.status, f"{self.path} answered {response.status_code}"


def form(path: str, data_id: str, seed: str, status: int = 200) -> Form:
    """The callback of a picture in which one thing was found."""
    label = {
        "Label": "pornographic_adultContent",
        "Confidence": 81.3,
        "Description": "Adult content",
        "RiskLevel": "high",
    }
    data = {"DataId": data_id, "ReqId": "B07B3DB7-FCD9-5F43-A1E2-4E1D0A6B9C11", "RiskLevel": "high", "Result": [label]}
    content = json.dumps(
        {"Code": 200, "Msg": "success", "RequestId": "6CF2815C-C8C7-4A01-B52E-FF6E24F53492", "Data": data}
    )
    given = {"ReqId": data["ReqId"], "Checksum": checksum(UID, seed, content), "Content": content}
    return Form(path, urlencode(given).encode(), status)


def records(count: int) -> list[str]:
    """Make records that wait for their callbacks; return their public ids."""
    content_type = ContentType.objects.get_for_model(Photo)
    first = ModerationRecord.objects.count()
    made = ModerationRecord.objects.bulk_create(
        ModerationRecord(
            content_type=content_type,
            object_id=str(number),
            field_name="image",
            current_key=current_key(Photo, str(number), "image"),
            file_name=f"{number}.jpg",
            sha256=hashlib.sha256(str(number).encode()).hexdigest(),
            provider=PROVIDER,
            policy="default",
            status=Status.SUBMITTED,
        )
        for number in range(first, first + count)
    )
    return [str(record.public_id) for record in made]


def plain_forms(count: int) -> list[Form]:
    photos = Photo.objects.bulk_create(Photo() for _ in range(count))
    seeds = {str(photo.pk): salted_hmac("plain", str(photo.pk), algorithm="sha256").hexdigest() for photo in photos}
    return [form("/plain/", data_id, seed) for data_id, seed in seeds.items()]


def our_forms(count: int) -> list[Form]:
    path = f"/imgmod/callbacks/{PROVIDER}/"
    return [form(path, data_id, callback_seed(PROVIDER, data_id)) for data_id in records(count)]


def forged(forms: Sequence[Form]) -> list[Form]:
    wrong = hashlib.sha256(b"wrong").hexdigest().encode()
    start = len(b"ReqId=B07B3DB7-FCD9-5F43-A1E2-4E1D0A6B9C11&Checksum=")
    return [Form(one.path, one.body[:start] + wrong + one.body[start + len(wrong) :], 400) for one in forms]


def rates(forms: Mapping[str, Sequence[Form]]) -> dict[str, float]:
    """Send some of each kind in turn, until all are sent; return how many a second of each."""
    spent = dict.fromkeys(forms, 0.0)
    gc.collect()
    for start in range(0, max(map(len, forms.values())), AT_A_TIME):
        for kind, all_of_it in forms.items():
            some = all_of_it[start : start + AT_A_TIME]
            with override_settings(IMGMOD=INLINE if kind.endswith("InlineDispatcher") else SWEEP):
                began = time.perf_counter()
                for one in some:
                    one.send()
                spent[kind] += time.perf_counter() - began
    return {kind: len(forms[kind]) / spent[kind] for kind in forms}


def measure(count: int) -> dict[str, float]:
    """Measure each kind once."""
    of_plain, ours, inline = plain_forms(count), our_forms(count), our_forms(count)
    analyse(ModerationRecord)
    with connection.execute_wrapper(_refuse):
        found = rates({"forged, plain": forged(of_plain), "forged, ours": forged(ours)})
    found |= rates(
        {"authentic, plain": of_plain, "authentic, SweepDispatcher": ours, "authentic, InlineDispatcher": inline}
    )
    outcomes = Counter(CallbackReceipt.objects.values_list("outcome", flat=True))
    assert outcomes == {ReceiptOutcome.RECEIVED: len(ours), ReceiptOutcome.APPLIED: len(inline)}
    # On MariaDB a table is not emptied with what refers to it.
    for model in (CallbackReceipt, ModerationRecord, Photo):
        empty(model)
    return found


def _refuse(*arguments: Any) -> None:
    raise AssertionError("A forged callback asks the database.")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.strip().splitlines()[0])
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--callbacks", type=int, default=500, help="of each kind in a round")
    options = parser.parse_args()
    # What is logged is written by both, to where it costs no more than the writing.
    logging.basicConfig(stream=Path(os.devnull).open("w"), level=logging.WARNING)  # noqa: SIM115 - until the end
    setup_test_environment()
    old = setup_databases(verbosity=0, interactive=False, aliases={"default"})
    try:
        rounds = [measure(options.callbacks) for _ in range(options.rounds + 1)][1:]  # the first only warms up
    finally:
        connections.close_all()
        teardown_databases(old, verbosity=0)
    return _report(rounds)


def _report(rounds: Sequence[Mapping[str, float]]) -> int:
    is_enough = True
    print(f"{connection.vendor}, one process, {len(rounds)} rounds; callbacks a second, and beside the plain view")
    for name in rounds[0]:
        kind, _, whose = name.partition(", ")
        line = f"  {name:<29} {statistics.median(turn[name] for turn in rounds):>7,.0f}"
        if whose != "plain":
            ratios = sorted(turn[name] / turn[f"{kind}, plain"] for turn in rounds)
            quarter = len(ratios) // 4
            ratio = statistics.median(ratios)
            line += f"  {ratio:.2f}x (middle half {ratios[quarter]:.2f} to {ratios[-quarter - 1]:.2f})"
            is_enough &= ratio >= MIN_RATIO or whose == "InlineDispatcher"
        print(line)
    return 0 if is_enough else 1


if __name__ == "__main__":
    sys.exit(main())
