"""Change a graph as it is opened, so that it reads what is quickest to feed.

Look-ups of categories leave the graph, and whoever feeds it looks texts up in a dict: ONNX Runtime
copies each text into a tensor and hashes it there, which costs more than most models. A product at
the beginning reads columns as they lie in memory, so that nobody turns them into rows. The file
keeps its inputs of texts and rows, for those who run it otherwise.

A copy of this file lies in every export, so it needs numpy and nothing of onnx.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

if __package__:
    from rightfit.models.export_check import list_fields
else:  # run in an exported folder, which stands for itself
    from export_check import list_fields  # type: ignore[import-not-found,no-redef]

GRAPH, NODE, CONSTANT, INPUT = 7, 1, 5, 11  # numbers of fields in ONNX's messages (onnx.proto)
NODE_INPUT, NODE_OUTPUT, NODE_KIND, ATTRIBUTE = 1, 2, 4, 5
ATTRIBUTE_NAME, ATTRIBUTE_INT, ATTRIBUTE_INTS, ATTRIBUTE_TEXTS = 1, 3, 8, 9
INPUT_NAME, CONSTANT_NAME, CONSTANT_TYPE, CONSTANT_RAW = 1, 8, 2, 9
INT64 = 7
TURN = "transA"
NESTED = {"If", "Loop", "Scan"}  # operators whose own graphs read whatever is around them
LARGEST = 2**63  # from which on a whole number of protobuf stands for a negative one


@dataclass(frozen=True)
class Lookup:
    """An input of whole numbers, shape (n_rows,), each the sum of what a row's texts stand for.

    Args:
        name: Of the input.
        tables: By position of a column of texts: what each text stands for, and any other one.
    """

    name: str
    tables: Mapping[int, tuple[Mapping[str, int], int]]


@dataclass(frozen=True)
class FedGraph:
    """A graph that is quicker to feed.

    Args:
        content: An ONNX model.
        lookups: What it reads in the place of texts.
        turned: Its inputs of numbers whose shape is (n_columns, n_rows).
    """

    content: bytes
    lookups: tuple[Lookup, ...]
    turned: frozenset[str]


def change_inputs(content: bytes, texts: str, numbers: Sequence[str]) -> FedGraph | None:
    """Change what a graph reads where that is quicker to feed.

    Args:
        content: An ONNX model.
        texts: Its input of texts, shape (n_rows, n_columns); empty: it has none.
        numbers: Its inputs of floats, shape (n_rows, n_columns).

    Returns:
        ``None`` where nothing can be changed, as where anything but a look-up of categories reads
        the texts.
    """
    try:
        return _Graph(content, texts).change(numbers)
    except (IndexError, KeyError, ValueError):  # it is of another form
        return None


class _Node:
    """A node's operator, the names that it reads and makes, and its attributes."""

    def __init__(self, content: memoryview) -> None:
        fields = _collect(content)
        self.kind = _text(fields[NODE_KIND][0])
        self.inputs = [_text(name) for name in fields.get(NODE_INPUT, ())]
        self.outputs = [_text(name) for name in fields.get(NODE_OUTPUT, ())]
        self._attributes = fields.get(ATTRIBUTE, ())

    def read_settings(self) -> dict[str, Any]:
        """Return the attributes that are whole numbers or texts, or lists of them."""
        settings: dict[str, Any] = {}
        for attribute in self._attributes:
            fields = _collect(attribute)
            name = _text(fields[ATTRIBUTE_NAME][0])
            if ATTRIBUTE_TEXTS in fields:
                settings[name] = [_text(text) for text in fields[ATTRIBUTE_TEXTS]]
            elif ATTRIBUTE_INTS in fields:
                settings[name] = fields[ATTRIBUTE_INTS]
            elif ATTRIBUTE_INT in fields:
                settings[name] = fields[ATTRIBUTE_INT][0]
        return settings

    def read_table(self) -> tuple[dict[str, int], int]:
        """Return what a ``LabelEncoder`` makes of each text, and of any other."""
        settings = self.read_settings()
        if self.kind != "LabelEncoder":
            raise ValueError(self.kind)
        keys = settings.get("classes_strings") or settings["keys_strings"]
        values = settings.get("values_int64s") or range(len(keys))
        return dict(zip(keys, values, strict=True)), settings["default_int64"]


