"""Uploads: the token that allows them and the PUT, on real connections."""

from __future__ import annotations

import logging
import threading
import time
import traceback
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote

import pytest

from django_imgmod.exceptions import ProviderAuthError, ProviderError, ProviderProtocolError, ProviderUnavailable
from django_imgmod.providers.alibaba import signing, uploads
from django_imgmod.providers.alibaba.credentials import Credentials
from django_imgmod.providers.alibaba.uploads import (
    MARGIN,
    UploadToken,
    ask_token1,
    ask_token2,
    signed_put,
    target_of,
    upload,
)

from .gateway import Arrival, Gateway, Provider1, Provider2, serving

KEYS = {"access_key_id": "LTAI4id", "access_key_secret": "s3cr3t-key"}
SECRET, STS = "uploadKeySecret", "CAIS+upload/Token=="
AT = datetime(2023, 3, 14, 6, 29, 50, tzinfo=UTC)
TOKEN = UploadToken(
    credentials=Credentials(access_key_id="STS.NUuploadKeyId", access_key_secret=SECRET, security_token=STS),
    bucket="oss-cip-ap-southeast-1",
    prefix="upload/1xxb89/",
    endpoint="https://oss-ap-southeast-1.aliyuncs.com",
    internal_endpoint="https://oss-ap-southeast-1-internal.aliyuncs.com",
    expires_at=2e9,
)


class Cloud(Gateway):
    """A gateway that gives upload tokens, and a bucket."""

    lasting = 3600.0
    changes: Mapping[str, Any] = {}
    refusals = 0
    refusal = 403

    def reply(self, arrival: Arrival) -> tuple[int, Mapping[str, str], Any]:
        if arrival.method == "PUT":
            self.arrivals.append(arrival)
            self.refusals -= 1
            body = b"<Error><Code>SecurityTokenExpired</Code></Error>"
            return (self.refusal, {}, body) if self.refusals >= 0 else (200, {"ETag": '"00"'}, b"")
        status, headers, _ = super().reply(arrival)
        return status, headers, self.token(is_green=arrival.path != "/")

    def token(self, *, is_green: bool) -> dict[str, Any]:
        ends_at = int(time.time() + self.lasting)
        keys = ("accessKeyId", "accessKeySecret", "securityToken", "uploadBucket", "uploadFolder")
        names = (*keys, "ossEndpoint", "ossInternalEndpoint", "expiredTime")
        values = ["STS.id", SECRET, f"{STS}{len(self.arrivals)}", "green-upload", "upload/文件 夹", self.endpoint]
        values += ["http://localhost:1", str(ends_at * 1000)]
        data: dict[str, Any] = dict(zip(names, values, strict=True)) | {"expiredTime": ends_at * 1000}
        if not is_green:
            names = ("AccessKeyId", "AccessKeySecret", "SecurityToken", "BucketName", "FileNamePrefix")
            names += ("OssInternetEndPoint", "OssInternalEndPoint", "Expiration")
            values[4] = "upload/1xxb89/"
            data = dict(zip(names, values, strict=True)) | {"Expiration": ends_at}
        data |= self.changes
        return {"code": 200, "data": data} if is_green else {"Code": 200, "Data": data}

    def asked(self) -> int:
        return sum(arrival.method == "POST" for arrival in self.arrivals)

    def puts(self) -> list[Arrival]:
        return [arrival for arrival in self.arrivals if arrival.method == "PUT"]


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch) -> Iterator[Cloud]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")
    monkeypatch.setattr(uploads, "_slots", {})
    with serving() as gateway:
        gateway.__class__ = Cloud
        assert isinstance(gateway, Cloud)
        yield gateway


def provider2(cloud: Cloud, alias: str = "cloud", **options: Any) -> Provider2:
    return Provider2(alias, endpoint=cloud.endpoint, **KEYS, **options)


def provider1(cloud: Cloud, **options: Any) -> Provider1:
    return Provider1("cloud", endpoint=cloud.endpoint, **KEYS, **options)


