"""Requests to Alibaba Cloud's gateway, on real connections to a server that answers what a test says."""

from __future__ import annotations

import json
import logging
import time
import traceback
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import parse_qsl

import pytest
from django.utils.http import http_date

from django_imgmod.exceptions import (
    ImgmodConfigurationError,
    ProviderAuthError,
    ProviderError,
    ProviderProtocolError,
    ProviderRefused,
    ProviderThrottled,
    ProviderUnavailable,
)
from django_imgmod.providers.alibaba import signing
from django_imgmod.providers.alibaba.codes import NotPermitted
from django_imgmod.providers.alibaba.credentials import VARIABLES
from django_imgmod.results import ImageSource

from .gateway import Arrival, Gateway, Provider1, Provider2, serving

ID, SECRET, STS = "LTAI4id", "s3cr3t-key", "t0ken+/=="
KEYS = {"access_key_id": ID, "access_key_secret": SECRET}
SCAN = "/green/image/scan"


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    for variable in VARIABLES.values():
        monkeypatch.delenv(variable, raising=False)


@pytest.fixture
def gateway() -> Iterator[Gateway]:
    with serving() as gateway:
        yield gateway


def provider2(gateway: Gateway, **options: Any) -> Provider2:
    return Provider2("cloud", endpoint=gateway.endpoint, **{**KEYS, **options})


def provider1(gateway: Gateway, **options: Any) -> Provider1:
    return Provider1("cloud", endpoint=gateway.endpoint, **{**KEYS, **options})


def assert_signed_by_roa(arrival: Arrival, secret: str = SECRET) -> None:
    assert arrival.headers["content-md5"] == signing.content_md5(arrival.body)
    string = signing.roa_string_to_sign(arrival.method, arrival.path, arrival.query, arrival.headers)
    assert arrival.headers["authorization"] == f"acs {ID}:{signing.roa_signature(secret, string)}"


def assert_signed_by_acs3(arrival: Arrival, secret: str = SECRET) -> list[str]:
    scheme, _, rest = arrival.headers["authorization"].partition(" ")
    fields = dict(part.split("=", 1) for part in rest.split(","))
    names = fields["SignedHeaders"].split(";")
    payload_hash = signing.content_sha256(arrival.body)
    canonical = signing.acs3_canonical_request(
        arrival.method, arrival.path, arrival.query, arrival.headers, names, payload_hash
    )
    assert arrival.headers["x-acs-content-sha256"] == payload_hash
    assert (scheme, fields["Credential"]) == (signing.ACS3, ID)
    assert fields["Signature"] == signing.acs3_signature(secret, signing.acs3_string_to_sign(canonical))
    return names


class TestGreenRequest:
    def test_is_signed_as_it_arrives(self, gateway):
        gateway.answer({"code": 200, "data": [1]})
        answer = provider1(gateway, region="cn-shanghai").call_green(SCAN, {"scenes": ["porn"], "bizType": "图 片"})
        (arrival,) = gateway.arrivals
        assert answer["data"] == [1]
        assert (arrival.method, arrival.path, arrival.query) == ("POST", SCAN, [("RegionId", "cn-shanghai")])
        assert json.loads(arrival.body) == {"scenes": ["porn"], "bizType": "图 片"}
        assert arrival.headers["content-type"] == "application/json"
        assert arrival.headers["x-acs-version"] == "2018-05-09"
        assert "x-acs-security-token" not in arrival.headers
        assert_signed_by_roa(arrival)

    def test_may_be_a_bare_list(self, gateway):
        provider1(gateway).call_green("/green/image/results", ["a", "b"])
        assert json.loads(gateway.arrivals[0].body) == ["a", "b"]

    def test_with_a_security_token_signs_it(self, gateway):
        provider1(gateway, security_token=STS).call_green(SCAN, {})
        assert gateway.arrivals[0].headers["x-acs-security-token"] == STS
        assert_signed_by_roa(gateway.arrivals[0])


