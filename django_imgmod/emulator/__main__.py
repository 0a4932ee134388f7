"""``python -m django_imgmod.emulator``: the emulator without a Django project."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence

from .commandline import DESCRIPTION, CannotListen, add_arguments, run


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the emulator as its command line says, and return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m django_imgmod.emulator", description=DESCRIPTION)
    add_arguments(parser)
    options = vars(parser.parse_args(arguments))
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    try:
        run(options, _write)
    except CannotListen as error:
        sys.stderr.write(f"{parser.prog}: error: {error}\n")
        return 1
    return 0


def _write(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
