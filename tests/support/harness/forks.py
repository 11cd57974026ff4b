"""One server for all tests that fork processes.

A Python process has one fork server, which imports what the last call of
``set_forkserver_preload`` named. Hence all tests name their imports here, or each fork would import
them anew.
"""

from __future__ import annotations

import multiprocessing

# Slow to import. Nothing of kedro.framework: it reads the logging's configuration of a project.
IMPORTED = (
    "dynaconf",
    "factories.hostile_bundles",
    "jinja2",
    "kedro.config",
    "kedro.io",
    "kedro.pipeline",
    "kedro_datasets.plotly.json_dataset",
    "kedro_datasets.polars.eager_polars_dataset",
    "onnxruntime",
    "pathspec",
    "plotly.graph_objects",
    "requests",
    "rightfit_kedro.validation",
    "rightfit.reporting.html_report",
    "rightfit_search.searching.search",
    "safetensors.torch",
    "harness.searching",
    "sklearn.ensemble",
    "sklearn.linear_model",
    "skops.io",
    "torch",
)
FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(list(IMPORTED))
