"""Green, 2018-05-09: JSON bodies, a path for each operation, a code for the request and one for each picture."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Final

from ..exceptions import ProviderRefused
from ..providers.alibaba.limits import GREEN
from .authentication import Clock
from .backstage import Backstage, Call
from .faults import Fault
from .fields import CallbackWish
from .judging import Judgement
from .objects import BUCKET
from .parameters1 import ScanTask, read_feedback, read_object, read_scan, read_task_ids
from .pictures import PictureError, PictureFailure, picture_error_of
from .schemes import Roa, Scheme
from .tasks import LIFETIME1, Tasks
from .wire import Answer, Refusal, Request, ServiceFailure, json_answer, new_request_id

VERSION: Final = "2018-05-09"
PATHS: Final[Mapping[str, str]] = {
    "/green/image/scan": "ImageSyncScan",
    "/green/image/asyncscan": "ImageAsyncScan",
    "/green/image/results": "ImageAsyncScanResults",
    "/green/image/feedback": "ImageScanFeedback",
    "/green/credentials/uploadcredentials": "UploadCredentials",
}

OK: Final = (200, "OK")
PROCESSING: Final = (280, "PROCESSING - task is processing")
THROTTLED: Final = (588, "EXCEED_QUOTA")
EXPIRED: Final = (594, "EXPIRED")
NO_PERMISSION: Final = (596, "PERMISSION_DENY")
# Of a picture.
CODES: Final[Mapping[PictureFailure, tuple[int, str]]] = {
    "not_allowed": (401, "NOT_ALLOWED"),
    "forbidden": (403, "FORBIDDEN"),
    "not_found": (404, "NOT_FOUND"),
    "failed": (480, "DOWNLOAD_FAILED"),
    "too_large": (589, "TOO_LARGE"),
    "bad_format": (590, "BAD_FORMAT"),
    "timed_out": (592, "DOWNLOAD_TIMEOUT"),
}
GRAVITY: Final = ("pass", "review", "block")

Element = dict[str, Any]
"""What the answer says of one picture."""


class Green1:
    """The interface of 2018-05-09."""

    def __init__(self, backstage: Backstage, clock: Clock, *, processing_answers: int) -> None:
        self._backstage = backstage
        self._tasks: Tasks[Element] = Tasks(clock, lifetime=LIFETIME1, processing_answers=processing_answers)

    def route(self, request: Request) -> tuple[str, Scheme]:
        operation = PATHS.get(request.path)
        if operation is None or request.method != "POST":
            raise Refusal("InvalidApi.NotFound", "Specified api is not found, please check your url and method.")
        version = request.headers.get("x-acs-version", "")
        if version != VERSION:
            # What the gateway says of the versions before.
            code = "InvalidAction.NotFound" if version and version < VERSION else "InvalidVersion"
            raise Refusal(code, f"Specified parameter Version is not valid: it must be {VERSION}.")
        return operation, Roa()

    def answer(self, call: Call) -> Answer:
        try:
            if call.has("no-permission"):
                raise ServiceFailure(*NO_PERMISSION)
            if call.has("throttled", "service"):
                raise ServiceFailure(*THROTTLED)
            data = _OPERATIONS[call.operation](self, call)
        except ServiceFailure as failure:
            payload = {**_said((failure.code, failure.message)), "requestId": new_request_id()}
            return json_answer(payload, status=failure.code if self._backstage.is_code_in_status else 200)
        return json_answer({**_said(OK), "requestId": new_request_id(), **({} if data is None else {"data": data})})

    def close(self) -> None:
        self._tasks.close()

    def _scan(self, call: Call) -> list[Element]:
        scan = read_scan(call.request.body, is_async=False)
        return [self._work(task, _new_task_id(), scan.scenes, call.fault) for task in scan.tasks]

    def _scan_later(self, call: Call) -> list[Element]:
        scan = read_scan(call.request.body, is_async=True)
        accepted = []
        for task in scan.tasks:
            task_id = _new_task_id()
            fault = self._backstage.callback_fault(call, scan.callback)
            work = partial(self._work, task, task_id, scan.scenes, call.fault)
            self._tasks.add(task_id, work, partial(self._call_back, scan.callback, fault))
            accepted.append({**_said(OK), **_names(task, task_id)})
        return accepted

    def _work(self, task: ScanTask, task_id: str, scenes: tuple[str, ...], fault: Fault | None) -> Element:
        try:
            judgements = self._backstage.look(
                task.url, GREEN, interval=task.interval, max_frames=task.max_frames, fault=fault
            )
        except PictureError as error:
            return {**_said(CODES[error.kind]), **_names(task, task_id), "extras": {}, "results": []}
        results = [_result(scene, judgements, task.url) for scene in scenes]
        return {**_said(OK), **_names(task, task_id), "extras": {}, "results": results}

    def _call_back(self, wish: CallbackWish | None, fault: Fault | None, element: Element) -> None:
        if wish is None:
            return
        content = json.dumps(element, ensure_ascii=False, separators=(",", ":"))
        self._backstage.sender.send(wish.url, content, seed=wish.seed, crypt_type=wish.crypt_type, fault=fault)

    def _results(self, call: Call) -> list[Element]:
        return [self._element(task_id, call) for task_id in read_task_ids(call.request.body)]

    def _element(self, task_id: str, call: Call) -> Element:
        if call.has("processing"):
            return {**_said(PROCESSING), "taskId": task_id}
        task = self._tasks.get(task_id)
        if task is None:
            return {**_said(EXPIRED), "taskId": task_id}
        return {**_said(PROCESSING), "taskId": task_id} if task.result is None else task.result

    def _learn(self, call: Call) -> None:
        feedback = read_feedback(call.request.body)
        # Only what has a picture enters the library.
        if not feedback.suggestion or not feedback.url:
            return
        try:
            content = self._backstage.read(feedback.url, GREEN, call.fault)
            self._backstage.judge.learn(content, feedback.suggestion, feedback.scenes, feedback.label)
        except PictureError as error:
            raise ServiceFailure(*CODES[error.kind]) from error
        except ProviderRefused as error:
            raise ServiceFailure(*CODES[picture_error_of(error).kind]) from error

    def _credentials(self, call: Call) -> Element:
        read_object(call.request.body)
        grant = self._backstage.objects.grant()
        endpoint = self._backstage.endpoint_for(call.request)
        return {
            "accessKeyId": grant.key_id,
            "accessKeySecret": grant.secret,
            "securityToken": grant.token,
            # In milliseconds, where 2.0 has seconds.
            "expiredTime": int(grant.expires_at.timestamp() * 1000),
            "ossEndpoint": endpoint,
            "ossInternalEndpoint": endpoint,
            "uploadBucket": BUCKET,
            "uploadFolder": grant.folder,
        }


_OPERATIONS: Final[Mapping[str, Callable[[Green1, Call], Any]]] = {
    "ImageSyncScan": Green1._scan,
    "ImageAsyncScan": Green1._scan_later,
    "ImageAsyncScanResults": Green1._results,
    "ImageScanFeedback": Green1._learn,
    "UploadCredentials": Green1._credentials,
}


def _said(code: tuple[int, str]) -> Element:
    return {"code": code[0], "msg": code[1]}


def _names(task: ScanTask, task_id: str) -> Element:
    return {**({"dataId": task.data_id} if task.data_id else {}), "taskId": task_id, "url": task.url}


def _result(scene: str, judgements: Sequence[Judgement], url: str) -> Element:
    """Return the gravest of what is said in one scene, and of several frames those of which it is said."""
    said = [judgement.scenes[scene] for judgement in judgements]
    gravest = max(said, key=lambda result: GRAVITY.index(result.suggestion))
    element: Element = {
        "scene": scene,
        "label": gravest.label,
        "suggestion": gravest.suggestion,
        "rate": gravest.rate,
    }
    if len(said) > 1:
        # A frame has no words of its own here, a rate alone.
        element["frames"] = [{"rate": one.rate, "url": url} for one in said if one[:2] == gravest[:2]]
    return {**element, **_codes(judgements)} if scene == "qrcode" else element


def _codes(judgements: Sequence[Judgement]) -> Element:
    """Return what QR codes say, and where they are: of several frames, nobody could tell in which."""
    codes = [code for judgement in judgements for code in judgement.codes]
    places = judgements[0].code_places if len(judgements) == 1 else ()
    element: Element = {"qrcodeData": list(dict.fromkeys(codes))} if codes else {}
    if places:
        element["qrcodeLocations"] = [{"x": x, "y": y, "w": w, "h": h} for x, y, w, h in places]
    return element


def _new_task_id() -> str:
    return f"img{secrets.token_urlsafe(16)}-1"
