"""The audit finds what is wrong with the paper's tables, and nothing in tables that are right."""

from __future__ import annotations

import itertools
from decimal import Decimal
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest

from analysis import printed
from analysis.audit import Check, audit
from analysis.grim import _sums_of_squares, has_deviation, totals
from lbray.errors import InputError

PAPER = Path(str(files("analysis") / "paper_tables"))


def audited(path: Path, runs: int = 5) -> dict[str, Check]:
    return {check.name.split(" (")[0]: check for check in audit(printed.read(path), runs)}


@pytest.mark.parametrize(
    ("table", "wrong", "rows"), [("table2_losses", 32, 39), ("table3_lambda", 32, 33)]
)
def test_the_papers_micro_f1_is_not_its_accuracy(table: str, wrong: int, rows: int):
    check = audited(PAPER / f"{table}.csv")["micro-F1 against accuracy"]
    assert (len(check.findings), check.examined) == (wrong, rows)
    if rows == 39:
        assert any("contrast λ=0.25 cifar100: accuracy 61.04%" in each for each in check.findings)


def test_one_of_the_papers_percentages_is_not_of_its_own_numbers():
    check = audited(PAPER / "table4_summary.csv")["printed percentages"]
    assert check.examined == 9
    (finding,) = check.findings
    assert finding.startswith("cifar100 epochs: -20.74% is printed for 86.67 → 68.67")
    assert audited(PAPER / "table5_silhouette.csv")["printed percentages"].findings == []


def test_five_runs_cannot_give_the_papers_epochs_but_three_can():
    check = audited(PAPER / "table4_summary.csv")["means of 5 whole numbers"]
    assert (len(check.findings), check.examined) == (12, 12)
    by_three = [each for each in check.findings if " 3 (with the population SD)" in each]
    assert len(by_three) == 9
    assert not any("no_pca" in each for each in by_three)
    three = audited(PAPER / "table4_summary.csv", runs=3)
    assert len(three["means of 3 whole numbers"].findings) == 3
    deviations = three["standard deviations of 3 whole numbers"]
    assert (len(deviations.findings), deviations.examined) == (9, 9)
    assert all("of a population (ddof 0)" in each for each in deviations.findings)


@pytest.mark.parametrize("runs", [3, 5])
@pytest.mark.parametrize("ddof", [0, 1])
def test_nothing_is_found_in_a_table_of_real_numbers(tmp_path: Path, runs: int, ddof: int):
    generator = np.random.default_rng(runs + ddof)
    lines = ["dataset,variant,metric,mean,std,printed_improvement"]
    for dataset in range(8):
        accuracy = generator.integers(5000, 9900, size=(2, runs)) / 10_000
        epochs = generator.integers(20, 45, size=(2, runs))
        for metric, values, digits in (
            ("accuracy", 100 * accuracy, 2),
            ("f1", accuracy, 4),
            ("epochs", epochs, 2),
        ):
            means, deviations = values.mean(axis=1), values.std(axis=1, ddof=ddof)
            change = f"{100 * (means[1] - means[0]) / means[0]:.2f}%"
            for variant, mean, deviation in zip("ab", means, deviations, strict=True):
                cells = f"{mean:.{digits}f},{deviation:.{digits}f},{change}"
                lines.append(f"set{dataset},{variant},{metric},{cells}")
    path = tmp_path / "table.csv"
    path.write_text("\n".join(lines))
    checks = audited(path, runs)
    assert [check.examined for check in checks.values()] == [16, 24, 16, 16]
    wrong = [each for check in checks.values() for each in check.findings]
    assert [each for each in wrong if "of a population (ddof 0)" not in each] == []
    assert bool(wrong) == (ddof == 0)


@pytest.mark.parametrize(
    ("text", "examined", "wrong"),
    [
        ("dataset,lambda,a,b,printed_improvement\nx,0.5,0.50,0.55,10%\ny,1,0.40,0.44,10%\n", 2, 0),
        ("dataset,seed,n,a,b,printed_improvement\nx,3,5,0.50,0.55,10%\n", 1, 0),
        ("d,a,b,printed_improvement_b_vs_a,printed_improvement_a_vs_b\nx,2.0,3.0,50%,50%\n", 2, 1),
        (
            "metric,variant,mean,printed_improvement_b_vs_a,printed_improvement_a_vs_b\n"
            "f1,a,2.0,50%,50%\nf1,b,3.0,50%,50%\n",
            2,
            1,
        ),
    ],
)
def test_every_printed_change_is_of_its_own_numbers(
    tmp_path: Path, text: str, examined: int, wrong: int
):
    path = tmp_path / "table.csv"
    path.write_text(text)
    check = audited(path)["printed percentages"]
    assert (check.examined, len(check.findings)) == (examined, wrong)


