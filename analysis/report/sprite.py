"""All images of a split in one WebP picture, as tiles."""

from __future__ import annotations

import io
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

LARGEST_TILE = 32
"""Pixels: images that are larger are made smaller, for a page of bearable size."""

_LARGEST_SIDE = 16_383  # of a WebP picture
_QUALITY = 45


@dataclass(frozen=True)
class Sprite:
    """A picture of tiles, row by row.

    Attributes:
        webp: the file.
        tile: the side of a tile, in pixels.
        columns: tiles in a row.
    """

    webp: bytes
    tile: int
    columns: int


def sprite(images: NDArray[np.uint8]) -> Sprite:
    """Lay images out as tiles.

    Args:
        images: [N, C, H, W] with one or three channels (of others, the first is shown).

    Raises:
        ValueError: they do not fit into one picture.
    """
    count, channels, height, width = images.shape
    tile = min(LARGEST_TILE, max(height, width))
    columns = math.ceil(math.sqrt(count))
    if columns * tile > _LARGEST_SIDE:
        raise ValueError(f"{count} tiles of {tile} pixels do not fit into one WebP picture")
    rows = math.ceil(count / columns)
    shown = images if channels == 3 else images[:, :1].repeat(3, axis=1)
    picture = Image.new("RGB", (columns * tile, rows * tile))
    if (height, width) == (tile, tile):
        sheet = np.zeros((rows * columns, tile, tile, 3), dtype=np.uint8)
        sheet[:count] = shown.transpose(0, 2, 3, 1)
        laid = sheet.reshape(rows, columns, tile, tile, 3).swapaxes(1, 2)
        picture = Image.fromarray(laid.reshape(rows * tile, columns * tile, 3))
    else:
        for place, image in enumerate(shown):
            small = Image.fromarray(image.transpose(1, 2, 0))
            small.thumbnail((tile, tile))
            column, row = place % columns, place // columns
            picture.paste(small, (column * tile, row * tile))
    buffer = io.BytesIO()
    picture.save(buffer, "WEBP", quality=_QUALITY, method=4)
    return Sprite(buffer.getvalue(), tile, columns)
