"""Which steps of a run are unchanged: made before, from the same inputs, and still stored.

A step that is unchanged is left out, and the run reads the results that it made. A stored result
that is no longer what its run wrote is set aside, and its step runs.
"""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from kedro.framework.project import pipelines
from kedro.pipeline import Pipeline
from kedro.pipeline.node import Node

from rightfit._core.formatting import clean_text
from rightfit._core.processes.json_store import JsonStore
from rightfit.data.description import DatasetBlock
from rightfit.kedro_project.configuration import ConfigurationError
from rightfit.kedro_project.datasets.earlier_runs import EarlierWinnersDataset, RunVersionDataset
from rightfit.kedro_project.datasets.stores import JsonStoreDataset, StudyStoreDataset
from rightfit.kedro_project.error_messages import explain_error
from rightfit.kedro_project.failures import holds_failure
from rightfit.kedro_project.files import REUSE_RESULTS, VERIFY_RESULTS
from rightfit.kedro_project.imported_block import ImportedBlock, locate
from rightfit.kedro_project.kedro_private import (
    Catalog,
    Dataset,
    find_load_version,
    find_versioned_path,
    has_version,
    is_versioned,
    pin_load_version,
)
from rightfit.kedro_project.nodes import NodeFunction, is_own, is_shipped
from rightfit.kedro_project.records import (
    DamagedFileError,
    RecordStore,
    ResultRecord,
    compare_files,
    hash_content,
    hash_file,
    hash_library,
    hash_source,
    open_records,
    record_files,
)
from rightfit.measuring.hardware.environment import describe_environment
from rightfit.measuring.remote_documents import list_imported
from rightfit.models.quality.scorers import read_function_sources
from rightfit.params.grid import is_searched
from rightfit.ranking.records.baseline import WATCH_KEY
from rightfit.searching.space import ModelBlock
from rightfit.searching.studies.study_store import fingerprint_family

logger = logging.getLogger(__name__)

UNKNOWN = ""  # key of a step with inputs of which nothing tells whether they have changed
EARLIER = "earlier"  # winners, see has_last_winners
RUN_VERSION = "run version"  # tells when the profiles were measured, which are inputs themselves
_TABLES = ("trials", "profiles")  # tell of parts that failed, which the next run tries again
_STORES = (JsonStoreDataset, StudyStoreDataset)  # find by content what was made before


class ReusedResults:
    """What a run keeps of earlier runs, and what it records of its own results.

    Steps always run with ``--params reuse_results=false``. Stored files whose size and times are
    as recorded are read only with ``--params verify_results=true``, which also makes anew what has
    a newer version that no step has finished.

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
        self._catalog = catalog
        self._steps: dict[str, ComparedStep] = {}
        self.unchanged: frozenset[str] = frozenset()
        """Names of the nodes whose results are kept."""
        self._records = open_records(catalog)
        if self._records is None:
            return
        parameters = catalog.get("parameters")
        given = {} if parameters is None else parameters.load()
        is_free = may_reuse and given.get(REUSE_RESULTS) in (True, None)
        stored = _Stored(catalog, self._records, reads_all=given.get(VERIFY_RESULTS) is True)
        try:
            self._steps = compare_steps(
                pipeline,
                constants=[hash_library(), asdict(describe_environment())],
                version=version,
                identify=stored.identify,
                load=catalog.load,
                find_stored=stored.find,
                may_keep=lambda node: (
                    is_free and is_shipped(node) and stored.has_last_winners(node)
                ),
            )
        except OSError as err:
            raise ConfigurationError(explain_error(err) or str(err)) from err
        self.unchanged = frozenset(name for name, step in self._steps.items() if step.is_unchanged)
        stored.refuse_damaged_inputs()
        stored.set_aside_damaged()
        if not self.unchanged:
            return
        for step in self._steps.values():
            for record in step.kept:
                dataset = catalog.get(record.result)
                if is_versioned(dataset):
                    pin_load_version(dataset, record.version, again=True)
        rest = sorted(node.name for node in pipeline.nodes if node.name not in self.unchanged)
        logger.info(
            "%d of %d steps are unchanged: kept; %s",
            len(self.unchanged),
            len(pipeline.nodes),
            f"{len(rest)} to do" if rest else "nothing to do",
        )
        logger.debug("To do: %s", clean_text(", ".join(rest)))
        if n_steered := sum(step.is_steered_otherwise for step in self._steps.values()):
            logger.warning(
                "%d of the kept steps searched or measured for other weights or families beside "
                "them. To search and measure for these: --params %s=false",
                n_steered,
                REUSE_RESULTS,
            )

    def record(self, node: Node) -> None:
        """Note how the results of one of Rightfit's nodes were made."""
        if self._records is None or not is_own(node):
            return
        step = self._steps[node.name]
        for name in node.outputs:
            dataset = self._catalog.get(name)
            if not is_versioned(dataset):
                continue
            if name.endswith(_TABLES) and holds_failure(dataset.load()):
                continue
            version = str(dataset.resolve_save_version())
            place = find_versioned_path(dataset, version)
            files = () if place is None else record_files(place)
            self._records.write_result(
                ResultRecord(name, step.key or UNKNOWN, version, step.whole, files)
            )


