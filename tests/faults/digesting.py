"""A provider whose verdict is a function of the bytes alone: whose verdict a record has can be told from the file."""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Callable
from typing import Any, ClassVar

from PIL import Image

from django_imgmod.choices import RiskLevel
from django_imgmod.providers.base import BaseProvider
from django_imgmod.results import ImageSource, Submission, Verdict

LEVELS = (RiskLevel.NONE, RiskLevel.LOW, RiskLevel.MEDIUM, RiskLevel.HIGH)


class DigestProvider(BaseProvider):
    """Judges at once, or later where ``is_asynchronous`` is set; each verdict names the bytes that it is about."""

    is_asynchronous: ClassVar[bool] = False
    on_call: ClassVar[Callable[[str], None]] = staticmethod(lambda name: None)
    """Called with "submit" or "fetch" while the call is under way."""

    @property
    def service(self) -> str:
        return "digest"

    def submit(self, source: ImageSource) -> Submission:
        self.on_call("submit")
        if self.is_asynchronous:
            return Submission(reference=source.sha256, poll_after=0)
        return Submission(verdict=verdict_on(source.sha256))

    def fetch(self, reference: str) -> Verdict | None:
        self.on_call("fetch")
        return verdict_on(reference)


def level_of(sha256: str) -> RiskLevel:
    return LEVELS[int(sha256, 16) % len(LEVELS)]


def verdict_on(sha256: str) -> Verdict:
    return Verdict(risk_level=level_of(sha256), raw={"sha256": sha256})


def is_verdict_on(content: bytes, record: Any) -> bool:
    """Whether the verdict that a record has is that on these bytes, and the record knows them by their digest."""
    sha256 = hashlib.sha256(content).hexdigest()
    return (record.sha256, record.risk_level, record.raw) == (sha256, level_of(sha256), {"sha256": sha256})


def new_picture() -> bytes:
    """Return a small picture such as there was never one before."""
    output = io.BytesIO()
    Image.frombytes("RGB", (8, 8), os.urandom(8 * 8 * 3)).save(output, "PNG")
    return output.getvalue()
