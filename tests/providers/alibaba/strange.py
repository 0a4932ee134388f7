"""Answers that are not as they should be: any JSON in place of any part."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

from hypothesis import strategies as st

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from(["pass", "PASS", "block", "none", "None", "low", "high", "normal", "nonLabel", "[]", "200"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=12,
)

GONE = object()


def _paths(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield from _paths(item, (*path, key))


def _replaced(value: Any, path: tuple[Any, ...], other: Any) -> Any:
    if not path:
        return {} if other is GONE else other
    changed = copy.deepcopy(value)
    inner = changed
    for key in path[:-1]:
        inner = inner[key]
    if other is GONE:
        del inner[path[-1]]
    else:
        inner[path[-1]] = other
    return changed


@st.composite
def variations(draw: st.DrawFn, *wholes: Any) -> Any:
    """One of the values with up to three parts replaced by anything, or taken out."""
    value = draw(st.sampled_from(wholes))
    for _ in range(draw(st.integers(0, 3))):
        path = draw(st.sampled_from(list(_paths(value))))
        value = _replaced(value, path, draw(st.just(GONE) | json_values))
    return value


def all_under(value: Any, name: str) -> Iterator[Any]:
    """Everything that stands under a name, in any case and any depth."""
    if isinstance(value, dict):
        for key, item in value.items():
            if key.lower() == name:
                yield item
            yield from all_under(item, name)
    elif isinstance(value, list):
        for item in value:
            yield from all_under(item, name)


def nested(depth: int) -> Any:
    value: Any = "bottom"
    for _ in range(depth):
        value = [value]
    return value
