from __future__ import annotations

import pickle

import pytest

from django_imgmod.exceptions import ImgmodConfigurationError
from django_imgmod.providers.alibaba.credentials import VARIABLES, Credentials, read_credentials

GIVEN = {"access_key_id": "LTAI4id", "access_key_secret": "s3cr3t", "security_token": "t0ken"}


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for variable in VARIABLES.values():
        monkeypatch.delenv(variable, raising=False)
    return monkeypatch


def test_options_go_before_the_environment(environment):
    for variable in VARIABLES.values():
        environment.setenv(variable, "of the environment")
    assert read_credentials("cloud", GIVEN) == Credentials(**GIVEN)
    # A token of the environment is of another key.
    assert read_credentials("cloud", {**GIVEN, "security_token": ""}).security_token == ""


def test_environment_is_read_anew_each_time(environment):
    environment.setenv("ALIBABA_CLOUD_ACCESS_KEY_ID", " LTAI4id\n")
    environment.setenv("ALIBABA_CLOUD_ACCESS_KEY_SECRET", "s3cr3t")
    assert read_credentials("cloud", {}) == Credentials(access_key_id="LTAI4id", access_key_secret="s3cr3t")
    environment.setenv("ALIBABA_CLOUD_SECURITY_TOKEN", "t0ken")
    assert read_credentials("cloud", {}).security_token == "t0ken"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, "set ALIBABA_CLOUD_ACCESS_KEY_ID and ALIBABA_CLOUD_ACCESS_KEY_SECRET in the environment, or OPTIONS"),
        ({"access_key_id": "LTAI4id"}, r'set OPTIONS\["access_key_secret"\]\.'),
        ({"access_key_secret": "s3cr3t"}, r'set OPTIONS\["access_key_id"\]\.'),
        ({"security_token": "t0ken"}, r'set OPTIONS\["access_key_id"\] and OPTIONS\["access_key_secret"\]\.'),
        ({**GIVEN, "security_token": "t0ken\x00"}, "security_token cannot be right"),
        ({**GIVEN, "access_key_secret": "s3cr3t€"}, "access_key_secret cannot be right"),
    ],
)
def test_error_names_what_is_wrong_and_no_secret(options, words):
    with pytest.raises(ImgmodConfigurationError, match=rf'^Provider "cloud".*{words}') as caught:
        read_credentials("cloud", options)
    assert not [secret for secret in ("s3cr3t", "t0ken") if secret in str(caught.value)]


def test_missing_in_the_environment_is_named_alone(environment):
    environment.setenv("ALIBABA_CLOUD_ACCESS_KEY_ID", "LTAI4id")
    with pytest.raises(ImgmodConfigurationError, match="set ALIBABA_CLOUD_ACCESS_KEY_SECRET in"):
        read_credentials("cloud", {})


def test_repr_shows_no_secret():
    credentials = Credentials(**GIVEN)
    assert repr(credentials) == "<Credentials LTAI…>"
    assert f"{credentials}" == "<Credentials LTAI…>"
    assert pickle.loads(pickle.dumps(credentials)) == credentials  # noqa: S301 - our own
