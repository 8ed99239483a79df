"""prepare: read the data of the spec once and write one small file for all other tasks."""

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from worker import data
from worker.base.errors import InputError
from worker.base.task_rows import PREPARE
from worker.data.dataset import Simulation
from worker.data.prepared import content_digest, pack
from worker.engines.table import engine_of
from worker.hypotheses.table import hypothesis_of
from worker.rundir import layout, store
from worker.rundir.ledger import Run, open_run
from worker.rundir.record import measure
from worker.rundir.revision import modified
from worker.tasks import blinded_positions, context, engine_tables, plugin_files


def prepare(path: Path) -> None:
    """Write RUN/prepared/data.npz unless it exists, and tables.npz; of a plug-in engine.json and what it prepares."""
    run = open_run(path)
    args = _inputs(run)
    done = _is_done(run, args)
    if done:
        print(f"already done: {layout.DATA}")
    else:
        _read(run, args)
    if run.spec.engine.kind == "builtin":
        _warm_up(run, done)


def _read(run: Run, args: dict[str, Any]) -> None:
    """Write the data, and what a plug-in prepares."""
    with measure(PREPARE, args) as meter:
        if run.spec.engine.kind == "plugin":
            plugin_files.prepare(run)
        dataset = context.with_engine_notes(data.read(run.spec, _progress if sys.stderr.isatty() else None), run.spec)
        for season in dataset.seasons:
            print(f"{season.name}: {season.events.dec.size} events, {season.livetime_days:.1f} days ({dataset.label})")
            for note in season.notes:
                print(f"{season.name}: {note}")
        record = meter.record(sum(season.events.dec.size for season in dataset.seasons))
    # float32 values of a simulation do not compress, and unpacking them would delay every later task
    compress = not any(isinstance(season.smearing, Simulation) for season in dataset.seasons)
    content = content_digest(dataset, run.spec.hypothesis.timed)
    final = replace(record, digest=content, code={**record.code, "modified": modified()})
    store.save_arrays(run.path, layout.DATA, pack(dataset), final, compress=compress)
    print(f"-> {layout.DATA}")
    if run.spec.engine.kind == "builtin":
        blinded_positions.seal(run)


def _warm_up(run: Run, done: bool) -> None:
    """Let the engine make what all processes share; nothing is left to do if data and tables were `done`."""
    content = context.data_digest(run)
    identity = engine_of(context.without_device(run.spec)).identity
    if done and engine_tables.is_done(run, content, identity):
        return
    engine, ensemble = context.engine(run), hypothesis_of(run.spec).ensemble()
    engine_tables.write(run, content, engine)
    print(f"-> {layout.TABLES}")
    if ensemble is not None and run.spec.scan.needs in engine.supports:
        ensemble.warm_up(engine)


def _inputs(run: Run) -> dict[str, Any]:
    """The part of the spec that the prepared file depends on."""
    spec = run.spec
    args: dict[str, Any] = {"data": spec.data.model_dump(mode="json"), "sigma_max_deg": spec.likelihood.sigma_max_deg}
    if spec.data.format == "synthetic":
        args["seed"] = spec.seed
    if spec.hypothesis.timed:
        args["timed"] = True
    return args


def _is_done(run: Run, args: dict[str, Any]) -> bool:
    if store.state(run.path, layout.DATA, None, None, None) != "done":
        return False
    try:
        same = dict(store.load_record(run.path, layout.DATA).args) == args
    except InputError:
        return False
    return same and (run.spec.engine.kind == "builtin" or plugin_files.is_prepared(run))


def _progress(fraction: float) -> None:
    end = "\n" if fraction >= 1 else ""
    print(f"\rreading: {100 * fraction:3.0f} %", end=end, file=sys.stderr, flush=True)
