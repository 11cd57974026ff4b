"""Unchanged steps in Rightfit: how inputs are identified, which steps are kept, what is said.

A step that is unchanged is left out, and the run reads the results that it made. A stored result
that is no longer what its run wrote is set aside, and its step runs.
"""

from __future__ import annotations

import hashlib
import logging
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
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
from rightfit.kedro_project.kedro_private import (
    Catalog,
    Dataset,
    find_load_version,
    find_versioned_path,
    is_newest,
    is_versioned,
    pin_load_version,
)
from rightfit.kedro_project.nodes import is_own, is_shipped
from rightfit.kedro_project.result_records import (
    DamagedFileError,
    ResultRecord,
    compare_files,
    hash_content,
    open_records,
    record_files,
)
from rightfit.measuring.hardware.environment import describe_environment
from rightfit.measuring.remote_documents import list_imported
from rightfit.models.quality.scorers import read_function_sources
from rightfit.params.grid import is_searched
from rightfit.searching.space import ModelBlock
from rightfit.searching.studies.study_store import fingerprint_family

logger = logging.getLogger(__name__)

UNKNOWN = ""  # key of a step with inputs of which nothing tells whether they have changed
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


@dataclass(frozen=True)
class ComparedStep:
    """A step before it runs.

    Args:
        key: Hash of all that it depends on; ``None`` where that is not known.
        whole: As ``key``, with hints and whole parameters.
        kept: Records of its results, if all are stored as this run would make them; else none.
    """

    key: str | None
    whole: str
    kept: tuple[ResultRecord, ...]

    @property
    def is_steered_otherwise(self) -> bool:
        """Whether its results are kept, but its hints, or parameters as a whole, were others."""
        return any(record.whole != self.whole for record in self.kept)


@dataclass(frozen=True)
class Damage:
    """A stored result that is not what its run wrote."""

    path: Path
    version: str
    reason: str


