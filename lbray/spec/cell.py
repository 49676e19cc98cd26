"""A cell: one training, identified by the hash of everything that can change its result."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from functools import cache, cached_property, lru_cache
from typing import Any, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    model_validator,
)

from lbray import backbones, data, losses
from lbray.errors import InputError
from lbray.losses import Scalar

SCHEMA = 2
"""Version of the settings' meaning. It is part of every id."""

BASELINE = "baseline"

PAPER_BACKBONES = {
    "digits": "cnn",
    "fashion_mnist": "cnn",
    "cifar10": "vgg16",
    "cifar100": "resnet50",
}
"""The backbone of a dataset when none is named: §3.3 of the paper, and its smallest for digits."""

_BALANCE = {"lambda_schedule": "constant", "lambda_step": None, "loss_learning_rate_factor": 1.0}
"""Settings of the distance loss's weight and of what it learns, as the baseline has them."""

OF_THE_BASELINE: dict[str, Any] = {
    "loss": BASELINE,
    "loss_params": {},
    "lambda": 0.0,
    "warmup_epochs": 0,
    **_BALANCE,
}
"""What the baseline has, whatever was written."""

DEFAULT_STEP = 0.5

_SPLIT_SETTINGS = ("validation_fraction", "split_seed", "train_size", "test_size")


