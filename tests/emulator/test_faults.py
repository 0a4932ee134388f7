from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from django_imgmod.emulator import green1, green2
from django_imgmod.emulator.app import PUT_OBJECT
from django_imgmod.emulator.faults import NAMES, OPERATIONS, Fault, FaultError, Faults, parse_fault

RESULTS = "DescribeImageModerationResult"
SUBMISSION = "ImageAsyncModeration"


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("reset", Fault(name="reset")),
        ("  reset ", Fault(name="reset")),
        ("resetx3", Fault(name="reset", times=3)),
        ("5xx", Fault(name="5xx", value="503")),
        ("5xx=502", Fault(name="5xx", value="502")),
        ("5xxx2", Fault(name="5xx", value="503", times=2)),
        ("slow", Fault(name="slow", value="5")),
        ("slow=0.25", Fault(name="slow", value="0.25")),
        ("slow=2@ImageSyncScanx3", Fault(name="slow", value="2", operation="ImageSyncScan", times=3)),
        ("throttled", Fault(name="throttled", value="gateway")),
        ("throttled=service@ImageModeration", Fault(name="throttled", value="service", operation="ImageModeration")),
        ("throttled=1500x10", Fault(name="throttled", value="1500", times=10)),
        ("not-fetchable=timed_out", Fault(name="not-fetchable", value="timed_out")),
        ("callback-late=60", Fault(name="callback-late", value="60")),
        ("garbage@PutObject", Fault(name="garbage", value="html", operation="PutObject")),
    ],
)
def test_text_of_a_fault(text, fault):
    assert parse_fault(text) == fault


@pytest.mark.parametrize("name", NAMES)
def test_every_name_is_a_fault_by_itself(name):
    assert parse_fault(name).name == name


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "NAME"),
        ("slow=", "NAME"),
        ("slow@", "NAME"),
        ("slow 5", "NAME"),
        ("SLOW", "NAME"),
        ("explode", "slow, reset"),
        ("slow=soon", "a number from 0 to 3600"),
        ("slow=nan", "a number from 0 to 3600"),
        ("slow=3601", "a number from 0 to 3600"),
        ("5xx=404", "a number from 500 to 599"),
        ("5xx=502.5", "a number from 500 to 599"),
        ("resetx0", "resetx0"),
        ("reset=1", "takes nothing"),
        ("throttled=0", "gateway or service or a number"),
        ("garbage=xml", "html or half"),
        ("not-fetchable=lost", "not_found"),
        ("processing@ImageModeration", RESULTS),
        ("callback-twice@ImageSyncScan", SUBMISSION),
        ("slow@Moderate", "ImageModeration"),
    ],
)
def test_what_is_no_fault_says_what_would_be(text, words):
    with pytest.raises(FaultError, match=words):
        parse_fault(text)


@pytest.mark.parametrize(("text", "number"), [("slow=2.5", 2.5), ("5xx", 503), ("throttled", None), ("reset", None)])
def test_number(text, number):
    assert parse_fault(text).number == number


def test_every_operation_can_be_named():
    assert {*green1.PATHS.values(), *green2._OPERATIONS, PUT_OBJECT} == OPERATIONS


def names_of(faults: Faults, operation: str, count: int) -> list[str | None]:
    found = [faults.next(operation) for _ in range(count)]
    return [fault.name if fault else None for fault in found]


def test_nothing_goes_wrong_by_itself():
    faults = Faults()
    assert faults.next(SUBMISSION) is None
    assert faults.next_callback(SUBMISSION) is None


def test_faults_come_in_order_as_often_as_they_say():
    faults = Faults([parse_fault("resetx2"), parse_fault("5xxx1")])
    assert names_of(faults, SUBMISSION, 4) == ["reset", "reset", "5xx", None]


def test_fault_without_a_number_of_times_stays_until_all_is_cleared():
    faults = Faults([parse_fault("reset")])
    assert names_of(faults, SUBMISSION, 50) == ["reset"] * 50
    faults.clear()
    assert faults.next(SUBMISSION) is None


def test_fault_strikes_its_operation_alone():
    faults = Faults([parse_fault(f"5xx@{RESULTS}x1")])
    assert names_of(faults, SUBMISSION, 2) == [None, None]
    assert names_of(faults, RESULTS, 2) == ["5xx", None]


@pytest.mark.parametrize(
    ("text", "operations"),
    [
        ("processing", {RESULTS, "ImageAsyncScanResults"}),
        ("not-fetchable", {SUBMISSION, "ImageModeration", "ImageSyncScan", "ImageAsyncScan"}),
        ("reset", {RESULTS, SUBMISSION, "ImageModeration", "ImageSyncScan", "ImageAsyncScan", "ImageAsyncScanResults"}),
    ],
)
def test_fault_strikes_where_it_makes_sense(text, operations):
    known = {RESULTS, SUBMISSION, "ImageModeration", "ImageSyncScan", "ImageAsyncScan", "ImageAsyncScanResults"}
    assert {name for name in known if Faults([parse_fault(text)]).next(name)} == operations


def test_answer_and_callback_are_struck_apart():
    faults = Faults([parse_fault("callback-twicex1"), parse_fault("slowx1")])
    assert names_of(faults, SUBMISSION, 2) == ["slow", None]
    fault = faults.next_callback(SUBMISSION)
    assert fault is not None
    assert fault.name == "callback-twice"
    assert faults.next_callback(SUBMISSION) is None


def test_header_goes_before_the_rules_and_uses_none_up():
    faults = Faults([parse_fault("resetx1")])
    fault = faults.next(SUBMISSION, "slow=1")
    assert fault == Fault(name="slow", value="1")
    assert names_of(faults, SUBMISSION, 2) == ["reset", None]


def test_header_about_the_callback_leaves_the_answer_alone():
    faults = Faults()
    assert faults.next(SUBMISSION, "callback-never") is None
    assert faults.next_callback(SUBMISSION, "callback-never") == Fault(name="callback-never")
    assert faults.next_callback(SUBMISSION, "slow") is None


def test_wrong_header_is_an_error():
    with pytest.raises(FaultError, match="explode"):
        Faults().next(SUBMISSION, "explode")


def test_limited_fault_strikes_so_often_from_any_number_of_threads():
    faults = Faults([parse_fault("resetx100")])
    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(lambda _: faults.next(SUBMISSION), range(400)))
    assert sum(fault is not None for fault in found) == 100
