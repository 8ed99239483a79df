"""A plan as data: nodes, how each is cut into processes, and who waits for whom."""

from dataclasses import dataclass

from worker.rundir.cuts import NO_CUTS, Cuts


@dataclass(frozen=True)
class Node:
    """One task at one point.

    Attributes
    ----------
    name : str
        Letters, digits and ``_`` only: DAGMan refuses ``.``, ``+`` and blanks in node names.
    task : str
        Name of the worker's task; the stage that progress is reported for.
    args : tuple of (str, number)
        What is the same for all processes of the node (``dec`` in degrees, ``n_sig``, ``nside``).
    seed : int or None
        File seed of the stream; None where the task draws nothing.
    dir : str
        Where the outputs lie, relative to the run directory.
    file : str
        Name of the output in `dir` where there is but one; empty where names follow from cuts or bands.
    cuts : Cuts
        The pieces of the stream, one file each; empty where there is nothing to cut.
    bands : int
        Declination bands that each piece is split into.
    parents : tuple of str
        Nodes whose outputs this one reads.
    only : tuple of int or None
        Positions of the processes that a repair runs again; None: all. Not part of plan.json.
    """

    name: str
    task: str
    args: tuple[tuple[str, float], ...] = ()
    seed: int | None = None
    dir: str = ""
    file: str = ""
    cuts: Cuts = NO_CUTS
    bands: int = 1
    parents: tuple[str, ...] = ()
    only: tuple[int, ...] | None = None

    @property
    def n_processes(self) -> int:
        """One for each cut and band; one where there are neither. Fewer where `only` says so."""
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
        """The stages, in the order in which they begin."""
        return tuple(dict.fromkeys(node.task for node in self.nodes))