class Cell(BaseModel):
    """The settings of one training, resolved: no default is left to be filled in later.

    Two ways to say the same training give the same cell: λ = 0 is the baseline whatever the loss,
    the baseline has λ = 0 whatever was written, settings that act only with another one have their
    default without it, and parameters that were left out stand with their defaults. Each field's
    description is what it may be, and is quoted when it is not.

    Attributes:
        dataset: what is trained and tested on.
        backbone: the network between images and latents, with its head.
        loss: the distance loss beside the cross-entropy; the baseline has none.
        loss_params: the distance loss's parameters. In a file they stand beside its name, as in
            `loss: {name: triplet, margin: 0.2}`, and each may be a list.
        lam: λ, the distance loss's share: L = λ·L_dist + (1 − λ)·L_CE. At 0 the cell is the
            baseline, whatever the loss.
        warmup_epochs: epochs at the start in which λ is 0.
        lambda_schedule: how λ goes over the epochs after the warm-up. Linear and cosine rise from
            0 to λ, step leaps to it, learned begins at it and weights both parts by what they
            learn.
        lambda_step: the share of the epochs after the warm-up that lies before the leap.
        loss_learning_rate_factor: times learning_rate, for what the loss learns itself: proxies,
            centres, the learned balance.
        seed: decides the initial weights, the order of batches and dropout. The loss and λ do not
            enter these, so cells of one seed are pairs.
        max_epochs: the most epochs that are trained.
        patience: after so many epochs without a better validation accuracy the training ends.
        plateau_patience: epochs without a better validation accuracy that are borne before the
            learning rate falls.
        plateau_factor: what the learning rate is multiplied by when it falls.
        batch_size: images per step.
        learning_rate: Adam's, at the start.
        precision: of the network's arithmetic; losses stay in float32.
        validation_fraction: the share of the training images that is kept for validation, drawn
            stratified.
        split_seed: decides which images these are, and which ones the two sizes draw.
        train_size: how many training images there are, validation included, drawn stratified.
        test_size: how many test images there are, drawn stratified.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    dataset: str = Field(description="the name of a dataset")
    backbone: str = Field(description="the name of a backbone")
    loss: str = Field(description="the name of a loss")
    loss_params: dict[str, Scalar] = Field(description="a mapping of the loss's parameters")
    lam: float = Field(alias="lambda", ge=0, le=1, description="a number from 0 to 1")
    warmup_epochs: int = Field(ge=0, description="a whole number from 0, below max_epochs")
    lambda_schedule: Literal["constant", "linear", "cosine", "step", "learned"] = Field(
        "constant", description="constant, linear, cosine, step or learned"
    )
    lambda_step: float | None = Field(
        None, gt=0, lt=1, description="a number between 0 and 1, for lambda_schedule step"
    )
    loss_learning_rate_factor: float = Field(
        1.0, gt=0, lt=1e6, description="a number above 0, below a million"
    )
    seed: int = Field(ge=0, lt=2**63, description="a whole number from 0, below 2⁶³")
    max_epochs: int = Field(100, ge=1, description="a whole number from 1")
    patience: int = Field(20, ge=1, description="a whole number of epochs from 1")
    plateau_patience: int = Field(10, ge=1, description="a whole number of epochs from 1")
    plateau_factor: float = Field(0.2, gt=0, lt=1, description="a number between 0 and 1")
    batch_size: int = Field(128, ge=2, description="a whole number from 2")
    learning_rate: float = Field(1e-3, gt=0, le=10, description="a number above 0, at most 10")
    precision: Literal["float32", "bfloat16"] = Field(
        "float32", description="float32 or bfloat16 (autocast)"
    )
    validation_fraction: float = Field(
        0.1, gt=0, lt=1, description="a number between 0 and 1, neither of them included"
    )
    split_seed: int = Field(0, ge=0, lt=2**32, description="a whole number from 0 to 2³² − 1")
    train_size: int | None = Field(
        None, ge=2, description="null for all, or how many training images to draw, from 2"
    )
    test_size: int | None = Field(
        None, ge=2, description="null for all, or how many test images to draw, from 2"
    )

    @classmethod
    def of(cls, **settings: Any) -> Self:
        """The cell of these settings (λ under its own name, ``lambda``).

        Raises:
            InputError: a setting is unknown, missing or not allowed.
        """
        return cls.from_mapping(settings)

    @classmethod
    def from_mapping(cls, settings: Mapping[str, Any]) -> Self:
        """As `of`, from a mapping such as a parsed JSON object."""
        return cls._validated(settings, resolved=False)

    @classmethod
    def resolved(cls, settings: Mapping[str, Any]) -> Self:
        """The cell whose `settings` these are.

        Nothing is filled in, and nothing that they name is looked up or imported: they may be a
        stranger's.

        Raises:
            InputError: they are not such settings.
        """
        return cls._validated(settings, resolved=True)

    @classmethod
    def _validated(cls, settings: Mapping[str, Any], *, resolved: bool) -> Self:
        for name in settings:
            if name not in cls.field_names():
                raise InputError.unknown("setting", name, cls.field_names())
        try:
            return cls.model_validate(settings, context={"resolved": resolved})
        except ValidationError as problem:
            raise InputError(cls._sentence(problem)) from None

    @model_validator(mode="before")
    @classmethod
    def _resolve(cls, given: dict[str, Any], info: ValidationInfo) -> dict[str, Any]:
        if info.context is not None and info.context["resolved"]:
            return given
        settings = dict(given)
        dataset = settings.get("dataset")
        if isinstance(dataset, str):
            data.check_name(dataset)
            if "backbone" not in settings and dataset in PAPER_BACKBONES:
                settings["backbone"] = PAPER_BACKBONES[dataset]
        if isinstance(settings.get("backbone"), str):
            backbones.check_name(settings["backbone"])
        loss, params = settings.setdefault("loss", BASELINE), settings.get("loss_params", {})
        if not isinstance(loss, str) or not isinstance(params, Mapping):
            return settings
        if loss != BASELINE:
            settings["loss_params"] = dict(_resolved_params(loss, _as_json(params)))
        elif params:
            raise InputError(f"loss_params is {dict(params)}, but the baseline has no parameters.")
        if loss == BASELINE or _is_zero(settings.get("lambda")):
            return settings | OF_THE_BASELINE
        if settings.get("warmup_epochs") is None:
            settings["warmup_epochs"] = _default_warmup(loss, settings.get("max_epochs", 100))
        schedule = settings.setdefault("lambda_schedule", "constant")
        if schedule == "step" and settings.get("lambda_step") is None:
            settings["lambda_step"] = DEFAULT_STEP
        if schedule != "step" and _is_between(settings.get("lambda_step"), 0, 1):
            settings["lambda_step"] = None
        factor = settings.get("loss_learning_rate_factor")
        if schedule != "learned" and _is_between(factor, 0, 1e6):
            learns = _learns(loss, _as_json(settings["loss_params"]))
            settings["loss_learning_rate_factor"] = factor if learns else 1.0
        return settings

    @model_validator(mode="after")
    def _leaves_epochs_for_the_loss(self) -> Self:
        if self.warmup_epochs >= self.max_epochs:
            raise InputError(
                f"warmup_epochs is {self.warmup_epochs}, but must be below max_epochs "
                f"({self.max_epochs}), or {self.loss} would never act."
            )
        epochs = self.max_epochs - self.warmup_epochs
        if self.lambda_step is not None and epochs - 1 < self.lambda_step * epochs:
            raise InputError(
                f"lambda_step is {self.lambda_step:g}, but must leave at least one of the {epochs} "
                f"epochs after the warm-up, or {self.loss} would never act."
            )
        if self.lambda_schedule == "learned" and self.lam == 1:
            raise InputError(
                "lambda is 1.0, but must be below 1 with lambda_schedule learned, which could "
                "never return to the cross-entropy."
            )
        return self

    @classmethod
    @lru_cache
    def field_names(cls) -> tuple[str, ...]:
        """Every setting's name, as it is written in YAML and JSON."""
        return tuple(field.alias or name for name, field in cls.model_fields.items())

    @classmethod
    def _sentence(cls, problem: ValidationError) -> str:
        first = problem.errors()[0]
        name, *inner = map(str, first["loc"])
        if name == "loss_params" and inner:
            return (
                f"loss_params: {inner[0]} is {first['input']!r}, but must be a number, text, true, "
                "false or null."
            )
        allowed = next(
            field.description
            for key, field in cls.model_fields.items()
            if name in (key, field.alias)
        )
        if first["type"] == "missing":
            return f"{name} is missing; it must be {allowed}."
        return f"{name} is {first['input']!r}, but must be {allowed}."

    @cached_property
    def settings(self) -> dict[str, Any]:
        """Every setting by its written name: the canonical form, JSON-ready."""
        return self.model_dump(by_alias=True)

    @cached_property
    def id(self) -> str:
        """16 hexadecimal digits: SHA-256 of the canonical settings and the schema's version."""
        canonical = json.dumps(
            {"schema": SCHEMA, **self.settings}, sort_keys=True, separators=(",", ":")
        )
        return hashlib.sha256(canonical.encode()).hexdigest()[:16]

    @property
    def split_settings(self) -> dict[str, Any]:
        """The settings that decide which images are trained, validated and tested on."""
        return {name: getattr(self, name) for name in _SPLIT_SETTINGS}

    @property
    def is_baseline(self) -> bool:
        """Whether this is the cross-entropy alone (λ = 0)."""
        return self.loss == BASELINE

    @property
    def loss_label(self) -> str:
        """The loss's name; in brackets its parameters that differ from their defaults (of a
        ``module:attribute``, all), and how it is weighted and learns, where that differs."""
        if self.is_baseline:
            return BASELINE
        defaults = losses.known_defaults(self.loss) | _BALANCE
        balance = {name: getattr(self, name) for name in _BALANCE}
        changed = [
            f"{name}={json.dumps(value).strip(chr(34))}"
            for name, value in (self.loss_params | balance).items()
            if value != defaults.get(name)
        ]
        return f"{self.loss}({', '.join(changed)})" if changed else self.loss

    @property
    def label(self) -> str:
        """A short name for people: what is trained on what, with which loss, λ and seed."""
        return f"{self.dataset} {self.backbone} {self.loss_label} λ={self.lam:g} seed={self.seed}"