@dataclass(frozen=True)
class ComparedStep:
    """What is known of a step before it runs.

    Args:
        key: Hash of all that it depends on; ``None`` where that is not known.
        whole: As ``key``, with hints and whole parameters.
        kept: Records of its results, if all are stored as this run would make them; else none.
    """

    key: str | None
    whole: str
    kept: tuple[ResultRecord, ...]

    @property
    def is_unchanged(self) -> bool:
        """Whether the run leaves it out, and reads the results that it has made."""
        return bool(self.kept)

    @property
    def is_steered_otherwise(self) -> bool:
        """Whether it is unchanged, but its hints, or parameters as a whole, were others."""
        return any(record.whole != self.whole for record in self.kept)


def compare_steps(
    pipeline: Pipeline,
    *,
    constants: object,
    version: str,
    identify: Callable[[str], str | None],
    load: Callable[[str], object],
    find_stored: Callable[[str], ResultRecord | None],
    may_keep: Callable[[Node], bool],
) -> dict[str, ComparedStep]:
    """Compare every step with what is stored.

    A step is unchanged if all its results are stored and were made from what it would read now.
    Results tell themselves apart by their versions.

    Args:
        pipeline: What is to run.
        constants: What every step depends on, as JSON: code, libraries, machine.
        version: Version that this run saves.
        identify: Returns what tells one content of an input from another, for inputs that no step
            of the pipeline makes: parameters, tables, results of earlier runs. ``None``: unknown.
        load: Loads a parameter of which a step depends on a part only.
        find_stored: Returns the record of a result that is still stored.
        may_keep: Whether a node may be left out at all.

    Returns:
        The steps by the names of their nodes.
    """
    steps: dict[str, ComparedStep] = {}
    identities: dict[str, str | None] = {}
    for node in pipeline.nodes:  # each after those it depends on
        identities |= {name: identify(name) for name in node.inputs if name not in identities}
        read = {name: identities[name] for name in node.inputs}
        func = node.func
        hints, parts = (
            (func.hints, func.parts) if isinstance(func, NodeFunction) else (frozenset(), {})
        )
        found = {
            name: hash_content(parts[name](load(name))) if name in parts else identity
            for name, identity in read.items()
            if name not in hints
        }
        is_known = all(identity is not None for identity in found.values())
        key = hash_content([node.name, constants, found]) if is_known else None
        whole = hash_content(read)
        records = tuple(record for name in node.outputs if (record := find_stored(name)))
        is_stored = [record.key for record in records] == [key] * len(node.outputs)
        kept = records if key is not None and is_stored and may_keep(node) else ()
        steps[node.name] = ComparedStep(key, whole, kept)
        versions = dict.fromkeys(node.outputs, version)
        versions |= {record.result: record.version for record in kept}
        identities |= {name: identify_result(name, one) for name, one in versions.items()}
    return steps


def identify_result(name: str, version: str) -> str:
    """Return what tells a stored result from another of the same name."""
    return f"{name}@{version}"


