"""What the browser tells the review desk. None of it is trusted: what cannot be meant is refused in words."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Final

from django import forms
from django.conf import settings
from django.core.exceptions import ValidationError
from django.forms.utils import flatatt
from django.http import QueryDict
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.timezone import is_aware
from django.utils.translation import gettext_lazy as _

from ...choices import Lane, Outcome, RiskLevel
from ...conf import imgmod_settings
from ...models.records import LABEL_LENGTH
from ...registry import all_watched_fields
from ...reviewing import MAX_CODE_LENGTH
from ...services.review.batches import Seen
from ...services.review.queue import Position, QueueFilter

MAX_SEEN: Final = 500
# Of all cards that a window holds.
MAX_IDS: Final = 2000
# Of all pictures of a page, in every size.
MAX_LINKS: Final = 1000
MAX_NUMBER: Final = 1_000_000
MAX_VERSION: Final = 2**31 - 1
MAX_KEY: Final = 2**63 - 1
MAX_COMMENT: Final = 2000
# Uploads that were skipped: as many as an address has room for.
MAX_SKIPPED: Final = 250
_KEY: Final = "[0-9]{1,19}"
_CARD: Final = rf"{_KEY}(?:\.{_KEY})*"
_SKIPPED: Final = re.compile(rf"{_CARD}(?:-{_CARD})*")

# How a picture is shown without a script.
SHOWN: Final = ("grey", "colour")

ANY: Final = ("", _("Any"))
WAITING_CHOICES: Final = (
    ANY,
    ("1", _("1 hour")),
    ("4", _("4 hours")),
    ("24", _("1 day")),
    ("72", _("3 days")),
    ("168", _("1 week")),
)
ORDER_CHOICES: Final = (("risk", _("Risk, then age")), ("oldest", _("Oldest first")), ("newest", _("Newest first")))


class Malformed(ValueError):
    """A request that no page of the desk makes; its words are for whoever made it."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a moderator is: what the desk's address says."""

    filter: QueueFilter
    chosen: tuple[tuple[str, str], ...] = ()
    """The filter, as the address spells it."""

    skipped: tuple[tuple[int, ...], ...] = ()
    """The keys of what was skipped, a card each, the oldest first: it is left out."""

    after: Position | None = None
    """What was skipped so long ago that it is not among these any more: the queue goes on behind it."""

    number: int = 1
    """The how manieth card this is."""

    back: uuid.UUID | None = None
    """The record that was skipped last."""

    card: uuid.UUID | None = None
    """The record to show before others that the moderator holds."""

    @property
    def skipped_keys(self) -> list[int]:
        return [key for card in self.skipped for key in card]

    @property
    def has_skipped(self) -> bool:
        return bool(self.skipped) or self.after is not None

    def skipping(self, card: tuple[int, ...]) -> tuple[Place, tuple[int, ...]]:
        """Return the place once a card was skipped too, and the card for which there is no room any more."""
        skipped = [*(other for other in self.skipped if other != card), card]
        dropped: tuple[int, ...] = ()
        while sum(map(len, skipped)) > MAX_SKIPPED:
            dropped = skipped.pop(0)
        return replace(self, skipped=tuple(skipped)), dropped

    def stepping_back(self) -> Place:
        """Return the place where a card is answered anew: what is on the desk comes after it."""
        return replace(self, number=max(self.number - 1, 1))

    @property
    def is_filtered(self) -> bool:
        return any(name != "order" for name, _value in self.chosen)

    def query(self, **changes: Any) -> str:
        """Return the place as part of an address, with other values for some of it; None leaves one out."""
        query = QueryDict(mutable=True)
        query["lane"] = str(self.filter.lane)
        query.update(dict(self.chosen))
        after = self.after and self.after.encode()
        number = self.number if self.number > 1 else None
        skipped = "-".join(".".join(map(str, card)) for card in self.skipped)
        own = {"number": number, "skipped": skipped, "after": after, "back": self.back, "card": self.card}
        for name, value in {**own, **changes}.items():
            if value:
                query[name] = str(value)
        return query.urlencode()

    @property
    def again(self) -> str:
        """The place at the queue's beginning, with nothing skipped."""
        return self.query(skipped=None, after=None, card=None)


