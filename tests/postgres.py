"""A private PostgreSQL for tests: on a loopback port, in a folder of its own, without fsync."""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import psycopg
from psycopg import sql

from imm_ray.store.tables import metadata

_PROGRAMS = Path("/usr/lib/postgresql")
_OF_DEBIAN = "postgres"
_PASSWORD = "a-password-of-tests"
_START_S = 60

# A language whose order of texts is not that of their bytes: nothing may depend on it.
_INITDB = ("--username=imm", "--auth=scram-sha-256", "--encoding=UTF8", "--no-sync")
_LANGUAGE = ("--locale-provider=icu", "--icu-locale=en-US", "--locale=C.UTF-8")
_FAST = {
    "fsync": "off",
    "full_page_writes": "off",
    "listen_addresses": "127.0.0.1",
    "max_connections": "200",
    "shared_buffers": "32MB",
    "max_wal_size": "256MB",
    "autovacuum": "off",
}


class NoServer(Exception):
    """PostgreSQL can not be started here."""


class PostgresServer:
    """A server of its own; its databases are lost when it ends.

    Notes
    -----
    PostgreSQL refuses to run as root, so it runs as Debian's user ``postgres`` then.
    """

    def __init__(self) -> None:
        self._bin = _programs()
        self._prefix = _as_another_user()
        self.folder = Path(tempfile.mkdtemp(prefix="imm-ray-postgres-"))
        self.port = _free_port()
        try:
            self._create()
            self.start()
        except BaseException:
            shutil.rmtree(self.folder)
            raise

    def url(self, database: str, port: int | None = None) -> str:
        """Return the URL of a database, by way of another port if a proxy has one."""
        return f"postgresql://imm:{_PASSWORD}@127.0.0.1:{port or self.port}/{database}"

    def start(self) -> None:
        """Start it, or start it again, and wait until it answers."""
        self._control("start", "-w", "-t", str(_START_S), "-l", str(self.folder / "log"))

    def stop(self, mode: str = "immediate") -> None:
        """Stop it: ``immediate`` is as a crash, ``fast`` ends sessions politely."""
        self._control("stop", "-w", "-m", mode)

    def restart(self, mode: str = "immediate") -> None:
        """Stop and start it."""
        self.stop(mode)
        self.start()

    def close(self) -> None:
        """Stop it and delete its folder."""
        self.stop()
        shutil.rmtree(self.folder)

    def execute(self, statement: sql.SQL | sql.Composed, database: str = "postgres") -> None:
        """Run one statement outside of any transaction."""
        with psycopg.connect(self.url(database), autocommit=True) as connection:
            connection.execute(statement)

    def create(self, template: str | None = None) -> str:
        """Make a database, empty or as ``template`` is; return its name."""
        name = f"t{uuid.uuid4().hex[:16]}"
        command = sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(
            sql.Identifier(name), sql.Identifier(template or "template0")
        )
        self.execute(command)
        return name

    def drop(self, name: str) -> None:
        """Delete a database, even one that somebody is connected with."""
        self.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))

    def _create(self) -> None:
        password = self.folder / "password"
        password.write_text(_PASSWORD)
        if self._prefix:
            user = pwd.getpwnam(_OF_DEBIAN)
            for path in (self.folder, password):
                os.chown(path, user.pw_uid, user.pw_gid)
        self._run(
            "initdb", "-D", str(self.folder / "data"), f"--pwfile={password}", *_INITDB, *_LANGUAGE
        )

    def _control(self, action: str, *arguments: str) -> None:
        options = {**_FAST, "port": str(self.port), "unix_socket_directories": str(self.folder)}
        given = ("-o", " ".join(f"-c {k}={v}" for k, v in options.items())) * (action == "start")
        self._run("pg_ctl", action, "-D", str(self.folder / "data"), *arguments, *given)

    def _run(self, program: str, *arguments: str) -> None:
        command = [*self._prefix, str(self._bin / program), *arguments]
        done = subprocess.run(  # its children would keep a pipe open
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd="/", timeout=_START_S
        )
        if done.returncode:
            log = self.folder / "log"
            said = log.read_text()[-2000:] if log.exists() else "nothing was logged"
            raise NoServer(f"{program} ended with {done.returncode}: {said}")


def _programs() -> Path:
    found = sorted(_PROGRAMS.glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    if not found:
        raise NoServer(f"there is no PostgreSQL below {_PROGRAMS} (apt-get install postgresql)")
    return found[-1].parent


def _as_another_user() -> Sequence[str]:
    if os.geteuid() != 0:
        return ()
    if shutil.which("runuser") is None:
        raise NoServer("PostgreSQL does not run as root, and there is no runuser")
    return ("runuser", "-u", _OF_DEBIAN, "--")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Databases:
    """Makes databases with the current schema, each a copy of one that was migrated once.

    One that a test has left is emptied for the next: that is quicker than another copy.
    """

    def __init__(self, server: PostgresServer, migrate: Callable[[str], None]) -> None:
        self.server = server
        self._template = server.create()
        self._free: list[str] = []
        migrate(server.url(self._template))

    @contextmanager
    def fresh(self) -> Iterator[str]:
        """Yield the URL of a database without rows."""
        name = self._free.pop() if self._free else self.server.create(self._template)
        yield self.server.url(name)
        self._empty(name)
        self._free.append(name)

    def _empty(self, name: str) -> None:
        tables = [sql.Identifier(table.name) for table in reversed(metadata.sorted_tables)]
        deletes = [sql.SQL("DELETE FROM {}").format(table) for table in tables]
        self.server.execute(sql.SQL("; ").join(deletes), name)
