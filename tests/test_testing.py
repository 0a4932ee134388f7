"""What a host project's own tests are given."""

from __future__ import annotations

import os
from textwrap import dedent
from typing import Any

import pytest
import requests
from django.test import SimpleTestCase

from django_imgmod import testing
from django_imgmod.choices import RiskLevel
from django_imgmod.emulator import Fault
from django_imgmod.exceptions import ProviderAuthError, ProviderThrottled
from django_imgmod.providers import providers
from django_imgmod.results import ImageSource
from django_imgmod.testing import GREEN, IMAGE_MODERATION_2, RunningEmulator, canary_png

from .documented import run

BOTH = pytest.mark.parametrize("backend", [IMAGE_MODERATION_2, GREEN])


def source(content: bytes) -> ImageSource:
    return ImageSource(data_id="picture-1", file_name="a.png", content=content, sha256="0" * 64)


def judge(settings: Any, entry: dict[str, Any]) -> RiskLevel:
    settings.IMGMOD = {"PROVIDERS": {"default": entry}}
    verdict = providers["default"].submit(source(canary_png("medium"))).verdict
    assert verdict is not None
    return verdict.risk_level


class TestRunningEmulator:
    @BOTH
    def test_judges_with_the_entry_that_it_gives(self, settings, backend):
        with RunningEmulator() as emulator:
            assert judge(settings, emulator.provider(backend, is_asynchronous=False)) == RiskLevel.MEDIUM

    def test_takes_the_key_that_it_was_given_and_no_other(self, settings):
        with RunningEmulator(credentials={"id": "secret"}, uid="42") as emulator:
            entry = emulator.provider(is_asynchronous=False)
            assert entry["OPTIONS"]["uid"] == "42"
            assert judge(settings, entry) == RiskLevel.MEDIUM
            with pytest.raises(ProviderAuthError):
                judge(settings, emulator.provider(access_key_secret="other"))

    def test_does_wrong_when_told_to(self, settings):
        with RunningEmulator() as emulator:
            emulator.faults.add(Fault(name="throttled"))
            with pytest.raises(ProviderThrottled):
                judge(settings, emulator.provider(is_asynchronous=False))

    def test_is_gone_in_the_end(self):
        with RunningEmulator() as emulator:
            url = emulator.url
            assert requests.post(url, timeout=10).status_code == 400
        with pytest.raises(requests.ConnectionError):
            requests.post(url, timeout=10)
        with pytest.raises(RuntimeError, match="not running"):
            _ = emulator.url

    def test_is_one_of_several(self):
        with RunningEmulator() as one, RunningEmulator() as other:
            assert one.url != other.url

    def test_is_asked_past_a_proxy(self, settings, monkeypatch):
        monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
        monkeypatch.setenv("no_proxy", "site.example")
        monkeypatch.delenv("NO_PROXY", raising=False)
        with RunningEmulator() as emulator:
            assert judge(settings, emulator.provider(is_asynchronous=False)) == RiskLevel.MEDIUM
            assert os.environ["no_proxy"] == "site.example,127.0.0.1"
        assert os.environ["no_proxy"] == "site.example"
        assert "NO_PROXY" not in os.environ


class UnittestTest(SimpleTestCase):
    """As a project writes it that has no pytest."""

    def setUp(self) -> None:
        emulator = self.enterContext(RunningEmulator())
        entry = emulator.provider(is_asynchronous=False)
        self.enterContext(self.settings(IMGMOD={"PROVIDERS": {"default": entry}}))

    def test_judges(self) -> None:
        verdict = providers["default"].submit(source(canary_png("high"))).verdict
        assert verdict is not None
        assert verdict.risk_level == RiskLevel.HIGH


def test_fixture_comes_with_a_line_in_the_conftest(tmp_path):
    (tmp_path / "conftest.py").write_text('pytest_plugins = ["django_imgmod.testing"]\n')
    (tmp_path / "test_site.py").write_text(
        dedent(
            """\
            import pytest, requests

            def test_runs(imgmod_emulator):
                assert imgmod_emulator.provider()["OPTIONS"]["endpoint"] == imgmod_emulator.url
                assert requests.post(imgmod_emulator.url, timeout=10).status_code == 400

            class TestOptions:
                @pytest.fixture
                def imgmod_emulator_options(self):
                    return {"uid": "42"}

                def test_are_overridden(self, imgmod_emulator):
                    assert imgmod_emulator.uid == "42"
            """
        )
    )
    arguments = ("-q", "-W", "error", "-p", "no:django", "-p", "no:xdist", "-p", "no:cacheprovider")
    done = run("-m", "pytest", *arguments, cwd=tmp_path)
    assert "2 passed" in done.stdout, done.stdout + done.stderr


def test_needs_no_pytest(tmp_path):
    code = """
        import sys
        sys.modules["pytest"] = None  # as if it were not installed
        from django_imgmod import testing
        with testing.RunningEmulator() as emulator:
            print(sorted(testing.__all__), emulator.url)
    """
    done = run("-c", dedent(code), cwd=tmp_path)
    names = ["GREEN", "IMAGE_MODERATION_2", "Moderation", "RunningEmulator", "canary_png"]
    assert done.stdout.startswith(f"{names} http://127.0.0.1:"), done.stderr


def test_knows_no_other_names():
    with pytest.raises(AttributeError, match="Moderatoin"):
        _ = testing.Moderatoin
