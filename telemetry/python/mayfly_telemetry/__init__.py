"""Times blocks of a service and watches its process, into telemetry files.

    import mayfly_telemetry as telemetry

    telemetry.start("/telemetry")

    with telemetry.timed("load the basket"):
        ...

The README has the rest. Nothing here raises in the service's hot path.
"""

from __future__ import annotations

import atexit
import functools
import inspect
import math
import os
import signal as signals
import sys
import threading
import time
from types import FrameType, TracebackType
from typing import Any, Callable, Iterable, Iterator, List, Optional, Tuple, Type, TypeVar, cast

from ._files import Labels, Row, RowFile
from ._runtime import Runtime

__version__ = "1.0.0"
__all__ = ["is_on", "is_running", "sample", "start", "start_duration", "stop", "stop_duration", "timed"]

#: Where start() is given no folder.
VARIABLE = "MAYFLY_TELEMETRY"
#: How often the control file is looked at, in seconds.
LOOK = 0.1
#: What an item of the lists takes in memory, at most: its place in the list and the number.
ITEM_BYTES = 40
#: How long stop() waits for a write that is under way.
PATIENCE = 5.0
BILLION = 1_000_000_000
#: Whole numbers up to here are written without a fraction.
MOST_EXACT = 2**53

DEFAULT_SIGNAL: Optional[int] = getattr(signals, "SIGUSR2", None)

Batch = Iterable[Tuple[int, Any, str]]
Function = TypeVar("Function", bound=Callable[..., Any])

# The hot path knows these alone. Threads add three items at once to the end of the two lists (time, value, label: a tuple
# of each sample would keep the garbage collector busy), and one thread at a time takes from their beginning.
_on = False
_limit = 0
_durations: List[Any] = []
_samples: List[Any] = []
_now = time.perf_counter_ns

_recorder: Optional["_Recorder"] = None
_registered = False


def start(
    dir: Optional[str] = None,
    *,
    on: bool = True,
    runtime: bool = True,
    runtime_interval: float = 1.0,
    flush_bytes: int = 1 << 20,
    flush_interval: float = 1.0,
    rotate_bytes: int = 8 << 20,
    signal: Optional[int] = DEFAULT_SIGNAL,
) -> bool:
    """Starts recording into this folder, or the one that MAYFLY_TELEMETRY names; it is made. Returns whether telemetry
    runs now; without a folder nothing happens. Never raises.

    on: False begins switched off, until the control file or the signal switches on. Intervals are in seconds.
    flush_bytes: what the samples that wait may take in memory. signal: toggles on and off; None, or a signal that has
    a handler, or another thread than the main one: no signal.
    """
    global _recorder, _registered
    folder = dir or os.environ.get(VARIABLE)
    if not folder:
        return False
    if _recorder is not None:
        _tell(f"start() was called while telemetry runs in {_recorder.folder}: it goes on as it is. Call stop() first")
        return True
    try:
        for name, number in (
            ("runtime_interval", runtime_interval),
            ("flush_bytes", flush_bytes),
            ("flush_interval", flush_interval),
            ("rotate_bytes", rotate_bytes),
        ):
            if not (isinstance(number, (int, float)) and 0 < number < math.inf):
                raise ValueError(f"{name} must be a number above 0, not {number!r}")
        folder = os.path.abspath(folder)
        os.makedirs(folder, exist_ok=True)
        if not os.access(folder, os.W_OK | os.X_OK):
            raise PermissionError("it cannot be written to")
        recorder = _Recorder(
            folder, on, Runtime() if runtime else None, runtime_interval, flush_bytes, flush_interval, rotate_bytes
        )
        recorder.begin()
    except Exception as error:
        _tell(f"cannot start in {folder}: {error}. There is no telemetry, the service goes on")
        return False
    _recorder = recorder
    recorder.take_signal(signal)
    if not _registered:
        _registered = True
        atexit.register(stop)
        os.register_at_fork(after_in_child=_in_child)
    return True


def stop() -> bool:
    """Writes what waits and closes the files. Returns whether telemetry ran. Never raises."""
    global _recorder
    recorder, _recorder = _recorder, None
    if recorder is None:
        return False
    recorder.end()
    return True


def is_on() -> bool:
    """Whether samples are recorded now."""
    return _on


def is_running() -> bool:
    """Whether telemetry is started, on or off."""
    return _recorder is not None


def start_duration() -> int:
    """Begins a duration; durations overlap freely. Returns what stop_duration() takes: 0 while recording is off."""
    return _now() if _on else 0


def stop_duration(label: str, id: int) -> None:
    """Records the time since the start_duration() that has returned this id, as often as it is called. Nothing where it
    was 0 or is no id."""
    if _on and id:
        now = _now()
        try:
            _durations.extend((now, now - id, label))
        except TypeError:
            return  # no id of ours
        if len(_durations) >= _limit:
            _full()


