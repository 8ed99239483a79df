"""streams: check that every random stream of a plan has its own key, and that no two files share trials.

A number is Philox(key, counter): the key is a hash of (analysis seed, kind, point, file seed), the counter holds the
trial. Two files are independent if their keys differ, or if their intervals of trials [first, first + n) are disjoint.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from worker.base.key import Key
from worker.rundir import address, layout
from worker.rundir.ledger import Run, open_run
from worker.spec.point import Point
from worker.spec.sections import Spec


class Stream(NamedTuple):
    """A random stream of the plan.

    Attributes
    ----------
    what : str
        Name for messages.
    cuts : tuple of (first, n)
        Trials of each file; empty for one sky or a bootstrap.
    bands : int
        Number of files with the same cut: declination bands of the same skies.
    """

    what: str
    key: Key
    cuts: tuple[tuple[int, int], ...] = ()
    bands: int = 1


def streams(path: Path) -> dict[str, Any]:
    """Print {"keys", "files", "trials", "faults"} as a line of JSON; returns it."""
    run = open_run(path)
    owners: dict[Key, Stream] = {}
    faults: list[str] = []
    n_files = n_trials = 0
    for stream in of_plan(run, faults):
        other = owners.setdefault(stream.key, stream)
        if other is not stream:
            faults.append(f"{other.what} and {stream.what} have the same key")
        faults += overlaps(stream)
        n_files += len(stream.cuts) * stream.bands
        n_trials += sum(n for _, n in stream.cuts)
    answer = {"keys": len(owners), "files": n_files, "trials": n_trials, "faults": faults}
    print(json.dumps(answer))
    return answer


def of_plan(run: Run, faults: list[str]) -> Iterator[Stream]:
    """All streams of the plan; a node with cuts but no known address is a fault.

    Nodes of rounds and of further folders continue the stream of the node that has the same point.
    """
    first = {node["name"] for node in run.base["nodes"]}
    of_point: dict[tuple[Any, ...], Stream] = {}
    for node in run.plan["nodes"]:
        key = address.of_node(run.spec, node)
        if key is not None:
            same = (*layout.point(node["task"], node["args"]), node.get("seed"))
            again = node["name"] in first and layout.PART not in node["args"] and same in of_point
            point = (node["name"],) if again else same
            stream = of_point.setdefault(point, Stream(node["name"], key, (), int(node.get("bands", 1))))
            of_point[point] = stream._replace(cuts=(*stream.cuts, *node["cuts"]))
        elif node.get("cuts"):
            faults.append(f"{node['name']}: how the task {node['task']} addresses its random numbers is not known")
    yield from of_point.values()
    yield Stream("the sky that stands in for the real one", address.observed(run.spec))
    for at in run.spec.signal_points:
        yield from _bootstraps(run.spec, at)
    if run.spec.data.format == "synthetic":
        yield Stream("made-up events", address.synthetic(run.spec.seed))


def _bootstraps(spec: Spec, at: Point) -> Iterator[Stream]:
    yield Stream(f"bootstrap of thresholds at {at}", address.bootstrap_threshold(spec, at))
    kinds = [("sensitivity", 0.0), ("upper limit", 0.0), *(("discovery", n) for n in spec.sensitivity.nsigmas)]
    for gamma in spec.signal.gammas:
        for kind, n_sigma in kinds:
            what = f"bootstrap of {kind} ({n_sigma:g} sigma, gamma {gamma:g}) at {at}"
            yield Stream(what, address.bootstrap(spec, kind, at, gamma, n_sigma))


def overlaps(stream: Stream) -> Iterator[str]:
    """Cuts of a stream that share trials."""
    end, last = 0, (0, 0)
    for first, n in sorted(stream.cuts):
        if first < end:
            yield f"{stream.what}: trials [{last[0]}, {sum(last)}) and [{first}, {first + n}) overlap"
        if first + n > end:
            end, last = first + n, (first, n)
