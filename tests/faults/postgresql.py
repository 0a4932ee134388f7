"""A PostgreSQL server of one's own, that may be made to crash."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path
from typing import Any

# In seconds.
DEADLINE = 120
# A root may not run the server.
OWNERS = ("postgres", "nobody")


class PostgreSQL:
    """
    A server on a free port of this machine, with its data in a temporary folder, from ``with`` to its end.

    ``configuration`` are lines of postgresql.conf. Raises ``FileNotFoundError`` where the programs are not installed.
    """

    def __init__(self, *configuration: str) -> None:
        self._programs = programs()
        self._configuration = configuration

    def __enter__(self) -> PostgreSQL:
        self._folder = Path(tempfile.mkdtemp(prefix="imgmod-postgresql-"))
        self._as_owner: dict[str, Any] = {}
        if os.geteuid() == 0:
            owner = next(name for name in OWNERS if has_user(name))
            shutil.chown(self._folder, owner)
            self._as_owner = {"user": owner, "extra_groups": []}
        self._run("initdb", "--auth=trust", "--username=postgres", "--no-instructions", "--encoding=UTF8")
        self.port = free_port()
        lines = [
            "listen_addresses = '127.0.0.1'",
            f"port = {self.port}",
            f"unix_socket_directories = '{self._folder}'",
            *self._configuration,
        ]
        with (self._folder / "data" / "postgresql.conf").open("a") as file:
            file.write("\n".join(["", *lines, ""]))
        self.start()
        return self

    def __exit__(self, *exception: object) -> None:
        try:
            self.stop()
        finally:
            shutil.rmtree(self._folder)

    @property
    def url(self) -> str:
        return f"postgres://postgres@127.0.0.1:{self.port}/postgres"

    def start(self) -> None:
        """Return when it takes connections again."""
        self._run("pg_ctl", "start", "-w", f"--timeout={DEADLINE}", f"--log={self._folder / 'log'}")

    def stop(self) -> None:
        """Stop at once, as in a crash: connections are cut, and the next start has to recover from the log."""
        self._run("pg_ctl", "stop", "-w", f"--timeout={DEADLINE}", "--mode=immediate")

    def _run(self, program: str, *arguments: str) -> None:
        command = [str(self._programs / program), f"--pgdata={self._folder / 'data'}", *arguments]
        # The server inherits what pg_ctl has: a pipe would never end.
        with (self._folder / f"{program}.out").open("w+") as output:
            done = subprocess.run(  # noqa: S603 - the server's own programs
                command,
                cwd=self._folder,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                timeout=2 * DEADLINE,
                **self._as_owner,
            )
            output.seek(0)
            assert done.returncode == 0, f"{program} failed: {output.read()}"


def programs() -> Path:
    """Return the folder of the server's programs; raises ``FileNotFoundError``."""
    found = [*Path("/usr/lib/postgresql").glob("*/bin"), *Path("/opt/homebrew/opt").glob("postgresql*/bin")]
    if config := shutil.which("pg_config"):
        told = subprocess.run([config, "--bindir"], capture_output=True, text=True, check=True)  # noqa: S603
        found.append(Path(told.stdout.strip()))
    with_server = [folder for folder in found if (folder / "initdb").exists() and (folder / "pg_ctl").exists()]
    if not with_server:
        raise FileNotFoundError("initdb and pg_ctl are not installed: they come with the PostgreSQL server.")
    return max(with_server, key=lambda folder: [int(part) for part in folder.parts if part.isdecimal()])


def has_user(name: str) -> bool:
    # Not at the top: there is no such module on Windows, where nobody is root either.
    import pwd

    return any(entry.pw_name == name for entry in pwd.getpwall())


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
