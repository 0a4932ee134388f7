"""The official SDK of Green, 2018-05-09, against the emulator: each operation, with a URL, a file and bytes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from aliyunsdkcore.acs_exception.exceptions import ServerException
from aliyunsdkcore.auth.credentials import StsTokenCredential
from aliyunsdkcore.client import AcsClient
from aliyunsdkcore.profile import region_provider
from aliyunsdkgreen.request.v20180509 import (
    ImageAsyncScanRequest,
    ImageAsyncScanResultsRequest,
    ImageScanFeedbackRequest,
    ImageSyncScanRequest,
    UploadCredentialsRequest,
)
from aliyunsdkgreenextension.request.extension import ClientUploader, HttpContentHelper

from django_imgmod.canary import canary_png
from django_imgmod.emulator.faults import parse_fault
from django_imgmod.testing import RunningEmulator
from tests.emulator.listening import Listener, listening

# What it does with its own dependencies is not ours to mend.
pytestmark = pytest.mark.filterwarnings("ignore")

HIGH, MEDIUM = canary_png("high"), canary_png("medium")
REGION, UID = "cn-shanghai", "1234567890123456"
KEYS = {"key": ("id", "secret", ""), "STS": ("STS.id", "sts secret", "CAIS+/token==")}
SOURCES = ("URL", "file", "bytes")
SCENES = ["porn", "terrorism", "ad", "qrcode", "live", "logo"]

Published = Callable[[str, bytes], str]


@pytest.fixture
def imgmod_emulator_options() -> dict[str, Any]:
    return {
        "credentials": {key_id: secret for key_id, secret, _ in KEYS.values()},
        "security_tokens": {key_id: token for key_id, _, token in KEYS.values() if token},
        "uid": UID,
    }


def client_of(address: str, key_id: str, secret: str, token: str = "") -> AcsClient:
    region_provider.modify_point("Green", REGION, address)
    if token:
        return AcsClient(region_id=REGION, credential=StsTokenCredential(key_id, secret, token))
    return AcsClient(key_id, secret, REGION)


@pytest.fixture(params=list(KEYS))
def green(request: pytest.FixtureRequest, imgmod_emulator: RunningEmulator) -> AcsClient:
    """A client with either kind of key."""
    return client_of(imgmod_emulator.address, *KEYS[request.param])


@pytest.fixture
def plain(imgmod_emulator: RunningEmulator) -> AcsClient:
    return client_of(imgmod_emulator.address, *KEYS["key"])


@pytest.fixture
def listener() -> Iterator[Listener]:
    with listening() as listener:
        yield listener


@pytest.fixture
def publish(green: AcsClient, listener: Listener, tmp_path: Path) -> Published:
    """Return a function that brings a picture to where a scan finds it, in one of three ways, and returns its URL."""
    uploader = ClientUploader.getImageClientUploader(green)

    def publish(source: str, content: bytes) -> str:
        if source == "URL":
            listener.answer(body=content)
            return f"{listener.url}/{hashlib.md5(content, usedforsecurity=False).hexdigest()}.png?x=1&y=a+b"
        if source == "bytes":
            return str(uploader.uploadBytes(content))
        path = tmp_path / f"图 {len(content)}.png"
        path.write_bytes(content)
        return str(uploader.uploadFile(str(path)))

    return publish


def ask(green: AcsClient, request: Any, body: Any) -> Any:
    """Return ``data`` of what the service answers."""
    request.set_accept_format("JSON")
    request.set_content(HttpContentHelper.toValue(body))
    answer = json.loads(green.do_action_with_exception(request))
    assert answer["code"] == 200, answer
    return answer.get("data")


def scan(green: AcsClient, *urls: str, **more: Any) -> list[dict[str, Any]]:
    tasks = [{"dataId": f"数据-{number}", "url": url} for number, url in enumerate(urls)]
    body = {"tasks": tasks, "scenes": ["porn"], **more}
    elements = ask(green, ImageSyncScanRequest.ImageSyncScanRequest(), body)
    assert [element["dataId"] for element in elements] == [task["dataId"] for task in tasks]
    return list(elements)


def scan_later(green: AcsClient, *urls: str, **more: Any) -> list[str]:
    """Return the task of each picture."""
    tasks = [{"dataId": str(number), "url": url} for number, url in enumerate(urls)]
    body = {"tasks": tasks, "scenes": ["porn"], **more}
    elements = ask(green, ImageAsyncScanRequest.ImageAsyncScanRequest(), body)
    assert [element["code"] for element in elements] == [200] * len(urls)
    return [element["taskId"] for element in elements]


def results(green: AcsClient, task_ids: list[str]) -> list[dict[str, Any]]:
    elements = ask(green, ImageAsyncScanResultsRequest.ImageAsyncScanResultsRequest(), task_ids)
    assert [element["taskId"] for element in elements] == task_ids
    return list(elements)


def suggestions(elements: list[dict[str, Any]]) -> list[str]:
    return [element["results"][0]["suggestion"] for element in elements]


class TestSyncScan:
    @pytest.mark.parametrize("source", SOURCES)
    def test_of_every_source(self, green, publish, source):
        assert suggestions(scan(green, publish(source, HIGH))) == ["block"]

    def test_of_several_pictures(self, green, publish):
        urls = [publish(source, content) for source in SOURCES for content in (HIGH, MEDIUM)]
        # Those with a URL are fetched one after the other, in their order.
        assert suggestions(scan(green, *urls)) == ["block", "review"] * 3

    def test_of_a_picture_that_is_not_there_beside_one_that_is(self, plain, imgmod_emulator):
        imgmod_emulator.objects.put("bucket", "a", MEDIUM)
        found = scan(plain, "oss://bucket/a", "oss://bucket/nothing", "http://photos.example/a.png")
        assert [element["code"] for element in found] == [200, 404, 401]
        assert suggestions(found[:1]) == ["review"]

    def test_of_every_scene(self, green, publish):
        [element] = scan(green, publish("bytes", HIGH), scenes=SCENES, bizType="头像_default")
        assert {result["scene"]: result["suggestion"] for result in element["results"]} == {
            **dict.fromkeys(("porn", "terrorism", "ad"), "block"),
            **dict.fromkeys(("qrcode", "live", "logo"), "pass"),
        }

    def test_with_what_the_client_says_of_itself(self, plain, imgmod_emulator):
        imgmod_emulator.objects.put("bucket", "a", HIGH)
        request = ImageSyncScanRequest.ImageSyncScanRequest()
        request.set_ClientInfo('{"userId": "120234234", "userNick": "Mike & 小明"}')
        body = {"scenes": ["porn"], "tasks": [{"url": "oss://bucket/a"}]}
        assert suggestions(ask(plain, request, body)) == ["block"]


class TestAsyncScan:
    @pytest.mark.parametrize("source", SOURCES)
    def test_of_every_source(self, green, publish, source):
        task_ids = scan_later(green, publish(source, HIGH))
        assert [element["code"] for element in results(green, task_ids)] == [280]
        assert suggestions(results(green, task_ids)) == ["block"]

    def test_of_several_pictures_and_requests_is_asked_for_at_once(self, green, publish):
        first = scan_later(green, publish("bytes", HIGH), publish("file", MEDIUM))
        task_ids = [*first, *scan_later(green, publish("URL", HIGH)), "img&=+ /@x-1"]
        assert len(set(task_ids)) == 4
        assert [element["code"] for element in results(green, task_ids)] == [280, 280, 280, 594]
        found = results(green, task_ids)
        assert [element["code"] for element in found] == [200, 200, 200, 594]
        assert suggestions(found[:3]) == ["block", "review", "block"]
        assert [element["dataId"] for element in found[:3]] == ["0", "1", "0"]

    @pytest.mark.parametrize("crypt_type", ["SHA256", "SM3"])
    def test_is_called_back_for(self, green, publish, listener, crypt_type):
        url = publish("bytes", HIGH)
        wish = {"callback": f"{listener.url}/back/?src=green&x=1", "seed": "seed_Abc123", "cryptType": crypt_type}
        [task_id] = scan_later(green, url, **wish)
        arrival = listener.next()
        assert arrival.path == "/back/?src=green&x=1"
        content = arrival.form["content"]
        digest = hashlib.new(crypt_type.lower(), f"{UID}seed_Abc123{content}".encode())
        assert arrival.form["checksum"] == digest.hexdigest()
        assert json.loads(content)["taskId"] == task_id

    def test_is_said_to_be_processed_as_often_as_was_asked_for(self, plain, imgmod_emulator):
        imgmod_emulator.objects.put("bucket", "a", HIGH)
        imgmod_emulator.faults.add(parse_fault("processingx2"))
        task_ids = scan_later(plain, "oss://bucket/a")
        assert [results(plain, task_ids)[0]["code"] for _ in range(4)] == [280, 280, 280, 200]


class TestFeedback:
    @pytest.mark.parametrize("source", SOURCES)
    def test_changes_the_next_scan(self, green, publish, source):
        lesson = {
            "suggestion": "pass",
            "scenes": ["porn", "ad"],
            "url": publish(source, HIGH),
            "note": "人工复审 & safe",
        }
        assert ask(green, ImageScanFeedbackRequest.ImageScanFeedbackRequest(), lesson) is None
        [element] = scan(green, publish(source, HIGH), scenes=["porn", "terrorism", "ad"])
        assert [result["suggestion"] for result in element["results"]] == ["pass", "block", "pass"]

    def test_says_which_label_it_should_have_been(self, green, publish):
        [element] = scan(green, publish("bytes", MEDIUM))
        lesson = {
            "taskId": element["taskId"],
            "suggestion": "block",
            "scenes": ["terrorism"],
            "label": "weapon",
            "url": element["url"],
        }
        ask(green, ImageScanFeedbackRequest.ImageScanFeedbackRequest(), lesson)
        [element] = scan(green, element["url"], scenes=["terrorism"])
        assert (element["results"][0]["label"], element["results"][0]["suggestion"]) == ("weapon", "block")


class TestUploads:
    def test_need_credentials(self, green):
        data = ask(green, UploadCredentialsRequest.UploadCredentialsRequest(), {})
        assert data["accessKeyId"].startswith("STS.")

    @pytest.mark.parametrize("is_internal", [False, True])
    def test_arrive_as_they_are(self, green, imgmod_emulator, tmp_path, is_internal):
        uploader = ClientUploader.getImageClientUploader(green, is_internal)
        path = tmp_path / "a.png"
        path.write_bytes(MEDIUM)
        for url, content in ((uploader.uploadBytes(HIGH), HIGH), (uploader.uploadFile(str(path)), MEDIUM)):
            bucket, _, name = url.removeprefix("oss://").partition("/")
            assert imgmod_emulator.objects.get(bucket, name) == content

    def test_fail_as_the_uploader_fails(self, imgmod_emulator, plain):
        """It reads neither kind of error: the gateway's breaks it, the service's is one of its own."""
        stranger = client_of(imgmod_emulator.address, "id", "another")
        with pytest.raises(KeyError, match="code"):
            ClientUploader.getImageClientUploader(stranger).uploadBytes(HIGH)
        imgmod_emulator.faults.add(parse_fault("no-permission@UploadCredentials"))
        with pytest.raises(RuntimeError, match="code:596"):
            ClientUploader.getImageClientUploader(plain).uploadBytes(HIGH)


class TestErrors:
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
    def test_of_the_gateway_reach_the_caller(self, imgmod_emulator, key, code):
        with pytest.raises(ServerException) as caught:
            scan(client_of(imgmod_emulator.address, *key), "oss://bucket/a")
        assert caught.value.get_error_code() == code

    @pytest.mark.parametrize(
        ("fault", "status", "code"),
        [("throttled", 400, "Throttling.User"), ("5xx", 503, "ServiceUnavailable"), ("5xx=500", 500, "InternalError")],
    )
    def test_on_demand_reach_the_caller(self, imgmod_emulator, plain, fault, status, code):
        imgmod_emulator.faults.add(parse_fault(fault))
        with pytest.raises(ServerException) as caught:
            scan(plain, "oss://bucket/a")
        assert (caught.value.get_http_status(), caught.value.get_error_code()) == (status, code)

    @pytest.mark.parametrize(("fault", "code"), [("no-permission", 596), ("throttled=service", 588)])
    def test_of_the_service_are_in_the_answer(self, imgmod_emulator, plain, fault, code):
        imgmod_emulator.faults.add(parse_fault(fault))
        request = ImageSyncScanRequest.ImageSyncScanRequest()
        request.set_content(HttpContentHelper.toValue({"scenes": ["porn"], "tasks": [{"url": "oss://bucket/a"}]}))
        assert json.loads(plain.do_action_with_exception(request))["code"] == code
