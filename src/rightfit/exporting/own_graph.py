"""Export a model that somebody has as the graph that it was measured as, without an encoder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import onnx

from rightfit._core.errors import RightfitError
from rightfit.data.request_path import feeding, usage
from rightfit.exporting.export_folder import (
    PROGRAM_FILES,
    add_server,
    check_folder,
    write_hashes,
    write_json,
    write_program,
)
from rightfit.exporting.model_call import GRAPH_FILE, ModelCall, describe_graph
from rightfit.exporting.readme import escape_markdown, quote_code
from rightfit.measuring.profile import Profile
from rightfit.models.bundle import Bundle
from rightfit.models.bundle_files import write_replacing
from rightfit.models.imported.feeds import TEXT, find_feeds
from rightfit.models.runtimes import runtime_files
from rightfit.ranking.explanation.answer import profile_to_json
from rightfit.ranking.explanation.decisions import Decision

MAX_WHOLE = 2.0**53  # up to which float64 holds every whole number
README = """\
# {candidate}

One ONNX graph, for {application}: {serving}. `usage.py` answers with it; it needs numpy and
onnxruntime: `python usage.py < rows.json`, or `from usage import open_model`.

- columns: {columns}
- {figures}

`profile.json` holds all that was measured, `model.json` how the graph is called, `SHA256SUMS` the
hashes of all files, which `usage.py` compares before it opens the graph.
"""


@dataclass(frozen=True)
class OwnGraph:
    """The graph of a model that somebody has.

    Args:
        content: The ONNX model.
        inputs: Its inputs, with the columns that each reads.
        classes: In the order of its predictions; empty in regression.
        threshold: Probability from which on the second of two classes is predicted; ``None``: the
            likelier one is.
    """

    content: bytes
    inputs: tuple[feeding.TensorInput, ...]
    classes: tuple[str, ...]
    threshold: float | None


def read_graph(bundle: Bundle, runtime: str, *, threshold: float | None) -> OwnGraph:
    """Read a bundle's graph in a runtime, and which columns it reads."""
    [file] = runtime_files(bundle, runtime)
    feeds = find_feeds(bundle, runtime)
    inputs = tuple(
        feeding.TensorInput(
            feed.name,
            feeding.TEXT if feed.dtype == TEXT else feed.dtype,
            feed.columns,
            limits=(MAX_WHOLE,) * len(feed.columns) if feed.dtype == feeding.WHOLE else (),
        )
        for feed in feeds
    )
    matrix = feeding.TensorInput("rows", "float32", bundle.schema.features)
    return OwnGraph(file.read_bytes(), inputs or (matrix,), bundle.schema.classes, threshold)


def export_graph(
    graph: OwnGraph,
    profile: Profile,
    decision: Decision,
    folder: Path,
    *,
    application: str,
    force: bool = False,
    with_server: bool = False,
) -> list[Path]:
    """Write a model's graph into a folder that works without this library.

    Args:
        graph: The graph.
        profile: What was measured of it.
        decision: Why it was chosen.
        folder: Where to.
        application: What it was chosen for.
        force: Whether the folder may hold something.
        with_server: Whether to add an HTTP server and a Dockerfile.

    Returns:
        The files written, relative to the folder, ``SHA256SUMS`` last.

    Raises:
        FileExistsError: If the folder is not empty, or a symbolic link.
        RightfitError: If the graph reads values that ``usage.py`` cannot fill.
    """
    check_folder(folder, force=force)
    unfilled = [
        column
        for one in graph.inputs
        for column in one.columns
        if one.dtype not in usage.INPUT_DTYPES
    ]
    if unfilled or not all(one.columns for one in graph.inputs):
        raise RightfitError(
            f"{profile.candidate} reads an array without columns, or columns of a type that an "
            f"exported program does not fill ({unfilled}). Convert these to float64 or int64, and "
            "fit the model again."
        )
    call = ModelCall(
        candidate=profile.candidate,
        family=profile.model,
        **describe_graph(onnx.load_from_string(graph.content), profile.serving),
        inputs=graph.inputs,
        image_shape=None,
        classes=graph.classes,
        threshold=graph.threshold,
        data_version="",
    )
    write_program(folder, graph.content, call)
    content = {
        "application": application,
        **decision.model_dump(mode="json", exclude={"reversals"}),
        "profile": profile_to_json(profile),
    }
    write_json(folder / usage.PROFILE, content)
    columns = [column for one in graph.inputs for column in one.columns]
    text = README.format(
        candidate=escape_markdown(profile.candidate),
        application=quote_code(application),
        serving=escape_markdown(profile.serving.label),
        columns=", ".join(map(quote_code, columns)),
        figures="\n- ".join(f"{one.metric.label}: {one}" for one in profile.measured()),
    )
    write_replacing(folder / "README.md", text.encode())
    served = add_server(folder, call) if with_server else ()
    names = ["README.md", usage.CALL, usage.PROFILE, GRAPH_FILE, *PROGRAM_FILES]
    return write_hashes(folder, [*names, *served])
