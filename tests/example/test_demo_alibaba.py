from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests

from django_imgmod.emulator import Emulator, Judge, serve

from .site import ExampleSite

SWEEP = "django_imgmod.dispatch.SweepDispatcher"
BACKENDS = {
    "Image Moderation 2.0": "django_imgmod.providers.alibaba.ImageModeration2Provider",
    "Green": "django_imgmod.providers.alibaba.GreenProvider",
}
ROW = re.compile(
    r"^(?P<picture>\S.*?)  +.* (?P<status>in_review|passed|blocked|superseded)  +(?P<answer>[a-z ]+?) +(?:[\d.]+|-)$",
    re.MULTILINE,
)
REQUESTS = re.compile(r"^ +(?P<count>\d+)  (?P<operation>[A-Z]\w+)(?P<rest>.*)$", re.MULTILINE)


@dataclass(frozen=True)
class Act:
    """What the account says of one act."""

    text: str

    @property
    def pictures(self) -> dict[str, set[str]]:
        """Titles by status."""
        found = defaultdict(set)
        for row in ROW.finditer(self.text):
            found[row["status"]].add(row["picture"])
        return found

    @property
    def answers(self) -> dict[str, str]:
        """How each picture came by its status."""
        return {row["picture"]: row["answer"] for row in ROW.finditer(self.text)}

    @property
    def requests(self) -> dict[str, int]:
        return {row["operation"]: int(row["count"]) for row in REQUESTS.finditer(self.text)}


def acts_of(account: str) -> dict[int, Act]:
    parts = re.split(r"^Act (\d):", account, flags=re.MULTILINE)
    return {int(number): Act(text) for number, text in zip(parts[1::2], parts[2::2], strict=True)}


def new_site(folder: Path) -> ExampleSite:
    site = ExampleSite(folder, IMGMOD_DISPATCHER=SWEEP)
    migrated = site.manage("migrate", "--verbosity", "0")
    assert migrated.returncode == 0, migrated.stderr
    return site


def read_until(words: str, process: subprocess.Popen[str]) -> str:
    """Return what a process says up to and including the line with these words."""
    assert process.stdout is not None
    lines = []
    for line in process.stdout:
        lines.append(line)
        if words in line:
            return "".join(lines)
    raise AssertionError("".join(lines))


def assert_stops(words: str, process: subprocess.Popen[str], number: signal.Signals, *, returncode: int) -> None:
    process.send_signal(number)
    rest, _ = process.communicate(timeout=30)
    assert process.returncode == returncode, rest
    assert words in rest
    assert "Traceback" not in rest
    # Nor is any process left that it had started.
    with pytest.raises(ProcessLookupError):
        os.killpg(process.pid, 0)


def free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        port: int = listening.getsockname()[1]
        return port


def test_demo_plays_all_acts(tmp_path: Path) -> None:
    result = new_site(tmp_path).manage("demo_alibaba")

    assert result.returncode == 0, result.stdout + result.stderr
    acts = acts_of(result.stdout)
    assert list(acts) == [1, 2, 3, 4]

    held = {"Broken off half-way", "Not a picture at all", "Sticker on a wall", "Test card, medium risk"}
    for number, copies in ((1, set()), (2, {"The sticker, 400 pixels"})):
        assert acts[number].pictures["blocked"] == {"Test card, high risk"}
        assert acts[number].pictures["in_review"] == held | copies
        assert acts[number].pictures["superseded"] == {"Coffee, out of focus"}
        assert len(acts[number].pictures["passed"]) == 16
        assert acts[number].answers["Chelsea once more"] == "same bytes"

    assert acts[1].answers["Lift-off"] == "by callback"
    asked = acts[1].requests["ImageAsyncModeration"]
    assert f"{asked}  POST to the site's callback view  authentic, stored; {asked} applied" in acts[1].text

    assert acts[2].answers["Lift-off"] == "asked for"
    assert 0 < acts[2].requests["ImageAsyncScan"] < asked
    assert "POST" not in acts[2].requests

    assert "Feedback: accepted" in acts[3].text
    assert acts[3].requests == {"PutObject": 1, "ImageScanFeedback": 1}

    assert acts[4].pictures["in_review"] == {"The sticker, 400 pixels"}
    assert acts[4].pictures["blocked"] == {"Sticker on a wall", "The sticker, 300 pixels"}
    assert acts[4].answers["Sticker on a wall"] == "by a person"
    assert "high risk: ad_qrcode" in acts[4].text

    # Commands and the environment are as long as they are.
    assert max(len(line) for line in result.stdout.splitlines() if not line.startswith("  ")) <= 120
    assert "emulatorAccessKeySecret" not in result.stdout
    variables = re.findall(r"^  export (\w+)=", result.stdout, re.MULTILINE)
    assert variables == ["IMGMOD_BACKEND", "ALIBABA_CLOUD_ACCESS_KEY_ID", "ALIBABA_CLOUD_ACCESS_KEY_SECRET"]


