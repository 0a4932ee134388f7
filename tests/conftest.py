from __future__ import annotations

import io
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.cache import caches
from django.core.files.base import ContentFile
from PIL import Image, ImageDraw

from django_imgmod.providers.dummy import DummyProvider


@pytest.fixture(autouse=True)
def media_root(settings: Any, tmp_path: Path) -> Path:
    """Every test writes into a media folder of its own."""
    settings.MEDIA_ROOT = str(tmp_path / "media")
    return tmp_path / "media"


@pytest.fixture(autouse=True)
def clean_dummy() -> Iterator[None]:
    DummyProvider.clear()
    yield
    DummyProvider.clear()


@pytest.fixture(autouse=True)
def empty_cache() -> Iterator[None]:
    """What one test made a provider answer, or how long that took, is nothing to the next one."""
    yield
    caches["default"].clear()


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Refuse every connection but those to this machine."""
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: Any) -> None:
        if self.family in (socket.AF_INET, socket.AF_INET6) and address[0] not in ("127.0.0.1", "::1", "localhost"):
            raise AssertionError(f"A test wants to connect to {address}.")
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", guarded)


@pytest.fixture
def picture() -> Callable[..., ContentFile[bytes]]:
    """Return a function that draws a small picture; another ``number`` gives other bytes."""

    def draw(number: int = 1, *, name: str = "picture.png", image_format: str = "PNG") -> ContentFile[bytes]:
        image = Image.new("RGB", (48, 32), (40 * number % 256, 90, 160))
        ImageDraw.Draw(image).ellipse((4, 4, 4 + number % 28, 28), fill=(250, 200, 30))
        output = io.BytesIO()
        image.save(output, image_format)
        return ContentFile(output.getvalue(), name=name)

    return draw
