"""Processes on this machine that train runs, and stop where the process that started them does."""

import os
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import active_children, get_context

_LOOK_SECONDS = 0.5
"""Between two checks whether the parent process is alive."""
_SAVING_SECONDS = 5.0
"""What a run has to save its state before it is asked again."""
_SAVED_SECONDS = 60.0
"""After which a child that has not stopped is asked again; a large state takes seconds to write."""


def process_pool(jobs: int) -> ProcessPoolExecutor:
    """Return processes on this machine.

    Parameters
    ----------
    jobs : int
        How many.

    Returns
    -------
    ProcessPoolExecutor
        Their threads wait without spinning, and they show no bars. They are out of reach of the terminal's Ctrl-C,
        which their parent hands on by `stopping_children`, and stop when it is gone.
    """
    # Read as a process loads its libraries, so before it is started.
    os.environ |= {"OMP_WAIT_POLICY": "passive", "TQDM_DISABLE": "1"}
    return ProcessPoolExecutor(jobs, get_context("spawn"), _begin, (os.getpid(),))


@contextmanager
def stopping_children() -> Iterator[None]:
    """Within the block, let a termination signal act as Ctrl-C, and let either stop the children's runs first.

    Ctrl-C is taken anew, too: Polars puts a handler below Python's as it is imported, which swallowed it.

    Raises
    ------
    KeyboardInterrupt
        Once the children have saved and stopped.
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
        # The first lets a run save its state, the next ends the process that waits for another.
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(_SAVING_SECONDS)
