"""The fault server and its provider: other tests and the benchmarks rely on what they say here."""

from __future__ import annotations

import hashlib
import re
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import requests

from django_imgmod.exceptions import (
    ImgmodConfigurationError,
    ProviderProtocolError,
    ProviderThrottled,
    ProviderUnavailable,
)
from django_imgmod.results import ImageSource

from .arrivals import TimedReader
from .provider import LoopbackProvider
from .server import FaultServer, level_of

SOON = 5.0


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultServer]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with FaultServer() as server:
        yield server


@pytest.fixture
def provider(server: FaultServer) -> LoopbackProvider:
    return LoopbackProvider("loopback", url=server.url, timeout=0.5)


def source_of(number: int = 0) -> ImageSource:
    content = b"picture %d" % number
    return ImageSource(
        data_id=f"id-{number}", file_name="a.png", content=content, sha256=hashlib.sha256(content).hexdigest()
    )


def until(is_so: Callable[[], bool]) -> None:
    ends_at = time.monotonic() + SOON
    while not is_so():
        assert time.monotonic() < ends_at
        time.sleep(0.01)


def answers(provider: LoopbackProvider) -> bool:
    try:
        return bool(provider.submit(source_of()).verdict)
    except ProviderUnavailable:
        return False


def level_given(provider: LoopbackProvider, source: ImageSource) -> str:
    verdict = provider.submit(source).verdict
    assert verdict is not None
    return verdict.risk_level


def test_digest_decides_unless_a_test_says_otherwise(server, provider):
    sources = [source_of(number) for number in range(60)]
    given = [level_given(provider, source) for source in sources]
    assert given == [level_of(source.sha256) for source in sources]
    assert set(given) == {"high", "medium", "low", "none"}
    server.verdicts[sources[0].sha256] = "unheard of"
    assert level_given(provider, sources[0]) == "unknown"


def test_asynchronous_verdict_comes_when_it_is_fetched(server):
    provider = LoopbackProvider("loopback", url=server.url, mode="async", poll_after=3)
    submission = provider.submit(source_of())
    assert (submission.verdict, submission.poll_after) == (None, 3)
    server.behave("result", "pending", count=2)
    assert [provider.fetch(submission.reference) for _ in range(2)] == [None, None]
    verdict = provider.fetch(submission.reference)
    assert verdict is not None
    assert verdict.risk_level == level_of(source_of().sha256)
    server.behave("result", "gone")
    with pytest.raises(ProviderProtocolError, match="HTTP 404"):
        provider.fetch(submission.reference)
    assert [(entry.data_id, entry.behaviour) for entry in server.log("result")] == [
        ("id-0", "pending"),
        ("id-0", "pending"),
        ("id-0", "ok"),
        ("id-0", "gone"),
    ]


def test_reference_that_was_never_given_is_gone(provider):
    with pytest.raises(ProviderProtocolError, match="HTTP 404"):
        provider.fetch("never")


def test_bytes_that_are_sent_must_be_those_announced(server):
    provider = LoopbackProvider("loopback", url=server.url, sends_content=True)
    assert provider.submit(source_of()).verdict
    with pytest.raises(ProviderProtocolError, match="HTTP 400"):
        provider.submit(ImageSource(data_id="x", file_name="a", content=b"other", sha256=source_of().sha256))


def test_answer_about_another_picture_is_refused(server, provider):
    server.behave("submit", "answer", body='{"data_id": "other", "reference": "r", "verdict": {"risk_level": "none"}}')
    with pytest.raises(ProviderProtocolError, match="another picture"):
        provider.submit(source_of())


def test_mode_must_be_known(server):
    with pytest.raises(ImgmodConfigurationError, match="mode"):
        LoopbackProvider("loopback", url=server.url, mode="later")


def test_log_counts_every_request_of_many_threads(server):
    def submit(number: int) -> None:
        LoopbackProvider("loopback", url=server.url).submit(source_of(number % 20))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(submit, range(200)))
    assert len(server.log("submit")) == 200
    assert server.counts("submit", "data_id") == {f"id-{number}": 10 for number in range(20)}
    assert server.counts("submit", "sha256") == {source_of(number).sha256: 10 for number in range(20)}
    assert len(server.log(after=150)) == 50


def test_rate_limit_holds_in_any_second_and_notes_what_breaks_it(server, provider):
    server.behave("submit", "throttle", per_second=5, headers={"Retry-After": "1"})
    for number in range(5):
        provider.submit(source_of(number))
    with pytest.raises(ProviderThrottled):
        provider.submit(source_of(5))
    assert [entry.data_id for entry in server.violations] == ["id-5"]
    until(lambda: time.monotonic() - server.log()[-1].at > 1)
    provider.submit(source_of(6))
    assert [entry.data_id for entry in server.violations] == ["id-5"]


def test_refused_connections_come_back_on_the_same_port(server, provider):
    provider.submit(source_of())
    port = server.port
    server.behave("submit", "refuse", lasting=0.3)
    with pytest.raises(ProviderUnavailable, match="Connection refused"):
        provider.submit(source_of())
    until(lambda: answers(provider))
    assert server.port == port
    assert len(server.log("submit")) == 2


