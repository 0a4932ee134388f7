from __future__ import annotations

import hashlib
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
import requests
from django.core.management import CommandError, call_command

from django_imgmod.canary import canary_png
from django_imgmod.choices import RiskLevel
from django_imgmod.emulator import commandline
from django_imgmod.emulator.__main__ import main
from django_imgmod.providers.alibaba import GreenProvider, ImageModeration2Provider
from django_imgmod.results import ImageSource

from .signed import acs3

LAST_LINE = "Ctrl-C"
ADDRESS = re.compile(r"emulated at (http://\S+)")


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str, act: Callable[[str], object] = str) -> tuple[int, str]:
    """Run it on a free port until it has said everything, act on its address, press Ctrl-C; return what came of it."""
    said: list[str] = []

    def write(text: str) -> None:
        said.append(text)
        if LAST_LINE in text:
            match = ADDRESS.search("\n".join(said))
            assert match is not None
            try:
                act(match[1])
            finally:
                signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr("django_imgmod.emulator.__main__._write", write)
    handlers = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    status = main(["0", *arguments])
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == handlers
    return status, "\n".join(said)


def refusal(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    return capsys.readouterr().err


def source() -> ImageSource:
    content = canary_png("high")
    return ImageSource(
        data_id="d-1", file_name="a.png", content=content, sha256=hashlib.sha256(content).hexdigest(), seed="a" * 64
    )


def options_of(said: str, **more: Any) -> dict[str, Any]:
    """Return OPTIONS for a provider, as the program said that they should be."""
    options: Any = re.search(r'"OPTIONS": \{"endpoint": "(?P<endpoint>.+?)", "uid": "(?P<uid>.+?)"\}', said)
    return {**options.groupdict(), **more}


@pytest.mark.parametrize("provider", [ImageModeration2Provider, GreenProvider])
def test_site_that_is_pointed_at_it_as_it_says_gets_verdicts(provider, monkeypatch):
    verdicts = []

    def write(text: str) -> None:
        said.append(text)
        if LAST_LINE not in text:
            return
        try:
            for name, value in re.findall(r"(ALIBABA_CLOUD_\w+)=(\S+)", "\n".join(said)):
                monkeypatch.setenv(name, value)
            judge = provider("alibaba", **options_of("\n".join(said), is_asynchronous=False))
            verdicts.append(judge.submit(source()).verdict)
        finally:
            signal.raise_signal(signal.SIGINT)

    said: list[str] = []
    monkeypatch.setattr("django_imgmod.emulator.__main__._write", write)
    assert main(["0", "--no-engine"]) == 0
    assert [verdict.risk_level for verdict in verdicts] == [RiskLevel.HIGH]


def test_it_says_what_it_looks_for(monkeypatch):
    assert "It looks for canaries." in run(monkeypatch, "--no-engine")[1]
    assert "It looks for sexual content, QR codes, canaries." in run(monkeypatch)[1]


def test_missing_extra_is_named(monkeypatch):
    monkeypatch.setattr("django_imgmod.emulator.judging.find_spec", lambda name: None)
    said = run(monkeypatch)[1]
    assert "It looks for canaries." in said
    assert 'pip install "django-imgmod[local]"' in said


def test_end(monkeypatch):
    status, said = run(monkeypatch, "--no-engine", act=lambda url: requests.post(url, timeout=10))
    assert status == 0
    assert said.endswith("Stopped.")


def test_nobody_answers_after_the_end(monkeypatch):
    urls: list[str] = []
    run(monkeypatch, "--no-engine", act=urls.append)
    with pytest.raises(requests.ConnectionError):
        requests.post(urls[0], timeout=10)


def ask(url: str, **options: Any) -> int:
    """Return the status of the answer to a request that is signed with the key that it says it has."""
    key = {"key_id": commandline.ACCESS_KEY_ID, "secret": commandline.ACCESS_KEY_SECRET, **options}
    host = url.removeprefix("http://")
    draft = acs3("DescribeUploadToken", **key, now=datetime.now(UTC), host=host)
    return requests.post(url, headers=draft.headers, timeout=10).status_code


def test_faults_are_named_and_happen(monkeypatch):
    statuses: list[int] = []
    arguments = ("--no-engine", "--fault", "5xx=502@DescribeUploadTokenx1", "--fault=slow=0x3")
    said = run(monkeypatch, *arguments, act=lambda url: statuses.extend([ask(url), ask(url)]))[1]
    assert "It does wrong: 5xx=502 at DescribeUploadToken, 1 times." in said
    assert "It does wrong: slow=0, 3 times." in said
    assert statuses == [502, 200]


def test_faults_come_after_the_checks(monkeypatch):
    statuses: list[int] = []
    run(monkeypatch, "--no-engine", "--fault", "5xx", act=lambda url: statuses.append(ask(url, secret="another")))
    assert statuses == [400]


def test_options_reach_the_emulator(monkeypatch):
    made: list[dict[str, Any]] = []
    emulator = commandline.Emulator

    def make(*arguments: Any, **options: Any) -> Any:
        made.append({"arguments": arguments, **options})
        return emulator(*arguments, **options)

    monkeypatch.setattr(commandline, "Emulator", make)
    run(
        monkeypatch,
        *("--no-engine", "--access-key-id=me", "--access-key-secret=quiet", "--security-token=T", "--uid=42"),
        *("--allow-host=photos.example", "--allow-host=site.example", "--per-second=7", "--processing-answers=0"),
        *("--callback-delay=1.5", "--code-in-status", "--service=ours", "--service=theirs"),
    )
    assert made[0]["arguments"] == ({"me": "quiet"}, {"me": "T"}, "42")
    assert made[0]["allowed_hosts"] == ["photos.example", "site.example"]
    assert (made[0]["per_second"], made[0]["processing_answers"], made[0]["callback_delay"]) == (7, 0, 1.5)
    assert made[0]["is_code_in_status"] is True
    assert made[0]["services"] == ["ours", "theirs"]


def test_own_secrets_are_not_shown(monkeypatch):
    said = run(monkeypatch, "--no-engine", "--access-key-id=me", "--access-key-secret=quiet", "--security-token=hush")[
        1
    ]
    assert "ALIBABA_CLOUD_ACCESS_KEY_ID=me" in said
    assert "ALIBABA_CLOUD_SECURITY_TOKEN=" in said
    assert "quiet" not in said
    assert "hush" not in said


def test_other_machines_are_warned_of(monkeypatch):
    assert "WARNING" not in run(monkeypatch, "--no-engine")[1]
    monkeypatch.setattr(commandline, "_address", lambda text: ("0.0.0.0", 0))  # noqa: S104
    assert "WARNING: other machines" in run(monkeypatch, "--no-engine")[1]


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("8123", ("127.0.0.1", 8123)),
        ("0.0.0.0:8123", ("0.0.0.0", 8123)),  # noqa: S104
        ("localhost:1", ("localhost", 1)),
        ("[::1]:8123", ("::1", 8123)),
        ("127.0.0.1:65535", ("127.0.0.1", 65535)),
    ],
)
def test_addresses(text, place):
    assert commandline._address(text) == place


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["here"], "is no address"),
        (["127.0.0.1:65536"], "is no address"),
        (["http://127.0.0.1:80"], "is no address"),
        (["127.0.0.1"], "is no address"),
        (["--fault=explode"], 'There is no fault "explode"'),
        (["--fault=slow=soon"], "a number from 0 to 3600"),
        (["--per-second=0"], "whole number from 1 on"),
        (["--processing-answers=-1"], "whole number from 0 on"),
        (["--callback-delay=soon"], "number of seconds"),
        (["--callback-delay=nan"], "number of seconds"),
        (["--what"], "unrecognized arguments"),
    ],
)
def test_wrong_arguments(capsys, arguments, words):
    assert words in refusal(capsys, *arguments)


