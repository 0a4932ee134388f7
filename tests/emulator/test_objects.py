from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest

from django_imgmod.emulator import objects
from django_imgmod.emulator.objects import BUCKET, Grant, Objects
from django_imgmod.providers.alibaba import signing

from .signed import KEY_ID, NOW, SECRET, Clock, Reply, acs3, put, roa, send

CREDENTIALS = "/green/credentials/uploadcredentials"


def upload(emulator: Any, grant: Grant, name: str = "", content: bytes = b"bytes", **options: Any) -> Reply:
    signed = {"key_id": grant.key_id, "secret": grant.secret, "token": grant.token, **options}
    return put(signed.pop("bucket", BUCKET), name or f"{grant.folder}/a.png", content, **signed).send(emulator)


def code_of(reply: Reply) -> str:
    assert reply.headers["Content-Type"] == "application/xml"
    found = re.search(r"<Code>(.+?)</Code>", reply.body.decode())
    assert found is not None
    return found[1]


def test_credentials_of_green(emulator):
    data = roa(CREDENTIALS, {}).send(emulator).json["data"]
    # All eight, or the official uploader breaks.
    assert set(data) == {
        "accessKeyId",
        "accessKeySecret",
        "securityToken",
        "expiredTime",
        "ossEndpoint",
        "ossInternalEndpoint",
        "uploadBucket",
        "uploadFolder",
    }
    assert data["expiredTime"] == (NOW + timedelta(hours=1)).timestamp() * 1000
    assert data["ossEndpoint"] == "http://127.0.0.1:8000"
    assert not data["uploadFolder"].endswith("/")


def test_credentials_of_2(emulator):
    data = acs3("DescribeUploadToken").send(emulator).json["Data"]
    assert set(data) == {
        "AccessKeyId",
        "AccessKeySecret",
        "SecurityToken",
        "BucketName",
        "FileNamePrefix",
        "OssInternetEndPoint",
        "OssInternalEndPoint",
        "Expiration",
    }
    assert data["Expiration"] == (NOW + timedelta(hours=1)).timestamp()
    assert data["FileNamePrefix"].endswith("/")


def test_the_buckets_may_be_elsewhere(make):
    emulator = make(endpoint="https://buckets.example")
    assert roa(CREDENTIALS, {}).send(emulator).json["data"]["ossEndpoint"] == "https://buckets.example"


@pytest.mark.parametrize("version", [1, 4])
@pytest.mark.parametrize("is_virtual", [False, True])
def test_an_upload_is_kept(emulator, version, is_virtual):
    grant = emulator.objects.grant()
    name = f"{grant.folder}/图片 1+2%.png"
    reply = upload(emulator, grant, name, version=version, is_virtual=is_virtual)
    assert (reply.status, reply.body) == (200, b"")
    # The official SDK would compare it with its own.
    assert "x-oss-hash-crc64ecma" not in reply.headers
    assert emulator.objects.get(BUCKET, name) == b"bytes"


def test_slashes_need_not_be_encoded(emulator):
    grant = emulator.objects.grant()
    draft = put(BUCKET, f"{grant.folder}/a", b"x", key_id=grant.key_id, secret=grant.secret, token=grant.token)
    draft.path = draft.path.replace("%2F", "/")
    assert draft.send(emulator).status == 200


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.1:80", "[::1]:80", "localhost:80", "emulator"])
def test_a_host_without_room_for_a_bucket_has_it_in_the_path(emulator, host):
    assert put("bucket", "a/b", b"x", key_id=KEY_ID, secret=SECRET, Host=host).send(emulator).status == 200
    assert emulator.objects.get("bucket", "a/b") == b"x"


@pytest.mark.parametrize("path", ["/", "/bucket", "/bucket/"])
def test_a_place_needs_both_names(emulator, path):
    assert code_of(send(emulator, "PUT", path, "", [("Host", "127.0.0.1")])) == "InvalidArgument"


@pytest.mark.parametrize("version", [1, 4])
class TestRefused:
    def test_with_another_secret(self, emulator, version):
        reply = upload(emulator, emulator.objects.grant(), secret="another", version=version)
        assert (reply.status, code_of(reply)) == (403, "SignatureDoesNotMatch")

    def test_without_a_known_key(self, emulator, version):
        reply = upload(emulator, emulator.objects.grant(), key_id="nobody", version=version)
        assert (reply.status, code_of(reply)) == (403, "InvalidAccessKeyId")

    def test_without_its_token(self, emulator, version):
        assert code_of(upload(emulator, emulator.objects.grant(), token="", version=version)) == "InvalidAccessKeyId"

    def test_with_the_token_of_another(self, emulator, version):
        token = emulator.objects.grant().token
        reply = upload(emulator, emulator.objects.grant(), token=token, version=version)
        assert code_of(reply) == "InvalidSecurityToken"

    def test_when_it_has_expired(self, emulator, clock, version):
        grant = emulator.objects.grant()
        clock.pass_(hours=1)
        reply = upload(emulator, grant, now=clock.now, version=version)
        assert (reply.status, code_of(reply)) == (403, "SecurityTokenExpired")

    def test_at_another_time(self, emulator, version):
        reply = upload(emulator, emulator.objects.grant(), now=NOW + timedelta(seconds=901), version=version)
        assert code_of(reply) == "RequestTimeTooSkewed"

    def test_of_another_body(self, emulator, version):
        grant = emulator.objects.grant()
        reply = upload(emulator, grant, version=version, Content_MD5=signing.content_md5(b"other"))
        assert (reply.status, code_of(reply)) == (400, "InvalidDigest")
        assert upload(emulator, grant, version=version, Content_MD5=signing.content_md5(b"bytes")).status == 200

    def test_in_the_place_of_another(self, emulator, version):
        grant, other = emulator.objects.grant(), emulator.objects.grant()
        for name in (f"{other.folder}/a.png", f"{grant.folder}a.png", "a.png"):
            assert code_of(upload(emulator, grant, name, version=version)) == "AccessDenied"
        assert code_of(upload(emulator, grant, bucket="of-the-site", version=version)) == "AccessDenied"

    def test_and_nothing_is_kept(self, emulator, version):
        grant = emulator.objects.grant()
        upload(emulator, grant, secret="another", version=version)
        assert emulator.objects.get(BUCKET, f"{grant.folder}/a.png") is None