class TestUpload:
    def test_by_2_0(self, cloud):
        bucket, name = upload(provider2(cloud), ask_token2, b"\x89PNG", "png")
        ask, put = cloud.arrivals
        assert (ask.method, ask.path, ask.headers["x-acs-action"]) == ("POST", "/", "DescribeUploadToken")
        assert bucket == "green-upload"
        assert (name[:14], name[-4:], len(name)) == ("upload/1xxb89/", ".png", 14 + 36 + 4)
        # An IP address can have no bucket in front of it.
        assert (put.method, put.path, put.body) == ("PUT", f"/green-upload/{name}", b"\x89PNG")
        assert put.headers["content-type"] == "image/png"

    def test_by_green(self, cloud):
        bucket, name = upload(provider1(cloud), ask_token1, b"\xff\xd8", "jpg")
        ask, put = cloud.arrivals
        assert (ask.path, ask.body) == ("/green/credentials/uploadcredentials", b"{}")
        assert (bucket, name[:19], name[-4:]) == ("green-upload", "upload/文件 夹/images/", ".jpg")
        assert unquote(put.path) == f"/green-upload/{name}"
        assert put.headers["content-type"] == "image/jpeg"

    def test_is_signed_as_it_arrives(self, cloud):
        _, name = upload(provider1(cloud), ask_token1, b"bytes", "gif")
        (put,) = cloud.puts()
        assert put.headers["x-oss-security-token"] == f"{STS}1"
        string = signing.oss_v1_string_to_sign("PUT", "green-upload", name, put.headers)
        assert put.headers["authorization"] == f"OSS STS.id:{signing.oss_v1_signature(SECRET, string)}"

    def test_never_has_a_name_twice(self, cloud):
        provider = provider2(cloud)
        assert len({upload(provider, ask_token2, b"", "png") for _ in range(5)}) == 5

    def test_stays_in_the_network_with_vpc(self, cloud):
        cloud.changes = {"OssInternetEndPoint": "http://127.0.0.1:1", "OssInternalEndPoint": cloud.endpoint}
        upload(provider2(cloud, vpc=True), ask_token2, b"", "png")
        assert len(cloud.puts()) == 1

    def test_outage_of_the_bucket_is_one(self, cloud):
        cloud.refusals, cloud.refusal = 1, 503
        with pytest.raises(ProviderUnavailable, match=r"/green-upload/upload/1xxb89/.*\(HTTP 503\)"):
            upload(provider2(cloud), ask_token2, b"", "png")
        assert cloud.asked() == 1


class TestToken:
    def test_is_shared_until_shortly_before_its_end(self, cloud, monkeypatch):
        upload(provider2(cloud), ask_token2, b"", "png")
        upload(provider2(cloud), ask_token2, b"", "png")
        assert cloud.asked() == 1
        now = time.time()
        monkeypatch.setattr(time, "time", lambda: now + cloud.lasting - MARGIN - 5)
        upload(provider2(cloud), ask_token2, b"", "png")
        assert cloud.asked() == 1
        monkeypatch.setattr(time, "time", lambda: now + cloud.lasting - MARGIN + 5)
        upload(provider2(cloud), ask_token2, b"", "png")
        assert cloud.asked() == 2

    def test_of_green_ends_in_milliseconds(self, cloud):
        assert ask_token1(provider1(cloud)).expires_at == pytest.approx(time.time() + 3600, abs=30)
        assert ask_token2(provider2(cloud)).expires_at == pytest.approx(time.time() + 3600, abs=30)

    def test_is_of_one_alias_and_account(self, cloud):
        other = Provider2("cloud", endpoint=cloud.endpoint, access_key_id="other", access_key_secret="s3cr3t")
        for provider in (provider2(cloud), provider2(cloud, "cloud2"), other):
            upload(provider, ask_token2, b"", "png")
        assert cloud.asked() == 3
        # What was kept for the account before is not kept for ever.
        assert sorted(key[1] for key in uploads._slots) == ["cloud", "cloud2"]

    def test_is_asked_for_by_one_thread_alone(self, cloud):
        barrier = threading.Barrier(6)

        def put(_: int) -> None:
            provider = provider2(cloud)
            barrier.wait()
            upload(provider, ask_token2, b"", "png")

        with ThreadPoolExecutor(6) as pool:
            list(pool.map(put, range(6)))
        assert (cloud.asked(), len(cloud.puts())) == (1, 6)

    def test_that_is_refused_is_asked_for_anew_once(self, cloud):
        cloud.refusals = 1
        _, name = upload(provider2(cloud), ask_token2, b"bytes", "png")
        first, second = cloud.puts()
        assert cloud.asked() == 2
        assert first.headers["x-oss-security-token"] != second.headers["x-oss-security-token"]
        assert second.path.endswith(name)
        upload(provider2(cloud), ask_token2, b"bytes", "png")
        assert cloud.asked() == 2

    def test_that_is_refused_twice_is_an_error_in_words(self, cloud):
        cloud.refusals = 2
        with pytest.raises(ProviderAuthError, match=r"\(HTTP 403\).*the token was new") as caught:
            upload(provider2(cloud), ask_token2, b"bytes", "png")
        assert (cloud.asked(), len(cloud.puts())) == (2, 2)
        assert caught.value.__context__ is None

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("AccessKeyId", None),
            ("AccessKeySecret", ""),
            ("SecurityToken", 7),
            ("SecurityToken", "a\nb"),
            ("BucketName", "green/../../other"),
            ("BucketName", "host.example"),
            ("FileNamePrefix", None),
            ("OssInternetEndPoint", ""),
            ("Expiration", "1678778990"),
            ("Expiration", True),
            ("Expiration", 10**400),
            ("Expiration", -1),
        ],
    )
    def test_that_is_incomplete_is_not_understood(self, cloud, name, value):
        cloud.changes = {name: value}
        with pytest.raises(ProviderProtocolError, match=f"upload token without a usable {name}"):
            upload(provider2(cloud), ask_token2, b"", "png")

    @pytest.mark.parametrize("endpoint", ["ftp://host", "https://", "http://[::1"])
    def test_for_no_endpoint_is_not_understood(self, cloud, endpoint):
        cloud.changes = {"OssInternetEndPoint": endpoint}
        with pytest.raises(ProviderProtocolError, match="endpoint that is none"):
            upload(provider2(cloud), ask_token2, b"", "png")

    def test_may_be_missing_altogether(self, cloud, monkeypatch):
        monkeypatch.setattr(Cloud, "token", lambda self, is_green: {"Code": 200, "Data": [1]})
        with pytest.raises(ProviderProtocolError, match="without a usable AccessKeyId, AccessKeySecret"):
            upload(provider2(cloud), ask_token2, b"", "png")


