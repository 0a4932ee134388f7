"""The official SDK of 2.0, 2022-03-02, against the emulator: each operation, with a URL, a file and bytes."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import oss2
import pytest
from alibabacloud_green20220302 import models
from alibabacloud_green20220302.client import Client
from alibabacloud_tea_openapi.models import Config
from PIL import Image

from django_imgmod.canary import canary_png
from django_imgmod.emulator.faults import parse_fault
from django_imgmod.testing import RunningEmulator
from tests.emulator.listening import Listener, listening

# What it does with its own dependencies is not ours to mend.
pytestmark = pytest.mark.filterwarnings("ignore")

HIGH, MEDIUM = canary_png("high"), canary_png("medium")
REGION, SERVICE, UID = "ap-southeast-1", "baselineCheck_global", "1234567890123456"
KEYS = {"key": ("id", "secret", ""), "STS": ("STS.id", "sts secret", "CAIS+/token==")}
SOURCES = ("URL", "file", "bytes")

Published = Callable[..., dict[str, str]]


@pytest.fixture
def imgmod_emulator_options() -> dict[str, Any]:
    return {
        "credentials": {key_id: secret for key_id, secret, _ in KEYS.values()},
        "security_tokens": {key_id: token for key_id, _, token in KEYS.values() if token},
        "uid": UID,
        "region": REGION,
    }


def client_of(address: str, key_id: str, secret: str, token: str = "", **options: Any) -> Client:
    sts = {"security_token": token} if token else {}
    key = {"access_key_id": key_id, "access_key_secret": secret, **sts}
    return Client(Config(**key, endpoint=address, protocol="HTTP", **options))


# By how it signs: the usual way, and the older one that the SDK still has.
ALGORITHMS: dict[str, dict[str, str]] = {"ACS3": {}, "RPC": {"signature_algorithm": "v2"}}


@pytest.fixture(params=[(key, algorithm) for key in KEYS for algorithm in ALGORITHMS], ids="-".join)
def client(request: pytest.FixtureRequest, imgmod_emulator: RunningEmulator) -> Client:
    """A client with either kind of key, that signs in either way."""
    key, algorithm = request.param
    return client_of(imgmod_emulator.address, *KEYS[key], **ALGORITHMS[algorithm])


@pytest.fixture
def plain(imgmod_emulator: RunningEmulator) -> Client:
    return client_of(imgmod_emulator.address, *KEYS["key"])


@pytest.fixture
def listener() -> Iterator[Listener]:
    with listening() as listener:
        yield listener


def bucket_of(token: Any, version: int) -> oss2.Bucket:
    """Return the bucket of an upload token, for either version of OSS's signature."""
    key = token.access_key_id, token.access_key_secret
    if version == 1:
        auth = oss2.StsAuth(*key, token.security_token)
        return oss2.Bucket(auth, token.oss_internet_end_point, token.bucket_name)
    provider = oss2.StaticCredentialsProvider(*key, token.security_token)
    return oss2.Bucket(oss2.ProviderAuthV4(provider), token.oss_internet_end_point, token.bucket_name, region=REGION)


@pytest.fixture
def publish(client: Client, listener: Listener, tmp_path: Path) -> Published:
    """Return a function that brings a picture to where it is found, in one of three ways, and returns its place."""

    def publish(source: str, content: bytes, version: int = 1) -> dict[str, str]:
        if source == "URL":
            listener.answer(body=content)
            return {"imageUrl": f"{listener.url}/a%20b/%E5%9B%BE.png?x=1&y=a+b&sig=~*%2F=="}
        token = client.describe_upload_token().body.data
        name = f"{token.file_name_prefix}图 {len(content)}.png"
        bucket = bucket_of(token, version)
        if source == "bytes":
            bucket.put_object(name, content)
        else:
            path = tmp_path / "a.png"
            path.write_bytes(content)
            bucket.put_object_from_file(name, str(path))
        return {"ossBucketName": token.bucket_name, "ossObjectName": name}

    return publish


def harmless() -> bytes:
    output = io.BytesIO()
    Image.new("L", (8, 8)).save(output, "PNG")
    return output.getvalue()


def moderate(client: Client, parameters: dict[str, Any], service: str = SERVICE) -> Any:
    request = models.ImageModerationRequest(service=service, service_parameters=json.dumps(parameters))
    return client.image_moderation(request).body


