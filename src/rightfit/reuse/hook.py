"""Leaves unchanged steps out of a run, after a look whether their results are still whole."""

from __future__ import annotations

import logging
import shutil
import warnings
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from kedro.framework.hooks import hook_impl
from kedro.framework.project import pipelines
from kedro.io import AbstractDataset, AbstractVersionedDataset, DataCatalog
from kedro.io.core import Version, VersionNotFoundError
from kedro.pipeline import Pipeline
from kedro.pipeline.node import Node

from rightfit.conf_files import REUSE_RESULTS, VERIFY_RESULTS
from rightfit.datasets.earlier_winners import EarlierWinnersDataset
from rightfit.datasets.json_store import JsonStoreDataset
from rightfit.datasets.run_version import RunVersionDataset
from rightfit.datasets.study_store import StudyStoreDataset
from rightfit.failures import holds_failure
from rightfit.guards.clear_errors import explain_error
from rightfit.ownership import is_own, is_shipped
from rightfit.printable import clean_text
from rightfit.processes.json_store import JsonStore
from rightfit.project import ConfigurationError
from rightfit.reuse.content import (
    DamagedFileError,
    compare_files,
    find_place,
    hash_content,
    hash_file,
    hash_library,
    hash_source,
    record_files,
)
from rightfit.reuse.records import RECORDS, RecordStore, ResultRecord
from rightfit.reuse.unchanged import Steps, compare_steps, identify_result

logger = logging.getLogger(__name__)

UNKNOWN = ""  # key of a step with inputs of which nothing tells whether they have changed
EARLIER = "earlier"  # winners, see has_last_winners
RUN_VERSION = "run version"  # tells when the profiles were measured, which are inputs themselves
_STORES = (JsonStoreDataset, StudyStoreDataset)  # find by content what was made before
_CHOSEN_BY_HAND = (
    "node_names",
    "from_nodes",
    "from_inputs",
    "load_versions",
    "only_missing_outputs",
)


class ReuseHook:
    """Keeps the results of steps whose inputs, parameters and code are those of an earlier run.

    Steps that are chosen by name always run, and so does everything with ``--params
    reuse_results=false``. A stored result that is no longer what its run wrote is set aside, and
    its step runs; files whose size and times are the same are read only with ``--params
    verify_results=true``.
    """

    def __init__(self) -> None:
        self._records: RecordStore | None = None
        self._keys: dict[str, str | None] = {}
        self._wholes: dict[str, str] = {}
        self._catalog: DataCatalog | None = None

    @hook_impl(trylast=True)  # the other hooks see the whole pipeline
    def before_pipeline_run(
        self, run_params: dict[str, Any], pipeline: Pipeline, catalog: DataCatalog
    ) -> None:
        """Leave out what is unchanged, and set aside what is damaged.

        Raises:
            ConfigurationError: If an input is damaged that no step of the pipeline makes, or a
                file cannot be read.
        """
        self._records, self._keys, self._catalog = None, {}, catalog
        store = catalog.get(RECORDS)
        if not isinstance(store, JsonStoreDataset) or not any(map(is_own, pipeline.nodes)):
            return
        self._records = RecordStore(store.load())
        given = run_params.get("runtime_params") or {}
        verify = given.get(VERIFY_RESULTS) is True
        looker = _Looker(catalog, self._records, reads_all=verify)
        version = str(run_params["run_id"])
        is_free = _may_reuse(run_params)
        try:
            steps = compare_steps(
                pipeline,
                constants=_describe_constants(),
                version=version,
                identify=looker.identify,
                load=catalog.load,
                find_stored=looker.find_stored,
                may_keep=lambda node: (
                    is_free and is_shipped(node) and looker.has_last_winners(node)
                ),
            )
        except OSError as err:  # before a run, no other hook explains it
            raise ConfigurationError(explain_error(err) or str(err)) from err
        looker.refuse_damaged_inputs()
        looker.set_aside_damaged()
        self._keys, self._wholes = steps.keys, steps.wholes
        if steps.unchanged:
            looker.keep(pipeline, steps)
            _report(pipeline, steps)
            _leave_out(pipeline, steps.unchanged)

    @hook_impl
    def after_dataset_saved(self, dataset_name: str, data: Any, node: Node) -> None:
        """Note how a result was made."""
        dataset = self._find_result(dataset_name, node)
        version = None if dataset is None else dataset.resolve_save_version()
        if self._records is None or version is None or holds_failure(data):
            return
        key = self._keys.get(node.name) or UNKNOWN
        place = find_place(dataset, version)
        files = () if place is None else record_files(place)
        whole = self._wholes.get(node.name, "")
        self._records.write_result(ResultRecord(dataset_name, key, version, whole, files))

    def _find_result(self, name: str, node: Node) -> AbstractVersionedDataset[Any, Any] | None:
        if self._records is None or self._catalog is None or not is_own(node):
            return None
        dataset = self._catalog.get(name)
        return dataset if isinstance(dataset, AbstractVersionedDataset) else None


