"""The node that makes cascades of a dataset's measured candidates."""

from __future__ import annotations

import atexit
import logging
from collections.abc import Mapping
from contextlib import ExitStack

import polars as pl

from rightfit.families.bundle import Bundle
from rightfit.naming import name_candidate
from rightfit.parameters.cascades import CascadeBlock
from rightfit.preparation.describing import DataCard
from rightfit.processes.leftovers import temporary_folder

logger = logging.getLogger(__name__)

_folders = ExitStack()  # of cascades: the catalog copies what is in them
atexit.register(_folders.close)


def build_cascades(
    validation: pl.DataFrame,
    data_card: DataCard,
    model: CascadeBlock,
    *of_members: Mapping[str, Bundle] | pl.DataFrame,
    cell_name: str,
) -> dict[str, Bundle]:
    """Make the cascades of a dataset's candidates that promise most.

    ``of_members`` are the candidates of each searched model, then the profiles of each.

    Returns:
        Bundles by name; empty where no cascade promises more than single candidates.
    """
    from rightfit.cascades.building import build_cascade, check_cascade, find_members
    from rightfit.cascades.choosing import choose_cascades

    if data_card.input_schema.task != "classification":
        logger.warning("%s: only classifiers say how sure they are; no cascade is made", cell_name)
        return {}
    candidates = {
        name: bundle
        for part in of_members
        if not isinstance(part, pl.DataFrame)
        for name, bundle in part.items()
    }
    profiles = pl.concat([part for part in of_members if isinstance(part, pl.DataFrame)])
    labels = validation["label"].to_numpy()
    members = find_members(candidates, profiles, validation)
    chosen = choose_cascades(
        members,
        lambda answers: data_card.quality.score(labels, answers),
        n_cascades=model.n_candidates,
    )
    folder = _folders.enter_context(temporary_folder("cascades"))
    name, built = cell_name.partition(".")[2], {}
    for number, cascade in enumerate(chosen):
        label = name_candidate(name, number)
        try:
            bundle = build_cascade(cascade, candidates, folder / label, model=name)
            check_cascade(bundle, {one.name: one.answers for one in members}, validation)
        except ValueError as err:
            logger.warning("%s: left out %s: %s", cell_name, cascade, err)
            continue
        logger.debug("%s: %s is %s", cell_name, label, cascade)
        built[label] = bundle
    return built
