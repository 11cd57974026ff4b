"""Verbs with wrong arguments, and with tables, models and loads that are none."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import polars as pl
from onnx import TensorProto, helper

READ_LOAD = "read-load"  # no verb: how rightfit size --load reads its file
NO_NUMBERS = ("nan", "inf", "-inf", "-1", "1e999", "", "many", "0x10")
NO_PORTS = ("-1", "65536", "99999999999", "nan", "", "http")
NO_TABLES: dict[str, bytes] = {
    "empty.parquet": b"", "zeros.parquet": b"\0" * 999, "cut.parquet": b"PAR1\0\0\0PAR1",
    "empty.csv": b"", "header.csv": b"a,b\n", "binary.csv": bytes(range(256)),
    "ragged.csv": b"a,b\n1\n1,2,3\n", "texts.csv": b"a,b\nx,y\n",
    "utf16.csv": "a,b\n1,2".encode("utf-16"),
    "empty.npy": b"", "garbage.npy": b"\x93NUMPY\x01\0\xff\xffgarbage", "table.xlsx": b"PK",
    "noextension": b"a,b\n1,2\n",
}  # fmt: skip
CURVE = (
    '{"closed": [], "opened": [%s], "capacity_per_s": 1, "limit_ms": 5, "knee_per_s": 5, '
    '"highest_rate_per_s": %s}'
)
NO_LOADS = (
    "", "[]", "null", "5", '"text"', "{}", "[" * 100_000, '{"closed": 5}', '{"limit_ms": NaN}',
    CURVE % ("", '"9"'), CURVE % ("", "NaN"), CURVE % ("", "-5"), CURVE % ("5", "5"),
)  # fmt: skip


@dataclass(frozen=True)
class VerbCase:
    """A command that must be refused.

    Args:
        name: What is tried.
        arguments: Of ``rightfit``.
        told: Texts that its output must hold.
    """

    name: str
    arguments: Sequence[str]
    told: Sequence[str] = ("Error: ",)


def list_cases(place: Path) -> Iterator[VerbCase]:
    """List commands that must be refused.

    Args:
        place: An empty folder, for files that they name.
    """
    yield from _list_numbers(place)
    model = place / "good.onnx"
    write_model(model)
    for name, content in NO_TABLES.items():
        (place / name).write_bytes(content)
    for name, table in _make_tables().items():
        table.write_parquet(place / f"{name}.parquet")
    np.save(place / "scalar.npy", np.float32(3))
    np.save(place / "none.npy", np.zeros((0, 2)))
    np.save(place / "complex.npy", np.zeros((3, 2), dtype=complex))
    np.save(place / "record.npy", np.zeros(3, dtype=[("a", "f4"), ("b", "f4")]))
    np.save(place / "objects.npy", np.array([{}, {}]), allow_pickle=True)
    made = (path for path in sorted(place.iterdir()) if path != model and path.is_file())
    for path in (*made, place, place / "absent.csv", Path("/dev/null")):
        yield VerbCase(f"measure --rows {path.name}", ["measure", str(model), "--rows", str(path)])
    (place / "fits.csv").write_text("a,b\n1,2\n3,4\n", encoding="utf-8")
    for columns in ("", "a", "a,a", "a,b,a", ",", "a,", "A,B", "a, b", "*", "^.*$", "a;b"):
        given = ["--rows", str(place / "fits.csv"), "--columns", columns]
        yield VerbCase(f"measure --columns {columns}", ["measure", str(model), *given])
    for threads in ("0", "-1", "1.5", "²", "9" * 5_000, "4096", "All", "nan", ""):
        yield VerbCase(
            f"measure --threads {threads[:9]}", ["measure", str(model), "--threads", threads]
        )
    (place / "conf.zip").write_bytes(b"PK\3\4garbage")
    archive = ["which", "-a", "web_api", "--conf-source", str(place / "conf.zip")]
    yield VerbCase("which --conf-source garbage.zip", archive, told=["is not a zip file"])
    latin = os.fsdecode(os.fsencode(place) + b"/mod\xe8le.onnx")
    shutil.copy(model, latin)
    yield VerbCase("measure a name in Latin-1", ["measure", latin], told=["is not UTF-8"])
    (place / "no.json").write_text("{}", encoding="utf-8")
    for target in (place, place / "fits.csv" / "page.md", "/proc/page.md", f"/{'x' * 300}/p.md"):
        verdict = ["check", "--against", str(place / "no.json"), "--markdown", str(target)]
        yield VerbCase(f"check --markdown {str(target)[-20:]}", verdict, told=["--markdown"])
    yield from _list_models(place / "models")
    yield from _list_pipes(place / "pipes", model)
    for number, text in enumerate(NO_LOADS):
        (load := place / f"load-{number}.json").write_text(text, encoding="utf-8")
        yield VerbCase(f"read_load {text[:40]}", [READ_LOAD, str(load)], told=[load.name])


def _list_pipes(folder: Path, model: Path) -> Iterator[VerbCase]:
    """List pipes in place of files: nobody writes to them, so whoever reads them waits."""
    folder.mkdir()
    for name in ("rows.csv", "rows.npy", "load.json", "pack.json", "measured.json"):
        os.mkfifo(folder / name)
    commands = {
        "measure --rows pipe.csv": ["measure", str(model), "--rows", str(folder / "rows.csv")],
        "measure --rows pipe.npy": ["measure", str(model), "--rows", str(folder / "rows.npy")],
        "measure a pipe": ["measure", str(folder / "rows.csv")],
        "read_load pipe": [READ_LOAD, str(folder / "load.json")],
        "check --against pipe": ["check", "--against", str(folder / "load.json")],
        "remote measure of a pipe": ["remote", "measure", str(folder), str(folder / "out")],
        "remote import of a pipe": ["remote", "import", "--name", "board", str(folder)],
    }
    for name, arguments in commands.items():
        yield VerbCase(name, arguments, told=["only regular files are read"])


def _list_numbers(place: Path) -> Iterator[VerbCase]:
    options = {
        "--max-body-mib": ["serve", str(place)], "--limit-ms": ["load-test", str(place)],
        "--seconds": ["load-test", str(place)], "--memory-mib": ["load-test", str(place)],
        "--margin-pct": ["check", "--against", "b.json"],
        "--rate": ["size", "-a", "web_api", "-d", "landsat"],
        "--headroom-pct": ["size", "-a", "web_api", "-d", "landsat", "--rate", "1"],
        "--at-least": ["init", "--dry-run"],
    }  # fmt: skip
    for option, command in options.items():
        for number in NO_NUMBERS:
            if (option, number) == ("--at-least", "-1"):
                continue
            yield VerbCase(f"{option} {number}", [*command, option, number], told=[option])
    for command in ("serve", "run-server"):
        for port in NO_PORTS:
            folder = [str(place)] if command == "serve" else []
            yield VerbCase(
                f"{command} --port {port}", [command, *folder, "--port", port], told=["--port"]
            )


def _make_tables() -> dict[str, pl.DataFrame]:
    numbers = [1.0, 2.0]
    return {
        "no columns": pl.DataFrame(),
        "no rows": pl.DataFrame({"a": [], "b": []}, schema={"a": pl.Float64, "b": pl.Float64}),
        "one column": pl.DataFrame({"a": numbers}),
        "lists": pl.DataFrame({"a": [[1], [2]], "b": numbers}),
        "structs": pl.DataFrame({"a": [{"x": 1}, {"x": 2}], "b": numbers}),
        "bytes": pl.DataFrame({"a": [b"\xff", b""], "b": numbers}),
        "dates": pl.DataFrame({"a": numbers, "b": ["x", "y"]}).with_columns(
            b=pl.date(9999, 12, 31)
        ),
        "nulls": pl.DataFrame({"a": [None, None], "b": numbers}),
        "ten thousand columns": pl.DataFrame({f"c{i}": [0.0] for i in range(10_000)}),
        "control characters": pl.DataFrame({"a\x1b[31m": ["x"], "\0": ["y"]}),
    }


def write_model(path: Path, *, kind: int = TensorProto.FLOAT, shape: Sequence[object] = (None, 2),
                 node: str = "Identity") -> None:  # fmt: skip
    """Write an ONNX model of one node."""
    graph = helper.make_graph(
        [helper.make_node(node, ["x"], ["y"])], "g",
        [helper.make_tensor_value_info("x", kind, shape)],
        [helper.make_tensor_value_info("y", kind, shape)],
    )  # fmt: skip
    opset = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=8), str(path))


def _list_models(folder: Path) -> Iterator[VerbCase]:
    folder.mkdir()
    good = folder.parent / "good.onnx"
    content = good.read_bytes()
    broken = {
        "empty": b"", "text": b"no model", "zeros": b"\0" * 999, "cut": content[:-9],
        "json": json.dumps({"format": "onnx"}).encode(), "html": b"<html>Login</html>",
        "lfs": b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 5\n",
        "doubled": content + content[:9], "zip": b"PK\3\4" + content,
    }  # fmt: skip
    for name, text in broken.items():
        (folder / f"{name}.onnx").write_bytes(text)
    write_model(folder / "no rows.onnx", shape=())
    write_model(folder / "seven rows.onnx", shape=(7, 2))
    write_model(folder / "open width.onnx", shape=(None, None))
    write_model(folder / "complex.onnx", kind=TensorProto.COMPLEX64)
    write_model(folder / "unknown operator.onnx", node="Conquer")
    write_model(folder / "wrong operator.onnx", node="Add")
    (folder / "link.onnx").symlink_to(folder / "nowhere.onnx")
    (folder / "folder.onnx").mkdir()
    for path in (*sorted(folder.iterdir()), folder / "absent.onnx", Path("/dev/zero"), Path()):
        yield VerbCase(f"measure {path.name}", ["measure", str(path)])
