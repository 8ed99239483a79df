"""What is done, seen from outside: one look at each folder, no file opened. The workers and `collect` look inside."""

import os
from pathlib import Path

from dagmaker.plan import processes
from dagmaker.plan.plan import Node


class Presence:
    """The files of a run directory, each folder read once."""

    def __init__(self, run: Path) -> None:
        self._run = run
        self._folders: dict[str, frozenset[str]] = {}

    def _names(self, folder: str) -> frozenset[str]:
        """Files in a folder: a folder that has the name of an output is none."""
        if folder not in self._folders:
            try:
                with os.scandir(self._run / folder) as entries:
                    self._folders[folder] = frozenset(entry.name for entry in entries if not entry.is_dir())
            except (FileNotFoundError, NotADirectoryError):
                self._folders[folder] = frozenset()
        return self._folders[folder]

    def done(self, node: Node) -> frozenset[int]:
        """Positions of the processes whose output is there."""
        names = self._names(node.dir)
        if not names:
            return frozenset()
        return frozenset(position for position, name in enumerate(processes.outputs(node)) if name in names)

    def trusted(self, node: Node) -> frozenset[int]:
        """Positions that need no look from a worker: trials and maps with their record beside them.

        What is made from other files may be older than they are: that is for the worker to see.
        """
        if node.file:
            return frozenset()
        names = self._names(node.dir)
        return frozenset(
            position
            for position, name in enumerate(processes.outputs(node))
            if name in names and _record(name) in names
        )


def _record(name: str) -> str:
    """Name of the record beside an output, without the cost of a path object."""
    return name.rpartition(".")[0] + ".json"