class _Looker:
    """Looks up what a catalog holds before a run.

    Args:
        catalog: Of the run.
        records: Of earlier runs.
        reads_all: Whether to read files whose size and times are as recorded, too.
    """

    def __init__(self, catalog: DataCatalog, records: RecordStore, *, reads_all: bool) -> None:
        self._catalog = catalog
        self._records = records
        self._reads_all = reads_all
        self._stored: dict[str, ResultRecord | None] = {}
        self._known: dict[str, str | None] = {}
        self._damaged: dict[str, _Damage] = {}
        self._damaged_inputs: dict[str, _Damage] = {}

    def identify(self, name: str) -> str | None:
        """See :func:`compare_steps`."""
        if name not in self._known:
            self._known[name] = self._identify(name)
        return self._known[name]

    def _identify(self, name: str) -> str | None:
        if name.startswith("params:") or name == "parameters":
            value = self._catalog.load(name)
            return _hash_parameter(value, self._records, reads_all=self._reads_all)
        dataset = self._catalog.get(name)
        if isinstance(dataset, EarlierWinnersDataset):
            return EARLIER
        if isinstance(dataset, RunVersionDataset):
            return RUN_VERSION
        if isinstance(dataset, _STORES):
            return hash_content(["store", _list_imported(dataset.load())])
        record = self.find_stored(name)
        read = _read_version(dataset)
        damage = self._damaged.pop(name, None)  # no step of this run makes it
        if damage is not None and damage.version == read:
            self._damaged_inputs[name] = damage
            return None
        if record is not None and record.version == read:
            return identify_result(record)
        return hash_source(dataset, self._records, reads_all=self._reads_all)

    def has_last_winners(self, node: Node) -> bool:
        """Tell whether a step that reads the last winners was made when they were the winners.

        Then it makes the same of them as of the winners before, which it read at that time.
        """
        inputs = [self._catalog.get(name) for name in node.inputs]
        records = [record for name in node.outputs if (record := self.find_stored(name))]
        return all(
            one.load_after(record.version) == one.load()
            for one in inputs
            if isinstance(one, EarlierWinnersDataset)
            for record in records
        )

    def find_stored(self, name: str) -> ResultRecord | None:
        """Return the record of a result whose version is still there, and whole."""
        if name not in self._stored:
            record = self._records.read_result(name)
            dataset = self._catalog.get(name)
            is_there = record is not None and _has_version(dataset, record.version)
            self._stored[name] = self._verify(record, dataset) if record and is_there else None
        return self._stored[name]

    def _verify(
        self, record: ResultRecord, dataset: AbstractDataset[Any, Any] | None
    ) -> ResultRecord | None:
        """Return the record with the times of its files now; ``None`` if one is damaged."""
        place = find_place(dataset, record.version)
        if place is None:
            return record
        try:
            files = compare_files(place, record.files, reads_all=self._reads_all)
        except DamagedFileError as err:
            self._damaged[record.result] = _Damage(place, record.version, str(err))
            return None
        if files != record.files:  # copied or touched
            record = replace(record, files=files)
            self._records.write_result(record)
        return record

    def refuse_damaged_inputs(self) -> None:
        """Refuse to work with damaged results that this run does not make anew.

        Raises:
            ConfigurationError: Naming each, and the pipeline that makes it.
        """
        lines = [
            f"{name} in {damage.place.parent} is damaged: {damage.reason}. Make it anew: kedro run "
            f"--pipelines {_name_pipeline(name)} --params {VERIFY_RESULTS}=true"
            for name, damage in self._damaged_inputs.items()
        ]
        if lines:
            raise ConfigurationError("\n".join(lines))

    def set_aside_damaged(self) -> None:
        """Keep damaged results under other names, so that nothing takes them for versions."""
        if not self._damaged:
            return
        for damage in self._damaged.values():
            kept = damage.place.with_name(f"{damage.place.name}.damaged")
            if kept.is_dir():
                shutil.rmtree(kept)
            if damage.place.exists() or damage.place.is_symlink():
                damage.place.replace(kept)
        told = [f"{name} ({damage.reason})" for name, damage in self._damaged.items()]
        logger.warning(
            "Damaged results are set aside as *.damaged, and made anew: %s",
            clean_text("; ".join(told)),
        )

    def keep(self, pipeline: Pipeline, steps: Steps) -> None:
        """Let the run read the stored results of what it leaves out."""
        kept = [node for node in pipeline.nodes if node.name in steps.unchanged]
        for name in (name for node in kept for name in node.outputs):
            dataset, record = self._catalog.get(name), self.find_stored(name)
            if record is not None and isinstance(dataset, AbstractVersionedDataset):
                own = dataset._version
                dataset._version = Version(record.version, own.save if own else None)


