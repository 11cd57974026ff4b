"""A hook of the project's own."""

from pathlib import Path

from kedro.framework.hooks import hook_impl


class CountNodes:
    """Writes how many nodes have run."""

    @hook_impl
    def after_pipeline_run(self, pipeline):
        """Write the number."""
        Path("data/nodes.txt").write_text(str(len(pipeline.nodes)))
