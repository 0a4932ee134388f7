"""
What the embedded engine costs over the bare network: JPEG bytes to verdict, at 1 and 4 megapixels.

Run as ``python benchmarks/engine.py``; needs the extras [local] and [example]. All are timed in one process, in turns,
in CPU time, so that a busy machine disturbs all alike; what counts are the ratios. The exit code is 1 where one is over
its limit.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import os
import platform
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from django_imgmod.providers.local import LocalProvider
from django_imgmod.providers.local.open_nsfw import find_weights
from django_imgmod.results import ImageSource

MEGAPIXELS = {"1 megapixel": (1155, 866), "4 megapixels": (2309, 1732)}
SEXUAL = "django_imgmod.providers.local.sexual.SexualContentDetector"
# The largest cost allowed, as a multiple of the bare network's.
LIMITS = {"decode + classifier": 1.5, "whole engine": 2.2}


def photograph(size: tuple[int, int], number: int = 0) -> bytes:
    """Return a JPEG of that size with the detail and the noise of a camera's picture."""
    import numpy as np
    import skimage
    from PIL import Image

    name = ("coffee.png", "astronaut.png", "rocket.jpg")[number]
    with Image.open(Path(skimage.__file__).parent / "data" / name) as opened:
        image = opened.convert("RGB").resize(size, Image.Resampling.LANCZOS)
    noise = np.random.default_rng(number).normal(0, 4, (size[1], size[0], 3))
    noisy = Image.fromarray((np.asarray(image) + noise).clip(0, 255).astype(np.uint8))
    output = io.BytesIO()
    noisy.save(output, "JPEG", quality=88)
    return output.getvalue()


def source_of(content: bytes) -> ImageSource:
    return ImageSource(
        data_id="benchmark", file_name="photo.jpg", content=content, sha256=hashlib.sha256(content).hexdigest()
    )


def bare_network() -> Callable[[], object]:
    """Return a call of onnxruntime with the same weights and as many threads, and nothing around it."""
    import numpy as np
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(find_weights()), options, providers=["CPUExecutionProvider"])
    given = {"input:0": np.random.default_rng(1).uniform(-120, 150, (1, 224, 224, 3)).astype(np.float32)}
    return lambda: session.run(None, given)


def cpu_milliseconds(runs: dict[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Return the median CPU time of each, called in turns, in a new order each round."""
    times: dict[str, list[float]] = {name: [] for name in runs}
    order = list(runs)
    for _ in range(rounds):
        random.shuffle(order)
        for name in order:
            started_at = time.process_time()
            runs[name]()
            times[name].append(time.process_time() - started_at)
    return {name: 1000 * statistics.median(values) for name, values in times.items()}


def compare(content: bytes, rounds: int) -> bool:
    """Print what each part costs; return whether all keep their limits."""
    source = source_of(content)
    classifier, engine = LocalProvider("classifier", detectors=[SEXUAL]), LocalProvider("engine")
    runs = {
        "bare network": bare_network(),
        "decode + classifier": lambda: classifier.submit(source),
        "whole engine": lambda: engine.submit(source),
    }
    for run in runs.values():
        run()
    costs = cpu_milliseconds(runs, rounds)
    ratios = {name: cost / costs["bare network"] for name, cost in costs.items()}
    for name, cost in costs.items():
        limit = f"  (at most {LIMITS[name]})" if name in LIMITS else ""
        print(f"  {name:<20} {cost:5.1f} ms CPU  {ratios[name]:.2f}x{limit}")
    return all(ratios[name] <= limit for name, limit in LIMITS.items())


def throughput(threads: int, contents: Sequence[bytes], times: int) -> float:
    """Return how many pictures a second that many threads judge, each of them so many times, by the clock."""
    sources = [source_of(content) for content in contents] * times
    shares = [sources[number::threads] for number in range(threads)]

    def judge(share: Sequence[ImageSource]) -> None:
        provider = LocalProvider("worker")
        for source in share:
            provider.submit(source)

    with ThreadPoolExecutor(threads) as pool:
        started_at = time.perf_counter()
        list(pool.map(judge, shares))
        return len(sources) / (time.perf_counter() - started_at)


def report_memory(paths: Sequence[str]) -> None:
    """Print what this process takes before the engine is loaded, after that, and at most while judging."""
    before = megabytes("VmRSS")
    provider = LocalProvider("worker")
    provider.diagnose()
    loaded = megabytes("VmRSS")
    for path in paths:
        provider.submit(source_of(Path(path).read_bytes()))
    print(f"  before {before:.0f} MB, engine loaded {loaded:.0f} MB, peak while judging {megabytes('VmHWM'):.0f} MB")


def megabytes(name: str) -> float:
    """Return what Linux says of this process under that name, such as VmRSS; not a child's inherited ru_maxrss."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(name))


def processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "?")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.strip().splitlines()[0])
    parser.add_argument("--rounds", type=int, default=60)
    parser.add_argument("--times", type=int, default=20, help="that the pictures of the throughput are judged")
    parser.add_argument("--memory", nargs="+", metavar="PATH", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.memory:
        report_memory(options.memory)
        return 0
    print(f"{os.cpu_count()} x {processor()}, Python {platform.python_version()}")
    are_kept = True
    with tempfile.TemporaryDirectory() as folder:
        for name, size in MEGAPIXELS.items():
            path = Path(folder, f"{size[0]}.jpg")
            path.write_bytes(photograph(size))
            print(f"{name}, {path.stat().st_size // 1000} kB:")
            are_kept &= compare(path.read_bytes(), options.rounds)
        print("throughput of the whole engine at 1 megapixel:")
        contents = [photograph(MEGAPIXELS["1 megapixel"], number) for number in range(3)]
        for threads in (1, 2):
            print(f"  {threads} thread(s): {throughput(threads, contents, options.times):.1f} images/s")
        print("memory of a worker:", flush=True)
        # In a process of its own, so that it holds nothing but the engine.
        paths = sorted(map(str, Path(folder).iterdir()))
        subprocess.run([sys.executable, __file__, "--memory", *paths], check=True)
    return 0 if are_kept else 1


if __name__ == "__main__":
    sys.exit(main())
