from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from factories.measurements import DictStore, known_load, make_round, make_settings

from rightfit._core.processes.codec import from_plain
from rightfit.measuring.rounds import measurement, turns
from rightfit.measuring.rounds.measurement import Bench
from rightfit.measuring.rounds.state import FinishedRound, MeasurementState
from rightfit.measuring.rounds.turns import measure_jobs
from rightfit.measuring.worker.protocol import Failure


class ScriptedRound:
    """A process of two visits that takes the time of its job."""

    log: list[str]
    is_lost = False

    def __init__(self, subject: Any, _bench: Bench, state: MeasurementState) -> None:
        self._name = f"{subject.label}{len(state.rounds) + 1}"
        self._n_windows = 0

    def time_window(self) -> FinishedRound | None:
        self._n_windows += 1
        self.log.append(f"{self._name}.{self._n_windows}")
        if self._n_windows < 2:
            return None
        return make_round(percentiles_ns={"0.5": 100.0, "0.95": None}, total_ms=5.0)

    def await_end(self) -> None:
        pass

    def leave(self) -> None:
        self.log.append(f"{self._name} left")


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    ScriptedRound.log = []
    monkeypatch.setattr(measurement, "OpenRound", ScriptedRound)
    return ScriptedRound.log


def job(name: str) -> Any:
    return SimpleNamespace(
        subject=replace(known_load(), label=name),
        cell="cell",
        candidate=name,
        serving="serving",
        prepare=lambda: None,
    )


def measure(names: str, bench: Bench, store: DictStore, **arguments: Any) -> list[MeasurementState]:
    """Measure jobs that are named by a letter each."""
    return measure_jobs([job(name) for name in names], list(names), bench, store, **arguments)


def test_jobs_are_timed_in_turns_and_kept_when_a_process_is_done(
    log: list[str], bench: Bench
) -> None:
    settings = make_settings(screening_processes=2, min_processes=2, max_processes=2)
    store = DictStore()

    states = measure(
        "ab",
        replace(bench, settings=settings),
        store,
        choose=lambda states: [True] * len(states),
    )

    assert log == ["a1.1", "b1.1", "a1.2", "b1.2", "a2.1", "b2.1", "a2.2", "b2.2"]
    assert [state.settled for state in states] == ["processes", "processes"]
    assert [from_plain(MeasurementState, kept) for kept in store.values()] == states


