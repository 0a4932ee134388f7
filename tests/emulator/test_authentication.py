from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from django_imgmod.emulator import Fault, Faults, SecurityToken
from django_imgmod.emulator.authentication import Key
from django_imgmod.emulator.schemes import Claim
from django_imgmod.emulator.wire import Request

from .signed import KEY_ID, NOW, SECRET, STS_ID, STS_SECRET, STS_TOKEN, Draft, acs3, put, roa, rpc, send

CREDENTIALS = "/green/credentials/uploadcredentials"
STS = {"key_id": STS_ID, "secret": STS_SECRET, "token": STS_TOKEN}
V1_PATHS = [
    "/green/image/scan",
    "/green/image/asyncscan",
    "/green/image/results",
    "/green/image/feedback",
    CREDENTIALS,
]
V2_ACTIONS = [
    "ImageModeration",
    "ImageAsyncModeration",
    "ImageBatchModeration",
    "DescribeImageModerationResult",
    "DescribeImageResultExt",
    "DescribeUploadToken",
]


def green(**options: Any) -> Draft:
    return roa(CREDENTIALS, {}, **options)


def modern(**options: Any) -> Draft:
    return acs3("DescribeUploadToken", **options)


def older(**options: Any) -> Draft:
    return rpc("DescribeUploadToken", **options)


SCHEMES: list[Callable[..., Draft]] = [green, modern, older]
every_scheme = pytest.mark.parametrize("sign", SCHEMES)


@every_scheme
def test_a_signed_request_is_answered(emulator, sign):
    assert sign().send(emulator).code == 200
    assert sign(**STS).send(emulator).code == 200


class TestRoute:
    @pytest.mark.parametrize(
        ("method", "path"),
        [("POST", "/green/image/other"), ("POST", "/x"), ("GET", CREDENTIALS), ("GET", "/"), ("DELETE", "/")],
    )
    def test_unknown_paths_and_methods(self, emulator, method, path):
        draft = modern() if path == "/" else green()
        draft.method, draft.path = method, path
        reply = draft.send(emulator)
        assert (reply.status, reply.code) == (404, "InvalidApi.NotFound")

    @pytest.mark.parametrize("draft", [acs3("Nothing"), acs3(""), rpc("Nothing")])
    def test_unknown_actions(self, emulator, draft):
        reply = draft.send(emulator)
        assert (reply.status, reply.code) == (400, "InvalidAction.NotFound")

    def test_the_action_of_the_older_style_is_the_signed_one(self, emulator):
        draft = older()
        draft.headers["x-acs-action"] = "ImageModeration"
        assert "AccessKeyId" in draft.send(emulator).json["Data"]

    @pytest.mark.parametrize(
        ("version", "code"),
        [("2017-01-12", "InvalidAction.NotFound"), ("2022-03-02", "InvalidVersion"), ("x", "InvalidVersion")],
    )
    def test_versions_of_green(self, emulator, version, code):
        reply = green(x_acs_version=version).send(emulator)
        assert (reply.status, reply.code) == (400, code)

    @pytest.mark.parametrize("draft", [modern(x_acs_version="2018-05-09"), older(Version="2018-05-09")])
    def test_versions_of_2(self, emulator, draft):
        assert draft.send(emulator).code == "InvalidVersion"