class TestTarget:
    @pytest.mark.parametrize(
        ("endpoint", "address", "region", "is_path_style"),
        [
            ("https://oss-cn-shanghai.aliyuncs.com", "https://oss-cn-shanghai.aliyuncs.com", "cn-shanghai", False),
            ("oss-ap-southeast-1.aliyuncs.com", "https://oss-ap-southeast-1.aliyuncs.com", "ap-southeast-1", False),
            # Not in the clear, whatever the token says.
            ("http://oss-cn-beijing.aliyuncs.com/", "https://oss-cn-beijing.aliyuncs.com", "cn-beijing", False),
            (
                "http://oss-ap-southeast-1-internal.aliyuncs.com",
                "https://oss-ap-southeast-1-internal.aliyuncs.com",
                "ap-southeast-1",
                False,
            ),
            ("oss-accelerate.aliyuncs.com", "https://oss-accelerate.aliyuncs.com", "", False),
            ("oss-accelerate-overseas.aliyuncs.com", "https://oss-accelerate-overseas.aliyuncs.com", "", False),
            ("http://127.0.0.1:8080", "http://127.0.0.1:8080", "", True),
            ("127.0.0.1:8080", "http://127.0.0.1:8080", "", True),
            ("http://[::1]:8080", "http://[::1]:8080", "", True),
            ("http://localhost:8080", "http://localhost:8080", "", True),
            ("https://oss.example", "https://oss.example", "", False),
            ("https://oss-cn-shanghai.aliyuncs.com.example", "https://oss-cn-shanghai.aliyuncs.com.example", "", False),
        ],
    )
    def test_of_an_endpoint(self, endpoint, address, region, is_path_style):
        assert target_of(endpoint, scheme="http") == (address, region, is_path_style)

    def test_put_is_signed_by_v4_where_the_region_is_known(self):
        target = target_of(TOKEN.endpoint, scheme="https")
        url, headers = signed_put(TOKEN, target, "upload/文件 夹/0e4f5d2c.jpg", "image/jpeg", AT)
        assert url == (
            "https://oss-cip-ap-southeast-1.oss-ap-southeast-1.aliyuncs.com/upload/%E6%96%87%E4%BB%B6%20%E5%A4%B9/0e4f5d2c.jpg"
        )
        # As oss2 2.19.1 signs it.
        assert headers["Authorization"] == (
            "OSS4-HMAC-SHA256 Credential=STS.NUuploadKeyId/20230314/ap-southeast-1/oss/aliyun_v4_request, "
            "Signature=3ec2be370293dd7022a842eb1bbc2f88c423d66a82151cf59ff28b49c789c3c7"
        )
        assert headers["x-oss-date"] == "20230314T062950Z"

    def test_put_is_signed_by_v1_otherwise(self):
        target = target_of("https://oss.example", scheme="https")
        name = "upload/1xxb89/0e4f5d2c-c232-11ed-afa1-0242ac120001.png"
        url, headers = signed_put(TOKEN, target, name, "image/png", AT)
        assert url == f"https://oss-cip-ap-southeast-1.oss.example/{name}"
        # As it is in tests/vectors/v2-UploadOssPut-1.json.
        assert headers["Authorization"] == "OSS STS.NUuploadKeyId:0HFu+r5TRgIND/4jJPKUSUTYWxk="


@pytest.mark.parametrize(
    ("changes", "refusals"),
    [({}, 0), ({}, 1), ({}, 2), ({"BucketName": "No"}, 0), ({"OssInternetEndPoint": "ftp:"}, 0)],
)
def test_secrets_are_in_no_repr_no_message_and_no_log(cloud, caplog, changes, refusals):
    caplog.set_level(logging.DEBUG)
    cloud.changes, cloud.refusals = changes, refusals
    told = [repr(TOKEN)]
    try:
        told.append(repr(upload(provider2(cloud), ask_token2, b"", "png")))
    except ProviderError as error:
        told += [*traceback.format_exception(error), repr(error), repr(error.__context__)]
    told.append(repr(uploads._slots))
    everything = "".join(told) + caplog.text
    assert "127.0.0.1" in everything
    assert not [secret for secret in (SECRET, STS, "s3cr3t") if secret in everything]
