from __future__ import annotations

import logging
from typing import Any

import pytest
from factories.measurements import STORED_ROUND, DictStore, make_round

from rightfit.profiling.measuring.state import MeasurementState, load_record, save_record

# As states were stored while they were plain JSON.
OLD_FORM: dict[str, Any] = {
    "rounds": [STORED_ROUND],
    "n_retries": 1,
    "is_noisy": False,
    "settled": "precise",
    "error": None,
    "server": [],
    "limits": {},
}


def test_state_is_read_as_it_was_saved() -> None:
    store = DictStore()
    state = MeasurementState(
        rounds=(make_round(), make_round()), settled="screened", screened_for="abc"
    )

    save_record(store, "key", state)

    assert load_record(store, "key", MeasurementState) == state


def test_state_of_the_untyped_form_is_found_again() -> None:
    store = DictStore(key=OLD_FORM)

    state = load_record(store, "key", MeasurementState)

    assert state == MeasurementState(
        rounds=(make_round(),),
        n_retries=1,
        settled="precise",
    )


@pytest.mark.parametrize("document", [{"rounds": [{"total_ms": 1}]}, {"rounds": 7}, []])
def test_state_of_an_unknown_form_is_made_anew_with_one_message(
    document: Any, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        state = load_record(DictStore(key=document), "key", MeasurementState)

    assert state is None
    assert ["Measuring again" in record.getMessage() for record in caplog.records] == [True]
