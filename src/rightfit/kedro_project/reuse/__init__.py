"""Content-based reuse: a run leaves out the steps that were made before from the same inputs.

It knows Kedro and the standard library alone, and no word of what the steps do: a project derives
its rules from :class:`StepReuse`, calls it from its runner, and hands over a store of documents.
Begin with ``steps``; ``records`` is what a run notes and how it compares files.
"""

from rightfit.kedro_project.reuse.records import (
    WHOLE_FILE,
    RecordStore,
    compare_files,
    hash_content,
)
from rightfit.kedro_project.reuse.steps import StepReuse

__all__ = ["WHOLE_FILE", "RecordStore", "StepReuse", "compare_files", "hash_content"]
