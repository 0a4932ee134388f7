"""What strangers wrote is text on every page: the same elements and attributes as with words that do no harm."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from html.parser import HTMLParser
from itertools import product
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import transaction
from django.test import Client

from django_imgmod.admin.review.export import harmless as cell_of
from django_imgmod.admin.review.forms import MAX_COMMENT
from django_imgmod.admin.review.statistics import MAX_LABELS
from django_imgmod.choices import Lane, Outcome, RiskLevel, Status
from django_imgmod.models import Appeal, Decision, DetectedLabel, ModerationRecord, ReviewPreference
from django_imgmod.models.records import LABEL_LENGTH
from django_imgmod.services.storable import storable
from tests.backdated import ago
from tests.hostapp.models import Photo
from tests.review.moderating import make_waiting

LIST = "/admin/django_imgmod/moderationrecord/"
DESK = f"{LIST}review/"
# There is nothing to be compared with others.
NO_FILE = {"perceptual_hash": "-"}
BY_SCRIPT = {"HTTP_X_IMGMOD_DESK": "parts"}

ATTACKS = (
    "<script>alert(1)</script>",
    "<script src=//evil.example></script>",
    "<img src=x onerror=alert(1)>",
    "<svg onload=alert(1)>",
    "<svg><script>alert(1)</script></svg>",
    "<a href='javascript:alert(1)'>",
    "javascript:alert(1)",
    "data:text/html,<script>alert(1)</script>",
    "<iframe srcdoc='<b>'>",
    "<style>*{display:none}</style>",
    "<link rel=stylesheet href=//evil.example>",
    "<base href=//evil.example>",
    "<form action=//evil.example><button>",
    "<input autofocus onfocus=alert(1)>",
    "<!-- a comment -->",
    "<![CDATA[<script>alert(1)</script>]]>",
    "<?php echo 1 ?>",
    "{{ request.user.password }}",
    "{% load static %}{% debug %}",
    "%(count)s %s {0} ${1}",
    "&lt;script&gt;&#60;script&#62;&amp;",
    "onmouseover=alert(1) style=color:red x=",
    "\u202egpj.<b>\u2066",
    "\u200b<b>\u200d\ufeff\u2028",
    "\0<b>\ud800\udfff",
    "=1+1<b>" + "long " * 60,
)
# How each tries to leave the place where it stands.
WAYS_OUT = (
    "{}",
    '"> {}',
    "'>{}",
    '" {} x="',
    "' {} x='",
    "--> {} <!--",
    "</textarea></title>{}",
    "</script></style></bdi></td></dd>{}",
)
# As intake stores them; the number keeps each one's beginning or end apart from all others.
PAYLOADS = [
    storable(f"{way.format(attack)} {number:03d}")
    for number, (attack, way) in enumerate(product(ATTACKS, WAYS_OUT), start=1)
]

pytestmark = pytest.mark.django_db


def fit(text: str, limit: int) -> str:
    """Return a text as short as a column wants it, its number included."""
    return text if len(text) <= limit else text[: limit - 4] + text[-4:]


def packed(texts: Sequence[str], limit: int) -> list[str]:
    """Put as many texts behind each other as a column takes."""
    rows = [""]
    for text in (fit(text, limit) for text in texts):
        rows[-1:] = [rows[-1] + text] if len(rows[-1]) + len(text) <= limit else [rows[-1], text]
    return rows


def harmless(text: str) -> str:
    """Return a text of the same shape in Chinese characters, with the same folders and numbers."""
    return re.sub(r"[^/0-9 ]", lambda found: chr(0x4E00 + ord(found[0]) % 0x5000), text)


class Skeleton(HTMLParser):
    """The elements of a page with the names of their attributes, and apart from them what it says."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[Any] = []
        self.values: list[tuple[str, str, str]] = []
        self._data: list[str] = []
        self.feed(page)
        self.close()
        self.text = "\n".join(["".join(self._data), *(value for _tag, _name, value in self.values)])
        """What is read, and what stands in attributes."""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, *(name for name, _value in attrs)))
        self.values += [(tag, name, value or "") for name, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        self.elements.append(f"/{tag}")

    def handle_data(self, data: str) -> None:
        self._data.append(data)

    def _handle_other(self, data: str) -> None:
        self.elements.append("<!")

    handle_comment = handle_decl = unknown_decl = handle_pi = _handle_other

    def inline(self) -> list[Any]:
        """Return what a strict Content-Security-Policy would refuse, and addresses that are none of a page."""
        found: list[Any] = [element for element in self.elements if element[0] == "script" and "src" not in element]
        found += [element for element in self.elements if element[0] in ("style", "iframe", "object", "base")]
        for tag, name, value in self.values:
            is_code = name.startswith("on") or name in ("style", "srcdoc")
            is_address = name in ("href", "src", "action", "formaction", "xlink:href")
            if is_code or (is_address and re.match(r"\s*(javascript|data|vbscript):|//", value, re.IGNORECASE)):
                found.append((tag, name, value))
        return found


@dataclass
class Tour:
    """Everything that a moderator can look at, once all that strangers can name is spelt as told."""

    spell: Callable[[str], str]
    client: Client
    pages: dict[str, Skeleton] = field(default_factory=dict)
    titles: dict[int, str] = field(default_factory=dict)
    """What the photos call themselves."""

    def texts(self, limit: int) -> list[str]:
        return [self.spell(text) for text in packed(PAYLOADS, limit)]

    def see(self, name: str, response: Any, told: Sequence[str] = (), *, status: int = 200) -> Skeleton:
        """Keep an answer under a name; it must say everything that is told."""
        assert response.status_code == status, name
        page = self.pages[name] = Skeleton(response.content.decode())
        missing = [text for text in told if text not in page.text]
        assert not missing, f"{name} does not say {missing[0]!r}"
        return page


def base_name(text: str) -> str:
    return text.rpartition("/")[2] or text


def make_labels(record: ModerationRecord, texts: Sequence[str], **columns: Any) -> None:
    DetectedLabel.objects.bulk_create(
        DetectedLabel(
            record=record, label=fit(text, LABEL_LENGTH), description=fit(text, 255), source=fit(text, 50), **columns
        )
        for text in texts
    )


def name_file(record: ModerationRecord, text: str) -> str:
    """Give a record the file name that ``make_waiting`` gives to none."""
    record.file_name = f"photos/{text}"
    ModerationRecord.objects.filter(pk=record.pk).update(file_name=record.file_name)
    return base_name(record.file_name)


def make_people(texts: Sequence[str]) -> list[User]:
    """Insert users whose names are as long as names may be."""
    User.objects.bulk_create([User(username=text, password="!") for text in texts])
    return list(User.objects.filter(username__in=texts).order_by("pk"))


def block(record: ModerationRecord, by: User, comment: str, outcome: Outcome = Outcome.BLOCK) -> Decision:
    return Decision.objects.create(
        record=record, outcome=outcome, decided_by=by, comment=comment, version=1, status_before=Status.IN_REVIEW
    )


def see_cards(tour: Tour) -> None:
    """Each card has one file, one uploader, one object and one appeal: so several strings stand in each."""
    texts = tour.texts(150)
    people = make_people(texts)
    photos = [Photo.objects.create(title="") for _ in texts]
    tour.titles.update({photo.pk: text for photo, text in zip(photos, texts, strict=True)})
    sent = []
    for number, (text, person, photo) in enumerate(zip(texts, people, photos, strict=True)):
        record = make_waiting(lane=Lane.APPEALED, object_id=str(photo.pk), uploaded_by=person, reason=text, **NO_FILE)
        name = name_file(record, text)
        decision = block(record, person, comment=text)
        Appeal.objects.create(record=record, decision=decision, text=text, appealed_by=person)
        make_labels(record, [text], confidence=60, frame_index=number % 2 or None)
        # One card at a time.
        ModerationRecord.objects.update(claimed_by=None, claimed_until=None)
        response = tour.client.post(
            f"{DESK}claim/", {"query": "lane=appealed", "public_id": record.public_id}, **BY_SCRIPT
        )
        page = tour.see(f"card {number}", response, [text, name, fit(text, LABEL_LENGTH), fit(text, 50)])
        # Uploader, object, appeal, first decision and who made it, description.
        assert page.text.count(text) >= 6, text
        sent.append(record)
    last = sent[-1]
    query = {"lane": "appealed", "card": str(last.public_id)}
    tour.see("desk with a card", tour.client.get(DESK, query), [texts[-1]])
    tour.see("desk with a picture", tour.client.get(DESK, {**query, "shown": "grey"}), [texts[-1]])
    names = [base_name(record.file_name) for record in sent]
    stale = {
        "query": "lane=appealed",
        "seen": " ".join(f"{record.public_id}:99" for record in sent),
        "outcome": "block",
    }
    tour.see("problems", tour.client.post(f"{DESK}decide/", stale, **BY_SCRIPT), names, status=409)
    tour.see("messages", tour.client.post(f"{DESK}decide/", stale, follow=True), names)


def see_decisions(tour: Tour) -> None:
    """What is decided one by one, with all strings in a few cards: notices, the last decisions, escalations, drafts."""
    names = []
    for number, text in enumerate(tour.texts(MAX_COMMENT)):
        record = make_waiting(reason=text, **NO_FILE)
        name = name_file(record, text)
        names.append(name)
        seen = {"seen": f"{record.public_id}:{record.version}", "comment": text}
        tour.client.post(f"{DESK}claim/", {"public_id": record.public_id})
        draft = {**seen, "outcome": "block", "reason_code": "unheard of"}
        tour.see(f"draft {number}", tour.client.post(f"{DESK}decide/", draft), [text, name], status=422)
        response = tour.client.post(f"{DESK}escalate/", seen, **BY_SCRIPT)
        tour.see(f"escalated {number}", response, [name])
        claim = {"query": "lane=escalated", "public_id": record.public_id}
        tour.see(f"card of the escalated {number}", tour.client.post(f"{DESK}claim/", claim, **BY_SCRIPT), [text, name])
        tour.see(f"taken back {number}", tour.client.post(f"{DESK}undo/", {}, **BY_SCRIPT), [text, name])
        record.refresh_from_db()
        sent = {"seen": f"{record.public_id}:{record.version}", "outcome": "pass"}
        response = tour.client.post(f"{DESK}decide/", sent, follow=True)
        tour.see(f"passed {number}", response, [name])
        malformed = {"seen": text, "outcome": text, "query": f"lane={text}"}
        tour.see(f"malformed {number}", tour.client.post(f"{DESK}decide/", malformed), status=400)
        address = {"lane": text, "label": text, "reason": text, "order": text, "model": text}
        tour.see(f"filter {number}", tour.client.get(DESK, address), [text], status=400)
        tour.see(f"search {number}", tour.client.get(LIST, {"q": text, "label": text}), [text])
    # The list of the last decisions has an end.
    tour.see("start", tour.client.get(DESK), names[-3:])


def see_many(tour: Tour) -> None:
    """The pages with many records each: the grid, the list, and one record with all that hangs on it."""
    texts = [tour.spell(text) for text in PAYLOADS]
    short = [tour.spell(fit(text, LABEL_LENGTH)) for text in PAYLOADS]
    records, names = [], []
    for text in texts:
        records.append(make_waiting(risk_level=RiskLevel.LOW, top_label="harbour", reason=text))
        names.append(name_file(records[-1], text))
    for record, text in zip(records, texts, strict=True):
        make_labels(record, [text])
    query, position, shown = "lane=first&risk_level=low", "", []
    while query:
        response = tour.client.get(f"{DESK}grid/?{query}")
        shown = [base_name(cell.record.file_name) for cell in response.context["cells"]]
        tour.see(f"grid {position}", response, [*shown])
        query, position = response.context["next_query"], position + "+"
    names_left = set(names)
    for number in range(1, len(records) // 50 + 2):
        response = tour.client.get(LIST, {"p": number, "pictures": "blurred"})
        listed = [record.file_name for record in response.context["cl"].result_list]
        names_left -= {base_name(name) for name in listed}
        tour.see(f"list {number}", response, listed)
    assert not names_left
    make_labels(records[0], texts[1:])
    people = make_people([tour.spell(fit(text, 150)) + "?" * (len(text) < 150) for text in PAYLOADS])
    for person, text in zip(people, texts, strict=True):
        block(records[0], person, text)
    ModerationRecord.objects.filter(pk=records[0].pk).update(raw={"words": texts}, error_message=" ".join(texts))
    Appeal.objects.create(record=records[0], text=" ".join(texts), appealed_by=people[0])
    told = [*texts, *short, *(person.username for person in people)]
    tour.see("record", tour.client.get(f"{LIST}{records[0].pk}/change/", {"pictures": "shown"}), told)


def see_numbers(tour: Tour) -> None:
    """The statistics by label, as many at a time as they show, and the table of decisions."""
    labels = [tour.spell(fit(text, LABEL_LENGTH)) for text in PAYLOADS]
    comments = [tour.spell(text) for text in PAYLOADS]
    people = make_people([tour.spell(fit(text, 150)) for text in PAYLOADS])
    for start in range(0, len(labels), MAX_LABELS):
        portion = slice(start, start + MAX_LABELS)
        Decision.objects.all().delete()
        for label, comment, person in zip(labels[portion], comments[portion], people[portion], strict=True):
            record = make_waiting(top_label=label, verdict_at=ago(hours=2))
            name_file(record, comment)
            ModerationRecord.objects.filter(pk=record.pk).update(status=Status.BLOCKED)
            block(record, person, comment)
        tour.see(f"statistics {start}", tour.client.get(f"{DESK}statistics/"), labels[portion])
        response = tour.client.get(f"{DESK}decisions.csv")
        assert response["Content-Type"] == "text/csv; charset=utf-8"
        assert response["X-Content-Type-Options"] == "nosniff"
        rows = list(csv.DictReader(io.StringIO(response.getvalue().decode().removeprefix("\ufeff"), newline="")))
        for column, texts in (("comment", comments), ("label", labels)):
            assert [row[column] for row in rows] == [cell_of(text) for text in texts[portion]]
        assert [row["decided_by"] for row in rows] == [cell_of(person.username) for person in people[portion]]


def see_grid_drafts(tour: Tour) -> None:
    """What was written into the grid's form and refused."""
    for number, text in enumerate(tour.texts(MAX_COMMENT)):
        record = make_waiting()
        sent = {"seen": f"{record.public_id}:0", "selected": [record.public_id], "selected_outcome": "block"}
        draft = {**sent, "comment": text, "reason_code": "unheard of"}
        tour.see(f"draft {number}", tour.client.post(f"{DESK}grid/", draft), [text], status=400)
        stale = {**sent, "seen": f"{record.public_id}:99", "rest_outcome": "pass"}
        name = name_file(record, text)
        tour.see(f"problem {number}", tour.client.post(f"{DESK}grid/", stale, follow=True), [name])
        malformed = {"query": f"lane={text}", "seen": text}
        tour.see(f"malformed {number}", tour.client.post(f"{DESK}grid/", malformed), status=400)


def go(see: Callable[[Tour], None], spell: Callable[[str], str], monkeypatch: pytest.MonkeyPatch) -> Tour:
    """Look at pages, and leave nothing behind."""
    with transaction.atomic():
        moderator = User.objects.create_superuser("moderator")
        ReviewPreference.objects.create(user=moderator, choices={"grid_size": 96})
        client = Client()
        client.force_login(moderator)
        tour = Tour(spell, client)
        monkeypatch.setattr(Photo, "__str__", lambda photo: tour.titles[photo.pk])
        see(tour)
        transaction.set_rollback(True)
    return tour


def test_there_are_many_strings():
    assert len(set(PAYLOADS)) >= 200
    assert len({harmless(text) for text in PAYLOADS}) == len(PAYLOADS)


@pytest.mark.parametrize("see", [see_cards, see_decisions, see_many, see_numbers, see_grid_drafts])
def test_words_of_strangers_are_nothing_but_words(see, monkeypatch):
    hostile, plain = (go(see, spell, monkeypatch).pages for spell in (str, harmless))
    assert hostile.keys() == plain.keys()
    for name, page in hostile.items():
        assert page.elements == plain[name].elements, name
        assert not page.inline(), name
