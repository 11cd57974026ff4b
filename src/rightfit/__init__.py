"""Find the model that fits the application: search, measure what serving costs, rank."""

import os
import sys

__version__ = "0.1.0"

# Libraries that report to their makers unless this is set before they are imported; whatever this
# process starts inherits it. onnxruntime 1.29 and newer also keep a device id in the user's cache.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
if not os.path.exists(".telemetry"):  # noqa: PTH110 - a Kedro project that has decided for itself
    os.environ.setdefault("KEDRO_DISABLE_TELEMETRY", "1")
if "onnxruntime" in sys.modules:  # imported before: its events, at least, end here
    sys.modules["onnxruntime"].disable_telemetry_events()
