"""What became of callbacks is told, and what failed is applied again."""

from __future__ import annotations

from io import StringIO
from urllib.parse import urlencode

import pytest
from django.core.management import call_command

from django_imgmod.choices import ReceiptOutcome, Status
from django_imgmod.models import CallbackReceipt, ModerationRecord
from django_imgmod.seeds import callback_seed
from tests.backdated import ago
from tests.hostapp.models import Photo

pytestmark = pytest.mark.django_db(databases=["default", "other"])


def run(*args: str) -> str:
    output = StringIO()
    call_command("imgmod_callbacks", *args, stdout=output)
    return output.getvalue()


@pytest.fixture
def failed(picture) -> CallbackReceipt:
    Photo.objects.create(image=picture())
    record = ModerationRecord.objects.get()
    data_id = str(record.public_id)
    body = urlencode({"data_id": data_id, "seed": callback_seed("default", data_id), "risk_level": "high"})
    return CallbackReceipt.objects.create(
        provider="default", body=body, record=record, outcome=ReceiptOutcome.FAILED, error_message="OSError:\nfull"
    )


def test_counts_by_outcome(failed):
    assert run().splitlines() == [
        "        0 Received",
        "        0 Applied",
        "        0 Repeated",
        "        0 Too late",
        "        1 Failed",
    ]


def test_lists_what_failed_and_what_to_do(failed):
    line, summary = run("--failed").splitlines()
    assert str(failed.record.public_id) in line
    assert r"'OSError:\nfull'" in line
    assert summary == "Failed: 1. Mend the cause, then give --replay."


def test_replays_what_failed_once(failed):
    assert run("--replay").splitlines() == ["        1 Applied", "Replayed: 1."]
    record = ModerationRecord.objects.get()
    assert record.status == Status.BLOCKED
    assert run("--replay") == "Replayed: 0.\n"


def test_what_is_not_authentic_any_more_stays_failed(failed, settings):
    settings.SECRET_KEY = "another"
    assert run("--replay").splitlines() == ["        1 Failed", "Replayed: 1."]
    assert ModerationRecord.objects.get().status == Status.PENDING


def test_only_one_provider_or_only_what_is_new(failed):
    assert run("--replay", "--provider=other") == "Replayed: 0.\n"
    CallbackReceipt.objects.update(received_at=ago(hours=3))
    assert run("--replay", "--since=2h") == "Replayed: 0.\n"
    assert "Replayed: 1." in run("--replay", "--since=4h")
