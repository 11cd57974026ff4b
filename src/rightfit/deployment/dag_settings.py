"""Settings of a generated DAG."""

from __future__ import annotations

from datetime import date
from pathlib import Path

from omegaconf import OmegaConf
from pydantic import Field, ValidationError

from rightfit.strict_model import MAX_COUNT, MAX_S, StrictModel


class DagSettings(StrictModel):
    """How a scheduler runs the tasks (``conf/airflow/airflow.yml``)."""

    schedule: str | None
    start_date: date
    catchup: bool
    max_active_runs: int = Field(gt=0, le=MAX_COUNT)
    max_active_tasks: int = Field(gt=0, le=MAX_COUNT)
    retries: int = Field(ge=0, le=MAX_COUNT)
    retry_delay_s: float = Field(ge=0, le=MAX_S)
    alone: tuple[str, ...]
    pools: dict[str, str]
    queues: dict[str, str]

    def check_stages(self, stages: set[str]) -> None:
        """Refuse settings for stages there are not.

        Raises:
            ValueError: Naming the unknown stages.
        """
        unknown = sorted({*self.alone, *self.pools, *self.queues} - stages)
        if unknown:
            raise ValueError(
                f"alone, pools and queues name the stages {unknown}, but there are "
                f"{sorted(stages)}. Correct the DAG's settings (airflow.yml)."
            )


def read_settings(path: Path) -> DagSettings:
    """Read a DAG's settings.

    Raises:
        ValueError: Naming every faulty key.
    """
    try:
        return DagSettings.model_validate(OmegaConf.to_container(OmegaConf.load(path)))
    except ValidationError as err:
        raise ValueError(f"{path} is not right: {err}") from err
