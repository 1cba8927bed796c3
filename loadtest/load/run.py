"""One run: servers, workers and senders are started, the workload is sent, faults happen, and all is compared."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import orjson

from loadtest.crew import CrewError
from loadtest.document import Document
from loadtest.load import journal, watch
from loadtest.load.crew import Crew
from loadtest.load.faults import Faults
from loadtest.load.ledger import Sent
from loadtest.load.outcome import figures
from loadtest.load.sender import GO, READY, SENT, Spec
from loadtest.load.servers import Local, Remote, Servers
from loadtest.load.templates import Templates
from loadtest.load.verdict import judge
from loadtest.load.watch import Sample, Samples, Visible
from loadtest.load.workload import Workload
from loadtest.running import environment_of
from tagpulse.stack.logfile import LogFile
from tagpulse.stack.process import ManagedProcess

_LEAD_S, _LOOK_S, _GRACE_S = 0.3, 0.05, 5.0
_PREPARE_S, _FILLED_PER_S = 120.0, 10_000
#: After everything is visible: what a zombie or a repeated insert would add has time to come.
_SETTLE_S = 1.5

OnSample = Callable[[str, Sample | None], None]
"""Called with what is being done now, and the sample of the moment."""


async def run(
    workload: Workload,
    target: Local | Remote,
    on_sample: OnSample = lambda what, sample: None,
    *,
    look_s: float = watch.LOOK_S,
) -> Document:
    """Run `workload` on `target`; the document of form `load` without its header. To be called in the main thread.

    `look_s`: how often a SELECT looks for what is visible; each question costs ClickHouse some ms.

    Raises CrewError where senders or workers failed, StackError where a local stack does not start, TargetError,
    SinkError.
    """
    with tempfile.TemporaryDirectory(prefix="tagpulse-load-") as name:
        folder = Path(name)
        on_sample("starting broker and ClickHouse", None)
        async with target.started(workload) as servers:
            return {"target": target.title()} | await _Run(workload, servers, folder, on_sample, look_s).run()


class _Run:
    def __init__(self, workload: Workload, servers: Servers, folder: Path, on_sample: OnSample, look_s: float) -> None:
        self._look_s = look_s
        self._workload, self._servers, self._folder, self._tell = workload, servers, folder, on_sample
        self._senders: list[ManagedProcess] = []

    async def run(self) -> Document:
        workload, servers, folder = self._workload, self._servers, self._folder
        with Faults(workload, servers) as faults:
            async with (
                self._sending(),
                Crew(servers, workload.workers, workload.partitions, folder, faults.through) as crew,
            ):
                self._tell("workers take over partitions", None)
                await crew.settled()
                with Visible(servers, workload, self._look_s) as visible:
                    pids = {sender.name: sender.pid for sender in self._senders}
                    samples = Samples(servers, crew, visible, folder, pids)
                    samples.begin()
                    begin = time.monotonic() + _LEAD_S
                    drained_s = await self._measured(begin, crew, samples, visible, faults)
                    last = await samples.look(begin)
            # The workers have ended: nothing is written any more while all is compared.
            self._tell("comparing every key with the truth", last)
            verdict = await asyncio.to_thread(lambda: judge(Sent(folder, Templates(workload)), servers.connect()))
        sending = journal.read(folder, range(workload.senders))
        return figures(
            workload,
            sending=sending,
            sent=[orjson.loads((folder / f"{SENT}{n}").read_bytes()) for n in range(workload.senders)],
            begin=begin,
            counted=watch.counted(folder, workload.workers, servers.prefix, workload.partitions),
            visible=visible.seen,
            unanswered_questions=visible.failures,
            samples=samples.document(),
            costs=samples.costs,
            faults=faults.done,
            deaths=crew.deaths,
            drained_s=drained_s,
            verdict=verdict,
        )

    async def _measured(
        self, begin: float, crew: Crew, samples: Samples, visible: Visible, faults: Faults
    ) -> float | None:
        """Send and wait until all is visible. Seconds from the last event to that; None where it did not come to be."""
        partial = self._folder / "go.partial"
        partial.write_bytes(orjson.dumps((begin, time.time() + begin - time.monotonic())))
        partial.rename(self._folder / GO)
        loop = asyncio.get_running_loop()
        async with _alongside(samples.run(begin)), _alongside(self._show(samples)):
            harm = asyncio.create_task(faults.run(loop.time() + begin - time.monotonic(), crew))
            try:
                deadline_s = self._workload.seconds + self._workload.drain_s + _GRACE_S
                await self._until(SENT, deadline_s, "the senders are done")
            except BaseException:
                harm.cancel()
                raise
            ended = time.monotonic()
            events = sum(orjson.loads(path.read_bytes())["confirmed"] for path in self._folder.glob(f"{SENT}*[0-9]"))
            await harm
            deadline = time.monotonic() + self._workload.drain_s
            while visible.events < events and time.monotonic() < deadline:  # noqa: ASYNC110 - a thread looks
                await asyncio.sleep(_LOOK_S)
            drained_s = time.monotonic() - ended if visible.events >= events else None
            await asyncio.sleep(_SETTLE_S)
        return drained_s

    async def _show(self, samples: Samples) -> None:
        while True:
            self._tell("sending", samples.rows[-1] if samples.rows else None)
            await asyncio.sleep(watch.SAMPLE_S / 2)

    @contextlib.asynccontextmanager
    async def _sending(self) -> AsyncIterator[None]:
        """Senders that are ready, and, where there is one, a backlog in the log."""
        workload, at = self._workload, self._servers.endpoints
        what = f"filling the log with {workload.backlog:,} events" if workload.backlog else "encoding events"
        self._tell(what, None)
        for number in range(workload.senders):
            spec = Spec.of(workload, at.kafka, at.idempotent, self._servers.prefix, self._folder, number)
            argv = [sys.executable, "-m", "loadtest.load.sender", spec.encode()]
            log = LogFile(self._folder / f"sender-{number}.log")
            environment = environment_of(at, with_settings=self._servers.stack is None)
            self._senders.append(
                ManagedProcess(f"sender-{number}", argv, env=environment, log=log, grace_s=_GRACE_S)
            )  # fmt: skip
        try:
            for sender in self._senders:
                await sender.start()
            await self._until(READY, _PREPARE_S + workload.backlog / _FILLED_PER_S, "the senders are ready")
            yield
        finally:
            for sender in self._senders:
                sender.kill()
            await asyncio.gather(*(sender.wait() for sender in self._senders), return_exceptions=True)

    async def _until(self, name: str, deadline_s: float, what: str) -> None:
        deadline = time.monotonic() + deadline_s
        while not all((self._folder / f"{name}{n}").exists() for n in range(self._workload.senders)):
            for sender in self._senders:
                if not sender.running and sender.returncode:
                    raise CrewError(f"{sender.name} ended with {sender.exit_text()}\n{sender.log.tail()}")
            if time.monotonic() > deadline:
                tails = "\n".join(sender.log.tail() for sender in self._senders)
                raise CrewError(f"not after {deadline_s:.0f} s: {what}\n{tails}")
            await asyncio.sleep(_LOOK_S)


@contextlib.asynccontextmanager
async def _alongside(work: Any) -> AsyncIterator[None]:
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
