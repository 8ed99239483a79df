"""What there is to do, as data: `make` is the whole topology, `write` and `read` are its form in the run directory.

A node is one task at one point (a declination, a declination and n_sig, ...): its files share a directory and one
stream of trials.
"""

import json
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any

from dagmaker import sizing
from dagmaker.cuts import Cut
from dagmaker.node import Node, Plan
from worker import layout
from worker.errors import InputError
from worker.scan import CatalogScan
from worker.spec import Spec

__all__ = ["SEED", "VERSION", "Node", "Plan", "make", "read", "write"]

VERSION = 1
SEED = 0  # one stream per point; the plan cuts it with --first instead of counting seeds


def _word(level: str) -> str:
    """A directory level as part of a node name: ``+005`` -> ``p005``, ``-000.40`` -> ``m000d40``."""
    return level.replace("+", "p").replace("-", "m").replace(".", "d")


def _single(name: str, task: str, file: PurePosixPath, parents: tuple[str, ...], *args: tuple[str, float]) -> Node:
    """A node of one process that makes one file."""
    return Node(name, task, args, None, str(file.parent), file.name, parents=parents)


def _points(spec: Spec) -> Iterator[Node]:
    decs = spec.background.decs
    places = layout.decimals(decs)
    for dec in decs:
        at = _word(layout.dec_level(dec, places))
        bg = Node(
            name=f"bg_{at}",
            task="bg_trials",
            args=(("dec", dec),),
            seed=SEED,
            dir=str(layout.bg_dir(spec.name, dec, places)),
            cuts=sizing.trials(spec, "bg_trials", dec),
            parents=("prepare",),
        )
        yield bg
        yield _single(f"collect_bg_{at}", "collect_bg", layout.bg_collected(dec, places), (bg.name,), ("dec", dec))
        for gamma in spec.signal.levels:
            yield from _signal(spec, dec, gamma, places)


def _signal(spec: Spec, dec: float, gamma: float | None, places: int) -> Iterator[Node]:
    """Signal trials of one declination and spectrum; `gamma` where there are several."""
    nsig_places = layout.decimals(spec.signal.n_sig)
    level = "" if gamma is None else f"_g{_word(layout.gamma_level(gamma))}"
    at = _word(layout.dec_level(dec, places)) + level
    which = () if gamma is None else (("gamma", gamma),)
    sig = [
        Node(
            name=f"sig_{at}_n{_word(layout.nsig_level(n_sig, nsig_places))}",
            task="sig_trials",
            args=(("dec", dec), ("n_sig", n_sig), *which),
            seed=SEED,
            dir=str(layout.sig_dir(spec.name, dec, n_sig, places, nsig_places, gamma)),
            cuts=sizing.trials(spec, "sig_trials", dec, n_sig),
            parents=("prepare",),
        )
        for n_sig in spec.signal.n_sig
    ]
    yield from sig
    file, parents = layout.sig_collected(dec, places, gamma), tuple(node.name for node in sig)
    yield _single(f"collect_sig_{at}", "collect_sig", file, parents, ("dec", dec), *which)


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
    """
    points, skies = tuple(_points(spec)), tuple(_skies(spec))
    collect_bg = tuple(node.name for node in points if node.task == "collect_bg")
    collect_sig = tuple(node.name for node in points if node.task == "collect_sig")
    scans = tuple(node.name for node in skies)
    nodes = (
        _single("prepare", "prepare", layout.DATA, ()),
        *sorted(points, key=lambda node: ("bg_trials", "sig_trials", "collect_bg", "collect_sig").index(node.task)),
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
    lines = (
        json.dumps(
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
        for node in plan.nodes
    )
    return head[:-1] + ', "nodes": [\n' + ",\n".join(lines) + "\n]}\n"


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


def read(text: str, where: str = "plan.json") -> Plan:
    """The plan that `write` wrote.

    Raises
    ------
    InputError
        The text is not a plan of this version.
    """
    try:
        raw = json.loads(text)
        if raw["plan_version"] != VERSION:
            raise InputError(f"{where}: plan version {raw['plan_version']}, this program writes and reads {VERSION}")
        return Plan(raw["name"], raw["spec_digest"], tuple(_node(node) for node in raw["nodes"]))
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{where}: not a plan ({type(error).__name__}: {error}); write it again with `dagmaker build`"
        ) from error