def moderate_later(client: Client, parameters: dict[str, Any]) -> str:
    request = models.ImageAsyncModerationRequest(service=SERVICE, service_parameters=json.dumps(parameters))
    body = client.image_async_moderation(request).body
    assert (body.code, body.data.data_id) == (200, parameters.get("dataId"))
    return str(body.data.req_id)


def result(client: Client, req_id: str) -> Any:
    return client.describe_image_moderation_result(models.DescribeImageModerationResultRequest(req_id=req_id)).body


class TestModeration:
    @pytest.mark.parametrize("source", SOURCES)
    def test_of_every_source(self, client, publish, source):
        body = moderate(client, {**publish(source, MEDIUM), "dataId": "d-1"})
        assert (body.code, body.data.data_id, body.data.risk_level) == (200, "d-1", "medium")
        [line] = body.data.result
        assert (line.label, line.confidence, line.risk_level) == ("sexual_partialNudity", 100, "medium")

    def test_says_that_there_is_nothing(self, plain, imgmod_emulator):
        imgmod_emulator.objects.put("bucket", "a", harmless())
        body = moderate(plain, {"ossBucketName": "bucket", "ossObjectName": "a", "ossRegionId": REGION})
        [line] = body.data.result
        assert (body.data.risk_level, line.label, line.confidence) == ("none", "nonLabel", None)

    def test_with_every_parameter(self, client, publish, listener):
        parameters = {
            **publish("URL", HIGH),
            "dataId": "a-1_b.c",
            "referer": "www.example.com",
            "infoType": "customImage,textInImage,publicFigure,logoData",
            "interval": 1,
            "maxFrameNum": 50,
        }
        assert moderate(client, parameters, "baselineCheck_global_01").data.risk_level == "high"
        arrival = listener.next()
        assert arrival.path == "/a%20b/%E5%9B%BE.png?x=1&y=a+b&sig=~*%2F=="
        assert arrival.headers["referer"] == "www.example.com"

    def test_of_several_services(self, client, publish):
        request = models.ImageBatchModerationRequest(
            service="baselineCheck,tonalityImprove", service_parameters=json.dumps(publish("bytes", HIGH))
        )
        data = client.image_batch_moderation(request).body.data
        assert [one.service for one in data.results] == ["baselineCheck", "tonalityImprove"]
        assert {data.risk_level, *(one.risk_level for one in data.results)} == {"high"}


class TestAsync:
    @pytest.mark.parametrize("source", SOURCES)
    def test_of_every_source(self, client, publish, source):
        req_id = moderate_later(client, {**publish(source, HIGH), "dataId": "d-1"})
        assert result(client, req_id).code == 280
        body = result(client, req_id)
        assert (body.code, body.data.req_id, body.data.data_id) == (200, req_id, "d-1")
        assert (body.data.risk_level, body.data.result[0].risk_level, body.data.frame_num) == ("high", "high", 1)
        assert json.loads(body.data.frame)[0]["Result"][0]["Label"] == body.data.result[0].label

    def test_of_several_pictures_each_has_its_own_result(self, client, publish):
        contents = [HIGH, MEDIUM, HIGH]
        req_ids = [moderate_later(client, publish("bytes", content)) for content in contents]
        assert {result(client, req_id).code for req_id in req_ids} == {280}
        levels = [result(client, req_id).data.risk_level for req_id in req_ids]
        assert levels == ["high", "medium", "high"]

    @pytest.mark.parametrize("crypt_type", ["SHA256", "SM3"])
    def test_is_called_back_for(self, client, publish, listener, crypt_type):
        wish = {"callback": f"{listener.url}/back/?src=cip&x=1", "seed": "seed_Abc123", "cryptType": crypt_type}
        req_id = moderate_later(client, {**publish("bytes", HIGH), **wish})
        arrival = listener.next()
        assert (arrival.path, arrival.form["ReqId"]) == ("/back/?src=cip&x=1", req_id)
        content = arrival.form["Content"]
        digest = hashlib.new(crypt_type.lower(), f"{UID}seed_Abc123{content}".encode())
        assert arrival.form["Checksum"] == digest.hexdigest()
        assert json.loads(content)["Data"]["RiskLevel"] == "high"

    def test_has_extra_information_to_be_asked_for(self, client, publish):
        req_id = moderate_later(client, publish("bytes", HIGH))
        request = models.DescribeImageResultExtRequest(req_id=req_id, info_type="customImage")
        codes = [client.describe_image_result_ext(request).body.code for _ in range(2)]
        assert codes == [280, 200]

    def test_that_is_not_known(self, client):
        assert result(client, "REQ &+=/*~ 2").code == 409

    def test_of_a_picture_that_is_not_there(self, client):
        req_id = moderate_later(client, {"ossBucketName": "bucket", "ossObjectName": "nothing"})
        assert [result(client, req_id).code for _ in range(2)] == [280, 404]


