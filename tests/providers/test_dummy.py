from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from django_imgmod.canary import LEVELS, canary_png
from django_imgmod.choices import RiskLevel
from django_imgmod.exceptions import ImgmodConfigurationError, ProviderThrottled, ProviderUnavailable
from django_imgmod.providers import providers
from django_imgmod.providers.dummy import DummyProvider
from django_imgmod.results import Detection, Verdict

from .pictures import landscape, source_of

PHOTO = source_of(landscape((60, 40)))


def verdict_of(provider: DummyProvider) -> Verdict:
    verdict = provider.submit(PHOTO).verdict
    assert verdict is not None
    return verdict


def test_answers_none_by_default():
    assert verdict_of(DummyProvider("default")) == Verdict(risk_level=RiskLevel.NONE)


def test_answers_the_level_of_its_options():
    assert verdict_of(DummyProvider("default", risk_level="medium")).risk_level == RiskLevel.MEDIUM


def test_answers_from_its_script_first():
    provider = DummyProvider("default")
    scripted = Verdict(risk_level=RiskLevel.LOW, detections=(Detection(label="ad_logo", confidence=70.0),))
    provider.script("high", scripted, ProviderThrottled("slow down"))
    assert verdict_of(provider).risk_level == RiskLevel.HIGH
    assert verdict_of(provider) == scripted
    with pytest.raises(ProviderThrottled, match="slow down"):
        provider.submit(PHOTO)
    assert verdict_of(provider).risk_level == RiskLevel.NONE


def test_script_is_checked_when_it_is_written():
    with pytest.raises(ValueError, match="hgih"):
        DummyProvider("default").script("hgih")


def test_remembers_what_was_submitted():
    provider = DummyProvider("default")
    other = source_of(b"just some words")
    provider.submit(PHOTO)
    provider.submit(other)
    assert provider.calls == [PHOTO, other]


def test_script_and_calls_belong_to_the_alias_in_every_thread():
    DummyProvider("default").script("high")
    with ThreadPoolExecutor(1) as pool:
        verdict = pool.submit(lambda: verdict_of(DummyProvider("default"))).result()
    assert verdict.risk_level == RiskLevel.HIGH
    assert DummyProvider("default").calls == [PHOTO]
    assert DummyProvider("another").calls == []


def test_clear_forgets_everything():
    provider = DummyProvider("default")
    provider.script("high", "high")
    provider.submit(PHOTO)
    DummyProvider.clear()
    assert provider.calls == []
    assert verdict_of(provider).risk_level == RiskLevel.NONE


@pytest.mark.parametrize("level", LEVELS)
def test_knows_the_canaries(level):
    verdict = DummyProvider("default").submit(source_of(canary_png(level))).verdict
    assert verdict is not None
    assert verdict.risk_level == level
    assert [detection.label for detection in verdict.detections] == [f"canary_{level}"]


def test_script_goes_before_a_canary():
    provider = DummyProvider("default")
    provider.script("none")
    verdict = provider.submit(source_of(canary_png("high"))).verdict
    assert verdict == Verdict(risk_level=RiskLevel.NONE)


@pytest.mark.parametrize("content", [b"", b"just some words", canary_png("high")[:1500]])
def test_judges_also_what_is_no_picture(content):
    verdict = DummyProvider("default", risk_level="low").submit(source_of(content)).verdict
    assert verdict == Verdict(risk_level=RiskLevel.LOW)


def test_answers_later_when_it_is_asynchronous():
    provider = DummyProvider("default", is_asynchronous=True, delay=12)
    provider.script("high")
    submission = provider.submit(PHOTO)
    assert (submission.verdict, submission.poll_after) == (None, 12)
    verdict = DummyProvider("default").fetch(submission.reference)
    assert verdict is not None
    assert verdict.risk_level == RiskLevel.HIGH


def test_scripted_failure_comes_when_it_is_fetched():
    provider = DummyProvider("default", is_asynchronous=True)
    provider.script(ProviderUnavailable("gone"))
    submission = provider.submit(PHOTO)
    with pytest.raises(ProviderUnavailable, match="gone"):
        provider.fetch(submission.reference)


def test_references_differ_and_unknown_ones_have_no_verdict():
    provider = DummyProvider("default")
    assert provider.submit(PHOTO).reference != provider.submit(PHOTO).reference
    assert provider.fetch("never given") is None


def test_refuses_everything_while_it_is_down():
    provider = DummyProvider("default", is_down=True)
    with pytest.raises(ProviderUnavailable, match='"default" is down') as caught:
        provider.submit(PHOTO)
    assert caught.value.retryable
    assert provider.calls == [PHOTO]


def test_service_tells_the_levels_apart():
    assert DummyProvider("default").service != DummyProvider("default", risk_level="low").service


def test_unknown_options_are_configuration_errors():
    with pytest.raises(ImgmodConfigurationError, match="'risklevel'"):
        DummyProvider("default", risklevel="high")


def test_is_made_from_the_settings(settings):
    settings.IMGMOD = {
        "PROVIDERS": {
            "default": {
                "BACKEND": "django_imgmod.providers.dummy.DummyProvider",
                "OPTIONS": {"risk_level": "high"},
            }
        }
    }
    verdict = providers["default"].submit(PHOTO).verdict
    assert verdict is not None
    assert verdict.risk_level == RiskLevel.HIGH
