"""
What the answers of both generations have in common: any value may stand anywhere, and none of it may end in a pass.

What cannot be read makes a verdict UNKNOWN at least, with a detection that says what it was. Nothing here or in the
modules of the two generations raises for what an answer holds, but ``ProviderError``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, NamedTuple

from ...choices import RiskLevel
from ...exceptions import ProviderError
from ...results import Detection, PixelRegion, Verdict
from ..strictjson import parsed
from .cleaning import MAX_DEPTH, cleaned, shortened

MAX_DETECTIONS: Final = 1000
# As of an answer. A form may be shorter by the site's own settings.
MAX_CONTENT: Final = 2 * 1024 * 1024
MAX_ID: Final = 128
# Of one side. No picture is taken that is larger.
MAX_PIXELS: Final = 1_000_000

UNREADABLE: Final = "unreadable_answer"

Fields = Sequence[tuple[str, str]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Judged:
    """What one image's part of an answer says."""

    data_id: str
    """Our name for the request as it is echoed; empty where it is not."""

    reference: str
    """The provider's name for it: ReqId, taskId; empty where it gave none."""

    answer: Verdict | ProviderError | None
    """None while there is no verdict yet."""

    def verdict(self) -> Verdict | None:
        """Return the answer, or raise it where it is an error."""
        if isinstance(self.answer, ProviderError):
            raise self.answer
        return self.answer


class CallbackParts(NamedTuple):
    """A callback taken apart. Nothing of it is authentic yet."""

    data_id: str
    checksum: str
    content: str
    """Exactly as it was in the form: what the checksum is about."""
    element: dict[str, Any]
    """What the content says, to be read like an answer."""


@dataclass(slots=True)
class Findings:
    """A verdict in the making. Its level only ever rises."""

    level: RiskLevel
    detections: list[Detection] = field(default_factory=list)

    def raise_to(self, level: RiskLevel | None) -> None:
        """Take a level into account; None is none."""
        if level is not None and level.gravity > self.level.gravity:
            self.level = level

    def add(self, *detections: Detection) -> None:
        """Take detections into account, and their levels."""
        for detection in detections:
            self.raise_to(detection.risk_level)
            self.detections.append(detection)

    def add_unreadable(self, what: str) -> None:
        """Take into account that something could not be read, and show it."""
        self.add(Detection(label=UNREADABLE, description=shortened(what), risk_level=RiskLevel.UNKNOWN))

    def add_frames(self, frames: Sequence[Sequence[Detection]]) -> None:
        """
        Take into account what was seen in each frame, in their order.

        A detection without a level takes that of its label in the image as a whole. One that was seen in the whole
        image just as in a frame is kept for the frame. Of a single frame, the number is not kept.
        """
        if not frames:
            return
        levels = {detection.label: detection.risk_level for detection in sorted(self.detections, key=_gravity)}
        of_image = {_sameness(detection): detection for detection in self.detections}
        framed: list[Detection] = []
        for index, detections in enumerate(frames):
            for given in detections:
                detection = replace(given, risk_level=given.risk_level or levels.get(given.label))
                same = of_image.get(_sameness(detection), detection)
                framed.append(replace(same, frame_index=index if len(frames) > 1 else None))
        seen = {_sameness(detection) for detection in framed}
        self.detections = [detection for detection in self.detections if _sameness(detection) not in seen]
        self.add(*framed)

    def verdict(self, raw: Mapping[str, Any], evaluated: Sequence[str] = ()) -> Verdict:
        """Return the verdict, each detection once, and without secrets what it was read from."""
        detections = list(dict.fromkeys(self.detections))
        if len(detections) > MAX_DETECTIONS:
            self.add_unreadable(f"{len(detections):,} labels, of which the gravest {MAX_DETECTIONS:,} are kept.")
            gravest = sorted(detections, key=_gravity, reverse=True)[:MAX_DETECTIONS]
            detections = [*gravest, self.detections[-1]]
        return Verdict(
            risk_level=self.level, detections=tuple(detections), evaluated=tuple(evaluated), raw=cleaned(raw)
        )


