"""Rows that no model has seen, encoded as a fitted model encodes a table of them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import polars as pl

from rightfit.data.request_path.raw_inputs import list_inputs
from rightfit_search.tables.encoding import make_request, open_encoder
from rightfit_search.tables.prepared import PreparedDataset, read_new_rows


def encode_new_rows(prepared: PreparedDataset, table: pl.DataFrame) -> npt.NDArray[np.float32]:
    """Encode a table of new rows."""
    rows = read_new_rows(prepared.spec, prepared.encoder, table)
    return open_encoder(prepared.encoder)(
        make_request(rows, list_inputs(prepared.encoder.to_json()))
    )
