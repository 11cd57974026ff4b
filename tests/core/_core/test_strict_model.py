"""Values that pydantic alone would take for another."""

from __future__ import annotations

from typing import Any, Literal

import pytest
from pydantic import Field, ValidationError, model_validator

from rightfit._core.strict_model import Number, Seed, StrictModel, ThreadCount, list_faults


class Params(StrictModel):
    count: int = 1
    share: float | None = None
    is_on: bool = False
    seed: Seed = 0
    bound: Number = 0
    names: tuple[str, ...] = ()
    sizes: tuple[int, ...] = ()
    shape: tuple[int, int] = (1, 1)
    choices: tuple[str | int | bool | None, ...] = ()
    kind: Literal["a", "b"] = "a"
    n_threads: tuple[ThreadCount, ...] = Field(default=("all",), min_length=1)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("count", True), ("count", "1"), ("count", 1.5), ("count", None), ("count", [1]),
        ("share", False), ("share", "0.5"), ("share", float("nan")), ("share", float("inf")),
        ("share", "1e400"), ("is_on", "no"), ("is_on", 1), ("is_on", 0.0), ("is_on", None),
        ("seed", 2**32), ("seed", -1), ("bound", 1e16), ("names", "ab"), ("names", ["a", "a"]),
        ("sizes", [1, True]), ("sizes", ["1"]), ("sizes", [2, 2]), ("choices", [1, 1]),
        ("kind", "c"), ("n_threads", ["2"]), ("n_threads", [0]), ("n_threads", [True]),
        ("n_threads", [4_096]), ("n_threads", []), ("n_threads", ["all", "all"]), ("unknown", 1),
    ],
)  # fmt: skip
def test_value_of_another_kind_is_refused_in_its_place(key: str, value: Any) -> None:
    with pytest.raises(ValidationError, match=key) as caught:
        Params.model_validate({key: value, "names": ["x"], "count": 2} | {key: value})

    assert all(fault["loc"][0] == key for fault in caught.value.errors())


def test_values_of_the_right_kind_are_taken() -> None:
    values = {
        "count": 2, "share": "1.0e4", "is_on": True, "names": ["a", "b"], "sizes": [1, 2],
        "shape": [28, 28], "choices": ["a", 1, None], "n_threads": ["all", 2],
    }  # fmt: skip

    params = Params.model_validate(values)

    assert params.share == 1e4  # YAML 1.1 leaves this notation a text
    assert params.n_threads == ("all", 2)
    assert params.shape == (28, 28)


def test_all_faults_are_reported_at_once() -> None:
    with pytest.raises(ValidationError, match="3 validation errors"):
        Params.model_validate({"count": "1", "is_on": "yes", "share": float("nan")})


class Ends(StrictModel):
    low: float
    high: float

    @model_validator(mode="after")
    def _check(self) -> Ends:
        if self.low > self.high:
            raise ValueError("low must not be above high")
        return self


@pytest.mark.parametrize(
    ("given", "faults"),
    [
        ({"low": 2, "high": 1}, ["low must not be above high"]),
        ({"ends": [{"low": 2, "high": 1}]}, ["ends.0: low must not be above high"]),
        ({"low": 2}, ["high: is missing"]),
    ],
)
def test_faults_are_listed_with_their_keys(given: dict[str, Any], faults: list[str]) -> None:
    class Many(StrictModel):
        ends: tuple[Ends, ...]

    with pytest.raises(ValidationError, match="1 validation error") as caught:
        (Many if "ends" in given else Ends).model_validate(given)

    assert list_faults(caught.value) == faults


@pytest.mark.parametrize(
    ("value", "fault"),
    [
        ({"low": "20 ms"}, "low: must be a number"),
        ({"low": 1, "step": 1.5}, "step: must be a whole number"),
        ({"low": 1, "name": 3}, "name: must be a text"),
        ({"low": 1, "log": "perhaps"}, "log: must be true or false"),
        ({"low": 1, "more": 3}, "more: must be a mapping"),
    ],
)
def test_fault_of_a_type_is_said_in_plain_words(value: dict[str, Any], fault: str) -> None:
    class Range(StrictModel):
        low: float
        step: int = 1
        name: str = ""
        log: bool = False
        more: dict[str, int] | None = None

    with pytest.raises(ValidationError, match="1 validation error") as caught:
        Range.model_validate(value)

    [line] = list_faults(caught.value)
    assert line.startswith(fault)
    assert "Input" not in line
    assert "valid" not in line


@pytest.mark.parametrize(
    ("form", "line"),
    [
        ({"share": 0.2}, "form: has no 'method'"),
        ({"method": "by_tim"}, "form: 'method' must be 'by_time', 'by_group', but got 'by_tim'"),
    ],
)
def test_fault_of_a_form_names_the_key_that_tells_it(form: dict[str, Any], line: str) -> None:
    class ByTime(StrictModel):
        method: Literal["by_time"]

    class ByGroup(StrictModel):
        method: Literal["by_group"]

    class Asked(StrictModel):
        form: ByTime | ByGroup = Field(discriminator="method")

    with pytest.raises(ValidationError, match="form") as caught:
        Asked.model_validate({"form": form})

    assert list_faults(caught.value) == [line]


def test_fault_says_what_arrived_once() -> None:
    class Asked(StrictModel):
        n_threads: tuple[ThreadCount, ...] = Field(min_length=1)
        preset: Literal["quick", "publish"] = "quick"

    with pytest.raises(ValidationError, match="validation errors") as caught:
        Asked.model_validate({"n_threads": [0], "preset": "fast"})

    assert list_faults(caught.value) == [
        "n_threads.0: must be 'all' or a whole number from 1 to 1,024, but got 0",
        "preset: must be 'quick' or 'publish', but got 'fast'",
    ]
