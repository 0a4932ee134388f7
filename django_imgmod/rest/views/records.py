"""The records: to be listed, read, and decided about one by one."""

from __future__ import annotations

from typing import Any, Final

from django.http import Http404
from rest_framework.exceptions import PermissionDenied
from rest_framework.request import Request
from rest_framework.response import Response

from ...choices import Outcome
from ...models import Decision, ModerationRecord
from ...services.review.acting import Batch, Seen
from ...services.review.batches import decide_batch
from ...services.review.cards import Card, card_of
from ...services.review.escalation import escalate
from ...services.review.lanes import may_decide
from ..access import MayReview
from ..pagination import NewestFirst
from ..parameters import RecordParameters
from ..problems import Conflict
from ..requests import DecideSerializer, EscalateSerializer, NothingSerializer
from ..serializers import CardSerializer, DecidedSerializer, RecordSerializer
from ..strict import read_uuid
from .base import ApiView, ListView, all_records, database, with_model

# Nobody reads more.
MAX_DECISIONS: Final = 100


class RecordListView(ListView):
    """All records, the newest first."""

    pagination_class = NewestFirst

    def get(self, request: Request) -> Response:
        parameters = self.read_parameters(RecordParameters)
        return self.page(parameters.narrow(all_records()).order_by("-pk"), parameters)


class RecordView(ApiView):
    """One record, with all that there is to know before deciding about it."""

    def get(self, request: Request, public_id: str) -> Response:
        self.read_parameters(NothingSerializer)
        record = record_or_404(public_id)
        return Response(card_data(card_of(record, user=request.user, similar=()), user=request.user))


class DecideView(ApiView):
    """A decision about one record, as it was seen."""

    permission_classes = (MayReview,)
    throttle_scope = "decide"

    def post(self, request: Request, public_id: str) -> Response:
        record, given = record_for(request.user, public_id), self.read(DecideSerializer)
        seen = [Seen(record.public_id, given["version"])]
        reason = {"reason_code": given.get("reason_code", ""), "comment": given["comment"]}
        batch = decide_batch(request.user, seen, Outcome(given["outcome"]), using=database(), **reason)
        return Response(decided_data(batch))


class EscalateView(ApiView):
    """A record that is handed on to the holders of a second permission."""

    permission_classes = (MayReview,)
    throttle_scope = "decide"

    def post(self, request: Request, public_id: str) -> Response:
        record, given = record_for(request.user, public_id), self.read(EscalateSerializer)
        seen = [Seen(record.public_id, given["version"])]
        return Response(decided_data(escalate(request.user, seen, comment=given["comment"], using=database())))


def record_or_404(public_id: str) -> ModerationRecord:
    named = read_uuid(public_id)
    record = with_model(all_records()).filter(public_id=named).first() if named else None
    if record is None:
        raise Http404
    return record


def record_for(user: Any, public_id: str) -> ModerationRecord:
    """Return a record that a user may decide about. Raises ``PermissionDenied`` that says why they may not."""
    record = record_or_404(public_id)
    if refusal := may_decide(user, record):
        raise PermissionDenied(str(refusal.label), code=refusal.value)
    return record


def decided_data(batch: Batch) -> Any:
    """Return what became of the one record of a batch. Raises ``Conflict`` with what it is now, where nothing did."""
    (receipt,) = batch.receipts
    record = with_model(all_records()).filter(public_id=receipt.public_id).first()
    if receipt.decision is None:
        # It may be gone altogether.
        raise Conflict(receipt.problem, **({"record": RecordSerializer(record).data} if record else {}))
    return DecidedSerializer({"batch": batch.id, "record": record}).data


def card_data(card: Card, *, user: Any) -> Any:
    """Return a card as it is told to a user."""
    record = card.record
    decisions = Decision.objects.using(database()).filter(record=record).select_related("decided_by")
    refusal = may_decide(user, record)
    told = {
        "record": record,
        "labels": card.labels,
        "uploader": card.uploader,
        "object_text": card.object_text,
        "appeal": card.appeal,
        "decisions": decisions.order_by("-pk")[:MAX_DECISIONS],
        "resembling": card.resembling,
        "refusal": str(refusal.label) if refusal else "",
        "members": card.members,
    }
    return CardSerializer(told).data
