"""The OPTIONS that the providers of both generations share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Final
from urllib.parse import urlsplit

from ...exceptions import ImgmodConfigurationError
from .checksums import check_crypt_type
from .credentials import VARIABLES
from .regions import SCHEMES, Generation, parse_endpoint

DEFAULT_REGION: Final = "ap-southeast-1"


@dataclass(frozen=True, kw_only=True, slots=True)
class AlibabaOptions:
    """What OPTIONS say. Raises ``ImgmodConfigurationError``, naming the one that is wrong and no secret."""

    alias: str
    access_key_id: str = field(default="", repr=False)
    access_key_secret: str = field(default="", repr=False)
    security_token: str = field(default="", repr=False)
    region: str = DEFAULT_REGION
    vpc: bool = False
    endpoint: str = ""
    uid: str = ""
    crypt_type: str = "SHA256"
    is_asynchronous: bool = True
    source: str = "upload"
    base_url: str = ""
    bucket: str = ""
    bucket_region: str = ""
    key_prefix: str = ""

    def __post_init__(self) -> None:
        for option in fields(self):
            value = getattr(self, option.name)
            is_switch = option.name in _SWITCHES
            if not isinstance(value, bool if is_switch else str):
                words = "True or False" if is_switch else "text"
                raise self._wrong(option.name, f"must be {words}, not {type(value).__name__}")
        # It is copied from a web page, and signs nothing with a line break behind it.
        object.__setattr__(self, "uid", self.uid.strip())
        for name, choices in _CHOICES.items():
            if getattr(self, name) not in choices:
                raise self._wrong(name, f"must be one of {', '.join(choices)}, not {getattr(self, name)!r}")
        try:
            check_crypt_type(self.crypt_type)
        except ImgmodConfigurationError as error:
            raise ImgmodConfigurationError(f'Provider "{self.alias}", OPTIONS: {error}') from None
        for name, source in _SOURCES.items():
            if getattr(self, name) and self.source != source:
                raise self._wrong(name, f'is for "source": "{source}", which is "{self.source}" here')
        for name in ("bucket", "bucket_region"):
            if self.source == "oss" and not getattr(self, name):
                raise self._wrong(name, 'is needed with "source": "oss"')
        if self.base_url and not is_absolute(self.base_url):
            raise self._wrong("base_url", f'must be like "https://site.example", not {self.base_url!r}')

    @property
    def credentials(self) -> Mapping[str, str]:
        """Those that OPTIONS hold, empty ones too."""
        return {name: getattr(self, name) for name in VARIABLES}

    def address_of(self, generation: Generation) -> str:
        """Return scheme, host and port of a generation's interface, with no slash at its end."""
        if self.endpoint:
            if address := parse_endpoint(self.endpoint):
                return address
            raise self._wrong("endpoint", 'must be like "host", "host:8080" or "http://host:8080"')
        hosts = generation.hosts_for(is_inside=self.vpc)
        if self.region in hosts:
            return parse_endpoint(hosts[self.region])
        what = "host inside the provider's network" if self.vpc else "host"
        raise self._wrong(
            "region",
            f"is {self.region!r}, for which no {what} is known. "
            f'Use one of {", ".join(sorted(hosts))}, or set "endpoint"',
        )

    def _wrong(self, name: str, words: str) -> ImgmodConfigurationError:
        return ImgmodConfigurationError(f'Provider "{self.alias}": OPTIONS["{name}"] {words}.')


OPTION_NAMES: Final = frozenset(option.name for option in fields(AlibabaOptions)) - {"alias"}

_SWITCHES: Final = frozenset({"vpc", "is_asynchronous"})
_CHOICES: Final[Mapping[str, tuple[str, ...]]] = {
    "crypt_type": ("SHA256", "SM3"),
    "source": ("upload", "url", "oss"),
}
# Which source each of these belongs to.
_SOURCES: Final[Mapping[str, str]] = {
    "base_url": "url",
    "bucket": "oss",
    "bucket_region": "oss",
    "key_prefix": "oss",
}


def is_absolute(url: str) -> bool:
    """Say whether a URL names its scheme, HTTP or HTTPS, and its host."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.scheme in SCHEMES and bool(parts.netloc)
