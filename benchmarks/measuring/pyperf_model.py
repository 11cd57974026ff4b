"""Time one row a call of a model with pyperf itself: ``measuring_rules.py`` runs it as a program.

pyperf starts its own processes and calibrates its own loops; it reports a mean and no percentile.
"""

from __future__ import annotations

import argparse
import importlib
import itertools
import json

import numpy as np
import pyperf


def add_own_options(command: list[str], options: argparse.Namespace) -> None:
    """Hand our options on to pyperf's worker processes."""
    command += ["--model", options.model]


def main() -> None:
    """Run pyperf on the model that the options describe."""
    runner = pyperf.Runner(add_cmdline_args=add_own_options)
    runner.argparser.add_argument("--model", help="factory, arguments and rows as JSON")
    options = runner.parse_args()
    if not options.worker:  # it only starts and collects processes
        runner.bench_func("model", lambda: None)
        return
    described = json.loads(options.model)
    module, _, function = described["factory"].partition(":")
    call = getattr(importlib.import_module(module), function)(**described["arguments"])()
    rows = np.load(described["rows"])
    singles = itertools.cycle([rows[i : i + 1] for i in range(len(rows))])
    runner.bench_func("model", lambda: call(next(singles)))


if __name__ == "__main__":
    main()
