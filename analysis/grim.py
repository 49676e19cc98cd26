"""Which means and standard deviations so many whole numbers can have."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from math import ceil, floor, isqrt

_TRIED = 5_000


def rounding(printed: Decimal) -> Fraction:
    """Half a unit of the last digit that is printed: how far the true number may be."""
    exponent = printed.as_tuple().exponent
    assert isinstance(exponent, int)  # of a finite number
    return Fraction(10) ** exponent / 2


def totals(mean: Decimal, n: int) -> list[int]:
    """Every total of n whole numbers whose mean may be printed so (GRIM, Brown and Heathers 2017);
    none, if there is no such mean.

    Args:
        mean: as printed; a number that ends in 5 may have been rounded either way.
        n: how many whole numbers.
    """
    low = (Fraction(mean) - rounding(mean)) * n
    high = (Fraction(mean) + rounding(mean)) * n
    return list(range(ceil(low), floor(high) + 1))


def has_deviation(total: int, n: int, deviation: Decimal, ddof: int) -> bool:
    """Whether n whole numbers of this total can have a standard deviation that is printed so.

    Squares that sum to more than `_TRIED` are not tried one by one: five numbers or more can have
    any such sum that is odd or even as their total is, and of fewer it is taken for granted.

    Args:
        total: of the numbers.
        n: how many.
        deviation: as printed.
        ddof: what is taken from n in the denominator: 0 for a population, 1 for a sample.
    """
    if n <= ddof:
        return False
    least = max(Fraction(deviation) - rounding(deviation), Fraction(0))
    most = Fraction(deviation) + rounding(deviation)
    centre = total // n
    rest = total - centre * n  # of the numbers less the centre, which are small
    offset = Fraction(rest * rest, n)
    low = ceil(least**2 * (n - ddof) + offset)
    high = floor(most**2 * (n - ddof) + offset)
    if high > _TRIED:
        return n < 5 or low < high or (low == high and low % 2 == rest % 2)
    squares = _sums_of_squares(rest, n, high) if high >= 0 else 0
    return bool(squares >> max(low, 0))


def _sums_of_squares(total: int, n: int, most: int) -> int:
    """Bit q is set if n whole numbers of this total can have squares that sum to q ≤ most."""
    largest, mask = isqrt(most), (1 << (most + 1)) - 1
    by_total = {0: 1}
    for _ in range(n):
        grown: dict[int, int] = {}
        for so_far, squares in by_total.items():
            for value in range(-largest, largest + 1):
                reached = (squares << (value * value)) & mask
                if reached:
                    grown[so_far + value] = grown.get(so_far + value, 0) | reached
        by_total = grown
    return by_total.get(total, 0)
