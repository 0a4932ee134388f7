"""What the provider is asked about its own settings by ``imgmod_doctor --live``. Nothing of it is charged for."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from json import dumps
from typing import Final

from ...conf import imgmod_settings
from ...exceptions import (
    ImgmodConfigurationError,
    ProviderAuthError,
    ProviderError,
    ProviderThrottled,
    UnsupportedOperation,
)
from ...results import LiveAdvice, LiveFinding, Soundness
from .base import AlibabaProvider
from .checksums import checksum
from .codes import ClockIsOff, NotPermitted
from .credentials import VARIABLES

_WHERE_IT_IS: Final = "It stands in the console at the top right, as the account's id."
_NO_KEY: Final = (
    "Make one in the RAM console, for a user of the site's own, and give it to all processes of the site, workers "
    "included."
)
_KEY: Final = (
    "Compare them with the RAM console: id and secret are of one pair, enabled and not deleted. They are read from "
    f"OPTIONS, or else from {', '.join(VARIABLES.values())}."
)
_PERMISSION: Final = (
    "In the RAM console, give the key's user AliyunYundunGreenWebFullAccess; in that of the service, activate it for "
    "this region, and see that nothing is overdue."
)


def ask_about_account(provider: AlibabaProvider, ask_token: Callable[[], object]) -> list[LiveFinding]:
    """Return what one request for an upload token tells about region, access key and permission. Raises nothing."""
    try:
        key_id = provider.credentials().access_key_id
    except ImgmodConfigurationError as error:
        return [_fault("access key", error, _NO_KEY)]
    started = time.perf_counter()
    try:
        ask_token()
    except (ProviderError, ImgmodConfigurationError) as error:
        return _explained(provider, error, key_id)
    milliseconds = (time.perf_counter() - started) * 1000
    return [
        LiveFinding(subject="region", text=f"{_place(provider)} answered in {milliseconds:.0f} ms"),
        _accepted(key_id),
        LiveFinding(subject="permission", text="uploads are allowed"),
    ]


def look_at_uid(provider: AlibabaProvider, *, is_asynchronous: bool) -> list[LiveFinding]:
    """Return what can be said of the account's number before the provider has called back."""
    uid = provider.options.uid
    if not is_asynchronous or imgmod_settings.callback_base_url is None:
        how = "asked for" if is_asynchronous else "given at once"
        return [LiveFinding(subject="uid", text=f"not needed, as answers are {how}")]
    if not uid:
        text = "there is none, so no callback is asked for; answers are polled"
        return [_warning("uid", text, f'Set OPTIONS["uid"] to the number of the main account. {_WHERE_IT_IS}')]
    if not (uid.isascii() and uid.isdigit()):
        mend = f"It is the number of the main account, no name and no key. {_WHERE_IT_IS}"
        return [_warning("uid", f"{uid!r} is no number", mend)]
    return []


def advice(provider: AlibabaProvider, *, not_judged: str) -> LiveAdvice:
    """Return what to say of a trial; ``not_judged`` is the generation's own part of it."""
    uid = provider.options.uid
    return LiveAdvice(
        not_judged=not_judged,
        not_called_back=(
            f'Where the site\'s log has "callback=refused", OPTIONS["uid"] is wrong: is {uid} the number of the main '
            f"account, and not of a RAM user? {_WHERE_IT_IS} Where it has nothing, the provider cannot reach the "
            "address: is it open to the internet?"
        ),
        called_back=f"uid {uid} is right",
    )


def signed_fields(
    provider: AlibabaProvider, names: tuple[str, str], content: Mapping[str, object], seed: str
) -> dict[str, str]:
    """Return the fields of a callback, ``names`` being those of checksum and content. Raises as ``callback_for``."""
    if not provider.options.uid:
        raise UnsupportedOperation(f'{provider!r} is not asked to call back: OPTIONS["uid"] is empty.')
    text = dumps(content, ensure_ascii=False, separators=(",", ":"))
    seal = checksum(provider.options.uid, seed, text, provider.options.crypt_type)
    return dict(zip(names, (seal, text), strict=True))


def _explained(
    provider: AlibabaProvider, error: ProviderError | ImgmodConfigurationError, key_id: str
) -> list[LiveFinding]:
    region = LiveFinding(subject="region", text=f"{_place(provider)} answers")
    if isinstance(error, ClockIsOff):
        return [
            region,
            _fault("clock", error, "Let this machine follow an NTP server: no request is taken until then."),
        ]
    if isinstance(error, NotPermitted):
        return [region, _accepted(key_id), _fault("permission", error, _PERMISSION)]
    if isinstance(error, ProviderAuthError):
        return [region, _fault("access key", error, _KEY)]
    if isinstance(error, ProviderThrottled):
        return [region, _warning("rate", str(error), 'Ask again later. OPTIONS["qps"] keeps the site below its limit.')]
    mend = (
        f'Is "{provider.options.region}" the region in which the service was activated, and OPTIONS["endpoint"] unset '
        f"or right? Does {provider.host} resolve here, and do firewall and proxies let this machine connect to it?"
    )
    return [_fault("region", error, mend)]


def _place(provider: AlibabaProvider) -> str:
    return f"{provider.options.region}, {provider.host}"


def _accepted(key_id: str) -> LiveFinding:
    return LiveFinding(subject="access key", text=f"{key_id[:4]}… is accepted, and so is this machine's clock")


def _warning(subject: str, text: str, mend: str) -> LiveFinding:
    return LiveFinding(subject=subject, text=text, soundness=Soundness.WARNING, mend=mend)


def _fault(subject: str, error: Exception, mend: str) -> LiveFinding:
    return LiveFinding(subject=subject, text=str(error), soundness=Soundness.FAULT, mend=mend)