class _Stored:
    """Looks up what a catalog holds before a run.

    Args:
        catalog: Of the run.
        records: Of earlier runs.
        reads_all: Whether to read files whose size and times are as recorded, too.
    """

    def __init__(self, catalog: Catalog, records: RecordStore, *, reads_all: bool) -> None:
        self._catalog = catalog
        self._records = records
        self._reads_all = reads_all
        self._stored: dict[str, ResultRecord | None] = {}
        self._damaged: dict[str, _Damage] = {}
        self._damaged_inputs: dict[str, _Damage] = {}

    def identify(self, name: str) -> str | None:
        """See :func:`compare_steps`."""
        if name.startswith("params:") or name == "parameters":
            return self._hash_parameter(name, self._catalog.load(name))
        dataset = self._catalog.get(name)
        if isinstance(dataset, EarlierWinnersDataset):
            return EARLIER
        if isinstance(dataset, RunVersionDataset):
            return RUN_VERSION
        if isinstance(dataset, _STORES):
            # what verbs have put there counts too: no other step's key changes with it
            store = dataset.load()
            told: list[object] = []
            if isinstance(store, JsonStore):
                told = [list_imported(store), store.get(WATCH_KEY)]
            return hash_content(["store", told])
        record = self.find(name)
        read = find_load_version(dataset)
        damage = self._damaged.pop(name, None)  # no step of this run makes it
        if damage is not None and damage.version == read:
            self._damaged_inputs[name] = damage
            return None
        if record is not None and record.version == read:
            return identify_result(name, read)
        return hash_source(dataset, self._records, reads_all=self._reads_all)

    def _hash_parameter(self, name: str, value: object) -> str:
        """Hash a parameter block, with the code or the files that it names."""
        is_model = name.startswith("params:models.")
        if is_model and isinstance(value, Mapping) and is_searched(value):
            # Kedro leaves it raw where no node of the requested pipelines has an argument for it
            value = ModelBlock.model_validate(value)
        named: list[str] = []
        if isinstance(value, ModelBlock):
            named = [fingerprint_family(value.family, {})]
        elif isinstance(value, DatasetBlock) and value.quality is not None:
            named = [hash_content(read_function_sources(value.quality.name or ""))]
        elif isinstance(value, ImportedBlock):
            files = [locate(file) for file in (value.file, value.predictions) if file is not None]
            named = [
                hash_file(one, self._records, reads_all=self._reads_all)
                for one in files
                if one.is_file()
            ]
        return hash_content([value, named])

    def has_last_winners(self, node: Node) -> bool:
        """Tell whether a step that reads the last winners was made when they were the winners.

        Then it makes the same of them as of the winners before, which it read at that time.
        """
        inputs = [self._catalog.get(name) for name in node.inputs]
        records = [record for name in node.outputs if (record := self.find(name))]
        return all(
            one.load_after(record.version) == one.load()
            for one in inputs
            if isinstance(one, EarlierWinnersDataset)
            for record in records
        )

    def find(self, name: str) -> ResultRecord | None:
        """Return the record of a result whose version is still there, and whole."""
        if name not in self._stored:
            record = self._records.read_result(name)
            dataset = self._catalog.get(name)
            is_there = record is not None and has_version(dataset, record.version)
            if record is not None and is_there and self._reads_all and is_versioned(dataset):
                # a newer one, which no step has finished, is what everybody else reads
                found, now = dataset.list_versions(full_path=False), dataset.resolve_save_version()
                is_there = not any(record.version < one <= str(now) for one in found)
            self._stored[name] = self._verify(record, dataset) if record and is_there else None
        return self._stored[name]

    def _verify(self, record: ResultRecord, dataset: Dataset | None) -> ResultRecord | None:
        """Return the record with the times of its files now; ``None`` if one is damaged."""
        place = find_versioned_path(dataset, record.version)
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
        lines = []
        for name, damage in self._damaged_inputs.items():
            makers = [key for key, one in pipelines.items() if name in one.all_outputs()]
            maker = "perf" if "perf" in makers or not makers else sorted(makers)[0]
            lines.append(
                f"{name} in {damage.place.parent} is damaged: {damage.reason}. Make it anew: kedro "
                f"run --pipelines {maker} --params {VERIFY_RESULTS}=true"
            )
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


@dataclass(frozen=True)
class _Damage:
    """A stored result that is not what its run wrote."""

    place: Path
    version: str
    reason: str
