"""
What our clients of Alibaba Cloud cost, beside the official SDKs: requests a second, import, memory.

requests
    One server on loopback, a process of its own, gives everyone the same answers and counts requests and connections.
    The clients take turns in one process and one thread, each over a connection that it keeps. Counted are requests
    a second by the clock, and requests a second of this process's CPU time, in which the server has no part. Of ours,
    all of ``submit`` is measured: it also reads the picture's header, and makes a verdict and a cleaned copy of the
    answer. The SDKs are asked for the level, and see no picture.
import and memory
    Everything in fresh processes, in turns: CPU time of the imports, CPU time up to the first answer, and resident
    memory after it. What does the same is compared: ours is both generations and their uploads; so are the two SDKs,
    each with what it uploads with. What each SDK alone costs, without uploads, is shown and has no limit.
    Measured twice. "In a site": Django with its own apps and Pillow, which any site that takes images has loaded, are
    there before the clock starts and count for nobody; memory is what is added to theirs. "Alone": nothing is there,
    whatever we import of Django counts as ours, and memory is that of the whole process. That is shown and has no
    limit, for no site runs that way.

They need the extra [sdks]. Exits with 1 where a figure is beyond its limit.

    python benchmarks/clients.py
"""

from __future__ import annotations

import argparse
import asyncio
import io
import json
import os
import platform
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple
from urllib.request import ProxyHandler, build_opener

# The least of the faster SDK's rate, and the most of their import and memory.
MIN_RATE, MAX_IMPORT, MAX_MEMORY = 1.0, 0.35, 0.55
AT_A_TIME = 50

REGION, SERVICE, SCENES = "cn-shanghai", "baselineCheck", ("porn", "terrorism", "ad")
DATA_ID = "0b8ab9d2-6b8e-4c4a-8f5a-0d4f5c0f6c11"
URL = "https://site.example/media/photos/2026/11/holiday.jpg"

_RESULTS = [
    {"scene": "porn", "label": "sexy", "suggestion": "review", "rate": 82.45},
    {"scene": "terrorism", "label": "normal", "suggestion": "pass", "rate": 99.93},
    {"scene": "ad", "label": "normal", "suggestion": "pass", "rate": 99.88},
]
_TASK = {"code": 200, "msg": "OK", "dataId": DATA_ID, "taskId": "img4hDosCHcrFk5jAMR80XWJN-1pZ@0p", "url": URL}
ANSWER_1 = {
    "code": 200,
    "msg": "OK",
    "requestId": "6CF2815C-C8C7-4A01-B52E-FF6E24F53492",
    "data": [{**_TASK, "extras": {}, "results": _RESULTS}],
}
_LABELS = [
    {"Label": "pornographic_adultContent", "Confidence": 81.3, "Description": "Adult content", "RiskLevel": "high"},
    {"Label": "sexual_partialNudity", "Confidence": 98.9, "Description": "Bare skin", "RiskLevel": "medium"},
]
ANSWER_2 = {
    "Code": 200,
    "Msg": "OK",
    "RequestId": "ABCD1234-1234-1234-1234-123456789ABC",
    "Data": {"DataId": DATA_ID, "RiskLevel": "high", "Result": _LABELS},
}

Ask = Callable[[], str]


def wire(answer: object) -> bytes:
    body = json.dumps(answer).encode()
    head = (
        "HTTP/1.1 200 OK\r\nDate: Sat, 21 Nov 2026 10:00:00 GMT\r\nContent-Type: application/json;charset=utf-8\r\n"
        f"Content-Length: {len(body)}\r\nConnection: keep-alive\r\nx-acs-request-id: {DATA_ID}\r\n\r\n"
    )
    return head.encode() + body


