"""What a measurement of the whole request needs beside the bundle: raw rows and the encoder."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from rightfit.families.bundle import Bundle
from rightfit.families.imported.bundle_rows import reads_columns
from rightfit.families.runtimes import RUNTIMES, reads_graph, runtime_files
from rightfit.request_path.encoder_graph import join_encoder
from rightfit.request_path.raw_inputs import EncoderJson


@dataclass(frozen=True)
class RawRequests:
    """Raw rows and the encoder of a dataset, as files.

    Args:
        rows: A .npy of the raw rows, see ``rightfit.request_path.raw_rows``.
        encoder: Content of ``encoder.json``.
        folder: For the encoder's file, and for the graphs of encoder and model.
    """

    rows: Path
    encoder: EncoderJson
    folder: Path

    @property
    def encoder_file(self) -> Path:
        """Path of the encoder."""
        return self.folder / "encoder.json"

    def locate_graph(self, bundle: Bundle, runtime: str) -> Path | None:
        """Return the path of the graph that answers in a runtime.

        Only the library's runtimes of ONNX files have one, unless the model reads the raw columns
        itself; before any other the encoder runs in Python.
        """
        has_graph = runtime in RUNTIMES and reads_graph(bundle, runtime)
        if not has_graph or reads_columns(bundle, runtime):
            return None
        return self.folder / f"{bundle.sha256}.{runtime}.onnx"

    def prepare(self, bundle: Bundle, runtime: str) -> None:
        """Write what the measured process will open, unless it is there."""
        if not self.encoder_file.exists():
            self.encoder_file.write_text(json.dumps(self.encoder), encoding="utf-8")
        graph = self.locate_graph(bundle, runtime)
        if graph is not None and not graph.exists():
            [model_file] = runtime_files(bundle, runtime)
            graph.write_bytes(join_encoder(model_file, self.encoder))
