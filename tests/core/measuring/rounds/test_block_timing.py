from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from factories.measurements import DictStore, known_load, make_round, make_settings

from rightfit._core.processes.codec import from_plain
from rightfit.measuring.rounds import block_timing
from rightfit.measuring.rounds.block_timing import VERSION_KEY, measure_jobs, reference_key
from rightfit.measuring.rounds.jobs import WHY_AGAIN
from rightfit.measuring.rounds.measurement import MeasurementContext
from rightfit.measuring.rounds.state import FinishedRound, MeasurementState
from rightfit.measuring.worker.protocol import Failure


class ScriptedRound:
    """A process of two slices of rows that takes the time of its job."""

    log: list[str]
    pid = None
    slow_ns: Mapping[str, float] = {}  # of jobs that take longer than others

    def __init__(self, subject: Any, _bench: MeasurementContext, state: MeasurementState) -> None:
        self._name = f"{subject.label}{len(state.rounds) + 1}"

    def count_slices(self) -> dict[int | None, int]:
        return {None: 2}

    def time_slice(self, batch_size: int | None) -> float:
        assert batch_size is None
        self._note("slice")
        return 100.0

    def finish(
        self,
        *,
        block: str,
        others_cores: object,
        slowdowns: Mapping[int | None, Sequence[float]],
    ) -> FinishedRound | Failure:
        assert slowdowns == {None: [1.0] * 2}  # of each of its slices
        self._note("finished")
        percentiles_ns = {"0.5": self.slow_ns.get(self._name[0], 100.0), "0.95": None}
        return make_round(percentiles_ns=percentiles_ns, total_ms=5.0, block=block)

    def leave(self) -> None:
        self._note("left")

    def _note(self, event: str) -> None:
        if not self._name.startswith("the reference"):
            self.log.append(f"{self._name} {event}")


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    ScriptedRound.log = []
    monkeypatch.setattr(block_timing, "OpenRound", ScriptedRound)
    return ScriptedRound.log


def list_finished(log: list[str]) -> list[str]:
    return sorted(event.split()[0] for event in log if event.endswith("finished"))


def job(name: str) -> Any:
    return SimpleNamespace(
        subject=replace(known_load(), label=name),
        cell="cell",
        candidate=name,
        serving="serving",
        prepare=lambda: None,
    )


def measure(
    names: str, bench: MeasurementContext, store: DictStore, **arguments: Any
) -> list[MeasurementState]:
    """Measure jobs that are named by a letter each."""
    return measure_jobs([job(name) for name in names], list(names), bench, store, **arguments)


def test_slices_of_a_block_alternate_and_its_processes_are_kept(
    log: list[str], bench: MeasurementContext
) -> None:
    settings = make_settings(screening_processes=2, min_processes=2, max_processes=2)
    store = DictStore()

    states = measure(
        "abcd",
        replace(bench, settings=settings),
        store,
        choose=lambda states: [True] * len(states),
    )

    first_block = log[:8]
    assert sorted(first_block) == sorted(f"{name}1 slice" for name in "abcd" * 2)
    assert first_block != sorted(first_block)  # in random order
    assert list_finished(log) == ["a1", "a2", "b1", "b2", "c1", "c2", "d1", "d2"]
    assert [state.settled for state in states] == ["processes"] * 4
    blocks = [one.block for one in states[0].rounds]
    assert len(set(blocks)) == 2
    assert all([one.block for one in state.rounds] == blocks for state in states)
    assert [from_plain(MeasurementState, store[name]) for name in "abcd"] == states


