"""A provider that asks the fault server, as one in the cloud would be asked."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from json import dumps, loads
from typing import Any
from urllib.parse import urlencode

from django_imgmod.choices import RiskLevel
from django_imgmod.exceptions import CallbackRefused, ImgmodConfigurationError, ProviderProtocolError
from django_imgmod.providers.http import HttpProvider
from django_imgmod.results import Callback, Detection, FeedbackMessage, ImageSource, Submission, Verdict
from django_imgmod.seeds import callback_seed

MODES = ("sync", "async")


def callback_body(provider: str, data_id: str, verdict: Mapping[str, Any]) -> str:
    """Return what the server would send to tell its verdict."""
    seed = callback_seed(provider, data_id)
    return urlencode({"data_id": data_id, "seed": seed, "verdict": dumps(verdict)})


class LoopbackProvider(HttpProvider):
    """
    Ask the server at ``url``.

    OPTIONS: those of ``HttpProvider``, ``mode`` ("sync" or "async"), ``poll_after`` (seconds, where it is "async") and
    ``sends_content`` (the bytes as well, not only their digest).
    """

    def __init__(
        self,
        alias: str,
        *,
        url: str,
        mode: str = "sync",
        poll_after: float = 0,
        sends_content: bool = False,
        **options: Any,
    ) -> None:
        super().__init__(alias, **options)
        if mode not in MODES:
            raise ImgmodConfigurationError(f'Provider "{alias}": OPTIONS["mode"] must be one of {", ".join(MODES)}.')
        self.url = url
        self.mode = mode
        self.poll_after = poll_after
        self.sends_content = sends_content

    @property
    def service(self) -> str:
        return "loopback"

    def submit(self, source: ImageSource) -> Submission:
        answer = self.send(
            "POST",
            f"{self.url}/submit",
            headers={"Data-Id": source.data_id, "Sha256": source.sha256, "Mode": self.mode},
            data=source.content if self.sends_content else b"",
        )
        if answer.payload.get("data_id") != source.data_id:
            raise ProviderProtocolError(f'Provider "{self.alias}" answered about another picture.')
        reference = str(answer.payload["reference"])
        verdict = self._verdict(answer.payload)
        return Submission(reference=reference, verdict=verdict, poll_after=self.poll_after if verdict is None else None)

    def fetch(self, reference: str) -> Verdict | None:
        return self._verdict(self.send("GET", f"{self.url}/result/{reference}").payload)

    def send_feedback(self, message: FeedbackMessage, read_source: Callable[[], ImageSource | None]) -> None:
        content = {"data_id": message.data_id, "outcome": message.outcome, "labels": message.labels}
        self.send("POST", f"{self.url}/feedback", headers={"Data-Id": message.data_id}, json=content)

    def read_callback(self, fields: Mapping[str, str], seeds_of: Callable[[str], Sequence[str]]) -> Callback:
        data_id = fields.get("data_id", "")
        if fields.get("seed") not in seeds_of(data_id):
            raise CallbackRefused("The seed is wrong.")
        return Callback(data_id=data_id, verdict=self._verdict({"verdict": loads(fields["verdict"])}))

    def _verdict(self, payload: Mapping[str, Any]) -> Verdict | None:
        if "verdict" not in payload:
            raise ProviderProtocolError(f'Provider "{self.alias}" answered without a verdict.')
        verdict = payload["verdict"]
        if verdict is None:
            return None
        level = verdict.get("risk_level")
        return Verdict(
            risk_level=RiskLevel(level) if level in RiskLevel.values else RiskLevel.UNKNOWN,
            detections=tuple(Detection(**detection) for detection in verdict.get("detections", ())),
            raw=payload,
        )
