"""What `import rightfit` costs: CPU seconds of a fresh process, less those of Python alone."""

from __future__ import annotations

import resource
import statistics
import subprocess
import sys

N_PROCESSES = 15
LIMIT_S = 0.15


def measure_cpu_s(code: str) -> float:
    """Return the CPU seconds of a fresh process that runs a line of code."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-c", code], check=True)  # noqa: S603 - code is ours
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (after.ru_utime - before.ru_utime) + (after.ru_stime - before.ru_stime)


def main() -> None:
    """Print the medians; the exit status is 1 beyond the limit."""
    bare_s, with_s = (
        statistics.median(measure_cpu_s(code) for _ in range(N_PROCESSES))
        for code in ("pass", "import rightfit")
    )
    print(f"import rightfit: {with_s - bare_s:.3f} CPU s beside {bare_s:.3f} s of Python alone")
    if with_s - bare_s > LIMIT_S:
        sys.exit(f"It may cost {LIMIT_S} s.")


if __name__ == "__main__":
    main()
