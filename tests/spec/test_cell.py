from __future__ import annotations

import pytest
from pydantic import ValidationError
from torch import nn

from lbray.errors import InputError
from lbray.spec import Cell


def cell(**settings: object) -> Cell:
    return Cell.of(
        **{"dataset": "fashion_mnist", "loss": "magnet", "lambda": 0.5, "seed": 0, **settings}
    )


def test_the_id_is_known_and_stays():
    assert Cell.of(dataset="digits", seed=0, **{"lambda": 0.0}).id == "b7f10845100491cf"


def test_what_was_left_out_stands_in_the_settings():
    assert cell().settings["loss_params"] == {
        "alpha": 1.0,
        "hinge": False,
        "variance_grad": True,
        "clusters": 1,
    }
    assert cell().backbone == "cnn"
    assert cell() == cell(backbone="cnn", batch_size=128, loss_params={"alpha": 1})
    assert cell().id == cell(backbone="cnn", batch_size=128, loss_params={"alpha": 1}).id


def test_sizes_that_data_and_backbone_decide_are_left_open():
    proxies = cell(loss="pml:ProxyAnchorLoss", loss_params={"margin": 0.2})
    assert proxies.loss_params == {
        "num_classes": None,
        "embedding_size": None,
        "margin": 0.2,
        "alpha": 32,
    }
    assert proxies.loss_label == "pml:ProxyAnchorLoss(margin=0.2)"
    assert Cell.from_mapping(proxies.settings).id == proxies.id
    same = cell(loss="pml:ProxyAnchorLoss", loss_params={"margin": 0.2, "alpha": 32.0})
    assert same.id == proxies.id


PROXIES = {"loss": "pml:ProxyNCALoss"}


@pytest.mark.parametrize(
    "change",
    [
        {"dataset": "digits"},
        {"backbone": "resnet18"},
        {"loss": "triplet"},
        {"loss_params": {"alpha": 2.0}},
        {"lambda": 0.25},
        {"seed": 1},
        {"warmup_epochs": 2},
        {"max_epochs": 50},
        {"patience": 10},
        {"plateau_patience": 5},
        {"plateau_factor": 0.5},
        {"batch_size": 64},
        {"learning_rate": 1e-4},
        {"precision": "bfloat16"},
        {"validation_fraction": 0.2},
        {"split_seed": 1},
        {"train_size": 1000},
        {"test_size": 1000},
        {"lambda_schedule": "linear"},
        {"lambda_schedule": "step"},
        {"lambda_schedule": "learned"},
        {"lambda_step": 0.25, "lambda_schedule": "step"},
        {"loss_learning_rate_factor": 2.0, "lambda_schedule": "learned"},
    ],
    ids=lambda change: next(iter(change)),
)
def test_every_setting_enters_the_id(change: dict[str, object]):
    assert cell(**change).id != cell().id


def test_settings_that_act_only_with_another_enter_the_id_only_with_it():
    steps = [cell(lambda_schedule="step", **change) for change in ({}, {"lambda_step": 0.25})]
    assert steps[0].lambda_step == 0.5
    assert steps[0].id != steps[1].id
    assert cell(lambda_step=0.25).id == cell().id
    assert cell(loss_learning_rate_factor=10.0).id == cell().id
    assert cell(**PROXIES, loss_learning_rate_factor=10.0).id != cell(**PROXIES).id


def test_the_baseline_has_no_schedule():
    baseline = cell(**{"lambda": 0.0})
    for schedule in ("linear", "step", "learned"):
        given = {"lambda_schedule": schedule, "loss_learning_rate_factor": 3.0}
        assert cell(**given, **{"lambda": 0.0}).id == baseline.id
        assert cell(**given, loss="baseline").id == baseline.id


def test_all_settings_are_covered_by_the_test_above():
    assert len(Cell.field_names()) == 21


class Scaled(nn.Module):
    """A loss of a user's own, with a parameter whose default tells no kind, and one that no file
    can give."""

    def __init__(self, scale=None, dims: tuple[int, ...] = (1, 2)) -> None:
        super().__init__()


def test_what_was_seen_before_does_not_change_a_cell():
    ids = [
        cell(loss=f"{__name__}:Scaled", loss_params={"scale": scale}, **{"lambda": 0.5}).id
        for scale in (1, 1.0, True, 1)
    ]
    assert len(set(ids)) == 3
    assert ids[0] == ids[3]
    cell(loss="magnet", loss_params={"alpha": 1}, **{"lambda": 0.5})
    with pytest.raises(InputError, match="alpha is True, but must be a number"):
        cell(loss="magnet", loss_params={"alpha": True}, **{"lambda": 0.5})


def test_a_parameter_that_no_file_can_give_keeps_its_default():
    name = f"{__name__}:Scaled"
    assert cell(loss=name, **{"lambda": 0.5}).loss_params == {"scale": None}
    with pytest.raises(InputError, match=r"unknown parameter of the loss .* 'dims'"):
        cell(loss=name, loss_params={"dims": 3}, **{"lambda": 0.5})


