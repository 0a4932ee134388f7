"""Image Moderation 2.0, 2022-03-02: everything on ``/``, parameters in the query or in a form, one code."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, Literal

from ..providers.alibaba.limits import IMAGE_MODERATION_2
from .authentication import Clock
from .backstage import Backstage, Call
from .faults import Fault
from .fields import CallbackWish
from .judging import GRAVITY, Judgement, Label, gravest_of_each
from .objects import BUCKET
from .parameters2 import Moderation, read_info_types, read_moderation, read_req_id
from .pictures import PictureError, PictureFailure
from .schemes import Acs3, Rpc, Scheme
from .tasks import LIFETIME2, Tasks
from .wire import Answer, Refusal, Request, ServiceFailure, filled, json_answer, new_request_id

VERSION: Final = "2022-03-02"

OK: Final = (200, "OK")
PROCESSING: Final = (280, "task is processing")
THROTTLED: Final = (403, "over the limit of requests a second")
NO_PERMISSION: Final = (408, "no permission, not activated, or overdue")
UNKNOWN: Final = (409, "ReqId is unknown, or its result is no longer kept")
# Of a picture.
CODES: Final[Mapping[PictureFailure, tuple[int, str]]] = {
    "not_allowed": (404, "the picture cannot be downloaded"),
    "forbidden": (404, "the picture cannot be downloaded"),
    "not_found": (404, "the picture cannot be downloaded"),
    "failed": (404, "the picture cannot be downloaded"),
    "timed_out": (405, "the download of the picture timed out"),
    "too_large": (406, "the picture is too large"),
    "bad_format": (407, "the format of the picture is not supported"),
}
NOTHING: Final = "nonLabel"
LIBRARY: Final = "_lib"

Payload = dict[str, Any]


class Green2:
    """The interface of 2022-03-02."""

    def __init__(
        self, backstage: Backstage, clock: Clock, *, processing_answers: int, services: Collection[str]
    ) -> None:
        self._backstage = backstage
        self._services = services
        self._tasks: Tasks[Payload] = Tasks(clock, lifetime=LIFETIME2, processing_answers=processing_answers)

    def route(self, request: Request) -> tuple[str, Scheme]:
        if request.path != "/" or request.method != "POST":
            raise Refusal("InvalidApi.NotFound", "Specified api is not found, please check your url and method.")
        query, headers = filled(request.query), request.headers
        is_rpc = "authorization" not in headers and "Action" in query
        action = query["Action"] if is_rpc else headers.get("x-acs-action", "")
        if action not in _OPERATIONS:
            raise Refusal("InvalidAction.NotFound", "Specified api is not found, please check your action.")
        if (query.get("Version") if is_rpc else headers.get("x-acs-version")) != VERSION:
            raise Refusal("InvalidVersion", f"Specified parameter Version is not valid: it must be {VERSION}.")
        return action, Rpc() if is_rpc else Acs3()

    def answer(self, call: Call) -> Answer:
        operation = _OPERATIONS[call.operation]
        try:
            if call.has("no-permission"):
                raise ServiceFailure(*NO_PERMISSION)
            if call.has("throttled", "service"):
                raise ServiceFailure(*THROTTLED)
            payload = operation.run(self, call, operation.parameters(call.request))
        except ServiceFailure as failure:
            payload = _said((failure.code, failure.message))
        status = payload["Code"] if self._backstage.is_code_in_status else 200
        return json_answer({**payload, "RequestId": new_request_id()}, status=status)

    def close(self) -> None:
        self._tasks.close()

    def _moderate(self, call: Call, given: Mapping[str, str]) -> Payload:
        moderation = read_moderation(given, self._services)
        try:
            return _found(moderation, self._look(moderation, call.fault))
        except PictureError as error:
            raise ServiceFailure(*CODES[error.kind]) from error

    def _moderate_batch(self, call: Call, given: Mapping[str, str]) -> Payload:
        moderation = read_moderation(given, self._services, is_batch=True)
        try:
            judgements = self._look(moderation, call.fault)
        except PictureError as error:
            raise ServiceFailure(*CODES[error.kind]) from error
        lines = _lines([label for judgement in judgements for label in judgement.labels])
        found = {
            "RiskLevel": _worst(judgements),
            # In this operation's answer, labels have no level of their own.
            "Result": [{name: value for name, value in line.items() if name != "RiskLevel"} for line in lines],
        }
        # One judge answers for all services.
        ext = _ext(lines, moderation.info_types)
        results = [{"Service": service, **found, "Ext": ext} for service in moderation.services]
        return {**_said(OK), "Data": {**_data_id(moderation), **found, "Results": results}}

    def _moderate_later(self, call: Call, given: Mapping[str, str]) -> Payload:
        moderation = read_moderation(given, self._services, is_async=True)
        req_id = new_request_id()
        wish = moderation.callback
        fault = self._backstage.callback_fault(call, wish)
        work = partial(self._work, moderation, req_id, call.fault)
        self._tasks.add(req_id, work, partial(self._call_back, wish, req_id, fault))
        return {**_said(OK), "Data": _names(moderation, req_id)}

    def _work(self, moderation: Moderation, req_id: str, fault: Fault | None) -> Payload:
        try:
            return _found(moderation, self._look(moderation, fault), req_id=req_id)
        except PictureError as error:
            return {**_said(CODES[error.kind]), "Data": _names(moderation, req_id)}

    def _look(self, moderation: Moderation, fault: Fault | None) -> list[Judgement]:
        return self._backstage.look(
            moderation.picture,
            IMAGE_MODERATION_2,
            interval=moderation.interval,
            max_frames=moderation.max_frames,
            fault=fault,
            referer=moderation.referer,
        )

    def _call_back(self, wish: CallbackWish | None, req_id: str, fault: Fault | None, payload: Payload) -> None:
        if wish is None:
            return
        content = json.dumps({**payload, "RequestId": new_request_id()}, ensure_ascii=False, separators=(",", ":"))
        self._backstage.sender.send(
            wish.url, content, seed=wish.seed, crypt_type=wish.crypt_type, req_id=req_id, fault=fault
        )

    def _result(self, call: Call, given: Mapping[str, str]) -> Payload:
        req_id = read_req_id(given)
        if call.has("processing"):
            return _said(PROCESSING)
        task = self._tasks.get(req_id)
        if task is None:
            raise ServiceFailure(*UNKNOWN)
        return _said(PROCESSING) if task.result is None else task.result

    def _result_ext(self, call: Call, given: Mapping[str, str]) -> Payload:
        info_types = read_info_types(given)
        task = self._tasks.get(read_req_id(given))
        if task is None:
            raise ServiceFailure(*UNKNOWN)
        if task.result is None:
            return _said(PROCESSING)
        return {**_said(OK), "Data": _ext(task.result.get("Data", {}).get("Result", ()), info_types)}

    def _token(self, call: Call, given: Mapping[str, str]) -> Payload:
        grant = self._backstage.objects.grant()
        endpoint = self._backstage.endpoint_for(call.request)
        data = {
            "AccessKeyId": grant.key_id,
            "AccessKeySecret": grant.secret,
            "SecurityToken": grant.token,
            "BucketName": BUCKET,
            "FileNamePrefix": f"{grant.folder}/",
            "OssInternetEndPoint": endpoint,
            "OssInternalEndPoint": endpoint,
            # In seconds, where v1 has milliseconds.
            "Expiration": int(grant.expires_at.timestamp()),
        }
        return {**_said(OK), "Data": data}


@dataclass(frozen=True, slots=True)
class _Operation:
    run: Callable[[Green2, Call, Mapping[str, str]], Payload]

    place: Literal["query", "form", "none"]
    """Where its parameters have to be. Elsewhere they are not seen: a client's mistake is not to be hidden."""

    def parameters(self, request: Request) -> dict[str, str]:
        if self.place == "query":
            return filled(request.query)
        return filled(request.form) if self.place == "form" and request.is_form else {}