def _is_zero(lam: object) -> bool:
    return isinstance(lam, (int, float)) and not isinstance(lam, bool) and lam == 0


def _is_between(value: object, low: float, high: float) -> bool:
    return type(value) in (int, float) and low < value < high  # type: ignore[operator]


def _default_warmup(loss: str, max_epochs: object) -> int:
    """The loss's own warm-up, but never more than a fifth of a short run."""
    warmup = losses.default_warmup_epochs(loss)
    return min(warmup, max(0, max_epochs // 5)) if isinstance(max_epochs, int) else warmup


def _as_json(params: Mapping[str, Any]) -> str:
    """Parameters as a key that tells 1 from 1.0 and from true, which are equal as values."""
    for name, value in params.items():
        if not isinstance(value, Scalar):
            raise InputError(f"loss_params: {name} is {value!r}, but must be a single value.")
    return json.dumps(params)


@cache
def _resolved_params(loss: str, given: str) -> dict[str, Any]:
    """All parameters of a loss, the defaults filled in and numbers of their defaults' kind.

    One that data and backbone decide stays None unless it was given. Building the loss once is
    what checks the names and the values.
    """
    params, defaults = json.loads(given), losses.parameters(loss)
    losses.trial(loss, params)
    return {name: _of_kind(defaults[name], value) for name, value in (defaults | params).items()}


@cache
def _learns(loss: str, params: str) -> bool:
    """Whether a loss has parameters that the optimiser moves, such as proxies."""
    return next(losses.trial(loss, json.loads(params)).parameters(), None) is not None


def _of_kind(default: Scalar, value: Scalar) -> Scalar:
    """The value, but 1 as 1.0 or 1.0 as 1 if the default says which: one training has one id."""
    if type(value) is int and isinstance(default, float):
        return float(value)
    if type(default) is int and isinstance(value, float) and value.is_integer():
        return int(value)
    return value
