"""Sections of the spec about trials and their statistics: likelihood, background, signal, sensitivity."""

from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from worker.base.task_rows import DISTRIBUTIONS, REPORT, SENSITIVITY, SIG_TRIALS, TAIL_TRIALS
from worker.spec import levels, map_defaults, tilts
from worker.spec.fields import (
    Affects,
    Count,
    Fraction,
    Model,
    Number,
    Whole,
    refuse,
    require_distinct_names,
)
from worker.spec.grid import DecGrid, DecRange, Gammas, NSigList, NSigmas
from worker.spec.reference import Reference
from worker.spec.spectra import Energy, FittedGamma, Index, SpectralBreak, fitted_faults
from worker.spec.tilts import Tilts

CUT = Affects("how streams are cut into files: the trials are the same, the files are not", decides="nothing")
MORE = Affects("more or fewer trials of the same streams")
DECS = Affects("declinations: files of the others stay")
DECISION = Affects(decision=True)


Extension = Annotated[Number, Field(ge=0, le=10)]


class Likelihood(Model):
    """Bounds and cuts of the fit: unbinned, ns >= 0; gamma is free, fixed, or has a prior."""

    affects = Affects("every fit: all trials", identity=True)
    gamma: FittedGamma = "free"
    gamma_min: Index = 1.0
    gamma_max: Index = 4.0
    gamma_step: Annotated[Number, Field(ge=0.01, le=0.0625)] = 0.0625
    cut_n_sigma: Annotated[Number, Field(ge=3, le=10)] = 5.0
    sigma_floor_deg: Annotated[Number, Field(gt=0, le=5)] = 0.2
    sigma_max_deg: Annotated[Number, Field(gt=0, le=15)] = 5.0
    extension_deg: Extension = 0.0
    psf: Literal["gaussian", "response"] = "response"

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
        refuse(*faults, *fitted_faults(self.gamma, self.gamma_min, self.gamma_max))
        return self


class Background(Model):
    """Background trials on a declination grid."""

    dec_deg: Annotated[DecGrid | None, DECS] = "rings"
    n_trials: Annotated[Count, MORE] = map_defaults.N_TRIALS
    trials_per_file: Annotated[Count, CUT] = 10000
    tail: Annotated[
        Literal["none", "tilted"],
        Affects("tilted trials for the tail of TS: results are made again", again=(DISTRIBUTIONS,), decision=True),
    ] = "tilted"
    n_tail_trials: Annotated[Count, MORE] = tilts.N_TRIALS
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
        return grid_values(self.dec_deg)


def grid_values(grid: Any) -> tuple[float, ...]:
    """Return the declinations of a grid; none without one, and for rings of an invalid scan section."""
    if isinstance(grid, DecRange):
        return grid.values()
    return grid if isinstance(grid, tuple) else ()


class Signal(Model):
    """Signal trials: injected spectra, and the grids of declinations and n_sig."""

    affects = Affects("what is injected: all signal trials", identity=True, trials=(SIG_TRIALS,))
    gamma: Gammas = 2.0
    cutoff_tev: Energy | None = None
    break_at: SpectralBreak | None = None
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
    reference: Annotated[
        Reference | None, Affects("a curve in the figure of sensitivities", decides="nothing", again=(REPORT,))
    ] = None

    @property
    def nsigmas(self) -> tuple[float, ...]:
        """The discovery thresholds, increasing."""
        return self.discovery_nsigma if isinstance(self.discovery_nsigma, tuple) else (self.discovery_nsigma,)

    @property
    def top_nsigma(self) -> float:
        """The highest discovery threshold: what `discovery` in the results means."""
        return self.nsigmas[-1]
