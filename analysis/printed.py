"""Printed tables of results, read from CSV with their digits as they were printed."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path

from lbray.errors import InputError

_IMPROVEMENT = "printed_improvement"
_NAMING = {"lambda", "seed", "n"}
"""Columns that hold numbers but say what a row is of."""
_LAYOUTS = (
    "the columns X_mean (and X_std) for each metric X; or metric, mean (and std) and variant; or a "
    "column per variant and printed_improvement"
)


@dataclass(frozen=True)
class Number:
    """A number of a table.

    Attributes:
        row: what its row or group of rows is of, such as ``fashion_mnist``.
        variant: which of the compared ones it is of.
        metric: such as ``accuracy`` (in percent), ``f1`` (a fraction), ``epochs``.
        mean: with the digits that were printed.
        deviation: its standard deviation, where one is printed.
    """

    row: str
    variant: str
    metric: str
    mean: Decimal
    deviation: Decimal | None

    @property
    def label(self) -> str:
        """Where it stands in the table."""
        return " ".join(part for part in (self.row, self.variant) if part)


@dataclass(frozen=True)
class Improvement:
    """A printed change from one number to another.

    Attributes:
        reference: the number that is changed from.
        variant: the number that is changed to.
        percent: as printed.
    """

    reference: Number
    variant: Number
    percent: Decimal


@dataclass(frozen=True)
class Printed:
    """A printed table: its numbers, and the changes that it claims."""

    numbers: list[Number]
    improvements: list[Improvement]


def read(path: Path) -> Printed:
    """Read a table in one of three layouts.

    1. A row per case: ``X_mean`` and perhaps ``X_std`` for each metric X; other columns name the
       row.
    2. A row per number: ``metric``, ``variant``, ``mean`` and perhaps ``std``; other columns name
       the row.
    3. A column per variant, most of whose cells are numbers, and ``printed_improvement``; other
       columns name the row.

    In 2 and 3, ``printed_improvement`` is of the last variant against the first;
    ``printed_improvement_A_vs_B`` is of A against B, and there may be several. The columns
    ``lambda``, ``seed`` and ``n`` always name the row.

    Raises:
        InputError: the file cannot be read, has no such layout, or a cell is not a number.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            rows = list(reader)
            columns = list(reader.fieldnames or [])
    except (OSError, UnicodeDecodeError, csv.Error) as problem:
        reason = getattr(problem, "strerror", None) or "it is not a CSV file in UTF-8"
        raise InputError(f"cannot read the table {path}: {reason}.") from None
    table = _Table(path, columns, rows)
    if any(column.endswith("_mean") for column in columns):
        layout = table.by_case
    elif {"metric", "mean"} <= set(columns):
        layout = table.by_number
    elif any(column.startswith(_IMPROVEMENT) for column in columns):
        layout = table.by_variant
    else:
        raise InputError(f"{path} has the columns {', '.join(columns)}; it must have {_LAYOUTS}.")
    for line, row in enumerate(rows, start=2):
        if None in row or None in row.values():
            extra = row.pop(None, [])
            cells = sum(each is not None for each in row.values()) + len(extra)
            raise InputError(
                f"{path}, line {line} has {cells} cells, but must have {len(columns)}, one per "
                "column of the header."
            )
    found = layout()
    if not found.numbers:
        raise InputError(
            f"{path} has no rows of numbers, but must have at least one below its header."
        )
    return found


