#!/usr/bin/env python3
"""The tools of `requirements.txt` in an environment of their own below the cache directory; Debian's pip installs nothing system-wide.

    python_tools.py        makes the environment, unless it is there, and says where

Needs Debian's `python3-venv`. Environment: TOCSIN_PYTHON_TOOLS, a directory that holds such an environment already.
"""

import fcntl
import hashlib
import os
import pathlib
import subprocess
import sys

REQUIREMENTS = pathlib.Path(__file__).resolve().parent / "requirements.txt"


def directory():
    """Named by what is in it: another Python or another list is another environment."""
    given = os.environ.get("TOCSIN_PYTHON_TOOLS")
    if given:
        return pathlib.Path(given)
    digest = hashlib.sha256(sys.version.encode() + REQUIREMENTS.read_bytes()).hexdigest()[:12]
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return pathlib.Path(cache) / "tocsin" / f"python-tools-{digest}"


def make(place, complete):
    subprocess.run([sys.executable, "-m", "venv", "--clear", place], check=True)
    pip = [place / "bin/python", "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
    subprocess.run([*pip, "-r", REQUIREMENTS], check=True)
    complete.touch()


def tools():
    """The `bin` of the environment."""
    place = directory()
    complete = place / "complete"
    if not os.environ.get("TOCSIN_PYTHON_TOOLS") and not complete.exists():
        place.mkdir(parents=True, exist_ok=True)
        with open(place.with_suffix(".lock"), "w", encoding="ascii") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not complete.exists():
                make(place, complete)
    return place / "bin"


def environment(base):
    """`base` with the tools in front of PATH: one of them calls another by name."""
    return {**base, "PATH": f"{tools()}:{base.get('PATH', '')}"}


if __name__ == "__main__":
    print(tools())
