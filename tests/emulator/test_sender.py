from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from django_imgmod.emulator.faults import parse_fault
from django_imgmod.emulator.sender import CallbackSender
from django_imgmod.exceptions import ImgmodConfigurationError

from .listening import LIMIT, Listener, listening

UID = "1234567890123456"
SEED = "seed_Abc123"
CONTENT = '{"dataId":"数据-1", "x": "a&b=c+d %20"}'
VECTORS = sorted((Path(__file__).parents[1] / "vectors").glob("derived-callback-*.json"))


@pytest.fixture
def listener() -> Iterator[Listener]:
    with listening() as listener:
        yield listener


@pytest.fixture
def sender() -> Iterator[CallbackSender]:
    sender = CallbackSender(UID, delay=0, pause=0)
    yield sender
    sender.close()


@pytest.fixture
def send(sender: CallbackSender, listener: Listener) -> Callable[..., None]:
    """Return a function that sends a callback to the listener."""

    def send(content: str = CONTENT, *, fault: str = "", crypt_type: str = "SHA256", req_id: str = "") -> None:
        sender.send(
            f"{listener.url}/callbacks/?src=green",
            content,
            seed=SEED,
            crypt_type=crypt_type,
            req_id=req_id,
            fault=parse_fault(fault) if fault else None,
        )

    return send


def digest(content: str = CONTENT, algorithm: str = "sha256") -> str:
    return hashlib.new(algorithm, (UID + SEED + content).encode()).hexdigest()


def quiet(sender: CallbackSender, listener: Listener) -> bool:
    """Whether all has been sent, and nothing is there that was not looked at."""
    return sender.wait(LIMIT) and listener.is_quiet


def test_fields_of_green(send, listener):
    send()
    arrival = listener.next()
    assert (arrival.method, arrival.path) == ("POST", "/callbacks/?src=green")
    assert arrival.form == {"checksum": digest(), "content": CONTENT}


def test_fields_of_2_0(send, listener):
    send(req_id="A07B3DB9")
    assert listener.next().form == {"ReqId": "A07B3DB9", "Checksum": digest(), "Content": CONTENT}


def test_sm3(send, listener):
    send(crypt_type="SM3")
    assert listener.next().form["checksum"] == digest(algorithm="sm3")


@pytest.mark.parametrize("path", VECTORS, ids=lambda path: path.stem)
def test_documented_examples(path, listener):
    vector: dict[str, Any] = json.loads(path.read_text())
    sender = CallbackSender(vector["uid"], delay=0)
    sender.send(listener.url, vector["content"], seed=vector["seed"], crypt_type=vector["cryptType"])
    assert listener.next().form == vector["form_fields"]
    sender.close()


def test_there_are_examples():
    assert len(VECTORS) == 2


def test_unknown_checksum_is_an_error_at_once(send):
    with pytest.raises(ImgmodConfigurationError, match="MD5"):
        send(crypt_type="MD5")


@pytest.mark.parametrize("statuses", [[500], [400, 302], [204, 500]])
def test_anything_but_200_is_tried_again(send, sender, listener, statuses):
    for status in statuses:
        listener.answer(status)
    send()
    bodies = [listener.next().body for _ in range(len(statuses) + 1)]
    assert len(set(bodies)) == 1
    assert quiet(sender, listener)


def test_three_tries_and_no_more(send, sender, listener):
    for _ in range(5):
        listener.answer(500)
    send()
    assert [listener.next().form["content"] for _ in range(3)] == [CONTENT] * 3
    assert quiet(sender, listener)


def test_failures_are_logged_without_the_url(sender, caplog):
    sender.send("http://127.0.0.1:1/callbacks/?token=secret", CONTENT, seed=SEED, crypt_type="SHA256")
    assert sender.wait(LIMIT)
    assert caplog.text.count("emulator=callback_failed") == 3
    assert "127.0.0.1:1" in caplog.text
    assert "secret" not in caplog.text


def test_only_this_machine_is_called(sender, caplog):
    sender.send("http://10.0.0.1/", CONTENT, seed=SEED, crypt_type="SHA256")
    assert sender.wait(LIMIT)
    assert "--allow-host" in caplog.text


def test_what_cannot_be_sent_stops_nothing(send, sender, listener, caplog):
    send("half a surrogate pair: \ud83d")
    send()
    assert listener.next().form["content"] == CONTENT
    assert sender.wait(LIMIT)
    assert "UnicodeEncodeError" in caplog.text


def test_callbacks_come_in_the_order_of_the_answers(send, listener):
    for number in range(20):
        send(str(number))
    assert [listener.next().form["content"] for _ in range(20)] == [str(number) for number in range(20)]


def test_delay_goes_before_each(listener):
    sender = CallbackSender(UID, delay=3600)
    sender.send(listener.url, CONTENT, seed=SEED, crypt_type="SHA256")
    assert not sender.wait(0)
    sender.close()
    assert listener.is_quiet


def test_late(send, sender, listener):
    send("late", fault="callback-late=3600")
    send("prompt")
    assert listener.next().form["content"] == "prompt"
    assert not sender.wait(0.05)
    assert listener.is_quiet


def test_late_comes_in_the_end(send, sender, listener):
    send("late", fault="callback-late=0.1")
    send("prompt")
    assert [listener.next().form["content"] for _ in range(2)] == ["prompt", "late"]


def test_twice(send, sender, listener):
    send(fault="callback-twice")
    first, second = listener.next(), listener.next()
    assert first.body == second.body
    assert quiet(sender, listener)


def test_twice_after_a_failure_is_twice_delivered(send, sender, listener):
    listener.answer(500)
    send(fault="callback-twice")
    assert len({listener.next().body for _ in range(3)}) == 1
    assert quiet(sender, listener)


def test_never(send, sender, listener):
    send("never", fault="callback-never")
    send("ever")
    assert listener.next().form["content"] == "ever"
    assert quiet(sender, listener)


def test_wrong_checksum(send, listener):
    send(fault="callback-wrong-checksum")
    form = listener.next().form
    assert form["content"] == CONTENT
    assert form["checksum"] != digest()
    assert len(form["checksum"]) == 64
    assert int(form["checksum"], 16)


def test_swapped(send, sender, listener):
    send("first", fault="callback-swapped")
    assert quiet(sender, listener)
    send("second")
    send("third")
    assert [listener.next().form["content"] for _ in range(3)] == ["second", "first", "third"]


def test_nothing_is_sent_after_the_end(send, sender, listener):
    sender.close()
    send()
    assert quiet(sender, listener)


def test_its_thread_ends(send, sender, listener):
    send()
    listener.next()
    sender.close()
    assert not [thread for thread in threading.enumerate() if thread is sender._thread]
