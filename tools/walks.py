"""Three values on their way through the code, and who imports whom: what docs/architecture.md draws.

`python tools/walks.py` writes the diagrams and tables between the page's markers; `tests/tools/test_walks.py` holds
every hop to the code: the function is there, and the one that is said to reach it names it.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby
from operator import itemgetter
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "architecture.md"
FLOOR = frozenset({"clock", "config", "discovery", "errors", "log"})
LAYERS = (
    ("cli", "nodes", "runner", "orchestrator", "client"),
    ("generation",),
    ("providers", "moderation", "metering", "provenance", "storage", "workflows"),
)


@dataclass(frozen=True)
class Hop:
    """One step of a value: the function it comes to, and the one it comes from."""

    place: str
    """``file::function``, a method with its class."""
    says: str
    """What becomes of the value there."""
    by: str = ""
    """The function that reaches this one; the hop before where it is empty."""
    word: str = ""
    """What it is called there, where that is not the function's own name."""

    @property
    def name(self) -> str:
        return self.place.partition("::")[2]

    @property
    def room(self) -> str:
        """The folder, for the diagram: the second one too within the orchestrator."""
        parts = self.place.partition("::")[0].split("/")
        return "/".join(parts[:2]) if parts[0] == "orchestrator" else parts[0]


_SERVICE = "generation/service.py::GenerationService"
_RUN = "orchestrator/execution/run.py::JobRunner"
_LINK = "orchestrator/link/client.py::WorkerLink"