class TestUploads:
    def test_need_a_token(self, client):
        token = client.describe_upload_token().body.data
        assert token.access_key_id.startswith("STS.")
        assert token.file_name_prefix.endswith("/")

    @pytest.mark.parametrize("version", [1, 4])
    @pytest.mark.parametrize("source", ["file", "bytes"])
    def test_arrive_as_they_are(self, client, publish, imgmod_emulator, source, version):
        place = publish(source, HIGH, version)
        assert imgmod_emulator.objects.get(*place.values()) == HIGH
        assert moderate(client, place).data.risk_level == "high"

    @pytest.mark.parametrize("version", [1, 4])
    def test_of_a_stranger_are_refused(self, plain, imgmod_emulator, version):
        token = plain.describe_upload_token().body.data
        name = f"{token.file_name_prefix}a.png"
        token.access_key_secret = "another"
        with pytest.raises(oss2.exceptions.ServerError) as caught:
            bucket_of(token, version).put_object(name, HIGH)
        assert (caught.value.status, caught.value.code) == (403, "SignatureDoesNotMatch")
        assert imgmod_emulator.objects.get(token.bucket_name, name) is None

    def test_may_fail_on_demand(self, plain, imgmod_emulator):
        imgmod_emulator.faults.add(parse_fault("5xx@PutObjectx1"))
        token = plain.describe_upload_token().body.data
        name = f"{token.file_name_prefix}a.png"
        with pytest.raises(oss2.exceptions.ServerError) as caught:
            bucket_of(token, 1).put_object(name, HIGH)
        assert caught.value.status == 503
        bucket_of(token, 1).put_object(name, HIGH)
        assert imgmod_emulator.objects.get(token.bucket_name, name) == HIGH


class TestErrors:
    @pytest.mark.parametrize("algorithm", ALGORITHMS)
    @pytest.mark.parametrize(
        ("key", "code"),
        [
            (("nobody", "secret"), "InvalidAccessKeyId.NotFound"),
            (("id", "another"), "SignatureDoesNotMatch"),
            (("STS.id", "sts secret"), "MissingSecurityToken"),
            (("STS.id", "sts secret", "another"), "InvalidSecurityToken.Malformed"),
            (("id", "secret", "CAIS+/token=="), "InvalidSecurityToken.MismatchWithAccessKey"),
        ],
    )
    def test_of_the_gateway_reach_the_caller(self, imgmod_emulator, key, code, algorithm):
        with pytest.raises(Exception, match=code) as caught:
            client_of(imgmod_emulator.address, *key, **ALGORITHMS[algorithm]).describe_upload_token()
        assert caught.value.code == code

    @pytest.mark.parametrize(
        ("fault", "code"),
        [("throttled", "Throttling.User"), ("5xx", "ServiceUnavailable"), ("5xx=500", "InternalError")],
    )
    def test_on_demand_reach_the_caller(self, imgmod_emulator, plain, fault, code):
        imgmod_emulator.faults.add(parse_fault(fault))
        with pytest.raises(Exception, match=code) as caught:
            plain.describe_upload_token()
        assert caught.value.code == code

    def test_of_throttling_say_how_long_to_wait(self, imgmod_emulator, plain):
        imgmod_emulator.faults.add(parse_fault("throttled=2000"))
        with pytest.raises(Exception, match="Throttling") as caught:
            plain.describe_upload_token()
        assert type(caught.value).__name__ == "ThrottlingException"
        assert caught.value.retry_after == 2000

    @pytest.mark.parametrize(("fault", "code"), [("no-permission", 408), ("throttled=service", 403)])
    def test_of_the_service_are_in_the_answer(self, imgmod_emulator, plain, fault, code):
        imgmod_emulator.faults.add(parse_fault(fault))
        assert moderate(plain, {"ossBucketName": "bucket", "ossObjectName": "a"}).code == code

    def test_of_parameters_are_in_the_answer(self, plain):
        for parameters, code in (({}, 400), ({"imageUrl": "https://photos.example/图.png"}, 401)):
            assert moderate(plain, parameters).code == code