class TestRpcRequest:
    def test_with_a_form(self, gateway):
        parameters = {"Service": "baselineCheck", "ServiceParameters": '{"imageUrl": "https://a/b c+*~"}'}
        provider2(gateway).call_rpc("ImageModeration", form=parameters)
        (arrival,) = gateway.arrivals
        assert (arrival.method, arrival.path, arrival.query) == ("POST", "/", [])
        assert dict(parse_qsl(arrival.body.decode())) == parameters
        assert arrival.headers["x-acs-action"] == "ImageModeration"
        assert arrival.headers["x-acs-version"] == "2022-03-02"
        names = assert_signed_by_acs3(arrival)
        assert {"content-type", "host"} <= set(names)
        assert not {"user-agent", "accept"} & set(names)

    def test_with_a_query(self, gateway):
        parameters = {"Service": "baselineCheck_global", "ServiceParameters": '{"imageUrl": "https://a/图 b+*~"}'}
        provider2(gateway).call_rpc("ImageAsyncModeration", query=parameters)
        (arrival,) = gateway.arrivals
        assert (dict(arrival.query), arrival.body) == (parameters, b"")
        assert "content-type" not in arrival.headers
        assert_signed_by_acs3(arrival)

    def test_with_nothing(self, gateway):
        provider2(gateway).call_rpc("DescribeUploadToken")
        (arrival,) = gateway.arrivals
        assert (arrival.query, arrival.body, arrival.headers["content-length"]) == ([], b"", "0")
        assert_signed_by_acs3(arrival)

    def test_with_a_security_token_signs_it(self, gateway):
        provider2(gateway, security_token=STS).call_rpc("DescribeUploadToken")
        (arrival,) = gateway.arrivals
        assert (arrival.headers["x-acs-security-token"], arrival.headers["x-acs-accesskey-id"]) == (STS, ID)
        assert {"x-acs-security-token", "x-acs-accesskey-id"} <= set(assert_signed_by_acs3(arrival))

    def test_each_has_a_nonce_of_its_own(self, gateway):
        for _ in range(3):
            provider2(gateway).call_rpc("DescribeUploadToken")
            provider1(gateway).call_green(SCAN, {})
        assert len({arrival.headers["x-acs-signature-nonce"] for arrival in gateway.arrivals}) == 6


