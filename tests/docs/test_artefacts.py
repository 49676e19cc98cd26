"""What the page says is in a store is what is there."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from rich.console import Console
from safetensors import safe_open
from small_cells import small_cell

import analysis
from analysis.maps import MapSettings
from analysis.stored_maps import stored_map
from lbray import data
from lbray.monitor import Board, Display
from lbray.planning import Placement, plan
from lbray.spec import SCHEMA, Cell, Experiment
from lbray.store import Lease, Result, Store
from lbray.store.claims import LEASE_S
from lbray.sweep.journal import Journal
from lbray.training import run_cell

PAGE = (Path(__file__).parents[2] / "docs" / "artefacts.md").read_text(encoding="utf-8")
CELL = small_cell(max_epochs=2, loss="latent_boost", **{"lambda": 0.5})


class Interrupting:
    def epoch(self, metrics: object) -> bool:
        return True


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> tuple[Store, set[str]]:
    """A store with everything in it, and the names of all files that were ever there."""
    store = Store(str(tmp_path_factory.mktemp("artefacts") / "results"))
    seen: set[str] = set()

    def look() -> None:
        root = Path(store.location)
        seen.update(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())

    run_cell(CELL, store, reporter=Interrupting())
    with Lease(store.files) as lease:
        lease.claim(CELL.id)
        look()
        lease.release(CELL.id)
    store.datasets.push(data.load("digits"))
    declared = Experiment(name="mine", blocks=({},))
    store.record_experiment(declared, [CELL])
    display = Display(Board(), Console(quiet=True))
    journal = Journal(store.event_log("mine"), Board(), display, "0123456789ab")
    journal.sweep_started(plan([CELL], store), Placement("actor", "cpu", 1), [])
    journal.cell_started(CELL)
    result = run_cell(CELL, store)
    journal.epoch(CELL, store.cell(CELL.id).history()[-1])
    journal.cell_held(CELL, "another")
    for status in ("done", "failed", "pruned"):
        journal.cell_ended(CELL, Result(**(result.model_dump() | {"status": status})))
    journal.sweep_ended(False)
    journal.sweep_ended(True)
    analysis.outputs(store, CELL.id, result.weights_sha256)
    stored_map(store, CELL.id, result.weights_sha256, MapSettings("tsne"))
    store.cell(CELL.id).write_scores({"weights_sha256": "", "version": 1}, {"test/nc1": 0.1})
    look()
    return store, seen


@pytest.fixture
def store(places: tuple[Store, set[str]]) -> Store:
    return places[0]


def section(heading: str) -> str:
    (found,) = re.findall(rf"^#+ {re.escape(heading)}\n(.*?)(?=^#|\Z)", PAGE, re.M | re.S)
    return found


def rows(text: str) -> list[list[str]]:
    lines = [line for line in text.splitlines() if line.startswith("| `")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def words(text: str) -> list[str]:
    return re.findall(r"`([^`]+)`", text)


def firsts(text: str) -> set[str]:
    return {word for row in rows(text) for word in words(row[0])}


def test_every_file_is_described_and_every_file_described_is_there(places):
    seen = places[1]
    described = firsts(section("Files"))
    patterns = {
        name: re.compile(re.sub(r"\b[A-Z]+\b", r"[A-Za-z0-9]+", re.escape(name)))
        for name in described
    }
    for name in seen:
        assert any(pattern.fullmatch(name) for pattern in patterns.values()), name
    for name, pattern in patterns.items():
        assert any(map(pattern.fullmatch, seen)), name


def test_the_keys_of_each_file_are_those_that_are_described(store: Store):
    def written(name: str) -> dict:
        return json.loads(store.files.read(name))

    cell = f"cells/{CELL.id}"
    spec = written(f"{cell}/spec.json")
    assert set(spec) == firsts(section("`spec.json`"))
    assert f"now {SCHEMA};" in section("`spec.json`")
    history = store.cell(CELL.id).history()
    assert set(history[0]) == firsts(section("`history.jsonl`"))
    result = written(f"{cell}/result.json")
    keys, metrics, provenance = re.split(
        r"^\| (?:metric|provenance) \|", section("`result.json`"), flags=re.M
    )
    assert set(result) == firsts(keys)
    assert set(result["metrics"]) == firsts(metrics)
    assert set(result["provenance"]) == firsts(provenance)
    assert set(written("experiments/mine.json")) == {"name", "description", "cells"}
    for name in written("experiments/mine.json"):
        assert f"`{name}`" in section("`experiments/NAME.json`")
    with Lease(store.files) as lease:
        assert set(written(f"sweeps/{lease.id}.json")) <= set(words(section("Claims")))
        assert lease.claim(CELL.id) is None
        assert store.files.read(f"claims/{CELL.id}-{lease.id}.json") == b"{}"
        lease.release(CELL.id)
    assert f"{LEASE_S:g} s ahead" in section("Claims")
    scores, tensor_files = written(f"{cell}/scores.json"), section("Tensor files")
    record = next(name for name in store.files.list("datasets") if name.endswith(".json"))
    described = set(words(tensor_files))
    assert {*scores, *scores["key"], *written(f"datasets/{record}")} <= described


def test_the_tensors_of_each_file_are_those_that_are_described(store: Store, tmp_path: Path):
    described = {words(row[0])[0]: row[1:] for row in rows(section("Tensor files"))}
    assert set(described) == {"best", "resume", "outputs", "map"}
    again = Store(str(tmp_path))
    learning = small_cell(loss="pml:ProxyAnchorLoss", **{"lambda": 0.5})
    run_cell(learning, again, reporter=Interrupting())
    tensors, state = again.cell(learning.id).resume(1)
    assert {f"{name.split('.')[0]}." for name in tensors} == {
        word.replace("INDEX", "").split(".")[0] + "." for word in words(described["resume"][0])
    }
    assert sorted(state) == words(described["resume"][1])
    assert sorted(store.cell(CELL.id).best()[1]) == words(described["best"][1])
    for path in (Path(store.location) / "cells" / CELL.id).glob("*.safetensors"):
        with safe_open(path, "pt") as file:
            assert list(file.metadata()) == ["lbray"]
            checksum, state = json.loads(file.metadata()["lbray"])
            kind = path.stem.split("-")[0]
            if kind in ("outputs", "map"):
                assert sorted(file.keys()) == words(described[kind][0])
                assert "weights_sha256" in json.loads(state)
        assert re.fullmatch("[0-9a-f]{64}", checksum)
    copy = next((Path(store.location) / "datasets").glob("*.safetensors"))
    with safe_open(copy, "pt") as file:
        assert set(file.keys()) <= set(words(section("Tensor files")))
        assert set(json.loads(file.metadata()["dataset"])) <= set(words(section("Tensor files")))


def test_every_event_is_described_with_what_it_holds(store: Store):
    of_all, of_cells = {"time", "event", "sweep"}, {"cell", "label", "loss", "lambda", "seed"}
    described = {words(row[0])[0]: set(words(row[1])) for row in rows(section("Events"))}
    events = {event["event"]: set(event) - of_all for event in store.event_log("mine").read()}
    about_cells = {name for name in events if not name.startswith("sweep_")}
    assert all(events[name] >= of_cells for name in about_cells)
    assert described == {
        name: keys - (of_cells if name in about_cells else set()) for name, keys in events.items()
    }
    assert of_all | of_cells <= set(words(section("Events")))


def test_a_checkpoint_is_read_without_lbray_as_printed(store: Store):
    (example,) = re.findall(r"^```python\n(.*?)^```$", PAGE, re.M | re.S)
    assert len(list(filter(None, example.splitlines()))) == 6
    program = example.replace("ID", CELL.id) + (
        "print(sorted(weights), weights['head.2.bias'].shape)\n"
        "import sys; assert not {'lbray', 'analysis'} & set(sys.modules)\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program],
        cwd=Path(store.location).parent,
        capture_output=True,
        text=True,
        check=True,
    )
    assert f"{sorted(store.cell(CELL.id).best()[0])} torch.Size([10])" in ran.stdout


def test_the_id_is_made_as_the_page_says(store: Store):
    spec = json.loads(store.files.read(f"cells/{CELL.id}/spec.json"))
    content = {"schema": spec["schema"], **spec["settings"]}
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    assert hashlib.sha256(text.encode()).hexdigest().startswith(spec["id"])
    assert Cell.resolved(spec["settings"]).id == spec["id"]
