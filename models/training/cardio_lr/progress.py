"""Progress on the terminal: every stage that can last over two seconds says where it is."""

import sys
import time


class Progress:
    """Prints one line per stage and, inside a stage, at most one line every two seconds."""

    def __init__(self, stream=None, quiet=False):
        self._stream = stream or sys.stderr
        self._quiet = quiet
        self._start = time.monotonic()
        self._last = self._start

    def stage(self, text):
        """Announces a stage."""
        self._print(text)

    def step(self, text, done, total):
        """Reports `done` of `total` inside a stage, no more often than every two seconds."""
        if time.monotonic() - self._last >= 2.0:
            self._print(f"{text}: {done} of {total}")

    def _print(self, text):
        self._last = time.monotonic()
        if not self._quiet:
            print(f"[{self._last - self._start:6.1f} s] {text}", file=self._stream, flush=True)
