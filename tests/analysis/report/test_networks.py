"""What the report looks into of a cell."""

from __future__ import annotations

from stored_cells import with_all_weights

import analysis
from analysis.maps import MapSettings
from analysis.report.networks import networks
from lbray.spec import Cell
from lbray.store import Store


def test_latents_that_collapsed_to_a_point_have_no_map(trained: Store, trained_cells: list[Cell]):
    with_all_weights(trained, trained_cells[0], 0.0)
    frame = analysis.load(trained, "two")
    summary = analysis.summarise(frame)
    (shown,) = networks(trained, frame, summary, "chosen", [MapSettings("tsne")])
    assert shown.seed == 0
    assert (shown.silhouettes == 0).all()
    assert shown.maps == {}