def sample(label: str, value: float) -> None:
    """Records a value of now, beside those of the runtime. Let the label end in its unit: _seconds, _bytes, _count."""
    if _on:
        _samples.extend((_now(), value, label))
        if len(_samples) >= _limit:
            _full()


class timed:
    """Times a block (`with timed("label"):`) or every call of a function (`@timed("label")`, also `async def`), whether
    or not it raises."""

    def __init__(self, label: str) -> None:
        self._label = label
        self._ids: List[int] = []

    def __enter__(self) -> "timed":
        self._ids.append(start_duration())
        return self

    def __exit__(
        self,
        kind: Optional[Type[BaseException]],
        error: Optional[BaseException],
        trace: Optional[TracebackType],
    ) -> None:
        stop_duration(self._label, self._ids.pop())

    def __call__(self, function: Function) -> Function:
        label = self._label

        @functools.wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            id = start_duration()
            try:
                return function(*args, **kwargs)
            finally:
                stop_duration(label, id)

        @functools.wraps(function)
        async def call_async(*args: Any, **kwargs: Any) -> Any:
            id = start_duration()
            try:
                return await function(*args, **kwargs)
            finally:
                stop_duration(label, id)

        return cast(Function, call_async if inspect.iscoroutinefunction(function) else call)


class _Recorder:
    """One start(): a thread that writes, samples and looks at the control file."""

    def __init__(
        self,
        folder: str,
        told: bool,
        runtime: Optional[Runtime],
        runtime_interval: float,
        flush_bytes: int,
        flush_interval: float,
        rotate_bytes: int,
    ) -> None:
        self._options = (folder, told, runtime, runtime_interval, flush_bytes, flush_interval, rotate_bytes)
        self.folder = folder
        self._told = told
        self._runtime = runtime
        self._runtime_interval = runtime_interval
        self._most = max(flush_bytes // ITEM_BYTES, 6)
        self._flush_interval = flush_interval
        #: The epoch is asked for once; after that a clock that is set does not matter.
        self._epoch_ns = time.time_ns() - _now()
        pid, started_ms = os.getpid(), time.time_ns() // 1_000_000
        self._labels = Labels(pid, _tell)
        self._duration_file = RowFile(folder, "duration", pid, started_ms, rotate_bytes)
        self._runtime_file = RowFile(folder, "runtime", pid, started_ms, rotate_bytes)
        self._latest = {"duration": 0, "runtime": 0}
        self._words: Optional[List[str]] = None
        self._control_told = False
        self._left_out_told = False
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._failed = False
        self._thread = threading.Thread(target=self._run, name="mayfly-telemetry", daemon=True)
        self._signal: Optional[int] = None

    def begin(self, on: Optional[bool] = None) -> None:
        """Raises RuntimeError where the system gives no thread. on: what the control file says is obeyed already."""
        global _limit, _on
        _limit = self._most
        _on = self._told
        self._look()
        if on is not None:
            _on = on
        try:
            self._thread.start()
        except RuntimeError:
            _on = False
            raise

    def again(self) -> "_Recorder":
        """The same in a forked child, with files of its own."""
        recorder = _Recorder(*self._options)
        recorder._signal = self._signal
        return recorder

    def end(self) -> None:
        global _on
        self._ended.set()
        _on = False
        if self._thread is not threading.current_thread():
            self._thread.join(PATIENCE)
        self.flush(close=True)
        if self._signal is not None and threading.current_thread() is threading.main_thread():
            if signals.getsignal(self._signal) is _toggle:
                signals.signal(self._signal, signals.SIG_DFL)

    def abandon(self) -> None:
        """In a forked child: the files are the parent's, and its thread is not here."""
        if self._runtime:
            self._runtime.end()
        self._close()

    def take_signal(self, number: Optional[int]) -> None:
        """Only where nobody has it: servers such as Gunicorn use SIGUSR2 themselves."""
        if number is None or threading.current_thread() is not threading.main_thread():
            return
        try:
            if signals.getsignal(number) in (signals.SIG_DFL, _toggle):
                signals.signal(number, _toggle)
                self._signal = number
        except (OSError, ValueError) as error:
            _tell(f"no signal {number} switches recording on and off: {error}. The control file does")

    def _run(self) -> None:
        flush_at = time.monotonic() + self._flush_interval
        sample_at = time.monotonic() + self._runtime_interval
        was_on = False
        runtime = self._runtime
        try:
            while not self._ended.is_set():
                is_on, now = _on, time.monotonic()
                if runtime and is_on and not was_on:
                    runtime.begin()
                    sample_at = now + self._runtime_interval
                if runtime and was_on and (now >= sample_at or not is_on):
                    sample_at = max(sample_at + self._runtime_interval, now)
                    runtime.sample(_put)
                if runtime and was_on and not is_on:
                    runtime.end()
                was_on = is_on
                # Twice as much may wait: then whoever records writes it.
                if now >= flush_at or 2 * max(len(_durations), len(_samples)) >= self._most:
                    flush_at = now + self._flush_interval
                    self.flush()
                soonest = min(LOOK, flush_at - now, sample_at - now if runtime and is_on else LOOK)
                self._ended.wait(max(0.0, soonest))
                self._look()
            if runtime and was_on:
                runtime.sample(_put)  # what was counted since the last one: so sums are whole
                runtime.end()
        except Exception as error:  # the service goes on, whatever it is
            self._fail(error)

    def _look(self) -> None:
        """The control file counts when it changes; without the words it is as start() was told."""
        global _on
        words: List[str] = []
        try:
            with open(os.path.join(self.folder, "control"), "rb") as control:
                words = control.read(4096).decode("utf-8", "replace").split()
        except FileNotFoundError:
            pass
        except OSError as error:
            if not self._control_told:
                self._control_told = True
                _tell(f"cannot read {self.folder}/control: {error}. Recording stays as it is")
            return
        if words != self._words and not self._ended.is_set():
            self._words = words
            _on = False if "off" in words else True if "on" in words else self._told

    def flush(self, close: bool = False) -> None:
        """Writes what waits. A signal handler may call stop() while its thread holds the lock: then that writes it."""
        if not self._lock.acquire(timeout=PATIENCE):
            return
        try:
            if not self._failed:
                if _durations:
                    self._duration_file.write(self._duration_rows(_take(_durations)))
                if _samples:
                    self._runtime_file.write(self._runtime_rows(_take(_samples)))
                if close:
                    self._close()
        except Exception as error:
            self._fail(error)
        finally:
            self._lock.release()

    def _duration_rows(self, batch: Batch) -> Iterator[Row]:
        ends = self._labels.ends
        latest = self._latest["duration"]
        for at, nanoseconds, label in batch:
            if type(nanoseconds) is not int or not 0 <= nanoseconds < at:
                continue  # no id of ours
            latest = self._latest["duration"] = max(latest, at + self._epoch_ns)
            try:
                end = ends[label]
            except (KeyError, TypeError):
                end = self._labels.end_of(label)
            seconds, rest = divmod(nanoseconds, BILLION)
            yield b"%d," % latest, b"%d.%09d%b" % (seconds, rest, end)

    def _runtime_rows(self, batch: Batch) -> Iterator[Row]:
        latest = self._latest["runtime"]
        for at, value, label in batch:
            try:
                number = float(value)
            except (OverflowError, TypeError, ValueError):
                number = math.nan
            if not math.isfinite(number):
                self._tell_left_out(label, value)
                continue
            latest = self._latest["runtime"] = max(latest, at + self._epoch_ns)
            whole = number.is_integer() and abs(number) <= MOST_EXACT
            text = b"%d" % int(number) if whole else repr(number).encode()
            try:
                end = self._labels.ends[label]
            except (KeyError, TypeError):
                end = self._labels.end_of(label)
            yield b"%d," % latest, text + end

    def _tell_left_out(self, label: object, value: object) -> None:
        if not self._left_out_told:
            self._left_out_told = True
            _tell(f'a value of "{label}" is {value!r}: left out. Record finite numbers (told once)')

    def _fail(self, error: Exception) -> None:
        """Recording ends, the service goes on."""
        global _on, _recorder
        _on = False
        self._failed = True
        self._ended.set()
        if _recorder is self:
            _recorder = None
        if self._runtime:
            self._runtime.end()
        self._close()
        del _durations[:], _samples[:]
        _tell(
            f"cannot write into {self.folder}: {error}. Recording has stopped, the service goes on. "
            f"Make room in {self.folder} or make it writable, then call stop() and start() again"
        )

    def _close(self) -> None:
        self._duration_file.close()
        self._runtime_file.close()


def _take(rows: List[Any]) -> Batch:
    """What waits: time, value and label. Others add meanwhile: at the end, which is not touched."""
    count = len(rows)
    batch = rows[:count]
    del rows[:count]
    return zip(batch[0::3], batch[1::3], batch[2::3])


def _put(label: str, value: float) -> None:
    _samples.extend((_now(), value, label))


def _full() -> None:
    recorder = _recorder
    if recorder is not None:
        recorder.flush()


def _toggle(number: int, frame: Optional[FrameType]) -> None:
    global _on
    if _recorder is not None:
        _on = not _on


def _in_child() -> None:
    """A forked child: what waits is the parent's to write, and so are the files."""
    global _on, _recorder
    del _durations[:], _samples[:]
    if _recorder is None:
        return
    parent, _recorder = _recorder, None
    was_on, _on = _on, False
    parent.abandon()
    try:
        recorder = parent.again()
        recorder.begin(was_on)
    except Exception as error:
        _tell(f"cannot start in {parent.folder}: {error}. There is no telemetry, the service goes on")
        return
    _recorder = recorder


def _tell(text: str) -> None:
    """One line on stderr, which may be closed."""
    try:
        os.write(2, f"mayfly-telemetry: {text}\n".encode("utf-8", "replace"))
    except OSError:
        pass
