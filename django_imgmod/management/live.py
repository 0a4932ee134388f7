"""What ``imgmod_doctor --live`` asks of the world outside, and what it tells whoever has to act."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Final
from urllib.parse import urlsplit

from django.core.files.storage import Storage, default_storage

from ..conf import imgmod_settings
from ..exceptions import ProviderAuthError, ProviderError, ProviderProtocolError, UnsupportedOperation
from ..providers import providers
from ..registry import all_watched_fields
from ..results import LiveAdvice, Soundness
from ..services.live import CallbackTrial, JudgementTrial, ask_about_settings, diagnose, try_callback, try_judgement
from .findings import Finding, fault

# Seconds to wait for a verdict that does not come at once, and for the callback.
JUDGEMENT_TIMEOUT: Final = 60.0

_NO_LOGIN: Final = "Whoever calls has no login and no cookie: let POST through to this path as it is."
_OTHER_PAGE: Final = (
    'Another page answers there. Is IMGMOD["CALLBACK_BASE_URL"] the address of this site, and does the code that runs '
    'there have path("imgmod/", include("django_imgmod.urls")) in its urls.py?'
)
_BEHIND_PROXY: Final = "The server in front does not reach the site: is it running, and at the address that is asked?"

# By status: what it means, and what to do.
_MEANINGS: Final[Mapping[int, tuple[str, str]]] = {
    401: ("wants a login", _NO_LOGIN),
    403: ("forbids it", f"Something in front of this app does: a firewall, a proxy, a middleware. {_NO_LOGIN}"),
    404: ("knows no such page", _OTHER_PAGE),
    405: ("takes no POST there", _OTHER_PAGE),
    411: ("wants another kind of request", _OTHER_PAGE),
    413: ("finds it too large", "Allow larger bodies in the proxy: an answer may have a megabyte."),
    415: ("wants another kind of request", _OTHER_PAGE),
    429: ("asks for fewer requests", "Exempt this path from the limit: many answers may come at once."),
    500: ("fails", "Read the site's log: as a rule its database could not be written to."),
    502: ("has no site behind it", _BEHIND_PROXY),
    503: ("is out of service", _BEHIND_PROXY),
    504: ("waits for the site in vain", _BEHIND_PROXY),
}
_CSRF: Final = (
    "finds the CSRF token missing",
    "The view is exempt from that, so something around it is not: a middleware or a decorator of the site's own, or "
    "another site answers there.",
)
_NOT_AUTHENTIC: Final = (
    "finds it not authentic",
    "The processes that serve the site have another SECRET_KEY or other OPTIONS of this provider than this one: "
    'restart them all with the same settings. The site\'s log says why ("callback=refused").',
)
_BAD_REQUEST: Final = (
    "does not take the request, and says more than this app would",
    "Is the host in ALLOWED_HOSTS? Is HTTPS spoken where the proxy expects it?",
)


def live_findings() -> Iterator[Finding]:
    """Ask each provider's service, where it has one; the others say what they are. Says first what it may cost."""
    yield Finding(
        Soundness.OK,
        "live: each service outside is sent one test picture to be judged, for which it may charge; all else is free",
    )
    sent: list[str] = []
    for alias in imgmod_settings.providers:
        try:
            yield from _examine(alias, sent)
        except Exception as error:  # noqa: BLE001 - a provider, a storage or a database raises what it likes
            mend = f'Do what the message says, or correct IMGMOD["PROVIDERS"]["{alias}"].'
            yield fault(f'provider "{alias}"', error, mend)
    count = f"{len(sent)} test picture{'' if len(sent) == 1 else 's'}"
    to = f" ({', '.join(sent)})" if sent else ""
    yield Finding(Soundness.OK, f"live: {count} sent to be judged{to}")


def _examine(alias: str, sent: list[str]) -> Iterator[Finding]:
    provider = providers[alias]
    subject = f'provider "{alias}"'
    answers = ask_about_settings(alias)
    if not answers:
        yield Finding(Soundness.OK, f"{subject}: {diagnose(alias)}")
        return
    for answer in answers:
        yield Finding(answer.soundness, f"{subject}, {answer.subject}: {answer.text}", answer.mend)
    if any(answer.soundness is Soundness.FAULT for answer in answers):
        yield Finding(Soundness.WARNING, f"{subject}: no test picture is sent", "Mend the fault first, and ask again.")
        return
    awaits_callback = False
    try:
        trial = try_callback(alias)
    except UnsupportedOperation:
        # What there is to say of that, the provider has said.
        pass
    else:
        finding = _read_callback(f"{subject}, callback address", trial)
        awaits_callback = finding.level is Soundness.OK
        yield finding
    judged = try_judgement(alias, _storage_of(alias), timeout=JUDGEMENT_TIMEOUT, awaits_callback=awaits_callback)
    if judged.is_sent:
        sent.append(alias)
    yield from _read_judgement(alias, judged, provider.live_advice(), awaits_callback=awaits_callback)