class TestClaim:
    @pytest.mark.parametrize("authorization", ["", "acs", "acs x", "acs :x", "acs x:", "Basic eDp5", "acs a b:c"])
    def test_of_green(self, emulator, authorization):
        draft = green()
        draft.headers["Authorization"] = authorization
        reply = draft.send(emulator)
        assert (reply.status, reply.code) == (400, "IncompleteSignature")

    @pytest.mark.parametrize("header", ["x_acs_signature_method", "x_acs_signature_version"])
    def test_of_another_method_of_green(self, emulator, header):
        assert green(**{header: "HMAC-SM3"}).send(emulator).code == "IncompleteSignature"

    @pytest.mark.parametrize(
        "change",
        [
            ("ACS3-HMAC-SHA256", "ACS4-HMAC-SHA256"),
            ("Credential=testAccessKeyId,", ""),
            (",Signature=", ",Sign="),
            (";x-acs-date", ";X-Acs-Date"),
            ("host;", ""),
            ("host;x-acs-action", "x-acs-action;host"),
            ("host;", "host;host;"),
            ("host;", "host;missing;"),
        ],
    )
    def test_of_2(self, emulator, change):
        draft = modern()
        assert change[0] in draft.headers["Authorization"]
        draft.headers["Authorization"] = draft.headers["Authorization"].replace(*change)
        reply = draft.send(emulator)
        assert (reply.status, reply.code) == (400, "IncompleteSignature")

    @pytest.mark.parametrize(
        "name",
        ["host", "x-acs-action", "x-acs-version", "x-acs-date", "x-acs-signature-nonce", "x-acs-content-sha256"],
    )
    def test_that_leaves_out_a_header_is_refused_however_well_it_is_signed(self, emulator, name):
        reply = modern(without=[name]).send(emulator)
        assert reply.code == "IncompleteSignature"
        assert name in reply.json["Message"]

    def test_that_leaves_out_the_token(self, emulator):
        assert modern(**STS, without=["x-acs-security-token"]).send(emulator).code == "IncompleteSignature"

    def test_may_leave_out_other_headers(self, emulator):
        assert modern(user_agent="x", without=["user-agent"]).send(emulator).code == 200

    def test_without_a_nonce(self, emulator):
        draft = modern()
        draft.headers["x-acs-signature-nonce"] = ""
        assert draft.send(emulator).code == "IncompleteSignature"
        assert older(SignatureNonce="").send(emulator).code == "IncompleteSignature"

    @pytest.mark.parametrize("place", ["before", "after"])
    def test_of_the_older_style_has_one_signature(self, emulator, place):
        draft = older()
        draft.query = f"Signature=x&{draft.query}" if place == "before" else f"{draft.query}&Signature=x"
        assert draft.send(emulator).code == "IncompleteSignature"

    @pytest.mark.parametrize("change", [{"SignatureMethod": "HMAC-SHA256"}, {"SignatureVersion": "2.0"}])
    def test_of_the_older_style(self, emulator, change):
        assert older(**change).send(emulator).code == "IncompleteSignature"


@every_scheme
def test_an_unknown_key(emulator, sign):
    reply = sign(key_id="nobody").send(emulator)
    assert (reply.status, reply.code) == (404, "InvalidAccessKeyId.NotFound")


class TestDate:
    @every_scheme
    @pytest.mark.parametrize("minutes", [-15, 0, 15])
    def test_within_15_minutes(self, emulator, sign, minutes):
        assert sign(now=NOW + timedelta(minutes=minutes)).send(emulator).code == 200

    @every_scheme
    @pytest.mark.parametrize("seconds", [-901, 901])
    def test_beyond(self, emulator, sign, seconds):
        reply = sign(now=NOW + timedelta(seconds=seconds)).send(emulator)
        assert (reply.status, reply.code) == (400, "InvalidTimeStamp.Expired")
        # Who must act needs to know whose clock is wrong.
        assert "2023-03-14T06:29:50Z" in reply.json["Message"]

    @pytest.mark.parametrize(
        "draft",
        [
            green(Date="2023-03-14T06:29:50Z"),
            modern(x_acs_date="Tue, 14 Mar 2023 06:29:50 GMT"),
            modern(x_acs_date="2023-03-14 06:29:50"),
            modern(x_acs_date="2023-02-30T06:29:50Z"),
            older(Timestamp=""),
            older(Timestamp="2023-03-14T06:29:50+00:00"),
        ],
    )
    def test_that_is_none(self, emulator, draft):
        reply = draft.send(emulator)
        assert (reply.status, reply.code) == (400, "InvalidTimeStamp.Format")


