"""Starts processes of the hub from one that has imported it already: a start takes milliseconds.

    python forkserver.py < requests > answers

A request is one line of JSON, ``{"arguments": [...], "environment": {...}, "changes": [...],
"log": path}``; the child runs `mso-hub` with these arguments as if it had been started alone, or
with ``"call": [module, function]`` calls that with them. The answer is ``{"started": pid}``;
children are reaped here.
"""

from __future__ import annotations

import ctypes
import faulthandler
import gc
import importlib
import json
import os
import signal
import sys
import traceback
from typing import Any

import changes
import crashing  # noqa: F401 - imported before the fork, as what follows

import jobs.rabbitmq_pointers
import jobs.redis_pointers
import jobs.worker  # noqa: F401 - imported before the fork, as what follows
from hub.entrypoints import exports, hl7_folders, service  # noqa: F401 - imported before the fork
from hub.entrypoints.cli.main import main

PR_SET_PDEATHSIG = 1


def run(request: dict[str, Any]) -> None:
    """The child: everything as after `exec`, except for the imported modules."""
    os.setsid()
    library = ctypes.CDLL(None)
    library.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    descriptor = os.open(request["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for number in (1, 2):
        os.dup2(descriptor, number)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    faulthandler.register(signal.SIGUSR1, all_threads=True)
    for name in [name for name in os.environ if name.startswith("HUB_")]:
        del os.environ[name]
    os.environ.update(request["environment"])
    if "FAULTS_CONTROL" in os.environ:
        library.begin_faults()
    for change in request["changes"]:
        changes.CHANGES[change]()
    if "call" in request:
        module, function = request["call"]
        getattr(importlib.import_module(module), function)(*request["arguments"])
        return
    sys.argv = ["mso-hub", *request["arguments"]]
    main()


def serve() -> None:
    gc.collect()
    gc.freeze()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel reaps
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            code = 1
            try:
                run(json.loads(line))
                code = 0
            except SystemExit as end:
                code = end.code if isinstance(end.code, int) else 1
            except BaseException:
                traceback.print_exc()
            finally:
                sys.stderr.flush()
                os._exit(code)
        print(json.dumps({"started": child}), flush=True)


if __name__ == "__main__":
    print(json.dumps({"ready": len(os.listdir("/proc/self/task"))}), flush=True)
    serve()
