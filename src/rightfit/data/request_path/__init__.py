"""The way from a request of raw columns to the answer: feeding, encoding, and the one graph.

A request passes the encoder on its way; what is served alone answers encoded rows.
"""

from __future__ import annotations

from typing import Literal

RequestPath = Literal["model", "request"]

MODEL: RequestPath = "model"  # encoded rows in
REQUEST: RequestPath = "request"  # raw columns in, the encoder included
