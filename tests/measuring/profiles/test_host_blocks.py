from __future__ import annotations

import numpy as np
import pytest
from factories.measurements import DictStore, make_round, make_settings

from rightfit.measuring.common_mode_error import CommonModeError
from rightfit.measuring.profiles.candidate_profiles import estimate_on_host, learn_blocks
from rightfit.measuring.rounds.state import FinishedRound, MeasurementState

SETTINGS = make_settings(common_mode_error_pct=1.5, max_delay_share=0.05)
N_TURNS = 8


def measured_at(p50_ns: float, *, delay_share: float = 0.0) -> FinishedRound:
    percentiles = dict.fromkeys(("0.5", "0.9", "0.95", "0.99", "0.999"), p50_ns)
    return make_round(percentiles_ns=percentiles, latency={"delay_share": delay_share})


def measure_cell(*, drift: float, n_profiles: int = 4, seed: int = 0) -> list[MeasurementState]:
    """Profiles that were measured in the same turns."""
    generator = np.random.default_rng(seed)
    shared = drift * generator.standard_normal(N_TURNS)
    times = 1e6 * np.exp(shared + 0.003 * generator.standard_normal((n_profiles, N_TURNS)))
    return [MeasurementState(rounds=tuple(measured_at(one) for one in row)) for row in times]


@pytest.fixture
def store() -> DictStore:
    return DictStore()


def learn(store: DictStore, cell: str, states: list[MeasurementState]) -> None:
    learn_blocks(store, "here", [cell], states, SETTINGS)


def estimate(store: DictStore, environment_id: str = "here", n: int = 4) -> CommonModeError:
    return estimate_on_host(store, environment_id, SETTINGS, n_profiles=n)


def test_machine_without_turns_gets_the_constant(store: DictStore) -> None:
    assert estimate(store) == CommonModeError.assume(1.5)


def test_turns_of_all_cells_of_a_machine_count(store: DictStore) -> None:
    for seed in range(3):
        learn(store, f"landsat.model{seed}", measure_cell(drift=0.03, seed=seed))

    assert estimate(store).n_blocks == 3 * N_TURNS
    assert estimate(store).alone_pct > CommonModeError.assume(1.5).alone_pct
    assert estimate(store, "elsewhere") == CommonModeError.assume(1.5)


def test_cell_measured_anew_replaces_its_turns(store: DictStore) -> None:
    learn(store, "landsat.net", measure_cell(drift=0.03))
    learn(store, "landsat.net", measure_cell(drift=0.0, seed=1))

    assert estimate(store).n_blocks == N_TURNS
    assert estimate(store).in_turns_pct < 1.5


def test_disturbed_processes_do_not_count(store: DictStore) -> None:
    late = [MeasurementState(rounds=(measured_at(1e6, delay_share=0.5),) * N_TURNS)] * 4
    learn(store, "landsat.net", late)

    assert estimate(store).n_blocks == 0


def test_few_profiles_are_no_turns(store: DictStore) -> None:
    learn(store, "landsat.net", measure_cell(drift=0.0, n_profiles=2))

    assert estimate(store).n_blocks == 0


def test_two_profiles_count_as_measured_alone(store: DictStore) -> None:
    in_turns, alone = (estimate(store, n=n) for n in (3, 2))

    assert alone.in_turns_pct == in_turns.alone_pct > in_turns.in_turns_pct
