"""Meaning and example of every key of the spec, for messages and for the JSON schema."""

from collections.abc import Iterator
from typing import Any, NamedTuple

from worker.spec import goals
from worker.spec.hypothesis import KINDS as HYPOTHESES
from worker.spec.scan import SCANS


class Hint(NamedTuple):
    """A meaning with its unit, and an example in YAML."""

    meaning: str
    example: str


HINTS: dict[str, Hint] = {
    "version": Hint("version of this file's format", "1"),
    "name": Hint("names the trials directory, RUN/trials/<name>/", "ic86"),
    "include": Hint("another spec in the same folder, for every key that this one does not have", "base.yaml"),
    "vary": Hint("values of a parameter that one run can hold: signal.gamma", "{signal.gamma: [2, 2.5, 3]}"),
    "seed": Hint("the only source of randomness", "2011"),
    "engine": Hint("what makes the trials: the built-in likelihood, or a plug-in", "{kind: builtin}"),
    "engine.kind": Hint("builtin or plugin", "builtin"),
    "engine.name": Hint("an installed plug-in: its entry point in the group dagmaker.engines", "skyllh_ps"),
    "engine.path": Hint("or a Python file with the plug-in; relative to this file", "my_engine.py"),
    "engine.class": Hint("the class in that file", "Engine"),
    "engine.options": Hint("what the plug-in is made with; ${VAR} is replaced in texts", "{slope: 0.5}"),
    "engine.inputs": Hint("files that the plug-in reads, below this file's folder: each run has a copy", "[table.npz]"),
    "engine.limit_minutes": Hint("a call of the plug-in that takes longer is ended: it hangs", "60"),
    "engine.folder": Hint("where the inputs lie: what build freezes", "null"),
    "engine.source": Hint("the text of `path`: what build freezes", "null"),
    "engine.sha256": Hint("of the plug-in's file and inputs: what build freezes", "{}"),
    "data": Hint("what is analysed; left out with a plug-in, which reads its own", "{format: synthetic}"),
    "data.format": Hint(
        "synthetic, icetracks (10- and 14-year releases), ic86_2011 (first-year release), icecube_3yr (3-year one), "
        "numpy (as csky's) or engine",
        "synthetic",
    ),
    "data.n_events": Hint("events of the made-up season", "138322"),
    "data.livetime_days": Hint("livetime in days", "332.9"),
    "data.dir": Hint("folder of the release; relative to this file; ${VAR} is replaced", "${DATA}/icetracks"),
    "data.seasons": Hint("data-taking periods, as the files of events/ are named", "[IC86_I]"),
    "data.seasons.name": Hint("name of the season", "IC86_I"),
    "data.seasons.livetime_days": Hint("livetime of the season in days", "332.9"),
    "data.seasons.response": Hint("whose files of irfs/ the season takes; null for its own", "IC86_II"),
    "data.seasons.exp": Hint("measured events, one file or several, in `dir`; null: <name>_exp.npy", "[a.npy, b.npy]"),
    "data.seasons.mc": Hint("simulated events, one file or several; null: <name>_MC.npy", "IC86_2016_MC.npy"),
    "data.seasons.grl": Hint("good runs, one file or several; null: GRL/<name>_exp.npy", "GRL/IC86_2016_exp.npy"),
    "data.seasons.columns": Hint("columns that have another name: theirs: ours", "{angErr: sigma, log_energy: logE}"),
    "data.label": Hint("real or semi-real (or synthetic, for numpy files); printed on every result", "real"),
    "data.mc_band_sin_dec": Hint("width in sin(dec) of the bands that simulated events are drawn from", "0.02"),
    "data.irfs": Hint(
        "folder of a track release (with irfs/), for its smearing; null for a formula", "${DATA}/icetracks"
    ),
    "data.irfs_config": Hint("which of these irfs", "IC86"),
    "likelihood": Hint("bounds and cuts of the fit", "{gamma_min: 1, gamma_max: 4}"),
    "likelihood.gamma": Hint(
        "the fitted spectral index: free, a number (fixed), or with a Gaussian prior", "{mean: 2.5, sigma: 0.3}"
    ),
    "likelihood.gamma.mean": Hint("of the prior", "2.5"),
    "likelihood.gamma.sigma": Hint("width of the prior", "0.3"),
    "likelihood.gamma_min": Hint("smallest fitted spectral index", "1.0"),
    "likelihood.gamma_max": Hint("largest fitted spectral index", "4.0"),
    "likelihood.gamma_step": Hint("spacing of the tabulated energy likelihood ratio", "0.0625"),
    "likelihood.cut_n_sigma": Hint("signal density ends at this many sigma of an event", "5.0"),
    "likelihood.sigma_floor_deg": Hint("a smaller angular error is raised to this, deg", "0.2"),
    "likelihood.sigma_max_deg": Hint("an event with a larger angular error carries no signal, deg", "5.0"),
    "likelihood.extension_deg": Hint("Gaussian width of the source that is assumed, deg; 0: a point", "0.5"),
    "likelihood.psf": Hint(
        "signal density: the distributions of psi and sigma in the response, or a Gaussian of each event's sigma",
        "gaussian",
    ),
    "hypothesis": Hint("what is tested", "{kind: sky}"),
    "hypothesis.kind": Hint(
        "sky (a declination grid, with the scan of the section scan), points (those of the list points), stacking "
        "(catalogues, each fitted as a whole), window (sources at known times) or flare (sources with one flare at an "
        "unknown time)",
        "sky",
    ),
    "hypothesis.catalogues": Hint(
        "catalogues by name, each with sources that share one ns and one gamma",
        "{starbursts: {file: sources.csv, weights: flux}}",
    ),
    "hypothesis.catalogues.file": Hint(
        "CSV with the columns name, ra_deg, dec_deg, that of the weights, and extension_deg for sources that are no "
        "points; relative to this file; ${VAR} is replaced",
        "sources.csv",
    ),
    "hypothesis.catalogues.sources": Hint("the catalogue itself, as CSV text: what build freezes", "null"),
    "hypothesis.catalogues.weights": Hint(
        "relative fluxes of the sources: equal, or the name of a column; the detector's acceptance is multiplied",
        "flux",
    ),
    "hypothesis.diffuse_flux": Hint(
        "E^2 dN/dE of a diffuse flux at sensitivity.e0_tev, in its flux unit per cm^2, second and sr: the report gives "
        "the fraction of it that a limit is; null for none",
        "1.5e-11",
    ),
    "hypothesis.sources": Hint(
        "for kind window: sources with the times at which they may emit; each length is a point of its own; for kind "
        "flare: name, ra_deg and dec_deg",
        "[{name: GRB130427A, ra_deg: 173.14, dec_deg: 27.71, start_mjd: 56409.324, length_days: [1000 s, 1]}]",
    ),
    "hypothesis.sources.name": Hint("name of the source; names folders", "GRB130427A"),
    "hypothesis.sources.ra_deg": Hint("right ascension, deg", "173.14"),
    "hypothesis.sources.dec_deg": Hint("declination, deg", "27.71"),
    "hypothesis.sources.start_mjd": Hint("begin of its windows, MJD; or write centre_mjd", "56409.324"),
    "hypothesis.sources.centre_mjd": Hint("middle of its windows, MJD; or write start_mjd", "57004.0"),
    "hypothesis.sources.length_days": Hint(
        "lengths of windows with sharp ends: days, or with a unit (s, min, h, d)", "[1000 s, 1, 100]"
    ),
    "hypothesis.sources.sigma_days": Hint("sigmas of Gaussian windows around centre_mjd, in the same units", "[10]"),
    "hypothesis.length_days": Hint("lengths for all sources without their own, in the same units", "[1000 s, 1, 100]"),
    "hypothesis.profile": Hint("time profile of a flare: gaussian or box", "gaussian"),
    "hypothesis.min_days": Hint("shortest width of a fitted flare, days: sigma of a Gaussian, length of a box", "1"),
    "hypothesis.max_days": Hint("longest width of a fitted flare, days", "300"),
    "hypothesis.time_penalty": Hint("whether TS pays for the choice of the time: width_T / T_max", "true"),
    "hypothesis.inject_days": Hint(
        "widths of injected flares, days; each is a point of its own, with trials of its own", "[10, 100]"
    ),
    "points": Hint(
        "for hypothesis: {kind: points}: each with the labels that the engine reads; they are columns of all results",
        "[{dec_deg: 5}, {dec_deg: 30}]",
    ),
    "background": Hint(
        "background trials on a declination grid", "{dec_deg: {start: -85, stop: 85, step: 10}, n_trials: 10000}"
    ),
    "background.dec_deg": Hint(
        "declinations in degrees, a range or a list; rings: every ring of the scan, which is the default of a map; "
        "sources: those of the list",
        "{start: -85, stop: 85, step: 10}",
    ),
    "background.dec_deg.start": Hint("first declination, deg", "-85"),
    "background.dec_deg.stop": Hint("last declination, deg (included)", "85"),
    "background.dec_deg.step": Hint("spacing, deg", "10"),
    "background.n_trials": Hint(
        "trials per declination; left out: 10,000, at rings 5,000; without tilted trials as many as count "
        "unblind.quote_nsigma, 5,000 at least",
        "10000",
    ),
    "background.trials_per_file": Hint("trials per process and file", "5000"),
    "background.tail": Hint("tilted trials, which count the tail of TS to 5 sigma and beyond, or none", "tilted"),
    "background.n_tail_trials": Hint(
        "tilted trials per declination, a multiple of 256; left out: 16,384, at rings 4,096", "16384"
    ),
    "background.tail_trials_per_file": Hint("tilted trials per process and file", "16384"),
    "background.tilts": Hint(
        "pilot: 1,024 trials choose them at each declination; or a list of what tilted trials are drawn from", "pilot"
    ),
    "background.tilts.n": Hint("events expected at the source", "10"),
    "background.tilts.gamma": Hint("their spectral index", "2.6"),
    "background.tilts.share": Hint("fraction of the tilted trials, a multiple of 1/256; the rest are plain", "0.25"),
    "background.fit": Hint("chi2 fit of the positive TS: scale 1 and ndof free, or both free", "scale1"),
    "signal": Hint("signal trials on a declination grid", "{n_sig: [2, 6, 14, 30], n_trials: 1000}"),
    "signal.gamma": Hint("injected spectrum dN/dE ~ E^-gamma; a list for several spectra", "2.0"),
    "signal.cutoff_tev": Hint("times exp(-E / cutoff), TeV; null for none", "1000.0"),
    "signal.break_at": Hint(
        "a broken power law: another index above an energy; null for none", "{energy_tev: 30, gamma: 3.0}"
    ),
    "signal.break_at.energy_tev": Hint("where the index changes, TeV", "30"),
    "signal.break_at.gamma": Hint("spectral index above", "3.0"),
    "signal.extension_deg": Hint("Gaussian width of the injected source, deg; 0: a point", "0.5"),
    "signal.poisson": Hint("draw the number of events from Poisson(n_sig), or inject exactly n_sig", "true"),
    "signal.strata": Hint("inject exactly n_sig events, and mix the results to Poisson numbers", "true"),
    "signal.dec_deg": Hint(
        "declinations in degrees, of those with background trials; null: all of them, and where these are rings about "
        "every tenth degree",
        "{start: -85, stop: 85, step: 10}",
    ),
    "signal.dec_deg.start": Hint("first declination, deg", "-85"),
    "signal.dec_deg.stop": Hint("last declination, deg (included)", "85"),
    "signal.dec_deg.step": Hint("spacing, deg", "10"),
    "signal.n_sig": Hint("numbers of signal events, increasing; `goal`: as the pilot found", "[2, 6, 14, 30]"),
    "signal.n_trials": Hint("trials per declination and n_sig", "1000"),
    "signal.trials_per_file": Hint("trials per process and file", "1000"),
    "sensitivity": Hint("definitions of sensitivity and discovery potential", "{beta: 0.9}"),
    "sensitivity.beta": Hint("fraction of trials above the background median", "0.9"),
    "sensitivity.threshold": Hint(
        "median: TS > median, as csky, of level below 1/2 where it is 0; randomised: level 1/2 everywhere",
        "median",
    ),
    "sensitivity.discovery_beta": Hint("fraction of trials above the discovery threshold", "0.5"),
    "sensitivity.discovery_nsigma": Hint("discovery thresholds, one-sided sigma", "[3, 5]"),
    "sensitivity.e0_tev": Hint("fluxes are E^2 dN/dE at this energy, TeV", "100.0"),
    "sensitivity.flux_unit": Hint("TeV, GeV or erg, per cm^2 and second", "TeV"),
    "sensitivity.n_bootstrap": Hint("resamplings for the errors", "200"),
    "sensitivity.method": Hint("strata (trials sorted by their number of injected events) or curve", "strata"),
    "sensitivity.flux_error": Hint(
        "relative error of the acceptance, in sensitivities and upper limits (Cousins and Highland); 0: none", "0.1"
    ),
    "scan": Hint("scan of scrambled skies: the whole sky, or a list of sources", "{nside: 32, n_skies: 200}"),
    "scan.kind": Hint(
        "healpix (the whole sky), catalog (a list of sources), points (those of the hypothesis) or none", "healpix"
    ),
    "scan.file": Hint(
        "CSV with the columns name, ra_deg, dec_deg; relative to this file; ${VAR} is replaced", "sources.csv"
    ),
    "scan.sources": Hint("the list itself, as CSV text: what build freezes; null: read scan.file", "null"),
    "scan.nside": Hint("healpix resolution of the scans", "32"),
    "scan.map_nside": Hint("resolution of a finer map for pictures; null for none", "128"),
    "scan.dec_min_deg": Hint("southern end of the scan, deg", "-85"),
    "scan.dec_max_deg": Hint("northern end of the scan, deg", "85"),
    "scan.dec_split_deg": Hint("hottest spots are given north and south of this too, deg", "-5"),
    "scan.n_skies": Hint("background skies behind the post-trial p-value", "200"),
    "scan.skies_per_file": Hint("skies per process and file", "10"),
    "scan.sky_bands": Hint("declination bands that each background sky is split into, a process each", "1"),
    "scan.bands": Hint("declination bands that each map of the observed sky is split into", "4"),
    "scan.interpolation": Hint(
        "of p between background declinations; ring: none, each ring has its own (default with dec_deg: rings)", "log"
    ),
    "scan.survival": Hint("p of a TS: counted (with tilted trials), hybrid, fit or empirical", "counted"),
    "scan.post_trial": Hint("tail of the hottest spot's p-value beyond the counted skies", "{tail: patches}"),
    "scan.post_trial.tail": Hint("patches of tilted skies, which reach 5 sigma and beyond, or none", "patches"),
    "scan.post_trial.n_patches": Hint("patches: 4096 give p at 5 sigma to a tenth", "4096"),
    "scan.post_trial.patches_per_file": Hint("patches per process and file", "1024"),
    "scan.post_trial.radius_deg": Hint("hot spots within it of the middle of a patch are counted, deg", "2.5"),
    "scan.post_trial.separation_deg": Hint("a hot spot is the hottest pixel within it, deg", "4"),
    "scan.warm_spots": Hint("local maxima that every background sky keeps, beside its hottest", "{min_ts: 10}"),
    "scan.warm_spots.min_ts": Hint("smallest TS of a kept local maximum", "10"),
    "scan.warm_spots.most": Hint("places for them in a sky, or in a band of it; null: as min_ts needs", "null"),
    "scan.population": Hint("test of the number of warm spots, at the best threshold", "{min_separation_deg: 1}"),
    "scan.population.min_separation_deg": Hint("a spot this near to a hotter one is not counted, deg", "1"),
    "scan.priors": Hint("spatial priors: name and healpix FITS file; ${VAR} is replaced", "{event: skymap.fits}"),
    "scan.prior_maps": Hint("the maps themselves: what build freezes; null: read scan.priors", "null"),
    "scan.prior_n_sig": Hint("events of sources drawn from the priors: one of each in every sky; null: none", "null"),
    "unblind": Hint("who allowed the real sky to be opened, and what is quoted then", "{quote_nsigma: 3.0}"),
    "unblind.token": Hint("the token that `dagmaker unblind` asks for; null until then", "null"),
    "unblind.approved_by": Hint("who approved", "null"),
    "unblind.date": Hint("when, as text in quotes", "'2026-01-31'"),
    "unblind.reason": Hint("why", "null"),
    "unblind.waive": Hint("names of failed checks that are waived", "[smooth_map]"),
    "unblind.quote_nsigma": Hint(
        "largest significance to be quoted: trials and skies must be enough to count it", "3.0"
    ),
    "goal": Hint("what the analysis is to reach; a count written `goal` follows from it", "{local_sigma: 5}"),
    "goal.local_sigma": Hint("largest local significance to be quoted, one-sided; decides background.n_trials", "5.0"),
    "goal.post_trial_sigma": Hint("largest post-trial significance to be quoted; decides scan.n_skies", "3.0"),
    "goal.sensitivity_error": Hint("relative error of a sensitivity; decides signal.n_trials", "0.03"),
    "goal.discovery_error": Hint("relative error of every discovery potential; null: they are not judged", "0.05"),
    "adaptive": Hint("add trials in rounds until the goals are reached; true for the defaults, false for none", "true"),
    "adaptive.max_rounds": Hint("most rounds; 0: none", "3"),
    "adaptive.max_signal_trials": Hint("most signal trials of a declination and spectrum, all n_sig together", "50000"),
    "adaptive.max_background_trials": Hint("most background trials of a declination", "1000000"),
    "resources": Hint("what one process asks of the batch system", "{request_memory_mb: 1000}"),
    "resources.request_cpus": Hint("cores", "1"),
    "resources.request_memory_mb": Hint("memory, MB", "1000"),
    "resources.request_disk_mb": Hint("disk, MB", "500"),
    "resources.gpu": Hint("trials and scans on a CUDA device (the extra dagmaker[gpu])", "false"),
    "resources.max_retries": Hint("retries of a failed process", "2"),
    "resources.time_limit_hours": Hint(
        "a process stops at a checkpoint before this many hours and goes on from there; null for none", "12"
    ),
    "resources.accounting_group": Hint("group that the work is charged to; null for the site's own", "group_icecube"),
    "resources.target_hours": Hint(
        "CPU time of a process, hours: the plan cuts the work, whatever *_per_file and bands say; null: they say",
        "2.0",
    ),
    "resources.max_memory_mb": Hint("no process may ask for more, MB; null for no limit", "4000"),
    "resources.tasks": Hint(
        "what the processes of one kind of task ask for instead", "{scan_trials: {request_memory_mb: 2000}}"
    ),
    "resources.tasks.request_memory_mb": Hint("memory, MB; null: by the other keys and the number of events", "2000"),
    "resources.tasks.request_disk_mb": Hint("disk, MB; null: by the other keys", "1000"),
    "resources.tasks.requirements": Hint("machines that will do, a ClassAd expression", "'HasFastDisk'"),
    "resources.tasks.container_image": Hint("image to run in", "docker://python:3.12"),
    "resources.pilot": Hint("what `dagmaker pilot` measured; null for the built-in cost model", "null"),
    "site": Hint("a profile under templates/htcondor/sites/", "pool"),
    "small_angles": Hint("true: angles that look like radians or hours are degrees all the same", "true"),
}