def test_lambda_zero_is_the_baseline_whatever_the_loss():
    baseline = Cell.of(dataset="fashion_mnist", seed=0)
    assert baseline.is_baseline
    for loss in ("magnet", "latent_boost", "triplet"):
        assert cell(loss=loss, **{"lambda": 0}).id == baseline.id
    assert cell(loss="baseline", **{"lambda": 0.7}).id == baseline.id
    assert cell(loss="latent_boost", warmup_epochs=3, **{"lambda": 0.0}).id == baseline.id


def test_latent_boost_warms_up_for_five_epochs_but_at_most_a_fifth():
    assert cell(loss="latent_boost").warmup_epochs == 5
    assert cell(loss="latent_boost", max_epochs=12).warmup_epochs == 2
    assert cell(loss="latent_boost", max_epochs=3).warmup_epochs == 0
    assert cell(loss="magnet").warmup_epochs == 0


def test_settings_read_back_give_the_same_cell():
    original = cell(loss="latent_boost", loss_params={"pca_threshold": None}, train_size=5000)
    assert Cell.from_mapping(original.settings).id == original.id


def test_a_cell_cannot_be_changed():
    with pytest.raises(ValidationError):
        cell().seed = 3


def test_the_label_names_what_differs_from_the_defaults():
    assert cell().loss_label == "magnet"
    assert (
        cell(
            loss="latent_boost", loss_params={"pca_threshold": None, "beta": "exponent"}
        ).loss_label
        == "latent_boost(beta=exponent, pca_threshold=null)"
    )
    assert (
        cell(lambda_schedule="step", lambda_step=0.2).loss_label
        == "magnet(lambda_schedule=step, lambda_step=0.2)"
    )


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"lambda": 1.2}, "lambda is 1.2, but must be a number from 0 to 1."),
        ({"lambda": -0.1}, "lambda is -0.1, but must be a number from 0 to 1."),
        ({"lambda": float("nan")}, "lambda is nan, but must be a number from 0 to 1."),
        ({"lambda": "half"}, "lambda is 'half', but must be a number from 0 to 1."),
        ({"lambda": True}, "lambda is True, but must be a number from 0 to 1."),
        ({"seed": -1}, "seed is -1, but must be a whole number from 0, below 2⁶³."),
        ({"seed": 0.5}, "seed is 0.5, but must be a whole number from 0, below 2⁶³."),
        ({"seed": None}, "seed is None, but must be a whole number from 0, below 2⁶³."),
        ({"batch_size": 1}, "batch_size is 1, but must be a whole number from 2."),
        ({"precision": "fp16"}, "precision is 'fp16', but must be float32 or bfloat16 (autocast)."),
        ({"lamda": 0.5}, "unknown setting 'lamda'; did you mean 'lambda'?"),
        ({"loss": "magent"}, "unknown loss 'magent'; did you mean 'magnet'?"),
        ({"dataset": "fashion-mnist"}, "did you mean 'fashion_mnist'?"),
        ({"backbone": "vgg_16"}, "unknown backbone 'vgg_16'; did you mean 'vgg16'?"),
        ({"loss_params": {"alhpa": 1.0}}, "did you mean 'alpha'?"),
        ({"loss": "triplet", "loss_params": {"margin": -1.0}}, "margin"),
        ({"loss": "baseline", "loss_params": {"margin": 1.0}}, "the baseline has no parameters"),
        ({"warmup_epochs": 100}, "warmup_epochs is 100, but must be below max_epochs (100)"),
        (
            {"lambda_schedule": "linaer"},
            "lambda_schedule is 'linaer', but must be constant, linear",
        ),
        (
            {"lambda_schedule": "step", "lambda_step": 1.0},
            "lambda_step is 1.0, but must be a number between 0 and 1",
        ),
        ({"lambda_step": -1.0}, "lambda_step is -1.0, but must be a number between 0 and 1"),
        (
            {"lambda_schedule": "step", "lambda_step": 0.9, "max_epochs": 5},
            "lambda_step is 0.9, but must leave at least one of the 5 epochs after the warm-up",
        ),
        (
            {"lambda_schedule": "learned", "lambda": 1.0},
            "lambda is 1.0, but must be below 1 with lambda_schedule learned",
        ),
        (
            {"loss_learning_rate_factor": 0.0},
            "loss_learning_rate_factor is 0.0, but must be a number above 0",
        ),
        ({"loss": "pml:TripletMarginLoss", "loss_params": {"margin": -0.1}}, "margin is -0.1"),
        ({"dataset": "folder:photos"}, "backbone is missing"),
    ],
)
def test_a_wrong_setting_is_one_sentence_with_field_value_and_what_is_allowed(
    change: dict[str, object], sentence: str
):
    with pytest.raises(InputError) as problem:
        cell(**change)
    assert sentence in str(problem.value)
    assert "\n" not in str(problem.value)
