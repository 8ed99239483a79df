"""flarestack's stacking on the 3-year release that it carries, for comparison with `benchmarks.stacking`.

Runs under the Python of an environment that has flarestack 2.4.10 and scipy below 1.14, and nothing of this project:

    python flarestack_peer.py CATALOGUE SCRATCH

CATALOGUE is an ``.npz`` file with dec, ra (rad) and weight of each source; SCRATCH is a folder for flarestack's files.
Prints background trials per CPU second, and the share of them with TS > 0.
"""

import os
import sys
import time

import numpy as np


def handler(catalogue, scratch):
    """The catalogue with ns and gamma free, weights fixed, and all seasons of the release."""
    os.environ["FLARESTACK_SCRATCH_DIR"] = f"{scratch}/"
    from flarestack.core.data_types import catalogue_dtype
    from flarestack.core.minimisation import MinimisationHandler
    from flarestack.data.public import icecube_ps_3_year

    given = np.load(catalogue)
    sources = np.zeros(len(given["dec"]), catalogue_dtype)
    sources["dec_rad"], sources["ra_rad"], sources["base_weight"] = given["dec"], given["ra"], given["weight"]
    sources["injection_weight_modifier"] = sources["distance_mpc"] = 1.0
    sources["start_time_mjd"], sources["ref_time_mjd"], sources["end_time_mjd"] = 55700.0, 55800.0, 55900.0
    sources["source_name"] = [f"source {k}".encode() for k in range(len(sources))]
    path = f"{scratch}/catalogue.npy"
    np.save(path, sources)
    steady = {"time_pdf_name": "steady"}
    power_law = {"energy_pdf_name": "power_law"}
    return MinimisationHandler.create({
        "name": "benchmark/", "mh_name": "fixed_weights", "dataset": icecube_ps_3_year.get_seasons(), "catalogue": path,
        "llh_dict": {
            "llh_name": "standard", "llh_sig_time_pdf": steady, "llh_bkg_time_pdf": steady, "llh_energy_pdf": power_law,
        },
        "inj_dict": {
            "injection_sig_time_pdf": steady, "injection_bkg_time_pdf": steady,
            "injection_energy_pdf": {**power_law, "gamma": 2.0}, "poisson_smear_bool": True,
        },
        "n_steps": 2, "n_trials": 2, "scale": 1.0,
    })  # fmt: skip


def main():
    """Measure for a minute."""
    analysis = handler(*sys.argv[1:3])
    analysis.simulate_and_run(0.0, 1)
    before, ts = time.process_time(), []
    while time.process_time() - before < 60.0:
        ts.append(analysis.simulate_and_run(0.0, 100 + len(ts))["TS"])
    rate = len(ts) / (time.process_time() - before)
    print(f"{rate:.3g} background trials per CPU second; TS > 0 in {np.mean(np.array(ts) > 0):.3f} of {len(ts)}")


if __name__ == "__main__":
    main()
