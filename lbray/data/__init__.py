"""Datasets: whole, in memory, as uint8; and their stratified splits."""

from lbray.data.dataset import Dataset
from lbray.data.decoded_file import pack
from lbray.data.prepared import prepared
from lbray.data.received import receive
from lbray.data.registry import (
    CatalogueRow,
    catalogue,
    check_name,
    fetch,
    load,
    names,
    verify,
    where,
)
from lbray.data.splits import Split, Splits, split

__all__ = [
    "CatalogueRow",
    "Dataset",
    "Split",
    "Splits",
    "catalogue",
    "check_name",
    "fetch",
    "load",
    "names",
    "pack",
    "prepared",
    "receive",
    "split",
    "verify",
    "where",
]
