"""`python -m tenrusl.local run|demo`, called by `make run` and `make demo`."""

from __future__ import annotations

import os
import signal
import sys
from types import FrameType

from tenrusl.local.demo import demo
from tenrusl.local.process import StartError
from tenrusl.local.run import FOLDER, run
from tenrusl.settings import SettingsError

_END_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def main(arguments: list[str]) -> int:
    """The exit status: 0 when all went well, and for `run` when a signal ended it; 1 with the reason on stderr;
    2 for wrong usage; 130 for a demo that was interrupted, for it has shown nothing.
    """
    if arguments not in (["run"], ["demo"]):
        print("usage: python -m tenrusl.local run|demo", file=sys.stderr)
        return 2
    for number in _END_SIGNALS:
        signal.signal(number, _interrupt)
    # The one place in this package that reads the environment: it is handed on to the services.
    environ = dict(os.environ)
    try:
        if arguments == ["demo"]:
            return 0 if demo(environ=environ) else 1
        run(folder=FOLDER, environ=environ)
    except KeyboardInterrupt:
        print("\nstopped")
        return 0 if arguments == ["run"] else 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # nobody reads on; nothing is left to flush to
    except (SettingsError, StartError, OSError, ValueError) as exc:
        print(exc, file=sys.stderr)
        return 1
    return 0


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    # The first one ends everything in order, which takes seconds and must not be cut off by a second Ctrl-C.
    for number in _END_SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
