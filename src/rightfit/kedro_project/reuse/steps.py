"""Which steps are unchanged: their results are stored, and made from what they would read now."""

from __future__ import annotations

import logging
import shutil
from dataclasses import dataclass, replace
from pathlib import Path

from kedro.pipeline import Pipeline
from kedro.pipeline.node import Node

from rightfit.kedro_project.kedro_private import (
    Catalog,
    Dataset,
    find_load_version,
    find_versioned_path,
    is_newest,
    is_versioned,
    pin_load_version,
)
from rightfit.kedro_project.reuse.records import (
    DamagedFileError,
    RecordStore,
    ResultRecord,
    compare_files,
    hash_content,
    record_files,
)

logger = logging.getLogger(__name__)

UNKNOWN = ""  # key of a step with inputs of which nothing tells whether they have changed


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


class StepReuse:
    """Finds the steps of a run that are unchanged, and notes how the others make their results.

    A step is unchanged if all its results are stored and were made from what it would read now. Its
    function may have ``hints``, names of inputs that it does not depend on, and ``parts``,
    functions by input that return the part it depends on as plain JSON. A project's rules are the
    methods :meth:`identify`, :meth:`may_keep` and :meth:`may_record`. It may refuse to go on with
    ``damaged_inputs``, which no step of the run makes, before :meth:`take_over`.

    Args:
        pipeline: What is to run.
        catalog: Of the run.
        version: Version that the run saves.
        records: Of earlier runs.
        constants: What every step depends on, as JSON: code, libraries, machine.
        reads_all: Whether to read files whose size and times are as recorded, too.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        catalog: Catalog,
        version: str,
        records: RecordStore,
        *,
        constants: object = None,
        reads_all: bool = False,
    ) -> None:
        self.catalog, self.records, self.reads_all = catalog, records, reads_all
        self.damaged_inputs: dict[str, Damage] = {}
        self._damaged: dict[str, Damage] = {}
        self._stored: dict[str, ResultRecord | None] = {}
        self._sources: dict[str, str | None] = {}  # hashes of what no run has recorded: raw tables
        self.steps: dict[str, ComparedStep] = {}
        identities: dict[str, str | None] = {}
        for node in pipeline.nodes:  # each after those it depends on
            identities |= {n: self.identify(n) for n in node.inputs if n not in identities}
            step = self._compare(node, {name: identities[name] for name in node.inputs}, constants)
            self.steps[node.name] = step
            versions = dict.fromkeys(node.outputs, version)
            versions |= {record.result: record.version for record in step.kept}
            identities |= {name: f"{name}@{saved}" for name, saved in versions.items()}
        self.unchanged = frozenset(name for name, step in self.steps.items() if step.kept)
        """Names of the nodes whose results are kept."""

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

    def may_keep(self, node: Node) -> bool:  # noqa: ARG002 - for those who override it
        """Tell whether a node may be left out at all."""
        return True

    def may_record(self, node: Node, name: str) -> bool:  # noqa: ARG002
        """Tell whether a result of a node that has run may count as made in the next run."""
        return True

    def identify(self, name: str) -> str | None:
        """Tell one content of an input from another; ``None`` where nothing tells it."""
        if name.startswith("params:") or name == "parameters":
            return hash_content(self.catalog.load(name))
        dataset = self.catalog.get(name)
        record, version = self.find(name), find_load_version(dataset)
        damage = self._damaged.pop(name, None)  # no step of this run makes it
        if damage is not None and damage.version == version:
            self.damaged_inputs[name] = damage
            return None
        if record is not None and record.version == version:
            return f"{name}@{version}"
        self._sources[name] = self.records.hash_source(dataset, reads_all=self.reads_all)
        return self._sources[name]

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
            files = compare_files(path, record.files, reads_all=self.reads_all)
        except DamagedFileError as err:
            self._damaged[record.result] = Damage(path, record.version, str(err))
            return None
        if files != record.files:  # copied or touched
            record = replace(record, files=files)
            self.records.write_result(record)
        return record

    def take_over(self) -> list[str]:
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
