"""Whether the numbers of a printed table can be true together.

Each check needs the table alone. A finding is not an accusation: it says that some number, or what
the text says about it, is not as printed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

from analysis.grim import has_deviation, rounding, totals
from analysis.printed import Improvement, Number, Printed

_COUNTS = range(2, 11)
"""Numbers of runs that are tried as an explanation."""

_EPOCHS = re.compile(r"(nr_)?epochs|epochs[_/].+")
"""Metrics that are whole numbers in each run."""


@dataclass(frozen=True)
class Check:
    """One question, put to all numbers of a table that it is a question for.

    Attributes:
        name: a short title.
        meaning: what it means if a number fails.
        examined: how many were looked at.
        findings: a sentence for each that failed.
    """

    name: str
    meaning: str
    examined: int
    findings: list[str]


def audit(table: Printed, runs: int = 5) -> list[Check]:
    """All checks of a table; those that find nothing to look at are left out.

    Args:
        table: from `analysis.printed.read`.
        runs: over how many runs its means are said to be.
    """
    checks = (
        _micro_f1(table.numbers),
        _percentages(table.improvements),
        _grim(table.numbers, runs),
        _deviations(table.numbers, runs),
    )
    return [check for check in checks if check.examined]


def _micro_f1(numbers: list[Number]) -> Check:
    accuracies = {number.label: number for number in numbers if number.metric == "accuracy"}
    pairs = [
        (accuracies[number.label], number)
        for number in numbers
        if number.metric in {"f1", "f1_micro", "micro_f1"} and number.label in accuracies
    ]
    findings = []
    for accuracy, f1 in pairs:
        gap = abs(Fraction(accuracy.mean) - 100 * Fraction(f1.mean))
        allowed = rounding(accuracy.mean) + 100 * rounding(f1.mean)
        if gap > allowed:
            findings.append(
                f"{accuracy.label}: accuracy {accuracy.mean}%, micro-F1 {f1.mean}: "
                f"{float(gap):.2f} points apart; rounding allows {float(allowed):.2f}."
            )
    return Check(
        "micro-F1 against accuracy",
        "With one label per image every error is one false positive and one false negative, so "
        "micro-F1 is accuracy. Where the two differ by more than rounding, the F1 is another one "
        "(macro, weighted), or the two are not of the same runs.",
        len(pairs),
        findings,
    )


def _percentages(improvements: list[Improvement]) -> Check:
    findings = []
    for claim in improvements:
        bounds = _bounds(claim)
        if bounds is None:
            continue
        low, high = bounds
        half = rounding(claim.percent)
        if Fraction(claim.percent) + half < low or Fraction(claim.percent) - half > high:
            reference, variant = claim.reference, claim.variant
            findings.append(
                f"{reference.row} {reference.metric}: {claim.percent}% is printed for "
                f"{reference.mean} → {variant.mean}, which give {float(low):.3f}% to "
                f"{float(high):.3f}%."
            )
    return Check(
        "printed percentages",
        "A relative change is recomputed from the two printed numbers, each anywhere within its "
        "rounding. Outside these bounds it was not made from these numbers.",
        len(improvements),
        findings,
    )


def _bounds(claim: Improvement) -> tuple[Fraction, Fraction] | None:
    """The least and largest change in percent of the reference's size; None if that may be 0."""
    before, after = Fraction(claim.reference.mean), Fraction(claim.variant.mean)
    step_before, step_after = rounding(claim.reference.mean), rounding(claim.variant.mean)
    if abs(before) <= step_before:
        return None
    changes = [
        100 * (end - start) / abs(start)
        for start in (before - step_before, before + step_before)
        for end in (after - step_after, after + step_after)
    ]
    return min(changes), max(changes)


def _grim(numbers: list[Number], runs: int) -> Check:
    counts = _whole(numbers)
    findings = [
        f"{number.label}: {runs} whole numbers cannot have the mean {number.mean}; "
        f"{_explained(number)}."
        for number in counts
        if not totals(number.mean, runs)
    ]
    return Check(
        f"means of {runs} whole numbers (GRIM)",
        "Epochs are whole, so their mean over n runs is a multiple of 1/n. Where no multiple "
        "rounds to the printed mean, it is not over n runs.",
        len(counts),
        findings,
    )


def _deviations(numbers: list[Number], runs: int) -> Check:
    counts = [
        number
        for number in _whole(numbers)
        if number.deviation is not None and totals(number.mean, runs)
    ]
    findings = []
    for number in counts:
        ways = _ways(number, runs)
        if not ways:
            findings.append(
                f"{number.label}: {runs} whole numbers of mean {number.mean} cannot have the "
                f"standard deviation {number.deviation}, of a population or of a sample."
            )
        elif ways == [0]:
            findings.append(
                f"{number.label}: {number.deviation} is the standard deviation of a population "
                f"(ddof 0); that of a sample of {runs} is {_sample(number, runs):.2f}."
            )
    return Check(
        f"standard deviations of {runs} whole numbers",
        "Where the mean is possible, its deviation is tried with n (a population's, ddof 0) and "
        "n − 1 (a sample's, ddof 1) in the denominator. "
        "A population's is too small for what a reader takes it for: the spread of runs.",
        len(counts),
        findings,
    )


def _whole(numbers: list[Number]) -> list[Number]:
    """Numbers of epochs; not what else is of epochs, such as seconds per epoch."""
    return [number for number in numbers if _EPOCHS.fullmatch(number.metric)]


def _ways(number: Number, runs: int) -> list[int]:
    """The ddof with which so many whole numbers can give both mean and deviation."""
    assert number.deviation is not None
    return [
        ddof
        for ddof in (0, 1)
        if any(
            has_deviation(total, runs, number.deviation, ddof)
            for total in totals(number.mean, runs)
        )
    ]


def _explained(number: Number) -> str:
    """Which numbers of runs can give what is printed."""
    possible = []
    for runs in _COUNTS:
        if not totals(number.mean, runs):
            continue
        if number.deviation is None:
            possible.append(str(runs))
        elif ways := _ways(number, runs):
            kinds = " or ".join({0: "population", 1: "sample"}[ddof] for ddof in ways)
            possible.append(f"{runs} (with the {kinds} SD)")
    return f"{', '.join(possible)} can" if possible else f"nor can 2 to {_COUNTS[-1]} with its SD"


def _sample(number: Number, runs: int) -> Decimal:
    """A population's deviation as a sample's."""
    assert number.deviation is not None
    return number.deviation * (Decimal(runs) / (runs - 1)).sqrt()
