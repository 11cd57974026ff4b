"""Read a winner's model, and what is needed to feed it, from stored results."""

from __future__ import annotations

from rightfit.request_path.raw_inputs import pass_numbers
from rightfit.serving.answer import Answer
from rightfit.serving.export import require_winner
from rightfit.serving.model_call import Model
from rightfit.verbs.stored import NothingStoredError, StoredResults


def read_model(results: StoredResults, answer: Answer) -> Model:
    """Read the winner's bundle and what is needed to feed it, as they were when it was measured.

    Raises:
        ValueError: If one of them is no longer stored, or damaged.
    """
    winner = require_winner(answer)
    cell = f"{answer.dataset}.{winner.model}.candidates"
    version = results.find_version(cell, at_most=answer.origin.measured_in)
    bundles = results.load(cell, version)
    if winner.candidate not in bundles:
        raise NothingStoredError(
            f"{winner.candidate} is not among the candidates of {version}: {sorted(bundles)}. "
            "Run: kedro run --pipelines perf"
        )
    inputs = {}
    for name in ("encoder", "data_card"):
        entry = f"{answer.dataset}.{name}"
        inputs[name] = results.load(entry, results.find_version(entry, at_most=version))
    bundle = bundles[winner.candidate]
    encoder = inputs["encoder"].model_dump(mode="json")
    if bundle.configuration.get("input") == "raw":  # imported: it encodes for itself
        encoder = pass_numbers(bundle.schema.features)
    return Model(bundle, encoder, inputs["data_card"])