PROMPT = (
    Hop("nodes/text_to_image.py::TextToImage.execute", "the widget's text; empty is refused here"),
    Hop("nodes/generating.py::HostedNode.ask", "fields that all calls of the node share, and those of each"),
    Hop("nodes/generating.py::_request", "`GenerationRequest.prompt`: checked, as a link holds no widget's limits"),
    Hop(
        "nodes/worker.py::Worker.job",
        "the prompt's context; on into the loop of HTTP",
        "nodes/generating.py::HostedNode.ask",
    ),
    Hop(f"{_SERVICE}.generate", "split into calls of what one call can make", "nodes/generating.py::HostedNode.ask"),
    Hop(
        "providers/openai_images.py::ImagesApi.prepare",
        "`Prepared.fields`: the vendor's words, nothing sent",
        f"{_SERVICE}._prepared",
    ),
    Hop(
        "generation/judging.py::Judge.text", "a verdict, before any money is set aside", f"{_SERVICE}._moderate_prompt"
    ),
    Hop("generation/caller.py::Caller.ask", "written into the journal, then asked, once", f"{_SERVICE}._outcome"),
    Hop(
        "providers/openai_images.py::ImagesApi.ask",
        "the answer is awaited, also by who is leaving",
        "generation/caller.py::Caller._asked",
    ),
    Hop("providers/http.py::HttpClient.send", "bytes on the wire", "providers/openai_images.py::ImagesApi._sent"),
    Hop(
        "providers/openai_answer.py::answer_of",
        "`ResultImage.data`: the provider's bytes, never re-encoded",
        "providers/openai_images.py::ImagesApi._read",
    ),
    Hop(
        "generation/results.py::Results.kept",
        "in the spool, before the call counts as settled",
        "generation/outcomes.py::Outcomes._settled",
    ),
    Hop(
        "generation/pictures.py::describe",
        "`Picture`: size, digest of the file and of its pixels",
        f"{_SERVICE}._picture",
    ),
    Hop("generation/judging.py::Judge.image", "a verdict; what is blocked goes no further", f"{_SERVICE}._deliver"),
    Hop(
        "nodes/pixels.py::to_image",
        "`IMAGE`; the runner keeps the file and decodes when asked",
        "nodes/generating.py::HostedNode.ask",
    ),
    Hop("nodes/pixels.py::Batch.__call__", "float32 pixels", word="Batch"),
)
JOB = (
    Hop("cli/run_job.py::run", "words of the command line: a workflow version, typed values, files"),
    Hop(f"{_RUN}.run", "`RunRequest`", "cli/run_job.py::run_request"),
    Hop(
        "orchestrator/execution/preparing.py::prepare",
        "images uploaded, the graph bound and checked against the worker",
    ),
    Hop(
        "orchestrator/execution/local_jobs.py::JobStore.start",
        "a job id, written down before anything is posted",
        f"{_RUN}._start",
    ),
    Hop("orchestrator/execution/booking.py::Booking.allow", "the allowance, out of the budgets", f"{_RUN}._finish"),
    Hop(
        "orchestrator/execution/attempt.py::Attempt.run",
        "a place at the worker, an ear on its socket",
        f"{_RUN}._finish",
    ),
    Hop(
        f"{_LINK}.open_job",
        "the context, over the wire, before the prompt",
        "orchestrator/execution/attempt.py::Attempt._once",
    ),
    Hop(
        "nodes/route.py::_Handlers.accept",
        "on the worker: kept by prompt id, never in the graph",
        "nodes/route.py::add_routes",
    ),
    Hop(f"{_LINK}.submit", "the graph, under the job's id, once", "orchestrator/execution/attempt.py::Attempt._once"),
    Hop(
        "runner/posting.py::Posting.take",
        "on the worker (or a ComfyUI's own): validated, queued",
        "runner/routes.py::Routes.post_prompt",
    ),
    Hop("runner/executor.py::PromptRun.run", "nodes run as their inputs come", "runner/prompts.py::Prompts._run"),
    Hop(
        "generation/sealing.py::seal",
        "Sign and Save: judged where not yet, signed from the record",
        "nodes/save.py::_save",
    ),
    Hop(
        "orchestrator/link/following.py::Following.end", "what is heard hurries, the history decides", f"{_LINK}.follow"
    ),
    Hop(
        "orchestrator/execution/settling.py::settle_well",
        "the worker's journal, whole, into the ledger",
        f"{_RUN}._finish",
    ),
    Hop(
        "orchestrator/execution/delivery.py::Delivery.deliver",
        "fetched, its verdict and credential held",
        f"{_RUN}._finish",
    ),
    Hop(
        "storage/files.py::write_new",
        "a signed file: whole, or not there",
        "orchestrator/execution/delivery.py::_write",
    ),
)
MONEY = (
    Hop("providers/catalog/__init__.py::rows", "a decimal in JSON, with the day and page it was read"),
    Hop("providers/models.py::validated", "`Price`: a rule with one unit", "providers/models.py::_sound"),
    Hop("metering/prices.py::quote", "integer micro-dollars at most, from what is asked", f"{_SERVICE}._price"),
    Hop(f"{_SERVICE}._new", "`NewCall.hold_microusd`", f"{_SERVICE}._calls"),
    Hop(
        "generation/books.py::LocalBooks.hold",
        "within its limits; by hand also out of the budgets, now",
        f"{_SERVICE}._calls",
    ),
    Hop(
        "generation/sqlite_journal.py::SqliteJournal.hold",
        "out of the job's allowance and within its limits, in one transaction",
    ),
    Hop(
        "metering/prices.py::charge",
        "what it did cost, from the provider's own count",
        "generation/outcomes.py::Outcomes._charge",
    ),
    Hop(
        "generation/sqlite_journal.py::SqliteJournal.move",
        "`settled`: the hold became a charge",
        "generation/outcomes.py::Outcomes._settled",
    ),
    Hop("nodes/worker.py::Worker._tell", "the entry, at once, as a websocket event", "nodes/worker.py::Worker._open"),
    Hop(
        "orchestrator/execution/booking.py::Booking.settle",
        "and once more at the end, all of them",
        "orchestrator/execution/settling.py::settle_well",
    ),
    Hop("generation/books.py::posting", "`Posting`: what of an entry is money", "generation/books.py::postings"),
    Hop(
        "metering/ledger_sql.py::SqlLedger.post",
        "booked, however often it is told",
        "orchestrator/execution/booking.py::Booking.book",
    ),
    Hop("generation/context.py::receipt_of", "`Receipt`, into the record", "generation/recording.py::recorded"),
    Hop("nodes/receipt.py::receipt_text", "a line for the artist", "nodes/receipt.py::Receipt.execute"),
    Hop("orchestrator/execution/request.py::succeeded", "`total_microusd` of the job", f"{_RUN}._finish"),
)
WALKS = {"prompt": PROMPT, "job": JOB, "money": MONEY}


