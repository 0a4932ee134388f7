"""The test pictures by which an installation shows that it works."""

from __future__ import annotations

from PIL import Image

from ...canary import CANARY_SIDE, detect_canary
from .detectors import Findings
from .options import EngineOptions


class CanaryDetector:
    """Finds the two canaries."""

    name = "canary"
    evaluates = ("canaries",)
    preferred_side = CANARY_SIDE
    version = "1"

    def __init__(self, options: EngineOptions) -> None:
        pass

    def detect(self, picture: Image.Image) -> Findings:
        canary = detect_canary(picture)
        return Findings(detections=(canary,) if canary else ())