class TestErrors:
    @pytest.mark.parametrize(
        ("code", "status", "error"),
        [
            ("InvalidAccessKeyId.NotFound", 404, ProviderAuthError),
            ("SignatureDoesNotMatch", 400, ProviderAuthError),
            ("Forbidden.RAM", 403, NotPermitted),
            ("Throttling.User", 400, ProviderThrottled),
            ("ServiceUnavailable", 503, ProviderUnavailable),
            ("Unheard.Of", 400, ProviderProtocolError),
            ("Unheard.Of", 502, ProviderUnavailable),
            ("Unheard.Of", 200, ProviderProtocolError),
            # Numbers, in the body or in the status.
            (403, 200, ProviderThrottled),
            (403, 403, ProviderThrottled),
            ("403", 403, ProviderThrottled),
            (None, 403, ProviderThrottled),
            (200, 403, ProviderThrottled),
            (408, 200, NotPermitted),
            (408, 408, NotPermitted),
            (None, 408, NotPermitted),
            (407, 200, ProviderRefused),
            (777, 200, ProviderProtocolError),
            (777, 400, ProviderProtocolError),
            (None, 502, ProviderUnavailable),
            (200, 502, ProviderUnavailable),
            (None, 200, ProviderProtocolError),
            ([], 200, ProviderProtocolError),
            (True, 200, ProviderProtocolError),
        ],
    )
    def test_by_code_and_status(self, gateway, code, status, error):
        gateway.fail(code, status)
        with pytest.raises(ProviderError, match=rf'^Provider "cloud" \(127\.0\.0\.1:{gateway.port}') as caught:
            provider2(gateway).call_rpc("ImageModeration")
        assert type(caught.value) is error
        assert len(gateway.arrivals) == 1

    @pytest.mark.parametrize(
        ("body", "status", "error"),
        [
            ({"code": 403, "msg": "FORBIDDEN"}, 200, ProviderRefused),
            ({"code": 588, "msg": "EXCEED_QUOTA"}, 200, ProviderThrottled),
            ({"code": 596, "msg": "PERMISSION_DENY"}, 596, ProviderAuthError),
            ({"requestId": "1"}, 588, ProviderThrottled),
            ({"Code": "Throttling.User"}, 400, ProviderThrottled),
            ({"msg": "OK"}, 200, ProviderProtocolError),
            ({}, 200, ProviderProtocolError),
        ],
    )
    def test_of_green(self, gateway, body, status, error):
        gateway.answer(body, status)
        with pytest.raises(error):
            provider1(gateway).call_green(SCAN, {})

    @pytest.mark.parametrize("body", [b"", b"<h1>Bad Gateway</h1>", b"[]", b'{"Code": 200'])
    @pytest.mark.parametrize(("status", "error"), [(200, ProviderProtocolError), (502, ProviderUnavailable)])
    def test_of_what_is_no_json_object(self, gateway, body, status, error):
        gateway.answer(body, status)
        with pytest.raises(error):
            provider2(gateway).call_rpc("ImageModeration")

    def test_processing_is_none(self, gateway):
        gateway.answer({"Code": 280, "Msg": "PROCESSING"})
        assert provider2(gateway).call_rpc("DescribeImageModerationResult", query={"ReqId": "1"})["Code"] == 280

    @pytest.mark.parametrize(
        ("given", "seconds"), [("2500", 2.5), ("1", 0.001), ("0", None), ("-5", None), ("soon", None), ("9" * 9, 3600)]
    )
    @pytest.mark.parametrize(("code", "status"), [("Throttling.Api", 400), (403, 200)])
    def test_throttling_names_its_end_in_milliseconds(self, gateway, given, seconds, code, status):
        gateway.fail(code, status, x_acs_retry_after=given)
        with pytest.raises(ProviderThrottled) as caught:
            provider2(gateway).call_rpc("ImageModeration")
        assert caught.value.retry_after == seconds

    def test_says_code_status_and_request(self, gateway):
        gateway.fail("Throttling.User")
        with pytest.raises(ProviderThrottled, match=r"fewer requests \(Throttling\.User, HTTP 400, request 0A1B\)\."):
            provider2(gateway).call_rpc("ImageModeration")

    def test_service_is_quoted(self, gateway):
        gateway.answer({"Code": 401, "Msg": "dataId is wrong"})
        with pytest.raises(ProviderProtocolError, match='It says: "dataId is wrong"'):
            provider2(gateway).call_rpc("ImageModeration")

    def test_what_was_signed_is_not_quoted(self, gateway):
        gateway.answer({"Code": "SignatureDoesNotMatch", "Message": "server string to sign is:POST..."}, 400)
        with pytest.raises(ProviderAuthError, match="Check the access key's secret") as caught:
            provider1(gateway).call_green(SCAN, {})
        assert "string to sign" not in str(caught.value)

    def test_gateway_is_quoted_where_its_code_is_unknown(self, gateway):
        gateway.fail("Unheard.Of")
        with pytest.raises(ProviderProtocolError, match="some words"):
            provider1(gateway).call_green(SCAN, {})

    @pytest.mark.parametrize(("off", "words"), [(-1234, r"1,23\d s ahead"), (1234, r"1,23\d s behind")])
    def test_clock_skew_is_named_with_its_size(self, gateway, off, words):
        gateway.fail("InvalidTimeStamp.Expired", 400, Date=http_date(time.time() + off))
        with pytest.raises(ProviderAuthError, match=rf"this machine's clock is {words}\. Set this machine's clock"):
            provider1(gateway).call_green(SCAN, {})

    def test_clock_skew_is_named_without_a_date_too(self, gateway):
        gateway.fail("InvalidTimeStamp.Expired", 400)
        with pytest.raises(ProviderAuthError, match=r"more than 15 minutes off .*\. Set this machine's clock\.$"):
            provider1(gateway).call_green(SCAN, {})


