"""Leaves unchanged steps out of a run."""

from __future__ import annotations

import logging
import warnings
from dataclasses import asdict
from typing import Any

from kedro.framework.hooks import hook_impl
from kedro.io import AbstractDataset, AbstractVersionedDataset, DataCatalog
from kedro.io.core import Version, VersionNotFoundError
from kedro.pipeline import Pipeline
from kedro.pipeline.node import Node

from rightfit.conf_files import REUSE_RESULTS
from rightfit.datasets.json_store import JsonStoreDataset
from rightfit.datasets.study_store import StudyStoreDataset
from rightfit.failures import holds_failure
from rightfit.ownership import is_own
from rightfit.printable import clean_text
from rightfit.processes.json_store import JsonStore
from rightfit.reuse.content import hash_content, hash_file, hash_library, hash_source
from rightfit.reuse.records import RecordStore, ResultRecord
from rightfit.reuse.unchanged import Steps, compare_steps, identify_result

logger = logging.getLogger(__name__)

RECORDS = "result_records"
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
    reuse_results=false``.
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
        """Leave out what is unchanged."""
        self._records, self._keys, self._catalog = None, {}, catalog
        store = catalog.get(RECORDS)
        if not isinstance(store, JsonStoreDataset) or not any(map(is_own, pipeline.nodes)):
            return
        self._records = RecordStore(store.load())
        looker = _Looker(catalog, self._records)
        version = str(run_params["run_id"])
        is_free = _may_reuse(run_params)
        steps = compare_steps(
            pipeline,
            constants=_describe_constants(),
            version=version,
            identify=looker.identify,
            load=catalog.load,
            find_stored=looker.find_stored,
            may_keep=lambda node: is_free and is_own(node),
        )
        self._keys, self._wholes = steps.keys, steps.wholes
        if steps.unchanged:
            looker.keep(pipeline, steps)
            _report(pipeline, steps)
            _leave_out(pipeline, steps.unchanged)

    @hook_impl
    def after_dataset_saved(self, dataset_name: str, data: Any, node: Node) -> None:
        """Note how a result was made."""
        dataset, key = self._find_result(dataset_name, node), self._keys.get(node.name)
        version = None if dataset is None else dataset.resolve_save_version()
        if self._records is None or key is None or version is None or holds_failure(data):
            return
        whole = self._wholes[node.name]
        self._records.write_result(ResultRecord(dataset_name, key, version, whole))

    def _find_result(self, name: str, node: Node) -> AbstractVersionedDataset[Any, Any] | None:
        if self._records is None or self._catalog is None or not is_own(node):
            return None
        dataset = self._catalog.get(name)
        return dataset if isinstance(dataset, AbstractVersionedDataset) else None


class _Looker:
    """Looks up what a catalog holds before a run."""

    def __init__(self, catalog: DataCatalog, records: RecordStore) -> None:
        self._catalog = catalog
        self._records = records
        self._stored: dict[str, ResultRecord | None] = {}
        self._known: dict[str, str | None] = {}

    def identify(self, name: str) -> str | None:
        """See :func:`compare_steps`."""
        if name not in self._known:
            self._known[name] = self._identify(name)
        return self._known[name]

    def _identify(self, name: str) -> str | None:
        if name.startswith("params:") or name == "parameters":
            return _hash_parameter(self._catalog.load(name), self._records)
        dataset = self._catalog.get(name)
        if isinstance(dataset, _STORES):
            return hash_content(["store", _list_imported(dataset.load())])
        record = self.find_stored(name)
        if record is not None and record.version == _read_version(dataset):
            return identify_result(record)
        return hash_source(dataset, self._records)

    def find_stored(self, name: str) -> ResultRecord | None:
        """Return the record of a result whose version is still there."""
        if name not in self._stored:
            record = self._records.read_result(name)
            dataset = self._catalog.get(name)
            is_there = record is not None and _has_version(dataset, record.version)
            self._stored[name] = record if is_there else None
        return self._stored[name]

    def keep(self, pipeline: Pipeline, steps: Steps) -> None:
        """Let the run read the stored results of what it leaves out."""
        kept = [node for node in pipeline.nodes if node.name in steps.unchanged]
        for name in (name for node in kept for name in node.outputs):
            dataset, record = self._catalog.get(name), self.find_stored(name)
            if record is not None and isinstance(dataset, AbstractVersionedDataset):
                own = dataset._version
                dataset._version = Version(record.version, own.save if own else None)


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


def _hash_parameter(value: object, records: RecordStore) -> str:
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
        named = [hash_file(path, records) for path in files if path.is_file()]
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