class Server(asyncio.Protocol):
    """One connection. It knows the generations by their paths, and nothing is looked at that costs time."""

    answers = wire(ANSWER_1), wire(ANSWER_2)
    connection_count = request_count = 0

    def connection_made(self, transport: Any) -> None:
        Server.connection_count += 1
        self.transport = transport
        self.received = b""

    def data_received(self, data: bytes) -> None:
        self.received += data
        head, end, body = self.received.partition(b"\r\n\r\n")
        length = head.lower().partition(b"\r\ncontent-length:")[2].partition(b"\r\n")[0]
        if not end or len(body) < int(length or 0):
            return
        self.received = b""
        if head.startswith(b"GET"):
            # The question itself is left out.
            Server.connection_count -= 1
            self.transport.write(wire([Server.connection_count, Server.request_count]))
            return
        Server.request_count += 1
        self.transport.write(self.answers[not head.startswith(b"POST /green/")])


async def serve() -> None:
    server = await asyncio.get_running_loop().create_server(Server, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


@contextmanager
def running_server() -> Iterator[str]:
    """Yield host and port of the server."""
    process = subprocess.Popen([sys.executable, __file__, "--serve"], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout
        yield f"127.0.0.1:{process.stdout.readline().strip()}"
    finally:
        process.terminate()
        process.wait()


def counts(address: str) -> tuple[int, int]:
    """Return how many connections and requests the server has had."""
    with build_opener(ProxyHandler({})).open(f"http://{address}/", timeout=10) as answer:
        connection_count, request_count = json.load(answer)
    return connection_count, request_count


def ours_2(address: str) -> Ask:
    return _ours("ImageModeration2Provider", address, service=SERVICE)


def ours_1(address: str) -> Ask:
    return _ours("GreenProvider", address, scenes=SCENES)


def _ours(name: str, address: str, **options: Any) -> Ask:
    from PIL import Image

    from django_imgmod.providers import alibaba
    from django_imgmod.results import ImageSource

    given = {"access_key_id": "id", "access_key_secret": "secret", "region": REGION, "endpoint": f"http://{address}"}
    provider = getattr(alibaba, name)("default", source="url", is_asynchronous=False, **given, **options)
    output = io.BytesIO()
    Image.new("RGB", (640, 480), "teal").save(output, "JPEG")
    source = ImageSource(data_id=DATA_ID, file_name="holiday.jpg", content=output.getvalue(), sha256="", url=URL)
    return lambda: provider.submit(source).verdict.risk_level


def sdk_2(address: str) -> Ask:
    from alibabacloud_green20220302.client import Client
    from alibabacloud_green20220302.models import ImageModerationRequest
    from alibabacloud_tea_openapi.models import Config

    client = Client(Config(access_key_id="id", access_key_secret="secret", endpoint=address, protocol="HTTP"))  # noqa: S106

    def ask() -> str:
        parameters = json.dumps({"imageUrl": URL, "dataId": DATA_ID})
        request = ImageModerationRequest(service=SERVICE, service_parameters=parameters)
        return client.image_moderation(request).body.data.risk_level

    return ask


def sdk_1(address: str) -> Ask:
    from aliyunsdkcore.client import AcsClient
    from aliyunsdkcore.profile import region_provider
    from aliyunsdkgreen.request.v20180509.ImageSyncScanRequest import ImageSyncScanRequest

    region_provider.modify_point("Green", REGION, address)
    client = AcsClient("id", "secret", REGION)

    def ask() -> str:
        request = ImageSyncScanRequest()
        request.set_accept_format("JSON")
        request.set_content(json.dumps({"scenes": SCENES, "tasks": [{"dataId": DATA_ID, "url": URL}]}).encode())
        answer = json.loads(client.do_action_with_exception(request))
        return answer["data"][0]["results"][0]["suggestion"]

    return ask


class Stack(NamedTuple):
    """What a site imports for a job, and what it then asks with."""

    modules: Sequence[str]
    clients: Sequence[Callable[[str], Ask]]


SDK_1 = Stack(["aliyunsdkcore.client", "aliyunsdkgreen.request.v20180509.ImageSyncScanRequest"], [sdk_1])
SDK_2 = Stack(["alibabacloud_green20220302.client", "alibabacloud_tea_openapi.models"], [sdk_2])
# Green's uploader imports oss2, and for 2.0 the documentation has it used by itself.
UPLOADER_1, UPLOADER_2 = "aliyunsdkgreenextension.request.extension.ClientUploader", "oss2"
OURS = "django-imgmod"
STACKS = {
    OURS: Stack(["django_imgmod.providers.alibaba"], [ours_1, ours_2]),
    "both SDKs with uploads": Stack([*SDK_1.modules, UPLOADER_1, *SDK_2.modules, UPLOADER_2], [sdk_1, sdk_2]),
    "SDK of 2.0 with uploads": Stack([*SDK_2.modules, UPLOADER_2], [sdk_2]),
    "SDK of 2.0 alone": SDK_2,
    "SDK of Green with uploads": Stack([*SDK_1.modules, UPLOADER_1], [sdk_1]),
    "SDK of Green alone": SDK_1,
}
LIMITED = ("both SDKs with uploads", "SDK of 2.0 with uploads")
CLIENTS = {
    "ImageModeration2Provider": ours_2,
    "GreenProvider": ours_1,
    f"alibabacloud-green20220302 {version('alibabacloud-green20220302')}": sdk_2,
    f"aliyun-python-sdk-green {version('aliyun-python-sdk-green')}": sdk_1,
}
OUR_CLIENTS = ("ImageModeration2Provider", "GreenProvider")


def configure(*, is_site: bool) -> None:
    """Configure Django; as a site, load it with its own apps, and Pillow."""
    from django.conf import settings

    settings.configure(
        INSTALLED_APPS=[
            f"django.contrib.{name}"
            for name in ("admin", "auth", "contenttypes", "sessions", "messages", "staticfiles")
        ],
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
    )
    if is_site:
        import django
        import PIL.Image  # noqa: F401 - for what it loads

        django.setup()


class Cost(NamedTuple):
    import_ms: float
    first_answer_ms: float
    megabytes: float


def load(name: str, address: str, *, is_site: bool) -> None:
    """Import a stack into this process, ask once with each of its clients, and print what that cost."""
    stack = STACKS[name]
    if is_site:
        configure(is_site=True)
    before = resident() if is_site else 0
    started_at = time.process_time()
    for module in stack.modules:
        import_module(module)
    imported_at = time.process_time()
    if not is_site and name == OURS:
        configure(is_site=False)
    for client in stack.clients:
        assert client(address)()
    answered_at = time.process_time()
    cost = Cost(1000 * (imported_at - started_at), 1000 * (answered_at - started_at), resident() - before)
    print(json.dumps(cost))


def resident() -> float:
    """Return the resident memory of this process in MB, as Linux says it."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS"))


def costs(address: str, rounds: int, *, is_site: bool) -> dict[str, list[Cost]]:
    """Load each stack in a process of its own, in turns; the first round only fills the caches."""
    found: dict[str, list[Cost]] = {name: [] for name in STACKS}
    # Installed packages come compiled. Where Python is told to keep nothing, a checkout would be compiled each time.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    for number in range(rounds + 1):
        for name in random.sample(list(STACKS), len(STACKS)):
            command = [sys.executable, "-W", "ignore", __file__, "--load", name, "--address", address]
            command += ["--site"] if is_site else []
            printed = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=environment).stdout
            if number:
                found[name].append(Cost(*json.loads(printed)))
    return found


def report_costs(found: Mapping[str, Sequence[Cost]], *, has_limits: bool) -> bool:
    """Print what each stack costs; return whether ours keeps its limits."""
    medians = {name: Cost(*map(statistics.median, zip(*turns, strict=True))) for name, turns in found.items()}
    are_kept = True
    for name, cost in medians.items():
        line = f"  {name:<26} {cost.import_ms:5.0f} ms  {cost.first_answer_ms:5.0f} ms  {cost.megabytes:5.1f} MB"
        if name != OURS:
            ratios = Cost(*(ours / theirs for ours, theirs in zip(medians[OURS], cost, strict=True)))
            line += f"   ours {ratios.import_ms:.2f}x, {ratios.first_answer_ms:.2f}x, {ratios.megabytes:.2f}x"
            if has_limits and name in LIMITED:
                line += f"  (import at most {MAX_IMPORT}, memory at most {MAX_MEMORY})"
                are_kept &= ratios.import_ms <= MAX_IMPORT and ratios.megabytes <= MAX_MEMORY
        print(line)
    return are_kept


class Rate(NamedTuple):
    """Requests a second."""

    by_clock: float
    of_cpu: float


def rates(asks: Mapping[str, Ask], rounds: int) -> dict[str, list[Rate]]:
    """Ask with each client in turn, in a new order each round."""
    found: dict[str, list[Rate]] = {name: [] for name in asks}
    for _ in range(rounds):
        for name in random.sample(list(asks), len(asks)):
            ask = asks[name]
            began, used = time.perf_counter(), time.process_time()
            for _ in range(AT_A_TIME):
                ask()
            rate = Rate(AT_A_TIME / (time.perf_counter() - began), AT_A_TIME / (time.process_time() - used))
            found[name].append(rate)
    return found


def measure_rates(address: str, rounds: int) -> tuple[dict[str, list[Rate]], dict[str, int]]:
    """Return the rates of all clients, and how many connections each has made for all its requests."""
    asks, connections = {}, {}
    for name, client in CLIENTS.items():
        connections_before, _ = counts(address)
        asks[name] = client(address)
        for _ in range(AT_A_TIME):
            assert asks[name]()
        connections[name] = counts(address)[0] - connections_before
    connections_before, requests_before = counts(address)
    found = rates(asks, rounds)
    connections_after, requests_after = counts(address)
    assert requests_after - requests_before == rounds * AT_A_TIME * len(CLIENTS)
    assert connections_after == connections_before, "A connection was not kept."
    return found, connections


def report_rates(found: Mapping[str, Sequence[Rate]], connections: Mapping[str, int]) -> bool:
    """Print the rates; return whether ours are at least those of the faster SDK, by either count."""
    medians = {name: Rate(*map(statistics.median, zip(*turns, strict=True))) for name, turns in found.items()}
    theirs = [name for name in CLIENTS if name not in OUR_CLIENTS]
    is_enough = True
    for name, rate in medians.items():
        line = f"  {name:<34} {rate.by_clock:>6,.0f} by the clock  {rate.of_cpu:>6,.0f} of CPU time"
        line += f"  {connections[name]} connection(s)"
        if name in OUR_CLIENTS:
            ratios = []
            for number in range(len(rate)):
                faster = max(theirs, key=lambda sdk: medians[sdk][number])
                turns = zip(found[name], found[faster], strict=True)
                ratios.append(statistics.median(mine[number] / its[number] for mine, its in turns))
            line += f"   {ratios[0]:.2f}x, {ratios[1]:.2f}x the faster SDK  (at least {MIN_RATE})"
            is_enough &= min(ratios) >= MIN_RATE and connections[name] == 1
        print(line)
    return is_enough


def processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "?")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.strip().splitlines()[0])
    parser.add_argument("--rounds", type=int, default=60, help=f"of {AT_A_TIME} requests each")
    parser.add_argument("--processes", type=int, default=9, help="fresh ones, of each kind")
    for internal in ("--serve", "--site"):
        parser.add_argument(internal, action="store_true", help=argparse.SUPPRESS)
    for internal in ("--load", "--address"):
        parser.add_argument(internal, help=argparse.SUPPRESS)
    options = parser.parse_args()
    os.environ["NO_PROXY"] = "127.0.0.1"
    if options.serve:
        asyncio.run(serve())
    elif options.load:
        load(options.load, options.address, is_site=options.site)
    else:
        return compare(options.rounds, options.processes)
    return 0


def compare(rounds: int, processes: int) -> int:
    print(f"{os.cpu_count()} x {processor()}, Python {platform.python_version()}")
    are_kept = True
    with running_server() as address:
        configure(is_site=False)
        print(f"requests a second, {rounds} rounds of {AT_A_TIME}:", flush=True)
        are_kept &= report_rates(*measure_rates(address, rounds))
        for is_site, words in ((True, "in a site: added to Django and Pillow"), (False, "alone: the whole process")):
            print(f"import, import and first answer (CPU time), memory; {words}:", flush=True)
            are_kept &= report_costs(costs(address, processes, is_site=is_site), has_limits=is_site)
    return 0 if are_kept else 1


if __name__ == "__main__":
    sys.exit(main())