@dataclass(frozen=True)
class _Table:
    path: Path
    columns: list[str]
    rows: list[dict[str, str]]

    def by_case(self) -> Printed:
        for column in self._improvements:
            raise InputError(
                f"{self.path} has the column {column}, but with columns X_mean it is not said of "
                "which variants and metric it is; give a row per number, with metric, variant and "
                "mean."
            )
        metrics = [name.removesuffix("_mean") for name in self.columns if name.endswith("_mean")]
        of_metrics = {f"{metric}_{part}" for metric in metrics for part in ("mean", "std")}
        names = [name for name in self.columns if name not in of_metrics]
        numbers = [
            Number(
                _words(row, names),
                "",
                metric,
                self._number(line, row, f"{metric}_mean", metric),
                self._deviation(line, row, f"{metric}_std", metric),
            )
            for line, row in enumerate(self.rows, start=2)
            for metric in metrics
        ]
        return Printed(numbers, [])

    def by_number(self) -> Printed:
        used = {"metric", "variant", "mean", "std", *self._improvements}
        names = [name for name in self.columns if name not in used]
        groups: dict[tuple[str, str], list[Number]] = {}
        claims: dict[tuple[str, str, str], Decimal] = {}
        for line, row in enumerate(self.rows, start=2):
            number = Number(
                _words(row, names),
                row.get("variant", ""),
                row["metric"],
                self._number(line, row, "mean", row["metric"]),
                self._deviation(line, row, "std", row["metric"]),
            )
            groups.setdefault((number.row, number.metric), []).append(number)
            for column, percent in self._percentages(line, row):
                claims[number.row, number.metric, column] = percent
        improvements = [
            found
            for (*group, column), percent in claims.items()
            if (found := self._claim(groups[group[0], group[1]], column, percent)) is not None
        ]
        return Printed([number for group in groups.values() for number in group], improvements)

    def by_variant(self) -> Printed:
        variants = [
            name
            for name in self.columns
            if name not in {*_NAMING, *self._improvements}
            and 2 * sum(_is_number(row[name]) for row in self.rows) > len(self.rows)
        ]
        names = [name for name in self.columns if name not in {*variants, *self._improvements}]
        numbers, improvements = [], []
        for line, row in enumerate(self.rows, start=2):
            group = [
                Number(_words(row, names), name, "value", self._number(line, row, name), None)
                for name in variants
            ]
            numbers += group
            for column, percent in self._percentages(line, row):
                claim = self._claim(group, column, percent)
                improvements += [] if claim is None else [claim]
        return Printed(numbers, improvements)

    @property
    def _improvements(self) -> list[str]:
        return [name for name in self.columns if name.startswith(_IMPROVEMENT)]

    def _percentages(self, line: int, row: dict[str, str]) -> list[tuple[str, Decimal]]:
        """The columns of changes that are filled in a row, and what each says."""
        return [
            (column, self._number(line, row, column))
            for column in self._improvements
            if row[column].strip()
        ]

    def _claim(self, group: list[Number], column: str, percent: Decimal) -> Improvement | None:
        by_variant = {number.variant: number for number in group}
        asked = column.removeprefix(_IMPROVEMENT).removeprefix("_")
        variant, _, reference = asked.partition("_vs_")
        if not asked:
            variant, reference = group[-1].variant, group[0].variant
        for name in (variant, reference):
            if name not in by_variant:
                raise InputError.unknown(
                    f"variant in the column {column} of {self.path}", name, by_variant
                )
        if variant == reference:
            return None
        return Improvement(by_variant[reference], by_variant[variant], percent)

    def _deviation(
        self, line: int, row: dict[str, str], column: str, metric: str
    ) -> Decimal | None:
        return self._number(line, row, column, metric) if row.get(column, "").strip() else None

    def _number(self, line: int, row: dict[str, str], column: str, metric: str = "") -> Decimal:
        text = row[column]
        if not _is_number(text):
            raise InputError(
                f"{self.path}, line {line}: {column} is '{text}', but must be a number."
            )
        if "f1" in metric and "%" in text:
            raise InputError(
                f"{self.path}, line {line}: {column} is '{text}', but an F1 must be a fraction, "
                "from 0 to 1."
            )
        return _decimal(text)


def _words(row: dict[str, str], names: list[str]) -> str:
    return " ".join(f"λ={row[name]}" if name == "lambda" else row[name] for name in names)


def _decimal(text: str) -> Decimal:
    return Decimal(text.strip().removesuffix("%").replace("−", "-"))


def _is_number(text: str) -> bool:
    try:
        return _decimal(text).is_finite()
    except InvalidOperation:
        return False
