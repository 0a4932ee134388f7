"""
Judging an upload that is not saved yet, for forms that refuse.

What comes of it is kept in Django's cache, so that neither the next validation nor the record that is opened afterwards
costs another call. Nothing here settles anything: an upload that is not refused is judged by its record.
"""

from __future__ import annotations

import hashlib
import logging
import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Final

from django.core.cache import cache
from django.db import DatabaseError, router

from ..choices import Outcome, RiskLevel
from ..conf import imgmod_settings
from ..decoding import read_facts
from ..exceptions import ImgmodConfigurationError, ProviderError
from ..models import ModerationRecord
from ..policy import Policy
from ..providers import providers
from ..providers.base import BaseProvider
from ..redaction import in_words
from ..registry import WatchedField
from ..results import ImageSource, Submission, Verdict
from . import gate
from .provider_states import NotAdmitted
from .reuse import decisions_about, judged_by
from .verdicts import bounded, verdict_of

logger = logging.getLogger("django_imgmod")

# In seconds. Somebody waits for the form.
PATIENCE: Final = 2.0
KEPT_FOR: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Upload:
    """The bytes of an upload."""

    file_name: str
    content: bytes

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.content).hexdigest()


def is_refusable(watched: WatchedField, upload: Upload) -> bool:
    """
    Return whether an upload is of high risk, and blocked by its field's policy.

    False where nobody can say: the provider is down, busy, or does not take such a file. False as well where a person
    passed the same bytes, and where the policy only watches; then nobody is asked. At most one call of the provider,
    and none for bytes that are known.

    Raises ``ImgmodConfigurationError`` where the provider does not answer at once.
    """
    policy = imgmod_settings.policy(watched.policy)
    provider = providers[watched.provider]
    _require_answers(provider, watched)
    if policy.is_shadow or len(upload.content) > provider.max_bytes:
        return False
    sha256 = upload.sha256
    known = ModerationRecord.objects.using(_database(watched)).filter(sha256=sha256)
    if _was_passed_by_person(known, policy):
        return False
    verdict = _verdict_among(known, provider) or _ask(provider, watched, upload, sha256)
    return verdict is not None and _is_grave(verdict, policy)


def recall(provider: BaseProvider, sha256: str) -> Submission | None:
    """Return what a provider answered to an upload of these bytes; None where it was not asked, or long ago."""
    kept = _kept_safely(lambda: cache.get(_key(provider, sha256)))
    # Whatever else lies there is not an answer.
    return kept if isinstance(kept, Submission) else None


def _is_grave(verdict: Verdict, policy: Policy) -> bool:
    return verdict.risk_level == RiskLevel.HIGH and policy.judge(verdict).outcome == Outcome.BLOCK


def _require_answers(provider: BaseProvider, watched: WatchedField) -> None:
    if provider.needs_stored_file or provider.wants_url:
        raise _unfit(provider, watched, 'is given stored files: set its OPTIONS["source"] to "upload"')
    if provider.is_asynchronous:
        raise _unfit(provider, watched, 'answers later: set its OPTIONS["is_asynchronous"] to False')


def _unfit(provider: BaseProvider, watched: WatchedField, why: str) -> ImgmodConfigurationError:
    return ImgmodConfigurationError(
        f'Uploads into {watched.label} cannot be refused by a form: provider "{provider.alias}" {why}, or name one '
        'that answers at once in IMGMOD["FIELDS"], or remove the validator.'
    )


def _ask(provider: BaseProvider, watched: WatchedField, upload: Upload, sha256: str) -> Verdict | None:
    submission = recall(provider, sha256)
    if submission is None:
        submission = _submit(provider, upload, sha256)
        if submission is None:
            return None
        if submission.verdict is None:
            raise _unfit(provider, watched, "does not answer at once: use another")
        submission = replace(submission, verdict=replace(submission.verdict, raw=bounded(submission.verdict.raw)))
        _kept_safely(lambda: cache.set(_key(provider, sha256), submission, KEPT_FOR.total_seconds()))
    return submission.verdict


def _submit(provider: BaseProvider, upload: Upload, sha256: str) -> Submission | None:
    """Return what a provider answers; None where it does not, which is for the record to find out and to keep."""
    source = ImageSource(
        data_id=str(uuid.uuid4()),
        file_name=upload.file_name,
        content=upload.content,
        sha256=sha256,
        facts=read_facts(upload.content),
    )
    try:
        with gate.calling(provider.alias, patience=PATIENCE):
            return provider.submit(source)
    except (DatabaseError, ImgmodConfigurationError):
        raise
    except (NotAdmitted, ProviderError) as error:
        logger.warning("upload=unjudged file=%r provider=%s message=%r", upload.file_name, provider.alias, str(error))
    except Exception as error:
        logger.exception("upload=unjudged file=%r provider=%s %s", upload.file_name, provider.alias, in_words(error))
    return None


def _was_passed_by_person(known: Any, policy: Policy) -> bool:
    """Whether the last that was decided about these bytes under this policy, and stands, was to show them."""
    decided = decisions_about(known, policy.name, known.db).order_by("-pk")
    return bool(decided.values_list("outcome", flat=True).first() == Outcome.PASS)


def _verdict_among(known: Any, provider: BaseProvider) -> Verdict | None:
    judged = judged_by(known, provider=provider.alias, service=provider.service)
    record = judged.order_by("-verdict_at").first()
    return None if record is None else verdict_of(record)


def _database(watched: WatchedField) -> str:
    return router.db_for_write(ModerationRecord, instance=watched.model())


def _key(provider: BaseProvider, sha256: str) -> str:
    """What a provider says depends on what judges there, and on nothing of the field."""
    judge = hashlib.sha256(f"{provider.alias}\n{provider.service}".encode()).hexdigest()[:16]
    return f"django_imgmod.prejudged:3:{judge}:{sha256}"


def _kept_safely(use: Callable[[], Any]) -> Any:
    """Without a cache everything works, and costs more."""
    try:
        return use()
    except Exception:
        logger.exception("cache=failed")
        return None
