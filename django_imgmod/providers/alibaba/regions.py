"""Where each generation is offered, and under which version. Tables, without I/O."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from . import codes
from .codes import Failure


@dataclass(frozen=True, kw_only=True, slots=True)
class Generation:
    """One of the two interfaces: its version, where it is offered, and what its numbers mean."""

    version: str

    hosts: Mapping[str, str]
    """By region."""

    vpc_hosts: Mapping[str, str] | None
    """By region; None where the interface is asked at its public hosts, and only uploads stay inside."""

    codes: Mapping[int, Failure]

    def hosts_for(self, *, is_inside: bool) -> Mapping[str, str]:
        """Return the hosts by region: those inside the provider's network, or the public ones."""
        return self.hosts if self.vpc_hosts is None or not is_inside else self.vpc_hosts


def _hosts(name: str, *regions: str) -> dict[str, str]:
    return {region: f"{name}.{region}.aliyuncs.com" for region in regions}


_MAINLAND: Final = ("cn-shanghai", "cn-beijing", "cn-shenzhen", "cn-hangzhou")

# Regions without a host of their own are served by another's, as the official SDK resolves them.
GREEN: Final = Generation(
    version="2018-05-09",
    hosts={
        **_hosts("green", "ap-southeast-1", "us-west-1", *_MAINLAND),
        **dict.fromkeys(
            (
                *("us-east-1", "eu-west-1", "eu-central-1", "me-east-1", "ap-south-1", "ap-northeast-1"),
                *("ap-southeast-2", "ap-southeast-3", "ap-southeast-5"),
            ),
            "green.ap-southeast-1.aliyuncs.com",
        ),
        **dict.fromkeys(
            (
                *("cn-hongkong", "cn-chengdu", "cn-qingdao", "cn-huhehaote", "cn-zhangjiakou", "cn-hangzhou-finance"),
                *("cn-shanghai-finance-1", "cn-shenzhen-finance-1", "cn-north-2-gov-1"),
            ),
            "green.aliyuncs.com",
        ),
    },
    vpc_hosts=None,
    codes=codes.GREEN,
)

# The asynchronous API is documented for ap-southeast-1 alone, the others for the synchronous one. Pages differ about a
# VPC host of eu-central-1.
MODERATION2: Final = Generation(
    version="2022-03-02",
    hosts=_hosts(
        "green-cip",
        *("ap-southeast-1", "us-east-1", "us-west-1", "eu-west-1", "eu-central-1", "cn-chengdu"),
        *_MAINLAND,
    ),
    vpc_hosts=_hosts("green-cip-vpc", "ap-southeast-1", "us-east-1", *_MAINLAND),
    codes=codes.MODERATION2,
)

_ENDPOINT: Final = re.compile(
    r"(?:(?P<scheme>https?)://)?(?P<host>\[[0-9a-f:.]+\]|[a-z0-9.-]+)(?::(?P<port>\d{1,5}))?/?"
)
SCHEMES: Final[Mapping[str, str]] = {"https": "443", "http": "80"}
"""With the port that each has by default."""


def parse_endpoint(given: str) -> str:
    """Return scheme, host and port of an endpoint as it may be configured; empty for one that cannot be."""
    match = _ENDPOINT.fullmatch(given.lower())
    if match is None or int(match["port"] or 1) not in range(1, 65536):
        return ""
    scheme = match["scheme"] or "https"
    # The default port is left out of the header Host, which is signed.
    port = "" if match["port"] in (None, SCHEMES[scheme]) else f":{match['port']}"
    return f"{scheme}://{match['host']}{port}"
