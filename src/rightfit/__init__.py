"""Find the model that fits the application: search, measure what serving costs, rank."""

import os
import sys

__version__ = "0.1.0"

# onnxruntime 1.29 and newer report to their makers, and keep a device id in the user's cache,
# unless this is set before they are imported. Whatever this process starts inherits it.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
if "onnxruntime" in sys.modules:  # imported before: its events, at least, end here
    sys.modules["onnxruntime"].disable_telemetry_events()
