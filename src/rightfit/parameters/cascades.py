"""Cascades as the configuration asks for them."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from rightfit.strict_model import StrictModel

MAX_CASCADES = 20


class CascadeBlock(StrictModel):
    """A model made of two candidates of the others (``params:models.<name>``).

    Of every dataset at most ``n_candidates`` cascades are measured, those that promise most.
    """

    family: Literal["cascade"]
    n_candidates: int = Field(ge=1, le=MAX_CASCADES)
