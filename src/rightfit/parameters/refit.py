"""Which winners are trained again, and on which rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Literal

from pydantic import Field, ValidationError

from rightfit.parameters.defaults import RawParameters
from rightfit.parameters.grid import Names
from rightfit.strict_model import MAX_S, StrictModel

RefitWhen = Literal["all_rows", "always", "never"]


class RefitParams(StrictModel):
    """Which datasets' winners are refitted, and how long that may take (``params:refit``).

    ``always`` trains on train and validation rows, so that the test rows judge the refitted model;
    ``all_rows`` on the test rows too: then the figures of quality stay those of the chosen model.
    """

    when: RefitWhen
    never_for: Names = ()
    budget_s: float = Field(ge=0, le=MAX_S)  # of training per dataset, as expected from the search

    @property
    def learns_from_test(self) -> bool:
        """Whether the test rows are learnt from, so that they cannot judge."""
        return self.when == "all_rows"


def find_refit_faults(parameters: RawParameters) -> Iterator[str]:
    """Describe datasets that are declared not to be refitted, and do not exist."""
    datasets = parameters.get("datasets")
    try:
        named = RefitParams.model_validate(parameters.get("refit")).never_for
    except ValidationError:
        return  # told with its block
    unknown = sorted(set(named) - set(datasets)) if isinstance(datasets, Mapping) else []
    if unknown and isinstance(datasets, Mapping):
        yield (
            f"refit.never_for names {unknown}, described are {sorted(map(str, datasets))} "
            "(parameters_datasets.yml). Correct parameters_refit.yml."
        )
