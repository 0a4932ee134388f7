"""Plain text tables."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

Style = Callable[[str], str]


@dataclass(frozen=True, slots=True)
class Column:
    """A heading, with the width of its cells; what is longer is cut."""

    heading: str
    width: int
    is_number: bool = False

    def fit(self, text: str) -> str:
        """Return the text in exactly the column's width."""
        if len(text) > self.width:
            text = f"{text[: self.width - 1]}…"
        return text.rjust(self.width) if self.is_number else text.ljust(self.width)


def line(columns: Sequence[Column], cells: Sequence[str], styles: Mapping[str, Style] | None = None) -> str:
    """Return one line of a table. ``styles`` colour cells by their column's heading and do not change the width."""
    styles = styles or {}
    padded = ((column.heading, column.fit(cell)) for column, cell in zip(columns, cells, strict=True))
    return "  ".join(styles[heading](cell) if heading in styles else cell for heading, cell in padded).rstrip()
