"""`lbray analyze` on two trained cells: tables, figures, and the page from disk."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch
from small_cells import small_cell

import analysis.stored_maps
from analysis import maps
from lbray.cli import main
from lbray.spec import Experiment
from lbray.store import Store
from lbray.training import run_cell


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    made = Store(str(tmp_path_factory.mktemp("analyze") / "store"))
    cells = [
        small_cell(max_epochs=2, seed=seed, loss=loss, **{"lambda": lam})
        for loss, lam in (("baseline", 0.0), ("latent_boost", 0.5))
        for seed in (0, 1)
    ]
    for cell in cells[:3]:
        assert run_cell(cell, made).done
    made.record_experiment(
        Experiment(name="pair", description="Is <b>it</b> better?", blocks=({},)), cells
    )
    return made


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], store: Store):
    def run(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["lbray", "analyze", *words, "--store", store.location])
        with pytest.raises(SystemExit) as exit_:
            main()
        torch.set_num_threads(1)
        out, err = capsys.readouterr()
        return exit_.value.code, out, err

    return run


def test_a_report_tells_shows_and_names_what_is_missing_and_maps_nothing_twice(
    call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    code, out, err = call("pair", "--out", str(tmp_path))
    assert code == 0
    assert "report.html" in err
    for line in (
        "measuring 1 of 3: digits cnn baseline λ=0 seed=0",
        "measuring 3 of 3: digits cnn latent_boost λ=0.5 seed=0",
        "comparing the cells' latents",
        "drawing the UMAP map of digits cnn latent_boost λ=0.5 seed=0",
        "drawing the figures",
    ):
        assert line in err.splitlines()
        assert line not in out
    assert "open it in a browser" in err
    html = (tmp_path / "report.html").read_text()
    assert "Is &lt;b&gt;it&lt;/b&gt; better?" in html
    assert "digits, cnn: 3 finished cells of 2 treatments and 2 seeds." in html
    assert "1 cell of the experiment is missing, failed or damaged" in html
    assert "it has no result yet" in html
    assert "from one seed, which has no interval" in html
    assert '"title":"latent_boost, λ = 0.5"' in html
    assert '"UMAP":{"points":' in html
    names = {path.stem for path in (tmp_path / "figures").iterdir()}
    assert names == {
        "maps-1",
        "maps-2",
        "lambda-response",
        "differences-test-accuracy",
        "differences-silhouette",
        "epochs",
        "training",
        "components",
        "class-distances",
        "silhouettes",
    }
    assert len(list((tmp_path / "figures").glob("*.pdf"))) == len(names)
    monkeypatch.setattr(
        analysis.stored_maps, "draw_map", lambda *_: pytest.fail("it was mapped again")
    )
    code, _, err = call("pair", "--out", str(tmp_path))
    assert code == 0
    assert "measuring" not in err
    assert (tmp_path / "report.html").read_text() == html


def test_a_damaged_map_is_made_anew(store: Store):
    settings = maps.MapSettings("tsne", paper_mode=True)
    cell_id = store.experiment_cell_ids("pair")[0]
    sha256 = store.result(cell_id).weights_sha256
    first = analysis.stored_maps.stored_map(store, cell_id, sha256, settings)
    path = Path(store.location) / "cells" / cell_id / "map-tsne-paper.safetensors"
    path.write_bytes(path.read_bytes()[:-4])
    again = analysis.stored_maps.stored_map(store, cell_id, sha256, settings)
    assert (again.points == first.points).all()
    assert again.trustworthiness == first.trustworthiness


def test_maps_are_left_out_on_request_and_a_large_page_is_warned_of(
    call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("analysis.report.LARGE", 100_000)
    code, _, err = call("pair", "--out", str(tmp_path), "--maps", "none")
    assert code == 0
    assert "is larger than 0 MB, and slow to open and send" in err
    html = (tmp_path / "report.html").read_text()
    assert 'id="panels"' not in html
    assert not (tmp_path / "figures" / "maps-1.png").exists()
    assert (tmp_path / "figures" / "silhouettes.png").exists()


def test_maps_that_there_are_not_are_refused(call):
    code, _, err = call("pair", "--maps", "some")
    assert code == 2
    assert "'some' is not one of 'chosen', 'all', 'none'" in err
