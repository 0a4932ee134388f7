"""Each code: is it worth another try, and whom does it tell to do what?"""

from __future__ import annotations

import pytest

from django_imgmod.choices import ErrorCode
from django_imgmod.exceptions import (
    ProviderAuthError,
    ProviderError,
    ProviderProtocolError,
    ProviderRefused,
    ProviderThrottled,
    ProviderUnavailable,
)
from django_imgmod.providers.alibaba.codes import (
    GATEWAY,
    GREEN,
    MODERATION2,
    ClockIsOff,
    ImageFailed,
    NotPermitted,
    Retry,
    UnknownTask,
    error_of_code,
    gateway_failure,
)

WHERE = 'Provider "cloud" (host.example)'
NOW, OTHER, LATER, NEVER = Retry.NOW, Retry.WITH_OTHER_CREDENTIALS, Retry.LATER, Retry.NEVER


@pytest.mark.parametrize(
    ("name", "retry", "error", "words"),
    [
        ("InvalidAccessKeyId.NotFound", NEVER, ProviderAuthError, "Check the access key"),
        ("InvalidAccessKeyId.Inactive", NEVER, ProviderAuthError, "Enable it"),
        ("SignatureDoesNotMatch", NEVER, ProviderAuthError, "Check the access key's secret"),
        ("IncompleteSignature", NEVER, ProviderProtocolError, "proxy"),
        ("InvalidTimeStamp.Format", NEVER, ProviderProtocolError, "time"),
        ("MissingParameter", NEVER, ProviderProtocolError, "did not take"),
        ("MissingServiceParameters", NEVER, ProviderProtocolError, "did not take"),
        ("InvalidTimeStamp.Expired", NEVER, ClockIsOff, "Set this machine's clock"),
        ("SignatureNonceUsed", NOW, ProviderUnavailable, "seen before"),
        ("InvalidSecurityToken.Expired", OTHER, ProviderAuthError, "has expired"),
        ("InvalidSecurityToken.Malformed", OTHER, ProviderAuthError, "cannot read the security token"),
        ("InvalidSecurityToken.MismatchWithAccessKey", OTHER, ProviderAuthError, "another key"),
        ("InvalidSecurityToken.Whatever", OTHER, ProviderAuthError, "Check the security token"),
        ("MissingSecurityToken", OTHER, ProviderAuthError, "Check the security token"),
        ("ContentMD5NotMatched", LATER, ProviderUnavailable, "other bytes"),
        ("InvalidAction.NotFound", NEVER, ProviderProtocolError, '"region" and "endpoint"'),
        ("InvalidVersion", NEVER, ProviderProtocolError, '"region" and "endpoint"'),
        ("InvalidApi.NotFound", NEVER, ProviderProtocolError, '"region" and "endpoint"'),
        ("InvalidProduct.NotFound", NEVER, ProviderProtocolError, '"region" and "endpoint"'),
        ("InvalidProtocol.NeedSsl", NEVER, ProviderProtocolError, 'Take "http://" out'),
        ("Forbidden.RAM", NEVER, NotPermitted, "AliyunYundunGreenWebFullAccess"),
        ("Forbidden", NEVER, NotPermitted, "AliyunYundunGreenWebFullAccess"),
        ("Throttling", LATER, ProviderThrottled, "fewer requests"),
        ("Throttling.User", LATER, ProviderThrottled, "fewer requests"),
        ("Throttling.Api", LATER, ProviderThrottled, "fewer requests"),
        ("ServiceUnavailable", LATER, ProviderUnavailable, "failed"),
        ("InternalError", LATER, ProviderUnavailable, "failed"),
    ],
)
def test_code_of_the_gateway(name, retry, error, words):
    failure = gateway_failure(name, 400)
    assert (failure.retry, failure.error) == (retry, error)
    made = failure.error_at(WHERE, name)
    assert type(made) is error
    assert words in str(made)
    assert str(made).startswith(f"{WHERE} ")
    assert name in str(made)


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (200, ProviderProtocolError),
        (400, ProviderProtocolError),
        (401, NotPermitted),
        (403, NotPermitted),
        (429, ProviderThrottled),
        (500, ProviderUnavailable),
        (503, ProviderUnavailable),
    ],
)
def test_code_of_the_gateway_that_is_unknown_goes_by_the_status(status, error):
    failure = gateway_failure("Unheard.Of", status)
    assert (failure.error, failure.is_guessed) == (error, True)


