"""Open a model that answers raw columns, in a measured process or elsewhere."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from rightfit.families.bundle import Bundle, read_bundle
from rightfit.families.imported.bundle_rows import reads_columns
from rightfit.families.runtimes import open_model
from rightfit.request_path.column_rows import compile_rows
from rightfit.request_path.python_encoder import compile_encoder
from rightfit.request_path.raw_inputs import EncoderJson, list_inputs
from rightfit.request_path.usage import Answer, Columns, Floats, open_session


def open_request(
    path: str,
    *,
    family: str | None,
    runtime: str,
    n_threads: int,
    device: str,
    sha256: str | None,
    encoder: str,
    graph: str | None,
) -> Callable[[], Answer]:
    """Check a model bundle and return what opens it behind its encoder.

    The parent has checked the files of the ``bundle.json`` with this hash. Without a graph the
    encoder runs in Python; only the native runtime imports the family.
    """
    bundle = read_bundle(Path(path), family=family, checked_sha256=sha256)

    def open_answer() -> Answer:
        content: EncoderJson = json.loads(Path(encoder).read_text(encoding="utf-8"))
        if reads_columns(bundle, runtime):
            build = compile_rows(bundle, runtime, content)
            model = open_model(bundle, runtime=runtime, n_threads=n_threads, device=device)
            return lambda columns: model(build(columns))
        if graph is None:
            return _open_encoded(bundle, runtime, content, n_threads=n_threads, device=device)
        inputs = list_inputs(content)
        return open_session(Path(graph), inputs, n_threads=n_threads, device=device)

    return open_answer


def _open_encoded(
    bundle: Bundle, runtime: str, encoder: EncoderJson, *, n_threads: int, device: str
) -> Answer:
    encode = compile_encoder(encoder)
    model = open_model(bundle, runtime=runtime, n_threads=n_threads, device=device)

    def answer(columns: Columns) -> Floats:
        answers: Floats = model(encode(columns))
        return answers

    return answer
