"""What averages of a search's candidates gain over the best of them, on rows that no search sees.

Run from the repository's root: ``PYTHONPATH=benchmarks/portfolios python
benchmarks/peers/ensembles.py --keep data/ensembles``. Each table is searched for 30 CPU seconds by
the families that ``rf.search`` takes where a call names none; the candidates' answers are kept, so
that a second call only judges. By validation rows: the best candidate; the plain average of the
best three; averages with weights chosen greedily (Caruana et al., ICML 2004); and stacked ones
(Breiman, Machine Learning 24, 1996); each of at most so many candidates. The tables are those that
portfolios were learnt on: none of them is a table of ``make bench-peers``. A line per table; then
the mean gain in accuracy or R² over the candidate that the search's test rows choose, in standard
errors of its quality: of each average, and where these rows choose between it and that candidate.
"""

from __future__ import annotations

import argparse
import math
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
from default_families import TABLES
from peer_judging import score
from peer_rows import MAX_TEST_ROWS, MAX_TRAIN_ROWS, METRICS, TEST_SHARE
from scipy.optimize import nnls
from tables import LEARNT_ON, TableSource, read_frames

from rightfit.api.fitted import list_labels
from rightfit.api.search_arguments import read_rules
from rightfit.api.searching import NAME, check_target, read_table, search_dataset
from rightfit.preparation.description import DatasetBlock
from rightfit.preparation.prepared import encode_new_rows, prepare_dataset
from rightfit.quality.metric import QualityMetric

Floats = npt.NDArray[np.float64]
PARTS = ("validation", "test", "unseen")
SIZES = (2, 3, 5, 99)
MAX_WITHOUT_GAIN = 8  # candidates added in a row by which no average was better


