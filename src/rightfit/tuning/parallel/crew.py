"""Searches side by side, in processes: as many train as there are cores, timings are alone.

A process asks for a core before each step of its search. Where a step is a short measurement it
waits; as soon as so many wait that the rest cannot keep all cores busy, the rest is stopped and all
that wait are measured in a row. So training and timing alternate seldom and never overlap.

What these processes have searched is kept like any search. Should one die, whoever searches the
cell next goes on where it was.
"""

from __future__ import annotations

import contextlib
import logging
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from rightfit.families.bundle import read_bundle
from rightfit.formatting import count
from rightfit.processes.leftovers import temporary_folder
from rightfit.profiling.measuring.lock import machine_lock
from rightfit.profiling.measuring.worker_pool import shared_pool
from rightfit.tuning.parallel.agenda import Agenda, PlannedSearch, SearchTask
from rightfit.tuning.parallel.crew_member import CrewMember, choose_to_train
from rightfit.tuning.parallel.forks import ForkServer, forking
from rightfit.tuning.parallel.messages import (
    AwaitsCore,
    AwaitsTiming,
    Ended,
    GoOn,
    Logged,
    Progress,
    Rests,
    Start,
    Started,
    Timed,
    wait_for,
)
from rightfit.tuning.search.search_job import describe_job, map_rows, write_rows
from rightfit.tuning.search.training_clock import note_stops
from rightfit.tuning.steering.short_measuring import ServingBench, open_short_bench

logger = logging.getLogger(__name__)

OnTrial = Callable[[str, int, int | None], None]
LIVE_PER_CORE = 2  # searches begun for each core: some train while others wait for a timing


def search_in_parallel(searches: Sequence[PlannedSearch], *, on_trial: OnTrial) -> None:
    """Carry out searches, as many at once as there are cores for.

    A search that breaks, or whose process dies, is left as it is, with a warning.

    Args:
        searches: What to search, at least one; the rows of one dataset are the same.
        on_trial: Called with the cell's name, the trials begun and ``n_trials``.
    """
    with temporary_folder("search") as folder:
        agenda = Agenda(_write_rows(searches, folder))
        families = dict.fromkeys(one.cell.family for one in searches)
        n_threads, n_at_once = searches[0].settings.n_threads, searches[0].n_at_once
        logger.info("Searching %s, %d at a time", count(len(searches), "cell"), n_at_once)
        try:
            with forking(families, n_threads) as server, contextlib.ExitStack() as stack:
                Crew(agenda, folder, server, stack, n_at_once, on_trial).run()
        except BrokenPipeError:
            logger.warning("The process that starts the searches has died, the run goes on")


