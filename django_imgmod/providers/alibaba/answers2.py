"""
What Image Moderation 2.0 answers: from its JSON to a verdict.

Sources: "Image Moderation 2.0 synchronous API" and "asynchronous API", and for the parts of ``Ext`` the types of the
official SDK. Names are found in any case, as the documentation spells those of frames in several.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import islice
from typing import Any, Final, NamedTuple

from ...choices import RiskLevel
from ...exceptions import ProviderError, ProviderProtocolError
from ...results import MAX_REGIONS, Detection, Verdict
from ..strictjson import parsed
from .answers import (
    CallbackParts,
    Fields,
    Findings,
    Judged,
    confidence_of,
    described,
    found,
    phrases,
    rectangles,
    take_apart,
    text_of,
)
from .cleaning import cleaned_text, said, shortened
from .codes import MODERATION2, OK, PROCESSING, error_of_code, number_of
from .labels import describe2, is_nothing, risk_level_of

_EXEMPTED: Final = "nonlabel_lib"
_HARMLESS: Final = (RiskLevel.NONE, RiskLevel.LOW)


class _Extra(NamedTuple):
    """A part of ``Ext``: what is asked for by ``infoType``, which says why and adds no risk of its own."""

    source: str
    words: str
    fields: Fields = ()


_LIBRARY: Final[Fields] = (("libname", 'of library "{}"'), ("libid", "({})"))
_EXTRAS: Final[Mapping[str, _Extra]] = {
    "CustomImage": _Extra("customImage", "Matched", (("imageid", "picture {}"), *_LIBRARY)),
    "PublicFigure": _Extra("publicFigure", "Public figure", (("figurename", "{}"), ("figureid", "({})"))),
    "LogoData": _Extra("logoData", "Logo", (("name", "{}"), ("label", "({})"))),
    "OcrResult": _Extra("ocrResult", "Text in the image", (("text", "{}"),)),
    "Recognition": _Extra("recognition", "Recognised", (("classification", "{}"),)),
    "VlContent": _Extra("vlContent", "In the words of a large model", (("outputtext", "{}"),)),
}
# Within "TextInImage". Older operations write the plural.
_TEXTS: Final[Mapping[tuple[str, str], _Extra]] = {
    ("RiskWord", "RiskWords"): _Extra("textInImage", "Risky words in the image"),
    ("CustomText", "CustomTexts"): _Extra("textInImage", "Matched known words", (("keywords", '"{}"'), *_LIBRARY)),
    ("OcrResult", "OcrDatas"): _Extra("textInImage", "Text in the image", (("text", "{}"),)),
}


# Of which the places are those of what was found: each has a ``Location``, or several.
_PLACED: Final = ("LogoData", "PublicFigure")
# Of which they are those of the lines that hold the words.
_RISKY: Final = (("RiskWord", "RiskWords"), ("CustomText", "CustomTexts"))
_KEYWORDS: Final[Fields] = (("keywords", "{}"),)
_MOST_WORDS: Final = 100
_MOST_LINES: Final = 1000


def read_answer2(payload: object, *, where: str) -> Judged:
    """
    Return what ImageModeration, DescribeImageModerationResult or a callback says.

    ``payload`` is the whole envelope or its ``Data`` alone; ``where`` begins the message of an error. The level is the
    worst that is named anywhere; one that is missing, or that we do not know, is UNKNOWN. So is that of a label which
    nobody graded, in an image without risk, and of one that is not in our tables either, in an image of low risk.
    """
    data = _data_of(payload)
    data_id, reference = _names(data)
    return Judged(data_id=data_id, reference=reference, answer=_answer(payload, data, where))


def read_accepted2(payload: object, *, where: str) -> str:
    """
    Return the ReqId under which ImageAsyncModeration accepted a picture.

    Raises ``ProviderError``, ``ProviderProtocolError`` where there is none.
    """
    if not isinstance(payload, Mapping):
        raise ProviderProtocolError(f"{where} answered with something that is no JSON object.")
    if error := _error_of(payload, where):
        raise error
    _, reference = _names(_data_of(payload))
    if not reference:
        raise ProviderProtocolError(f"{where} accepted the picture without a ReqId to ask by.")
    return reference


def read_callback2(fields: Mapping[str, object]) -> CallbackParts:
    """Return a callback's parts, not authenticated yet. Raises ``ValueError`` for whatever is no callback."""
    return take_apart(
        found(fields, "Checksum"), found(fields, "Content"), lambda element: found(_data_of(element), "DataId")
    )


def _data_of(payload: object) -> Mapping[str, Any]:
    """Return ``Data``: that of an envelope, or the payload itself where it is no envelope."""
    if not isinstance(payload, Mapping):
        return {}
    data = found(payload, "Data")
    if data is None:
        return payload
    return data if isinstance(data, Mapping) else {}


def _names(data: Mapping[str, Any]) -> tuple[str, str]:
    return text_of(found(data, "DataId")), text_of(found(data, "ReqId"))


def _answer(payload: object, data: Mapping[str, Any], where: str) -> Verdict | ProviderError | None:
    if not isinstance(payload, Mapping):
        return ProviderProtocolError(f"{where} answered with something that is no JSON object.")
    if number_of(found(payload, "Code")) == PROCESSING:
        return None
    if error := _error_of(payload, where):
        return error
    if found(data, "RiskLevel") is None and found(data, "Result") is None:
        return ProviderProtocolError(f"{where} answered with neither a risk level nor a result.")
    word = found(data, "RiskLevel")
    findings = Findings(risk_level_of(word))
    if findings.level == RiskLevel.UNKNOWN:
        findings.add_unreadable(f'The risk level of the image is "{said(word)}", which is not known.')
    findings.add(*_labels(found(data, "Result"), findings))
    frames = _frames(found(data, "Frame"))
    findings.add_frames([_labels_of_frame(frame, findings) for frame in frames])
    _doubt_ungraded(findings, risk_level_of(word))
    findings.add(*_extras(found(data, "Ext"), has_places=len(frames) < 2))
    return findings.verdict(_with_frames(payload, frames))