@pytest.mark.parametrize(
    ("code", "error", "error_code"),
    [
        (400, ProviderProtocolError, ErrorCode.PROTOCOL),
        (401, ProviderRefused, ErrorCode.REFUSED),
        (403, ProviderRefused, ErrorCode.REFUSED),
        (404, ProviderRefused, ErrorCode.REFUSED),
        (480, ImageFailed, ErrorCode.UNAVAILABLE),
        (500, ProviderUnavailable, ErrorCode.UNAVAILABLE),
        (503, ProviderUnavailable, ErrorCode.UNAVAILABLE),
        (580, ProviderUnavailable, ErrorCode.UNAVAILABLE),
        (581, ProviderUnavailable, ErrorCode.UNAVAILABLE),
        (585, ProviderUnavailable, ErrorCode.UNAVAILABLE),
        (586, ImageFailed, ErrorCode.UNAVAILABLE),
        (587, ProviderUnavailable, ErrorCode.UNAVAILABLE),
        (588, ProviderThrottled, ErrorCode.THROTTLED),
        (589, ProviderRefused, ErrorCode.TOO_LARGE),
        (590, ProviderRefused, ErrorCode.NOT_AN_IMAGE),
        (591, ProviderUnavailable, ErrorCode.UNAVAILABLE),
        (592, ImageFailed, ErrorCode.UNAVAILABLE),
        (594, ProviderRefused, ErrorCode.REFUSED),
        (595, ImageFailed, ErrorCode.UNAVAILABLE),
        (596, NotPermitted, ErrorCode.AUTHENTICATION),
        (599, ProviderUnavailable, ErrorCode.UNAVAILABLE),
        (777, ProviderProtocolError, ErrorCode.PROTOCOL),
        ("588", ProviderThrottled, ErrorCode.THROTTLED),
    ],
)
def test_code_of_green(code, error, error_code):
    made = error_of_code(GREEN, code, "", WHERE)
    assert (type(made), made.code) == (error, error_code)
    assert f"{WHERE} " in str(made)
    assert f"code {code}" in str(made)


@pytest.mark.parametrize(
    ("code", "error", "error_code"),
    [
        (400, ProviderProtocolError, ErrorCode.PROTOCOL),
        (401, ProviderProtocolError, ErrorCode.PROTOCOL),
        (402, ProviderProtocolError, ErrorCode.PROTOCOL),
        (403, ProviderThrottled, ErrorCode.THROTTLED),
        (404, ImageFailed, ErrorCode.UNAVAILABLE),
        (405, ImageFailed, ErrorCode.UNAVAILABLE),
        (406, ProviderRefused, ErrorCode.TOO_LARGE),
        (407, ProviderRefused, ErrorCode.NOT_AN_IMAGE),
        (408, NotPermitted, ErrorCode.AUTHENTICATION),
        (409, UnknownTask, ErrorCode.UNAVAILABLE),
        (500, ProviderUnavailable, ErrorCode.UNAVAILABLE),
        (596, ProviderUnavailable, ErrorCode.UNAVAILABLE),
        (480, ProviderProtocolError, ErrorCode.PROTOCOL),
    ],
)
def test_code_of_2_0(code, error, error_code):
    made = error_of_code(MODERATION2, code, "", WHERE)
    assert (type(made), made.code) == (error, error_code)


@pytest.mark.parametrize(("table", "code"), [(GREEN, 596), (MODERATION2, 408)])
def test_lack_of_permission_names_the_policy_the_activation_and_the_money(table, code):
    words = str(error_of_code(table, code, "", WHERE))
    assert "lacks AliyunYundunGreenWebFullAccess, or the service is not activated or overdue" in words


@pytest.mark.parametrize("table", [GATEWAY, GREEN, MODERATION2])
def test_what_is_to_be_tried_later_is_retryable_and_nothing_else_is(table):
    for code, failure in table.items():
        if failure.retry in (LATER, NEVER):
            assert failure.error.retryable == (failure.retry is LATER), code


@pytest.mark.parametrize("code", [None, True, "", "OK", 200.5, [], {}, "9" * 5000, 10**40])
def test_what_is_no_code_is_not_understood(code):
    assert type(error_of_code(GREEN, code, "", WHERE)) is ProviderProtocolError


def test_provider_is_quoted_before_the_advice():
    words = str(error_of_code(MODERATION2, 408, "no permission", WHERE))
    assert words.index('It says: "no permission".') < words.index("AliyunYundunGreenWebFullAccess")


def test_outage_that_names_its_end_is_throttling():
    made = error_of_code(GREEN, 503, "", WHERE, retry_after=2.5)
    assert (type(made), made.retry_after) == (ProviderThrottled, 2.5)
    refused: ProviderError = error_of_code(GREEN, 590, "", WHERE, retry_after=2.5)
    assert type(refused) is ProviderRefused
