"""Node and Plan: tasks, their split into processes, and their dependencies."""

from dataclasses import dataclass

from worker.rundir.cuts import NO_CUTS, Cuts
from worker.spec.point import Value


@dataclass(frozen=True)
class Node:
    """A task at one point of the analysis.

    Attributes
    ----------
    name : str
        Letters, digits and ``_`` only: DAGMan refuses ``.``, ``+`` and blanks in node names.
    task : str
        The worker's task; also the stage in progress reports.
    args : tuple of (str, number or str)
        Arguments of all processes of the node (``dec`` in degrees or ``point``, ``n_sig``, ``nside``).
    seed : int or None
        File seed of the random stream; None if the task uses no random numbers.
    dir : str
        Folder of the outputs, relative to the run directory.
    file : str
        Name of the output in `dir` if there is one; empty if names follow from cuts or bands.
    cuts : Cuts
        The pieces of the stream, one file each; empty if there is no stream.
    bands : int
        Number of declination bands of each piece.
    parents : tuple of str
        Nodes whose outputs this one reads.
    only : tuple of int or None
        Positions of the processes that a repair runs again; None: all. Not part of plan.json.
    """

    name: str
    task: str
    args: tuple[tuple[str, Value], ...] = ()
    seed: int | None = None
    dir: str = ""
    file: str = ""
    cuts: Cuts = NO_CUTS
    bands: int = 1
    parents: tuple[str, ...] = ()
    only: tuple[int, ...] | None = None

    @property
    def n_processes(self) -> int:
        """One for each cut and band, at least one; the length of `only` if it is set."""
        return max(1, len(self.cuts)) * self.bands if self.only is None else len(self.only)

    @property
    def n_trials(self) -> int:
        """Trials (or skies) of all cuts together."""
        return self.cuts.n_trials


@dataclass(frozen=True)
class Plan:
    """All nodes, parents before children."""

    name: str
    spec_digest: str
    nodes: tuple[Node, ...]

    @property
    def n_processes(self) -> int:
        """Processes of all nodes."""
        return sum(node.n_processes for node in self.nodes)

    def tasks(self) -> tuple[str, ...]:
        """All tasks, in the order of the nodes."""
        return tuple(dict.fromkeys(node.task for node in self.nodes))
