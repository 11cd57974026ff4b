from __future__ import annotations

import logging
from typing import Any

import pytest
from factories.measurements import DictStore, make_round

from rightfit.measuring.rounds.state import MeasurementState


def test_state_is_read_as_it_was_saved() -> None:
    store = DictStore()
    state = MeasurementState(
        rounds=(make_round(), make_round()), settled="screened", screened_for="abc"
    )

    store.put_record("key", state)

    assert store.get_record("key", MeasurementState) == state


@pytest.mark.parametrize("document", [{"rounds": [{"total_ms": 1}]}, {"rounds": 7}, []])
def test_state_of_an_unknown_form_is_made_anew_with_one_message(
    document: Any, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        state = DictStore(key=document).get_record("key", MeasurementState)

    assert state is None
    assert ["it is made anew" in record.getMessage() for record in caplog.records] == [True]
