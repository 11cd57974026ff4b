"""Which cascades would measured rates have chosen, and what do the usual ones lose?

Run from the repository's root: ``python benchmarks/cascades.py FOLDER...``, on data folders in
which the main job has run. Each dataset's cascades are chosen by the rates that were measured in
each folder, and by those that its members' structure usually has. What both promise is told by the
measured rates: the area that they add to what single candidates dominate in quality and throughput.
The last line is JSON:

- ``kept_min``, ``kept_mean``: area of the cascades by usual rates / of those by measured rates;
- ``sets_measured``, ``sets_usual``: different sets of cascades that the folders have of a dataset,
  the most of any.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from statistics import fmean

import optuna
import polars as pl
from kedro.framework.startup import bootstrap_project
from main_job import PROJECT

from rightfit.kedro_project.configuration import find_grid
from rightfit.kedro_project.stored_results import ProjectLocation
from rightfit.measuring.naming import name_candidate
from rightfit.models.cascades import Cascade, Member, Score, choose_cascades, measure_dominated_area
from rightfit.params.grid import Grid
from rightfit.searching.pausing.priors import predict_rows_per_s
from rightfit.searching.studies.study_store import StudyStore
from rightfit.searching.studies.trial_attributes import CURVE

ENV, N_CASCADES = "base", 2


def list_members(root: Path, dataset: str, grid: Grid) -> tuple[list[Member], list[Member], Score]:
    """Return a dataset's candidates with measured rates, with usual ones, and their score."""
    load = ProjectLocation(str(root.resolve()), ENV, folder=PROJECT).open_results().load_newest
    models = grid.list_searched(dataset)
    predictions = pl.concat(
        [load(f"{dataset}.{model}.validation_predictions") for model in models], how="horizontal"
    )
    usual = {}
    for model in models:
        store = StudyStore(root / "06_models" / "studies", None).cell(f"{dataset}.{model}").open()
        for name in optuna.get_all_study_names(store):
            for trial in optuna.load_study(study_name=name, storage=store).get_trials():
                if trial.user_attrs.get(CURVE):
                    structure = trial.user_attrs[CURVE][-1]["structure"]
                    rate = predict_rows_per_s(grid.families[model], structure)
                    usual[name_candidate(model, trial.number)] = rate
    fewest_threads = (
        load("resource_profiles")
        .filter(
            pl.col("dataset") == dataset,
            pl.col("runtime") == "onnx",
            pl.col("candidate").is_in(predictions.columns),
            pl.col("throughput_rows_per_s").is_not_null(),
        )
        .sort("candidate", "n_threads")
        .unique("candidate", keep="first", maintain_order=True)
    )
    measured = [
        Member(name, predictions[name].to_numpy(), rate)
        for name, rate in fewest_threads.select("candidate", "throughput_rows_per_s").iter_rows()
    ]
    labels = load(f"{dataset}.validation")["label"].to_numpy()
    quality = load(f"{dataset}.data_card").quality
    return (
        measured,
        [replace(member, rows_per_s=usual[member.name]) for member in measured],
        lambda answers: quality.score(labels, answers),
    )


def measure_gain(cascades: Sequence[Cascade], members: Sequence[Member], score: Score) -> float:
    """Return the area that cascades add at their members' measured rates."""
    rate = {member.name: member.rows_per_s for member in members}
    single = [(score(member.answers), member.rows_per_s) for member in members]
    promised = [
        (
            cascade.predicted_quality,
            1 / (1 / rate[cascade.cheap] + cascade.passed_on / rate[cascade.expensive]),
        )
        for cascade in cascades
    ]
    origin = min(quality for quality, _ in single), min(rate.values())
    whole, without = (
        measure_dominated_area(points, origin) for points in ([*single, *promised], single)
    )
    return whole - without


def main() -> None:
    """Choose, compare and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("folders", type=Path, nargs="+")
    folders = parser.parse_args().folders
    bootstrap_project(PROJECT)
    grid = find_grid()
    if grid is None:
        parser.error("the project has no grid")
    kept, sets = [], defaultdict[tuple[str, str], set[str]](set)
    for dataset in dict.fromkeys(dataset for dataset, _ in grid.cascade_cells()):
        for folder in folders:
            measured, usual, score = list_members(folder, dataset, grid)
            gains = []
            for rates, members in (("measured", measured), ("usual", usual)):
                cascades = choose_cascades(members, score, n_cascades=N_CASCADES)
                text = "; ".join(
                    f"{cascade.cheap} + {cascade.expensive} for {cascade.passed_on:.0%}"
                    for cascade in cascades
                )
                sets[rates, dataset].add(text)
                gains.append(measure_gain(cascades, measured, score))
                print(f"{folder}, {dataset}, {rates} rates: {text}: area {gains[-1]:.5f}")
            kept.append(gains[1] / gains[0] if gains[0] else 1.0)
    figures = {
        "kept_min": min(kept),
        "kept_mean": fmean(kept),
        **{
            f"sets_{rates}": max(len(texts) for (of, _), texts in sets.items() if of == rates)
            for rates in ("measured", "usual")
        },
    }
    print(json.dumps({name: round(value, 4) for name, value in figures.items()}))


if __name__ == "__main__":
    main()
