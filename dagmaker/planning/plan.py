"""What there is to do, as data: `make` is the whole topology, `write` and `read` are its form in the run directory.

A node is one task at one point (a declination, a declination and n_sig, ...): its files share a directory and one
stream of trials.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import PurePosixPath
from typing import Any

from dagmaker.planning import sizing
from dagmaker.planning.cuts import Cut
from dagmaker.planning.node import Node, Plan
from worker import layout
from worker.errors import InputError
from worker.rounds import effective
from worker.scan import CatalogScan
from worker.spec import Spec

__all__ = ["SEED", "VERSION", "Node", "Plan", "background", "judge_name", "lines", "make"]
__all__ += ["nodes", "read", "signal", "write"]

VERSION = 1
JUDGE = "judge"
TRIALS = ("bg_trials", "sig_trials")  # of points
SEED = 0  # one stream per point; the plan cuts it with --first instead of counting seeds


def _word(level: str) -> str:
    """A directory level as part of a node name: ``+005`` -> ``p005``, ``-000.40`` -> ``m000d40``."""
    return level.replace("+", "p").replace("-", "m").replace(".", "d")


def _single(name: str, task: str, file: PurePosixPath, parents: tuple[str, ...], *args: tuple[str, float]) -> Node:
    """A node of one process that makes one file."""
    return Node(name, task, args, None, str(file.parent), file.name, parents=parents)


def background(spec: Spec, dec: float, more: Cut | None = None) -> Node:
    """Background trials of a declination: those of the spec, or `more` of their stream."""
    places = layout.decimals(spec.background.decs)
    return Node(
        name=f"bg_{_word(layout.dec_level(dec, places))}",
        task="bg_trials",
        args=(("dec", dec),),
        seed=SEED,
        dir=str(layout.bg_dir(spec.name, dec, places)),
        cuts=sizing.trials(spec, "bg_trials", dec, more=more),
        parents=("prepare",),
    )


def signal(spec: Spec, dec: float, gamma: float | None, n_sig: float, more: Cut | None = None) -> Node:
    """Signal trials of a point: those of the spec, or `more` of their stream; `gamma` where spectra are several."""
    places, nsig_places = layout.decimals(spec.background.decs), layout.decimals(spec.signal.n_sig)
    level = "" if gamma is None else f"_g{_word(layout.gamma_level(gamma))}"
    at = _word(layout.dec_level(dec, places)) + level
    return Node(
        name=f"sig_{at}_n{_word(layout.nsig_level(n_sig, nsig_places))}",
        task="sig_trials",
        args=(("dec", dec), ("n_sig", n_sig), *(() if gamma is None else (("gamma", gamma),))),
        seed=SEED,
        dir=str(layout.sig_dir(spec.name, dec, n_sig, places, nsig_places, gamma)),
        cuts=sizing.trials(spec, "sig_trials", dec, n_sig, more),
        parents=("prepare",),
    )


def _points(spec: Spec) -> Iterator[Node]:
    decs = spec.background.decs
    places = layout.decimals(decs)
    for dec in decs:
        at = _word(layout.dec_level(dec, places))
        bg = background(spec, dec)
        yield bg
        yield _single(f"collect_bg_{at}", "collect_bg", layout.bg_collected(dec, places), (bg.name,), ("dec", dec))
        for gamma in spec.signal.levels:
            yield from _signal(spec, dec, gamma, places)


def _signal(spec: Spec, dec: float, gamma: float | None, places: int) -> Iterator[Node]:
    """Signal trials of one declination and spectrum; `gamma` where there are several."""
    level = "" if gamma is None else f"_g{_word(layout.gamma_level(gamma))}"
    at = _word(layout.dec_level(dec, places)) + level
    sig = [signal(spec, dec, gamma, n_sig) for n_sig in spec.signal.n_sig]
    yield from sig
    file, parents = layout.sig_collected(dec, places, gamma), tuple(node.name for node in sig)
    which = () if gamma is None else (("gamma", gamma),)
    yield _single(f"collect_sig_{at}", "collect_sig", file, parents, ("dec", dec), *which)


def _judges(spec: Spec, trials: tuple[str, ...]) -> Iterator[Node]:
    """One before each round; what waits for a judge waits for its round too."""
    for number in range(1, spec.adaptive.max_rounds + 1):
        parents = trials if number == 1 else (judge_name(number - 1),)
        yield _single(judge_name(number), JUDGE, layout.decision(number), parents, ("round", number))


def judge_name(number: int) -> str:
    """Name of the node that decides a round."""
    return f"{JUDGE}_{number}"


def _sources(spec: Spec, scan: CatalogScan, pieces: tuple[Cut, ...]) -> Iterator[Node]:
    """Background skies and the observed one, for a list of sources."""
    yield Node(
        name="scan",
        task="scan_trials",
        seed=SEED,
        dir=str(layout.catalog_dir(spec.name, scan.tag)),
        cuts=pieces,
        parents=("prepare",),
    )
    folder = str(layout.catalog_map_dir(spec.name, scan.tag))
    yield Node(name="map_sources", task="scan_map", seed=SEED, dir=folder, parents=("prepare",))


def _skies(spec: Spec) -> Iterator[Node]:
    pieces, bands = sizing.skies(spec)
    if isinstance(spec.scan, CatalogScan):
        yield from _sources(spec, spec.scan, pieces)
        return
    scan = spec.healpix
    yield Node(
        name="scan",
        task="scan_trials",
        seed=SEED,
        dir=str(layout.scan_dir(spec.name, scan.nside)),
        cuts=pieces,
        bands=bands,
        parents=("prepare",),
    )
    for nside in sorted({scan.nside, scan.map_nside or scan.nside}):
        yield Node(
            name=f"map_nside{nside:03d}",
            task="scan_map",
            args=(("nside", nside),),
            seed=SEED,
            dir=str(layout.map_dir(spec.name, nside)),
            bands=sizing.map_bands(spec, nside),
            parents=("prepare",),
        )


def make(spec: Spec, spec_digest: str) -> Plan:
    """The stage graph of an analysis.

    prepare -> bg -> collect_bg -> distributions -> sensitivity (with collect_sig <- sig)
    prepare -> scan, maps -> collect_scan (with distributions) -> post_trial -> report
    collect_scan, sensitivity -> upper_limits -> report
    bg, sig -> judge_1 -> judge_2 ... -> collect_bg, collect_sig where the analysis is adaptive (`planning.rounds`)
    """
    points, skies = tuple(_points(spec)), tuple(_skies(spec))
    judges = tuple(_judges(spec, tuple(node.name for node in points if node.task in TRIALS)))
    if judges:
        last = judges[-1].name
        points = tuple(p if p.task in TRIALS else replace(p, parents=(*p.parents, last)) for p in points)
    of_kind = {task: [node for node in points if node.task == task] for task in (*TRIALS, "collect_bg", "collect_sig")}
    collect_bg = tuple(node.name for node in points if node.task == "collect_bg")
    collect_sig = tuple(node.name for node in points if node.task == "collect_sig")
    scans = tuple(node.name for node in skies)
    nodes = (
        _single("prepare", "prepare", layout.DATA, ()),
        *of_kind["bg_trials"],
        *of_kind["sig_trials"],
        *judges,
        *of_kind["collect_bg"],
        *of_kind["collect_sig"],
        *skies,
        _single("distributions", "distributions", layout.BACKGROUND, collect_bg),
        _single("sensitivity", "sensitivity", layout.SENSITIVITY, ("distributions", *collect_sig)),
        _single("collect_scan", "collect_scan", layout.SCAN, ("distributions", *scans)),
        _single("post_trial", "post_trial", layout.POST_TRIAL, ("collect_scan",)),
        _single("upper_limits", "upper_limits", layout.LIMITS, ("sensitivity", "collect_scan")),
        _single("report", "report", layout.REPORT, ("sensitivity", "post_trial", "upper_limits")),
    )
    return Plan(spec.name, spec_digest, nodes)


def write(plan: Plan) -> str:
    """plan.json: one node per line, the same bytes for the same plan."""
    head = json.dumps({"plan_version": VERSION, "name": plan.name, "spec_digest": plan.spec_digest})
    return head[:-1] + ', "nodes": [\n' + ",\n".join(lines(plan.nodes)) + "\n]}\n"


def lines(nodes: Iterable[Node]) -> Iterator[str]:
    """Each node as a line of JSON."""
    for node in nodes:
        yield json.dumps(
            {
                "name": node.name,
                "task": node.task,
                "args": dict(node.args),
                "seed": node.seed,
                "dir": node.dir,
                "file": node.file,
                "cuts": node.cuts,
                "bands": node.bands,
                "parents": node.parents,
            },
            separators=(",", ":"),
        )


def nodes(raw: Iterable[dict[str, Any]]) -> tuple[Node, ...]:
    """Nodes from their JSON."""
    return tuple(_node(node) for node in raw)


def _node(raw: dict[str, Any]) -> Node:
    return Node(
        name=raw["name"],
        task=raw["task"],
        args=tuple(raw["args"].items()),
        seed=raw["seed"],
        dir=raw["dir"],
        file=raw["file"],
        cuts=tuple((first, n) for first, n in raw["cuts"]),
        bands=raw["bands"],
        parents=tuple(raw["parents"]),
    )


def read(text: str, where: str = "plan.json", rounds: Sequence[Mapping[str, Any]] = ()) -> Plan:
    """The plan that `write` wrote, with what rounds added.

    Raises
    ------
    InputError
        The text is not a plan of this version.
    """
    try:
        raw = json.loads(text)
        if raw["plan_version"] != VERSION:
            raise InputError(f"{where}: plan version {raw['plan_version']}, this program writes and reads {VERSION}")
        return Plan(raw["name"], raw["spec_digest"], nodes(effective(raw, rounds)["nodes"]))
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{where}: not a plan ({type(error).__name__}: {error}); write it again with `dagmaker build`"
        ) from error
