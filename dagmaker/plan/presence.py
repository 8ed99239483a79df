"""Completion status from directory listings only; file contents are not read."""

import os
from pathlib import Path

from dagmaker.plan import processes
from dagmaker.plan.plan import Node


class Presence:
    """The files of a run directory; each folder is listed once."""

    def __init__(self, run: Path) -> None:
        self._run = run
        self._folders: dict[str, frozenset[str]] = {}

    def _names(self, folder: str) -> frozenset[str]:
        """Names of the files in a folder, without folders."""
        if folder not in self._folders:
            try:
                with os.scandir(self._run / folder) as entries:
                    self._folders[folder] = frozenset(entry.name for entry in entries if not entry.is_dir())
            except (FileNotFoundError, NotADirectoryError):
                self._folders[folder] = frozenset()
        return self._folders[folder]

    def done(self, node: Node) -> frozenset[int]:
        """Positions of the processes whose output exists."""
        names = self._names(node.dir)
        if not names:
            return frozenset()
        return frozenset(position for position, name in enumerate(processes.outputs(node)) if name in names)

    def trusted(self, node: Node) -> frozenset[int]:
        """Positions that need no check by a worker: trials and maps that have a record.

        Results that are made from other files may be outdated; the worker checks that.
        """
        if node.file:
            return frozenset()
        names = self._names(node.dir)
        return frozenset(
            position
            for position, name in enumerate(processes.outputs(node))
            if name in names and f"{name.rpartition('.')[0]}.json" in names
        )
