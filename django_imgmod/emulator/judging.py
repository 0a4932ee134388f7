"""
What the emulator thinks of a picture, in the words of both generations.

It looks for the canaries and, where the embedded engine is installed, for sexual content and QR codes. In every other
respect it says what the provider would say of a harmless picture, without having looked. What it was told by feedback
comes first.

| seen                    | 2.0: label, risk level            | Green: scene: label, suggestion          |
|-------------------------|-----------------------------------|------------------------------------------|
| canary, high            | pornographic_adultContent, high   | porn, terrorism and ad: block            |
| canary, medium          | sexual_partialNudity, medium      | porn, terrorism and ad: review           |
| sexual content, high    | pornographic_adultContent, high   | porn: porn, block                        |
| sexual content, medium  | sexual_partialNudity, medium      | porn: sexy, review                       |
| sexual content, low     | sexual_partialNudity, low         | porn: sexy, pass                         |
| QR code                 | pt_qrCode, medium                 | qrcode: qrcode, review                   |
| nothing                 | nonLabel, none                    | every scene: normal, pass                |
| told to block           | <label>_lib, high                 | the scenes that were told: label, block  |
| told to pass            | nonLabel_lib, none                | the scenes that were told: normal, pass  |

Sources of the labels: the lists of ``providers.alibaba.labels``, and for those that begin with "pt" the tables of four
public clients of 2.0, which agree.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any, Final, Literal, NamedTuple

from PIL import Image

from ..choices import RiskLevel
from ..decoding import MORE_FORMATS, decode, read_facts, shrunk
from ..providers.alibaba.labels import FEEDBACK_SCENES, SCENES, describe1, describe2, feedback_scene
from ..providers.alibaba.limits import GREEN
from ..providers.local.canaries import CanaryDetector
from ..providers.local.detectors import DEFAULT_DETECTORS, Detector, load_detectors
from ..providers.local.options import EngineOptions
from ..providers.local.provider import REQUIRED_PACKAGES
from ..results import Detection, PixelRegion, Region
from .memory import FeedbackSuggestion, Memory, Recollection, look_at

Suggestion = Literal["block", "review", "pass"]
GivenLevel = Literal["high", "medium", "low", "none"]

# The larger one of both generations' limits.
MAX_PIXELS: Final = GREEN.max_pixels

_CANARIES_ONLY: Final = (f"{CanaryDetector.__module__}.{CanaryDetector.__qualname__}",)

_NOTHING: Final = "nonLabel"
_NORMAL: Final = "normal"
# How sure it is that a scene is harmless in which it has not looked.
_UNSURE: Final = 50.0
# By the detector that looks there.
_SCENE_OF_DETECTOR: Final = {"sexual": "porn", "qr": "qrcode"}

GRAVITY: Final[Sequence[GivenLevel]] = ("none", "low", "medium", "high")

_SUGGESTIONS: Final[Mapping[RiskLevel, Suggestion]] = {
    RiskLevel.HIGH: "block",
    RiskLevel.MEDIUM: "review",
    RiskLevel.LOW: "pass",
}
_GIVEN_LEVELS: Final[Mapping[RiskLevel, GivenLevel]] = {
    RiskLevel.HIGH: "high",
    RiskLevel.MEDIUM: "medium",
    RiskLevel.LOW: "low",
}
# A level that a detector left open is to be looked at by a person.
_OPEN: Final = RiskLevel.MEDIUM


@dataclass(frozen=True, slots=True)
class _Words:
    """What one detection is called."""

    label: str
    """In 2.0."""

    scenes: Mapping[str, str]
    """The label by scene, in Green."""


_CODE: Final = "qrcode_qrcode"

# By scene, the word for what has none. Canaries are seen in each scene that feedback can be about.
_ALARM: Final = {"porn": "porn", "terrorism": "others", "ad": "ad"}
_WORDS: Final[Mapping[str, _Words]] = {
    "canary_high": _Words("pornographic_adultContent", _ALARM),
    "canary_medium": _Words("sexual_partialNudity", {**_ALARM, "porn": "sexy"}),
    "pornographic_adultContent": _Words("pornographic_adultContent", {"porn": "porn"}),
    "sexual_partialNudity": _Words("sexual_partialNudity", {"porn": "sexy"}),
    _CODE: _Words("pt_qrCode", {"qrcode": "qrcode"}),
}

# What 2.0 calls what Green calls so in a scene.
_LABELS2: Final[Mapping[str, Mapping[str, str]]] = {
    "porn": {"porn": "pornographic_adultContent", "sexy": "sexual_suggestiveContent"},
    "terrorism": {
        "bloody": "violent_horrificContent",
        "explosion": "violent_explosion",
        "outfit": "political_outfit",
        "weapon": "violent_gunKnives",
        "politics": "political_politicalFigure",
        "crowd": "violent_crowding",
        "parade": "violent_crowding",
        "flag": "political_flag",
        "drug": "contraband_drug",
        "gamble": "contraband_gamble",
        "others": "violent_horrificContent",
    },
    "ad": {
        "ad": "pt_toDirectContact_tii",
        "politics": "political_politicalFigure_name_tii",
        "porn": "pornographic_adultContent_tii",
        "terrorism": "violent_gunKnives_tii",
        "contraband": "contraband_drug_tii",
        "qrcode": "pt_qrCode",
    },
}


class Label(NamedTuple):
    """A line of the result of 2.0."""

    name: str
    confidence: float | None
    description: str
    risk_level: GivenLevel


class SceneResult(NamedTuple):
    """What Green says in one scene. ``rate`` is how sure it is of the suggestion, 0 to 100."""

    suggestion: Suggestion
    label: str
    rate: float


@dataclass(frozen=True, slots=True)
class Judgement:
    """One picture, in the words of both generations."""

    risk_level: GivenLevel
    """The gravest of all labels."""

    labels: tuple[Label, ...]
    """Never empty; the gravest first."""

    scenes: Mapping[str, SceneResult]
    """Every scene that can be asked for."""

    codes: tuple[str, ...] = ()
    """What its QR codes say."""

    code_places: tuple[PixelRegion, ...] = ()
    """Where they are."""


@dataclass(frozen=True, slots=True)
class _Seen:
    words: _Words
    level: RiskLevel
    confidence: float | None
    description: str

    @property
    def line(self) -> Label:
        return Label(self.words.label, self.confidence, self.description, _GIVEN_LEVELS[self.level])


class Judge:
    """
    Judges pictures, and learns from feedback. Usable from any thread.

    Without ``has_engine``, or where the extra is not installed, it looks for canaries alone.
    """

    def __init__(self, *, has_engine: bool = True) -> None:
        self.has_engine = has_engine and all(find_spec(name) is not None for name in REQUIRED_PACKAGES)
        self._memory = Memory()
        self._side = max(detector.preferred_side for detector in self._detectors())

    @property
    def looks_for(self) -> tuple[str, ...]:
        """What it really looks for, in words."""
        return tuple(words for detector in self._detectors() for words in detector.evaluates)

    def judge(self, content: bytes) -> Judgement:
        """
        Return the judgement of a picture; of an animated one, of its first frame.

        Raises ``ProviderRefused`` for what cannot be decoded, with ``TOO_LARGE``, ``NOT_AN_IMAGE`` or ``DAMAGED``.
        """
        image = self._decoded(content)
        recalled = self._memory.recall(look_at(content, image))
        seen: list[_Seen] = []
        codes: list[str] = []
        places: list[Region] = []
        rates = dict.fromkeys(SCENES, _UNSURE)
        for detector in self._detectors():
            found = detector.detect(shrunk(image, detector.preferred_side))
            seen += map(_seen, found.detections)
            codes += found.raw.get("texts", ())
            places += (place for one in found.detections if one.label == _CODE for place in one.regions)
            if scene := _SCENE_OF_DETECTOR.get(detector.name):
                rates[scene] = _rate_of_nothing(found.raw)
        risk_level, labels = _in_labels(seen, recalled)
        scenes = {scene: _in_scene(scene, seen, recalled, rates[scene]) for scene in SCENES}
        return Judgement(risk_level, labels, scenes, tuple(codes), tuple(_in_pixels(places, content)))

    def learn(self, content: bytes, suggestion: FeedbackSuggestion, scenes: Collection[str], label: str = "") -> None:
        """
        Say the same of this picture from now on, in these scenes, and of every one that looks like it.

        The scenes are those that feedback can be about. A label that a scene does not have counts as none. Raises as
        ``judge`` does, and ``ValueError`` for other scenes.
        """
        if unknown := set(scenes) - set(FEEDBACK_SCENES):
            raise ValueError(f"There is no feedback about {', '.join(sorted(unknown))}.")
        self._memory.learn(look_at(content, self._decoded(content)), suggestion, scenes, label)

    def _decoded(self, content: bytes) -> Image.Image:
        picture = decode(content, file_name="picture", side=self._side, max_pixels=MAX_PIXELS, formats=MORE_FORMATS)
        return picture.image

    def _detectors(self) -> tuple[Detector, ...]:
        # Made for each picture: a detector belongs to one thread, and what is costly in it is shared anyway.
        return load_detectors(DEFAULT_DETECTORS if self.has_engine else _CANARIES_ONLY, EngineOptions())


def _in_pixels(places: Iterable[Region], content: bytes) -> Iterator[PixelRegion]:
    """Yield where something is, in pixels of the picture as it came, to one decimal."""
    facts = read_facts(content)
    across, down = facts.width or 0, facts.height or 0
    for place in places:
        sides = (place.left * across, place.top * down, place.width * across, place.height * down)
        yield PixelRegion(*(round(side, 1) for side in sides))


def _rate_of_nothing(raw: Mapping[str, Any]) -> float:
    """Return how sure a detector is that there is nothing: what is left of its confidence, where it measured one."""
    return round(100 - float(raw.get("confidence", 1)), 2)


def _seen(detection: Detection) -> _Seen:
    # What has no words here keeps its own, and is seen in every scene, so that it does not get lost.
    words = _WORDS.get(detection.label) or _Words(detection.label, _ALARM)
    level = detection.risk_level
    if level is None or level not in _SUGGESTIONS:
        level = _OPEN
    return _Seen(words, level, detection.confidence, detection.description or describe2(words.label))


def _in_labels(seen: Iterable[_Seen], recalled: Mapping[str, Recollection]) -> tuple[GivenLevel, tuple[Label, ...]]:
    """Return the risk level and the labels of 2.0."""
    lines = [one.line for one in seen if feedback_scene(one.words.label) not in recalled]
    for scene, memory in recalled.items():
        if memory.suggestion == "block":
            label = f"{_label2(scene, memory.label)}_lib"
            lines.append(Label(label, memory.likeness, describe2(label), "high"))
    if not lines:
        likeness = max((memory.likeness for memory in recalled.values()), default=None)
        label = _NOTHING if likeness is None else f"{_NOTHING}_lib"
        lines.append(Label(label, likeness, describe2(label), "none"))
    gravest = gravest_of_each(lines)
    return gravest[0].risk_level, gravest


def gravest_of_each(lines: Iterable[Label]) -> tuple[Label, ...]:
    """Return each label once, with its highest level and then its highest confidence; the gravest first."""
    in_order = sorted(lines, key=lambda line: (GRAVITY.index(line.risk_level), line.confidence or 0), reverse=True)
    gravest: dict[str, Label] = {}
    for line in in_order:
        gravest.setdefault(line.name, line)
    return tuple(gravest.values())


def _in_scene(
    scene: str, seen: Iterable[_Seen], recalled: Mapping[str, Recollection], rate_of_nothing: float
) -> SceneResult:
    """Return what Green says in one scene: the gravest of what is seen there, unless it was told what to say."""
    if memory := recalled.get(scene):
        label = _NORMAL if memory.suggestion == "pass" else _label1(scene, memory.label)
        return SceneResult(memory.suggestion, label, memory.likeness)
    here = [one for one in seen if scene in one.words.scenes]
    if not here:
        return SceneResult("pass", _NORMAL, rate_of_nothing)
    gravest = max(here, key=lambda one: (one.level.gravity, one.confidence or 0))
    suggestion = _SUGGESTIONS[gravest.level]
    confidence = _UNSURE if gravest.confidence is None else gravest.confidence
    # It says how sure the suggestion is: that to pass is the surer, the weaker the suspicion.
    rate = 100 - confidence if suggestion == "pass" else confidence
    return SceneResult(suggestion, gravest.words.scenes[scene], round(rate, 2))


def _label1(scene: str, label: str) -> str:
    """Return a label of Green as it was told, or the usual one where the scene has no such label."""
    return label if describe1(scene, label) else _ALARM[scene]


def _label2(scene: str, label: str) -> str:
    words = _LABELS2[scene]
    return words.get(_label1(scene, label), words[_ALARM[scene]])