class PositionField(forms.CharField):
    """A position in the queue."""

    def clean(self, value: Any) -> Position | None:
        text = super().clean(value)
        if not text:
            return None
        try:
            position = Position.decode(text)
        except (OverflowError, ValueError):
            position = None
        if position is None or not (0 <= position.rank < len(RiskLevel) and 0 <= position.id <= MAX_KEY):
            raise ValidationError(_("This is no position in the queue."))
        if is_aware(position.created_at) != settings.USE_TZ:
            raise ValidationError(_("This is no position in the queue."))
        return position


class KeysField(forms.CharField):
    """The keys of records with dots between; with hyphens between those of several cards."""

    def clean(self, value: Any) -> tuple[tuple[int, ...], ...]:
        text = super().clean(value)
        if not text:
            return ()
        if not _SKIPPED.fullmatch(text):
            raise ValidationError(_("These are no keys of records."))
        cards = tuple(tuple(map(int, card.split("."))) for card in text.split("-"))
        if sum(map(len, cards)) > MAX_SKIPPED:
            raise ValidationError(_("These are too many records."))
        if max(map(max, cards)) > MAX_KEY:
            raise ValidationError(_("These are no keys of records."))
        return cards


class PlainSelect(forms.Select):
    """A choice without groups. Django's own draws a template for each option, which took a tenth of a page's time."""

    def render(self, name: str, value: Any, attrs: Any = None, renderer: Any = None) -> SafeString:
        widget = self.get_context(name, value, attrs)["widget"]
        options = format_html_join(
            "",
            "<option{}>{}</option>",
            (
                (flatatt({"value": option["value"], "selected": option["selected"]}), option["label"])
                for _group, alternatives, _index in widget["optgroups"]
                for option in alternatives
            ),
        )
        return format_html("<select{}>{}</select>", flatatt({"name": widget["name"], **widget["attrs"]}), options)


class PlaceForm(forms.Form):
    """The desk's address: which queue, which part of it, in which order, how far one is."""

    lane = forms.ChoiceField(choices=Lane.choices, required=False, widget=forms.HiddenInput)
    risk_level = forms.ChoiceField(
        label=_("Risk level"), choices=(ANY, *RiskLevel.choices), required=False, widget=PlainSelect
    )
    label = forms.CharField(label=_("Label"), max_length=LABEL_LENGTH, required=False)
    model = forms.ChoiceField(label=_("Model"), required=False, widget=PlainSelect)
    provider = forms.ChoiceField(label=_("Provider"), required=False, widget=PlainSelect)
    waiting = forms.ChoiceField(
        label=_("Waiting longer than"), choices=WAITING_CHOICES, required=False, widget=PlainSelect
    )
    reason = forms.CharField(label=_("Words of the reason"), max_length=200, required=False)
    order = forms.ChoiceField(label=_("Order"), choices=ORDER_CHOICES, required=False, widget=PlainSelect)

    # What the desk itself adds.
    skipped = KeysField(max_length=MAX_SKIPPED * 20, required=False)
    after = PositionField(max_length=100, required=False)
    number = forms.IntegerField(min_value=1, max_value=MAX_NUMBER, required=False)
    back = forms.UUIDField(required=False)
    card = forms.UUIDField(required=False)

    FILTERS: Final = ("risk_level", "label", "model", "provider", "waiting", "reason", "order")

    def __init__(self, data: Any) -> None:
        super().__init__(data, auto_id="imgmod-filter-%s")
        models = {watched.model._meta.label: watched.model._meta.verbose_name for watched in all_watched_fields()}
        self.fields["model"].choices = [ANY, *sorted(models.items())]  # type: ignore[attr-defined]
        self.fields["provider"].choices = [ANY, *((alias, alias) for alias in imgmod_settings.providers)]  # type: ignore[attr-defined]

    @property
    def filter_fields(self) -> list[forms.BoundField]:
        return [self[name] for name in self.FILTERS]

    def place(self, *, lane: Lane) -> Place:
        """Return what the address says, in ``lane`` if it names none. Raises ``Malformed`` for what cannot be."""
        if not self.is_valid():
            raise Malformed(told(self))
        given = self.cleaned_data
        hours = given["waiting"]
        chosen = {name: given[name] for name in self.FILTERS if given[name]}
        return Place(
            filter=QueueFilter(
                lane=Lane(given["lane"] or lane),
                model=given["model"],
                label=given["label"],
                risk_level=given["risk_level"],
                provider=given["provider"],
                waiting_longer_than=timedelta(hours=int(hours)) if hours else None,
                reason=given["reason"],
                order=given["order"] or "risk",
            ),
            chosen=tuple(chosen.items()),
            skipped=given["skipped"],
            after=given["after"],
            number=given["number"] or 1,
            back=given["back"],
            card=given["card"],
        )


