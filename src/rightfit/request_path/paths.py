"""What a request passes on its way to the answer."""

from __future__ import annotations

from typing import Literal

RequestPath = Literal["model", "request"]

MODEL: RequestPath = "model"  # encoded rows in
REQUEST: RequestPath = "request"  # raw columns in, the encoder included
