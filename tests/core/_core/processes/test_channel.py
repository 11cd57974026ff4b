from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from rightfit._core.processes.channel import Channel, name_kinds, wait_for


@dataclass(frozen=True)
class Said:
    """A record."""

    text: str


KINDS = name_kinds(Said)


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours, theirs


@pytest.fixture
def channels(ends: tuple[socket.socket, socket.socket]) -> tuple[Channel, Channel]:
    ours, theirs = ends
    return Channel(ours, KINDS, takes_descriptors=True), Channel(theirs, KINDS)


@pytest.fixture
def other(ends: tuple[socket.socket, socket.socket]) -> socket.socket:
    """The other end of the first channel, which may send anything."""
    return ends[1]


def test_records_arrive_one_by_one_until_the_end(channels: tuple[Channel, Channel]) -> None:
    ours, theirs = channels
    theirs.send(Said("é"))
    theirs.send(Said("b"))
    theirs.close()

    assert [ours.receive(1.0) for _ in range(3)] == [Said("é"), Said("b"), None]


def test_half_a_record_before_the_end_is_none(
    channels: tuple[Channel, Channel], other: socket.socket
) -> None:
    other.sendall(b'{"Said": ')
    other.close()

    assert channels[0].receive(1.0) is None


def test_half_a_record_is_not_waited_for_beyond_the_limit(
    channels: tuple[Channel, Channel], other: socket.socket
) -> None:
    other.sendall(b'{"Said": ')

    with pytest.raises(TimeoutError, match=r"no answer within 0\.05 s"):
        channels[0].receive(0.05)


def test_endless_line_is_refused(ends: tuple[socket.socket, socket.socket]) -> None:
    channel, other = Channel(ends[0], KINDS, max_bytes=10), ends[1]
    other.sendall(b"x" * 20)

    with pytest.raises(ValueError, match="more than 10 bytes without an end of line"):
        channel.receive(1.0)


@pytest.mark.parametrize(
    "line",
    [
        b"[]\n",
        b"1\n",
        b"{}\n",
        b'{"Unknown": {}}\n',
        b'{"Said": 1}\n',
        b'{"Said": {}}\n',
        b"\xff\n",
    ],
)
def test_garbage_is_refused(
    line: bytes, channels: tuple[Channel, Channel], other: socket.socket
) -> None:
    other.sendall(line)

    with pytest.raises(ValueError, match=r"Said|unpack|decode"):
        channels[0].receive(1.0)


def test_what_waits_is_seen_but_the_end_is_nothing(channels: tuple[Channel, Channel]) -> None:
    ours, theirs = channels
    before = ours.has_more()
    theirs.send(Said("a"))
    while_waiting = ours.has_more()
    received = ours.receive(1.0)
    theirs.close()

    assert (before, while_waiting, received, ours.has_more()) == (False, True, Said("a"), False)


def test_descriptor_arrives_with_its_record(channels: tuple[Channel, Channel]) -> None:
    ours, theirs = channels
    reading, writing = os.pipe()
    theirs.send(Said("first"))
    theirs.send(Said("second"), descriptor=writing)
    os.close(writing)

    received = [ours.receive(1.0), ours.receive(1.0)]
    arrived = ours.receive_descriptor()
    os.write(arrived, b"through it")
    through_it = os.read(reading, 20)
    for descriptor in (arrived, reading):
        os.close(descriptor)

    assert received == [Said("first"), Said("second")]
    assert through_it == b"through it"


def test_waiting_tells_who_has_said_something(channels: tuple[Channel, Channel]) -> None:
    ours, theirs = channels
    theirs.send(Said("a"))

    assert wait_for([theirs, ours]) == [ours]
