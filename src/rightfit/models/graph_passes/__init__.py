"""Passes that make a served graph cheaper; each answers as before but for float32 rounding.

A pass is a function from a model to a model: a rewritten copy, or the model itself where there is
nothing to rewrite. ``compiling.py`` runs them in order and compares predictions before and after.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from rightfit.models.graph_passes.category_tables import look_up_categories
from rightfit.models.graph_passes.inputs import leave_filling_outside, narrow_inputs
from rightfit.models.graph_passes.kernels import join_columns, write_kernels_as_products
from rightfit.models.graph_passes.linear_layers import (
    answer_both_classes_at_once,
    answer_two_classes_by_sigmoid,
    join_bias,
    write_linear_as_products,
)
from rightfit.models.graph_passes.scaling import fold_scaling
from rightfit.models.graph_passes.tidying import keep_answers, remove_copies
from rightfit.models.graph_passes.trees import drop_zero_votes, unscale_thresholds

if TYPE_CHECKING:
    from onnx import ModelProto

Pass = Callable[["ModelProto"], "ModelProto"]

MODEL_PASSES: tuple[Pass, ...] = (
    keep_answers,
    remove_copies,
    write_linear_as_products,
    join_bias,
    join_columns,
    write_kernels_as_products,
    remove_copies,
    answer_two_classes_by_sigmoid,
    answer_both_classes_at_once,
    fold_scaling,
    unscale_thresholds,
    drop_zero_votes,
)
"""Of a model that reads encoded rows."""

REQUEST_PASSES: tuple[Pass, ...] = (
    *MODEL_PASSES,
    look_up_categories,
    narrow_inputs,
    leave_filling_outside,
    remove_copies,
)
"""Of encoder and model in one graph."""