def _gravity(detection: Detection) -> int:
    # Without a level of its own it may be as grave as anything.
    return max(level.gravity for level in RiskLevel) if detection.risk_level is None else detection.risk_level.gravity


def _sameness(detection: Detection) -> tuple[str, float | None, RiskLevel | None]:
    return detection.label, detection.confidence, detection.risk_level


def found(mapping: Mapping[str, Any], name: str) -> Any:
    """Return a value by its name, else by its name in another case; None where there is none."""
    if name in mapping:
        return mapping[name]
    # Compared by their lengths first: most names are simply not there.
    wanted, length = name.lower(), len(name)
    for key, value in mapping.items():
        if len(key) == length and key.lower() == wanted:
            return value
    return None


def text_of(value: object) -> str:
    """Return a text, or a whole number as one; empty for everything else."""
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 10**18:
        return str(value)
    return value if isinstance(value, str) else ""


def confidence_of(value: object) -> float | None:
    """Return a confidence of 0 to 100, two decimals; None, which counts as sure, for everything else."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 100:
        return None
    return round(float(value), 2)


def phrases(value: object, fields: Fields, depth: int = MAX_DEPTH) -> Iterator[str]:
    """
    Yield one phrase for each text in a list and each dict that has one of ``fields``, in any depth.

    ``fields`` are pairs of a name, in small letters, and a format that its value goes into.
    """
    if isinstance(value, str) and value:
        yield value
    elif isinstance(value, list) and depth:
        for item in value:
            yield from phrases(item, fields, depth - 1)
    elif isinstance(value, dict) and depth:
        texts = {key.lower(): text_of(item) for key, item in value.items()}
        known = [words.format(texts[name]) for name, words in fields if texts.get(name)]
        if known:
            yield " ".join(known)
        for item in value.values():
            if isinstance(item, list | dict):
                yield from phrases(item, fields, depth - 1)


def rectangles(value: object, depth: int = MAX_DEPTH) -> Iterator[PixelRegion]:
    """Yield one region for each dict that has x, y, w and h, in any case and depth; none for what is no rectangle."""
    if isinstance(value, list) and depth:
        for item in value:
            yield from rectangles(item, depth - 1)
    elif isinstance(value, dict) and depth:
        left, top, width, height = (_pixels(found(value, name)) for name in "xywh")
        if left is not None and top is not None and width and height and width > 0 and height > 0:
            yield PixelRegion(left, top, width, height)
        for item in value.values():
            if isinstance(item, list | dict):
                yield from rectangles(item, depth - 1)


def _pixels(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not -MAX_PIXELS <= value <= MAX_PIXELS:
        return None
    return float(value)


def described(words: str, value: object, fields: Fields) -> str:
    """Return ``words: phrase; phrase``, cleaned; empty where the value holds nothing that can be shown."""
    if not value:
        return ""
    listed = "; ".join(dict.fromkeys(phrases(cleaned(value), fields)))
    return shortened(f"{words}: {listed}") if listed else ""


def take_apart(given: object, content: object, data_id_of: Callable[[dict[str, Any]], object]) -> CallbackParts:
    """
    Return the parts of a callback from the two fields of its form.

    Raises ``ValueError``, and nothing else, for whatever is no callback.
    """
    if not isinstance(given, str) or not isinstance(content, str):
        raise ValueError("A callback has a checksum and a content.")
    if len(content) > MAX_CONTENT:
        raise ValueError("The content is too long.")
    element = parsed(content)
    if not isinstance(element, dict):
        raise ValueError("The content is no JSON object.")
    data_id = data_id_of(element)
    if not isinstance(data_id, str) or not 0 < len(data_id) <= MAX_ID or not data_id.isprintable():
        raise ValueError("The content does not say which picture it is about.")
    return CallbackParts(data_id, given, content, element)
