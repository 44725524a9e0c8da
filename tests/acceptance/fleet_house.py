"""A fleet of real processes: runners that several orchestrators share, and a provider whose books outlive them all.

Sandbox mode keeps its play money in files of its own, so these orchestrators are live ones: what they and their workers
take for fal is a sandbox, reached as a gateway is (``MINTMARK_PROVIDER_URLS``).
"""

from __future__ import annotations

import json
import subprocess
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .conftest import Server, clean_environment, mintmark


@dataclass
class FleetHouse:
    """``folder`` holds all of it; ``database`` is the URL of the PostgreSQL that the orchestrators share."""

    folder: Path
    database: str
    latency_s: float = 0.5
    runners: dict[str, Server] = field(default_factory=dict)
    orchestrators: dict[str, Server] = field(default_factory=dict)

    def __post_init__(self) -> None:
        state = ("--state", self.folder / "truth.jsonl", "--latency", self.latency_s)
        self.sandbox = Server("sandbox", *state, env=clean_environment(), log=self.folder / "sandbox.log")

    def environment(self, name: str) -> dict[str, str]:
        """That of one process, with a data folder of its own; files of jobs lie where all can read them."""
        return clean_environment(
            FAL_KEY="fleet-test:secret",
            MINTMARK_PROVIDER_URLS=f"fal={self.sandbox.url}/fal/queue",
            MINTMARK_DATA_DIR=str(self.folder / name),
            MINTMARK_LEDGER_URL=self.database,
            MINTMARK_SERVICE_ASSETS=str(self.folder / "assets"),
        )

    def hire(self, name: str) -> Server:
        """Start a runner."""
        env = self.environment(name)
        # A worker has a journal of its own, and no business in the database.
        del env["MINTMARK_LEDGER_URL"]
        args = ("runner", "--base-dir", self.folder / name / "base", "--db", self.folder / f"{name}.db")
        self.runners[name] = Server(*args, env=env, log=self.folder / f"{name}.log")
        return self.runners[name]

    def open(self, name: str, workers: list[str]) -> Server:
        """Start an orchestrator that has no runner of its own."""
        named = [word for url in workers for word in ("--worker", url)]
        log = self.folder / f"{name}.log"
        server = Server("serve", "--runners", 0, *named, env=self.environment(name), log=log)
        self.orchestrators[name] = server
        return server

    def kill(self, name: str) -> None:
        """SIGKILL an orchestrator."""
        server = self.orchestrators.pop(name)
        server._process.kill()
        server.stop()

    def close(self) -> None:
        """Stop everything in order."""
        for server in (*self.orchestrators.values(), *self.runners.values(), self.sandbox):
            server.stop()

    # -- the books ----------------------------------------------------------------------------------------------------

    def ledger(self) -> list[dict[str, Any]]:
        """Every call in the shared books."""
        asked = mintmark("ledger", "list", "--limit", "100000", "--json")
        ran = subprocess.run(asked, env=self.environment("books"), capture_output=True, check=True)
        return list(json.loads(ran.stdout))

    def prompts(self) -> Counter[str]:
        """How often the provider was asked for each prompt."""
        calls = self.sandbox.ask("GET", "/_sandbox/calls?kind=generation")
        return Counter(str(call["body"]["prompt"]) for call in calls)

    def check_money(self) -> None:
        """What the provider has billed is settled in the books, call by call, or is unknown there."""
        bill = {line["request_id"]: line["microusd"] for line in self.sandbox.ask("GET", "/_sandbox/bill")["lines"]}
        lines = self.ledger()
        settled = {line["request_id"]: line["microusd"] for line in lines if line["kind"] == "settled"}
        unknown = [line for line in lines if line["kind"] == "unknown"]
        assert settled.items() <= bill.items(), "settled, but never billed"
        doubted = [microusd for request_id, microusd in bill.items() if request_id not in settled]
        assert len(doubted) <= len(unknown), (doubted, unknown)
        assert sum(doubted) <= sum(line["microusd"] for line in unknown)
