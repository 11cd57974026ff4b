"""Requests that try a model's graph: gaps, unseen categories, empty texts, extremes.

They are drawn from an encoder alone, so that a graph can be tried wherever it is made.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from rightfit.data.request_path.raw_inputs import EncoderJson, StepJson

N_ROWS = 2_000
N_EXTREME = 500  # the last rows, whose numbers are far from any that a model has seen
MISSING_SHARE = 0.05
UNSEEN_SHARE = 0.05
EXTREMES = (0.0, -1.0, 1e2, -1e3, 1e6)  # spreads from the mean
UNSEEN = ("", None, "never seen", "NEVER SEEN", "é" * 50)
N_WORDS = 12  # of a text at most


def draw_requests(encoder: EncoderJson, *, seed: int = 0) -> dict[str, Any]:
    """Draw raw columns for an encoder.

    Args:
        encoder: Content of ``encoder.json``.
        seed: Of the draw.

    Returns:
        Values by column: numbers as arrays with NaN, texts as lists with ``None``, pixels.
    """
    rng = np.random.default_rng(seed)
    columns: dict[str, Any] = {}
    for step in sorted(encoder["steps"], key=lambda step: "mean" not in step):
        if step["column"] not in columns:
            columns[step["column"]] = _draw_column(step, rng)
    return columns


def _draw_column(step: StepJson, rng: np.random.Generator) -> Any:
    match step["kind"]:
        case "standardise" | "indicate" | "number":
            mean, scale = step.get("mean", 0.0), step.get("scale", 1.0)
            values = rng.normal(mean, abs(scale), N_ROWS)
            is_whole = rng.random(N_ROWS) < 0.5
            values[is_whole] = values[is_whole].round()
            values[-N_EXTREME:] = mean + scale * rng.choice(EXTREMES, N_EXTREME)
            values[rng.random(N_ROWS) < MISSING_SHARE] = np.nan
            return values
        case "one_hot" | "target_mean":
            unseen = rng.random(N_ROWS) < UNSEEN_SHARE
            return [_pick(rng, UNSEEN if new else step["categories"] or UNSEEN) for new in unseen]
        case "words":
            words = [*step["words"], "unheard", "of", ""]
            return [
                " ".join(rng.choice(words, rng.integers(N_WORDS))) or None for _ in range(N_ROWS)
            ]
        case "date":
            days = (np.datetime64("1890-01-01") + rng.integers(0, 80_000, N_ROWS)).tolist()
            written = ["%Y-%m-%d", "%Y-%m-%dT%H:%M:%SZ", "%d.%m.%Y", "%m/%d/%Y %H:%M"]
            if step.get("month_names"):
                written += ["%d-%b-%Y", "%B %d, %Y %H:%M"]
            texts = [day.strftime(_pick(rng, written)) for day in days]
            is_unseen = rng.random(N_ROWS) < UNSEEN_SHARE
            return [
                _pick(rng, UNSEEN) if new else text
                for new, text in zip(is_unseen, texts, strict=True)
            ]
        case "pixels" | "picture":
            return rng.integers(0, 256, (N_ROWS, int(np.prod(step["shape"]))), dtype=np.uint8)
    return [_pick(rng, UNSEEN) for _ in range(N_ROWS)]


def _pick(rng: np.random.Generator, values: Any) -> Any:
    return values[rng.integers(len(values))]