_OPERATIONS: Final[Mapping[str, _Operation]] = {
    "ImageModeration": _Operation(Green2._moderate, "form"),
    "ImageAsyncModeration": _Operation(Green2._moderate_later, "query"),
    "ImageBatchModeration": _Operation(Green2._moderate_batch, "query"),
    "DescribeImageModerationResult": _Operation(Green2._result, "query"),
    "DescribeImageResultExt": _Operation(Green2._result_ext, "form"),
    "DescribeUploadToken": _Operation(Green2._token, "none"),
}


def _said(code: tuple[int, str]) -> Payload:
    return {"Code": code[0], "Msg": code[1]}


def _names(moderation: Moderation, req_id: str) -> Payload:
    return {"ReqId": req_id, **_data_id(moderation)}


def _data_id(moderation: Moderation) -> Payload:
    return {"DataId": moderation.data_id} if moderation.data_id else {}


def _found(moderation: Moderation, judgements: Sequence[Judgement], *, req_id: str = "") -> Payload:
    """Return the result of a picture; without a ``req_id``, as the synchronous operation says it."""
    result = _lines([label for judgement in judgements for label in judgement.labels])
    data: Payload = {
        **(_names(moderation, req_id) if req_id else _data_id(moderation)),
        "RiskLevel": _worst(judgements),
        "Result": result,
    }
    if req_id or len(judgements) > 1:
        url = {"TempUrl": moderation.picture} if isinstance(moderation.picture, str) else {}
        frames = [{"Result": _lines(judgement.labels), **url} for judgement in judgements]
        data |= {"FrameNum": len(frames), "Frame": json.dumps(frames)}
    if not req_id:
        data["Ext"] = _ext(result, moderation.info_types)
    return {**_said(OK), "Data": data}


def _worst(judgements: Sequence[Judgement]) -> str:
    return max((judgement.risk_level for judgement in judgements), key=GRAVITY.index)


def _lines(labels: Sequence[Label]) -> list[Payload]:
    """Return each label once, as its gravest one, and that there is none only where there is none."""
    gravest = gravest_of_each(labels)
    return [
        {
            "Label": label.name,
            "Confidence": label.confidence,
            "Description": label.description,
            "RiskLevel": label.risk_level,
        }
        for label in gravest
        if label.name != NOTHING or len(gravest) == 1
    ]


def _ext(lines: Sequence[Mapping[str, Any]], info_types: Sequence[str]) -> Payload:
    """Return the extra information that was asked for. The only library here is that of feedback."""
    hits = [line for line in lines if str(line["Label"]).endswith(LIBRARY)]
    if not hits or "customImage" not in info_types:
        return {}
    return {"CustomImage": [{"ImageId": "1", "LibId": "feedback", "LibName": "Feedback"}]}
