"""Kedro pipelines: glue between the catalog and the work packages."""
