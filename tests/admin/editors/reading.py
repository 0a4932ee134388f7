"""What is to be read on a page of the admin."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.test.html import Element, parse_html


@dataclass(frozen=True, slots=True)
class Seen:
    """A panel, as its user meets it."""

    label: str
    told: str
    """What is read out when it changes."""

    text: str
    url: str
    is_settled: bool
    links: dict[str, str]
    pictures: list[str]


def panels(response: Any) -> list[Seen]:
    return [_seen(element) for element in elements(response) if "data-imgmod-panel" in dict(element.attributes)]


def panel(response: Any) -> Seen:
    (one,) = panels(response)
    return one


def elements(response: Any) -> Iterator[Element]:
    """Yield the elements of a page, which has to be well-formed."""
    assert response.status_code == 200
    parsed = parse_html(response.content.decode())
    # A page has several at its top, its doctype among them; a panel is one.
    if parsed.name:
        yield parsed
    yield from below(parsed)


def text_of(element: Any) -> str:
    """Return the words within an element, without the characters that keep directions apart."""
    words = "".join(f" {child} " if isinstance(child, str) else f" {text_of(child)} " for child in element.children)
    return " ".join(words.replace("\u2068", "").replace("\u2069", "").split()).replace(" :", ":")


def messages_of(response: Any) -> list[tuple[str, str]]:
    """Return the level and the words of each message that is told."""
    found = []
    for message in response.context["messages"]:
        found.append((message.level_tag, str(message).replace("\u2068", "").replace("\u2069", "")))
    return found


def below(element: Any) -> Iterator[Element]:
    for child in element.children:
        if not isinstance(child, str):
            yield child
            yield from below(child)


def _seen(element: Element) -> Seen:
    attributes = dict(element.attributes)
    inside = [(inner, dict(inner.attributes)) for inner in below(element)]
    (told,) = [inner for inner, given in inside if given.get("role") == "status"]
    return Seen(
        label=attributes["aria-label"],
        told=text_of(told),
        text=text_of(element),
        url=attributes["data-imgmod-panel"],
        is_settled="data-imgmod-settled" in attributes,
        links={text_of(inner): given["href"] for inner, given in inside if inner.name == "a"},
        pictures=[given["src"] for inner, given in inside if inner.name == "img"],
    )
