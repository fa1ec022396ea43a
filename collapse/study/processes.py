"""Processes on this machine that train runs, and stop when their parent process does."""

import os
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import active_children, get_context

_LOOK_SECONDS = 0.5
"""Seconds between two checks whether the parent process is alive."""
_SAVING_SECONDS = 5.0
"""Seconds that a run has to save its state before it is asked again."""
_SAVED_SECONDS = 60.0
"""Seconds after which a child that has not stopped is asked again; writing a large state takes seconds."""


def process_pool(jobs: int) -> ProcessPoolExecutor:
    """Return a pool of processes on this machine.

    Returns
    -------
    ProcessPoolExecutor
        The pool. Its threads wait without spinning, and it shows no progress bars. Its processes do not receive
        the terminal's Ctrl-C, which the parent passes on with `stopping_children`, and they stop when the parent
        is gone.
    """
    # Libraries read it when they are loaded, so it must be set before a process starts.
    os.environ |= {"OMP_WAIT_POLICY": "passive", "TQDM_DISABLE": "1"}
    return ProcessPoolExecutor(jobs, get_context("spawn"), _begin, (os.getpid(),))


@contextmanager
def stopping_children() -> Iterator[None]:
    """Let a termination signal act as Ctrl-C in the block, and let either stop the children's runs first.

    The handler for Ctrl-C is set again, because importing Polars installs one below Python's that would swallow
    it.

    Raises
    ------
    KeyboardInterrupt
        After the children have saved and stopped.
    """
    caught = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.signal(number, signal.default_int_handler) for number in caught}
    try:
        yield
    except KeyboardInterrupt:
        children = active_children()
        for child in children:
            child.terminate()
        while children := [child for child in children if child.is_alive()]:
            children[0].join(_SAVED_SECONDS)
            if children[0].is_alive():
                children[0].terminate()
        raise
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _begin(parent: int) -> None:
    os.setpgrp()
    threading.Thread(target=_watch, args=(parent,), daemon=True).start()


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(_LOOK_SECONDS)
    while True:
        # The first signal lets a run save its state, the next ends the process that waits for another run.
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(_SAVING_SECONDS)