def test_help_says_everything(capsys):
    with pytest.raises(SystemExit) as caught:
        main(["--help"])
    assert caught.value.code == 0
    text = " ".join(capsys.readouterr().out.split())
    for words in ("ADDR:PORT", "--fault", "callback-wrong-checksum", "--allow-host", "--access-key-id"):
        assert words in text


def test_taken_port(capsys):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert main([str(port), "--no-engine"]) == 1
        said = capsys.readouterr()
        assert f"Cannot listen at 127.0.0.1, port {port}" in said.err
        assert "port 0" in said.err
        assert "emulated at" not in said.out
        with pytest.raises(CommandError, match=f"Cannot listen at 127.0.0.1, port {port}"):
            call_command("imgmod_emulator", f"127.0.0.1:{port}", no_engine=True)


def test_host_that_is_not_ours():
    with pytest.raises(CommandError, match=r"Cannot listen at 192\.0\.2\.1"):
        call_command("imgmod_emulator", "192.0.2.1:8123", "--no-engine")


def test_command_of_a_project(monkeypatch):
    from django_imgmod.management.commands.imgmod_emulator import Command

    said: list[str] = []

    def write(self: Command, text: str) -> None:
        said.append(text)
        if LAST_LINE in text:
            signal.raise_signal(signal.SIGTERM)

    monkeypatch.setattr(Command, "_write", write)
    call_command("imgmod_emulator", "0", "--no-engine")
    assert ADDRESS.search(said[0])
    assert said[-1] == "Stopped."


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_program_without_a_project(number):
    environment = {name: value for name, value in os.environ.items() if name != "DJANGO_SETTINGS_MODULE"}
    command = [sys.executable, "-W", "error", "-m", "django_imgmod.emulator", "0", "--no-engine"]
    with subprocess.Popen(  # noqa: S603
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        try:
            lines = iter(process.stdout.readline, "")
            match = ADDRESS.search(next(lines))
            assert match is not None, process.stderr.read()
            assert any(LAST_LINE in line for line in lines)
            answer = requests.post(f"{match[1]}/green/image/scan", timeout=10)
            assert answer.json()["Code"] in ("IncompleteSignature", "InvalidVersion")
            process.send_signal(number)
            assert process.wait(10) == 0
            assert "Stopped." in process.stdout.read()
            assert process.stderr.read() == ""
        finally:
            process.kill()
