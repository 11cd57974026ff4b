"""A deployment is tried under exactly the limits that its YAML states."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from factories.exports import choose, make_model
from factories.studies import make_raw

from rightfit.cli.size import settle_size
from rightfit.data.request_path.raw_inputs import list_inputs
from rightfit.exporting.export_folder import export_model
from rightfit.exporting.model_call import Model
from rightfit.ops.http_load import served
from rightfit.ops.http_load.deployment_trial import TrialResult, read_deployment, try_deployment
from rightfit.ops.http_load.loading import write_bodies
from rightfit.ops.http_load.served import ContainerLimits, Throttling, confine, read_throttling
from rightfit.ops.server import MAX_REQUESTS_VARIABLE
from rightfit.ops.sizing import Raised, ServedFigures, size_deployment
from rightfit.ranking.records.load_records import LatencyLimit

pytestmark = pytest.mark.whole

FIGURES = ServedFigures(
    highest_rate_per_s=50, limit_ms=5_000, server_cores=0.5, peak_memory_mib=400
)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    return make_model(tmp_path_factory.mktemp("model") / "linear-000")


def write_deployment(
    answer: object, figures: ServedFigures = FIGURES, *, rate_per_s: float = 60
) -> str:
    return size_deployment(
        answer,  # type: ignore[arg-type]
        "server",
        rate_per_s=rate_per_s,
        headroom_pct=20,
        served=figures,
    )


def test_winner_holds_its_share_of_the_rate_and_too_little_memory_is_noticed(
    tmp_path: Path, model: Model
) -> None:
    answer = choose(model)
    export_model(answer, model, tmp_path / "out")
    bodies = write_bodies(make_raw().head(10), list_inputs(model.encoder))
    few = replace(FIGURES, highest_rate_per_s=5)  # on a machine that is busy, too
    text, meagre = (
        write_deployment(answer, replace(few, peak_memory_mib=memory_mib), rate_per_s=6)
        for memory_mib in (400, 20)
    )

    held, failed = (
        try_deployment(
            deployment,
            tmp_path / "out",
            bodies,
            rate_per_s=6,
            limit=LatencyLimit(0.5, 5_000),
            seconds=3,
        )
        for deployment in (text, meagre)
    )

    assert read_deployment(text).replicas == 2
    assert "held (3 requests/s" in held.said
    assert held.holds, held.said
    assert not failed.holds, failed.said


def test_what_is_no_deployment_is_refused() -> None:
    with pytest.raises(ValueError, match="no deployment as rightfit size writes it"):
        read_deployment("spec: {replicas: 1}")


@pytest.mark.parametrize(
    ("stat", "seconds"),
    [
        ("nr_periods 9\nnr_throttled 2\nthrottled_time 150000000\n", 0.15),  # version 1: ns
        ("usage_usec 8\nnr_periods 9\nnr_throttled 2\nthrottled_usec 150000\n", 0.15),
    ],
)
def test_throttling_is_read_from_the_control_group(
    tmp_path: Path, stat: str, seconds: float
) -> None:
    (tmp_path / "cpu.stat").write_text(stat)

    found = read_throttling((tmp_path, tmp_path / "memory")) - Throttling(4, 1, 0.05)

    assert found == Throttling(5, 1, pytest.approx(seconds - 0.05))
    assert str(found) == "throttled in 1 of 5 periods of 100 ms, 0.10 s in all"


@pytest.mark.parametrize(
    ("share", "seconds", "message"),
    [
        (0.99, 3, r"too few for a p99 in 3 s: try for \d+ s"),
        (0.5, 600, r"refuses the first rows, with status 422: .*no row"),
    ],
    ids=["too few requests for the percentile", "rows that the server refuses"],
)
def test_a_trial_that_can_tell_nothing_is_refused_before_it_begins(
    tmp_path: Path, model: Model, share: float, seconds: float, message: str
) -> None:
    answer = choose(model)
    export_model(answer, model, tmp_path / "out")

    with pytest.raises(ValueError, match=message):
        try_deployment(
            write_deployment(answer),
            tmp_path / "out",
            ("[]",),
            rate_per_s=60,
            limit=LatencyLimit(share, 5_000),
            seconds=seconds,
        )


def test_a_server_waits_for_as_many_as_it_can_answer_in_time(model: Model) -> None:
    answer = choose(model)

    few, many = (
        read_deployment(write_deployment(answer, replace(FIGURES, limit_ms=limit_ms)))
        for limit_ms in (100, 5_000)
    )

    assert few.variables[MAX_REQUESTS_VARIABLE] == "64"  # the server's own
    assert many.variables[MAX_REQUESTS_VARIABLE] == "250"  # 50 requests/s for 5 s
    assert many.variables["OMP_NUM_THREADS"] == "1"


def try_in_turn(
    model: Model, results: list[TrialResult]
) -> tuple[str, list[tuple[int, float, float]]]:
    """Settle a deployment with given results of the trials; return it and what was tried."""
    answer = choose(model)
    left = list(results)
    tried: list[tuple[int, float, float]] = []

    def write(raised: Raised) -> str:
        return size_deployment(
            answer, "server", rate_per_s=60, headroom_pct=20, served=FIGURES, raised=raised
        )

    def attempt(text: str) -> TrialResult:
        found = read_deployment(text)
        tried.append((found.replicas, found.limits.cores, found.limits.memory_mib))
        return left.pop(0)

    return settle_size(write, attempt, n_cores=2, say=lambda _: None), tried


LATE = TrialResult("", ("late",))
HELD = TrialResult("held", ())


@pytest.mark.parametrize(
    ("failed", "tried"),
    [
        (LATE, (3, 1.0, 480)),
        (replace(LATE, needs_cores=True), (2, 1.5, 480)),
        (replace(LATE, needs_memory=True), (2, 1.0, 600)),
        (replace(LATE, is_disturbed=True), (2, 1.0, 480)),
    ],
)
def test_after_a_trial_that_failed_more_of_what_it_lacked_is_tried(
    model: Model, failed: TrialResult, tried: tuple[int, float, float]
) -> None:
    text, limits = try_in_turn(model, [failed, HELD])

    assert limits == [(2, 1.0, 480), tried]
    assert "not tried" not in text


def test_what_never_holds_is_not_proposed(model: Model) -> None:
    disturbed = replace(LATE, is_disturbed=True)

    with pytest.raises(ValueError, match="None of 4 deployments held; the last: late"):
        try_in_turn(model, [LATE] * 4)
    with pytest.raises(ValueError, match="In 4 of these trials other processes used the cores"):
        try_in_turn(model, [disturbed] * 4)


def test_without_rights_the_server_is_bound_to_whole_cores(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "cgroup.controllers").touch()  # a group made here holds no limits
    (tmp_path / "rightfit-of-a-killed-trial").mkdir()
    monkeypatch.setattr(served, "_read_own_groups", lambda: {"": "/", "cpu": "/", "memory": "/"})

    with confine(ContainerLimits(1.5, 100), [3, 5, 7], root=tmp_path) as place:
        assert (place.cores, place.groups) == ((3, 5), ())

    assert [path.name for path in tmp_path.iterdir()] == [
        *("cgroup.controllers", "cgroup.subtree_control"),
    ]
