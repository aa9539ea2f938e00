"""One run: a server, its clients, its faults, and the verdict."""

import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import psutil

from benchmarks.chaos.availability import Availability, Watch, Window, availability
from benchmarks.chaos.caller import Account, Caller
from benchmarks.chaos.faults import FAULTS, Fault, Field, in_turn
from benchmarks.chaos.inbox import WORKING, Inbox
from benchmarks.chaos.journal import Journal
from benchmarks.chaos.pictures import BUCKET, make_pictures
from benchmarks.chaos.server import Server, wait_gone
from benchmarks.chaos.usurper import Usurper
from benchmarks.chaos.verdict import (
    Verdict,
    difference,
    judge,
    judge_journal,
    partition,
    there,
    wait_until_quiet,
)
from benchmarks.chaos.workload import FLAVOURS, PROJECT, TOPIC, Client, Lister, Threads
from imm_ray.store import fsck
from imm_ray.store.database import Database

ACCOUNTS = (
    Account("100000", "chaosak1", "chaossecret1"),
    Account("200000", "chaosak2", "chaossecret2"),
)
_RECOVERY_S = 120.0
_CALM_S = 5.0
"""Before the first fault: what the answers are like without one."""
_GONE_S = 30.0
_CONSOLIDATED_S = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What to run. The seed decides pictures, faults and requests; the machine decides the rest."""

    folder: Path
    seed: int
    seconds: float
    faults: Sequence[str]
    nodes: int = 1
    store_url: str = ""
    """'' = SQLite in the folder; with several nodes a PostgreSQL database."""
    restart_store: Callable[[float], None] | None = None
    """Stops the database server as a crash would, and starts it after so many seconds."""
    pause_s: tuple[float, float] = (1.0, 4.0)
    """Between the recovery from one fault and the next."""
    quiet_s: float = 300.0
    """How long the service may take to finish all its work afterwards."""
    rebuild: bool = True
    """Whether the surviving files are clustered anew in another dataset, and compared."""


@dataclass(slots=True)
class Report:
    """What came of a run."""

    verdict: Verdict
    by_fault: dict[str, Availability]
    requests: int
    poisoned: int
    lives: int
    seconds: float
    notes: list[str] = field(default_factory=list)


def run(plan: Plan) -> Report:
    """Play the plan and judge it; the server and all its processes are gone afterwards."""
    return _Run(plan).play()


class _Run:
    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._chance = Random(plan.seed)
        self._watch = Watch()
        self._verdict = Verdict()
        self._windows: list[Window] = []
        self._processes: dict[int, psutil.Process] = {}

    def play(self) -> Report:
        begun = time.monotonic()
        plan = self._plan
        plan.folder.mkdir(parents=True, exist_ok=True)
        self._pictures = make_pictures(plan.folder / BUCKET, self._chance)
        with ExitStack() as stack:
            self._inbox = stack.enter_context(Inbox())
            self._journal = stack.enter_context(Journal(plan.folder / "journal.jsonl"))
            self._server = Server(plan.folder, settings_of(plan, self._inbox.url), nodes=plan.nodes)
            stack.callback(self._end_server)
            self._server.start()
            url = plan.store_url or f"sqlite:///{self._server.data.absolute() / 'imm.db'}"
            self._database = Database(url, busy_timeout_s=60.0)
            stack.callback(self._database.close)
            clients = self._clients()
            names = [c.dataset for c in clients if "delete" not in c.flavour.weights]
            hasty = stack.enter_context(closing(Database(url, busy_timeout_s=1.0)))
            self._usurper = Usurper(hasty, names)
            self._storm(clients)
            self._aftermath(clients)
            self._leave()
        entries = self._watch.entries()
        kinds = dict.fromkeys(window.fault for window in self._windows)
        return Report(
            verdict=self._verdict,
            by_fault={
                kind: availability(entries, [w for w in self._windows if w.fault == kind])
                for kind in kinds
            },
            requests=len(entries),
            poisoned=sum(client.poisoned for client in clients),
            lives=self._server.lives,
            seconds=time.monotonic() - begun,
        )

    def _caller(self, name: str, account: Account) -> Caller:
        return Caller(
            name, self._server.address, account, journal=self._journal, seen=self._watch.see
        )

    def _clients(self) -> list[Client]:
        """Return the clients, each with a dataset that holds its fixed files."""
        clients = []
        for account in ACCOUNTS:
            with self._calling("setup", account) as caller:
                caller.until_done("CreateProject", ProjectName=PROJECT)
            for flavour in FLAVOURS:
                dataset = f"{flavour.name}_{account.number[0]}"
                caller = self._caller(f"client {dataset}", account)
                chance = Random(f"{self._plan.seed} {dataset}")
                client = Client(caller, dataset, flavour, self._pictures, chance)
                client.begin()
                clients.append(client)
        return clients

    @contextmanager
    def _calling(self, name: str, account: Account) -> Iterator[Caller]:
        caller = self._caller(name, account)
        try:
            yield caller
        finally:
            caller.close()

    def _storm(self, clients: Sequence[Client]) -> None:
        """Let clients and faults loose on the server for the time of the plan."""
        threads = Threads()
        listers = []
        for client in clients:
            pause = Random(f"pause {client.dataset}")
            threads.repeat(client.dataset, client.act, lambda c=pause: c.uniform(0.2, 0.8))  # type: ignore[misc]
        for mine, stranger in (ACCOUNTS, ACCOUNTS[::-1]):
            own = [client for client in clients if client.caller.account == mine]
            lister = Lister(
                self._caller(f"lister {mine.number}", mine),
                self._caller(f"stranger {mine.number}", stranger),
                own,
            )
            listers.append(lister)
            threads.repeat(f"lister {mine.number}", lister.act, lambda: 0.5)
        probe = _Probe(self._caller("probe", ACCOUNTS[0]), clients[0])
        threads.repeat("probe", probe.act, lambda: 0.1)
        try:
            self._faults(threads)
        finally:
            self._inbox.become(WORKING)
            threads.stop()
            probe.close()
            for lister in listers:
                self._verdict.other += lister.violations
                lister.close()

    def _faults(self, threads: Threads) -> None:
        following = in_turn(list(self._plan.faults), self._chance)
        end = time.monotonic() + self._plan.seconds
        self._open_window("none")
        time.sleep(_CALM_S)  # the measure of what is normal
        field = Field(
            self._server, self._inbox, self._usurper, self._chance, self._plan.restart_store
        )
        while time.monotonic() < end and threads.failure is None:
            self._inject(following(), field)
            time.sleep(self._chance.uniform(*self._plan.pause_s))  # the moment is by chance
        self._windows[-1].end = time.monotonic()

    def _open_window(self, name: str) -> None:
        now = time.monotonic()
        if self._windows:
            self._windows[-1].end = now
        self._windows.append(Window(name, now))

    def _inject(self, fault: Fault, field: Field) -> None:
        self._note_processes()
        self._open_window(fault.name)
        try:
            fault.inject(field)
        except (RuntimeError, psutil.Error, subprocess.TimeoutExpired) as error:
            self._verdict.other.append(f"{fault.name}: {error}")
        if not self._server.is_running():
            self._verdict.other.append(f"the server ended after {fault.name}")
            self._server.kill_all()
            self._server.start()
        healed = time.monotonic()
        if not self._watch.wait_for_answers(healed, _RECOVERY_S):
            self._verdict.stuck.append(f"no answers {_RECOVERY_S:g} s after {fault.name}")

    def _aftermath(self, clients: Sequence[Client]) -> None:
        """Wait until all is done, then compare the store with what was told."""
        left = wait_until_quiet(self._database, self._plan.quiet_s)
        self._verdict.stuck += [f"I5 after {self._plan.quiet_s:g} s {what}" for what in left]
        self._verdict.other += self._watch.violations
        self._verdict.other += self._usurper.violations
        self._verdict.other += [
            str(found) for found in fsck.check(self._database, quiescent=not left)
        ]
        beliefs = judge_journal(self._journal.path)
        for account in ACCOUNTS:
            with self._calling("judge", account) as caller:
                own = [c for c in clients if c.caller.account == account]
                for client in own:
                    judge(self._verdict, client, beliefs[client.dataset], caller, self._inbox)
                if self._plan.rebuild and not left:
                    self._rebuild(own[0], caller)
        for client in clients:
            client.close()

    def _rebuild(self, client: Client, caller: Caller) -> None:
        """Cluster the files of a dataset without edits anew: the people are the same (I8, I11)."""
        uris = there(client, caller)
        anew = f"{client.dataset}_anew"
        names = {"ProjectName": PROJECT, "DatasetName": anew}
        caller.until_done("CreateDataset", **names)
        for start in range(0, len(uris), 100):
            files = [{"URI": uri} for uri in uris[start : start + 100]]
            caller.until_done("BatchIndexFileMeta", **names, Files=files)
        for dataset in (client.dataset, anew):
            for action in ("CreateFigureClusteringTask", "CreateSimilarImageClusteringTask"):
                caller.until_done(action, ProjectName=PROJECT, DatasetName=dataset)
        left = wait_until_quiet(self._database, self._plan.quiet_s)
        self._verdict.stuck += [f"I5 after the rebuild {what}" for what in left]
        deadline = time.monotonic() + _CONSOLIDATED_S
        while wrong := difference(*(partition(client, caller, d) for d in (client.dataset, anew))):
            if time.monotonic() > deadline:
                self._verdict.other.append(f"I11 {client.dataset} against a fresh one: {wrong}")
                return
            time.sleep(1)  # datasets consolidate once they rest

    def _note_processes(self) -> None:
        self._processes |= {process.pid: process for process in self._server.processes()}

    def _leave(self) -> None:
        """Stop the server as its owner would: nothing of it may be left (I13)."""
        self._note_processes()
        code = self._server.stop()
        if code != 0:
            self._verdict.other.append(f"I13 SIGTERM: the server ended with {code}")
        alive = wait_gone(list(self._processes.values()), _GONE_S)
        self._verdict.other += [f"I13 the process {process.pid} is left" for process in alive]

    def _end_server(self) -> None:
        """Leave nothing behind, whatever has gone wrong."""
        self._note_processes()
        if self._server.is_running():
            self._server.kill_all()
        for process in wait_gone(list(self._processes.values()), 0.0):
            process.kill()


class _Probe:
    """Reads, writes and asks without rest, so that an outage is seen to its end."""

    def __init__(self, caller: Caller, client: Client) -> None:
        self._caller = caller
        self._names = {**client.names, "DatasetName": "probe"}
        self._uri = client.pictures.good[0]
        self._turn = 0
        caller.until_done("CreateDataset", **self._names)
        caller.until_done("BatchIndexFileMeta", **self._names, Files=[{"URI": self._uri}])

    def act(self) -> None:
        """Send one request of each kind; a question, which costs more, every third time."""
        self._turn += 1
        self._caller.call("GetFileMeta", **self._names, URI=self._uri)
        said = {"URI": self._uri, "CustomId": str(self._turn)}
        self._caller.call("UpdateFileMeta", **self._names, File=said)
        if self._turn % 3 == 0:
            self._caller.call("SearchImageFigureCluster", **self._names, SourceURI=self._uri)

    def close(self) -> None:
        self._caller.close()


def faults_for(nodes: int, *, store_server: bool) -> list[str]:
    """Return the names of the faults that a server of so many nodes can have."""
    return [
        name
        for name, fault in FAULTS.items()
        if (nodes > 1 or not fault.many_nodes) and (store_server or not fault.store_server)
    ]


def settings_of(plan: Plan, inbox: str) -> dict[str, Any]:
    """Return the server's settings; messages go to the URL ``inbox``."""
    everybody = {"accounts": ["*"]}
    users = [
        {"account": a.number, "access_key_id": a.key, "access_key_secret": a.secret}
        for a in ACCOUNTS
    ]
    return {
        "auth": {"users": users},
        "store": {"url": plan.store_url},
        "buckets": {BUCKET: {"target": str(plan.folder / BUCKET), **everybody}},
        "clustering": {
            "min_entity_count": 2,
            "min_face_px": 20,
            "min_face_quality": 0.3,
            "consolidate_idle_s": 2.0,
        },
        "models": {"threads": 1},
        "owners": {"hosts": 2},
        "notifications": {
            "topics": {TOPIC: {"target": inbox, **everybody}},
            "timeout_s": 2.0,
            "first_retry_s": 0.1,
            "max_retry_s": 2.0,
            "give_up_after_s": 1e9,
        },
    }
