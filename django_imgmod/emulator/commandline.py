"""The emulator as a program: what it can be told, how it is started and ended."""

from __future__ import annotations

import argparse
import ipaddress
import re
import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from textwrap import dedent, indent
from types import FrameType
from typing import Any, Final

from .app import Emulator
from .faults import NAMES, Fault, FaultError, Faults, parse_fault
from .judging import Judge
from .sender import DELAY_SECONDS
from .server import serve

DESCRIPTION: Final = (
    "Speak both of Alibaba Cloud's image moderation protocols on this machine, for development and tests: no account, "
    "nothing sent to anybody. The official SDKs run against it as they are."
)

HOST: Final = "127.0.0.1"
PORT: Final = 8790
# Made up, as short as they may be, and no secret: they open nothing but this.
ACCESS_KEY_ID: Final = "emulatorAccessKeyId"
ACCESS_KEY_SECRET: Final = "emulatorAccessKeySecret"  # noqa: S105 - no secret
UID: Final = "1234567890123456"

_ADDRESS: Final = re.compile(r"(?:(?P<host>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+):)?(?P<port>\d{1,5})", re.ASCII)


class CannotListen(Exception):
    """The address cannot be had; says why and what to do."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the emulator can be told."""
    parser.add_argument(
        "address",
        nargs="?",
        type=_address,
        default=(HOST, PORT),
        metavar="ADDR:PORT",
        help=f"Where to listen (default: {HOST}:{PORT}). A port alone is one of {HOST}; port 0 takes a free one.",
    )
    _add_keys(parser.add_argument_group("whom it knows"))
    _add_behaviour(parser.add_argument_group("what it does"))
    _add_pace(parser.add_argument_group("how fast"))


def _add_keys(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--access-key-id",
        default=ACCESS_KEY_ID,
        metavar="ID",
        help="The only key that it accepts (default: %(default)s).",
    )
    group.add_argument(
        "--access-key-secret",
        default=ACCESS_KEY_SECRET,
        metavar="SECRET",
        help="Its secret (default: %(default)s). Never give a real one: others on this machine see it.",
    )
    group.add_argument("--security-token", default="", metavar="TOKEN", help="Makes the key a temporary one.")
    group.add_argument(
        "--uid", default=UID, help="The account's id, of which callbacks hold a digest (default: %(default)s)."
    )
    group.add_argument(
        "--service",
        action="append",
        default=[],
        dest="services",
        metavar="NAME",
        help="A service of 2.0 that the account has beside the documented ones; may be given several times.",
    )


def _add_behaviour(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--fault",
        type=_fault,
        action="append",
        default=[],
        dest="faults",
        metavar="FAULT",
        help="Do this wrong, NAME[=VALUE][@OPERATION][xTIMES], such as slow=2@ImageModerationx3; may be given several "
        f"times. The names: {', '.join(NAMES)}.",
    )
    group.add_argument(
        "--allow-host",
        action="append",
        default=[],
        dest="allowed_hosts",
        metavar="HOST",
        help="Also fetch pictures from this host, and call it back; may be given several times. Otherwise only this "
        "machine is connected to.",
    )
    group.add_argument(
        "--code-in-status",
        action="store_true",
        help="Answer with the service's code as the HTTP status too; sources differ (default: the status is 200).",
    )
    group.add_argument(
        "--no-engine", action="store_false", dest="has_engine", help="Recognise the canaries alone, which is fast."
    )


def _add_pace(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--per-second",
        type=_count(1),
        metavar="N",
        help="Refuse more requests than that in a second, for each operation (default: accept any number).",
    )
    group.add_argument(
        "--processing-answers",
        type=_count(0),
        default=1,
        metavar="N",
        help="How often a task that is asked for is said to be still worked on (default: %(default)s).",
    )
    group.add_argument(
        "--callback-delay",
        type=_seconds,
        default=DELAY_SECONDS,
        metavar="SECONDS",
        help="How long a callback waits before it is sent (default: %(default)s).",
    )


