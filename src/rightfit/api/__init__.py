"""The face of the library: what ``import rightfit`` offers, over the work packages.

It imports no Kedro; the pipelines' nodes and the commands call the same functions.
"""