def test_stop_waits_for_no_stall(server, provider):
    server.behave("submit", "stall", seconds=300)
    with pytest.raises(ProviderUnavailable):
        provider.submit(source_of())
    started_at = time.monotonic()
    server.refuse()
    assert time.monotonic() - started_at < SOON


def test_what_was_done_before_the_connection_broke_is_done(server, provider):
    server.behave("submit", "reset_before", count=1)
    server.behave("submit", "reset_after", count=1)
    for _ in range(2):
        with pytest.raises(ProviderUnavailable):
            provider.submit(source_of())
    provider.submit(source_of())
    assert [entry.behaviour for entry in server.log()] == ["reset_before", "reset_after", "ok"]
    assert len(server._submissions) == 2


def test_behaviours_pass(server, provider):
    server.behave("submit", "error", lasting=0)
    server.behave("submit", "error", count=0)
    assert provider.submit(source_of()).verdict
    server.behave("submit", "error")
    with pytest.raises(ProviderUnavailable):
        provider.submit(source_of())
    server.behave("submit", "ok")
    assert provider.submit(source_of()).verdict


def test_chance_repeats_itself_with_its_seed(server, provider, capfd):
    def run(seed: int) -> list[str]:
        server.forget()
        server.behave("submit", "error", probability=0.3, seed=seed)
        for _ in range(40):
            answers(provider)
        return [entry.behaviour for entry in server.log("submit")]

    first = run(7)
    assert first == run(7) != run(8)
    assert 2 <= first.count("error") <= 25
    assert "seed=7" in capfd.readouterr().err


def test_latency_comes_on_top(server, provider):
    server.behave("submit", "latency", seconds=0.1)
    server.behave("submit", "error")
    started_at = time.monotonic()
    with pytest.raises(ProviderUnavailable):
        provider.submit(source_of())
    assert time.monotonic() - started_at >= 0.1


def test_behaviour_that_does_not_exist_is_an_error(server):
    with pytest.raises(ValueError, match="'tantrum'"):
        server.behave("submit", "tantrum")


def test_feedback_is_kept(server):
    feedback = {"data_id": "id-1", "outcome": "block"}
    answer = requests.post(f"{server.url}/feedback", json=feedback, timeout=SOON)
    assert (answer.json(), server.feedback) == ({"accepted": True}, [feedback])
    assert server.counts("feedback", "data_id") == {"id-1": 1}


class TestProcess:
    """The server as a process of its own, told over HTTP."""

    @pytest.fixture
    def url(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        command = [sys.executable, "-m", "tests.faults.server"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2]) as process:  # noqa: S603 - ours
            assert process.stdout is not None
            url = process.stdout.readline().strip()
            assert re.fullmatch(r"http://127\.0\.0\.1:\d+", url)
            yield url
            process.terminate()

    def test_is_told_how_to_behave_and_tells_what_came(self, url):
        def call(where: str, **payload: Any) -> Any:
            if payload:
                return requests.post(f"{url}/{where}", json=payload, timeout=SOON).json()
            return requests.get(f"{url}/{where}", timeout=SOON).json()

        provider = LoopbackProvider("loopback", url=url)
        digest = source_of().sha256
        call("verdicts", **{digest: "high"})
        assert level_given(provider, source_of()) == "high"
        assert call("behave", path="submit", name="error", count=1, seed=3) == {"seed": 3}
        assert "tantrum" in call("behave", path="submit", name="tantrum")["error"]
        before = time.monotonic()
        with pytest.raises(ProviderUnavailable, match="HTTP 500"):
            provider.submit(source_of())
        entries = call("log?after=1")["entries"]
        assert [(entry["data_id"], entry["sha256"], entry["behaviour"]) for entry in entries] == [
            ("id-0", digest, "error")
        ]
        assert before < entries[0]["at"] < time.monotonic()
        assert call("counts?path=submit") == {"data_id": {"id-0": 2}, "sha256": {digest: 2}}
        call("behave", path="submit", name="refuse")
        until(lambda: not answers(provider))

    def test_takes_a_submission_as_json_as_well(self, url):
        payload = {"data_id": "a", "sha256": "1" * 64, "mode": "sync"}
        answer = requests.post(f"{url}/submit", json=payload, timeout=SOON).json()
        assert answer["verdict"]["risk_level"] == "medium"
        assert requests.post(f"{url}/submit", json={"data_id": "a"}, timeout=SOON).status_code == 400


@pytest.mark.skipif(sys.platform != "linux", reason="The system does not note when bytes arrive.")
def test_time_of_arrival_is_not_that_of_reading():
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        socket.create_connection(listener.getsockname()) as client,
        listener.accept()[0] as connection,
    ):
        reader = TimedReader(connection)

        def is_noted() -> bool:
            client.sendall(b"x")
            sent_at = time.monotonic()
            until(lambda: time.monotonic() > sent_at + 0.02)
            assert reader.read(1) == b"x"
            return reader.arrived_at < sent_at + 0.02

        # It begins to, soon after it was asked.
        until(is_noted)
