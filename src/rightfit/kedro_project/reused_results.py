"""Unchanged steps in Rightfit: how inputs are identified, which steps are kept, what is said.

A step that is unchanged is left out, and the run reads the results that it made. A stored result
that is no longer what its run wrote is set aside, and its step runs.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from kedro.framework.project import pipelines
from kedro.pipeline import Pipeline
from kedro.pipeline.node import Node

from rightfit._core.formatting import clean_text
from rightfit._core.processes.json_store import JsonStore
from rightfit.data.description import DatasetBlock
from rightfit.kedro_project.config_loader import REUSE_RESULTS, VERIFY_RESULTS
from rightfit.kedro_project.configuration import ConfigurationError
from rightfit.kedro_project.datasets.earlier_runs import EarlierWinnersDataset, RunVersionDataset
from rightfit.kedro_project.datasets.stores import JsonStoreDataset, StudyStoreDataset
from rightfit.kedro_project.error_messages import explain_error
from rightfit.kedro_project.failures import holds_failure
from rightfit.kedro_project.imported_block import ImportedBlock, locate
from rightfit.kedro_project.kedro_private import Catalog
from rightfit.kedro_project.nodes import is_own, is_shipped
from rightfit.kedro_project.reuse import StepReuse, hash_content
from rightfit.kedro_project.versions import open_records
from rightfit.measuring.hardware.environment import describe_environment
from rightfit.measuring.remote_documents import list_imported
from rightfit.models.quality.scorers import read_function_sources
from rightfit.params.grid import is_searched
from rightfit.ranking.records.baseline import WATCH_KEY
from rightfit.searching.space import ModelBlock
from rightfit.searching.studies.study_store import fingerprint_family

logger = logging.getLogger(__name__)

EARLIER = "earlier"  # winners, see ReusedResults.may_keep
RUN_VERSION = "run version"  # tells when the profiles were measured, which are inputs themselves
_TABLES = ("trials", "profiles")  # tell of parts that failed, which the next run tries again
_STORES = (JsonStoreDataset, StudyStoreDataset)  # find by content what was made before
_LIBRARY = Path(__file__).parents[1]


def hash_library() -> str:
    """Hash all files of this library: whatever is changed in it, nothing is taken for unchanged."""
    digest = hashlib.sha256()
    for path in sorted(_LIBRARY.rglob("*")):
        if path.is_file() and path.suffix != ".pyc":
            digest.update(path.relative_to(_LIBRARY).as_posix().encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()


class ReusedResults(StepReuse):
    """The results of earlier runs that a run keeps, and the records of its own.

    Steps always run with ``--params reuse_results=false``. Stored files whose size and times are
    as recorded are read only with ``--params verify_results=true``.

    Args:
        pipeline: What is to run.
        catalog: Of the run; it reads the versions that are kept from now on.
        version: Version that the run saves.
        may_reuse: False to let every step run.

    Raises:
        ConfigurationError: If an input is damaged that no step of the pipeline makes, or a file
            cannot be read.
    """

    def __init__(
        self, pipeline: Pipeline, catalog: Catalog, version: str, *, may_reuse: bool
    ) -> None:
        parameters = catalog.get("parameters")
        blocks = {} if parameters is None else parameters.load()
        self._is_free = may_reuse and blocks.get(REUSE_RESULTS) in (True, None)
        try:
            super().__init__(
                pipeline,
                catalog,
                version,
                open_records(catalog),
                constants=[hash_library(), asdict(describe_environment())],
                reads_all=blocks.get(VERIFY_RESULTS) is True,
            )
        except OSError as err:
            raise ConfigurationError(explain_error(err) or str(err)) from err
        lines = []  # of damaged results that this run does not make anew
        for name, damage in self.damaged_inputs.items():
            makers = [key for key, made in pipelines.items() if name in made.all_outputs()]
            maker = "perf" if "perf" in makers or not makers else sorted(makers)[0]
            lines.append(
                f"{name} in {damage.path.parent} is damaged: {damage.reason}. Make it anew: kedro "
                f"run --pipelines {maker} --params {VERIFY_RESULTS}=true"
            )
        if lines:
            raise ConfigurationError("\n".join(lines))
        if damaged := self.take_over():
            logger.warning(
                "Damaged results are set aside as *.damaged, and made anew: %s",
                clean_text("; ".join(damaged)),
            )
        if self.unchanged:
            self._report()

    def may_keep(self, node: Node) -> bool:
        """Keep the library's steps alone: nothing tells whether the code of others has changed.

        A step that reads the last winners must have run when they were the winners. Then it makes
        the same of them as of the winners before, which it read at that time.
        """
        if not self._is_free or not is_shipped(node):
            return False
        inputs = [self.catalog.get(name) for name in node.inputs]
        records = [record for name in node.outputs if (record := self.find(name))]
        return all(
            dataset.load_after(record.version) == dataset.load()
            for dataset in inputs
            if isinstance(dataset, EarlierWinnersDataset)
            for record in records
        )

    def may_record(self, node: Node, name: str) -> bool:
        """Leave out what others make, and tables of a part that failed."""
        if not is_own(node):
            return False
        return not (name.endswith(_TABLES) and holds_failure(self.catalog.load(name)))

    def identify(self, name: str) -> str | None:
        """Tell blocks with the code and files that they name; see :class:`StepReuse`."""
        if name.startswith("params:"):
            return self._hash_block(name, self.catalog.load(name))
        dataset = self.catalog.get(name)
        if isinstance(dataset, EarlierWinnersDataset):
            return EARLIER
        if isinstance(dataset, RunVersionDataset):
            return RUN_VERSION
        if isinstance(dataset, _STORES):
            # what verbs have put there counts too: no other step's key changes with it
            store = dataset.load()
            if isinstance(store, JsonStore):
                return hash_content(["store", list_imported(store), store.get(WATCH_KEY)])
            return "store"
        return super().identify(name)

    def _hash_block(self, name: str, block: object) -> str:
        """Hash a parameter block, with the code or the files that it names."""
        is_model = name.startswith("params:models.")
        if is_model and isinstance(block, Mapping) and is_searched(block):
            # Kedro leaves it raw where no node of the requested pipelines has an argument for it
            block = ModelBlock.model_validate(block)
        hashes: list[str] = []
        if isinstance(block, ModelBlock):
            hashes = [fingerprint_family(block.family, {})]
        elif isinstance(block, DatasetBlock) and block.quality is not None:
            hashes = [hash_content(read_function_sources(block.quality.name or ""))]
        elif isinstance(block, ImportedBlock):
            files = [locate(file) for file in (block.file, block.predictions) if file is not None]
            hashes = [
                self.records.hash_files(file, reads_all=self.reads_all)
                for file in files
                if file.is_file()
            ]
        return hash_content([block, hashes])

    def _report(self) -> None:
        rest = sorted(self.steps.keys() - self.unchanged)
        logger.info(
            "%d of %d steps are unchanged: kept; %s",
            len(self.unchanged),
            len(self.steps),
            f"{len(rest)} to do" if rest else "nothing to do",
        )
        logger.debug("To do: %s", clean_text(", ".join(rest)))
        if n_steered := sum(step.is_steered_otherwise for step in self.steps.values()):
            logger.warning(
                "%d of the kept steps searched or measured for other weights or families beside "
                "them. To search and measure for these: --params %s=false",
                n_steered,
                REUSE_RESULTS,
            )