def test_disturbed_profile_is_measured_again_by_the_next_run_and_once_in_it(
    log: list[str],
    bench: MeasurementContext,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO")
    settings = make_settings(screening_processes=1, min_processes=1, max_processes=1)
    here, store = replace(bench, settings=settings), DictStore()

    def run(*, is_busy: bool) -> list[bool]:
        log.clear()
        finish = ScriptedRound.finish

        def finish_b(self: ScriptedRound, **arguments: Any) -> Any:
            one = finish(self, **arguments)
            return replace(one, is_disturbed=is_busy and self._name.startswith("b"))

        with monkeypatch.context() as patch:
            patch.setattr(ScriptedRound, "finish", finish_b)
            states = measure("ab", here, store, choose=lambda states: [True] * len(states))
        return [one.is_disturbed for state in states for one in state.rounds]

    assert run(is_busy=True) == [False, True]
    assert run(is_busy=True) == [False, True]
    assert list_finished(log) == ["b1"]
    assert "cell: 1 profile measured beside other work is measured again" in caplog.text
    assert run(is_busy=False) == [False, False]
    assert list_finished(log) == ["b1"]
    run(is_busy=False)
    assert list_finished(log) == []


def test_reference_takes_part_in_every_block_of_every_run(
    log: list[str], bench: MeasurementContext
) -> None:
    settings = make_settings(screening_processes=1, min_processes=1, max_processes=1)
    here, store = replace(bench, settings=settings), DictStore()

    for name in "ab":
        measure(name, here, store, choose=lambda _: [True], environment_id="e")

    reference = from_plain(MeasurementState, store[reference_key("e")])
    blocks = [from_plain(MeasurementState, store[name]).rounds[0].block for name in "ab"]
    assert [one.block for one in reference.rounds] == blocks


def test_job_that_nobody_would_choose_is_left_alone_after_its_screening(
    log: list[str], bench: MeasurementContext
) -> None:
    settings = make_settings(screening_processes=1, min_processes=2, max_processes=2)
    store = DictStore()

    states = measure(
        "ab",
        replace(bench, settings=settings),
        store,
        choose=lambda _states: [True, False],
    )

    assert list_finished(log) == ["a1", "a2", "b1"]
    assert [state.settled for state in states] == ["processes", "screened"]
    assert [len(store[name]["rounds"]) for name in ("a", "b")] == [2, 1]


def test_processes_are_left_when_measuring_fails(
    log: list[str], bench: MeasurementContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = make_settings(screening_processes=1, min_processes=2, max_processes=2)

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt("stop")

    monkeypatch.setattr(ScriptedRound, "time_slice", interrupt)

    with pytest.raises(KeyboardInterrupt, match="stop"):
        measure(
            "ab",
            replace(bench, settings=settings),
            DictStore(),
            choose=lambda states: [True] * len(states),
        )

    assert sorted(log) == ["a1 left", "b1 left"]


@pytest.mark.parametrize(("slow_ns", "n_rounds"), [(100.0, [2, 2, 2, 4]), (200.0, [4, 4, 4, 4])])
def test_members_of_a_cost_class_share_their_processes_unless_they_contradict_each_other(
    slow_ns: float,
    n_rounds: list[int],
    log: list[str],
    bench: MeasurementContext,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings = make_settings(screening_processes=2, min_processes=4, max_processes=4)
    monkeypatch.setattr(ScriptedRound, "slow_ns", {"c": slow_ns})

    states = measure(
        "abcd",
        replace(bench, settings=settings),
        DictStore(),
        choose=lambda states: [True] * len(states),
        cost_classes=["graph", "graph", "graph", None],
    )

    assert [len(state.rounds) for state in states] == n_rounds


def test_many_jobs_are_timed_in_groups_of_what_may_be_open(
    log: list[str], bench: MeasurementContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(block_timing, "MAX_OPEN_PROCESSES", 2)
    settings = make_settings(screening_processes=1, min_processes=2, max_processes=2)

    states = measure(
        "abc",
        replace(bench, settings=settings),
        DictStore(),
        choose=lambda states: [True] * len(states),
    )

    assert len({one.block for state in states for one in state.rounds}) == 4
    assert list_finished(log) == ["a1", "a2", "b1", "b2", "c1", "c2"]


def test_screened_job_stays_screened_while_the_same_applications_choose(
    log: list[str], bench: MeasurementContext
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
    assert list_finished(log) == ["b2"]
    assert [state.settled for state in other] == ["processes", "processes"]


def test_screened_job_is_judged_anew_among_other_candidates(
    log: list[str], bench: MeasurementContext
) -> None:
    settings = make_settings(screening_processes=1, min_processes=2, max_processes=2)
    again = replace(bench, settings=settings)
    store = DictStore()
    measure("ab", again, store, choose=lambda _states: [True, False])
    log.clear()

    states = measure("b", again, store, choose=lambda _states: [True])

    assert list_finished(log) == ["b2"]
    assert [state.settled for state in states] == ["processes"]


def test_failed_job_is_tried_again_by_the_next_run(
    log: list[str], bench: MeasurementContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = make_settings(screening_processes=1, min_processes=1, max_processes=1)
    store = DictStore()

    def run() -> MeasurementState:
        [state] = measure("a", replace(bench, settings=settings), store, choose=lambda _: [True])
        return state

    with monkeypatch.context() as broken:
        missing = Failure("a library is missing")
        broken.setattr(ScriptedRound, "finish", lambda _round, **_: missing)
        failed = run()
    mended = run()

    assert failed.error == "a library is missing"
    assert (mended.error, mended.settled) == (None, "processes")
    assert store["a"]["error"] is None


def test_nothing_to_measure_takes_no_process(bench: MeasurementContext) -> None:
    assert measure("", bench, DictStore(), choose=lambda _: []) == []


@pytest.mark.parametrize(
    ("version", "n_lines"),
    [(None, 1), ({"version": 1}, 1), ({"version": 1_000}, 0)],
)
def test_store_of_an_earlier_version_says_once_why_it_is_measured_again(
    version: dict[str, int] | None,
    n_lines: int,
    log: list[str],
    bench: MeasurementContext,
    caplog: pytest.LogCaptureFixture,
) -> None:
    settings = make_settings(screening_processes=1, min_processes=1, max_processes=1)
    here, store = replace(bench, settings=settings), DictStore()
    measure("a", here, store, choose=lambda _: [True], environment_id="e")
    del store[VERSION_KEY]
    if version is not None:
        store[VERSION_KEY] = version
    caplog.set_level("INFO")

    for name in "bc":
        measure(name, here, store, choose=lambda _: [True], environment_id="e")

    assert sum(WHY_AGAIN in message for message in caplog.messages) == n_lines


def test_new_store_says_nothing_of_earlier_measurements(
    log: list[str], bench: MeasurementContext, caplog: pytest.LogCaptureFixture
) -> None:
    settings = make_settings(screening_processes=1, min_processes=1, max_processes=1)
    caplog.set_level("INFO")

    measure("a", replace(bench, settings=settings), DictStore(), choose=lambda _: [True])

    assert not any(WHY_AGAIN in message for message in caplog.messages)
