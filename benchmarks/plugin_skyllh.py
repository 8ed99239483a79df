"""`python -m benchmarks.plugin_skyllh RELEASE [SAMPLE]`: SkyLLH as a plug-in beside SkyLLH called by hand, one season.

In an environment with the extra `dagmaker[skyllh]`; about four CPU minutes. Runs an analysis of IC86_I at dec +5.7 deg
with `dagmaker run`, then (1) makes the rows of two files again with SkyLLH alone, from the same keys; (2) finds the
sensitivity with SkyLLH's own loop over trials and seeds; (3) makes files again with another cut.
"""

import json
import math
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import skyllh
from skyllh.analyses.i3.publicdata_ps.time_integrated_ps import create_analysis
from skyllh.core.config import Config
from skyllh.core.random import RandomStateService
from skyllh.core.source_model import PointLikeSource

from dagmaker.cli import main as dagmaker
from worker.base import rng
from worker.cli.main import main as worker
from worker.rundir import address
from worker.rundir.ledger import open_run

DEC_DEG, SEASON = 5.7, "IC86_I"
N_SIGS = (1, 2, 3, 4, 6, 8)
SPEC = """
version: 1
name: skyllh
seed: 57
engine: {{kind: plugin, name: skyllh_ps, options: {{release: {release}, seasons: [{season}], sample: {sample}}}}}
data: {{format: engine, label: real}}
hypothesis: {{kind: points}}
points: [{{dec_deg: {dec}}}]
background: {{tail: none, n_trials: 400, trials_per_file: 200}}
signal: {{n_sig: [{n_sigs}], n_trials: 200}}
sensitivity: {{discovery_nsigma: 2}}
unblind: {{waive: [enough_background_trials]}}
"""
BG = "trials/skyllh/bg/point/dec_deg_5.7/trials__N_000200_seed_0000.npy"
SIG = "trials/skyllh/sig/point/dec_deg_5.7/nsig/004.0/trials__N_000200_seed_0000.npy"


def by_hand(release: Path, sample: str):
    """SkyLLH's analysis, set up as its authors do it."""
    cfg = Config()
    datasets = skyllh.create_datasets(
        sample, cfg=cfg, names=[SEASON], base_path=str(release.parent), sub_path_fmt=release.name
    )
    source = PointLikeSource(name="by hand", ra=math.radians(180.0), dec=math.radians(DEC_DEG))
    return create_analysis(cfg=cfg, datasets=datasets, source=source, refplflux_gamma=2.0, gamma_seed=3.0)


def rows(analysis, keys, n_sig):
    """TS, ns and gamma of one trial for each key, with no code of dagmaker's adapter."""
    out = []
    for key in keys.tolist():
        low, high = key % 2**32, key // 2**32
        service = RandomStateService(low)
        service.random = np.random.RandomState([low, high])
        more = {"sig_kwargs": {"poisson": True}} if n_sig else {}
        fit = analysis.do_trial(service, mean_n_sig=n_sig, minimizer_rss=RandomStateService(low), **more)
        out.append([max(float(fit["ts"][0]), 0.0), float(fit["ns"][0]), float(fit["gamma"][0])])
    return np.array(out)


def same(analysis, run: Path, n: int, bg: str = BG, sig: str = SIG) -> None:
    """Compare the first rows of a background and of a signal file."""
    spec = open_run(run).spec
    [at] = spec.all_points
    kinds = ((bg, address.bg_trials(spec, at, 0), 0.0), (sig, address.sig_trials(spec, at, 4.0, 0, 2.0), 4.0))
    for file, key, n_sig in kinds:
        stored = np.load(run / file)[:n]
        begin = time.process_time()
        made = rows(analysis, rng.trial_keys(key, 0, n), n_sig)
        cpu_ms = 1e3 * (time.process_time() - begin) / n
        equal = sum(tuple(one) == tuple(other) for one, other in zip(stored.tolist(), made.tolist(), strict=True))
        print(f"{file}: {equal} of {n} rows equal to the bit; SkyLLH alone {cpu_ms:.1f} ms of CPU a trial", flush=True)


def direct(analysis, n_bg: int, n: int) -> tuple[float, float]:
    """Sensitivity by SkyLLH's own trials from other seeds: a straight line through two passing fractions."""
    ts = np.maximum(analysis.do_trials(RandomStateService(1), n_bg, ncpu=1, mean_n_sig=0)["ts"], 0.0)
    threshold = float(np.median(ts))
    fractions = []
    for k, n_sig in enumerate(N_SIGS):
        found = analysis.do_trials(RandomStateService(100 + k), n, ncpu=1, mean_n_sig=n_sig)["ts"]
        fractions.append(float(np.mean(found > threshold)))
    print("passing fractions by hand:", dict(zip(N_SIGS, fractions, strict=True)), flush=True)
    i = next(i for i, fraction in enumerate(fractions) if fraction > 0.9)
    low, high = fractions[i - 1], fractions[i]
    slope = (high - low) / (N_SIGS[i] - N_SIGS[i - 1])
    return N_SIGS[i - 1] + (0.9 - low) / slope, math.sqrt(0.09 / n) / slope


def main(release: Path, sample: str) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder, run = Path(name), Path(name) / "run"
        n_sigs = ", ".join(map(str, N_SIGS))
        text = SPEC.format(release=release, season=SEASON, sample=sample, dec=DEC_DEG, n_sigs=n_sigs)
        (folder / "spec.yaml").write_text(text)
        assert dagmaker(["run", str(folder / "spec.yaml"), f"--run={run}"]) == 0
        analysis = by_hand(release, sample)
        same(analysis, run, 25)
        whole = np.load(run / BG)
        assert worker(["bg_trials", f"--run={run}", "--point=dec_deg_5.7", "--n=30", "--first=85"]) == 0
        part = np.load(run / BG.replace("000200_seed_0000", "000030_seed_0000_first_0000085"))
        print(f"cut otherwise: {int((part == whole[85:115]).sum())} of 30 rows equal to the bit")
        [row] = json.loads((run / "results/sensitivity.json").read_text())["sensitivity"]
        assert dagmaker(["review", str(run), "--sample=1"]) == 0
        outcome = json.loads((run / "review/certificate.json").read_text())["outcome"]
        print(
            f"review: {outcome}; sensitivity {row['n_sig']:.2f} +- {row['n_sig_error']:.2f} events, {row['flux']:.3g}"
        )
        print("by hand: {:.2f} +- {:.2f} events".format(*direct(analysis, 300, 200)))


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve(), sys.argv[2] if len(sys.argv) > 2 else "IceTracks-DR2")
