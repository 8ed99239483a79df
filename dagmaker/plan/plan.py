"""Make the plan of an analysis: `make` has the whole topology, `write` makes plan.json.

A node is a task at one point (a declination, a declination and n_sig, ...); its files share a directory and one
stream of trials.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import PurePosixPath
from typing import Any

from dagmaker.plan import sizing
from dagmaker.plan.node import Node, Plan
from worker.base import task_rows as tasks
from worker.base.errors import SpecError
from worker.base.task_rows import ROWS
from worker.rundir import layout, planfile
from worker.rundir.cuts import Cut
from worker.spec import levels
from worker.spec.point import Point, Value
from worker.spec.sections import Spec

__all__ = ["SEED", "Node", "Plan", "as_json", "background", "judge_name", "make", "of_json", "signal", "write"]

SEED = 0  # one stream per point, which the plan splits with --first


def _single(name: str, task: str, file: PurePosixPath, parents: tuple[str, ...], *args: tuple[str, Value]) -> Node:
    """A node of one process with one output."""
    return Node(name, task, args, None, str(file.parent), file.name, parents=parents)


def _task_node(task: str, *parents: str) -> Node:
    """The node of a task that occurs once."""
    return _single(task, task, PurePosixPath(ROWS[task].file), parents)


def _in_folders(node: Node, before: int = 0) -> tuple[Node, ...]:
    """The node, split into several if its files need several folders.

    The first folder is independent of the number of trials, so finished files stay valid if trials are added.

    Parameters
    ----------
    before : int
        Number of pieces of the stream before those of the node.

    Raises
    ------
    SpecError
        The plan would have too many processes.
    """
    _refuse_too_many(node.n_processes)
    most = max(1, layout.FILES_PER_FOLDER // (2 * node.bands))  # an output and its record each
    edges = sorted({0, *range(most - before % most, len(node.cuts), most)})
    nodes = []
    for start, stop in zip(edges, [*edges[1:], len(node.cuts)], strict=True):
        pieces = node.cuts[start:stop]
        if before + start < most:
            nodes.append(replace(node, cuts=pieces))
            continue
        part = pieces[0][0]
        folder = str(layout.part_dir(PurePosixPath(node.dir), part))
        args = (*node.args, (layout.PART, part))
        nodes.append(replace(node, name=f"{node.name}_f{part}", args=args, dir=folder, cuts=pieces))
    return tuple(nodes)


def _refuse_too_many(n: int) -> None:
    """Raise for a plan split by `target_hours`; `worker.spec.size_limits` checks the other specs."""
    most = planfile.MOST_PROCESSES
    if n > most:
        raise SpecError(f"resources.target_hours: the plan would have {n:,} processes, the most is {most:,}; raise it")


def _pieces_before(spec: Spec, task: str, at: Point, n_sig: float | None, more: Cut | None) -> int:
    """Number of pieces of a stream before its part `more`."""
    return len(sizing.trials(spec, task, at, n_sig, (0, more[0]))) if more is not None and more[0] else 0


def background(spec: Spec, at: Point, more: Cut | None = None) -> tuple[Node, ...]:
    """Nodes of background trials of a point, of the spec or of the part `more` of their stream."""
    node = Node(
        name=f"bg_{levels.word(at.folder.name)}",
        task=tasks.BG_TRIALS,
        args=tuple(at.args.items()),
        seed=SEED,
        dir=str(layout.bg_dir(spec.name, at)),
        cuts=sizing.trials(spec, tasks.BG_TRIALS, at, more=more),
        parents=(tasks.PREPARE,),
    )
    return _in_folders(node, _pieces_before(spec, tasks.BG_TRIALS, at, None, more))


def tail(spec: Spec, at: Point) -> tuple[Node, ...]:
    """Nodes of the tilted background trials of a point, after the pilot that chooses the tilts; none without."""
    if spec.background.tail == "none":
        return ()
    name, file = levels.word(at.folder.name), layout.tilts_file(spec.name, at)
    pilot = replace(
        _single(f"tail_pilot_{name}", tasks.TAIL_PILOT, file, (tasks.PREPARE,), *at.args.items()), seed=SEED
    )
    node = Node(
        name=f"tail_{name}",
        task=tasks.TAIL_TRIALS,
        args=tuple(at.args.items()),
        seed=SEED,
        dir=str(layout.tail_dir(spec.name, at)),
        cuts=sizing.trials(spec, tasks.TAIL_TRIALS, at),
        parents=(pilot.name,),
    )
    return (pilot, *_in_folders(node))


def signal(spec: Spec, at: Point, gamma: float | None, n_sig: float, more: Cut | None = None) -> tuple[Node, ...]:
    """Nodes of signal trials of a point, as `background`; `gamma` if there are several spectra."""
    places = levels.decimals(spec.signal.n_sig)
    node = Node(
        name=f"sig_{_signal_name(at, gamma)}_n{levels.word(levels.nsig_level(n_sig, places))}",
        task=tasks.SIG_TRIALS,
        args=(*at.args.items(), ("n_sig", n_sig), *(() if gamma is None else (("gamma", gamma),))),
        seed=SEED,
        dir=str(layout.sig_dir(spec.name, at, n_sig, places, gamma)),
        cuts=sizing.trials(spec, tasks.SIG_TRIALS, at, n_sig, more),
        parents=(tasks.PREPARE,),
    )
    return _in_folders(node, _pieces_before(spec, tasks.SIG_TRIALS, at, n_sig, more))


def _signal_name(at: Point, gamma: float | None) -> str:
    """A point and spectrum as part of a node name."""
    return levels.word(at.folder.name) + ("" if gamma is None else f"_g{levels.word(levels.gamma_level(gamma))}")


def _points(spec: Spec) -> Iterator[Node]:
    injected = frozenset(spec.signal_points)
    for at in spec.all_points:
        bg = (*background(spec, at), *tail(spec, at))
        yield from bg
        name = f"collect_bg_{levels.word(at.folder.name)}"
        parents = tuple(node.name for node in bg if ROWS[node.task].at_point)
        yield _single(name, tasks.COLLECT_BG, layout.bg_collected(at), parents, *at.args.items())
        for gamma in spec.signal.levels if at in injected else ():
            yield from _signal(spec, at, gamma)


def _signal(spec: Spec, at: Point, gamma: float | None) -> Iterator[Node]:
    """Signal trials of a point and spectrum, and their collection; `gamma` if there are several spectra."""
    sig = [node for n_sig in spec.signal.n_sig for node in signal(spec, at, gamma, n_sig)]
    yield from sig
    name, parents = f"collect_sig_{_signal_name(at, gamma)}", tuple(node.name for node in sig)
    yield _single(name, tasks.COLLECT_SIG, layout.sig_collected(at, gamma), parents, *at.signal_args(gamma).items())


def _judges(spec: Spec, trials: tuple[str, ...]) -> Iterator[Node]:
    """A judge before each round; children of a judge also wait for its round."""
    for number in range(1, spec.adaptive.max_rounds + 1):
        parents = trials if number == 1 else (judge_name(number - 1),)
        yield _single(judge_name(number), tasks.JUDGE, layout.decision(number), parents, ("round", number))


def judge_name(number: int) -> str:
    """Name of the node that decides a round."""
    return f"{tasks.JUDGE}_{number}"


def _skies(spec: Spec) -> Iterator[Node]:
    """Background skies, and maps of the observed sky at each nside; none if the scan has no skies."""
    scan = spec.scan
    if not scan.has_skies:
        return
    pieces, bands = sizing.skies(spec)
    folder = str(layout.scan_dir(spec.name, scan.level()))
    after = (tasks.PREPARE,)
    skies = Node("scan", tasks.SCAN_TRIALS, seed=SEED, dir=folder, cuts=pieces, bands=bands, parents=after)
    yield from _in_folders(skies)
    if scan.post_trial.tail == "patches":
        folder = str(layout.patches_dir(spec.name, scan.level()))
        yield from _in_folders(
            Node("patches", tasks.PATCH_TRIALS, seed=SEED, dir=folder, cuts=sizing.patches(spec), parents=after)
        )
    for nside in scan.nsides:
        name, args = scan.map_node(nside)
        folder, bands = str(layout.map_dir(spec.name, scan.level(nside))), sizing.map_bands(spec, nside)
        yield Node(name, tasks.SCAN_MAP, args, SEED, folder, bands=bands, parents=after)


def make(spec: Spec, spec_digest: str) -> Plan:
    """The plan of an analysis.

    prepare -> bg, tail_pilot -> tail -> collect_bg -> distributions -> sensitivity (with collect_sig <- sig)
    prepare -> scan, patches, maps -> collect_scan (with distributions) -> post_trial -> report, if skies are scanned
    collect_scan, sensitivity -> upper_limits -> report
    bg, sig -> judge_1 -> judge_2 ... -> collect_bg, collect_sig, if the analysis is adaptive
    """
    points, skies = tuple(_points(spec)), tuple(_skies(spec))
    judges = tuple(_judges(spec, tuple(node.name for node in points if ROWS[node.task].at_point)))
    if judges:
        last = judges[-1].name
        after = (tasks.COLLECT_BG, tasks.COLLECT_SIG)
        points = tuple(replace(p, parents=(*p.parents, last)) if p.task in after else p for p in points)
    bg, pilots, tails, sig, collect_bg, collect_sig = (
        [node for node in points if node.task == task]
        for task in (
            tasks.BG_TRIALS, tasks.TAIL_PILOT, tasks.TAIL_TRIALS, tasks.SIG_TRIALS, tasks.COLLECT_BG, tasks.COLLECT_SIG,
        )
    )  # fmt: skip
    of_skies = (
        _task_node(tasks.COLLECT_SCAN, tasks.DISTRIBUTIONS, *(node.name for node in skies)),
        _task_node(tasks.POST_TRIAL, tasks.COLLECT_SCAN),
        _task_node(tasks.UPPER_LIMITS, tasks.SENSITIVITY, tasks.COLLECT_SCAN),
    )
    nodes = (
        _task_node(tasks.PREPARE),
        *bg, *pilots, *tails, *sig, *judges, *collect_bg, *collect_sig, *skies,
        _task_node(tasks.DISTRIBUTIONS, *(node.name for node in collect_bg)),
        _task_node(tasks.SENSITIVITY, tasks.DISTRIBUTIONS, *(node.name for node in collect_sig)),
        *(of_skies if skies else ()),
        _task_node(tasks.REPORT, tasks.SENSITIVITY, *((tasks.POST_TRIAL, tasks.UPPER_LIMITS) if skies else ())),
    )  # fmt: skip
    whole = Plan(spec.name, spec_digest, nodes)
    _refuse_too_many(whole.n_processes)
    return whole


def write(plan: Plan) -> str:
    """Text of plan.json."""
    return planfile.text({"name": plan.name, "spec_digest": plan.spec_digest}, map(as_json, plan.nodes))


def as_json(node: Node) -> dict[str, Any]:
    """A node in the format of plan.json."""
    return {
        "name": node.name, "task": node.task, "args": dict(node.args), "seed": node.seed, "dir": node.dir,
        "file": node.file, "cuts": node.cuts.runs, "bands": node.bands, "parents": node.parents,
    }  # fmt: skip


def of_json(raw: Mapping[str, Any]) -> Plan:
    """The plan from data that `worker.rundir.planfile` read."""
    nodes = (
        Node(**{**node, "args": tuple(node["args"].items()), "parents": tuple(node["parents"])})
        for node in raw["nodes"]
    )
    return Plan(raw["name"], raw["spec_digest"], tuple(nodes))
