"""A deployment is tried under exactly the limits that its YAML states."""

from __future__ import annotations

from pathlib import Path

import pytest
from exports import choose, make_model
from stored import make_raw

from rightfit.http_load import confining
from rightfit.http_load.confining import ContainerLimits, confine
from rightfit.http_load.load_records import LatencyLimit
from rightfit.http_load.trial import read_deployment, try_deployment
from rightfit.http_load.winners import write_bodies
from rightfit.serving.export import export_model
from rightfit.serving.sizing import ServedFigures, size_deployment

FIGURES = ServedFigures(
    highest_rate_per_s=50, limit_ms=5_000, server_cores=0.5, peak_memory_mib=400
)


def write_deployment(answer: object, figures: ServedFigures = FIGURES) -> str:
    return size_deployment(
        answer,  # type: ignore[arg-type]
        "server",
        rate_per_s=60,
        headroom_pct=20,
        served=figures,
    )


def test_winner_holds_its_share_of_the_rate_and_too_little_memory_is_noticed(
    tmp_path: Path,
) -> None:
    model = make_model(tmp_path / "model")
    answer = choose(model)
    export_model(answer, model, tmp_path / "out")
    bodies = write_bodies(make_raw().head(10), model.encoder)
    text, meagre = (
        write_deployment(answer),
        write_deployment(answer, ServedFigures(50, 5_000, 0.5, peak_memory_mib=20)),
    )

    held, failed = (
        try_deployment(
            deployment,
            tmp_path / "out",
            bodies,
            rate_per_s=60,
            limit=LatencyLimit(0.5, 5_000),
            seconds=3,
        )
        for deployment in (text, meagre)
    )

    assert read_deployment(text).replicas == 2
    assert "held (30 requests/s" in held.said
    assert held.holds, held.said
    assert not failed.holds, failed.said


def test_what_is_no_deployment_is_refused() -> None:
    with pytest.raises(ValueError, match="no deployment as rightfit size writes it"):
        read_deployment("spec: {replicas: 1}")


def test_without_rights_the_server_is_bound_to_whole_cores(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "cgroup.controllers").touch()  # a group made here holds no limits
    monkeypatch.setattr(confining, "_read_own_groups", lambda: {"": "/", "cpu": "/", "memory": "/"})

    with confine(ContainerLimits(1.5, 100), [3, 5, 7], root=tmp_path) as confinement:
        assert (confinement.place.cores, confinement.place.groups) == ((3, 5), ())
        assert not confinement.kills

    assert [path.name for path in tmp_path.iterdir()] == [
        *("cgroup.controllers", "cgroup.subtree_control"),
    ]
