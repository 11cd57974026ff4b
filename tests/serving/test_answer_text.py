from __future__ import annotations

from typing import Any

import pytest

from rightfit.profiling.profile import Profile
from rightfit.serving.answer_text import describe_request


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        ({"request_path": "model"}, "encoded rows; encoding is not included"),
        ({"request_path": "request"}, "raw columns, encoder included"),
        (
            {"request_path": "request", "encoding_ms": 0.005},
            "raw columns; encoding takes 0.005 ms of the median latency of 0.02 ms (25 %)",
        ),
    ],
)
def test_answer_says_what_the_measured_requests_held(found: dict[str, Any], expected: str) -> None:
    serving = {"runtime": "onnx", "n_threads": 1, "device": "cpu"}
    names = dict.fromkeys(("dataset", "model", "candidate", "environment_id"), "")
    profile = Profile.from_row(names | serving | {"latency_p50_ms": 0.02} | found)

    assert describe_request(profile) == expected