class TestRepetition:
    @pytest.mark.parametrize("generation", [1, 2])
    def test_of_a_nonce_that_was_used_is_signed_anew(self, gateway, generation):
        gateway.fail("SignatureNonceUsed")
        if generation == 1:
            provider1(gateway).call_green(SCAN, {})
        else:
            provider2(gateway).call_rpc("ImageModeration", form={"Service": "s"})
        first, second = gateway.arrivals
        assert first.headers["x-acs-signature-nonce"] != second.headers["x-acs-signature-nonce"]
        assert first.body == second.body
        (assert_signed_by_roa if generation == 1 else assert_signed_by_acs3)(second)

    def test_happens_once(self, gateway):
        for _ in range(3):
            gateway.fail("SignatureNonceUsed")
        with pytest.raises(ProviderUnavailable, match="seen before") as caught:
            provider2(gateway).call_rpc("ImageModeration")
        assert len(gateway.arrivals) == 2
        assert type(caught.value) is ProviderUnavailable
        assert caught.value.__context__ is None

    def test_of_an_expired_token_takes_the_one_that_is_there_now(self, gateway, monkeypatch):
        monkeypatch.setenv("ALIBABA_CLOUD_ACCESS_KEY_ID", ID)
        monkeypatch.setenv("ALIBABA_CLOUD_ACCESS_KEY_SECRET", SECRET)
        monkeypatch.setenv("ALIBABA_CLOUD_SECURITY_TOKEN", "old")

        class Refreshed(Gateway):
            def reply(self, arrival: Arrival) -> tuple[int, Mapping[str, str], Any]:
                monkeypatch.setenv("ALIBABA_CLOUD_SECURITY_TOKEN", "new")
                return super().reply(arrival)

        gateway.__class__ = Refreshed
        gateway.fail("InvalidSecurityToken.Expired")
        Provider2("cloud", endpoint=gateway.endpoint).call_rpc("ImageModeration")
        assert [arrival.headers["x-acs-security-token"] for arrival in gateway.arrivals] == ["old", "new"]
        assert_signed_by_acs3(gateway.arrivals[1])

    def test_of_an_expired_token_does_not_happen_with_the_same(self, gateway):
        gateway.fail("InvalidSecurityToken.Expired")
        with pytest.raises(ProviderAuthError, match="has expired"):
            provider2(gateway, security_token=STS).call_rpc("ImageModeration")
        assert len(gateway.arrivals) == 1

    @pytest.mark.parametrize("code", ["Throttling.User", "SignatureDoesNotMatch", "ServiceUnavailable", 500, 403])
    def test_does_not_happen_for_other_codes(self, gateway, code):
        gateway.fail(code)
        with pytest.raises(ProviderError):
            provider2(gateway).call_rpc("ImageModeration")
        assert len(gateway.arrivals) == 1


