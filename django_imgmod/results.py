"""The values that cross between providers and the rest: no ORM, no HTTP."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final, NamedTuple

from .choices import Outcome, RiskLevel

# Of one label. More marks would hide what they point to.
MAX_REGIONS: Final = 50


@dataclass(frozen=True, kw_only=True, slots=True)
class ImageFacts:
    """What an image's header says. Anything that could not be read is empty, never guessed."""

    image_format: str = ""
    width: int | None = None
    height: int | None = None
    frame_count: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class ImageSource:
    """One image, as it is handed to a provider."""

    data_id: str
    """Our name for this request; a provider echoes it."""

    file_name: str
    """The name in the storage; for messages, never for deciding what the bytes are."""

    content: bytes = field(repr=False)
    """The bytes that are judged. What ``sha256`` was computed from."""

    sha256: str
    """Hexadecimal."""

    facts: ImageFacts = ImageFacts()

    url: str = field(default="", repr=False)
    """As the storage gives it, signed or not; only where the provider wants it."""

    callback_url: str = ""
    """Where the provider may send its answer; empty where the site cannot be called."""

    seed: str = field(default="", repr=False)
    """What a callback must know to be found authentic: 64 hexadecimal digits."""

    @property
    def byte_count(self) -> int:
        return len(self.content)


class Region(NamedTuple):
    """A part of a picture, a rectangle: fractions, 0 to 1, of the upright picture's width and height."""

    left: float
    top: float
    width: float
    height: float


class PixelRegion(NamedTuple):
    """A part of a picture, a rectangle: in pixels of what its provider was given. It may reach beyond its edges."""

    left: float
    top: float
    width: float
    height: float

    def within(self, size: tuple[int, int]) -> Region | None:
        """Return which part of an upright picture of that width and height it is; None where it is none of it."""
        across, down = size
        left, right = (min(max(place / across, 0.0), 1.0) for place in (self.left, self.left + self.width))
        top, bottom = (min(max(place / down, 0.0), 1.0) for place in (self.top, self.top + self.height))
        return Region(left, top, right - left, bottom - top) if left < right and top < bottom else None


@dataclass(frozen=True, kw_only=True, slots=True)
class Detection:
    """One label, and how sure the provider is of it."""

    label: str
    """In the style of Image Moderation 2.0: ``category_detail``."""

    confidence: float | None = None
    """0 to 100, two decimals; None where the provider gave none."""

    description: str = ""
    """For people. Nothing may be decided on it."""

    risk_level: RiskLevel | None = None
    """None where the provider only grades the image as a whole; UNKNOWN where its word is not known."""

    source: str = ""
    """What saw it: a detector, a scene."""

    frame_index: int | None = None
    """Which frame it was seen in, from 0; None for an image without frames."""

    regions: tuple[Region, ...] = ()
    """Where it was seen; empty where the provider does not say, or means the whole picture."""

    pixel_regions: tuple[PixelRegion, ...] = ()
    """Where it was seen, of a provider that counts in pixels: they become ``regions`` by ``Submission.size``."""

    def __post_init__(self) -> None:
        if not self.label:
            raise ValueError("A detection needs a label.")
        if self.confidence is not None and not 0 <= self.confidence <= 100:
            raise ValueError(f"Confidence is 0 to 100 or None, not {self.confidence!r} ({self.label}).")
        for region in self.regions:
            if not all(0 <= fraction <= 1 for fraction in region):
                raise ValueError(f"A region has fractions from 0 to 1, not {tuple(region)} ({self.label}).")

    def __str__(self) -> str:
        """Label and confidence in words, as reasons quote them."""
        if self.confidence is None:
            return f"{self.label} (no confidence given)"
        return f"{self.label} {self.confidence:.2f}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdict:
    """A provider's normalised answer."""

    risk_level: RiskLevel
    """Of the image as a whole."""

    detections: tuple[Detection, ...] = ()

    evaluated: tuple[str, ...] = ()
    """What was looked for, in words; empty where the provider does not say. What is not in it was not seen."""

    raw: Mapping[str, Any] = field(default_factory=dict)
    """The answer as it came, as JSON values, without secrets."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Submission:
    """What a provider answers to a request for judgement: a verdict at once, or a reference to ask for later."""

    reference: str = ""
    """The provider's name for the request; empty where it has none."""

    verdict: Verdict | None = None
    """None where the answer comes later."""

    poll_after: float | None = None
    """Seconds until it makes sense to ask; None where the provider calls back, and is asked only when it did not."""

    judged_as: str = ""
    """In words, the copy that was judged in place of the stored bytes; empty where these were judged themselves."""

    size: tuple[int, int] | None = None
    """
    Width and height, in pixels, of what the provider was given, stored bytes or copy.

    None where that is not known, or not upright: then nobody can tell what ``Detection.pixel_regions`` count from.
    """

    def __post_init__(self) -> None:
        if self.verdict is None and not self.reference:
            raise ValueError("A submission needs a verdict or a reference to ask for it later.")


@dataclass(frozen=True, kw_only=True, slots=True)
class Callback:
    """What a provider told us unasked, after it was found authentic."""

    data_id: str
    """Our name for the request, as the provider echoes it."""

    verdict: Verdict | Callable[[], Verdict | None] | None
    """None where it only says that there is something to be asked for: an error, say. Or what reads it, when asked."""

    def read_verdict(self) -> Verdict | None:
        """Return the verdict, read now where reading was put off. Raises whatever that does."""
        return self.verdict() if callable(self.verdict) else self.verdict


@dataclass(frozen=True, kw_only=True, slots=True)
class FeedbackMessage:
    """A person's decision, as it is told back to a provider. All values are text, so that it can wait in a queue."""

    data_id: str
    """Our name for the request."""

    reference: str
    """The provider's name for it."""

    outcome: Outcome

    labels: tuple[str, ...] = ()
    """What the provider had seen, the strongest first."""

    sources: tuple[str, ...] = ()
    """What saw each of them: a detector, a scene."""

    note: str = ""
    """What the person gave as the reason."""


class Soundness(StrEnum):
    """How grave a finding is."""

    OK = "ok"

    WARNING = "WARNING"
    """It works, and not as one might think."""

    FAULT = "FAULT"
    """Somebody has to act."""


@dataclass(frozen=True, kw_only=True, slots=True)
class LiveFinding:
    """One thing that a provider found out about its settings by asking its service."""

    subject: str
    """What it is about, in a word or two: "region"."""

    text: str
    """For whoever must act. No secret is in it."""

    soundness: Soundness = Soundness.OK

    mend: str = ""
    """What to do about it; empty where nothing is amiss."""


@dataclass(frozen=True, kw_only=True, slots=True)
class LiveAdvice:
    """What a provider has to say about a trial in its own terms: whole sentences, each may be empty."""

    not_judged: str = ""
    """Where a test picture was not judged."""

    not_called_back: str = ""
    """Where it was judged, and no authentic callback came."""

    called_back: str = ""
    """What an authentic callback of its proves."""
