"""What whoever uploaded an image learns of it by its link: what an editor may know, and nothing else."""

from __future__ import annotations

from typing import Any

import pytest
from django.core import signing
from django.test import Client

from django_imgmod.choices import ErrorCode, Outcome, RiskLevel, Status
from django_imgmod.models import DetectedLabel
from django_imgmod.services.decisions import decide
from django_imgmod.services.review.appeals import appeal
from django_imgmod.services.showing.links import status_token
from tests.backdated import make_judged, make_record
from tests.rest.asking import Moderator, read
from tests.review.moderating import make_moderator, make_waiting, now

pytestmark = [pytest.mark.django_db(databases=["default", "other"]), pytest.mark.urls("tests.rest.urls")]

KEYS = {"status", "is_public", "is_settled", "message", "reason", "expected", "may_appeal", "labels"}


def ask(record: Any, **headers: str) -> Any:
    return Client().get(f"/imgmod/api/status/{status_token(record)}/", headers=headers)


def test_each_step_is_told(django_user_model):
    record = make_record()
    told = read(ask(record))
    assert told.keys() == KEYS
    assert (told["status"], told["is_public"], told["is_settled"]) == ("pending", False, False)
    record = make_waiting()
    assert read(ask(record))["reason"] == "The check was not sure."
    decide(record, Outcome.BLOCK, decided_by=None, reason_code="hate")
    told = read(ask(record))
    assert (told["status"], told["reason"], told["may_appeal"]) == ("blocked", "Hate or harassment", True)
    appeal(now(record), by=None)
    assert read(ask(record))["may_appeal"] is False
    decide(now(record), Outcome.PASS, decided_by=None)
    told = read(ask(record))
    assert (told["status"], told["is_public"], told["is_settled"]) == ("passed", True, True)


def test_error_is_told_as_one_and_never_as_clean():
    record = make_waiting(error_code=ErrorCode.DAMAGED, error_message="/srv/media/secret.png: bad CRC")
    told = read(ask(record))
    assert "damaged" in told["reason"]
    assert told["is_public"] is False
    assert "secret" not in str(told)


def test_moderators_and_what_they_wrote_are_not_told():
    zoe = make_moderator("zoe")
    record = make_waiting(raw={"secret": "xyzzy"}, top_label="sexual_cartoon", provider="default", claimed_by=zoe)
    DetectedLabel.objects.create(record=record, label="sexual_cartoon", description="A cartoon", confidence=90)
    decide(record, Outcome.BLOCK, decided_by=zoe, comment="Again this fellow", reason_code="sexual")
    text = ask(record).content.decode()
    for secret in ("zoe", "Again this fellow", "xyzzy", "cartoon", str(record.public_id), record.file_name):
        assert secret not in text


def test_labels_are_told_where_the_site_lets_editors_see_them(settings):
    settings.IMGMOD = {**settings.IMGMOD, "EDITORS": {"SEE_LABELS": True}}
    record = make_judged(status=Status.BLOCKED, risk_level=RiskLevel.HIGH)
    DetectedLabel.objects.create(record=record, label="ad_qrcode", description="A code", confidence="60.5")
    assert read(ask(record))["labels"] == [{"label": "A code", "confidence": 60.5}]


def test_links_that_are_not_valid_are_all_alike(monkeypatch, settings):
    record, gone = make_judged(), make_judged()
    token, token_of_gone = status_token(record), status_token(gone)
    gone.delete()
    answers = [
        Client().get(f"/imgmod/api/status/{token_of_gone}/"),
        Client().get("/imgmod/api/status/x/"),
        Client().get("/imgmod/api/status/%00/"),
        Client().get(f"/imgmod/api/status/{'x' * 3000}/"),
        Client().get(f"/imgmod/api/status/{record.public_id}/"),
        Client().get(f"/imgmod/api/status/{token[:-1]}/"),
        Client().get(f"/imgmod/api/status/{signing.dumps(record.public_id.hex)}/"),
        Client().get(f"/imgmod/api/status/{signing.dumps([1], salt='django_imgmod.status')}/"),
    ]
    week = 8 * 24 * 60 * 60
    moment = signing.time.time()
    monkeypatch.setattr(signing.time, "time", lambda: moment + week)
    answers.append(Client().get(f"/imgmod/api/status/{token}/"))
    monkeypatch.undo()
    settings.SECRET_KEY = "another site"
    answers.append(Client().get(f"/imgmod/api/status/{token}/"))
    told = [read(answer, 404) for answer in answers]
    assert all(answer == told[0] for answer in told)
    settings.SECRET_KEY = "tests"
    read(Client().get(f"/imgmod/api/status/{token}/"))


def test_answer_is_the_same_for_everybody_and_leaves_nothing_behind(client_of, django_assert_num_queries):
    record = make_record()
    answer = ask(record)
    told = read(answer)
    assert not answer.cookies
    assert read(ask(record, authorization="Token nonsense")) == told
    token = status_token(record)
    assert read(client_of("review_moderationrecord").get(f"status/{token}/")) == told
    with django_assert_num_queries(1):
        Client().get(f"/imgmod/api/status/{token}/")


@pytest.mark.urls("tests.rest.throttled")
def test_address_that_asks_too_often_is_told_when_to_come_again():
    record = make_record()
    for _ in range(2):
        read(ask(record))
    answer = ask(record)
    read(answer, 429)
    assert int(answer["Retry-After"]) > 0


def test_nothing_can_be_done_by_a_link():
    record = make_judged(status=Status.BLOCKED)
    token = status_token(record)
    read(Moderator().post(f"status/{token}/", outcome="pass"), 405)
    assert now(record).status == Status.BLOCKED