class TestOptions:
    @pytest.mark.parametrize(
        ("provider", "options", "address"),
        [
            (Provider2, {}, "https://green-cip.ap-southeast-1.aliyuncs.com"),
            (Provider2, {"region": "eu-central-1"}, "https://green-cip.eu-central-1.aliyuncs.com"),
            (Provider2, {"region": "cn-chengdu"}, "https://green-cip.cn-chengdu.aliyuncs.com"),
            (Provider2, {"vpc": True}, "https://green-cip-vpc.ap-southeast-1.aliyuncs.com"),
            (Provider2, {"region": "cn-hangzhou", "vpc": True}, "https://green-cip-vpc.cn-hangzhou.aliyuncs.com"),
            (Provider1, {}, "https://green.ap-southeast-1.aliyuncs.com"),
            (Provider1, {"region": "cn-shanghai"}, "https://green.cn-shanghai.aliyuncs.com"),
            (Provider1, {"region": "us-east-1"}, "https://green.ap-southeast-1.aliyuncs.com"),
            (Provider1, {"region": "cn-hongkong"}, "https://green.aliyuncs.com"),
            (Provider1, {"region": "cn-beijing", "vpc": True}, "https://green.cn-beijing.aliyuncs.com"),
            (Provider2, {"endpoint": "host.example"}, "https://host.example"),
            (Provider2, {"endpoint": "127.0.0.1:8080"}, "https://127.0.0.1:8080"),
            (Provider2, {"endpoint": "http://127.0.0.1:8080/"}, "http://127.0.0.1:8080"),
            (Provider2, {"endpoint": "HTTP://Host.Example:80"}, "http://host.example"),
            (Provider2, {"endpoint": "http://[::1]:443"}, "http://[::1]:443"),
            (Provider2, {"endpoint": "host.example", "vpc": True, "region": "mars"}, "https://host.example"),
        ],
    )
    def test_address_is_that_of_endpoint_or_region(self, provider, options, address):
        assert provider("cloud", **options).address == address

    @pytest.mark.parametrize(
        ("options", "words"),
        [
            ({"region": "mars-1"}, r'"region"\] is \'mars-1\', for which no host is known\. Use one of ap-southeast-1'),
            ({"region": "us-west-1", "vpc": True}, "no host inside the provider's network is known"),
            ({"endpoint": "http://somebody:s3cr3t-key@host"}, '"endpoint"'),
            ({"endpoint": "https://host/path"}, '"endpoint"'),
            ({"endpoint": "host:99999"}, '"endpoint"'),
            ({"endpoint": "ftp://host"}, '"endpoint"'),
            ({"vpc": 1}, r'"vpc"\] must be True or False, not int'),
            ({"uid": 1234567890123456}, r'"uid"\] must be text, not int'),
            ({"access_key_secret": b"s3cr3t-key"}, r'"access_key_secret"\] must be text, not bytes'),
            ({"crypt_type": "MD5"}, "SHA256, SM3, not 'MD5'"),
            ({"source": "ftp"}, "upload, url, oss, not 'ftp'"),
            ({"source": "oss"}, r'"bucket"\] is needed'),
            ({"source": "oss", "bucket": "b"}, r'"bucket_region"\] is needed'),
            ({"bucket": "b"}, r'"bucket"\] is for "source": "oss", which is "upload" here'),
            ({"base_url": "https://site.example"}, r'"base_url"\] is for "source": "url"'),
            ({"source": "url", "base_url": "site.example"}, "must be like"),
            ({"acces_key_id": "x"}, "does not know the OPTIONS 'acces_key_id'"),
        ],
    )
    def test_that_are_wrong_are_named(self, options, words):
        with pytest.raises(ImgmodConfigurationError, match=words) as caught:
            Provider2("cloud", **options)
        assert 'Provider "cloud"' in str(caught.value)
        assert "s3cr3t" not in str(caught.value)

    def test_credentials_are_missed_when_they_are_needed(self, gateway):
        provider = Provider2("cloud", endpoint=gateway.endpoint)
        with pytest.raises(ImgmodConfigurationError, match="ALIBABA_CLOUD_ACCESS_KEY_ID"):
            provider.call_rpc("ImageModeration")
        assert not gateway.arrivals

    def test_url_is_wanted_for_source_url_alone(self):
        assert [Provider2("cloud", source=source).wants_url for source in ("upload", "url")] == [False, True]


def image_at(url: str) -> ImageSource:
    return ImageSource(data_id="1", file_name="photos/a b.jpg", content=b"", sha256="", url=url)