# -- the code as it is ------------------------------------------------------------------------------------------------


@lru_cache
def functions(file: str) -> dict[str, str]:
    """The functions of a file by name, each with its source; methods after their class."""
    text = (ROOT / file).read_text(encoding="utf-8")
    found: dict[str, str] = {}

    def look(node: ast.AST, prefix: str) -> None:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.ClassDef):
                look(child, f"{prefix}{child.name}.")
            elif isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
                found[prefix + child.name] = ast.get_source_segment(text, child) or ""

    look(ast.parse(text), "")
    return found


def source(place: str) -> str | None:
    """The source of ``file::function``; None where there is no such function."""
    file, _, name = place.partition("::")
    return functions(file).get(name) if (ROOT / file).is_file() else None


def problems(walk: Sequence[Hop]) -> Iterator[str]:
    """Each hop that the code does not bear out, and why."""
    before = ""
    for number, hop in enumerate(walk, 1):
        by = hop.by or before
        if source(hop.place) is None:
            yield f"{number}: there is no {hop.place}"
        if by and (reaching := source(by)) is None:
            yield f"{number}: there is no {by}"
        elif by and not re.search(rf"\b{re.escape(hop.word or hop.name.rpartition('.')[2])}\b", str(reaching)):
            yield f"{number}: {by} does not reach {hop.place}"
        before = hop.place


def imports() -> set[tuple[str, str]]:
    """(importing part, imported part) of the house, without the floor and what stands outside."""
    parts = {part for layer in LAYERS for part in layer}
    found = set()
    for part in parts:
        for path in (ROOT / part).rglob("*.py"):
            depth = len(path.relative_to(ROOT).parent.parts)
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.ImportFrom) and node.level == depth + 1:
                    names = [node.module] if node.module else [alias.name for alias in node.names]
                    found |= {(part, name.partition(".")[0]) for name in names}
    return {(one, other) for one, other in found if other in parts}


# -- as text ----------------------------------------------------------------------------------------------------------


def table(walk: Sequence[Hop]) -> str:
    """The hops as lines of a table."""
    rows = [f"| {n} | `{hop.place}` | {hop.says} |" for n, hop in enumerate(walk, 1)]
    return "\n".join(["| | where | what becomes of it |", "|---|---|---|", *rows])


def diagram(walk: Sequence[Hop]) -> str:
    """The value's way between folders as a mermaid sequence; what follows one another in a folder is one arrow."""
    ids = {hop.room: hop.room.replace("/", "_") for hop in walk}
    lines = ["```mermaid", "sequenceDiagram", *(f"    participant {name} as {room}" for room, name in ids.items())]
    steps = [(ids[hop.room], f"{number} {hop.name}") for number, hop in enumerate(walk, 1)]
    before = steps[0][0]
    for room, names in groupby(steps, key=itemgetter(0)):
        lines.append(f"    {before}->>{room}: {', '.join(name for _, name in names)}")
        before = room
    return "\n".join([*lines, "```"])


def layers() -> str:
    """Who imports whom, as a mermaid flowchart. The command line may import everything, so it is left out."""
    drawn = imports()
    needs = {part: sorted(other for one, other in drawn if one == part) for layer in LAYERS for part in layer}
    lines = [f"    {part} --> {' & '.join(found)}" for part, found in needs.items() if found and part != "cli"]
    return "\n".join(["```mermaid", "flowchart TD", *lines, "```"])


def parts() -> dict[str, str]:
    """The generated parts of the page by marker."""
    drawn = {name: f"{diagram(walk)}\n\n{table(walk)}" for name, walk in WALKS.items()}
    return {"layers": layers(), **drawn}


def filled(page: str) -> str:
    """The page with its generated parts as they are now."""
    for name, text in parts().items():
        head, tail = f"<!-- {name}: tools/walks.py -->\n", f"<!-- /{name} -->"
        before, _, rest = page.partition(head)
        page = f"{before}{head}\n{text}\n\n{tail}{rest.partition(tail)[2]}"
    return page


if __name__ == "__main__":
    PAGE.write_text(filled(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
