"""
What Green (2018-05-09) answers: from its JSON to verdicts, one for each picture of a request.

Sources: "Synchronous / Asynchronous moderation"; the fields that only say more about a result are described by third
parties alone. ``rate`` is how sure the provider is of its suggestion, whatever that is: only beside ``review`` and
``block`` does it become a confidence.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, Final

from ...choices import RiskLevel
from ...exceptions import (
    ProviderAuthError,
    ProviderError,
    ProviderProtocolError,
    ProviderThrottled,
    ProviderUnavailable,
)
from ...results import MAX_REGIONS, Detection, PixelRegion, Verdict
from .answers import (
    CallbackParts,
    Fields,
    Findings,
    Judged,
    confidence_of,
    described,
    found,
    rectangles,
    take_apart,
    text_of,
)
from .cleaning import said, shortened
from .codes import GREEN, OK, PROCESSING, error_of_code, number_of
from .labels import SCENES, describe1, is_nothing, label1, level_of_suggestion

# Where a rate is a confidence that something is wrong.
_IS_OF_RISK: Final = (RiskLevel.MEDIUM, RiskLevel.HIGH)

# What says something about the provider or the account, whichever picture it is said of.
_OF_NO_PICTURE: Final = (ProviderUnavailable, ProviderThrottled, ProviderAuthError, ProviderProtocolError)

# What a result may say beside its label.
_DETAILS: Final[Mapping[str, tuple[str, Fields]]] = {
    "sublabel": ("In detail", ()),
    "hintWordsInfo": ("Words", (("context", "{}"),)),
    "qrcodeData": ("Reads", ()),
    "programCodeData": ("Leads to", ()),
    "logoData": ("Logo", (("name", "{}"), ("type", "({})"))),
    "ocrData": ("Text in the image", ()),
    "sfaceData": ("Face", (("name", "{}"),)),
}
# Which of them say where: pixels of the picture, x and y from its upper left corner, w and h.
_PLACES: Final = ("qrcodeLocations", "programCodeData", "logoData", "sfaceData")
_DETAIL_NAMES: Final = frozenset(name.lower() for name in (*_DETAILS, *_PLACES))
_LIBRARY: Final[Fields] = (("context", '"{}"'), ("libname", 'of library "{}"'), ("libcode", "({})"))


def read_tasks1(payload: object, *, scenes: Sequence[str], where: str) -> list[Judged]:
    """
    Return what ImageSyncScan or ImageAsyncScanResults says about each picture, in its own order.

    ``scenes`` are those that were asked for; ``where`` begins the message of an error. Raises ``ProviderError`` where
    the request as a whole failed; that of one picture is its answer.
    """
    return [read_task1(task, scenes=scenes, where=where) for task in _tasks(payload, where)]


def read_task1(task: object, *, scenes: Sequence[str], where: str) -> Judged:
    """
    Return what one element of ``data``, or a callback, says about its picture.

    The level is the worst suggestion over all scenes and frames. A scene that was asked for and is not in the answer, a
    suggestion that we do not know, and a label that its scene does not have, make it UNKNOWN at least. ``evaluated``
    are the scenes that were answered.
    """
    data_id, reference = _names(task)
    if error := _error_of(task, where):
        return Judged(data_id=data_id, reference=reference, answer=error)
    if not isinstance(task, Mapping) or number_of(found(task, "code")) == PROCESSING:
        return Judged(data_id=data_id, reference=reference, answer=None)
    return Judged(data_id=data_id, reference=reference, answer=_verdict(task, scenes))


def read_accepted1(payload: object, *, where: str) -> list[Judged]:
    """
    Return under which taskId ImageAsyncScan accepted each picture: without an answer, or with an error in its place.

    Raises as ``read_tasks1``.
    """
    return [_accepted(task, where) for task in _tasks(payload, where)]


def by_data_id(judged: Sequence[Judged], data_ids: Sequence[str], *, where: str) -> list[Judged]:
    """
    Return them in the order of our names; one that is missing, or there twice, is a ``ProviderProtocolError``.

    Raises ``ProviderError`` where each of them failed for a reason that is no picture's: the request as a whole did.
    """
    return _in_order(judged, data_ids, lambda one: one.data_id, where)


def by_reference(judged: Sequence[Judged], references: Sequence[str], *, where: str) -> list[Judged]:
    """Return them in the order of the provider's names; as ``by_data_id``."""
    return _in_order(judged, references, lambda one: one.reference, where)