class TestPlace:
    @pytest.mark.parametrize(
        ("base_url", "url", "told"),
        [
            ("", "https://cdn.example/a.jpg?Expires=1&Sig=%2F+", "https://cdn.example/a.jpg?Expires=1&Sig=%2F+"),
            ("https://site.example", "/media/图 1.jpg", "https://site.example/media/%E5%9B%BE%201.jpg"),
            ("https://site.example", "https://cdn.example/a.jpg", "https://cdn.example/a.jpg"),
            ("https://Bücher.example", "/图.jpg?b=ü#ß", "https://xn--bcher-kva.example/%E5%9B%BE.jpg?b=%C3%BC#%C3%9F"),
            ("", "http://straße.example:8080/a%20b", "http://xn--strae-oqa.example:8080/a%20b"),
            ("", "https://us:ör@图。example/a.jpg?S=%2F+", "https://us:%C3%B6r@xn--wcs.example/a.jpg?S=%2F+"),
        ],
    )
    def test_url_is_absolute_and_ascii(self, base_url, url, told):
        assert Provider2("cloud", source="url", base_url=base_url).url_of(image_at(url)) == told

    @pytest.mark.parametrize("url", ["", "/media/a.jpg", "//host/a.jpg", "file:///a.jpg", "http://[::1/a.jpg"])
    def test_url_that_nobody_could_fetch_is_an_error_of_the_settings(self, url):
        with pytest.raises(ImgmodConfigurationError, match=r'Set OPTIONS\["base_url"\]'):
            Provider2("cloud", source="url").url_of(image_at(url))

    @pytest.mark.parametrize(
        "url", ["https://ü..example/a.jpg", "https://ü" + "u" * 70 + ".example/a", "http://[::1/a.jpg"]
    )
    def test_host_that_cannot_exist_is_an_error_of_the_settings(self, url):
        with pytest.raises(ImgmodConfigurationError, match="no absolute URL"):
            Provider2("cloud", source="url", base_url="https://site.example").url_of(image_at(url))

    def test_missing_url_is_not_that_of_the_site(self):
        with pytest.raises(ImgmodConfigurationError):
            Provider2("cloud", source="url", base_url="https://site.example").url_of(image_at(""))

    def test_url_has_at_most_2048_characters(self):
        provider = Provider2("cloud", source="url")
        start = "https://cdn.example/?token="
        assert len(provider.url_of(image_at(start + "s" * (2048 - len(start))))) == 2048
        with pytest.raises(ProviderRefused, match=r'"photos/a b\.jpg" has 2,049') as caught:
            provider.url_of(image_at(start + "s" * (2049 - len(start))))
        assert "token=" not in str(caught.value)

    def test_object_has_the_name_in_the_storage_behind_a_prefix(self):
        provider = Provider2("cloud", source="oss", bucket="b", bucket_region="cn-shanghai", key_prefix="media/")
        assert provider.object_of(image_at("")) == "media/photos/a b.jpg"


@pytest.mark.parametrize(
    "answer",
    [
        (400, {"Code": "SignatureDoesNotMatch", "Message": f"server string to sign is:x-acs-security-token:{STS}"}),
        (400, {"Code": "Unheard.Of", "Message": f"x {STS} y https://a/?Signature={STS}", "RequestId": "1"}),
        (200, {"Code": 401, "Msg": f"x {STS}", "RequestId": "1"}),
        (200, {"Code": "SignatureNonceUsed", "Message": STS}),
        (500, {"Code": "InternalError", "Message": STS}),
        (200, {"Code": 200}),
    ],
)
def test_secrets_are_in_no_message_and_no_log(gateway, caplog, answer):
    caplog.set_level(logging.DEBUG)
    status, body = answer
    for _ in range(2):
        gateway.answer(body, status)
    provider = provider2(gateway, security_token=STS)
    told = [repr(provider), repr(provider.options), repr(provider.credentials())]
    try:
        provider.call_rpc("ImageModeration", query={"ServiceParameters": STS})
    except ProviderError as error:
        told += [*traceback.format_exception(error), repr(error), repr(error.__context__)]
    everything = "".join(told) + caplog.text
    assert "127.0.0.1" in everything
    assert not [secret for secret in (SECRET, STS) if secret in everything]
