from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from measuring import known_load, make_settings

from rightfit.profiling.measuring import measurement, turns
from rightfit.profiling.measuring.bench import Bench
from rightfit.profiling.measuring.turns import SCREENED, measure_jobs, saved_by_screening_s


def state(n_rounds: int, settled: str | None, *, round_ms: float = 100.0) -> dict[str, Any]:
    return {"rounds": [{"total_ms": round_ms}] * n_rounds, "settled": settled, "error": None}


def test_savings_are_what_the_screened_would_have_taken() -> None:
    states = [
        state(6, "precise"),
        state(8, "processes"),
        state(2, SCREENED, round_ms=200.0),  # 5 processes of 0.2 s fewer than the usual 7
        state(2, SCREENED, round_ms=1_000.0),
    ]

    assert saved_by_screening_s(states) == pytest.approx(6.0)


def test_nothing_is_saved_when_all_were_screened() -> None:
    assert saved_by_screening_s([state(2, SCREENED)]) == 0.0


class ScriptedRound:
    """A process of two visits that takes the time of its job."""

    log: list[str]

    def __init__(self, subject: Any, _bench: Bench, state: dict[str, Any]) -> None:
        self._name = f"{subject.label}{len(state['rounds']) + 1}"
        self._n_visits = 0

    def visit(self) -> dict[str, Any] | None:
        self._n_visits += 1
        self.log.append(f"{self._name}.{self._n_visits}")
        if self._n_visits < 2:
            return None
        phase = {"wall_ms": 1.0, "delay_share": 0.0, "slow_share": 0.0, "probe_ns": 100.0}
        return {
            "ok": True,
            "percentiles_ns": {"0.5": 100.0, "0.95": None},
            "latency": phase,
            "batches": [],
            "load": {"wall_ms": 1.0},
            "warm_up": {"ms": 1.0},
            "overhead_ns": 1.0,
            "probe_full_ns": 100,
            "total_ms": 5.0,
        }

    def leave(self) -> None:
        self.log.append(f"{self._name} left")


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    ScriptedRound.log = []
    monkeypatch.setattr(measurement, "Round", ScriptedRound)
    return ScriptedRound.log


def job(name: str) -> Any:
    return SimpleNamespace(
        subject=replace(known_load(), label=name),
        key=lambda _context: name,
        cell="cell",
        candidate=name,
        serving="serving",
    )


class Documents(dict[str, Any]):
    def put(self, key: str, document: dict[str, Any]) -> None:
        self[key] = document


def test_jobs_are_visited_in_turns_and_kept_when_a_process_is_done(
    log: list[str], bench: Bench
) -> None:
    settings = make_settings(screening_processes=2, min_processes=2, max_processes=2)
    store = Documents()

    states = measure_jobs(
        [job("a"), job("b")],
        replace(bench, settings=settings),
        store,
        {},
        choose=lambda states: [True] * len(states),
    )

    assert log == ["a1.1", "b1.1", "a1.2", "b1.2", "a2.1", "b2.1", "a2.2", "b2.2"]
    assert [state["settled"] for state in states] == ["processes", "processes"]
    assert list(store.values()) == states


def test_job_that_nobody_would_choose_is_left_alone_after_its_screening(
    log: list[str], bench: Bench
) -> None:
    settings = make_settings(screening_processes=1, min_processes=2, max_processes=2)
    answers = iter([[True, False]])  # asked once: nothing is new while processes are open
    store = Documents()

    states = measure_jobs(
        [job("a"), job("b")],
        replace(bench, settings=settings),
        store,
        {},
        choose=lambda _states: next(answers),
    )

    assert log == ["a1.1", "b1.1", "a1.2", "b1.2", "a2.1", "a2.2"]
    assert [state["settled"] for state in states] == ["processes", SCREENED]
    assert [len(store[name]["rounds"]) for name in ("a", "b")] == [2, 1]


def test_process_of_a_job_that_nobody_would_choose_is_left(
    log: list[str], bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turns, "MAX_OPEN_PROCESSES", 2)  # so that c is screened after b goes on
    settings = make_settings(screening_processes=1, min_processes=2, max_processes=2)

    states = measure_jobs(
        [job("a"), job("b"), job("c")],
        replace(bench, settings=settings),
        Documents(),
        {},
        choose=lambda _states: [True, False, True],
    )

    assert "b2.1" in log
    assert log[log.index("b2.1") + 1] == "b2 left"
    assert [state["settled"] for state in states] == ["processes", SCREENED, "processes"]


def test_processes_are_left_when_measuring_fails(log: list[str], bench: Bench) -> None:
    settings = make_settings(screening_processes=1, min_processes=2, max_processes=2)

    class BrokenStore(Documents):
        def put(self, key: str, document: dict[str, Any]) -> None:
            raise OSError(f"no space for {key}")

    with pytest.raises(OSError, match="no space for a"):
        measure_jobs(
            [job("a"), job("b")],
            replace(bench, settings=settings),
            BrokenStore(),
            {},
            choose=lambda states: [True] * len(states),
        )

    assert log == ["a1.1", "b1.1", "a1.2", "b1 left"]


def test_jobs_wait_while_as_many_processes_are_open_as_may_be(
    log: list[str], bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turns, "MAX_OPEN_PROCESSES", 2)
    settings = make_settings(screening_processes=1, min_processes=2, max_processes=2)

    measure_jobs(
        [job("a"), job("b"), job("c")],
        replace(bench, settings=settings),
        Documents(),
        {},
        choose=lambda states: [True] * len(states),
    )

    # c, which is behind, begins before the second processes of a and b do.
    assert log[:7] == ["a1.1", "b1.1", "a1.2", "b1.2", "c1.1", "c1.2", "a2.1"]
    assert len(log) == 12
