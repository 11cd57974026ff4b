"""The measured process: ``python -m rightfit.profiling.worker``."""

from rightfit.profiling.worker.process import main

main()