def run(options: Mapping[str, Any], write: Callable[[str], object]) -> None:
    """
    Serve until SIGINT or SIGTERM.

    ``options`` are what ``add_arguments`` makes of a command line; ``write`` is given each line of text. Raises
    ``CannotListen``.
    """
    host, port = options["address"]
    key_id, token = options["access_key_id"], options["security_token"]
    judge = Judge(has_engine=options["has_engine"])
    emulator = Emulator(
        {key_id: options["access_key_secret"]},
        {key_id: token} if token else None,
        options["uid"],
        services=options["services"],
        allowed_hosts=options["allowed_hosts"],
        faults=Faults(options["faults"]),
        judge=judge,
        per_second=options["per_second"],
        processing_answers=options["processing_answers"],
        is_code_in_status=options["code_in_status"],
        callback_delay=options["callback_delay"],
    )
    with emulator, _until_stopped() as stopped, ExitStack() as stack:
        try:
            address = stack.enter_context(serve(emulator, host, port))
        except OSError as error:
            raise CannotListen(
                f"Cannot listen at {host}, port {port}: {error.strerror or error}. Is another emulator running there? "
                f"Give another address, such as {HOST}:{PORT + 1}, or port 0 for any that is free."
            ) from error
        for text in _welcome(address, options, judge):
            write(text)
        stopped.wait()
    write("Stopped.")


@contextmanager
def _until_stopped() -> Iterator[threading.Event]:
    """Give an event that is set by the first signal to stop; a second one acts as it did before."""
    stopped = threading.Event()
    previous = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def stop(number: int, frame: FrameType | None) -> None:
        signal.signal(number, previous[signal.Signals(number)])
        stopped.set()

    for number in previous:
        signal.signal(number, stop)
    try:
        yield stopped
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def _welcome(address: str, options: Mapping[str, Any], judge: Judge) -> Iterator[str]:
    """Yield what whoever started it has to know."""
    yield f"Alibaba Cloud's image moderation, emulated at http://{address} (both generations, and the uploads)."
    yield f"It looks for {', '.join(judge.looks_for)}. Whatever else is in a picture, it says that nothing was found."
    if options["has_engine"] and not judge.has_engine:
        yield 'For more than the canaries: pip install "django-imgmod[local]"'
    if not _is_loopback(options["address"][0]):
        yield "WARNING: other machines can reach it, and its keys are no secret."
    for fault in options["faults"]:
        yield f"It does wrong: {_in_words(fault)}."
    yield "\nA site is pointed at it by its environment"
    yield indent("\n".join(_environment(options)), "    ")
    yield "and its settings (2.0; of Green, the BACKEND is django_imgmod.providers.alibaba.GreenProvider):"
    yield indent(
        dedent(
            f"""\
            IMGMOD = {{
                "PROVIDERS": {{
                    "default": {{
                        "BACKEND": "django_imgmod.providers.alibaba.ImageModeration2Provider",
                        "OPTIONS": {{"endpoint": "http://{address}", "uid": "{options["uid"]}"}},
                    }},
                }},
                "CALLBACK_BASE_URL": "http://127.0.0.1:8000",  # where the site is; None to ask for results instead
            }}"""
        ),
        "    ",
    )
    yield "\nCtrl-C ends it, and what it was told is forgotten."


def _environment(options: Mapping[str, Any]) -> Iterator[str]:
    # What was given on the command line is known there, and does not have to be shown to who looks over a shoulder.
    is_own = options["access_key_secret"] != ACCESS_KEY_SECRET
    yield f"ALIBABA_CLOUD_ACCESS_KEY_ID={options['access_key_id']}"
    yield f"ALIBABA_CLOUD_ACCESS_KEY_SECRET={'(as given)' if is_own else ACCESS_KEY_SECRET}"
    if options["security_token"]:
        yield "ALIBABA_CLOUD_SECURITY_TOKEN=(as given)"


def _in_words(fault: Fault) -> str:
    value = f"={fault.value}" if fault.value else ""
    where = f" at {fault.operation}" if fault.operation else ""
    often = "" if fault.times is None else f", {fault.times} times"
    return f"{fault.name}{value}{where}{often}"


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _address(text: str) -> tuple[str, int]:
    match = _ADDRESS.fullmatch(text)
    if match is None or int(match["port"]) > 65_535:
        raise argparse.ArgumentTypeError(f"{text!r} is no address. Give {HOST}:{PORT}, [::1]:{PORT} or {PORT}.")
    return (match["host"] or HOST).strip("[]"), int(match["port"])


def _fault(text: str) -> Fault:
    try:
        return parse_fault(text)
    except FaultError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _count(least: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        if not (text.isascii() and text.isdigit() and int(text) >= least):
            raise argparse.ArgumentTypeError(f"{text!r} is no whole number from {least} on")
        return int(text)

    return parse


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1
    if not 0 <= seconds <= 86_400:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds from 0 to 86400")
    return seconds