def test_demo_after_an_interrupted_one_goes_on_until_it_is_interrupted(tmp_path: Path) -> None:
    site = new_site(tmp_path)
    with site.started("demo_alibaba") as process:
        read_until("Saving 23 pictures", process)
        assert_stops("Stopped before the end.", process, signal.SIGINT, returncode=130)

    port = free_port()
    with site.started("demo_alibaba", "--serve", "--port", str(port)) as process:
        account = read_until("reload the gallery", process)
        assert f"http://127.0.0.1:{port}/upload/" in account
        page = requests.get(f"http://127.0.0.1:{port}/", timeout=10).text
        assert "16 of 23 photos have passed" in page
        assert "The sticker, 300 pixels" in page
        assert_stops("Stopped.", process, signal.SIGINT, returncode=0)


def test_demo_that_is_terminated_says_so_and_leaves_no_process(tmp_path: Path) -> None:
    with new_site(tmp_path).started("demo_alibaba") as process:
        # Site and worker have been started by then.
        read_until("Saving 22 pictures", process)
        assert_stops("Stopped before the end.", process, signal.SIGTERM, returncode=130)


def test_demo_on_a_port_that_is_taken_says_so(tmp_path: Path) -> None:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()

        result = new_site(tmp_path).manage("demo_alibaba", "--port", str(listening.getsockname()[1]))

    assert result.returncode == 1
    assert '"manage.py runserver" ended with 1' in result.stderr
    assert "That port is already in use." in result.stderr


def test_demo_refuses_where_debug_is_off(tmp_path: Path) -> None:
    site = ExampleSite(tmp_path, DEBUG="false", SECRET_KEY="secret", IMGMOD_DISPATCHER=SWEEP)

    result = site.manage("demo_alibaba", "--skip-checks")

    assert result.returncode == 1
    assert "only with DEBUG on" in result.stderr


def test_demo_refuses_to_judge_in_its_own_process(tmp_path: Path) -> None:
    result = ExampleSite(tmp_path).manage("demo_alibaba")

    assert result.returncode == 1
    assert "make demo-alibaba" in result.stderr


@pytest.mark.parametrize("generation", BACKENDS)
def test_three_variables_take_the_site_to_the_provider(tmp_path: Path, generation: str) -> None:
    """And a fourth one to the emulator in its place."""
    with (
        Emulator({"key": "word"}, judge=Judge(has_engine=False)) as emulator,
        serve(emulator) as address,
    ):
        variables: dict[str, Any] = {
            "IMGMOD_BACKEND": BACKENDS[generation],
            "ALIBABA_CLOUD_ACCESS_KEY_ID": "key",
            "ALIBABA_CLOUD_ACCESS_KEY_SECRET": "word",
            "IMGMOD_OPTIONS": json.dumps({"endpoint": f"http://{address}"}),
        }
        site = ExampleSite(tmp_path, **variables)
        assert site.manage("migrate", "--verbosity", "0").returncode == 0

        result = site.manage("imgmod_doctor")

    assert result.returncode == 0, result.stdout + result.stderr
    assert f"{generation} at {address}" in result.stdout


def test_site_that_is_called_back_has_the_address_for_it(tmp_path: Path) -> None:
    site = ExampleSite(tmp_path, IMGMOD_CALLBACK_BASE_URL="https://site.example")

    result = site.manage("check")

    assert result.returncode == 0, result.stderr
