"""The emulator's account, and what it is asked for, counted where it arrives."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from django_imgmod.emulator.commandline import ACCESS_KEY_ID, ACCESS_KEY_SECRET, UID
from django_imgmod.emulator.green1 import PATHS

__all__ = ["CREDENTIALS", "KEYS", "PURPOSES", "UID", "Tally"]

CREDENTIALS: Final = {ACCESS_KEY_ID: ACCESS_KEY_SECRET}
KEYS: Final = {"ALIBABA_CLOUD_ACCESS_KEY_ID": ACCESS_KEY_ID, "ALIBABA_CLOUD_ACCESS_KEY_SECRET": ACCESS_KEY_SECRET}

UPLOAD: Final = "PutObject"
# In the order of a picture's way.
PURPOSES: Final[Mapping[str, str]] = {
    "DescribeUploadToken": "credentials to upload with (2.0)",
    "UploadCredentials": "credentials to upload with (v1)",
    UPLOAD: "a picture, put where the provider can read it",
    "ImageAsyncModeration": "one picture is to be judged (2.0)",
    "DescribeImageModerationResult": "what was wrong, after a callback without a verdict",
    "ImageAsyncScan": "up to ten pictures are to be judged (v1)",
    "ImageAsyncScanResults": "up to ten answers are asked for (v1)",
    "ImageScanFeedback": "what a person has decided (v1)",
}


class Tally:
    """A WSGI application that counts what another one is asked for. Usable from any thread."""

    def __init__(self, app: Callable[..., Iterable[bytes]]) -> None:
        self._app = app
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()
        self._refused: Counter[str] = Counter()

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        operation = _operation_of(environ)

        def start(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
            with self._lock:
                self._counts[operation] += 1
                self._refused[operation] += not status.startswith("2")
            return start_response(status, headers)

        return self._app(environ, start)

    def take(self) -> tuple[Counter[str], Counter[str]]:
        """Return how often each operation was asked for, and how often it was refused; and begin anew."""
        with self._lock:
            taken = self._counts, +self._refused
            self._counts, self._refused = Counter(), Counter()
        return taken


def _operation_of(environ: Mapping[str, Any]) -> str:
    if environ["REQUEST_METHOD"] == "PUT":
        return UPLOAD
    return str(environ.get("HTTP_X_ACS_ACTION") or PATHS.get(environ["PATH_INFO"]) or environ["PATH_INFO"])
