"""The analysis spec: a closed, versioned schema of frozen models (YAML and messages: `worker.spec.specfile`)."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, ValidationError, WithJsonSchema, model_validator

from worker.base.bounds import MAX_ROUNDS
from worker.base.errors import SpecError
from worker.base.task_rows import DISTRIBUTIONS, REPORT, SENSITIVITY, SIG_TRIALS, TAIL_TRIALS
from worker.spec import angles, free_points, levels, map_defaults, size_limits, tilts
from worker.spec import engine as engines
from worker.spec.checklist import CheckName
from worker.spec.engine import BuiltinEngine, Engine
from worker.spec.fields import (
    Affects,
    Count,
    Fraction,
    Model,
    Name,
    Number,
    Positive,
    Whole,
    not_bool,
    refuse,
    require_distinct_names,
)
from worker.spec.free_points import FreePoints
from worker.spec.grid import DecGrid, DecRange, Gammas, NSigList, NSigmas
from worker.spec.pilot import Pilot
from worker.spec.point import Point, declination
from worker.spec.scan import Scan
from worker.spec.season import (
    NumpySeason,
    NumpySeasons,
    ReleaseSeason,
    ReleaseSeasons,
    numpy_seasons,
    refuse_duplicates,
    release_seasons,
)
from worker.spec.sky_scan import HealpixScan
from worker.spec.task_resources import TaskTable
from worker.spec.tilts import Tilts

Days = Annotated[Positive, Field(le=40000)]
Energy = Annotated[Positive, Field(le=1e9)]  # TeV
Words = Annotated[str, Field(max_length=2000)]
Folder = Annotated[str, Field(max_length=4096)]

DATA = Affects("the data: every trial, unless their content is the same", identity=True)
LABEL = Affects("what is printed on results", identity=True)
RESPONSE = Affects("where the response lies: nothing, if its content is the same", decides="nothing", identity=True)
DataFolder = Annotated[
    Folder, Affects("where the data lie: nothing, if their content is the same", decides="nothing", identity=True)
]
CUT = Affects("how streams are cut into files: the trials are the same, the files are not", decides="nothing")
MORE = Affects("more or fewer trials of the same streams")
DECS = Affects("declinations: files of the others stay")
DECISION = Affects(decision=True)
BOUND = Affects(decides="rounds", decision=True)
APPROVAL = Affects(decides="nothing")


class Synthetic(Model):
    """A made-up, deterministic IC86-like season: needs no files."""

    affects = DATA
    format: Literal["synthetic"]
    n_events: Annotated[Whole, Field(ge=1, le=10**8)] = 138322
    livetime_days: Days = 332.9


class IceTracks(Model):
    """The published 10- and 14-year track releases: a folder with events/, uptime/ and irfs/."""

    affects = DATA
    format: Literal["icetracks"]
    dir: DataFolder
    seasons: ReleaseSeasons
    label: Annotated[Literal["real", "semi-real"], LABEL] = "real"

    @model_validator(mode="after")
    def _distinct(self) -> Self:
        refuse_duplicates([season.name for season in self.entries])
        return self

    @property
    def entries(self) -> tuple[ReleaseSeason, ...]:
        """The seasons, each with its keys."""
        return release_seasons(self.seasons)


class NumpyFiles(Model):
    """NumPy files as csky and skylab have them: <season>_exp.npy, <season>_MC.npy and GRL/<season>_exp.npy."""

    affects = DATA
    format: Literal["numpy"]
    dir: DataFolder
    seasons: NumpySeasons
    mc_band_sin_dec: Annotated[Number, Field(ge=0.002, le=0.5)] = 0.02
    label: Annotated[Literal["real", "semi-real", "synthetic"], LABEL] = "real"

    @model_validator(mode="after")
    def _distinct(self) -> Self:
        refuse_duplicates([season.name for season in self.entries])
        return self

    @property
    def entries(self) -> tuple[NumpySeason, ...]:
        """The seasons, each with its files and columns."""
        return numpy_seasons(self.seasons)


class IC86First(Model):
    """The first-year release (IC86-2011): events, effective area, median angular resolution, no smearing."""

    affects = DATA
    format: Literal["ic86_2011"]
    dir: DataFolder
    livetime_days: Days = 332.9
    irfs: Annotated[Folder | None, RESPONSE] = Field(
        None, description="folder of a track release (with irfs/), for its smearing"
    )
    irfs_config: Name = "IC86"


class EngineData(Model):
    """No data here: a plug-in reads its own."""

    affects = DATA
    format: Literal["engine"] = "engine"
    label: Annotated[Literal["real", "semi-real", "synthetic", "the engine's own"], LABEL] = "the engine's own"


FORMATS: dict[str, type[Model]] = {
    "synthetic": Synthetic,
    "icetracks": IceTracks,
    "ic86_2011": IC86First,
    "numpy": NumpyFiles,
    "engine": EngineData,
}
Data = Annotated[Synthetic | IceTracks | IC86First | NumpyFiles | EngineData, Field(discriminator="format")]


Extension = Annotated[Number, Field(ge=0, le=10)]


class Likelihood(Model):
    """Bounds and cuts of the fit; METHOD: unbinned, ns >= 0, gamma free."""

    affects = Affects("every fit: all trials", identity=True)
    gamma_min: Annotated[Number, Field(ge=1, le=4)] = 1.0
    gamma_max: Annotated[Number, Field(ge=1, le=4)] = 4.0
    gamma_step: Annotated[Number, Field(ge=0.01, le=0.0625)] = 0.0625
    cut_n_sigma: Annotated[Number, Field(ge=3, le=10)] = 5.0
    sigma_floor_deg: Annotated[Number, Field(gt=0, le=5)] = 0.2
    sigma_max_deg: Annotated[Number, Field(gt=0, le=15)] = 5.0
    extension_deg: Extension = 0.0
    psf: Literal["gaussian", "response"] = "gaussian"

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        faults = []
        low, high, width = self.gamma_min, self.gamma_max, self.gamma_max - self.gamma_min
        steps = width / self.gamma_step
        if width < 1:
            faults.append(("gamma_max", f"found {high:g}; must be at least gamma_min + 1 = {low + 1:g}"))
        elif abs(steps - round(steps)) > 1e-9:
            text = f"found {self.gamma_step:g}; must divide gamma_max - gamma_min = {width:g}"
            faults.append(("gamma_step", f"{text}; write e.g. gamma_step: 0.0625"))
        floor, largest = self.sigma_floor_deg, self.sigma_max_deg
        if largest <= floor:
            faults.append(("sigma_max_deg", f"found {largest:g}; must be larger than sigma_floor_deg = {floor:g}"))
        refuse(*faults)
        return self


TAIL_DEFAULT: Literal["none", "tilted"] = "none"


class Background(Model):
    """Background trials on a declination grid."""

    dec_deg: Annotated[DecGrid | None, DECS] = "rings"
    n_trials: Annotated[Count, MORE] = map_defaults.N_TRIALS
    trials_per_file: Annotated[Count, CUT] = 10000
    tail: Annotated[
        Literal["none", "tilted"],
        Affects("tilted trials for the tail of TS: results are made again", again=(DISTRIBUTIONS,), decision=True),
    ] = TAIL_DEFAULT
    n_tail_trials: Annotated[Count, MORE] = 16384
    tail_trials_per_file: Annotated[Count, CUT] = 16384
    tilts: Annotated[Tilts, Affects("from what tilted trials are drawn: all of them", trials=(TAIL_TRIALS,))] = "pilot"
    fit: Annotated[
        Literal["scale1", "free"],
        Affects("p-values: results are made again from the same trials", again=(DISTRIBUTIONS,), decision=True),
    ] = "scale1"

    @model_validator(mode="after")
    def _directories(self) -> Self:
        places = levels.decimals(self.decs)
        require_distinct_names("dec_deg", self.decs, [levels.dec_level(dec, places) for dec in self.decs])
        return self

    @model_validator(mode="after")
    def _whole_blocks(self) -> Self:
        refuse(*tilts.faults(self.n_tail_trials, self.tilts))
        return self

    @property
    def decs(self) -> tuple[float, ...]:
        """The grid, in degrees, increasing; empty if the hypothesis has other points."""
        return _values(self.dec_deg)


def _values(grid: Any) -> tuple[float, ...]:
    """Return the declinations of a grid; none without one, and for rings of an invalid scan section."""
    if isinstance(grid, DecRange):
        return grid.values()
    return grid if isinstance(grid, tuple) else ()


class Signal(Model):
    """Signal trials: injected spectra, and the grids of declinations and n_sig."""

    affects = Affects("what is injected: all signal trials", identity=True, trials=(SIG_TRIALS,))
    gamma: Gammas = 2.0
    cutoff_tev: Energy | None = None
    extension_deg: Extension = 0.0
    poisson: bool = True
    strata: bool = False
    dec_deg: Annotated[DecGrid | None, DECS] = None
    n_sig: Annotated[NSigList, Affects("signal strengths: files of the others stay")]
    n_trials: Annotated[Count, MORE]
    trials_per_file: Annotated[Count, CUT] = 10000

    @model_validator(mode="after")
    def _strata_are_mixed(self) -> Self:
        odd = [n_sig for n_sig in self.n_sig if n_sig != int(n_sig)]
        if self.strata and not self.poisson:
            refuse(
                ("strata", "found true with poisson: false; strata are mixed to Poisson numbers: leave one of them out")
            )
        if self.strata and odd:
            text = f"found {odd[0]:g}; with strata: true they are exact numbers of events: write whole numbers"
            refuse(("n_sig", f"{text}, e.g. {max(round(odd[0]), 1)}"))
        return self

    @property
    def draws_poisson(self) -> bool:
        """Whether a trial has a Poisson number of events; else it has exactly n_sig."""
        return self.poisson and not self.strata

    @model_validator(mode="after")
    def _directories(self) -> Self:
        places = levels.decimals(self.n_sig)
        require_distinct_names("n_sig", self.n_sig, [levels.nsig_level(n_sig, places) for n_sig in self.n_sig])
        require_distinct_names("gamma", self.gammas, [levels.gamma_level(gamma) for gamma in self.gammas], "0.001")
        return self

    @property
    def gammas(self) -> tuple[float, ...]:
        """The spectral indices, increasing; one or several."""
        return self.gamma if isinstance(self.gamma, tuple) else (self.gamma,)

    @property
    def levels(self) -> tuple[float | None, ...]:
        """Spectral indices with a level of their own in the tree of files; None if there is one spectrum."""
        return self.gamma if isinstance(self.gamma, tuple) and len(self.gamma) > 1 else (None,)


class Sensitivity(Model):
    """Definitions of sensitivity and discovery potential, and the unit of the flux."""

    affects = Affects("definitions: sensitivities are made again from the same trials", again=(SENSITIVITY,))
    beta: Annotated[Fraction, DECISION] = 0.9
    threshold: Annotated[Literal["median", "randomised"], DECISION] = "median"
    discovery_beta: Annotated[Fraction, DECISION] = 0.5
    discovery_nsigma: Annotated[NSigmas, DECISION] = (3.0, 5.0)
    e0_tev: Energy = 100.0
    flux_unit: Literal["TeV", "GeV", "erg"] = "TeV"
    n_bootstrap: Annotated[Whole, Field(ge=20, le=100000), DECISION] = 200
    method: Annotated[Literal["strata", "curve"], DECISION] = "strata"
    flux_error: Annotated[Number, Field(ge=0, le=0.5)] = 0.0

    @property
    def nsigmas(self) -> tuple[float, ...]:
        """The discovery thresholds, increasing."""
        return self.discovery_nsigma if isinstance(self.discovery_nsigma, tuple) else (self.discovery_nsigma,)

    @property
    def top_nsigma(self) -> float:
        """The highest discovery threshold: what `discovery` in the results means."""
        return self.nsigmas[-1]


class Unblind(Model):
    """Approval to open the real sky, the quoted significance, and waived checks."""

    affects = Affects(
        "approval and waivers: no number; a token holds for the waivers that it was given for", again=(REPORT,)
    )
    token: Annotated[Words | None, APPROVAL] = None
    approved_by: Annotated[Words | None, APPROVAL] = None
    date: Annotated[Words | None, APPROVAL] = None
    reason: Annotated[Words | None, APPROVAL] = None
    waive: Annotated[tuple[CheckName, ...], Field(strict=False), APPROVAL] = ()
    quote_nsigma: Annotated[Number, Field(gt=0, le=6)] = 3.0


class Resources(Model):
    """Requests of a process to the batch system."""

    affects = Affects("what processes ask for: no number", decides="nothing")
    request_cpus: Annotated[Whole, Field(ge=1, le=1024)] = 1
    request_memory_mb: Annotated[Whole, Field(ge=100, le=10**7)] = 1000
    request_disk_mb: Annotated[Whole, Field(ge=10, le=10**8)] = 500
    gpu: bool = False
    max_retries: Annotated[Whole, Field(ge=0, le=20)] = 2
    time_limit_hours: Annotated[Number, Field(gt=0, le=720)] | None = None
    accounting_group: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$", max_length=128)] | None = None
    target_hours: Annotated[Number, Field(ge=0.0001, le=720)] | None = None
    max_memory_mb: Annotated[Whole, Field(ge=100, le=10**7)] | None = None
    tasks: TaskTable = Field(default_factory=dict)
    pilot: Annotated[Pilot | None, WithJsonSchema({"type": ["string", "null"], "default": None})] = None


class Goal(Model):
    """Goals of the analysis; counts of trials that are written ``goal`` are computed from them."""

    affects = Affects(
        "what is to be claimed, from which counts are suggested: no number", decides="rounds", decision=True
    )
    local_sigma: Annotated[Number, Field(gt=0, le=7)] | None = None
    post_trial_sigma: Annotated[Annotated[Number, Field(gt=0, le=5)] | None, Affects(decides="rounds")] = None
    sensitivity_error: Annotated[Number, Field(ge=0.001, le=0.5)] | None = None
    discovery_error: Annotated[Number, Field(ge=0.001, le=0.5)] | None = None


class Adaptive(Model):
    """Rounds of further trials at points that miss a goal, and the most that they may add."""

    affects = Affects(
        "rounds of further trials: those that are there stay, results follow the new ones", decides="rounds"
    )
    max_rounds: Annotated[Whole, Field(ge=0, le=MAX_ROUNDS)] = 3
    max_signal_trials: Annotated[Count, BOUND] = 50000
    max_background_trials: Annotated[Count, BOUND] = 1000000


def _switch(value: Any) -> Any:
    """Convert ``adaptive: true`` to the section with its defaults, ``false`` to one without rounds."""
    return {True: {}, False: {"max_rounds": 0}}[value] if isinstance(value, bool) else value


class Hypothesis(Model):
    """What is tested: a declination grid with a scan of skies, or points that the spec lists."""

    kind: Annotated[Literal["sky", "points"], Affects("what is tested: other points, other files")] = "sky"


class Spec(Model):
    """The whole analysis."""

    version: Annotated[Literal[1], BeforeValidator(not_bool)]
    name: Annotated[
        Name, Affects("another name of the trials' folder: another analysis for `dagmaker build`", identity=True)
    ]
    seed: Annotated[
        Whole,
        Field(ge=0, lt=2**63),
        Affects("every random number: nothing of the one belongs to the other", identity=True),
    ]
    engine: Engine = BuiltinEngine()
    data: Data
    likelihood: Likelihood = Likelihood()
    hypothesis: Hypothesis = Hypothesis()
    points: FreePoints = ()
    background: Background
    signal: Signal
    sensitivity: Sensitivity = Sensitivity()
    scan: Scan
    unblind: Unblind = Unblind()
    goal: Goal = Goal()
    adaptive: Annotated[Adaptive, BeforeValidator(_switch, json_schema_input_type=Adaptive | bool)] = Adaptive(
        max_rounds=0
    )
    resources: Resources = Resources()
    site: Annotated[Name, Affects("where processes run: no number", decides="nothing")] = "pool"
    small_angles: Annotated[bool, Affects("how the spec is checked: no number", decides="nothing")] = False

    @model_validator(mode="before")
    @classmethod
    def _write_out_rings(cls, document: Any) -> Any:
        return map_defaults.fill(document, _maps)

    @model_validator(mode="before")
    @classmethod
    def _count_the_tail(cls, document: Any) -> Any:
        """With tilted trials p-values are counted, unless the spec says another way."""
        if not isinstance(document, Mapping):
            return document
        background, scan = document.get("background"), document.get("scan")
        if not (isinstance(background, Mapping) and isinstance(scan, Mapping)) or "survival" in scan:
            return document
        counts = background.get("tail", TAIL_DEFAULT) == "tilted"
        return {**document, "scan": {**scan, "survival": "counted"}} if counts else document

    @model_validator(mode="before")  # before the one above: pydantic calls the last of these first
    @classmethod
    def _without_skies(cls, document: Any) -> Any:
        return free_points.without_skies(document)

    @model_validator(mode="after")
    def _tilted_trials_to_count(self) -> Self:
        if self.scan.survival == "counted" and self.background.tail == "none":
            text = "found counted, which needs tilted trials; write background: {tail: tilted}, or survival: hybrid"
            refuse(("scan.survival", text))
        return self

    @model_validator(mode="after")
    def _its_points(self) -> Self:
        refuse(*free_points.spec_faults(self))
        return self

    @model_validator(mode="after")
    def _a_background_for_every_ring(self) -> Self:
        refuse(*angles.grid_faults(self))
        return self

    @model_validator(mode="after")
    def _who_reads_the_data(self) -> Self:
        refuse(*engines.faults(self))
        return self

    @model_validator(mode="after")
    def _something_to_reach(self) -> Self:
        goals = (self.goal.sensitivity_error, self.goal.discovery_error, self.goal.local_sigma)
        if self.adaptive.max_rounds and goals == (None, None, None):
            text = "found rounds, but no goal that they could reach; write e.g. goal: {sensitivity_error: 0.03}"
            refuse(("adaptive", text))
        return self

    @model_validator(mode="after")
    def _strata_are_read(self) -> Self:
        if self.signal.strata and self.sensitivity.method != "strata":
            text = f"found {self.sensitivity.method}, which cannot mix exact numbers of events; write method: strata"
            refuse(("sensitivity.method", f"{text}, or leave out signal.strata"))
        return self

    @model_validator(mode="after")
    def _angles(self) -> Self:
        """A p-value is interpolated between background declinations and never extrapolated; angles are degrees."""
        refuse(*angles.faults(self))
        return self

    @model_validator(mode="after")
    def _countable(self) -> Self:
        refuse(*size_limits.faults(self))
        return self

    @property
    def signal_decs(self) -> tuple[float, ...]:
        """Declinations of the signal trials, in degrees, increasing; each has background trials too."""
        return _values(self.signal.dec_deg) or self.background.decs

    @property
    def signal_points(self) -> tuple[Point, ...]:
        """Points with signal trials, in the order of the plan."""
        if self.signal.dec_deg is None:
            return self.all_points
        chosen = frozenset(self.signal_decs)
        return tuple(at for at in self.all_points if at.dec_deg in chosen)

    @property
    def notes(self) -> tuple[str, ...]:
        """Warnings about values that are allowed."""
        note = self.scan.unit_note()
        return () if note is None or self.small_angles else (f"scan: {note}",)

    @property
    def all_points(self) -> tuple[Point, ...]:
        """Points with background and signal trials, in the order of the plan."""
        if self.hypothesis.kind == "points":
            return free_points.all_points(self.points, self.signal.extension_deg)
        return self.scan.points(self.background.decs, self.signal.extension_deg)

    def at(self, dec_deg: float) -> Point:
        """Point of a declination (deg), on the background grid or not."""
        return declination(dec_deg, levels.decimals(self.background.decs), self.signal.extension_deg)

    def point_of(self, args: Mapping[str, Any]) -> Point:
        """Point of the arguments of a task, which are the address of its node in the plan.

        Raises
        ------
        SpecError
            The spec has no point of that name.
        """
        if "point" not in args:
            return self.at(args["dec"])
        point = free_points.named(self.points, args["point"], self.signal.extension_deg)
        if point is None:
            names = ", ".join(at.folder.name for at in self.all_points[:12])
            raise SpecError(f"--point={args['point']}: the spec has no such point; it has {names or 'none'}")
        return point

    @property
    def healpix(self) -> HealpixScan:
        """The scan, if it is one of the whole sky; else SpecError is raised."""
        if isinstance(self.scan, HealpixScan):
            return self.scan
        raise SpecError(f"this analysis scans no whole sky: there is no map; scan.kind is {self.scan.kind}")


def _maps(section: Any) -> map_defaults.Rings | None:
    """Return nsides and range of a raw scan section; None if it is no map, or wrong."""
    try:
        scan = HealpixScan.model_validate(section)
    except ValidationError:
        return None
    return (scan.nside, scan.map_nside or scan.nside), scan.dec_min_deg, scan.dec_max_deg