def _error_of(payload: Mapping[str, Any], where: str) -> ProviderError | None:
    """Return the error that a code stands for, of the request or of its result. A result alone may have none."""
    for part in (payload, _data_of(payload)):
        code = found(part, "Code")
        if code is not None and number_of(code) != OK:
            return error_of_code(MODERATION2, code, said(found(part, "Msg") or found(part, "Message")), where)
    return None


def _labels(items: object, findings: Findings) -> list[Detection]:
    """Return what a ``Result`` saw. A level that stands beside a label of no risk is taken into account."""
    if items is None:
        return []
    if not isinstance(items, list):
        findings.add_unreadable("The list of labels is no list.")
        return []
    return [detection for item in items if (detection := _label(item, findings))]


def _label(item: object, findings: Findings) -> Detection | None:
    if not isinstance(item, Mapping):
        findings.add_unreadable("A label is no JSON object.")
        return None
    word = found(item, "RiskLevel")
    level = None if word in (None, "") else risk_level_of(word)
    findings.raise_to(level)
    label = found(item, "Label")
    if not isinstance(label, str) or not label.strip():
        findings.add_unreadable("A label has no name.")
        return None
    label = shortened(label.strip())
    if is_nothing(label):
        return None
    return Detection(
        label=label,
        confidence=confidence_of(found(item, "Confidence")),
        description=describe2(label) or shortened(cleaned_text(text_of(found(item, "Description")))),
        risk_level=RiskLevel.NONE if level is None and label.lower() == _EXEMPTED else level,
    )


def _frames(given: object) -> list[object]:
    """Return the frames, which come as JSON inside JSON. What is not readable is one frame that is none."""
    if given is None or given == "":
        return []
    try:
        frames = parsed(given) if isinstance(given, str) else given
    except ValueError:
        return [None]
    return frames if isinstance(frames, list) else [None]


def _labels_of_frame(frame: object, findings: Findings) -> list[Detection]:
    if not isinstance(frame, Mapping):
        findings.add_unreadable("A frame is no JSON object.")
        return []
    word = found(frame, "RiskLevel")
    findings.raise_to(None if word in (None, "") else risk_level_of(word))
    return _labels(found(frame, "Result"), findings)


def _doubt_ungraded(findings: Findings, of_image: RiskLevel) -> None:
    """
    Give the level UNKNOWN to labels without one, where that of the image would pass them and cannot be about them.

    "None" is documented beside "nonLabel" and its like alone, so that a label of risk contradicts it.
    """
    if findings.level not in _HARMLESS:
        return
    given, findings.detections = findings.detections, []
    for detection in given:
        is_graded = detection.risk_level is not None or (of_image != RiskLevel.NONE and describe2(detection.label))
        findings.add(detection if is_graded else replace(detection, risk_level=RiskLevel.UNKNOWN))


def _with_frames(payload: Mapping[str, Any], frames: list[object]) -> Mapping[str, Any]:
    """Return the answer with its frames taken out of their text, so that the secrets in it can be found."""
    if not frames:
        return payload
    raw = {key: frames if key.lower() == "frame" else value for key, value in payload.items()}
    if isinstance(data := found(payload, "Data"), Mapping):
        data = {key: frames if key.lower() == "frame" else value for key, value in data.items()}
        raw = {key: data if key.lower() == "data" else value for key, value in raw.items()}
    return raw


def _extras(ext: object, *, has_places: bool) -> Iterator[Detection]:
    """Yield what an ``Ext`` says; with its places, unless several frames were looked at: nobody says in which."""
    if not isinstance(ext, Mapping):
        return
    for name, extra in _EXTRAS.items():
        value = found(ext, name)
        yield from _extra(extra, value, value if has_places and name in _PLACED else None)
    texts = found(ext, "TextInImage")
    if isinstance(texts, Mapping):
        for names, extra in _TEXTS.items():
            value = [found(texts, name) for name in names]
            yield from _extra(extra, value, _lines_with(value, texts) if has_places and names in _RISKY else None)


def _lines_with(words: object, texts: Mapping[str, Any]) -> list[object]:
    """Return the places of the lines of text that hold any of the words: the words have none of their own."""
    wanted = [word.strip().casefold() for phrase in phrases(words, _KEYWORDS) for word in phrase.split(",")]
    wanted = [word for word in wanted if word][:_MOST_WORDS]
    lines = found(texts, "OcrResult")
    given = [line for line in lines if isinstance(line, Mapping)] if isinstance(lines, list) else []
    read = [(line, text_of(found(line, "Text")).casefold()) for line in given[:_MOST_LINES]]
    return [found(line, "Location") for line, text in read if any(word in text for word in wanted)]


def _extra(extra: _Extra, value: object, places: object) -> Iterator[Detection]:
    if description := described(extra.words, value, extra.fields):
        # What it means for the risk, the labels beside it say.
        yield Detection(
            label=f"info_{extra.source}",
            description=description,
            risk_level=RiskLevel.NONE,
            source=extra.source,
            pixel_regions=tuple(islice(rectangles(places), MAX_REGIONS)),
        )
