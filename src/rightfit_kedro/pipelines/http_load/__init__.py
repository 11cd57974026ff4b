"""HTTP load: the winners of the ranking behind a server, and the load that it sustains."""

from rightfit_kedro.pipelines.http_load.pipeline import create_pipeline

__all__ = ["create_pipeline"]
