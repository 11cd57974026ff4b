"""What ONNX Runtime's session options give: ``python benchmarks/session_options.py FILE...``.

Each graph is opened once per option, in one process. Slices of some calls take turns in random
order; what counts is the time that the calling thread computes. Printed is the median ratio to the
default, by number of rows.
"""

from __future__ import annotations

import random
import sys
import time
from typing import Any

import numpy as np
import onnxruntime

OPTIONS = {
    "default": {},
    "no arena": {"enable_cpu_mem_arena": False},
    "no pattern": {"enable_mem_pattern": False},
    "no reuse": {"enable_mem_reuse": False},
}
TYPES = {"tensor(float)": np.float32, "tensor(double)": np.float64, "tensor(uint8)": np.uint8}
SECONDS = 9.0
CALLS = {1: 40, 64: 1, 1_024: 1, 8_192: 1}


def open_sessions(file: str) -> dict[str, Any]:
    """Open a graph once per option, each with one thread."""
    sessions = {}
    for name, values in OPTIONS.items():
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        for option, value in values.items():
            setattr(options, option, value)
        sessions[name] = onnxruntime.InferenceSession(file, options)
    return sessions


def compare(file: str) -> None:
    """Print the ratios of one graph."""
    sessions, rng = open_sessions(file), np.random.default_rng(0)
    for n_rows, n_calls in CALLS.items():
        feed = {
            tensor.name: (rng.random((n_rows, *tensor.shape[1:])) * 50).astype(TYPES[tensor.type])
            for tensor in sessions["default"].get_inputs()
        }
        rounds, end_s = [], time.monotonic() + SECONDS
        while time.monotonic() < end_s:
            spent = {}
            for name in random.sample([*sessions], len(sessions)):
                started_s = time.thread_time()
                for _ in range(n_calls):
                    sessions[name].run(None, feed)
                spent[name] = time.thread_time() - started_s
            rounds.append([np.log(spent[name] / spent["default"]) for name in OPTIONS])
        ratios = np.exp(np.median(rounds[1:], axis=0))
        print(file, n_rows, {name: round(float(r), 3) for name, r in zip(OPTIONS, ratios)})


if __name__ == "__main__":
    for file in sys.argv[1:]:
        compare(file)