class ReusedResults:
    """The results of earlier runs that a run keeps, and the records of its own.

    A step is unchanged if all its results are stored and were made from what it would read now. Its
    function may have ``hints``, names of inputs that it does not depend on, and ``parts``,
    functions by input that return the part it depends on as plain JSON. Steps always run with
    ``--params reuse_results=false``. Stored files whose size and times are as recorded are read
    only with ``--params verify_results=true``.

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
        self.catalog, self.records = catalog, open_records(catalog)
        parameters = catalog.get("parameters")
        blocks = {} if parameters is None else parameters.load()
        self._is_free = may_reuse and blocks.get(REUSE_RESULTS) in (True, None)
        self._reads_all = blocks.get(VERIFY_RESULTS) is True
        self._damaged_inputs: dict[str, Damage] = {}  # which no step of the run makes
        self._damaged: dict[str, Damage] = {}
        self._stored: dict[str, ResultRecord | None] = {}
        self._sources: dict[str, str | None] = {}  # hashes of what no run has recorded: raw tables
        self.steps: dict[str, ComparedStep] = {}
        try:
            self._compare_all(pipeline, version)
        except OSError as err:
            raise ConfigurationError(explain_error(err) or str(err)) from err
        self.unchanged = frozenset(name for name, step in self.steps.items() if step.kept)
        """Names of the nodes whose results are kept."""
        self._refuse_damaged_inputs()
        if damaged := self._take_over():
            logger.warning(
                "Damaged results are set aside as *.damaged, and made anew: %s",
                clean_text("; ".join(damaged)),
            )
        if self.unchanged:
            self._report()

    def _compare_all(self, pipeline: Pipeline, version: str) -> None:
        constants = [hash_library(), asdict(describe_environment())]
        identities: dict[str, str | None] = {}
        for node in pipeline.nodes:  # each after those it depends on
            identities |= {n: self.identify(n) for n in node.inputs if n not in identities}
            step = self._compare(node, {name: identities[name] for name in node.inputs}, constants)
            self.steps[node.name] = step
            versions = dict.fromkeys(node.outputs, version)
            versions |= {record.result: record.version for record in step.kept}
            identities |= {name: f"{name}@{saved}" for name, saved in versions.items()}

    def _refuse_damaged_inputs(self) -> None:
        lines = []
        for name, damage in self._damaged_inputs.items():
            makers = [key for key, made in pipelines.items() if name in made.all_outputs()]
            maker = "perf" if "perf" in makers or not makers else sorted(makers)[0]
            lines.append(
                f"{name} in {damage.path.parent} is damaged: {damage.reason}. Make it anew: kedro "
                f"run --pipelines {maker} --params {VERIFY_RESULTS}=true"
            )
        if lines:
            raise ConfigurationError("\n".join(lines))

    def _compare(self, node: Node, read: dict[str, str | None], constants: object) -> ComparedStep:
        hints, parts = getattr(node.func, "hints", ()), getattr(node.func, "parts", {})
        relevant = {
            name: hash_content(parts[name](self.catalog.load(name))) if name in parts else identity
            for name, identity in read.items()
            if name not in hints
        }
        key = None if None in relevant.values() else hash_content([node.name, constants, relevant])
        records = tuple(record for name in node.outputs if (record := self.find(name)))
        is_stored = [record.key for record in records] == [key] * len(node.outputs)
        kept = records if key is not None and is_stored and self.may_keep(node) else ()
        return ComparedStep(key, hash_content(read), kept)

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
        """Tell one content of an input from another; ``None`` where nothing tells it.

        Parameters count with the code and files that they name.
        """
        if name.startswith("params:"):
            return self._hash_block(name, self.catalog.load(name))
        if name == "parameters":
            return hash_content(self.catalog.load(name))
        dataset = self.catalog.get(name)
        if isinstance(dataset, EarlierWinnersDataset):
            return EARLIER
        if isinstance(dataset, RunVersionDataset):
            return RUN_VERSION
        if isinstance(dataset, _STORES):
            # what verbs have put there counts too: no other step's key changes with it
            store = dataset.load()
            if isinstance(store, JsonStore):
                return hash_content(["store", list_imported(store)])
            return "store"
        record, version = self.find(name), find_load_version(dataset)
        damage = self._damaged.pop(name, None)  # no step of this run makes it
        if damage is not None and damage.version == version:
            self._damaged_inputs[name] = damage
            return None
        if record is not None and record.version == version:
            return f"{name}@{version}"
        self._sources[name] = self.records.hash_source(dataset, reads_all=self._reads_all)
        return self._sources[name]

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
                self.records.hash_files(file, reads_all=self._reads_all)
                for file in files
                if file.is_file()
            ]
        return hash_content([block, hashes])

    def find(self, name: str) -> ResultRecord | None:
        """Return the record of a result whose version is there, the newest, and whole."""
        if name not in self._stored:
            record, dataset = self.records.read_result(name), self.catalog.get(name)
            is_read = record is not None and is_newest(dataset, record.version)
            self._stored[name] = self._verify(record, dataset) if record and is_read else None
        return self._stored[name]

    def _verify(self, record: ResultRecord, dataset: Dataset | None) -> ResultRecord | None:
        """Return the record with the times of its files now; ``None`` if one is damaged."""
        path = find_versioned_path(dataset, record.version)
        if path is None:
            return record
        try:
            files = compare_files(path, record.files, reads_all=self._reads_all)
        except DamagedFileError as err:
            self._damaged[record.result] = Damage(path, record.version, str(err))
            return None
        if files != record.files:  # copied or touched
            record = replace(record, files=files)
            self.records.write_result(record)
        return record

    def _take_over(self) -> list[str]:
        """Let the run read the versions that are kept; set damaged results aside as ``*.damaged``.

        Under their other names, nothing takes them for versions.

        Returns:
            What was set aside, each with the reason.
        """
        for damage in self._damaged.values():
            target = damage.path.with_name(f"{damage.path.name}.damaged")
            if target.is_dir():
                shutil.rmtree(target)
            if damage.path.exists() or damage.path.is_symlink():
                damage.path.replace(target)
        for record in (record for step in self.steps.values() for record in step.kept):
            if is_versioned(dataset := self.catalog.get(record.result)):
                pin_load_version(dataset, record.version, again=True)
        return [f"{name} ({damage.reason})" for name, damage in self._damaged.items()]

    def record(self, node: Node) -> None:
        """Note how the results of a node that has run were made.

        If a table was replaced since the run began, what was made from it counts as unknown, and
        the next run makes it anew.
        """
        step = self.steps[node.name]
        key = step.key or UNKNOWN
        replaced = [
            name
            for name in node.inputs
            if name in self._sources
            and self.records.hash_source(self.catalog.get(name)) != self._sources[name]
        ]
        if replaced:
            key = UNKNOWN
            logger.warning(
                "%s changed while this run read it. Run the command again once nobody writes to "
                "it: the next run reads it again.",
                ", ".join(replaced),
            )
        for name in node.outputs:
            dataset = self.catalog.get(name)
            if is_versioned(dataset) and self.may_record(node, name):
                version = str(dataset.resolve_save_version())
                path = find_versioned_path(dataset, version)
                files = () if path is None else record_files(path)
                self.records.write_result(ResultRecord(name, key, version, step.whole, files))

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
                "%d of the unchanged steps searched or measured when the applications or the grid "
                "were others. To search and measure for today's: --params %s=false",
                n_steered,
                REUSE_RESULTS,
            )
