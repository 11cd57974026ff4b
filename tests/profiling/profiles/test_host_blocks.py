from __future__ import annotations

import numpy as np
import pytest
from factories.measurements import DictStore, make_round, make_settings

from rightfit.profiling.common_mode_error import CommonModeError
from rightfit.profiling.measuring.state import FinishedRound, MeasurementState
from rightfit.profiling.profiles.host_blocks import HostBlocks

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


@pytest.fixture
def host(store: DictStore) -> HostBlocks:
    return HostBlocks(store, "here")


def test_machine_without_turns_gets_the_constant(host: HostBlocks) -> None:
    assert host.estimate(SETTINGS, n_profiles=4) == CommonModeError.assume(1.5)


def test_turns_of_all_cells_of_a_machine_count(host: HostBlocks, store: DictStore) -> None:
    for seed in range(3):
        host.learn([f"landsat.model{seed}"], measure_cell(drift=0.03, seed=seed), SETTINGS)
    elsewhere = HostBlocks(store, "elsewhere")

    assert host.estimate(SETTINGS, n_profiles=4).n_blocks == 3 * N_TURNS
    assert host.estimate(SETTINGS, n_profiles=4).alone_pct > CommonModeError.assume(1.5).alone_pct
    assert elsewhere.estimate(SETTINGS, n_profiles=4) == CommonModeError.assume(1.5)


def test_cell_measured_anew_replaces_its_turns(host: HostBlocks) -> None:
    host.learn(["landsat.net"], measure_cell(drift=0.03), SETTINGS)
    host.learn(["landsat.net"], measure_cell(drift=0.0, seed=1), SETTINGS)

    assert host.estimate(SETTINGS, n_profiles=4).n_blocks == N_TURNS
    assert host.estimate(SETTINGS, n_profiles=4).in_turns_pct < 1.5


def test_disturbed_processes_do_not_count(host: HostBlocks) -> None:
    late = [MeasurementState(rounds=(measured_at(1e6, delay_share=0.5),) * N_TURNS)] * 4
    host.learn(["landsat.net"], late, SETTINGS)

    assert host.estimate(SETTINGS, n_profiles=4).n_blocks == 0


def test_few_profiles_are_no_turns(host: HostBlocks) -> None:
    host.learn(["landsat.net"], measure_cell(drift=0.0, n_profiles=2), SETTINGS)

    assert host.estimate(SETTINGS, n_profiles=4).n_blocks == 0


def test_two_profiles_count_as_measured_alone(host: HostBlocks) -> None:
    in_turns, alone = (host.estimate(SETTINGS, n_profiles=n) for n in (3, 2))

    assert alone.in_turns_pct == in_turns.alone_pct > in_turns.in_turns_pct
