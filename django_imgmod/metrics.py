"""
How the moderation stands, for Prometheus: a view of its own, or a collector for the registry that a site already has.

Labels are bounded by the settings: what waits for a provider that they do not name is told as ``other``.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse, HttpResponseForbidden
from django.utils.crypto import constant_time_compare
from django.utils.decorators import method_decorator
from django.views.decorators.cache import never_cache
from django.views.generic import View

from .exceptions import ImgmodConfigurationError
from .services.status import ProviderReport, Snapshot, read_status

OTHER: Final = "other"
CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
FORBIDDEN: Final = "You may not read this: MetricsView.as_view(token=...) was given no token, or may_read() says no.\n"

# Name, help, label or nothing, and the numbers by the label's value.
_TOTALS: Final[tuple[tuple[str, str, str, Callable[[Snapshot], Mapping[str, float]]], ...]] = (
    (
        "imgmod_records",
        "Records that are not settled.",
        "status",
        lambda snapshot: {status.value: tally.count for status, tally in snapshot.records.items()},
    ),
    (
        "imgmod_oldest_undecided_age_seconds",
        "How long the oldest record has been waiting for a verdict, 0 where none waits.",
        "",
        lambda snapshot: {"": snapshot.age(snapshot.oldest_undecided_at)},
    ),
    (
        "imgmod_oldest_in_review_age_seconds",
        "How old the oldest record is that waits for a person, 0 where none waits.",
        "",
        lambda snapshot: {"": snapshot.age(snapshot.oldest_in_review_at)},
    ),
    (
        "imgmod_feedback",
        "Decisions that are queued to be told back, and those that were refused.",
        "status",
        lambda snapshot: {status.value: tally.count for status, tally in snapshot.feedback.items()},
    ),
    (
        "imgmod_feedback_failing",
        "Queued decisions that were tried to be told back, and failed.",
        "",
        lambda snapshot: {"": snapshot.failing_feedback_count},
    ),
    (
        "imgmod_callbacks",
        "Callbacks that are not processed yet, or failed to be.",
        "outcome",
        lambda snapshot: {outcome.value: tally.count for outcome, tally in snapshot.callbacks.items()},
    ),
)

# Name, help, a provider's number or None, and how the numbers of several under one label become one.
_BY_PROVIDER: Final[tuple[tuple[str, str, Callable[[ProviderReport, Snapshot], float | None], Any], ...]] = (
    ("imgmod_due", "Records that nobody works on although it is time.", lambda p, _: p.workload.due_count, sum),
    ("imgmod_leased", "Records that somebody works on.", lambda p, _: p.workload.leased_count, sum),
    ("imgmod_circuit_open", "1 while the provider is left alone or tried out.", lambda p, _: not p.is_closed, max),
    (
        "imgmod_silence_seconds",
        "How long records have been waiting without any verdict being given, 0 where none waits.",
        lambda p, snapshot: p.workload.silence(snapshot.taken_at).total_seconds(),
        max,
    ),
    (
        "imgmod_no_verdict_alarm",
        "1 while that is longer than usual.",
        lambda p, snapshot: p.workload.is_silent(snapshot.taken_at),
        max,
    ),
    (
        "imgmod_last_verdict_timestamp_seconds",
        "When the provider gave its last verdict.",
        lambda p, _: p.workload.last_verdict_at.timestamp() if p.workload.last_verdict_at else None,
        max,
    ),
)


class ImgmodCollector:
    """
    Read the status at each scrape.

    For a site with a registry of its own: ``REGISTRY.register(ImgmodCollector())``. The number of statements depends
    on databases and providers alone; settled records are not counted. Raises ``ImgmodConfigurationError`` without
    prometheus-client, and what the databases raise.
    """

    def describe(self) -> list[Any]:
        """Name nothing beforehand: registering must not read the databases."""
        return []

    def collect(self) -> Iterator[Any]:
        """Yield the metrics, all of one moment."""
        family = _prometheus_client().core.GaugeMetricFamily
        snapshot = read_status(has_settled=False)
        for name, text, label, numbers_of in _TOTALS:
            yield _gauge(family, name, text, label, numbers_of(snapshot))
        for name, text, number_of, together in _BY_PROVIDER:
            found = defaultdict(list)
            for provider in snapshot.providers:
                number = number_of(provider, snapshot)
                if number is not None:
                    found[provider.alias if provider.is_configured else OTHER].append(number)
            yield _gauge(family, name, text, "provider", {alias: together(found[alias]) for alias in found})


def _gauge(family: Any, name: str, text: str, label: str, numbers: Mapping[str, float]) -> Any:
    metric = family(name, text, labels=[label] if label else [])
    for value, number in numbers.items():
        metric.add_metric([value] if label else [], float(number))
    return metric


def _prometheus_client() -> Any:
    try:
        import prometheus_client.core
    except ImportError as error:
        raise ImgmodConfigurationError(
            f"The metrics need the package prometheus-client, which cannot be imported ({error}). "
            'Install it with: pip install "django-imgmod[prometheus]"'
        ) from error
    return prometheus_client


# A scraper has no session to log in with; who may read is decided here.
@method_decorator([never_cache, login_not_required], name="dispatch")
class MetricsView(View):
    """
    Answer with the metrics in Prometheus' text format, to whoever brings the token.

    ``MetricsView.as_view(token=...)`` asks for the header ``Authorization: Bearer <token>``. Without a token nobody
    is let in, so that a forgotten variable opens nothing. Override ``may_read()`` to decide otherwise.
    """

    http_method_names = ["get", "head", "options"]
    token: str | None = None

    def may_read(self, request: HttpRequest) -> bool:
        """Return whether a request is to be answered."""
        scheme, _, given = request.headers.get("Authorization", "").partition(" ")
        if not self.token or scheme.lower() != "bearer":
            return False
        return constant_time_compare(given.strip(), self.token)

    def get(self, request: HttpRequest) -> HttpResponse:
        if self.may_read(request):
            client = _prometheus_client()
            registry = client.CollectorRegistry()
            registry.register(ImgmodCollector())
            return HttpResponse(client.generate_latest(registry), content_type=CONTENT_TYPE)
        if not self.token:
            return HttpResponseForbidden(FORBIDDEN, content_type="text/plain; charset=utf-8")
        return HttpResponse(status=401, headers={"WWW-Authenticate": "Bearer"})