TASKS = ["resources", "tasks"]
CATALOGUES = ["hypothesis", "catalogues"]


def hint_of(path: tuple[str | int, ...]) -> Hint | None:
    """Return the hint of a place in the spec; an element of a list has that of its list."""
    words = [str(part) for part in path if not isinstance(part, int)]
    if words[:2] == TASKS and len(words) == len(TASKS) + 1:
        return None  # the table of one task; its keys have hints
    if words[:2] == TASKS:
        del words[2:3]  # the name of the task
    if words[:2] == CATALOGUES:
        del words[2:3]  # the name of the catalogue
    return HINTS.get(".".join(words))


def example(path: tuple[str | int, ...]) -> str:
    """Return ``; write e.g. step: 10``; empty if there is no example."""
    keys = [part for part in path if not isinstance(part, int)]
    hint = hint_of(path)
    return f"; write e.g. {keys[-1]}: {hint.example}" if hint and keys else ""


def describe(schema: dict[str, Any]) -> None:
    """Add the hints to a JSON schema of the spec, in place."""
    definitions = schema["$defs"]
    for section, properties in (("", schema["properties"]), *_sections(definitions)):
        for key, entry in list(properties.items()):
            hint = HINTS[f"{section}.{key}".removeprefix(".")]
            if (section, key) in goals.FOLLOW:
                properties[key] = {"anyOf": [entry, {"const": goals.WORD}]}
            properties[key]["description"] = f"{hint.meaning}; e.g. {hint.example}"


def _sections(definitions: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    places = {
        "Synthetic": "data",
        "IceTracks": "data",
        "IC86First": "data",
        "IceCube3yr": "data",
        "NumpyFiles": "data",
        "EngineData": "data",
        "BuiltinEngine": "engine",
        "PluginEngine": "engine",
        "ReleaseSeason": "data.seasons",
        "NumpySeason": "data.seasons",
        "TimedSeason": "data.seasons",
        "DecRange": "background.dec_deg",
        "SpecTilt": "background.tilts",
        "GammaPrior": "likelihood.gamma",
        "SpectralBreak": "signal.break_at",
        "PostTrialTail": "scan.post_trial",
        "WindowSource": "hypothesis.sources",
        "WarmSpots": "scan.warm_spots",
        "Population": "scan.population",
        "FlareSource": "hypothesis.sources",
        **{section.__name__: "scan" for section in SCANS.values()},
        **{section.__name__: "hypothesis" for section in HYPOTHESES.values()},
        "Catalogue": "hypothesis.catalogues",
        "TaskResources": ".".join(TASKS),
    }
    for name, definition in definitions.items():
        yield places.get(name, name.lower()), definition["properties"]
