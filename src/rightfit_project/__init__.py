"""The repository's own Kedro project: its settings, and which pipelines it registers.

It is in the wheel, so that a configuration alone can be run; see ``find_project`` in
``rightfit_kedro.stored_results``.
"""