class TestToken:
    @pytest.mark.parametrize("sign", [green, older, modern])
    def test_is_needed(self, emulator, sign):
        assert sign(**{**STS, "token": ""}).send(emulator).code == "MissingSecurityToken"

    @every_scheme
    def test_that_was_not_given_out(self, emulator, sign):
        assert sign(**{**STS, "token": "other"}).send(emulator).code == "InvalidSecurityToken.Malformed"
        assert sign(token="other").send(emulator).code == "InvalidSecurityToken.Malformed"

    @every_scheme
    def test_of_another_key(self, emulator, sign):
        assert sign(token=STS_TOKEN).send(emulator).code == "InvalidSecurityToken.MismatchWithAccessKey"

    @every_scheme
    def test_that_has_expired(self, make, clock, sign):
        token = SecurityToken(STS_TOKEN, NOW + timedelta(minutes=1))
        emulator = make(security_tokens={STS_ID: token})
        assert sign(**STS).send(emulator).code == 200
        clock.pass_(minutes=1)
        assert sign(**STS, now=clock.now).send(emulator).code == "InvalidSecurityToken.Expired"

    def test_of_an_upload_is_none_here(self, emulator):
        grant = emulator.objects.grant()
        key = {"key_id": grant.key_id, "secret": grant.secret, "token": grant.token}
        assert green(**key).send(emulator).code == "InvalidAccessKeyId.NotFound"

    def test_without_its_key_is_a_mistake(self, make):
        with pytest.raises(ValueError, match="nobody"):
            make(security_tokens={"nobody": "x"})


class TestBody:
    @pytest.mark.parametrize("digest", ["", "x", "1B2M2Y8AsgTpgAmY7PhCfg=="])
    def test_of_green_needs_its_digest(self, emulator, digest):
        draft = green(Content_MD5=digest or "x")
        if not digest:
            draft.remove("Content-MD5")
        reply = draft.send(emulator)
        assert (reply.status, reply.code) == (400, "ContentMD5NotMatched")

    def test_of_2_needs_its_digest(self, emulator):
        reply = modern(x_acs_content_sha256="0" * 64).send(emulator)
        assert (reply.status, reply.code) == (400, "SignatureDoesNotMatch")

    def test_of_the_older_style_is_a_form(self, emulator):
        draft = older()
        # As a form it would have no fields, so that the signature would be right.
        draft.body = b"&&"
        draft.headers["content-type"] = "application/json"
        assert draft.send(emulator).code == "SignatureDoesNotMatch"

    def test_of_the_older_style_holds_nothing_that_is_not_signed(self, emulator):
        draft = older(form={"a": "1"})
        draft.body += b"&Signature=x"
        assert draft.send(emulator).code == "SignatureDoesNotMatch"


class TestSignature:
    @every_scheme
    def test_with_another_secret(self, emulator, sign):
        reply = sign(secret="another").send(emulator)
        assert (reply.status, reply.code) == (400, "SignatureDoesNotMatch")
        # The SDK of v1 reads what stands behind it.
        assert ":" in reply.json["Message"]

    @every_scheme
    def test_shows_no_token(self, emulator, sign):
        message = sign(**{**STS, "secret": "another"}).send(emulator).json["Message"]
        assert "***" in message
        assert "CAISzgJ1q6" not in message
        assert STS_SECRET not in message

    def test_holds_for_what_was_decoded(self, emulator):
        draft = acs3("DescribeImageModerationResult", query={"ReqId": "a b"})
        draft.query = draft.query.replace("%20", "+")
        assert draft.send(emulator).code == 409

    def test_holds_for_one_method(self, emulator):
        draft = put("bucket", "name", b"x", key_id=KEY_ID, secret=SECRET)
        draft.method = "POST"
        assert draft.send(emulator).code == "InvalidApi.NotFound"


