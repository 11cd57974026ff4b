"""The measuring process: ``python -m rightfit.measuring.worker.process``.

Nothing is timed in the process that runs the pipeline: its threads, heap and caches would be
measured too. Every measurement happens in a process of its own that loads one model. Starting
such a process from nothing costs 1.2–2.6 s, nearly all of it imports. So a worker is started once
per set of imports and number of threads, with affinity and thread-pool variables set before
anything is imported; it imports the runtime, and nothing else, and then forks a child for each
measurement, ready after some 20 ms. A child is timed in slices and sleeps between them, so that
other processes are timed meanwhile. The child's latencies equal those of a
process started from nothing, and so does its anonymous memory; absolute memory does not (a fork
does not map all of the libraries' pages), so it is reported as the worker's own, before it forked
anything, plus the child's growth (see ``memory.py``).

The worker never makes a session, a model or a thread itself: threads do not survive a fork.

Libraries that are installed here but that the runtime does not need are hidden from the worker:
skops and scikit-learn import torch and pandas merely because they are there, which would add
240 MiB and two seconds to a scikit-learn model that is deployed without them.

A request names a *factory*: ``module:function`` and its arguments, which returns the model's
call. So the instrument can be checked with a model of known cost.
"""

from __future__ import annotations

import functools
import gc
import importlib
import importlib.util
import os
import resource
import signal
import sys
import traceback
from collections.abc import Callable
from importlib.machinery import ModuleSpec
from typing import Any

# These import nothing heavy.
from rightfit._core.formatting import MAX_ERROR, describe_error
from rightfit._core.processes.channel import Channel
from rightfit._core.processes.fork_server import SERVER_KINDS, connect_to_parent, serve_forks
from rightfit._core.processes.lifeline import adopt_orphans, end_children, end_with_parent
from rightfit.measuring.worker.meters.memory import FilePages, read_file_pages, read_memory
from rightfit.measuring.worker.protocol import (
    KINDS,
    Answer,
    AnswerMoreRequest,
    AnswerRequest,
    Described,
    DescribeRequest,
    Failure,
    FinishRequest,
    Forked,
    Hello,
    MeasureRequest,
    PredictRequest,
    RunOnceRequest,
    ServerRequest,
    SingleTask,
    SliceRequest,
    Task,
)
from rightfit.measuring.worker.units import BYTES_PER_MIB

# Large libraries that others import when they happen to be installed.
OPTIONAL_LIBRARIES = frozenset(
    {"IPython", "matplotlib", "onnx", "pandas", "polars", "pyarrow", "torch"}
)

OWN_IMPORTS = (
    "rightfit.models.runtimes",
    "rightfit.measuring.worker.open_loop",
    "rightfit.measuring.worker.phases",
    "rightfit.data.request_path.opening",
)


class HiddenLibraries:
    """An import finder that makes libraries look as if they were not installed.

    Args:
        names: Top-level names.
    """

    def __init__(self, names: frozenset[str]) -> None:
        self._names = names

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:  # noqa: ARG002 - importlib's signature
        """Refuse the hidden names, leave all others to the other finders."""
        if self._hides(name):
            raise ModuleNotFoundError(f"{name} is hidden from measuring processes", name=name)

    def install(self) -> None:
        """Hide the libraries from imports and from ``importlib.util.find_spec``."""
        ask = importlib.util.find_spec

        def ask_for_visible(name: str, package: str | None = None) -> ModuleSpec | None:
            return None if self._hides(name) else ask(name, package)

        sys.meta_path.insert(0, self)
        importlib.util.find_spec = ask_for_visible

    def _hides(self, name: str) -> bool:
        return name.partition(".")[0] in self._names


def _prepare(request: Task) -> Callable[..., Any]:
    """Limit this process' memory as asked for; return what opens the model."""
    if request.memory_limit_mib is not None:
        limit_bytes = int(request.memory_limit_mib * BYTES_PER_MIB)
        resource.setrlimit(resource.RLIMIT_DATA, (limit_bytes, limit_bytes))
    module, _, function = request.factory.partition(":")
    factory: Callable[..., Any] = getattr(importlib.import_module(module), function)
    return factory


def handle(request: SingleTask) -> Answer:
    """Carry out a task of one answer in this process, which is of no use for another."""
    factory = _prepare(request)
    from rightfit.measuring.worker.open_loop import serve_at_rate
    from rightfit.measuring.worker.phases import answer_rows, run_once

    match request:
        case PredictRequest():
            return answer_rows(factory, request)
        case RunOnceRequest():
            return run_once(factory, request)
        case ServerRequest():
            return serve_at_rate(factory, request)
        case DescribeRequest():
            return Described(factory(**request.arguments))


