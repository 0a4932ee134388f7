"""From the network's score to labels."""

from __future__ import annotations

from typing import Final

from PIL import Image

from ...choices import RiskLevel
from ...results import Detection
from .detectors import Findings
from .open_nsfw import WEIGHTS_SHA256, shared_classifier
from .options import EngineOptions

# The network tells sexual from not sexual, no more: how explicit it is, only its confidence suggests.
_LABELS: Final = {
    RiskLevel.HIGH: ("pornographic_adultContent", "Very probably pornographic"),
    RiskLevel.MEDIUM: ("sexual_partialNudity", "Possibly sexual content"),
    RiskLevel.LOW: ("sexual_partialNudity", "Slight suspicion of sexual content"),
}


class SexualContentDetector:
    """Finds sexual content in photographs."""

    name = "sexual"
    evaluates = ("sexual content",)
    # Half as much again as the network's own resolution: on 50 photographs no score moved by 0.01 from that of the
    # picture decoded in full, and a picture of 1 megapixel is decoded at half its size.
    preferred_side = 384

    def __init__(self, options: EngineOptions) -> None:
        self._thresholds = options.thresholds
        self._threads = options.threads

    @property
    def version(self) -> str:
        return f"open_nsfw {WEIGHTS_SHA256} {self._thresholds}"

    def detect(self, picture: Image.Image) -> Findings:
        confidence = round(100 * shared_classifier(self._threads).score(picture), 2)
        raw = {"model": "open_nsfw", "sha256": WEIGHTS_SHA256, "confidence": confidence}
        level = self._thresholds.level_of(confidence)
        if level == RiskLevel.NONE:
            return Findings(raw=raw)
        label, description = _LABELS[level]
        detection = Detection(label=label, confidence=confidence, description=description, risk_level=level)
        return Findings(detections=(detection,), raw=raw)
