"""Credentials: where they are read from, and a value that does not show them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from ...exceptions import ImgmodConfigurationError

# As the official SDKs name them.
VARIABLES: Final[Mapping[str, str]] = {
    "access_key_id": "ALIBABA_CLOUD_ACCESS_KEY_ID",
    "access_key_secret": "ALIBABA_CLOUD_ACCESS_KEY_SECRET",
    "security_token": "ALIBABA_CLOUD_SECURITY_TOKEN",
}
_REQUIRED: Final = ("access_key_id", "access_key_secret")
_SHOWN: Final = 4


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class Credentials:
    """An access key, with the token that a temporary one has. Its repr shows the beginning of the id alone."""

    access_key_id: str
    access_key_secret: str
    security_token: str = ""

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.access_key_id[:_SHOWN]}…>"


def read_credentials(alias: str, options: Mapping[str, str]) -> Credentials:
    """
    Return the credentials that OPTIONS hold, or else the environment as it is now; never some of each.

    Raises ``ImgmodConfigurationError``, naming what is missing.
    """
    is_in_options = any(options.get(name) for name in VARIABLES)
    given = {
        # A value that was read from a file likes to end in a line break.
        name: (options.get(name, "") if is_in_options else os.environ.get(variable, "")).strip()
        for name, variable in VARIABLES.items()
    }
    if missing := [name for name in _REQUIRED if not given[name]]:
        names = [f'OPTIONS["{name}"]' if is_in_options else VARIABLES[name] for name in missing]
        where = "" if is_in_options else " in the environment, or OPTIONS in its place"
        raise ImgmodConfigurationError(f'Provider "{alias}" has no credentials: set {" and ".join(names)}{where}.')
    if strange := [name for name, value in given.items() if not (value.isascii() and value.isprintable())]:
        # They travel in headers.
        raise ImgmodConfigurationError(
            f'Provider "{alias}": {" and ".join(strange)} cannot be right, for other than ASCII characters are in it.'
        )
    return Credentials(**given)