def serve_measurements(control: Channel, *, n_cores: int, imports: list[str]) -> None:
    """Import, say hello, then fork a process for each measurement until there are no more.

    Args:
        control: To the process that measures; the first message is :class:`Hello`.
        n_cores: Cores to run on; set before the imports, because thread pools look at it then.
        imports: Modules to import before the first fork.
    """
    cores: list[int] = []
    if hasattr(os, "sched_setaffinity"):  # not every system can confine a process
        cores = sorted(os.sched_getaffinity(0))[-n_cores:]  # interrupts mostly go to the first
        os.sched_setaffinity(0, cores)
    needed = {name.partition(".")[0] for name in imports}
    HiddenLibraries(OPTIONAL_LIBRARIES - needed).install()
    for name in [*imports, *OWN_IMPORTS]:
        importlib.import_module(name)
    _find_plugins()
    gc.collect()
    gc.freeze()
    base_pages = read_file_pages()
    memory = read_memory()
    hello = Hello(
        cores=tuple(cores),
        base_resident_mib=memory.resident_mib,
        base_peak_mib=memory.peak_mib,
        base_anonymous_mib=memory.anonymous_mib or 0.0,
    )
    control.send(hello)
    serve_forks(control, functools.partial(work, base_pages=base_pages), KINDS)


def work(channel: Channel, *, base_pages: FilePages | None) -> int:
    """Answer one task in a forked process; a measurement's slices as long as they are asked for.

    Args:
        channel: To the process that measures, which may close it at any time.
        base_pages: Pages of files of the empty worker.

    Returns:
        The exit status.
    """
    channel.send(Forked(os.getpid()))
    task = channel.receive()
    if task is None:
        return 0
    try:
        if not isinstance(task, MeasureRequest | AnswerRequest):
            channel.send(handle(task))
            return 0
        factory = _prepare(task)
        from rightfit.measuring.worker.phases import Contender, answer_plainly

        if isinstance(task, AnswerRequest):
            call, more = factory(**task.arguments)(), task
            while isinstance(more, AnswerRequest | AnswerMoreRequest):
                channel.send(answer_plainly(call, more))
                more = channel.receive()
            return 0
        contender = Contender(factory, task, base_pages)
        channel.send(contender.ready)
        while (request := channel.receive()) is not None:
            if isinstance(request, SliceRequest):
                channel.send(contender.time_slice(request.batch_size))
            elif isinstance(request, FinishRequest):
                channel.send(
                    contender.finish(
                        row_slowdowns=request.row_slowdowns,
                        batch_slowdowns=request.batch_slowdowns,
                    )
                )
    except BaseException as err:  # whatever happens is the answer
        channel.send(Failure(describe_error(err), _format_traceback()))
    return 0


def _format_traceback() -> str:
    try:
        return traceback.format_exc(limit=-3)[-MAX_ERROR:]
    except Exception:  # not every error can say what it is
        return ""


def _find_plugins() -> None:
    """Have narwhals look for its plugins now, where a runtime uses it.

    Scikit-learn asks it about its input, and at the first question it reads what every installed
    distribution offers: in a process that loads a model this would count as the model's loading,
    and take as long as many libraries are installed here. At the first frame it imports what it
    knows of that frame's library.
    """
    narwhals = sys.modules.get("narwhals.dependencies")
    if narwhals is not None:
        narwhals.is_into_dataframe(None)
    stable = sys.modules.get("narwhals.stable.v2")
    for library in ("pandas", "polars"):
        if stable is not None and library in sys.modules:
            stable.from_native(sys.modules[library].DataFrame())


def main() -> None:
    """Serve the process that started this one; what libraries print is kept for its messages.

    This process, its children and all that they started end when its parent is gone.
    """
    parent = int(sys.argv[1])

    def end(number: int, _frame: object) -> None:
        if number == signal.SIGHUP and os.getppid() == parent:
            return  # only the parent's thread that started this process has ended
        end_children()
        os._exit(1)

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which ends this
    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGHUP, end)
    adopt_orphans()
    end_with_parent(parent, signal.SIGHUP)
    control, (n_cores, *imports) = connect_to_parent(SERVER_KINDS)
    try:
        serve_measurements(control, n_cores=int(n_cores), imports=imports)
    finally:
        end_children()


if __name__ == "__main__":
    main()
