"""The interpreter's settings of a serving process, seen in a process of their own."""

import subprocess
import sys

PROGRAM = """
import gc, sys, weakref
from hub.entrypoints.interpreter import SWITCH_SECONDS, settle, share_threads

class Node: pass

kept = [Node() for _ in range(1000)]
share_threads()
settle()
assert sys.getswitchinterval() == SWITCH_SECONDS
assert gc.get_freeze_count() > 1000, "what is loaded is not looked at again"
node = Node()
node.itself = node
gone = weakref.ref(node)
del node
made = [[] for _ in range(20_000)]
assert gone() is None, "a cycle made later is still found"
"""


def test_a_settled_process_leaves_what_it_loaded_alone_and_still_finds_cycles() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
