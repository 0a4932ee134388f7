"""What waits: to be listed, claimed, and decided about many at once; and to be taken back."""

from __future__ import annotations

from typing import Any

from django.db.models import Q
from django.http import Http404
from django.utils.translation import gettext as _
from rest_framework.exceptions import NotFound, PermissionDenied
from rest_framework.request import Request
from rest_framework.response import Response

from ...choices import Outcome
from ...exceptions import ReviewRefused
from ...services.review.acting import Batch
from ...services.review.batches import decide_batch, last_decisions, undo_batch
from ...services.review.cards import claim_card, claim_named
from ...services.review.claims import is_free, release
from ...services.review.lanes import Refusal, may_review
from ...services.review.queue import Position, QueueFilter, waiting
from ..access import MayReview
from ..pagination import InQueueOrder
from ..parameters import ClaimParameters, QueueParameters
from ..problems import Conflict
from ..requests import ClaimRequestSerializer, DecideManySerializer, NothingSerializer, ReleaseSerializer
from ..serializers import (
    BatchSerializer,
    DoneBatchesSerializer,
    ReceiptSerializer,
    UndoneSerializer,
)
from ..strict import read_uuid
from .base import ApiView, ListView, database, first_lane
from .records import card_data, record_or_404


class QueueView(ListView):
    """What waits for whoever asks, in the order of the queue, without what others hold."""

    permission_classes = (MayReview,)
    pagination_class = InQueueOrder

    def get(self, request: Request) -> Response:
        parameters = self.read_parameters(QueueParameters)
        records = waiting(queue_for(request.user, parameters), user=request.user, using=database())
        return self.page(records.filter(is_free() | Q(claimed_by=request.user.pk)), parameters)


class ClaimView(ApiView):
    """A card of one's own for as long as ``CLAIM_SECONDS``: the next one, or the one that is named."""

    permission_classes = (MayReview,)
    throttle_scope = "decide"

    def post(self, request: Request) -> Response:
        wanted = queue_for(request.user, self.read_parameters(ClaimParameters))
        given = self.read(ClaimRequestSerializer)
        if "public_id" in given:
            card = claim_named(request.user, given["public_id"], using=database())
            if card is None:
                raise Conflict(_("That picture is not to be had: somebody else holds it, or it was decided about."))
        else:
            after = Position.of(record_or_404(str(given["after"]))) if "after" in given else None
            card = claim_card(request.user, wanted, after=after, using=database())
        return Response({"card": card and card_data(card, user=request.user)})


class ReleaseView(ApiView):
    """Claims that are given back undecided."""

    permission_classes = (MayReview,)
    throttle_scope = "decide"

    def post(self, request: Request) -> Response:
        count = release(request.user, self.read(ReleaseSerializer).get("public_ids"), using=database())
        return Response({"released_count": count})


class DecideManyView(ApiView):
    """One decision about many records, each as it was seen."""

    permission_classes = (MayReview,)
    throttle_scope = "decide"

    def post(self, request: Request) -> Response:
        given = self.read(DecideManySerializer)
        reason = {"reason_code": given.get("reason_code", ""), "comment": given["comment"]}
        batch = decide_batch(request.user, given["records"], Outcome(given["outcome"]), using=database(), **reason)
        return Response(BatchSerializer(require_any(batch)).data)


class BatchListView(ApiView):
    """What one decided last."""

    permission_classes = (MayReview,)

    def get(self, request: Request) -> Response:
        self.read_parameters(NothingSerializer)
        return Response(DoneBatchesSerializer({"results": last_decisions(request.user, using=database())}).data)


class UndoView(ApiView):
    """The taking back of what one decided, by its batch."""

    permission_classes = (MayReview,)
    throttle_scope = "decide"

    def post(self, request: Request, batch: str) -> Response:
        self.read(NothingSerializer)
        batch_id = read_uuid(batch)
        if batch_id is None:
            raise Http404
        try:
            undone = undo_batch(request.user, batch_id, using=database())
        except ReviewRefused as refused:
            # There is no such batch, or none of it is theirs.
            raise NotFound(str(refused)) from None
        return Response(UndoneSerializer(require_any(undone)).data)


def queue_for(user: Any, parameters: ClaimParameters) -> QueueFilter:
    """Return what is asked for, in the first queue that is open to a user. Raises ``PermissionDenied``."""
    wanted = parameters.queue(lane=first_lane(user))
    if not may_review(user, wanted.lane):
        raise PermissionDenied(str(Refusal.PERMISSION.label), code=Refusal.PERMISSION.value)
    return wanted


def require_any(batch: Batch) -> Batch:
    """Return a batch. Raises ``Conflict`` that says why, where nothing of it was done."""
    if not batch.decided_count:
        told = ReceiptSerializer(batch.receipts, many=True).data
        raise Conflict(_("Nothing was done; “receipts” says why."), receipts=told)
    return batch
