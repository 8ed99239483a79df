"""Chromium: on PATH already, or installed by apt where we are root."""

import os
import shutil
import subprocess

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip
"""The profile is new, and the browser must not talk to anybody on its own account."""


class NoChromiumError(Exception):
    """The reason why there is no browser."""


def found() -> str | None:
    """The browser on PATH."""
    return next((path for name in NAMES if (path := shutil.which(name))), None)


def lacking() -> str:
    """Why there can be no browser, and what to do; empty where one is there or can be installed."""
    if found() or (os.geteuid() == 0 and shutil.which("apt-get")):
        return ""
    return "no chromium on PATH: install it (Debian: apt-get install chromium)"


def ensure() -> str:
    """Path of the browser, installed first where that can be done.

    Raises
    ------
    NoChromiumError
        With what to do.
    """
    path = found()
    if path:
        return path
    if reason := lacking():
        raise NoChromiumError(reason)
    _apt("update")
    _apt("-y", "--no-install-recommends", "install", "chromium")
    path = found()
    if path is None:
        raise NoChromiumError("apt-get installed chromium, but it is not on PATH")
    return path


def _apt(*words: str) -> None:
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8"}
    # Another process may be installing: apt waits for its lock.
    argv = ["apt-get", "-qq", "-o", "DPkg::Lock::Timeout=300", *words]
    done = subprocess.run(argv, env=environment, text=True, capture_output=True, check=False)
    if done.returncode:
        said = (done.stderr or done.stdout).strip()[-500:]
        raise NoChromiumError(f"`{' '.join(argv)}` failed with {done.returncode}: {said}")
