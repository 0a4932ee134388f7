"""Image Moderation 2.0 (2022-03-02)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from json import dumps
from typing import Any, Final

from ...exceptions import CallbackRefused, ImgmodConfigurationError, UnsupportedOperation
from ...results import Callback, FeedbackMessage, ImageSource, Submission, Verdict
from .answers2 import read_accepted2, read_answer2, read_callback2
from .base import AlibabaProvider
from .checksums import check_crypt_type, is_genuine
from .limits import IMAGE_MODERATION_2
from .locating import Location, locate
from .regions import MODERATION2
from .uploads import ask_token2

# Seconds. "Image Moderation 2.0 asynchronous API": first after 30 s.
POLL_AFTER: Final = 30.0
# A callback that never comes is not waited for as long as results are kept.
POLL_DESPITE_CALLBACK: Final = 600.0
MAX_REFERER: Final = 256
MAX_FRAMES: Final = 100


class ImageModeration2Provider(AlibabaProvider):
    """
    Have pictures judged by Alibaba Cloud's Image Moderation 2.0.

    OPTIONS: those of ``AlibabaProvider``, and

    - ``service`` (default "baselineCheck_global"): which of the services, as the console names it
    - ``is_asynchronous`` (default True): the answer comes by callback, where ``CALLBACK_BASE_URL`` and ``uid`` are
      set, and is asked for otherwise; False has it in the answer to the request
    - ``interval`` and ``max_frames`` (together; asynchronous): which frames of an animation are judged, at most 100,
      each at its price; the first ten otherwise
    - ``referer``: what is sent as such where the picture is fetched
    - ``info_type``: a list of what else to tell, of "customImage", "textInImage", "publicFigure" and "logoData"

    Source: "Image Moderation 2.0 synchronous API" and "asynchronous API".
    """

    generation = MODERATION2
    max_bytes = 64 * 1024 * 1024

    def __init__(
        self,
        alias: str,
        *,
        service: Any = "baselineCheck_global",
        is_asynchronous: bool = True,
        interval: Any = None,
        max_frames: Any = None,
        referer: str = "",
        info_type: Sequence[str] = (),
        **options: Any,
    ) -> None:
        super().__init__(alias, **options)
        if not isinstance(service, str) or not service:
            raise self._wrong("service", f"must be the name of a service, not {service!r}")
        if (interval is None) != (max_frames is None):
            raise self._wrong("interval", 'and OPTIONS["max_frames"] belong together')
        if max_frames is not None and max_frames not in range(1, MAX_FRAMES + 1):
            raise self._wrong("max_frames", f"must be 1 to {MAX_FRAMES}, not {max_frames!r}")
        if interval is not None and (not isinstance(interval, int) or interval < 1):
            raise self._wrong("interval", f"must be a number of frames from 1 on, not {interval!r}")
        if len(referer) > MAX_REFERER:
            raise self._wrong("referer", f"may have {MAX_REFERER} characters, not {len(referer)}")
        check_crypt_type(self.options.crypt_type)
        self.service_code: str = service
        self.is_asynchronous = is_asynchronous
        self._wishes = {"referer": referer, "infoType": ",".join(info_type)}
        if interval is not None:
            self._wishes |= {"interval": str(interval), "maxFrameNum": str(max_frames)}

    @property
    def service(self) -> str:
        return "/".join(["2.0", self.options.region, self.service_code, self._wishes.get("maxFrameNum", "")]).rstrip(
            "/"
        )

    def submit(self, source: ImageSource) -> Submission:
        location = locate(self, source, IMAGE_MODERATION_2, ask_token2)
        parameters = {**_place(location), "dataId": source.data_id, **self._wishes}
        calls_back = self.is_asynchronous and source.callback_url and self.options.uid
        if calls_back:
            parameters |= {
                "callback": source.callback_url,
                "seed": source.seed,
                "cryptType": self.options.crypt_type,
            }
        given = {
            "Service": self.service_code,
            "ServiceParameters": dumps({name: value for name, value in parameters.items() if value}),
        }
        if self.is_asynchronous:
            reference = read_accepted2(self.call_rpc("ImageAsyncModeration", query=given), where=self._at())
            poll_after = POLL_DESPITE_CALLBACK if calls_back else POLL_AFTER
            return Submission(reference=reference, poll_after=poll_after, judged_as=location.judged_as)
        judged = read_answer2(self.call_rpc("ImageModeration", form=given), where=self._at())
        return Submission(
            reference=judged.reference, verdict=judged.verdict(), poll_after=POLL_AFTER, judged_as=location.judged_as
        )

    def fetch(self, reference: str) -> Verdict | None:
        payload = self.call_rpc("DescribeImageModerationResult", query={"ReqId": reference})
        return read_answer2(payload, where=self._at()).verdict()

    def read_callback(self, fields: Mapping[str, str], seeds_of: Callable[[str], Sequence[str]]) -> Callback:
        try:
            parts = read_callback2(fields)
        except ValueError as error:
            raise CallbackRefused(f"{self!r}: {error}") from error
        uid, crypt_type = self.options.uid, self.options.crypt_type
        if not uid or not is_genuine(parts.checksum, uid, seeds_of(parts.data_id), parts.content, crypt_type):
            raise CallbackRefused(f"{self!r}: the checksum is not right.")
        answer = read_answer2(parts.element, where=self._at()).answer
        return Callback(data_id=parts.data_id, verdict=answer if isinstance(answer, Verdict) else None)

    def send_feedback(self, message: FeedbackMessage, read_source: Callable[[], ImageSource | None]) -> None:
        raise UnsupportedOperation(
            "Image Moderation 2.0 documents no operation for feedback. A provider of the first generation can carry "
            'it: name its alias in OPTIONS["feedback_provider"].'
        )

    def diagnose(self) -> str:
        ask_token2(self)
        how = "asynchronous" if self.is_asynchronous else "synchronous"
        return f"Image Moderation 2.0 at {self.host}, service {self.service_code}, {how}"

    def _wrong(self, name: str, words: str) -> ImgmodConfigurationError:
        return ImgmodConfigurationError(f'Provider "{self.alias}": OPTIONS["{name}"] {words}.')


def _place(location: Location) -> dict[str, str]:
    return {
        "imageUrl": location.url,
        "ossBucketName": location.bucket,
        "ossObjectName": location.object_name,
        "ossRegionId": location.region,
    }
