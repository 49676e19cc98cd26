from __future__ import annotations

from pathlib import Path

import pytest

from lbray import spec
from lbray.errors import InputError

EXPERIMENTS = Path(__file__).parents[2] / "experiments"


def load(tmp_path: Path, text: str, **overrides: object) -> spec.Experiment:
    path = tmp_path / "trial.yaml"
    path.write_text(text)
    return spec.load(path, overrides)


@pytest.mark.parametrize(
    ("name", "cells"),
    [("quickstart", 15), ("table2", 195), ("table3", 180), ("table4", 60), ("paper", 1005)],
)
def test_the_experiments_that_come_with_lbray_have_the_papers_size(name: str, cells: int):
    experiment = spec.load(EXPERIMENTS / f"{name}.yaml")
    assert experiment.name == name
    assert len(experiment.cells()) == cells


def test_the_papers_tables_are_parts_of_its_whole_grid():
    whole = {cell.id for cell in spec.load(EXPERIMENTS / "paper.yaml").cells()}
    for table in ("table2", "table3", "table4"):
        assert {cell.id for cell in spec.load(EXPERIMENTS / f"{table}.yaml").cells()} <= whole


def test_lists_are_axes_and_blocks_add_up(tmp_path: Path):
    experiment = load(
        tmp_path,
        """
        settings: {dataset: digits, seed: [0, 1]}
        blocks:
          - loss: baseline
          - {loss: [magnet, triplet], lambda: [0.25, 0.5], learning_rate: [1e-3, 1e-4]}
        """,
    )
    cells = experiment.cells()
    assert len(cells) == 2 + 2 * 2 * 2 * 2
    assert {cell.learning_rate for cell in cells} == {1e-3, 1e-4}
    assert experiment.name == "trial"


def test_loss_parameters_may_be_axes_too(tmp_path: Path):
    cells = load(
        tmp_path,
        """
        settings: {dataset: digits, seed: 0, lambda: 0.5}
        blocks: [{loss: [{name: triplet, margin: [0.05, 0.2]}, magnet]}]
        """,
    ).cells()
    assert [cell.loss_label for cell in cells] == ["triplet", "triplet(margin=0.2)", "magnet"]


def test_lambda_zero_is_one_baseline_per_dataset_and_seed(tmp_path: Path):
    cells = load(
        tmp_path,
        """
        settings: {seed: [0, 1], dataset: [digits, fashion_mnist]}
        blocks:
          - {loss: [magnet, triplet, latent_boost], lambda: [0, 0.5]}
          - {loss: baseline}
        """,
    ).cells()
    assert sum(cell.is_baseline for cell in cells) == 4
    assert len(cells) == 4 + 3 * 4


def test_a_longer_grid_keeps_the_ids_of_the_shorter(tmp_path: Path):
    text = "settings: {{dataset: digits, seed: [0, 1]}}\nblocks: [{{loss: magnet, lambda: {}}}]"
    short = {cell.id for cell in load(tmp_path, text.format("[0.25]")).cells()}
    long = {cell.id for cell in load(tmp_path, text.format("[0.25, 0.5]")).cells()}
    assert short < long


def test_overrides_reach_every_block(tmp_path: Path):
    text = "settings: {seed: 0}\nblocks: [{dataset: cifar10}, {dataset: digits, batch_size: 64}]"
    cells = load(tmp_path, text, dataset="fashion_mnist", seed=[4, 5], name="other").cells()
    assert {(cell.dataset, cell.seed) for cell in cells} == {
        ("fashion_mnist", 4),
        ("fashion_mnist", 5),
    }


BLOCK = "blocks: [{{dataset: digits, {}}}]"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (BLOCK.format("seed: [0, 1, 1]"), "seed: 1 stands twice in [0, 1, 1]"),
        (
            BLOCK.format("seed: 0, lambda: [0.25, 0.5]"),
            "block 1: lambda is [0.25, 0.5], but no loss is named that it could weigh",
        ),
        (BLOCK.format("seed: 0, lambda: []"), "lambda is an empty list, so the grid has no cells"),
        (BLOCK.format("seed: 0, lamda: 0.5"), "unknown setting 'lamda'; did you mean 'lambda'?"),
        (BLOCK.format("seed: 0, seed: 1"), "the key 'seed' stands twice"),
        ("blocks:\n  - loss: [a, b\n  - x: 1\n", "not valid YAML: line 3, column 6: while parsing"),
        (BLOCK.format("seed: 0, loss: magnet, lambda: [0.5, 1.5]"), "block 1: lambda is 1.5"),
        (BLOCK.format("seed: 0, loss: {margin: 0.1}"), "needs its 'name'"),
        (BLOCK.format("loss: magnet, lambda: 0.5"), "seed is missing"),
        (BLOCK.format("seed: !!python/object:os.system x"), "not valid YAML"),
        (BLOCK.format("seed: !!int x"), "not valid YAML"),
        ("name: 2024-02-30\nblocks: [{dataset: digits, seed: 0}]", "not valid YAML"),
        (BLOCK.format("seed: 0, lambda: 0.5, loss: {name: triplet, 0.2}"), "in which 0.2 stands"),
        ("blocks: []", "blocks is [], but must be a list of at least one block"),
        ("settings: {seed: 0}", "blocks is None"),
        ("blocks: [digits]", "block 1 is 'digits'"),
        ("seed: 0\nblocks: [{dataset: digits}]", "settings of cells stand under 'settings'"),
        ("name: ../x\nblocks: [{dataset: digits, seed: 0}]", "name is '../x'"),
        ("- a\n- b", "must map 'blocks' to a list"),
        ("a: [", "not valid YAML"),
    ],
)
def test_a_wrong_experiment_is_one_sentence(tmp_path: Path, text: str, sentence: str):
    with pytest.raises(InputError) as problem:
        load(tmp_path, text)
    assert sentence in str(problem.value)
    assert "\n" not in str(problem.value)


def test_a_file_that_is_not_there_is_named(tmp_path: Path):
    with pytest.raises(InputError, match=r"nowhere\.yaml: No such file"):
        spec.load(tmp_path / "nowhere.yaml")


def test_a_mapping_may_be_merged_into_others(tmp_path: Path):
    text = (
        "settings: &digits {dataset: digits, max_epochs: 3}\n"
        "blocks: [{<<: *digits, seed: 0, max_epochs: 5}]\n"
    )
    (cell,) = load(tmp_path, text).cells()
    assert (cell.dataset, cell.max_epochs) == ("digits", 5)