def _storage_of(alias: str) -> Storage:
    fields = (watched.field for watched in all_watched_fields() if watched.provider == alias)
    return next((field.storage for field in fields), default_storage)


def _read_callback(subject: str, trial: CallbackTrial) -> Finding:
    """Say what became of the callback that the site sent to itself, in words for whoever must act."""
    if trial.status == HTTPStatus.OK and trial.is_stored:
        text = f"{trial.url} took a signed callback in {trial.milliseconds:.0f} ms"
        return Finding(Soundness.OK, f"{subject}: {text}")
    if not trial.status:
        words = trial.failure
        mend = (
            'Is the site running, and IMGMOD["CALLBACK_BASE_URL"] the address at which it is reached from outside? '
            "Does its certificate suit that name?"
        )
    elif trial.status == HTTPStatus.OK:
        words = "answers 200, but nothing is in the database of this process"
        mend = f"Either the site there uses another database, or it is another site. {_OTHER_PAGE}"
    elif trial.location:
        words, mend = f"redirects to {trial.location} ({trial.status})", _mend_of_redirection(trial)
    else:
        words, mend = _meaning(trial)
        words = f"{words} ({trial.status})"
    return Finding(Soundness.FAULT, f"{subject}: {trial.url} {words}", mend)


def _mend_of_redirection(trial: CallbackTrial) -> str:
    asked, leads = urlsplit(trial.url), urlsplit(trial.location)
    if leads.path != asked.path:
        return f"The provider follows no redirection. {_NO_LOGIN}"
    address = f"{leads.scheme}://{leads.netloc}"
    return f'The provider follows no redirection: set IMGMOD["CALLBACK_BASE_URL"] to "{address}", where this one leads.'


def _meaning(trial: CallbackTrial) -> tuple[str, str]:
    if trial.status == HTTPStatus.FORBIDDEN and "csrf" in trial.body.lower():
        return _CSRF
    if trial.status == HTTPStatus.BAD_REQUEST:
        # Ours has no body; that of Django, for a host that is not allowed, has one.
        return _BAD_REQUEST if trial.body else _NOT_AUTHENTIC
    kind = _MEANINGS[500] if trial.status >= 500 else ("does not take it", _OTHER_PAGE)
    return _MEANINGS.get(trial.status, kind)


def _read_judgement(
    alias: str, trial: JudgementTrial, advice: LiveAdvice, *, awaits_callback: bool
) -> Iterator[Finding]:
    provider = providers[alias]
    subject = f'provider "{alias}", service'
    reference = f" (reference {trial.reference})" if trial.reference else ""
    if trial.error is not None:
        yield fault(subject, trial.error, _mend_of(trial.error, advice))
    elif trial.verdict is None:
        text = f"{provider.service} took the test picture and gave no verdict in {trial.waited:.0f} s{reference}"
        mend = f"It may just be slow: ask again later. {advice.not_judged}".rstrip()
        yield Finding(Soundness.WARNING, f"{subject}: {text}", mend)
    else:
        text = f"{provider.service} judged the test picture {trial.verdict.risk_level} in {trial.milliseconds:.0f} ms"
        yield Finding(Soundness.OK, f"{subject}: {text}")
    if awaits_callback and trial.error is None:
        yield _read_own_callback(f'provider "{alias}", callback', trial, advice)


def _mend_of(error: Exception, advice: LiveAdvice) -> str:
    if isinstance(error, ProviderError) and error.retryable:
        return "That may pass: ask again later."
    # What was not taken, or not allowed although uploads are, may be a name that the service does not know; of all else
    # the message itself tells enough.
    is_unclear = isinstance(error, ProviderProtocolError | ProviderAuthError) and advice.not_judged
    return advice.not_judged if is_unclear else "Do what the message says."


def _read_own_callback(subject: str, trial: JudgementTrial, advice: LiveAdvice) -> Finding:
    if trial.is_called_back:
        proof = f": {advice.called_back}" if advice.called_back else ""
        return Finding(Soundness.OK, f"{subject}: the provider's own came and is authentic{proof}")
    if trial.verdict is None:
        return Finding(
            Soundness.WARNING, f"{subject}: the provider's own was not waited for any longer", "Ask again later."
        )
    text = f"the provider has judged the picture, and no authentic callback of its came in {trial.waited:.0f} s"
    mend = advice.not_called_back or "Can the provider reach the address? Does the site's log refuse a callback?"
    return Finding(Soundness.FAULT, f"{subject}: {text}", mend)
