"""What the emulator was told about pictures: their bytes, and what looks like them."""

from __future__ import annotations

import hashlib
import threading
from collections import deque
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final, Literal

from PIL import Image

from ..perceptual import MAX_DISTANCE, PerceptualHash, distance, perceptual_hash

FeedbackSuggestion = Literal["block", "pass"]

# What is oldest is forgotten: every picture is compared with all of them.
MAX_LESSONS: Final = 5000
_BITS: Final = 256


@dataclass(frozen=True, slots=True)
class Look:
    """By what a picture is known again."""

    sha256: str
    hash: PerceptualHash

    def likeness(self, other: Look) -> float | None:
        """Return how alike two pictures are, 0 to 100; None where they are not the same picture."""
        if self.sha256 == other.sha256:
            return 100.0
        if not (self.hash.is_telling and other.hash.is_telling):
            return None
        bits = distance(self.hash.text, other.hash.text)
        return round(100 * (1 - bits / _BITS), 2) if bits <= MAX_DISTANCE else None


def look_at(content: bytes, image: Image.Image) -> Look:
    """Return the look of a picture that was decoded from these bytes."""
    return Look(hashlib.sha256(content).hexdigest(), perceptual_hash(image))


@dataclass(frozen=True, slots=True)
class Recollection:
    """What was said of a picture in one scene."""

    suggestion: FeedbackSuggestion
    label: str
    likeness: float


@dataclass(frozen=True, slots=True)
class _Lesson:
    look: Look
    suggestion: FeedbackSuggestion
    scenes: frozenset[str]
    label: str


class Memory:
    """Lessons, the latest of which counts. Usable from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lessons: deque[_Lesson] = deque(maxlen=MAX_LESSONS)

    def learn(self, look: Look, suggestion: FeedbackSuggestion, scenes: Collection[str], label: str) -> None:
        """Remember what is to be said of a picture in these scenes. ``label`` may be empty."""
        with self._lock:
            self._lessons.append(_Lesson(look, suggestion, frozenset(scenes), label))

    def recall(self, look: Look) -> dict[str, Recollection]:
        """Return by scene what is to be said of a picture; nothing for the scenes of which nothing was said."""
        with self._lock:
            lessons = tuple(self._lessons)
        recalled: dict[str, Recollection] = {}
        for lesson in reversed(lessons):
            if (likeness := look.likeness(lesson.look)) is not None:
                for scene in lesson.scenes - recalled.keys():
                    recalled[scene] = Recollection(lesson.suggestion, lesson.label, likeness)
        return recalled
