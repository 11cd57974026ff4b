"""An export is what its hashes say: whatever else lies in its folder ends in one line."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from factories.onnx_files import write_onnx, write_softmax
from factories.studies import make_raw
from harness.python_programs import run_python
from onnx import TensorProto, helper

from rightfit.data.request_path import usage

pytestmark = pytest.mark.whole


@pytest.fixture
def folder(exported: Path, tmp_path: Path) -> Path:
    """An exported folder with a server, to be changed."""
    copied = tmp_path / "out"
    shutil.copytree(exported, copied, ignore=shutil.ignore_patterns("__pycache__"))
    return copied


def list_hashes(folder: Path, *names: str) -> None:
    """Write the hashes of some files anew, as an attacker would."""
    lines = (folder / "SHA256SUMS").read_text().splitlines()
    kept = [line for line in lines if line.partition("  ")[2] not in names]
    added = [
        f"{hashlib.sha256((folder / name).read_bytes()).hexdigest()}  {name}" for name in names
    ]
    (folder / "SHA256SUMS").write_text("\n".join([*kept, *added]) + "\n")


def change_call(folder: Path, **changes: Any) -> None:
    content = json.loads((folder / "model.json").read_text())
    (folder / "model.json").write_text(json.dumps(content | changes))
    list_hashes(folder, "model.json")


def write_call(folder: Path, content: bytes) -> None:
    (folder / "model.json").write_bytes(content)
    list_hashes(folder, "model.json")


def write_graph(folder: Path, content: bytes) -> None:
    (folder / "model.onnx").write_bytes(content)
    list_hashes(folder, "model.onnx")


def name_other_file(folder: Path, name: str) -> None:
    change_call(folder, onnx_file=name)


def name_file_outside(folder: Path) -> None:
    other = write_softmax(folder.parent / "other.onnx", np.eye(2))
    name_other_file(folder, str(other))


def name_unlisted_file(folder: Path) -> None:
    write_softmax(folder / "other.onnx", np.eye(2))
    name_other_file(folder, "other.onnx")


def put_link(folder: Path) -> None:
    (folder / "model.onnx").rename(folder.parent / "elsewhere.onnx")
    (folder / "model.onnx").symlink_to(folder.parent / "elsewhere.onnx")


def put_pipe(folder: Path, name: str) -> None:
    (folder / name).unlink()
    os.mkfifo(folder / name)


def keep_weights_elsewhere(folder: Path, *, listed: bool) -> None:
    model = onnx.load(str(folder / "model.onnx"))
    for tensor in model.graph.initializer:
        if not tensor.raw_data and tensor.data_type == onnx.TensorProto.FLOAT:
            tensor.raw_data = onnx.numpy_helper.to_array(tensor).tobytes()
            tensor.ClearField("float_data")
    onnx.save(
        model,
        str(folder / "model.onnx"),
        save_as_external_data=True,
        location="weights.bin",
        size_threshold=0,
    )
    assert (folder / "weights.bin").is_file()
    list_hashes(folder, "model.onnx", *(["weights.bin"] if listed else []))


INPUT = {"name": "numbers", "dtype": "float64", "columns": ["size"], "image_shape": None}
CHANGES: list[tuple[str, Callable[[Path], None], str]] = [
    ("absolute path", name_file_outside, "SHA256SUMS does not list"),
    ("path upwards", lambda out: name_other_file(out, "../other.onnx"), "does not list"),
    ("unlisted file", name_unlisted_file, "does not list"),
    ("other listed file", lambda out: name_other_file(out, "README.md"), "wrong: onnx_file"),
    ("link", put_link, r"not as it was exported: model\.onnx"),
    ("pipe", lambda out: put_pipe(out, "model.json"), r"not as it was exported: model\.json"),
    ("pipe of hashes", lambda out: put_pipe(out, "SHA256SUMS"), "no exported model"),
    ("missing file", lambda out: (out / "encoder.json").unlink(), r"exported: encoder\.json"),
    ("weights elsewhere", lambda out: keep_weights_elsewhere(out, listed=False), "other files"),
    ("listed weights", lambda out: keep_weights_elsewhere(out, listed=True), "other files"),
    ("empty graph", lambda out: write_graph(out, b""), "is empty"),
    ("garbled graph", lambda out: write_graph(out, b"garbage"), "onnxruntime cannot open"),
    ("garbled location", lambda out: write_graph(out, b"\x3a\xfflocation"), "no ONNX model"),
    (
        "cut graph",
        lambda out: write_graph(out, (out / "model.onnx").read_bytes()[:2_000]),
        "onnxruntime cannot open|no ONNX model",
    ),
    (
        "other graph",
        lambda out: write_graph(
            out, write_softmax(out.parent / "other.onnx", np.eye(2)).read_bytes()
        ),
        "other inputs or outputs",
    ),
    *(
        (f"call {content[:9]!r}", lambda out, content=content: write_call(out, content), "model")
        for content in (b"", b"\xff", b"[" * 100_000, b"null", b"[]", b"{}", b'"x"', b"7", b"NaN")
    ),
    *(
        (f"{field} {value!r}", lambda out, f=field, v=value: change_call(out, **{f: v}), "describe")
        for field, value in {
            "onnx_file": 7,
            "n_threads": 0,
            "device": ["cpu"],
            "inputs": 5,
            "classes": ["low", "low", "high"],
            "threshold": "high",
            "costs": [[0, 1]],
        }.items()
    ),
    ("numbers as classes", lambda out: change_call(out, classes=[1]), "wrong: classes"),
    *(
        (
            f"{len(classes)} classes",
            lambda out, classes=classes: change_call(out, classes=classes),
            f"answers 3 numbers a row, its description has {len(classes) or 1}",
        )
        for classes in ([], ["low", "high"], ["low", "middle", "high", "top"])
    ),
    ("threads", lambda out: change_call(out, n_threads=10**9), "wrong: n_threads"),
    ("device", lambda out: change_call(out, device="tpu"), "wrong: device"),
    ("no inputs", lambda out: change_call(out, inputs=[]), "wrong: inputs"),
    *(
        (f"input {change!r}", lambda out, c=change: change_call(out, inputs=[INPUT | c]), "input")
        for change in (
            {"name": 7},
            {"dtype": "int32"},
            {"dtype": "no type"},
            {"columns": [[1]]},
            {"columns": []},
            {"image_shape": [0, 1, 3]},
        )
    ),
]


@pytest.mark.parametrize(
    ("change", "message"),
    [(change, message) for _, change, message in CHANGES],
    ids=[name for name, *_ in CHANGES],
)
def test_a_folder_that_is_not_what_its_hashes_say_is_not_opened(
    change: Callable[[Path], None], message: str, folder: Path
) -> None:
    change(folder)

    with pytest.raises(ValueError, match=message) as caught:
        usage.open_model(folder)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"x" * 100, b"0" * 64 + b"  ../a\n"])
def test_hashes_that_are_none_are_refused(content: bytes, folder: Path) -> None:
    (folder / "SHA256SUMS").write_bytes(content)

    with pytest.raises(ValueError, match=r"none of an export|not as it was exported"):
        usage.read_export(folder, needed=[usage.PROFILE])


def test_a_file_listed_twice_is_refused(folder: Path) -> None:
    with (folder / "SHA256SUMS").open("a") as file:
        file.write(f"{'0' * 64}  model.json\n")

    with pytest.raises(ValueError, match="a line that is none of an export"):
        usage.read_export(folder, needed=[usage.PROFILE])


def test_a_column_named_location_is_no_other_file(folder: Path) -> None:
    """The key under which ONNX names other files; it may stand anywhere else."""
    model = onnx.load(str(folder / "model.onnx"))
    model.doc_string = "location"
    model.graph.node[0].name = "location"
    (folder / "model.onnx").write_bytes(model.SerializeToString())
    list_hashes(folder, "model.onnx")

    answers = usage.open_model(folder)(make_raw().drop("label").to_dict(as_series=False))

    assert answers.shape[1] == 3


def test_how_the_container_is_built_may_be_changed(folder: Path) -> None:
    (folder / "Dockerfile").write_text("FROM scratch\n")

    usage.read_export(folder, needed=[usage.PROFILE])


@pytest.mark.parametrize(
    "command",
    [
        ("usage.py",),
        ("server.py", "--port", "0"),
        ("-m", "rightfit", "serve", ".", "--port", "0"),
        ("-m", "rightfit", "load-test", ".", "--rows", "model.json"),
        ("-m", "rightfit", "measure", "."),
    ],
    ids=["usage.py", "server.py", "serve", "load-test", "measure"],
)
@pytest.mark.parametrize("change", [name_file_outside, put_link], ids=["path", "link"])
def test_every_door_refuses_in_one_line(
    change: Callable[[Path], None], command: tuple[str, ...], folder: Path
) -> None:
    change(folder)

    done = run_python(*command, folder=folder, text="[]")

    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert re.search("SHA256SUMS does not list|is not in SHA256SUMS|not as it was", done.stderr)


def test_an_image_of_another_size_is_refused(folder: Path) -> None:
    write_onnx(
        folder / "model.onnx",
        [
            helper.make_node("Cast", ["image"], ["pixels"], to=TensorProto.FLOAT),
            helper.make_node("Softmax", ["pixels"], ["probabilities"], axis=1),
        ],
        inputs={"image": (TensorProto.UINT8, ["n", 4])},
        outputs={"probabilities": (TensorProto.FLOAT, ["n", 4])},
    )
    list_hashes(folder, "model.onnx")
    image = {"name": "image", "dtype": "uint8", "columns": ["image"], "image_shape": None}
    change_call(folder, inputs=[image], classes=list("abcd"))
    answer = usage.open_model(folder)

    assert answer({"image": [[1, 2, 3, 4]]}).shape == (1, 4)
    with pytest.raises(ValueError, match="Got: 3 Expected: 4"):
        answer({"image": [[1, 2, 3]]})


@pytest.mark.parametrize(
    "rows",
    ["", "{", "[1]", "{}", '[{"size": 1}]', '[{"size": {}}]', '[{"size": 1, "size": 2}]'],
)
def test_usage_refuses_bad_rows_in_one_line(rows: str, exported: Path) -> None:
    done = run_python("usage.py", folder=exported, text=rows)

    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert ("twice" in done.stderr) == (rows.count("size") > 1)
