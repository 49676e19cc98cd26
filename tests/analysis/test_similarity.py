"""Cells are compared with their baseline and their other seeds, and no pair twice."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import analysis
from analysis.cka import linear_cka
from lbray.spec import Cell
from lbray.store import CellFiles, Store


def test_a_cell_is_compared_with_its_baseline_and_its_other_seeds(
    trained: Store, trained_cells: list[Cell], monkeypatch: pytest.MonkeyPatch
):
    frame = analysis.load(trained, "two")
    first, second = (
        analysis.outputs(trained, cell.id, sha256).latents
        for cell, sha256 in zip(trained_cells, frame["weights_sha256"], strict=True)
    )
    alike = linear_cka(first, second)
    assert 0 < alike < 1
    found = analysis.with_similarity(frame, trained)
    assert found["cka/seeds"].tolist() == pytest.approx([alike, alike])
    assert found["cka/baseline"].isna().all()

    # the second cell as if it were another loss's cell of the first one's seed
    other = frame.assign(loss=["baseline", "magnet"], loss_label=["baseline", "magnet"], seed=0)
    paired = analysis.with_similarity(other, trained)
    assert np.isnan(paired["cka/baseline"][0])
    assert paired["cka/baseline"][1] == pytest.approx(alike)
    assert paired["cka/seeds"].isna().all()

    monkeypatch.setattr(CellFiles, "outputs", lambda *_: pytest.fail("compared again"))
    pd.testing.assert_frame_equal(analysis.with_similarity(frame, trained), found)
    pd.testing.assert_frame_equal(analysis.with_similarity(found, trained), found)