class _Graph:
    def __init__(self, content: bytes, texts: str) -> None:
        self.texts = texts
        self.outer = list(_read(memoryview(content)))
        [graph] = [value for field, _, value in self.outer if field == GRAPH]
        self.fields = list(_read(graph))
        self.nodes = [_Node(value) if field == NODE else None for field, _, value in self.fields]
        self.readers: dict[str, list[int]] = {}
        for place, node in enumerate(self.nodes):
            for name in node.inputs if node is not None else ():
                self.readers.setdefault(name, []).append(place)
        self.removed: set[int] = set()

    def change(self, numbers: Sequence[str]) -> FedGraph | None:
        lookups = tuple(self._find_lookups() if self.texts else ())
        products = dict(filter(None, map(self._find_product, numbers)))
        if not lookups and not products:
            return None
        parts: list[bytes | memoryview] = [_declare(one.name, INT64, [None]) for one in lookups]
        for place, (field, whole, value) in enumerate(self.fields):
            name = _text(_collect(value)[INPUT_NAME][0]) if field == INPUT else ""
            if place in self.removed or (lookups and name == self.texts):
                continue
            if name in products.values():
                kind, (_, width) = _read_declared(value)
                if width is None:
                    raise ValueError(name)
                parts.append(_declare(name, kind, [width, None]))
            elif place in products:
                parts.append(_write(NODE, bytes(value) + TURNED))
            else:
                parts.append(whole)
        graph = _write(GRAPH, b"".join(parts))
        content = b"".join([graph if field == GRAPH else whole for field, whole, _ in self.outer])
        return FedGraph(content, lookups, frozenset(products.values()))

    def _find_product(self, numbers: str) -> tuple[int, str] | None:
        """Return the place of the one node that reads numbers, where that multiplies their rows."""
        readers = self.readers.get(numbers, [])
        node = self.nodes[readers[0]] if len(readers) == 1 else None
        if node is None or node.kind != "Gemm" or node.inputs.index(numbers):
            return None
        is_nested = any(one is not None and one.kind in NESTED for one in self.nodes)
        return None if is_nested or TURN in node.read_settings() else (readers[0], numbers)

    def _find_lookups(self) -> Iterator[Lookup]:
        for place in self.readers[self.texts]:
            node = self._take(place)
            if node.kind != "Gather":
                yield self._read_sum(node, None)
                continue
            columns = self._read_constant(node.inputs[1])
            if node.read_settings()["axis"] != 1:
                raise ValueError("other rows, not columns")
            for reader in self.readers[node.outputs[0]]:
                encoder = self._take(reader)
                if columns.ndim:
                    yield self._read_sum(encoder, columns.tolist())
                else:
                    yield Lookup(encoder.outputs[0], {int(columns): encoder.read_table()})

    def _read_sum(self, encoder: _Node, columns: Sequence[int] | None) -> Lookup:
        """Read a look-up of several columns at once, whose results are added up."""
        table, other = encoder.read_table()
        shift = self._follow(encoder, "Add")
        pick = self._follow(shift, "Gather")
        total = self._follow(pick, "ReduceSum")
        starts = self._read_constant(shift.inputs[1]).reshape(-1).tolist()
        steps = self._read_constant(pick.inputs[0]).tolist()
        axes = self._read_constant(total.inputs[1]).tolist()
        settings = total.read_settings()
        if pick.read_settings().get("axis", 0) or axes != [1] or settings.get("keepdims", 1):
            raise ValueError("another sum")
        tables = {
            column: ({text: steps[start + at] for text, at in table.items()}, steps[start + other])
            for column, start in zip(columns or range(len(starts)), starts, strict=True)
        }
        return Lookup(total.outputs[0], tables)

    def _take(self, place: int) -> _Node:
        node = self.nodes[place]
        if node is None:
            raise KeyError(place)
        self.removed.add(place)
        return node

    def _follow(self, node: _Node, kind: str) -> _Node:
        """Take the only node that reads another one's output."""
        [place] = self.readers[node.outputs[0]]
        reader = self._take(place)
        if reader.kind != kind:
            raise ValueError(reader.kind)
        return reader

    def _read_constant(self, name: str) -> npt.NDArray[np.int64]:
        for field, _, value in self.fields:
            if field == CONSTANT:
                fields = _collect(value)
                if _text(fields[CONSTANT_NAME][0]) == name and fields[CONSTANT_TYPE] == [INT64]:
                    sizes = fields.get(1, [])
                    return np.frombuffer(fields[CONSTANT_RAW][0], "<i8").reshape(sizes)
        raise KeyError(name)


def _read(content: memoryview) -> Iterator[tuple[int, memoryview, Any]]:
    """Yield a message's fields: number, all of its bytes, and a whole number or the content."""
    for field, wire, head, start, stop in list_fields(content, 0, len(content)):
        value: Any = content[start:stop]
        if wire == 0:
            value = sum((byte & 0x7F) << 7 * i for i, byte in enumerate(value))
            value -= 2 * LARGEST if value >= LARGEST else 0
        yield field, content[head:stop], value


def _collect(content: memoryview) -> dict[int, list[Any]]:
    fields: dict[int, list[Any]] = {}
    for field, _, value in _read(content):
        fields.setdefault(field, []).append(value)
    return fields


def _text(content: memoryview) -> str:
    return bytes(content).decode()


def _read_declared(content: memoryview) -> tuple[int, list[int | None]]:
    """Return the kind of number and the sizes of an input, ``None`` for those that vary."""
    tensor = _collect(_collect(_collect(content)[2][0])[1][0])
    sizes = [_collect(size).get(1, [None])[0] for size in _collect(tensor[2][0])[1]]
    return tensor[1][0], sizes


def _declare(name: str, kind: int, sizes: Sequence[int | None]) -> bytes:
    """Write an input of a kind of number; a size that varies is that of rows."""
    written = [
        _write(1, _write(2, b"n_rows") if size is None else b"\x08" + _write_whole(size))
        for size in sizes
    ]
    tensor = bytes([1 << 3, kind]) + _write(2, b"".join(written))
    return _write(INPUT, _write(INPUT_NAME, name.encode()) + _write(2, _write(1, tensor)))


def _write_whole(number: int) -> bytes:
    content = bytearray()
    while number >= 0x80:
        content.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*content, number])


def _write(field: int, content: bytes) -> bytes:
    """Write a field that holds bytes, a text or a message."""
    return bytes([field << 3 | 2]) + _write_whole(len(content)) + content


# An attribute that is 1, whose kind is a whole number: a product that reads columns.
TURNED = _write(ATTRIBUTE, _write(ATTRIBUTE_NAME, TURN.encode()) + b"\x18\x01\xa0\x01\x02")
