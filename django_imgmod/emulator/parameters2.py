"""The parameters of Image Moderation 2.0, 2022-03-02, and what is wrong with them: 400, 401 or 402."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from ..providers.strictjson import parsed
from .fields import HTTP_URL, MAX_URL, BadField, CallbackWish, Problem, read_callback, read_number, read_text
from .oss import Place
from .wire import ServiceFailure

CODES: Final[Mapping[Problem, int]] = {"missing": 400, "wrong": 401, "long": 402}
MAX_DATA_ID: Final = 64
MAX_REFERER: Final = 256
MAX_FRAMES: Final = 100
INFO_TYPES: Final = ("customImage", "textInImage", "publicFigure", "logoData")
SERVICE: Final = r"[A-Za-z0-9_]+"
# Those that the documentation and the SDKs' samples name.
SERVICES: Final = frozenset(
    {
        "advertisingCheck",
        "aigcCheck",
        "baselineCheck",
        "baselineCheck_global",
        "baselineCheck_pro",
        "liveStreamCheck",
        "postImageCheck",
        "postImageCheckByVL_global",
        "profilePhotoCheck",
        "tonalityImprove",
    }
)
# What the console adds to the name of a copy.
_COPY: Final = re.compile(r"_\d\d\Z")


@dataclass(frozen=True, kw_only=True, slots=True)
class Moderation:
    """A request for judgement."""

    services: tuple[str, ...]
    picture: str | Place
    data_id: str
    """Empty where none was sent."""

    interval: int
    max_frames: int
    referer: str
    """Empty where none was sent."""

    info_types: tuple[str, ...]
    callback: CallbackWish | None


def read_moderation(
    given: Mapping[str, str], known: Collection[str], *, is_async: bool = False, is_batch: bool = False
) -> Moderation:
    """
    Read ``Service`` and ``ServiceParameters``, of which ImageBatchModeration takes several services.

    ``known`` are the services that the account has, and may have copies of. Raises ``ServiceFailure``, as all here.
    """
    try:
        pattern = rf"{SERVICE}(,{SERVICE})*" if is_batch else SERVICE
        services = read_text(given, "Service", pattern=pattern, is_needed=True).split(",")
        _check_services(services, known)
        parameters = _read_parameters(read_text(given, "ServiceParameters", is_needed=True))
        interval, max_frames = _read_frames(parameters)
        return Moderation(
            services=tuple(services),
            picture=_read_picture(parameters),
            data_id=read_text(parameters, "dataId", pattern=r"[A-Za-z0-9_.-]+", max_length=MAX_DATA_ID),
            interval=interval,
            max_frames=max_frames,
            referer=read_text(parameters, "referer", max_length=MAX_REFERER),
            info_types=_read_info_types(read_text(parameters, "infoType")),
            callback=read_callback(parameters) if is_async else None,
        )
    except BadField as error:
        raise failure_of(error) from error


def read_req_id(given: Mapping[str, str]) -> str:
    """Read ``ReqId``."""
    try:
        return read_text(given, "ReqId", is_needed=True)
    except BadField as error:
        raise failure_of(error) from error


def read_info_types(given: Mapping[str, str]) -> tuple[str, ...]:
    """Read ``InfoType`` of DescribeImageResultExt."""
    try:
        return _read_info_types(read_text(given, "InfoType", is_needed=True))
    except BadField as error:
        raise failure_of(error) from error


def failure_of(error: BadField) -> ServiceFailure:
    """Return the service's word for a parameter that is not as it must be."""
    return ServiceFailure(CODES[error.problem], error.message)


def _check_services(services: Sequence[str], known: Collection[str]) -> None:
    for service in services:
        if service not in known and _COPY.sub("", service) not in known:
            # The sources do not say what becomes of one that the account does not have: it is a wrong parameter.
            raise BadField("wrong", f"Service {service[:64]} does not exist")


def _read_parameters(text: str) -> dict[str, Any]:
    try:
        parameters = parsed(text)
    except ValueError as error:
        raise BadField("wrong", "ServiceParameters is no JSON") from error
    if not isinstance(parameters, dict):
        raise BadField("wrong", "ServiceParameters is no object")
    return parameters


def _read_picture(parameters: Mapping[str, Any]) -> str | Place:
    url = read_text(parameters, "imageUrl", max_length=MAX_URL, pattern=HTTP_URL)
    bucket, name = read_text(parameters, "ossBucketName"), read_text(parameters, "ossObjectName")
    read_text(parameters, "ossRegionId")
    if not url.isascii():
        raise BadField("wrong", "imageUrl must be percent-encoded")
    if url and (bucket or name):
        raise BadField("wrong", "imageUrl and ossObjectName exclude each other")
    if url:
        return url
    if bucket and name:
        return Place(bucket, name)
    missing = "ossObjectName" if bucket else "ossBucketName" if name else "imageUrl"
    raise BadField("missing", f"{missing} is empty")


def _read_frames(parameters: Mapping[str, Any]) -> tuple[int, int]:
    interval = read_number(parameters, "interval")
    max_frames = read_number(parameters, "maxFrameNum", at_most=MAX_FRAMES)
    if (interval is None) != (max_frames is None):
        raise BadField("wrong", "interval and maxFrameNum go together")
    return interval or 1, max_frames or 1


def _read_info_types(text: str) -> tuple[str, ...]:
    types = tuple(filter(None, text.split(",")))
    if unknown := [name for name in types if name not in INFO_TYPES]:
        raise BadField("wrong", f"infoType has {unknown[0][:64]!r}, which is none of {', '.join(INFO_TYPES)}")
    return types