@pytest.mark.parametrize(
    ("metric", "whole"),
    [("epochs", True), ("nr_epochs", True), ("epochs_best", True), ("seconds_per_epoch", False)],
)
def test_only_numbers_of_epochs_are_whole(tmp_path: Path, metric: str, whole: bool):
    path = tmp_path / "table.csv"
    path.write_text(f"dataset,{metric}_mean,{metric}_std\nx,12.34,0.55\n")
    assert ("means of 5 whole numbers" in audited(path)) == whole


def test_possible_means_and_deviations_are_those_of_every_list_of_numbers():
    seen = {}
    for numbers in itertools.combinations_with_replacement(range(8), 3):
        for ddof in (0, 1):
            seen.setdefault((sum(numbers), ddof), set()).add(round(np.std(numbers, ddof=ddof), 6))
    for (total, ddof), deviations in seen.items():
        if not 9 <= total <= 12:
            continue  # of other totals some lists have numbers below 0 or above 7
        for hundredths in range(280):
            tried = Decimal(f"{hundredths / 100:.2f}")
            inside = any(abs(float(tried) - each) <= 0.005 for each in deviations)
            assert has_deviation(total, 3, tried, ddof) == inside, (total, ddof, tried)
    for n in range(1, 8):
        for hundredths in range(300):
            tried = Decimal(f"{hundredths / 100:.2f}")
            expected = [t for t in range(50) if abs(t / n - hundredths / 100) <= 0.005 + 1e-12]
            assert totals(tried, n) == expected


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("a,b\n1,2\n", "has the columns a, b; it must have"),
        ("a_mean\nx\n", "line 2: a_mean is 'x', but must be a number"),
        ("a_mean,b\n1\n", "line 2 has 1 cells, but must have 2"),
        ("a_mean\n", "has no rows of numbers"),
        ("", "has the columns"),
        ("metric,mean,variant,printed_improvement_x_vs_y\nf1,1,a,2%\n", "unknown variant"),
    ],
)
def test_a_table_that_cannot_be_read_is_named(tmp_path: Path, text: str, sentence: str):
    path = tmp_path / "table.csv"
    path.write_text(text)
    with pytest.raises(InputError, match=sentence):
        printed.read(path)


@pytest.mark.parametrize(
    ("table", "sentence"),
    [
        (
            "dataset,a,b,printed_improvement\nx,0.3,0.4,33%\ny,0.3,n/a,0%\nz,0.3,0.4,33%\n",
            "line 3: b is 'n/a', but must be a number.",
        ),
        (
            "dataset,accuracy_mean,f1_mean\nx,88.59,88.59%\n",
            "line 2: f1_mean is '88.59%', but an F1 must be a fraction, from 0 to 1.",
        ),
        (
            "dataset,accuracy_mean,printed_improvement\nx,88.59,2.5%\n",
            "has the column printed_improvement, but with columns X_mean it is not said",
        ),
    ],
)
def test_what_would_be_misread_is_refused(tmp_path: Path, table: str, sentence: str):
    (tmp_path / "table.csv").write_text(table)
    with pytest.raises(InputError) as refused:
        printed.read(tmp_path / "table.csv")
    assert sentence in str(refused.value)


@pytest.mark.parametrize("total", [0, 1, 2])
def test_five_whole_numbers_have_any_large_sum_of_squares_of_their_parity(total: int):
    """What is taken for granted where there would be too many to try."""
    squares = _sums_of_squares(total, 5, 1_000)
    found = [square for square in range(20, 1_001) if squares >> square & 1]
    assert found == [square for square in range(20, 1_001) if square % 2 == total % 2]


def test_large_deviations_are_checked_in_no_time():
    assert has_deviation(7602, 5, Decimal("310.25"), 1)
    assert has_deviation(7602, 2, Decimal("310.25"), 1)
    odd, even = (Decimal(square) / 5 for square in (500_001, 500_002))
    for square, possible in ((odd, False), (even, True)):
        deviation = square.sqrt().quantize(Decimal("1e-9"))
        assert has_deviation(0, 5, deviation, 0) == possible
