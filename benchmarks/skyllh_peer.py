"""SkyLLH's own time-integrated analysis of one season of a track release, for comparison; see `benchmarks.peer`.

Runs under the Python of an environment that has SkyLLH and nothing of this project:

    python skyllh_peer.py RELEASE SEASON DEC_DEG

Answers each line "N_TRIALS N_SIG SEED" of its input with one JSON object: CPU seconds, and what was fitted.
"""

import json
import os
import sys
import time
from importlib import metadata
from pathlib import Path

import numpy as np
import skyllh
from skyllh.analyses.i3.publicdata_ps.time_integrated_ps import create_analysis
from skyllh.core.config import Config
from skyllh.core.random import RandomStateService
from skyllh.core.source_model import PointLikeSource


def prepare(release, season, dec_deg):
    """The analysis as its authors set it up, with ns and gamma free."""
    cfg = Config()
    folder = Path(release).resolve()
    datasets = skyllh.create_datasets(
        "IceTracks-DR2", cfg=cfg, names=[season], base_path=str(folder.parent), sub_path_fmt=folder.name
    )
    source = PointLikeSource(name="bench", ra=np.deg2rad(77.0), dec=np.deg2rad(dec_deg))
    return create_analysis(cfg=cfg, datasets=datasets, source=source, gamma_seed=3.0)


def trials(analysis, n, n_sig, seed):
    """Cost of `n` pseudo-experiments, and their TS."""
    rss = RandomStateService(seed)
    begin = time.process_time()
    out = analysis.do_trials(rss, n, ncpu=1, mean_n_sig=n_sig)
    cpu_s = time.process_time() - begin
    ts = np.asarray(out["ts"], dtype=float)
    return {"cpu_s": cpu_s, "n": n, "eta": float((ts > 0).mean()), "median": float(np.median(ts)), "ts": ts.tolist()}


def main(out):
    """Prepare, say so, and answer until the input ends."""
    begin = time.process_time()
    analysis = prepare(sys.argv[1], sys.argv[2], float(sys.argv[3]))
    ready = {
        "skyllh": metadata.version("skyllh"),
        "numpy": np.__version__,
        "n_events": sum(len(data.exp) for data in analysis.data_list),
        "cpu_s": time.process_time() - begin,
    }
    print(json.dumps(ready), file=out, flush=True)
    for line in sys.stdin:
        n, n_sig, seed = line.split()
        print(json.dumps(trials(analysis, int(n), float(n_sig), int(seed))), file=out, flush=True)


if __name__ == "__main__":
    protocol = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # progress bars and greetings are not answers
    main(protocol)
