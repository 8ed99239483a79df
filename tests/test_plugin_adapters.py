"""Adapters of SkyLLH, against SkyLLH itself, and of csky, against a double of what its tutorial documents."""

import math
import sys

import numpy as np
import pytest
import yaml

from tests import csky_double
from worker.base import rng
from worker.base.errors import SpecError
from worker.engines.plugin.engine import Plugin
from worker.engines.protocol import Signal
from worker.spec import specfile
from worker.tasks import plugin_files

SPEC = """
version: 1
name: adapter
seed: 1
hypothesis: {kind: points}
points: [{dec_deg: -10}, {dec_deg: 5.7}]
background: {n_trials: 80}
signal: {n_sig: [2, 5, 10], n_trials: 40}
"""


def test_the_adapter_of_csky_calls_what_its_tutorial_documents(tmp_path, monkeypatch):
    """With a double of the documented signatures; the real one is not public and was not tried."""
    monkeypatch.setitem(sys.modules, "csky", csky_double)
    document = yaml.safe_load(SPEC)
    document["engine"] = {
        "kind": "plugin",
        "name": "csky_ps",
        "options": {"version": "version-003-p02", "specs": ["PSDataSpecs.ps_2011"]},
    }
    document["signal"] |= {"gamma": 2.5}
    spec = specfile.loads(yaml.safe_dump(document), base=tmp_path)
    engine = Plugin(spec, None, tmp_path)
    assert not list(plugin_files.lacks(spec, engine.facts)) and engine.deterministic == "per-file"
    at = spec.all_points[1]
    rows = engine.trials(at, (1, 2), 0, 50, Signal(10.0, 2.5))
    assert rows.dtype.names == ("ts", "ns", "gamma") and rows["ns"].mean() > 5 and (rows["ts"] >= 0).all()
    assert engine.trials(at, (1, 2), 0, 50, Signal(10.0, 2.5)).tobytes() == rows.tobytes()
    assert engine.flux(at, 2.5) == pytest.approx(1e-12 * 100**-0.5)
    document["engine"]["options"] = {"version": "version-003-p02"}
    with pytest.raises(SpecError, match="write these two"):
        Plugin(specfile.loads(yaml.safe_dump(document), base=tmp_path), None, tmp_path)


def by_hand(analysis, keys, n_sig):
    """TS, ns and gamma of SkyLLH's own trials, from both halves of each key, without the adapter's code."""
    from skyllh.core.random import RandomStateService

    out = []
    for key in keys.tolist():
        service = RandomStateService(key % 2**32)
        service.random = np.random.RandomState([key % 2**32, key // 2**32])
        more = {"sig_kwargs": {"poisson": True}} if n_sig else {}
        again = RandomStateService(key % 2**32)
        fit = analysis.do_trial(service, mean_n_sig=n_sig, minimizer_rss=again, **more)[0]
        out.append((max(fit["ts"], 0.0), fit["ns"], fit["gamma"]))
    return out


@pytest.mark.slow  # reads a release of 600 MB twice
@pytest.mark.filterwarnings("default")  # of SkyLLH
def test_skyllh_as_a_plugin_gives_the_rows_of_skyllh(tmp_path, icetracks_release):
    skyllh = pytest.importorskip("skyllh", reason="SkyLLH is not installed: pip install 'dagmaker[skyllh]'")
    from skyllh.analyses.i3.publicdata_ps.time_integrated_ps import create_analysis
    from skyllh.core.config import Config
    from skyllh.core.source_model import PointLikeSource

    options = {"release": str(icetracks_release), "seasons": ["IC86_I"]}
    engine_section = {"kind": "plugin", "name": "skyllh_ps", "options": options}
    spec = specfile.loads(yaml.safe_dump({**yaml.safe_load(SPEC), "engine": engine_section}), base=tmp_path)
    engine, at = Plugin(spec, None, tmp_path), spec.all_points[1]
    assert engine.deterministic == "per-trial" and engine.facts.identity["plugin"]["release"]
    cfg = Config()
    names = {"base_path": str(icetracks_release.parent), "sub_path_fmt": icetracks_release.name}
    datasets = skyllh.create_datasets("IceTracks-DR2", cfg=cfg, names=["IC86_I"], **names)
    source = PointLikeSource(name="by hand", ra=math.pi, dec=math.radians(5.7))
    analysis = create_analysis(cfg=cfg, datasets=datasets, source=source, refplflux_gamma=2.0, gamma_seed=3.0)
    keys = rng.trial_keys((3, 4), 0, 4)
    for signal in (None, Signal(5.0, 2.0)):
        rows = engine.trials(at, (3, 4), 0, 4, signal)
        assert rows.tolist() == by_hand(analysis, keys, 0.0 if signal is None else signal.n_sig)
        assert engine.trials(at, (3, 4), 2, 1, signal).tobytes() == rows[2:3].tobytes()
    assert engine.flux(at, 2.0) == pytest.approx(float(analysis.mu2flux(1.0)) * 1e3)
    assert engine.trials(at, (3, 5), 0, 4).tolist() != by_hand(analysis, keys, 0.0)  # other keys, other rows


def test_a_release_that_is_not_whole_is_refused_and_not_downloaded(tmp_path):
    pytest.importorskip("skyllh", reason="SkyLLH is not installed: pip install 'dagmaker[skyllh]'")
    for options, text in (
        ({"release": str(tmp_path), "seasons": ["IC86_I"]}, "has no events/IC86_I_exp.csv"),
        ({"release": "icetracks", "seasons": ["IC86_I"]}, "is not an absolute path"),
        ({"release": str(tmp_path), "season": "IC86_I"}, r"unknown \['season'\], missing \['seasons'\]"),
    ):
        section = {"kind": "plugin", "name": "skyllh_ps", "options": options}
        spec = specfile.loads(yaml.safe_dump({**yaml.safe_load(SPEC), "engine": section}), base=tmp_path)
        with pytest.raises(SpecError, match=text):
            Plugin(spec, None, tmp_path)
