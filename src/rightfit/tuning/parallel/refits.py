"""Refits side by side, in processes that have the libraries already."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from pydantic import TypeAdapter

from rightfit.processes.channel import Channel, wait_for
from rightfit.processes.starting import ForkServer
from rightfit.tuning.parallel.forked_workers import forking, hear
from rightfit.tuning.refitting import RefitJob
from rightfit.tuning.search.tasks import Ended, StartRefit

logger = logging.getLogger(__name__)


def refit_side_by_side(jobs: Sequence[RefitJob], *, n_at_once: int) -> None:
    """Carry out refits, each in a process of its own; what they made is found by ``refit``.

    The longest begins first. One that breaks, or whose process dies, is left as it is: who needs it
    tries again and meets the error.

    Args:
        jobs: What to train.
        n_at_once: Processes that work at the same time.
    """
    waiting = sorted(jobs, key=lambda job: job.expected_s, reverse=True)
    working: list[Channel] = []
    try:
        with forking([job.family for job in jobs], n_threads=None) as server:
            while waiting or working:
                while waiting and len(working) < n_at_once:
                    working.append(_begin(server, waiting.pop(0)))
                for channel in wait_for(working):
                    for end in hear(channel):  # it sends nothing else
                        if not isinstance(end, Ended) or end.error:
                            logger.debug("A refit broke, the run tries it again: %s", end)
                        channel.close()
                        working.remove(channel)
    except BrokenPipeError:
        logger.debug("The process that starts the refits has died, the run goes on")
    finally:
        for channel in working:
            channel.close()


def _begin(server: ForkServer, job: RefitJob) -> Channel:
    channel = server.fork(job.family)
    text = TypeAdapter(RefitJob).dump_json(job).decode()
    channel.send(StartRefit(text, logger.getEffectiveLevel()))
    return channel
