"""A provider of one's own, in a few lines."""

from __future__ import annotations

from django.core.cache import cache

from django_imgmod.providers import providers
from django_imgmod.providers.base import BaseProvider
from django_imgmod.results import ImageSource, Submission, Verdict


class SlowProvider(BaseProvider):
    """
    Judge as the default provider does, but keep the answer until somebody asks for it.

    That is how a service in the cloud looks from here. OPTIONS: ``delay`` (seconds until it makes sense to ask). The
    answers lie in Django's cache, so that another process may fetch them.
    """

    def __init__(self, alias: str, *, delay: float = 60, **options: object) -> None:
        super().__init__(alias, **options)
        self.delay = delay

    @property
    def service(self) -> str:
        return f"later/{providers['default'].service}"

    def submit(self, source: ImageSource) -> Submission:
        reference = f"later-{source.data_id}"
        cache.set(reference, providers["default"].submit(source).verdict, timeout=None)
        return Submission(reference=reference, poll_after=self.delay)

    def fetch(self, reference: str) -> Verdict | None:
        verdict: Verdict | None = cache.get(reference)
        return verdict
