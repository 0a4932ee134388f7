"""OPTIONS of the two providers themselves, and where each region is."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest

from django_imgmod.exceptions import ImgmodConfigurationError
from django_imgmod.models import SERVICE_LENGTH
from django_imgmod.providers.alibaba import GreenProvider, ImageModeration2Provider
from django_imgmod.providers.alibaba.regions import GREEN, MODERATION2

TWO, ONE = ImageModeration2Provider, GreenProvider
BOTH = pytest.mark.parametrize("provider", [TWO, ONE])


@pytest.mark.parametrize(
    ("provider", "options", "words"),
    [
        (TWO, {"service": ""}, r'"service"\] must be the name of a service'),
        (TWO, {"service": 5}, r'"service"\] must be the name of a service'),
        (TWO, {"referer": "r" * 257}, r'"referer"\] must be text of at most 256 characters'),
        (TWO, {"referer": 5}, r'"referer"\] must be text'),
        (TWO, {"info_type": "customImage"}, r'"info_type"\] must be a list of customImage, textInImage'),
        (TWO, {"info_type": ["faces"]}, r'"info_type"\] must be a list of customImage, textInImage'),
        (TWO, {"interval": 1, "max_frames": 101}, r'"max_frames"\] must be a whole number from 1 to 100, not 101'),
        (ONE, {"scenes": "porn"}, r'"scenes"\] must be a list of porn'),
        (ONE, {"scenes": ["sface"]}, r'"scenes"\] must be a list of porn'),
        (ONE, {"scenes": []}, r'"scenes"\] must be a list of porn'),
        (ONE, {"biz_type": 5}, r'"biz_type"\] must be the name of a scenario'),
        (ONE, {"scenes": [["porn"]]}, r'"scenes"\] must be a list of porn'),
        (ONE, {"scenes": 5}, r'"scenes"\] must be a list of porn'),
        (TWO, {"info_type": [{}]}, r'"info_type"\] must be a list of customImage'),
        (TWO, {"info_type": None}, r'"info_type"\] must be a list of customImage'),
        (ONE, {"images_per_request": 51}, r'"images_per_request"\] must be 1 to 50'),
        (ONE, {"images_per_request": 10.0}, r'"images_per_request"\] must be 1 to 50'),
        (ONE, {"images_per_request": True}, r'"images_per_request"\] must be 1 to 50'),
        *[
            (provider, options, words)
            for provider in (TWO, ONE)
            for options, words in [
                ({"interval": 2}, r'"interval"\] and OPTIONS\["max_frames"\] belong together'),
                ({"max_frames": 2}, r'"interval"\] and OPTIONS\["max_frames"\] belong together'),
                ({"interval": 0, "max_frames": 2}, r'"interval"\] must be a whole number'),
                ({"interval": 1, "max_frames": 2.5}, r'"max_frames"\] must be a whole number'),
                ({"interval": True, "max_frames": 2}, r'"interval"\] must be a whole number'),
                ({"is_asynchronous": "False"}, r'"is_asynchronous"\] must be True or False'),
            ]
        ],
    ],
)
def test_that_are_wrong_are_named(provider: Any, options: dict[str, Any], words: str):
    with pytest.raises(ImgmodConfigurationError, match=f'Provider "cloud".*{words}'):
        provider("cloud", **options)


@BOTH
def test_uid_may_have_been_copied_with_its_line_break(provider: Any):
    assert provider("cloud", uid=" 1234567890123456\n").options.uid == "1234567890123456"


@BOTH
def test_sm3_is_refused_in_words_where_this_python_lacks_it(provider: Any, monkeypatch: pytest.MonkeyPatch):
    def new(name: str, *args: Any) -> Any:
        raise ValueError(f"unsupported hash type {name}")

    monkeypatch.setattr(hashlib, "new", lambda name, *args: new(name) if name == "sm3" else hashlib.sha256(*args))
    provider("cloud", crypt_type="SHA256")
    with pytest.raises(ImgmodConfigurationError, match=r'Provider "cloud".*"crypt_type" is SM3, which the OpenSSL of'):
        provider("cloud", crypt_type="SM3")


@BOTH
def test_other_frames_are_another_service(provider: Any):
    """A verdict about one frame is none about ten."""
    options: list[dict[str, Any]] = [{}, {"interval": 1, "max_frames": 5}, {"interval": 2, "max_frames": 5}]
    assert len({provider("cloud", **frames).service for frames in options}) == 3


MAINLAND = ("cn-shanghai", "cn-beijing", "cn-shenzhen", "cn-hangzhou")
ABROAD2 = ("ap-southeast-1", "us-east-1", "us-west-1", "eu-west-1", "eu-central-1")


@pytest.mark.parametrize(("backend", "name"), [(ONE, "biz_type"), (TWO, "service")])
def test_services_with_long_names_are_told_apart_within_what_a_record_keeps(backend: Any, name: str):
    given = [{name: "x" * 120}, {name: "x" * 121}, {name: "x" * 120, "interval": 1, "max_frames": 9}]
    services = {backend("cloud", **options).service for options in given}
    assert len(services) == 3
    assert {len(service) for service in services} == {SERVICE_LENGTH}


def test_regions_of_2_0():
    expected = {region: f"green-cip.{region}.aliyuncs.com" for region in (*ABROAD2, *MAINLAND, "cn-chengdu")}
    assert MODERATION2.hosts == expected


def test_regions_of_2_0_inside_the_network_of_the_provider():
    inside = ("ap-southeast-1", "us-east-1", *MAINLAND)
    assert MODERATION2.hosts_for(is_inside=True) == {
        region: f"green-cip-vpc.{region}.aliyuncs.com" for region in inside
    }


@pytest.mark.parametrize("region", [*MAINLAND, "ap-southeast-1", "us-west-1"])
def test_regions_of_green_with_a_host_of_their_own(region):
    assert GREEN.hosts[region] == f"green.{region}.aliyuncs.com"


@pytest.mark.parametrize(
    ("regions", "host"),
    [
        ("us-east-1 eu-west-1 eu-central-1 me-east-1 ap-south-1", "green.ap-southeast-1.aliyuncs.com"),
        ("ap-northeast-1 ap-southeast-2 ap-southeast-3 ap-southeast-5", "green.ap-southeast-1.aliyuncs.com"),
        ("cn-hongkong cn-chengdu cn-qingdao cn-huhehaote cn-zhangjiakou", "green.aliyuncs.com"),
        ("cn-hangzhou-finance cn-shanghai-finance-1 cn-shenzhen-finance-1 cn-north-2-gov-1", "green.aliyuncs.com"),
    ],
)
def test_regions_of_green_that_are_served_by_another(regions, host):
    assert {GREEN.hosts[region] for region in regions.split()} == {host}


@BOTH
def test_host_that_is_in_no_table_can_be_named(provider: Any):
    made = provider("cloud", region="ap-northeast-9", vpc=True, endpoint="green.ap-northeast-9.example")
    assert made.address == "https://green.ap-northeast-9.example"
