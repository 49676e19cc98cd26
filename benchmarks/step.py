"""Where a training step's time goes, and how near it is to what the device can do.

    python benchmarks/step.py [--backbones cnn vgg16 resnet50] [--losses baseline latent_boost]
        [--precisions float32 bfloat16] [--batch 128] [--steps 10] [--threads 1]

Each part of the step is timed by itself, the device waited for after it: data (a batch of bytes
gathered and normalised), forward, loss, backward, optimiser; "host" is what the whole step takes
less their sum. Beside it stand what the device is measured to reach: the rate of a large matrix
product in the same precision, and the bandwidth of a large copy. Operations are counted by torch's
own counter, convolutions and products only. Runs on a GPU where there is one.
"""

from __future__ import annotations

import argparse
import platform
import statistics
import time
from collections.abc import Callable

import torch
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

from lbray import backbones, losses

SHAPES = {"cnn": (1, 28, 28, 10), "vgg16": (3, 32, 32, 10), "resnet50": (3, 32, 32, 100)}
PARTS = ("data", "forward", "loss", "backward", "optimiser")
LAMBDA = 0.5


class Clock:
    """Seconds that end when the device has done its work."""

    def __init__(self, device: str) -> None:
        self._device = device
        self._last = 0.0

    def start(self) -> None:
        """Begin to count."""
        self._wait()
        self._last = time.perf_counter()

    def lap(self) -> float:
        """Seconds since the last call of either."""
        self._wait()
        now = time.perf_counter()
        taken, self._last = now - self._last, now
        return taken

    def _wait(self) -> None:
        if self._device == "cuda":
            torch.cuda.synchronize()


def best_of(run: Callable[[], object], clock: Clock, rounds: int = 5) -> float:
    """The shortest seconds of a call."""
    run()
    taken = []
    for _ in range(rounds):
        clock.start()
        run()
        taken.append(clock.lap())
    return min(taken)


def matrix_rate(device: str, dtype: torch.dtype, clock: Clock) -> float:
    """Operations per second of a large matrix product."""
    size = 8192 if device == "cuda" else 1024
    left, right = (torch.randn(size, size, device=device).to(dtype) for _ in range(2))
    return 2 * size**3 / best_of(lambda: left @ right, clock)


def bandwidth(device: str, clock: Clock) -> float:
    """Bytes per second of a large copy, read and written."""
    source = torch.ones(2**26, device=device)
    target = torch.empty_like(source)
    return 2 * source.nbytes / best_of(lambda: target.copy_(source), clock)


def step_parts(
    backbone: str, loss_name: str, precision: str, batch: int, steps: int, device: str
) -> tuple[dict[str, float], float]:
    """Median seconds per step of each part and of the whole step, and the step's operations."""
    channels, height, width, classes = SHAPES[backbone]
    torch.manual_seed(0)
    model = backbones.build(backbone, classes, channels).to(device).train()
    latent = backbones.latent_width(model.cpu(), (channels, height, width))
    model = model.to(device)
    loss = None
    if loss_name != "baseline":
        params = losses.fitted(loss_name, {}, num_classes=classes, embedding_size=latent)
        loss = losses.build(loss_name, **params).to(device)
    optimizer = torch.optim.Adam(model.parameters(), fused=True)
    stored = torch.randint(0, 256, (4096, channels, height, width), dtype=torch.uint8)
    stored = stored.to(device).contiguous(memory_format=torch.channels_last)
    labels = torch.randint(0, classes, (4096,), device=device)
    clock, found = Clock(device), {part: [] for part in PARTS}

    def data(rows: torch.Tensor) -> torch.Tensor:
        return stored[rows].float().sub_(128).mul_(1 / 64)

    def forward(images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        with torch.autocast(device, torch.bfloat16, enabled=precision == "bfloat16"):
            latents, logits = model(images)
        return latents.float(), logits.float()

    def total(latents: torch.Tensor, logits: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
        cross_entropy = functional.cross_entropy(logits, truth)
        if loss is None:
            return cross_entropy
        return LAMBDA * loss(latents, truth) + (1 - LAMBDA) * cross_entropy

    def step(record: bool) -> None:
        rows = torch.randint(0, 4096, (batch,), device=device)
        marks: list[float] = []

        def mark() -> None:
            if record:
                marks.append(clock.lap())

        if record:
            clock.start()
        images = data(rows)
        mark()
        outputs = forward(images)
        mark()
        value = total(*outputs, labels[rows])
        mark()
        optimizer.zero_grad()
        value.backward()
        mark()
        optimizer.step()
        mark()
        for part, seconds in zip(PARTS, marks, strict=False):
            found[part].append(seconds)

    with FlopCounterMode(display=False) as counter:
        step(record=False)
    for _ in range(steps):
        step(record=True)
    whole = []
    for _ in range(steps):
        clock.start()
        step(record=False)
        whole.append(clock.lap())
    parts = {part: statistics.median(seconds) for part, seconds in found.items()}
    return parts | {"step": statistics.median(whole)}, float(counter.get_total_flops())


def main() -> None:
    """Print the device's rates, and a row per backbone, loss and precision."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--backbones", nargs="*", default=list(SHAPES), choices=SHAPES)
    parser.add_argument("--losses", nargs="*", default=["baseline", "latent_boost"])
    parser.add_argument("--precisions", nargs="*", default=["float32", "bfloat16"])
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    clock = Clock(device)
    name = torch.cuda.get_device_name() if device == "cuda" else platform.machine()
    rates = {
        precision: matrix_rate(device, getattr(torch, precision), clock)
        for precision in options.precisions
    }
    print(f"{name}, {options.threads} threads, torch {torch.__version__}, batch {options.batch}")
    for precision, rate in rates.items():
        print(f"matrix product in {precision}: {rate / 1e12:.3f} TFLOP/s")
    print(f"copy: {bandwidth(device, clock) / 1e9:.1f} GB/s")
    print("| backbone | loss | precision | samples/s | of the matrix rate |", end="")
    print(" data | forward | loss | backward | optimiser | host |")
    print("|---|---|---|---:|---:|---:|---:|---:|---:|---:|---:|")
    for backbone in options.backbones:
        for loss in options.losses:
            for precision, rate in rates.items():
                parts, operations = step_parts(
                    backbone, loss, precision, options.batch, options.steps, device
                )
                whole = parts.pop("step")
                host = max(0.0, 1 - sum(parts.values()) / whole)
                shares = [*(seconds / whole for seconds in parts.values()), host]
                print(
                    f"| {backbone} | {loss} | {precision} | {options.batch / whole:.0f} | "
                    f"{operations / whole / rate:.0%} | "
                    + " | ".join(f"{share:.1%}" for share in shares)
                    + " |"
                )


if __name__ == "__main__":
    main()