def main() -> None:
    """Print gains per table, and their means."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--keep", type=Path, required=True, help="folder for the answers")
    parser.add_argument("--tables", nargs="+", default=list(TABLES))
    parser.add_argument("--budget-cpu-s", type=float, default=30.0)
    asked = parser.parse_args()
    warnings.simplefilter("ignore")
    asked.keep.mkdir(parents=True, exist_ok=True)
    gains: dict[str, list[float]] = {}
    for name, source, frame in read_frames({one: LEARNT_ON[one] for one in asked.tables}):
        file = asked.keep / f"{name}.npz"
        if not file.exists():
            found = answer_table(source, frame.drop(source.left_out), asked.budget_cpu_s)
            np.savez(file, **found)
        with np.load(file) as kept:
            found_gains = judge(kept)
        shown = ", ".join(f"{how} {gain:+.2f}" for how, gain in found_gains.items())
        print(f"{name}: {shown}", flush=True)
        for how, gain in found_gains.items():
            gains.setdefault(how, []).append(gain)
    for how, all_gains in gains.items():
        error = float(np.std(all_gains, ddof=1)) / math.sqrt(len(all_gains))
        print(f"{how}: {float(np.mean(all_gains)):+.2f} ± {error:.2f} standard errors")


def answer_table(source: TableSource, frame: pl.DataFrame, budget_cpu_s: float) -> dict[str, Any]:
    """Search a table; return labels and all candidates' answers by the rows' part.

    Answers have the shape (n_candidates, n_rows, n_outputs).
    """
    n_test = min(MAX_TEST_ROWS, int(TEST_SHARE * frame.height))
    unseen = frame[:n_test]
    table = read_table(frame[n_test : n_test + MAX_TRAIN_ROWS])
    block = DatasetBlock.model_validate({"tables": [NAME], "target": {"column": source.target}})
    prepared = prepare_dataset(NAME, block, {NAME: table})
    rules = read_rules(
        applications=None,
        families=None,
        budget_cpu_s=budget_cpu_s,
        n_trials=None,
        early_stopping="pausing",
        refit="never",
        n_workers=1,
        seed=0,
    )
    card = prepared.data_card
    labels = list_labels(card, check_target(table, source.target))
    found = search_dataset(prepared, rules, labels)
    rows = {part: prepared.encode(part) for part in ("validation", "test")}
    known = {part: one["label"].to_numpy() for part, one in rows.items()}
    rows["unseen"] = encode_new_rows(prepared.spec, prepared.encoder, read_table(unseen))
    classes = card.input_schema.classes
    truth = unseen[source.target]
    places = [classes.index(str(one)) for one in truth] if classes else truth
    known["unseen"] = np.asarray(places)
    answers: dict[str, list[Any]] = {part: [] for part in PARTS}
    for bundle in found._candidates.values():
        family, model = bundle.load_family(), bundle.load_native()
        for part, one in rows.items():
            fed = one.select(card.input_schema.features).to_numpy().astype(np.float32, order="C")
            answers[part].append(np.asarray(family.predict(model, fed), dtype=np.float64))
    return {
        **{f"known_{part}": one for part, one in known.items()},
        **{part: np.stack(one) for part, one in answers.items()},
    }


def judge(found: Mapping[str, Any]) -> dict[str, float]:
    """Return the gain of each way to average over the candidate that the test rows choose."""
    is_class = found["unseen"].shape[2] > 1
    task = "classification" if is_class else "regression"
    metric = QualityMetric(name=METRICS[task], worst=0.0, best=1.0)

    def measure(weights: Floats, part: str) -> tuple[float, float]:
        answers, known = np.tensordot(weights, found[part], axes=1), found[f"known_{part}"]
        said = answers.argmax(axis=1) if is_class else answers[:, 0]
        return score(pl.Series(known), pl.Series(said), metric, task)

    singles = np.eye(len(found["test"]))
    chosen = max(singles, key=lambda one: measure(one, "test")[0])
    quality, error = measure(chosen, "unseen")
    on_test, gains = measure(chosen, "test")[0], {}
    for how, weights in list_weights(found, singles, lambda one: measure(one, "validation")[0]):
        gain = (measure(weights, "unseen")[0] - quality) / error
        gains[how] = gain
        gains[f"{how}, if test rows choose it"] = (
            gain if measure(weights, "test")[0] > on_test else 0.0
        )
    return gains


def list_weights(
    found: Mapping[str, Any], singles: Floats, on_validation: Any
) -> Iterator[tuple[str, Floats]]:
    """Yield each way to weigh candidates by the validation rows, and the weights."""
    order = sorted(singles, key=on_validation, reverse=True)
    yield "best by validation", order[0]
    yield "plain average of three", np.mean(order[:3], axis=0)
    answers, labels = found["validation"], found["known_validation"]
    for size in SIZES:
        yield f"greedy of {size}", weigh_greedily(answers, labels, size)
        yield f"stacked of {size}", stack(answers, labels, size)


def weigh_greedily(answers: Floats, labels: npt.NDArray[Any], n_members: int) -> Floats:
    """Return weights by adding the candidate that the average gains most by, again and again.

    Of averages of equal accuracy the one of the smaller squared error is better: by accuracy alone,
    one more model changes no answer and the first stays alone.
    """
    truth = _as_answers(labels, answers.shape[2])

    def judge_average(given: Floats) -> tuple[float, float]:
        error = float(((given - truth) ** 2).mean())
        is_class = given.shape[1] > 1
        return float((given.argmax(axis=1) == labels).mean()) if is_class else -error, -error

    counts = np.zeros(len(answers))
    best, best_counts, total = (-math.inf, -math.inf), counts, np.zeros_like(answers[0])
    while counts.sum() - best_counts.sum() < MAX_WITHOUT_GAIN:
        is_full = np.count_nonzero(counts) >= n_members
        allowed = [place for place in range(len(answers)) if counts[place] or not is_full]
        n_taken = counts.sum() + 1
        merits = {place: judge_average((total + answers[place]) / n_taken) for place in allowed}
        chosen = max(allowed, key=merits.__getitem__)
        counts = counts + (np.arange(len(answers)) == chosen)
        total = total + answers[chosen]
        if merits[chosen] > best:
            best, best_counts = merits[chosen], counts
    return np.asarray(best_counts / best_counts.sum())


def stack(answers: Floats, labels: npt.NDArray[Any], n_members: int) -> Floats:
    """Return the weights of the least squared error, none of them negative."""
    columns = answers.reshape(len(answers), -1).T
    truth = _as_answers(labels, answers.shape[2]).ravel()
    weights, _ = nnls(columns, truth)
    largest = np.argsort(-weights, kind="stable")[:n_members]
    found = np.zeros(len(answers))
    found[largest], _ = nnls(columns[:, largest], truth)
    return np.asarray(found / found.sum())


def _as_answers(labels: npt.NDArray[Any], n_outputs: int) -> Floats:
    """Return what a perfect model would answer, shape (n_rows, n_outputs)."""
    is_class = labels[:, None] == np.arange(n_outputs)
    return np.asarray(is_class if n_outputs > 1 else labels[:, None], dtype=np.float64)


if __name__ == "__main__":
    main()