class SeenField(forms.CharField):
    """``<public id>:<version>`` of every record that was decided about, with spaces between."""

    def clean(self, value: Any) -> list[Seen]:
        words = super().clean(value).split()
        if len(words) > MAX_SEEN:
            raise ValidationError(_("These are too many records."))
        return [self._read(word) for word in words]

    def _read(self, word: str) -> Seen:
        public_id, _colon, version = word.partition(":")
        try:
            seen = Seen(uuid.UUID(public_id), int(version))
        except ValueError:
            raise ValidationError(_("A record is named by its public id and its version.")) from None
        if not 0 <= seen.version <= MAX_VERSION:
            raise ValidationError(_("This is no version of a record."))
        return seen


class IdsField(forms.CharField):
    """Public ids, with spaces between."""

    def clean(self, value: Any) -> list[uuid.UUID]:
        words = super().clean(value).split()
        if len(words) > MAX_IDS:
            raise ValidationError(_("These are too many records."))
        try:
            return [uuid.UUID(word) for word in words]
        except ValueError:
            raise ValidationError(_("This is no public id of a record.")) from None


class TokensField(forms.CharField):
    """The ends of the addresses of pictures, with spaces between. What they stand for is read elsewhere."""

    def clean(self, value: Any) -> list[str]:
        words: list[str] = super().clean(value).split()
        if len(words) > MAX_LINKS:
            raise ValidationError(_("These are too many pictures."))
        return words


class AnswerForm(forms.Form):
    """What a card is answered with."""

    seen = SeenField()
    reason_code = forms.CharField(max_length=MAX_CODE_LENGTH, required=False)
    comment = forms.CharField(max_length=MAX_COMMENT, required=False)


class DecisionForm(AnswerForm):
    outcome = forms.ChoiceField(choices=[(outcome, outcome.label) for outcome in (Outcome.PASS, Outcome.BLOCK)])


class SkipForm(forms.Form):
    """What is skipped: the records of one card, and their keys."""

    seen = SeenField()
    keys = KeysField(max_length=MAX_SKIPPED * 20)


class ClaimForm(forms.Form):
    """Which card, if a certain one; ``held`` are the records that lie on the desk already."""

    public_id = forms.UUIDField(required=False)
    held = IdsField(required=False)


class UndoForm(forms.Form):
    """Which batch; the last one where none is named."""

    batch = forms.UUIDField(required=False)


class ClaimsForm(forms.Form):
    ids = IdsField(required=False)


class LinksForm(forms.Form):
    links = TokensField()


class RevealForm(forms.Form):
    """How many pictures were revealed; by hand, without a script, one, which, and in which way."""

    count = forms.IntegerField(min_value=1, max_value=1000, required=False)
    shown = forms.ChoiceField(choices=[(shown, shown) for shown in SHOWN], required=False)
    public_id = forms.UUIDField(required=False)


def told(form: forms.Form) -> str:
    """Return what is wrong with a form, in one line."""
    return " ".join(_lines(form.errors.items()))


def _lines(errors: Iterable[tuple[str, Any]]) -> Iterable[str]:
    for name, messages in errors:
        for message in messages:
            yield f"{name}: {message}"
