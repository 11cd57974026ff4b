"""Other machines of which measurements were imported, and the profiles that they make."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace

import polars as pl

from rightfit._core.processes.json_store import JsonStore
from rightfit.api.candidate_measuring import list_servings
from rightfit.data.request_path import RequestPath
from rightfit.measuring.profiles.candidate_profiles import profile_measured
from rightfit.measuring.rounds.block_timing import reference_key
from rightfit.measuring.rounds.jobs import CandidateSet, plan_jobs, with_paths
from rightfit.measuring.rounds.measurement import MeasurementContext
from rightfit.measuring.serving import name_device
from rightfit.params.evaluation import EvaluationParams
from rightfit_deploy.remote.documents import (
    RUNTIME,
    RemoteMeasurements,
    list_imported,
    load_measured,
    select_measured,
)

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class ImportedMachine:
    """A ``rightfit.api.candidate_measuring.Machine`` whose measurements were imported."""

    name: str
    measurements: JsonStore

    def read(self) -> RemoteMeasurements:
        """See ``Machine``."""
        return load_measured(self.name, self.measurements)

    def profile(
        self,
        candidate_set: CandidateSet,
        paths: Sequence[RequestPath],
        bench: MeasurementContext,
        params: EvaluationParams,
    ) -> pl.DataFrame:
        """See ``Machine``."""
        measured = self.read()
        remote_environment = measured.environment
        servings = [
            serving
            for serving in list_servings(params, remote_environment)
            if serving.runtime == RUNTIME
        ]
        jobs = plan_jobs(
            candidate_set.dataset,
            candidate_set.candidates,
            with_paths(servings, paths),
            candidate_set.requests,
        )
        remote_jobs, states = select_measured(
            measured, jobs, bench.settings, candidate_set.data_version
        )
        if len(remote_jobs) < len(jobs):
            logger.warning(
                "%s: %d of %d configurations were not measured on %s; pack them with "
                "rightfit remote pack",
                candidate_set.dataset,
                len(jobs) - len(remote_jobs),
                len(jobs),
                self.name,
            )
        profiles = profile_measured(
            replace(
                candidate_set,
                environment_id=remote_environment.environment_id,
                devices=remote_environment.devices,
            ),
            remote_jobs,
            states,
            bench,
            self.measurements,
            tiers=params.tiers,
            reference=measured.states.get(reference_key(remote_environment.environment_id)),
        )
        return profiles.with_columns(
            pl.format(name_device("{}", self.name), "device").alias("device")
        )


def find_machines(measurements: JsonStore) -> dict[str, ImportedMachine]:
    """Return the machines of which measurements were imported, by name."""
    return {name: ImportedMachine(name, measurements) for name in list_imported(measurements)}