def test_one_job_waits_in_vain_for_a_quiet_machine_and_spares_the_others(
    log: list[str], bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = make_settings(screening_processes=1, min_processes=2, max_processes=2)
    asked = []

    def seek_in_vain(state: MeasurementState, _settings: object) -> MeasurementState:
        asked.append(state.is_noisy)
        return replace(state, is_noisy=True)

    monkeypatch.setattr(measurement, "seek_quiet", seek_in_vain)

    measure(
        "ab",
        replace(bench, settings=settings),
        DictStore(),
        choose=lambda states: [True] * len(states),
    )

    assert len(log) == 8
    assert asked == [False, True, True, True]


def test_job_that_nobody_would_choose_is_left_alone_after_its_screening(
    log: list[str], bench: Bench
) -> None:
    settings = make_settings(screening_processes=1, min_processes=2, max_processes=2)
    answers = iter([[True, False]])  # asked once: nothing is new while processes are open
    store = DictStore()

    states = measure(
        "ab",
        replace(bench, settings=settings),
        store,
        choose=lambda _states: next(answers),
    )

    assert log == ["a1.1", "b1.1", "a1.2", "b1.2", "a2.1", "a2.2"]
    assert [state.settled for state in states] == ["processes", "screened"]
    assert [len(store[name]["rounds"]) for name in ("a", "b")] == [2, 1]


def test_process_of_a_job_that_nobody_would_choose_is_left(
    log: list[str], bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turns, "MAX_OPEN_PROCESSES", 2)  # so that c is screened after b goes on
    settings = make_settings(screening_processes=1, min_processes=2, max_processes=2)

    states = measure(
        "abc",
        replace(bench, settings=settings),
        DictStore(),
        choose=lambda _states: [True, False, True],
    )

    assert "b2.1" in log
    assert log[log.index("b2.1") + 1] == "b2 left"
    assert [state.settled for state in states] == ["processes", "screened", "processes"]


def test_processes_are_left_when_measuring_fails(log: list[str], bench: Bench) -> None:
    settings = make_settings(screening_processes=1, min_processes=2, max_processes=2)

    class BrokenStore(DictStore):
        def put(self, key: str, document: dict[str, Any]) -> None:
            raise OSError(f"no space for {key}")

    with pytest.raises(OSError, match="no space for a"):
        measure(
            "ab",
            replace(bench, settings=settings),
            BrokenStore(),
            choose=lambda states: [True] * len(states),
        )

    assert log == ["a1.1", "b1.1", "a1.2", "b1 left"]


def test_jobs_wait_while_as_many_processes_are_open_as_may_be(
    log: list[str], bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turns, "MAX_OPEN_PROCESSES", 2)
    settings = make_settings(screening_processes=1, min_processes=2, max_processes=2)

    measure(
        "abc",
        replace(bench, settings=settings),
        DictStore(),
        choose=lambda states: [True] * len(states),
    )

    # c, which is behind, begins before the second processes of a and b do.
    assert log[:7] == ["a1.1", "b1.1", "a1.2", "b1.2", "c1.1", "c1.2", "a2.1"]
    assert len(log) == 12


def test_screened_job_stays_screened_while_the_same_applications_choose(
    log: list[str], bench: Bench
) -> None:
    settings = make_settings(screening_processes=1, min_processes=2, max_processes=2)
    again = replace(bench, settings=settings)
    store = DictStore()
    measure("ab", again, store, choose=lambda _states: [True, False], choosers="web")
    log.clear()

    # judged by the final figures, it could be chosen
    same = measure("ab", again, store, choose=lambda _states: [True, True], choosers="web")
    log_of_same = log.copy()
    other = measure("ab", again, store, choose=lambda _states: [True, True], choosers="archive")

    assert log_of_same == []
    assert [state.settled for state in same] == ["processes", "screened"]
    assert log == ["b2.1", "b2.2"]
    assert [state.settled for state in other] == ["processes", "processes"]


def test_screened_job_is_judged_anew_among_other_candidates(log: list[str], bench: Bench) -> None:
    settings = make_settings(screening_processes=1, min_processes=2, max_processes=2)
    again = replace(bench, settings=settings)
    store = DictStore()
    measure("ab", again, store, choose=lambda _states: [True, False])
    log.clear()

    states = measure("b", again, store, choose=lambda _states: [True])

    assert log == ["b2.1", "b2.2"]
    assert [state.settled for state in states] == ["processes"]


def test_failed_job_is_tried_again_by_the_next_run(
    log: list[str], bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = make_settings(screening_processes=1, min_processes=1, max_processes=1)
    store = DictStore()

    def run() -> MeasurementState:
        [state] = measure("a", replace(bench, settings=settings), store, choose=lambda _: [True])
        return state

    with monkeypatch.context() as broken:
        broken.setattr(ScriptedRound, "time_window", lambda _: Failure("a library is missing"))
        failed = run()
    mended = run()

    assert failed.error == "a library is missing"
    assert (mended.error, mended.settled) == (None, "processes")
    assert store["a"]["error"] is None


def test_jobs_that_would_decide_though_disturbed_are_measured_again_at_the_end(
    log: list[str], bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    settings = make_settings(
        screening_processes=1, min_processes=1, max_processes=1, max_extra_processes=3
    )
    answers = [[False, True]] * 2  # clean after two more

    states = measure(
        "ab",
        replace(bench, settings=settings),
        DictStore(),
        choose=lambda states: [True] * len(states),
        needs_more=lambda _states: answers.pop() if answers else [False, False],
    )

    assert log == ["a1.1", "b1.1", "a1.2", "b1.2", "b2.1", "b2.2", "b3.1", "b3.2"]
    assert [len(state.rounds) for state in states] == [1, 3]
    assert [state.settled for state in states] == ["processes", "processes"]
    assert "still disturbed" not in caplog.text


def test_measuring_again_ends_where_the_machine_is_as_busy_as_before(
    log: list[str],
    bench: Bench,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    settings = make_settings(
        screening_processes=1, min_processes=1, max_processes=1, max_extra_processes=3
    )
    monkeypatch.setattr(turns, "is_disturbed", lambda *_: True)

    [state] = measure(
        "a",
        replace(bench, settings=settings),
        DictStore(),
        choose=lambda _: [True],
        needs_more=lambda _: [True],
    )

    assert len(state.rounds) == 2
    assert "still disturbed, though they could be chosen: a (" in caplog.text


def test_nothing_to_measure_takes_no_process(bench: Bench) -> None:
    assert measure("", bench, DictStore(), choose=lambda _: []) == []
