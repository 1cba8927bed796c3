"""Replace this process by a command that dies when its parent dies.

Run by file path, isolated, so that it needs nothing but the standard library and starts fast:

    python -I -S child.py PARENT_PID SIGNAL -- ARGV...

The parent-death signal survives exec, and exec keeps the process id. A wrapper is used instead of
`preexec_fn`, which is not safe in a process with threads.
"""

from __future__ import annotations

import ctypes
import os
import sys

_PR_SET_PDEATHSIG = 1

EXIT_USAGE = 64
EXIT_ORPHANED = 75
EXIT_NOT_EXECUTABLE = 126
EXIT_NOT_FOUND = 127


def main(arguments: list[str]) -> int:
    """Exec the command. Returns, with an exit code, only where that was not possible."""
    if len(arguments) < 4 or arguments[2] != "--":
        print("usage: child.py PARENT_PID SIGNAL -- ARGV...", file=sys.stderr)
        return EXIT_USAGE
    parent, death_signal, argv = int(arguments[0]), int(arguments[1]), arguments[3:]
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_PDEATHSIG, death_signal, 0, 0, 0) != 0:
        print(f"prctl: {os.strerror(ctypes.get_errno())}", file=sys.stderr)
        return 1
    # The parent may have died before the line above; then no signal will ever come.
    if os.getppid() != parent:
        return EXIT_ORPHANED
    try:
        os.execvp(argv[0], argv)  # noqa: S606 - no shell is wanted
    except FileNotFoundError:
        print(f"{argv[0]}: no such file", file=sys.stderr)
        return EXIT_NOT_FOUND
    except OSError as error:
        print(f"{argv[0]}: {error.strerror}", file=sys.stderr)
        return EXIT_NOT_EXECUTABLE


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