@dataclass(frozen=True)
class _Damage:
    """A stored result that is not what its run wrote."""

    place: Path
    version: str
    reason: str


def _name_pipeline(name: str) -> str:
    """Return the pipeline that makes a result: the main one, where it does."""
    makers = [key for key, one in pipelines.items() if name in one.all_outputs()]
    return "perf" if "perf" in makers or not makers else sorted(makers)[0]


def _list_imported(store: object) -> object:
    """Return what verbs have put there: no step's key says that there is more of it."""
    from rightfit.handover.importing import list_imported
    from rightfit.serving.watch import KEY

    return [list_imported(store), store.get(KEY)] if isinstance(store, JsonStore) else []


def _may_reuse(run_params: dict[str, Any]) -> bool:
    given = (run_params.get("runtime_params") or {}).get(REUSE_RESULTS, True)
    return given in (True, None) and not any(run_params.get(name) for name in _CHOSEN_BY_HAND)


def _describe_constants() -> object:
    from rightfit.profiling.hardware.environment import describe_environment

    return [hash_library(), asdict(describe_environment())]


def _hash_parameter(value: object, records: RecordStore, *, reads_all: bool) -> str:
    """Hash a parameter block, with the code or the files that it names."""
    from rightfit.parameters.imported import ImportedBlock, locate
    from rightfit.preparation.block import DatasetBlock
    from rightfit.quality.scorers import read_function_sources
    from rightfit.tuning.search.space import ModelBlock
    from rightfit.tuning.studies.study_store import fingerprint

    named: list[str] = []
    if isinstance(value, ModelBlock):
        named = [fingerprint(value.family, {})]
    elif isinstance(value, DatasetBlock) and value.quality is not None:
        named = [hash_content(read_function_sources(value.quality.name or ""))]
    elif isinstance(value, ImportedBlock):
        files = [locate(file) for file in (value.file, value.predictions) if file is not None]
        named = [hash_file(one, records, reads_all=reads_all) for one in files if one.is_file()]
    return hash_content([value, named])


def _has_version(dataset: AbstractDataset[Any, Any] | None, version: str) -> bool:
    if not isinstance(dataset, AbstractVersionedDataset) or not dataset._version:
        return False
    return bool(dataset._exists_function(str(dataset._get_versioned_path(version))))


def _read_version(dataset: AbstractDataset[Any, Any] | None) -> str | None:
    """Return the version that the run reads, if there is any."""
    if not isinstance(dataset, AbstractVersionedDataset):
        return None
    try:
        return dataset.resolve_load_version()
    except VersionNotFoundError:
        return None


def _leave_out(pipeline: Pipeline, names: frozenset[str]) -> None:
    """Take nodes out of a pipeline in place: Kedro offers a hook no other way to skip any.

    The pipeline was made for this run alone.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="One or more dataset names contain '.'")
        rest = Pipeline([node for node in pipeline.nodes if node.name not in names])
    vars(pipeline).clear()
    vars(pipeline).update(vars(rest))


def _report(pipeline: Pipeline, steps: Steps) -> None:
    n_all, n_kept = len(pipeline.nodes), len(steps.unchanged)
    rest = sorted(node.name for node in pipeline.nodes if node.name not in steps.unchanged)
    what = f"{len(rest)} to do" if rest else "nothing to do"
    logger.info("%d of %d steps are unchanged: kept; %s", n_kept, n_all, what)
    logger.debug("To do: %s", clean_text(", ".join(rest)))
    if steps.steered_otherwise:
        logger.warning(
            "%d of the kept steps searched or measured for other weights or families beside them. "
            "To search and measure for these: --params %s=false",
            *(len(steps.steered_otherwise), REUSE_RESULTS),
        )
