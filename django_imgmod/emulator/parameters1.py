"""The bodies of Green, 2018-05-09, and what is wrong with them: 400, whatever it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from ..providers.alibaba.labels import FEEDBACK_SCENES, SCENES
from ..providers.strictjson import parsed
from .fields import (
    HTTP_URL,
    MAX_URL,
    BadField,
    CallbackWish,
    read_callback,
    read_choice,
    read_choices,
    read_number,
    read_text,
)
from .memory import FeedbackSuggestion
from .wire import ServiceFailure

BAD_REQUEST: Final = 400
# The documentation of 2019; of the synchronous operation no figure is known.
MAX_TASKS: Final = 50
SUGGESTIONS: Final[Mapping[str, FeedbackSuggestion]] = {"pass": "pass", "block": "block"}
# What the provider's uploader returns, beside any URL.
PICTURE_URL: Final = rf"oss://[^/]+/.+|{HTTP_URL}"


@dataclass(frozen=True, kw_only=True, slots=True)
class ScanTask:
    """One picture of a request."""

    url: str
    data_id: str
    """Empty where none was sent."""

    interval: int
    max_frames: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Scan:
    """A request for judgement."""

    scenes: tuple[str, ...]
    tasks: tuple[ScanTask, ...]
    callback: CallbackWish | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Feedback:
    """A correction. All of its texts may be empty."""

    task_id: str
    suggestion: FeedbackSuggestion | None
    scenes: tuple[str, ...]
    url: str
    label: str


def read_scan(body: bytes, *, is_async: bool) -> Scan:
    """Read the body of ImageSyncScan or ImageAsyncScan. Raises ``ServiceFailure``, as all here."""
    given = read_object(body)
    tasks = given.get("tasks")
    try:
        scenes = read_choices(given, "scenes", SCENES)
        if not scenes:
            raise BadField("missing", "scenes is empty")
        if not isinstance(tasks, list) or not tasks or len(tasks) > MAX_TASKS:
            raise BadField("wrong", f"tasks must be a list of 1 to {MAX_TASKS} tasks")
        read_text(given, "bizType")
        return Scan(
            scenes=scenes,
            tasks=tuple(_read_task(task) for task in tasks),
            callback=read_callback(given) if is_async else None,
        )
    except BadField as error:
        raise _failure(error.message) from error


def _read_task(given: object) -> ScanTask:
    if not isinstance(given, Mapping):
        raise BadField("wrong", "a task must be an object")
    return ScanTask(
        url=read_text(given, "url", pattern=PICTURE_URL, max_length=MAX_URL, is_needed=True),
        data_id=read_text(given, "dataId"),
        interval=read_number(given, "interval") or 1,
        max_frames=read_number(given, "maxFrames") or 1,
    )


def read_task_ids(body: bytes) -> list[str]:
    """Read the body of ImageAsyncScanResults."""
    given = _read_json(body)
    if not isinstance(given, list) or not given or not all(isinstance(item, str) and item for item in given):
        raise _failure("the body must be a list of task ids")
    if len(given) > MAX_TASKS:
        raise _failure(f"the body has more than {MAX_TASKS} task ids")
    return given


def read_feedback(body: bytes) -> Feedback:
    """Read the body of ImageScanFeedback."""
    given = read_object(body)
    try:
        feedback = Feedback(
            task_id=read_text(given, "taskId"),
            suggestion=SUGGESTIONS.get(read_choice(given, "suggestion", SUGGESTIONS)),
            scenes=read_choices(given, "scenes", FEEDBACK_SCENES),
            url=read_text(given, "url", pattern=PICTURE_URL, max_length=MAX_URL),
            label=read_text(given, "label"),
        )
        read_text(given, "note")
    except BadField as error:
        raise _failure(error.message) from error
    if feedback.suggestion and not feedback.scenes:
        raise _failure("scenes is needed with suggestion")
    return feedback


def read_object(body: bytes) -> dict[str, Any]:
    """Read a body that must be a JSON object."""
    given = _read_json(body)
    if not isinstance(given, dict):
        raise _failure("the body must be an object")
    return given


def _read_json(body: bytes) -> Any:
    try:
        return parsed(body.decode())
    except ValueError as error:
        raise _failure("the body is no JSON") from error


def _failure(message: str) -> ServiceFailure:
    return ServiceFailure(BAD_REQUEST, f"illegal argument: {message}")