class TestVersion4:
    def test_is_for_the_region_of_the_bucket(self, make):
        emulator = make(region="cn-shanghai")
        assert upload(emulator, emulator.objects.grant(), version=4).status == 200
        assert code_of(upload(emulator, emulator.objects.grant(), version=4, region="cn-beijing")) == "AccessDenied"

    @pytest.mark.parametrize(
        "change",
        [
            ("Credential=", "Credentials="),
            ("/20230314/", "/20230315/"),
            ("/oss/", "/ecs/"),
            (", Signature", ", AdditionalHeaders=missing, Signature"),
        ],
    )
    def test_needs_a_well_formed_claim(self, emulator, change):
        draft = put("bucket", "name", b"x", key_id=KEY_ID, secret=SECRET, version=4)
        draft.headers["Authorization"] = draft.headers["Authorization"].replace(*change)
        assert code_of(draft.send(emulator)) == "AccessDenied"

    def test_signs_the_query(self, emulator):
        draft = put("bucket", "name", b"x", key_id=KEY_ID, secret=SECRET, version=4)
        draft.query = "x=1"
        assert code_of(draft.send(emulator)) == "SignatureDoesNotMatch"

    def test_signs_no_body(self, emulator):
        draft = put("bucket", "name", b"x", key_id=KEY_ID, secret=SECRET, version=4, x_oss_content_sha256="0" * 64)
        assert code_of(draft.send(emulator)) == "AccessDenied"

    @pytest.mark.parametrize("timestamp", ["2023-03-14T06:29:50Z", "20230314", "20230314T999999Z"])
    def test_needs_a_date(self, emulator, timestamp):
        draft = put("bucket", "name", b"x", key_id=KEY_ID, secret=SECRET, version=4, x_oss_date=timestamp)
        assert code_of(draft.send(emulator)) == "AccessDenied"

    def test_signs_additional_headers(self, emulator):
        draft = put("bucket", "name", b"x", key_id=KEY_ID, secret=SECRET, version=4)
        canonical = signing.oss_v4_canonical_request("PUT", "bucket", "name", draft.headers, additional_names=["host"])
        string = signing.oss_v4_string_to_sign(canonical, "20230314T062950Z", "cn-shanghai")
        signature = signing.oss_v4_signature(SECRET, string, "20230314T062950Z", "cn-shanghai")
        claim = draft.headers["Authorization"].partition(", ")[0]
        draft.headers["Authorization"] = f"{claim},AdditionalHeaders=host,Signature={signature}"
        assert draft.send(emulator).status == 200
        draft.headers["Host"] = "localhost:8000"
        assert code_of(draft.send(emulator)) == "SignatureDoesNotMatch"


def test_what_cannot_be_in_xml_does_not_break_the_answer(emulator):
    draft = put("bucket", "a\x01<b>", b"x", key_id=KEY_ID, secret="another")
    message = draft.send(emulator).body.decode()
    assert "\x01" not in message
    assert "a?&lt;b&gt;" in message


class TestKeeping:
    def test_an_upload_for_30_minutes(self, emulator, clock):
        emulator.objects.put(BUCKET, "a", b"x")
        clock.pass_(minutes=29, seconds=59)
        assert emulator.objects.get(BUCKET, "a") == b"x"
        clock.pass_(seconds=1)
        assert emulator.objects.get(BUCKET, "a") is None

    def test_objects_of_the_site_without_end(self, emulator, clock):
        emulator.objects.put("of-the-site", "a", b"x")
        clock.pass_(days=30)
        assert emulator.objects.get("of-the-site", "a") == b"x"

    def test_the_keys_of_the_site_are_not_for_uploads(self, emulator):
        assert code_of(put(BUCKET, "a", b"x", key_id=KEY_ID, secret=SECRET).send(emulator)) == "AccessDenied"

    def test_what_is_oldest_makes_room(self, monkeypatch):
        monkeypatch.setattr(objects, "MAX_BYTES", 10)
        kept = Objects({}, uid="1", clock=Clock())
        for name in "abab":
            kept.put("bucket", name, b"12345")
        kept.put("bucket", "c", b"1")
        assert [kept.get("bucket", name) for name in "abc"] == [None, b"12345", b"1"]

    def test_credentials_are_forgotten_in_the_end(self, emulator, clock):
        grant = emulator.objects.grant()
        clock.pass_(hours=2, seconds=1)
        emulator.objects.grant()
        assert code_of(upload(emulator, grant, now=clock.now)) == "InvalidAccessKeyId"

    def test_credentials_show_no_secret(self, emulator):
        grant = emulator.objects.grant()
        assert grant.secret not in repr(grant)
        assert grant.token not in repr(grant)