def read_callback1(fields: Mapping[str, object]) -> CallbackParts:
    """Return a callback's parts, not authenticated yet. Raises ``ValueError`` for whatever is no callback."""
    return take_apart(found(fields, "checksum"), found(fields, "content"), lambda element: found(element, "dataId"))


def _tasks(payload: object, where: str) -> list[object]:
    if error := _error_of(payload, where):
        raise error
    tasks = found(payload, "data") if isinstance(payload, Mapping) else None
    if not isinstance(tasks, list):
        raise ProviderProtocolError(f"{where} answered without a list of results.")
    return tasks


def _error_of(part: object, where: str) -> ProviderError | None:
    """Return the error that a code stands for, the request's or a picture's; a missing one is one."""
    if not isinstance(part, Mapping):
        return ProviderProtocolError(f"{where} answered with something that is no JSON object.")
    code = found(part, "code")
    if number_of(code) in (OK, PROCESSING):
        return None
    return error_of_code(GREEN, code, said(found(part, "msg") or found(part, "message")), where)


def _names(task: object) -> tuple[str, str]:
    if not isinstance(task, Mapping):
        return "", ""
    return text_of(found(task, "dataId")), text_of(found(task, "taskId"))


def _accepted(task: object, where: str) -> Judged:
    data_id, reference = _names(task)
    error = _error_of(task, where)
    if not error and not reference:
        error = ProviderProtocolError(f"{where} accepted a picture without a taskId to ask by.")
    return Judged(data_id=data_id, reference=reference, answer=error)


def _in_order(
    judged: Sequence[Judged], names: Sequence[str], name_of: Callable[[Judged], str], where: str
) -> list[Judged]:
    named: defaultdict[str, list[Judged]] = defaultdict(list)
    for one in judged:
        named[name_of(one)].append(one)
    ordered = [named[name][0] if len(named[name]) == 1 else _missing(name, len(named[name]), where) for name in names]
    failures = [one.answer for one in ordered if isinstance(one.answer, _OF_NO_PICTURE)]
    if failures and len(failures) == len(ordered):
        raise failures[0]
    return ordered


def _missing(name: str, count: int, where: str) -> Judged:
    what = f"{count} results" if count else "no result"
    error = ProviderProtocolError(f'{where} answered with {what} for "{shortened(name)}".')
    return Judged(data_id="", reference="", answer=error)


def _verdict(task: Mapping[str, Any], scenes: Sequence[str]) -> Verdict:
    findings = Findings(RiskLevel.NONE)
    results = found(task, "results")
    answered = [_read_result(result, findings) for result in results] if isinstance(results, list) else []
    if not answered:
        findings.add_unreadable("There are no results.")
    for scene in scenes:
        if scene not in answered:
            findings.add_unreadable(f'There is no result for the scene "{scene}".')
    findings.add(*_library(found(task, "extras")))
    evaluated = [SCENES.get(scene, scene) for scene in scenes if scene in answered]
    return findings.verdict(task, evaluated)


def _read_result(result: object, findings: Findings) -> str:
    """Take one scene's result into account and return the scene; empty where it has none."""
    if not isinstance(result, Mapping):
        findings.add_unreadable("A result is no JSON object.")
        return ""
    level = level_of_suggestion(found(result, "suggestion"))
    scene, label = found(result, "scene"), found(result, "label")
    if not isinstance(scene, str) or not isinstance(label, str) or not scene or not label:
        findings.raise_to(level)
        findings.add_unreadable("A result has no scene or no label.")
        return ""
    # Apart from the other scenes, whose labels may be the same.
    own = Findings(level)
    own.add(*_detections(result, scene, label))
    own.add_frames([list(_seen_in_frame(frame, result, own)) for frame in _frames(result)])
    findings.add(*own.detections)
    return scene