class TestNonce:
    @pytest.mark.parametrize(
        "sign",
        [lambda **options: green(nonce="n", **options), lambda **options: modern(nonce="n", **options),
         lambda now=NOW, **options: older(SignatureNonce="n", now=now, **options)],
    )  # fmt: skip
    def test_is_used_once_by_a_key_in_its_window(self, emulator, clock, sign):
        assert sign().send(emulator).code == 200
        assert sign().send(emulator).code == "SignatureNonceUsed"
        assert sign(**STS).send(emulator).code == 200
        clock.pass_(minutes=15)
        assert sign().send(emulator).code == "SignatureNonceUsed"
        clock.pass_(seconds=1)
        assert sign(now=clock.now).send(emulator).code == 200

    def test_of_a_date_to_come_is_remembered_as_long_as_that_can_be_repeated(self, emulator, clock):
        draft = modern(now=NOW + timedelta(minutes=15))
        assert draft.send(emulator).code == 200
        clock.pass_(minutes=30)
        assert draft.send(emulator).code == "SignatureNonceUsed"

    def test_of_a_wrong_signature_is_not_used_up(self, emulator):
        assert modern(nonce="n", secret="another").send(emulator).code == "SignatureDoesNotMatch"
        assert modern(nonce="n").send(emulator).code == 200

    def test_is_optional_for_green(self, emulator):
        assert [green().send(emulator).code for _ in range(2)] == [200, 200]

    def test_is_used_by_one_thread_alone(self, emulator):
        draft, codes = modern(), []
        barrier = threading.Barrier(8)

        def race() -> None:
            barrier.wait()
            codes.append(draft.send(emulator).code)

        threads = [threading.Thread(target=race) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(map(str, codes)) == ["200", *["SignatureNonceUsed"] * 7]


class TestRate:
    def test_is_for_each_key_and_operation(self, make, clock):
        emulator = make(per_second=2)
        clock.pass_(milliseconds=-300)
        assert green().send(emulator).code == 200
        clock.pass_(milliseconds=300)
        assert green().send(emulator).code == 200
        reply = green().send(emulator)
        assert (reply.status, reply.code) == (400, "Throttling.User")
        assert reply.headers["x-acs-retry-after"] == "700"
        assert green(**STS).send(emulator).code == 200
        assert modern().send(emulator).code == 200
        clock.pass_(milliseconds=700)
        assert green().send(emulator).code == 200
        assert green().send(emulator).code == "Throttling.User"

    def test_counts_only_who_is_authentic(self, make):
        emulator = make(per_second=1)
        for _ in range(3):
            assert green(secret="another").send(emulator).code == "SignatureDoesNotMatch"
        assert green().send(emulator).code == 200

    def test_comes_before_the_parameters(self, make):
        emulator = make(per_second=1)
        assert roa(CREDENTIALS, []).send(emulator).code == 400
        assert roa(CREDENTIALS, []).send(emulator).code == "Throttling.User"


class TestUnsigned:
    @pytest.mark.parametrize("path", V1_PATHS)
    def test_green(self, emulator, path):
        assert send(emulator, "POST", path, "", [("x-acs-version", "2018-05-09")], b"{}").status == 400

    @pytest.mark.parametrize("action", V2_ACTIONS)
    def test_2(self, emulator, action):
        headers = [("x-acs-version", "2022-03-02"), ("x-acs-action", action)]
        assert send(emulator, "POST", "/", "", headers).code == "IncompleteSignature"
        query = f"Action={action}&Version=2022-03-02"
        assert send(emulator, "POST", "/", query, []).code == "IncompleteSignature"

    def test_upload(self, emulator):
        assert send(emulator, "PUT", "/bucket/name", "", [("Host", "127.0.0.1")], b"x").status == 403
        assert emulator.objects.get("bucket", "name") is None

    def test_faults_do_not_let_anybody_in(self, make):
        emulator = make(faults=Faults([Fault(name="garbage"), Fault(name="reset")]))
        headers = [("x-acs-version", "2018-05-09"), ("x-imgmod-emulator-fault", "garbage")]
        assert send(emulator, "POST", CREDENTIALS, "", headers, b"{}").code == "IncompleteSignature"


class TestReading:
    def test_what_is_no_utf8(self, emulator):
        draft = green()
        draft.query += "&x=%ff"
        assert draft.send(emulator).code == "InvalidParameter"
        assert send(emulator, "POST", "/%ff", "", []).code == "InvalidParameter"

    def test_too_many_parameters(self, emulator):
        draft = green()
        draft.query += "&x=1" * 1000
        assert draft.send(emulator).code == "InvalidParameter"

    def test_empty_parameters_are_none(self, emulator):
        draft = modern()
        draft.query = "&&"
        assert draft.send(emulator).code == 200


def test_nothing_shows_a_secret():
    shown = [
        Key(SECRET, SecurityToken(STS_TOKEN)),
        Claim(key_id=KEY_ID, signature=SECRET, date="", token=STS_TOKEN),
        Request(method="POST", path="/", query=(("Signature", SECRET),), headers={"x": STS_TOKEN}, body=b"CAISzgJ1"),
    ]
    for one in shown:
        assert SECRET not in repr(one)
        assert "CAISzgJ1" not in repr(one)
