"""Running a stack from a command line: signals end it in order."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable

from tagpulse.stack.options import StackEvent, StackOptions
from tagpulse.stack.supervisor import Stack

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

#: What to do with a stack that is ready. When it returns, the stack ends. Signals cancel it.
Body = Callable[[Stack], Awaitable[None]]


def run_stack(
    options: StackOptions, body: Body, on_event: Callable[[StackEvent], None] = lambda event: None
) -> signal.Signals | None:
    """Start a stack, run `body`, end the stack.

    Returns None when `body` is done, or the signal (SIGINT, SIGTERM, SIGHUP) that ended it earlier, at any
    stage; a second signal ends all processes without grace. Raises StackError, or what `body` raised.
    To be called from the main thread, outside any event loop.
    """
    return asyncio.run(_run(Stack(options, on_event), body))


async def _run(stack: Stack, body: Body) -> signal.Signals | None:
    loop = asyncio.get_running_loop()
    task = asyncio.current_task()
    assert task is not None
    received: list[signal.Signals] = []

    def on_signal(number: signal.Signals) -> None:
        if received or stack.stopping:
            stack.kill()
        else:
            task.cancel()
        received.append(number)

    for number in _SIGNALS:
        loop.add_signal_handler(number, on_signal, number)
    try:
        async with stack:
            await _until_done(stack, body)
    except asyncio.CancelledError:
        if not received:
            raise
        task.uncancel()
    finally:
        for number in _SIGNALS:
            loop.remove_signal_handler(number)
    return received[0] if received else None


async def _until_done(stack: Stack, body: Body) -> None:
    """Run `body`, unless the stack dies first: then its StackDiedError is raised."""
    work = asyncio.ensure_future(body(stack))
    death = asyncio.ensure_future(stack.wait())
    try:
        await asyncio.wait([work, death], return_when=asyncio.FIRST_COMPLETED)
        if death.done():
            await death
        await work
    finally:
        work.cancel()
        death.cancel()
        await asyncio.gather(work, death, return_exceptions=True)
