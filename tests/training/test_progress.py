from __future__ import annotations

from lbray.training.progress import Progress


def after(accuracies: list[float]) -> Progress:
    progress = Progress()
    for accuracy in accuracies:
        progress.add({"val/acc": accuracy, "time/epoch_s": 2.0})
    return progress


def test_the_best_epoch_is_the_first_of_the_best():
    progress = after([0.5, 0.7, 0.6, 0.7])
    assert (progress.best_epoch, progress.best_accuracy) == (1, 0.7)
    assert progress.epochs == 4
    assert progress.seconds == 8.0


def test_patience_counts_epochs_since_the_best():
    assert not after([0.5, 0.7] + [0.6] * 19).exhausted(max_epochs=100, patience=20)
    assert after([0.5, 0.7] + [0.6] * 20).exhausted(max_epochs=100, patience=20)


def test_all_epochs_are_enough():
    assert not after([0.1, 0.2]).exhausted(max_epochs=3, patience=20)
    assert after([0.1, 0.2, 0.3]).exhausted(max_epochs=3, patience=20)


def test_it_survives_json():
    progress = after([0.5, 0.7])
    assert Progress(**progress.to_json()) == progress