def _detections(result: Mapping[str, Any], scene: str, label: str) -> Iterator[Detection]:
    """
    Yield what was seen in a scene; where that is nothing, or passed by the provider itself, what was read there.

    What is passed has no confidence of risk, and a rule of the site's takes none for a sure one. So it must not become
    a detection.
    """
    level = _level(result, scene, label)
    # Most results have none, and none is looked for there.
    has_details = not _DETAIL_NAMES.isdisjoint(key.lower() for key in result)
    given = _DETAILS.items() if has_details else ()
    details = [described(words, found(result, name), fields) for name, (words, fields) in given]
    if level != RiskLevel.NONE:
        yield Detection(
            label=shortened(label1(scene, label)),
            confidence=confidence_of(found(result, "rate")) if level in _IS_OF_RISK else None,
            description=_joined(describe1(scene, label), _doubt(result, label, level), *details),
            risk_level=level,
            source=shortened(scene),
            pixel_regions=_places(result) if has_details else (),
        )
    elif any(details):
        yield Detection(
            label=shortened(f"info_{scene}"),
            description=_joined(*details),
            risk_level=level,
            source=shortened(scene),
        )


def _places(result: Mapping[str, Any]) -> tuple[PixelRegion, ...]:
    """Return where it was seen in a picture; nowhere, where several were looked at, for nobody says in which."""
    if found(result, "frames"):
        return ()
    return tuple(islice(rectangles([found(result, name) for name in _PLACES]), MAX_REGIONS))


def _level(result: Mapping[str, Any], scene: str, label: str) -> RiskLevel:
    """
    Return the level of what was seen in a scene.

    "Pass" means that the provider, by the thresholds of the site's own scenario, finds the label normal. Of a label
    that we do not know we cannot tell what was passed.
    """
    level = level_of_suggestion(found(result, "suggestion"))
    is_known = is_nothing(label) or describe1(scene, label)
    return RiskLevel.UNKNOWN if level == RiskLevel.NONE and not is_known else level


def _doubt(result: Mapping[str, Any], label: str, level: RiskLevel) -> str:
    """Return in words where suggestion and label do not agree; empty where they do."""
    suggested = level_of_suggestion(found(result, "suggestion"))
    if level == RiskLevel.UNKNOWN and suggested == RiskLevel.NONE:
        return "Suggested to be passed, with a label that is not known"
    if level == RiskLevel.UNKNOWN:
        return f'The suggestion is "{said(found(result, "suggestion"))}", which is not known'
    return "Suspected although the label says that nothing was found" if is_nothing(label) else ""


def _frames(result: Mapping[str, Any]) -> list[object]:
    """Return the frames of a result. What is not readable is one frame that is none."""
    frames = found(result, "frames")
    if frames is None:
        return []
    return frames if isinstance(frames, list) else [None]


def _seen_in_frame(frame: object, result: Mapping[str, Any], findings: Findings) -> Iterator[Detection]:
    """Yield what was seen in a frame. What it does not say of itself, its result says of it."""
    if not isinstance(frame, Mapping):
        findings.add_unreadable("A frame is no JSON object.")
        return
    label = found(frame, "label")
    suggestion = found(frame, "suggestion")
    own = {
        "suggestion": found(result, "suggestion") if suggestion is None else suggestion,
        "rate": found(frame, "rate"),
    }
    yield from _detections(
        own, found(result, "scene"), label if isinstance(label, str) and label else found(result, "label")
    )


def _library(extras: object) -> Iterator[Detection]:
    hits = found(extras, "hitLibInfo") if isinstance(extras, Mapping) else None
    if description := described("Matched", hits, _LIBRARY):
        # What it means for the risk, the suggestions say.
        level = RiskLevel.NONE
        yield Detection(label="info_library", description=description, risk_level=level, source="hitLibInfo")


def _joined(*parts: str) -> str:
    return shortened("; ".join(filter(None, parts)))
