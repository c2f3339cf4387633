"""What the interpreter and the kernel say of this process, from one reading to the next."""

from __future__ import annotations

import gc
import os
import resource
import time
from typing import Callable, Dict, Optional

PAGE_SIZE = resource.getpagesize()
GENERATIONS = 3


class Runtime:
    """Reads the process. Labels end in their unit; what counts up is given as what came since the reading before."""

    def __init__(self) -> None:
        self._count = [0] * GENERATIONS
        self._seconds = [0.0] * GENERATIONS
        self._gc_began = 0.0
        self._before: Dict[str, float] = {}

    def begin(self) -> None:
        """From now on; again after a pause, which counts for nothing."""
        if self._on_gc not in gc.callbacks:
            gc.callbacks.append(self._on_gc)
        self._before = self._counters()

    def end(self) -> None:
        if self._on_gc in gc.callbacks:
            gc.callbacks.remove(self._on_gc)

    def sample(self, put: Callable[[str, float], None]) -> None:
        now = self._counters()
        for label, value in now.items():
            put(label, value - self._before[label])
        self._before = now
        for label, gauge in (("rss_bytes", rss_bytes()), ("file_descriptors_count", open_fds())):
            if gauge is not None:
                put(label, gauge)

    def _counters(self) -> Dict[str, float]:
        usage = resource.getrusage(resource.RUSAGE_SELF)
        counters: Dict[str, float] = {
            "cpu_user_seconds": usage.ru_utime,
            "cpu_system_seconds": usage.ru_stime,
            "context_switches_voluntary_count": usage.ru_nvcsw,
            "context_switches_involuntary_count": usage.ru_nivcsw,
        }
        for generation in range(GENERATIONS):
            counters[f"gc_generation{generation}_count"] = self._count[generation]
            counters[f"gc_generation{generation}_seconds"] = self._seconds[generation]
        return counters

    def _on_gc(self, phase: str, info: Dict[str, int]) -> None:
        if phase == "start":
            self._gc_began = time.perf_counter()
        elif self._gc_began:
            generation = info["generation"]
            self._count[generation] += 1
            self._seconds[generation] += time.perf_counter() - self._gc_began
            self._gc_began = 0.0


def rss_bytes() -> Optional[int]:
    """Resident memory; None where the system has no /proc."""
    try:
        with open("/proc/self/statm", "rb") as statm:
            return int(statm.read().split()[1]) * PAGE_SIZE
    except OSError:
        return None


def open_fds() -> Optional[int]:
    """File descriptors, without the one that counts them; None where the system has no /proc."""
    try:
        return len(os.listdir("/proc/self/fd")) - 1
    except OSError:
        return None
