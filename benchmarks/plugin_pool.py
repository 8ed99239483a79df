"""`python -m benchmarks.plugin_pool RELEASE [SAMPLE]`: SkyLLH through HTCondor, with faults, beside SkyLLH by hand.

In an environment with the extra `dagmaker[skyllh]`, from a checkout: it starts the tests' own pool. About three CPU
minutes, since each process sets SkyLLH up (5 s). One season at dec +5.7 deg, (1) by `dagmaker run`; (2) by a DAG, with
a job killed by SIGKILL; then a file of trials is cut short, found by `dagmaker repair` and made again by its DAG;
(3) files made again by SkyLLH alone, from the same keys; (4) `dagmaker review` of (2).

SkyLLH's last digits depend on the code that OpenBLAS chooses for the processor: jobs get this environment's
OPENBLAS_CORETYPE, which HTCondor does not hand on by itself.
"""

import json
import os
import signal
import sys
import tempfile
from pathlib import Path

from benchmarks.plugin_skyllh import BG, SIG, SPEC, by_hand, same
from tests.pool import analysis, client, faults, sites
from tests.pool.personal import Pool
from tests.pool.pool import personal_pool

FEW = {"n_trials: 400, trials_per_file: 200": "n_trials: 40, trials_per_file: 20", "n_trials: 200": "n_trials: 20"}
WAIT_S = 3600.0


def told(*argv: str, env: dict[str, str]) -> str:
    """What a command says; ends the benchmark if it fails."""
    done = analysis.dagmaker(*argv, env=env, timeout=WAIT_S)
    if done.returncode != 0:
        raise SystemExit(f"dagmaker {' '.join(argv)} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return done.stdout


def on_pool(pool: Pool, spec: Path, run: Path, env: dict[str, str]) -> None:
    """A DAG of which one job is killed."""
    told("build", str(spec), f"--run={run}", env=env)
    cluster = client.submit_dag(pool, run)
    pid = faults.job(pool, "bg_trials")
    os.kill(pid, signal.SIGKILL)
    code = client.wait(pool, cluster, WAIT_S)
    text = (run / "logs/bg_trials.log").read_text()
    print(f"DAG: exit code {code}; jobs of bg_trials ended by signal 9: {text.count('(signal 9)')}", flush=True)
    assert code == 0, analysis.errors(run)


def repaired(pool: Pool, run: Path, file: str, env: dict[str, str]) -> None:
    """Cut a file of trials short, and let `repair` find and mend it."""
    whole = (run / file).read_bytes()
    (run / file).write_bytes(whole[:-8])
    print(told("repair", str(run), env=env).splitlines()[0])
    told("submit", str(run), "--repair", env=env)
    faults.until(lambda: not client.q(pool), "the end of the repair", WAIT_S)
    print(f"repaired: {'the same bytes' if (run / file).read_bytes() == whole else 'OTHER BYTES'}", flush=True)


def main(release: Path, sample: str) -> None:
    with tempfile.TemporaryDirectory() as name, personal_pool("trixie", Path(name) / "pool") as pool:
        folder = Path(name)
        folder.chmod(0o755)
        text = SPEC.format(release=release, season="IC86_I", sample=sample, dec=5.7, n_sigs="2, 4, 8")
        for old, new in FEW.items():
            text = text.replace(old, new)
        spec, here, there = folder / "spec.yaml", folder / "here", folder / "there"
        spec.write_text(text.replace("discovery_nsigma: 2", "discovery_nsigma: 1") + "site: own\n")
        blas = {key: os.environ[key] for key in ("OPENBLAS_CORETYPE",) if key in os.environ}
        variables, _ = sites.own(folder, "personal", {"environment": blas})
        env = pool.env | variables
        on_pool(pool, spec, there, env)
        told("run", str(spec), f"--run={here}", "--jobs=2", env=env)
        one, other = analysis.final_bytes(here), analysis.final_bytes(there)
        equal = sum(one[key] == other.get(key) for key in one)
        print(f"run and DAG: {equal} of {len(one)} files equal, {len(other.keys() - one.keys())} more", flush=True)
        bg, sig = (file.replace("000200", "000020") for file in (BG, SIG))
        repaired(pool, there, bg, env)
        same(by_hand(release, sample), there, 20, bg, sig)
        told("review", str(there), "--sample=1", env=env)
        certificate = json.loads((there / "review/certificate.json").read_text())
        print(f"review of the DAG's run: {certificate['outcome']}")


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve(), sys.argv[2] if len(sys.argv) > 2 else "IceTracks-DR1")
