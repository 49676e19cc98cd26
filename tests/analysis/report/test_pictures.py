"""The report's figures show every treatment that was tried."""

from __future__ import annotations

import matplotlib
import pandas as pd
from small_cells import small_cell

import analysis
from analysis.report.pictures import pictures


def test_treatments_that_differ_in_their_warm_up_are_all_shown():
    tried = [("baseline", 0.0, 0, 0.8), ("magnet", 0.5, 0, 0.7), ("magnet", 0.5, 2, 0.9)]
    rows = []
    for loss, lam, warmup, accuracy in tried:
        for seed in range(3):
            cell = small_cell(loss=loss, seed=seed, warmup_epochs=warmup, **{"lambda": lam})
            measured = accuracy + seed / 100 + lam * seed**2 / 100
            metrics = {"val/acc": measured, "test/acc": measured}
            rows.append({"id": cell.id, **cell.settings, "loss_label": cell.loss_label} | metrics)
    frame = pd.DataFrame(rows)
    made = {each.name: each for each in pictures(frame, analysis.summarise(frame), {}, [])}
    names = {"magnet, warm-up 0", "magnet, warm-up 2"}
    legend = made["lambda-response"].figure.legends[0].get_texts()
    assert names <= {text.get_text() for text in legend}
    shown = made["differences-test-accuracy"].figure.findobj(matplotlib.text.Text)
    texts = {text.get_text() for text in shown}
    assert names | {"−9.17", "+10.83"} <= texts