class Crew:
    """The processes of some searches.

    Args:
        agenda: What is to be searched.
        folder: For files that pass between the processes.
        server: Forks the processes.
        stack: Closes the channels and the benches.
        n_at_once: Processes that train at the same time.
        on_trial: See :func:`search_in_parallel`.
    """

    def __init__(
        self,
        agenda: Agenda,
        folder: Path,
        server: ForkServer,
        stack: contextlib.ExitStack,
        n_at_once: int,
        on_trial: OnTrial,
    ) -> None:
        self._agenda = agenda
        self._folder = folder
        self._server = server
        self._stack = stack
        self._n_at_once = n_at_once
        self._on_trial = on_trial
        self._members: list[CrewMember] = []
        self._n_begun = 0
        self._benches: dict[str, ServingBench] = {}

    def run(self) -> None:
        """Work until every search is over."""
        n_timed, n_blocks, timing_s = 0, 0, 0.0
        while self._members or self._agenda.has_next:
            while self._may_begin():
                self._begin(self._agenda.next())
            self._give_cores()
            waiting = [one for one in self._members if one.wish is not None]
            all_known = all(one.pid is not None for one in self._members)
            if waiting and all_known and self._n_able_to_train() < self._n_at_once:
                started_s = time.monotonic()
                self._time(waiting)
                n_timed, n_blocks = n_timed + len(waiting), n_blocks + 1
                timing_s += time.monotonic() - started_s
            else:
                self._listen()
        logger.debug("%d short measurements in %d blocks took %.1f s", n_timed, n_blocks, timing_s)

    def _may_begin(self) -> bool:
        has_room = len(self._members) < max(LIVE_PER_CORE * self._n_at_once, 2)
        return self._agenda.has_next and has_room

    def _begin(self, task: SearchTask) -> None:
        search = task.search
        n = 1 if task.only_default else search.n_workers
        job = describe_job(
            _rows_folder(self._folder, search), search.cell, search.settings, search.store
        )
        for _ in range(n):
            self._n_begun += 1
            stops_file = self._folder / f"stops-{self._n_begun}"
            member = CrewMember(task, self._server.fork(search.cell.family), stops_file)
            self._stack.callback(member.channel.close)
            member.channel.send(
                Start(
                    job,
                    task.only_default,
                    search.n_candidates if search.exports else 0,
                    str(stops_file),
                    logger.getEffectiveLevel(),
                )
            )
            self._members.append(member)

    def _n_able_to_train(self) -> int:
        """Return how many train, or could, or are about to begin."""
        return sum(one.state in ("trains", "awaits core") for one in self._members)

    def _give_cores(self) -> None:
        """Let as many train as may."""
        for one in choose_to_train(self._members, self._n_at_once):
            one.enter("trains")
            self._answer(one, GoOn())

    def _time(self, waiting: Sequence[CrewMember]) -> None:
        """Measure what is waited for, while everything else stands still."""
        kinds = [one.measuring_kind for one in waiting]  # their imports would disturb a timing
        shared_pool().start(kinds, limit_s=waiting[0].demand.measuring.answer_max_s)
        with machine_lock(), self._others_stopped():
            answers = [(one, self._measure(one)) for one in waiting]
        for one, timed in answers:
            one.enter("trains")
            one.wish = None
            self._answer(one, timed)

    @contextlib.contextmanager
    def _others_stopped(self) -> Iterator[None]:
        others = [one for one in self._members if one.wish is None]
        started_ns = time.perf_counter_ns()
        stopped: list[CrewMember | ForkServer] = [self._server, *others]
        for process in stopped:
            process.signal(signal.SIGSTOP)
        try:
            yield
        finally:
            for one in others:
                one.stopped_ns += time.perf_counter_ns() - started_ns
                note_stops(one.stops_file, one.stopped_ns)
            for process in stopped:
                process.signal(signal.SIGCONT)

    def _measure(self, member: CrewMember) -> Timed:
        search, wish = member.task.search, member.wish
        assert wish is not None  # noqa: S101 - it waits
        name = search.cell.name
        if name not in self._benches:
            opening = open_short_bench(search.cell, member.demand)
            self._benches[name] = self._stack.enter_context(opening)
        try:
            bundle = read_bundle(
                Path(wish.bundle), family=search.cell.family, checked_sha256=wish.sha256
            )
            return Timed(*self._benches[name].measure(bundle, wish.serving))
        except Exception as err:  # it fails the trial, as it does where a search measures itself
            return Timed({}, 0.0, error=f"{type(err).__name__}: {err}")

    def _answer(self, member: CrewMember, message: GoOn | Timed) -> None:
        with contextlib.suppress(OSError):  # it has died; its end is read next
            member.channel.send(message)

    def _listen(self) -> None:
        """Wait for messages and note what they say."""
        speaking = wait_for([one.channel for one in self._members])
        for member in [one for one in self._members if one.channel in speaking]:
            while member in self._members:
                self._hear(member)
                if member not in self._members or not member.channel.has_more():
                    break

    def _hear(self, member: CrewMember) -> None:
        name = member.task.search.cell.name
        match member.channel.receive():
            case Started(pid):
                member.pid = pid
            case AwaitsCore():
                member.enter("awaits core")
            case Rests():
                member.enter("rests")
            case AwaitsTiming() as wish:
                member.enter("awaits timing")
                member.wish = wish
                shared_pool().get(member.measuring_kind)  # it imports while others still train
            case Progress(n_begun, n_trials):
                self._on_trial(name, n_begun, n_trials)
            case Logged(level, source, text):
                logging.getLogger(source).log(level, "%s", text)
            case Ended(error):
                self._remove(member)
                if error:  # the run meets it again, unless others come to the search's end
                    level = logging.WARNING if self._is_worked_on(member.task) else logging.DEBUG
                    text = "%s: a search process broke, the run goes on with it: %s"
                    logger.log(level, text, name, error)
            case None:
                logger.warning("%s: a search process has died, the run goes on with it", name)
                self._remove(member)

    def _remove(self, member: CrewMember) -> None:
        member.channel.close()
        self._members.remove(member)
        if not self._is_worked_on(member.task):
            self._agenda.end(member.task)

    def _is_worked_on(self, task: SearchTask) -> bool:
        return any(one.task is task for one in self._members)


def _write_rows(searches: Sequence[PlannedSearch], folder: Path) -> list[PlannedSearch]:
    """Write each dataset's rows once; return the searches with rows that are mapped."""
    mapped = []
    for search in searches:
        own = _rows_folder(folder, search)
        if not own.exists():
            own.mkdir()
            write_rows(own, search.cell)
        mapped.append(replace(search, cell=map_rows(own, search.cell)))
    return mapped


def _rows_folder(folder: Path, search: PlannedSearch) -> Path:
    return folder / f"rows-{search.dataset}"
