"""Telemetry files: rows in pages, and what a label may be. The same files as the library for Node.js writes."""

from __future__ import annotations

import os
import re
from typing import Callable, Dict, Iterable, Tuple

HEADER = b"Timepoint, Measurement, Label, PID\n"
#: Linux copies a write into a file page by page and looks for a fatal signal between pages only. No row crosses a page
#: and no write does, so a process that is killed leaves whole rows.
PAGE = 4096
#: More than the longest row takes: time, number, 200 characters of four bytes, PID, commas and quotes.
LONGEST_ROW = 1024
#: Replicas in containers have the same PID, and may start in the same millisecond over one folder.
MOST_NAMES = 1000
NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | getattr(os, "O_CLOEXEC", 0)

LONGEST_LABEL = 200
MOST_LABELS = 1000
OTHER = "(other)"
CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")

#: What stands before the number of a row, and the rest of it: between the two a row is padded.
Row = Tuple[bytes, bytes]


class Labels:
    """The ends of rows by label: comma, quoted label, comma, PID, newline. After 1,000 labels the rest share one."""

    def __init__(self, pid: int, tell: Callable[[str], None]) -> None:
        self._pid = pid
        self._tell = tell
        self._clean: Dict[str, bytes] = {}
        self._other = self._end(OTHER)
        self._told = False
        #: By the label as it was given.
        self.ends: Dict[str, bytes] = {}

    def end_of(self, label: object) -> bytes:
        """Of a label that is not in `ends` yet."""
        given = label if isinstance(label, str) else str(label)
        text = CONTROL.sub(" ", given[:LONGEST_LABEL])
        end = self._clean.get(text)
        if end is None:
            if len(self._clean) >= MOST_LABELS:
                self._tell_once(text)
                return self._other
            end = self._clean[text] = self._end(text)
        if len(self.ends) < 2 * MOST_LABELS and len(given) <= LONGEST_LABEL:
            self.ends[given] = end
        return end

    def _end(self, text: str) -> bytes:
        quoted = text.replace('"', '""').encode("utf-8", "replace")
        return b',"%s",%d\n' % (quoted, self._pid)

    def _tell_once(self, text: str) -> None:
        if not self._told:
            self._told = True
            self._tell(
                f'more than {MOST_LABELS} labels: the rest are recorded as "{OTHER}". '
                f'The last one was "{text[:60]}"'
            )


class RowFile:
    """The files of one prefix of one process, one after the other. A failed write raises OSError; the rows are whole."""

    def __init__(self, folder: str, prefix: str, pid: int, started_ms: int, rotate_bytes: int) -> None:
        self._folder = folder
        self._prefix = prefix
        self._pid = pid
        self._started_ms = started_ms
        self._rotate_bytes = rotate_bytes
        self._number = 0
        self._fd = -1
        #: The file that is written, for messages.
        self.path = ""

    def write(self, rows: Iterable[Row]) -> None:
        """Appends the rows, a page at a time: after each one other threads have their turn."""
        page: list[bytes] = []
        used = self._begin(page)
        for head, rest in rows:
            if used + len(head) + len(rest) > PAGE:
                if page:
                    self._put(page, PAGE - used)
                else:
                    self.close()  # an exception has ended the last write, so the page is no longer ours to pad
                page = []
                used = self._begin(page)
            page.append(head)
            page.append(rest)
            used += len(head) + len(rest)
        # A row that is in the file already cannot be padded: there must be room for any row after it.
        self._put(page, PAGE - used if PAGE - used < LONGEST_ROW else 0)

    def close(self) -> None:
        """Closes the file; the next write begins another one."""
        if self._fd >= 0:
            fd, self._fd = self._fd, -1
            self._number += 1
            try:
                os.close(fd)
            except OSError:
                pass  # what a network file system reports here is of rows that were accepted long ago

    def _begin(self, page: list[bytes]) -> int:
        """Opens the next file where it is time for one. Returns how much of the page is used."""
        if self._fd >= 0:
            size = os.fstat(self._fd).st_size
            if 0 < size < self._rotate_bytes:
                return size % PAGE
            if size:
                self.close()
        if self._fd < 0:
            self._fd = self._open()
        page.append(HEADER)
        return len(HEADER)

    def _open(self) -> int:
        for _ in range(MOST_NAMES):
            self.path = os.path.join(
                self._folder, f"{self._prefix}-{self._pid}-0-{self._started_ms}-{self._number}.csv"
            )
            try:
                fd = os.open(self.path, NEW_FILE, 0o644)
            except FileExistsError:
                self._started_ms += 1
                continue
            os.fchmod(fd, 0o644)  # whatever the umask
            return fd
        raise FileExistsError(f"{self.path} and {MOST_NAMES} names after it are taken")

    def _put(self, page: list[bytes], spaces: int) -> None:
        if len(page) < 2:
            return
        if spaces:
            page[-1] = b" " * spaces + page[-1]
        data = b"".join(page)
        done = 0
        try:
            while done < len(data):
                done += os.write(self._fd, data[done:])
        except OSError:
            self._cut_back(done - (data.rfind(b"\n", 0, done) + 1))
            raise

    def _cut_back(self, torn: int) -> None:
        """Takes away the piece of a row that the file ends with."""
        if torn:
            try:
                os.ftruncate(self._fd, os.fstat(self._fd).st_size - torn)
            except OSError:
                pass  # then readers meet one malformed line
