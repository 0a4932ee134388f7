"""
The official SDKs, as they are, against the emulator: each operation, with a URL, a file and bytes.

They are a group of their own (extra ``sdks``): nothing of ours needs them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import Any

import oss2
import pytest
from alibabacloud_green20220302 import models
from alibabacloud_green20220302.client import Client
from alibabacloud_tea_openapi.models import Config
from aliyunsdkcore.client import AcsClient
from aliyunsdkcore.profile import region_provider
from aliyunsdkgreen.request.v20180509 import (
    ImageAsyncScanRequest,
    ImageAsyncScanResultsRequest,
    ImageScanFeedbackRequest,
    ImageSyncScanRequest,
)
from aliyunsdkgreenextension.request.extension import ClientUploader, HttpContentHelper

from django_imgmod.canary import canary_png
from django_imgmod.emulator import Emulator, Judge, serve

# What they do with their own dependencies is not ours to mend.
pytestmark = pytest.mark.filterwarnings("ignore")

HIGH, MEDIUM = canary_png("high"), canary_png("medium")
REGION, SERVICE = "cn-shanghai", "baselineCheck_global"


@pytest.fixture
def address(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    emulator = Emulator({"id": "secret"}, judge=Judge(has_engine=False))
    with emulator, serve(emulator) as address:
        yield address


@pytest.fixture
def green(address: str) -> AcsClient:
    region_provider.modify_point("Green", REGION, address)
    return AcsClient("id", "secret", REGION)


@pytest.fixture
def moderation2(address: str) -> Client:
    return Client(Config(access_key_id="id", access_key_secret="secret", endpoint=address, protocol="HTTP"))


@contextmanager
def published(content: bytes) -> Iterator[str]:
    """Serve bytes at a URL of this machine."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *args: Any) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/a.png"
        finally:
            server.shutdown()
            thread.join()


def ask(green: AcsClient, request: Any, body: Any) -> Any:
    request.set_accept_format("JSON")
    request.set_content(HttpContentHelper.toValue(body))
    answer = json.loads(green.do_action_with_exception(request))
    assert answer["code"] == 200, answer
    return answer.get("data")


def scan(green: AcsClient, *urls: str) -> list[str]:
    tasks = [{"dataId": str(number), "url": url} for number, url in enumerate(urls)]
    data = ask(green, ImageSyncScanRequest.ImageSyncScanRequest(), {"tasks": tasks, "scenes": ["porn"]})
    return [task["results"][0]["suggestion"] for task in data]


class TestGreen:
    def test_uploads_bytes_and_files(self, green, tmp_path):
        uploader = ClientUploader.getImageClientUploader(green)
        path = tmp_path / "a.png"
        path.write_bytes(MEDIUM)
        assert scan(green, uploader.uploadBytes(HIGH), uploader.uploadFile(str(path))) == ["block", "review"]

    def test_fetches_a_url(self, green):
        with published(HIGH) as url:
            assert scan(green, url) == ["block"]

    def test_answers_later(self, green):
        url = ClientUploader.getImageClientUploader(green).uploadBytes(HIGH)
        body = {"tasks": [{"dataId": "a", "url": url}], "scenes": ["porn", "terrorism"]}
        [task] = ask(green, ImageAsyncScanRequest.ImageAsyncScanRequest(), body)
        codes = []
        for _ in range(2):
            results = ImageAsyncScanResultsRequest.ImageAsyncScanResultsRequest()
            [found] = ask(green, results, [task["taskId"]])
            codes.append(found["code"])
        assert codes == [280, 200]
        assert {result["suggestion"] for result in found["results"]} == {"block"}

    def test_learns_from_feedback(self, green):
        url = ClientUploader.getImageClientUploader(green).uploadBytes(HIGH)
        body = {"suggestion": "pass", "scenes": ["porn"], "url": url}
        ask(green, ImageScanFeedbackRequest.ImageScanFeedbackRequest(), body)
        assert scan(green, url) == ["pass"]


class TestModeration2:
    def parameters(self, client: Client, content: bytes) -> str:
        token = client.describe_upload_token().body.data
        auth = oss2.StsAuth(token.access_key_id, token.access_key_secret, token.security_token)
        name = f"{token.file_name_prefix}a.png"
        oss2.Bucket(auth, token.oss_internet_end_point, token.bucket_name).put_object(name, content)
        return json.dumps({"ossBucketName": token.bucket_name, "ossObjectName": name, "dataId": "d-1"})

    def test_answers_at_once(self, moderation2):
        request = models.ImageModerationRequest(
            service=SERVICE, service_parameters=self.parameters(moderation2, MEDIUM)
        )
        body = moderation2.image_moderation(request).body
        assert (body.code, body.data.data_id, body.data.risk_level) == (200, "d-1", "medium")

    def test_fetches_a_url(self, moderation2):
        with published(HIGH) as url:
            request = models.ImageModerationRequest(service=SERVICE, service_parameters=json.dumps({"imageUrl": url}))
            assert moderation2.image_moderation(request).body.data.risk_level == "high"

    def test_answers_later(self, moderation2):
        request = models.ImageAsyncModerationRequest(
            service=SERVICE, service_parameters=self.parameters(moderation2, HIGH)
        )
        req_id = moderation2.image_async_moderation(request).body.data.req_id
        question = models.DescribeImageModerationResultRequest(req_id=req_id)
        answers = [moderation2.describe_image_moderation_result(question).body for _ in range(2)]
        assert [answer.code for answer in answers] == [280, 200]
        assert answers[1].data.risk_level == "high"
