"""The repository's own studies, on top of the library: early stopping, and what a training costs.

No part of the wheel. The library never imports it; ``rightfit_project`` looks for it by
name, so that ``kedro run --pipelines early_stopping`` exists in the repository alone.
"""
