"""Effects of the keys of the spec, from their `worker.spec.fields.Affects`."""

from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from typing import Any, Literal, get_args

from worker.spec.fields import Affects, Model
from worker.spec.sections import Spec


@cache
def of(key: str) -> Affects | None:
    """Return the effect of a key such as ``scan.n_skies``; None if neither it nor its section declares one.

    A key without text takes `text` and `again` from its section.
    """
    effect: Affects | None = None
    models: tuple[type[Model], ...] = (Spec,)
    for word in key.split("."):
        fields = [model.by_key()[word] for model in models if word in model.by_key()]
        models = tuple(model for field in fields for model in _models(field.annotation))
        marks = [mark for field in fields for mark in field.metadata if isinstance(mark, Affects)]
        for own in [*marks, *(model.affects for model in models if model.affects)][:1]:
            effect = own if own.text or effect is None else replace(own, text=effect.text, again=effect.again)
    return effect


@cache
def keys(flag: Literal["identity", "decision"]) -> dict[str, set[str]]:
    """Return the keys of each section whose effect has a flag; an empty set for a single value."""
    flagged = {}
    for section in Spec.model_fields:
        chosen = {key for key in of_section(section) if getattr(of(f"{section}.{key}"), flag, False)}
        if chosen or (not of_section(section) and getattr(of(section), flag, False)):
            flagged[section] = chosen
    return flagged


def of_section(section: str) -> tuple[str, ...]:
    """Return the keys of all kinds of a section; none for a single value."""
    models = _models(Spec.model_fields[section].annotation)
    return tuple(dict.fromkeys(key for model in models for key in model.by_key()))


def identity() -> Iterator[str]:
    """Yield the keys on which every trial depends; the section itself if all its keys do."""
    for section, chosen in keys("identity").items():
        every = of_section(section)
        yield from [section] if len(chosen) == len(every) else (f"{section}.{k}" for k in every if k in chosen)


def _models(annotation: Any) -> Iterator[type[Model]]:
    """Yield the models in an annotation, such as those of a union."""
    if isinstance(annotation, type) and issubclass(annotation, Model):
        yield annotation
    for part in get_args(annotation):
        yield from _models(part)


def address(section: str, values: Model) -> dict[str, Any]:
    """Return the values of a section on which trials depend.

    What older versions did not have is left out where its value is theirs. Strata are trials with exact numbers of
    events: ``poisson`` is false, and what becomes of them is no part of it.
    """
    data = values.model_dump(mode="json", include=keys("identity")[section])
    if data.pop("strata", False):
        data["poisson"] = False
    old = {"extension_deg": 0.0, "psf": "gaussian", "gamma": "free", "break_at": None}
    return {key: value for key, value in data.items() if key not in old or value != old[key]}
