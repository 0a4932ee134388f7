"""The emulator on a port of its own, for as long as a test lasts."""

from __future__ import annotations

import os
from contextlib import ExitStack
from typing import Any, Final, Self
from unittest import mock

from ..emulator import Emulator, Judge, serve
from ..emulator.commandline import ACCESS_KEY_ID, ACCESS_KEY_SECRET, UID

IMAGE_MODERATION_2: Final = "django_imgmod.providers.alibaba.ImageModeration2Provider"
GREEN: Final = "django_imgmod.providers.alibaba.GreenProvider"

_HOST: Final = "127.0.0.1"


class RunningEmulator(Emulator):
    """
    An emulator that is served, on a free port of this machine, as long as it is entered as a context manager.

    Its options are those of ``Emulator``; what differs is the defaults: one key, callbacks at once, and eyes for the
    canaries alone, which is fast. While it runs, this process asks 127.0.0.1 past any proxy of the environment.
    """

    def __init__(self, **options: Any) -> None:
        defaults: dict[str, Any] = {
            "credentials": {ACCESS_KEY_ID: ACCESS_KEY_SECRET},
            "uid": UID,
            "callback_delay": 0,
            "callback_pause": 0,
        }
        given = {**defaults, **options}
        if given.get("judge") is None:
            given["judge"] = Judge(has_engine=False)
        super().__init__(**given)
        self.uid: str = given["uid"]
        self._key: tuple[str, str] = next(iter(given["credentials"].items()))
        self._address = ""
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            stack.callback(self.close)
            self._address = stack.enter_context(serve(self, _HOST))
            stack.enter_context(mock.patch.dict(os.environ, _past_proxies()))
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *args: object) -> None:
        self._stack.close()
        self._address = ""

    @property
    def address(self) -> str:
        """Host and port. Raises ``RuntimeError`` while it is not running."""
        if not self._address:
            raise RuntimeError("The emulator is not running: enter it as a context manager.")
        return self._address

    @property
    def url(self) -> str:
        """Where it listens: ``http://127.0.0.1:…``. Raises as ``address``."""
        return f"http://{self.address}"

    def provider(self, backend: str = IMAGE_MODERATION_2, **options: Any) -> dict[str, Any]:
        """
        Return an entry of ``IMGMOD["PROVIDERS"]`` that is judged by this emulator; ``options`` go into its OPTIONS.

        Raises as ``address``.
        """
        key_id, secret = self._key
        own = {"endpoint": self.url, "uid": self.uid, "access_key_id": key_id, "access_key_secret": secret}
        return {"BACKEND": backend, "OPTIONS": {**own, **options}}


def _past_proxies() -> dict[str, str]:
    hosts = [os.environ.get("no_proxy") or os.environ.get("NO_PROXY") or "", _HOST]
    value = ",".join(filter(None, hosts))
    # Which of the two counts differs between programs.
    return {"no_proxy": value, "NO_PROXY": value}
