"""``mintmark policy``: which policies there are, what one says, and how one on trial would have decided."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .output import Json, console, emit, plain, table
from .settings import SandboxFlag, settings

if TYPE_CHECKING:
    from ..config import Settings
    from ..moderation.comparing import Comparison
    from ..moderation.policy import Policy
    from ..moderation.verdict import Subject, Verdict

app = typer.Typer(no_args_is_help=True, help="Moderation policies: show them, and compare one on trial.")
_NEVER = "–"


@app.command("list")
def list_policies(as_json: Json = False) -> None:
    """The policies that come with Mintmark, each with its versions."""
    from ..moderation.policy import load, shipped_files

    found = sorted((load(str(path)) for path in shipped_files()), key=lambda each: (each.name, each.version))
    if as_json:
        emit([{"policy": each.ref, "description": each.description} for each in found])
        return
    shown = table("Policies", "policy", "what it is")
    for each in found:
        shown.add_row(each.ref, plain(each.description))
    console().print(shown)


@app.command()
def show(
    policy: Annotated[
        str | None, typer.Argument(help="A name, name@version or a file; else the one that is set.")
    ] = None,
    sandbox: SandboxFlag = False,
    as_json: Json = False,
) -> None:
    """What a policy asks and from which score it does what, with the house rules beside it."""
    from ..moderation.house import load as load_house
    from ..moderation.policy import load

    found = settings(sandbox=sandbox)[0]
    ours, house = load(policy or found.policy), load_house(found.house_rules)
    if as_json:
        emit({"policy": ours.model_dump(mode="json"), "house_rules": house.model_dump(mode="json")})
        return
    out = console()
    out.print(f"[bold]{ours.ref}[/]  {plain(ours.description)}")
    out.print(f"  prompts: {', '.join(ours.prompt_checkers)}; images: {', '.join(ours.image_checkers) or 'nobody'}")
    out.print(_thresholds(ours))
    _tell_house(house, out)


def _thresholds(policy: Policy) -> Any:
    from ..moderation.policy import LOCKED

    shown = table("From which score", "category", "flag", "blur", "review", "block")
    prompt: Subject = "prompt"
    image: Subject = "image"
    for category in sorted({*policy.categories, *policy.image_categories, *LOCKED}):
        for subject, named in ((prompt, category), (image, f"{category} (images)")):
            if subject == "image" and category not in policy.image_categories:
                continue
            steps = {name: score for name, _, score in policy.thresholds(category, subject).steps()}
            cells = [f"{steps[name]:g}" if name in steps else _NEVER for name in _FIELDS]
            shown.add_row(f"{named} (locked)" if category in LOCKED else named, *cells)
    return shown


_FIELDS = ("flag_at", "blur_at", "review_at", "block_at")


def _tell_house(house: Any, out: Any) -> None:
    """What the house rules add, in a line each."""
    for name, lists in (("stops", house.block), ("lets through", house.allow)):
        counts = {what: len(getattr(lists, what)) for what in ("terms", "prompts", "images", "looks")}
        if told := ", ".join(f"{count} {what}" for what, count in counts.items() if count):
            out.print(f"  the house {name}: {told}")
    if house.shadow:
        out.print(f"  on trial beside it: {plain(house.shadow)}")
    if house.canary:
        out.print(f"  canary: {plain(house.canary.policy)} for {house.canary.percent:g}% by {house.canary.by}")
    if house.references == "own_uploads":
        out.print("  references: own uploads only")


@app.command()
def compare(
    old: Annotated[
        str | None, typer.Argument(help="A policy; without any: what was judged here, beside its shadow.")
    ] = None,
    new: Annotated[str | None, typer.Argument(help="The policy to hold against it.")] = None,
    texts: Annotated[
        Path | None, typer.Option("--texts", help="A file of prompts, one a line (or JSON Lines with `text`).")
    ] = None,
    sandbox: SandboxFlag = False,
    as_json: Json = False,
) -> None:
    """Where a policy on trial decides otherwise: of what was judged on this machine, or of a file of prompts."""
    from ..errors import UsageError
    from ..moderation.comparing import comparisons

    if (old is None) != (texts is None) or (old is None) != (new is None):
        raise UsageError(
            "Give two policies with --texts FILE, or nothing.",
            hint="mintmark policy compare standard@1.0.0 standard@2.0.0 --texts prompts.txt",
        )
    found = settings(sandbox=sandbox)[0]
    if old is not None and new is not None and texts is not None:
        verdicts = asyncio.run(_tried(found, old, new, texts))
    else:
        verdicts = list(_judged_here(found))
    results = comparisons(verdicts)
    if as_json:
        emit([each.model_dump(mode="json") for each in results])
        return
    if not results:
        console().print("Nothing was judged beside a policy on trial yet: name one in the house rules (`shadow`).")
    for each in results:
        _tell(each)


def _judged_here(found: Settings) -> Iterator[Verdict]:
    """The verdicts of this machine's journal that have a shadow."""
    from ..generation.sqlite_journal import SqliteJournal
    from ..moderation.verdict import Verdict

    if not (found.books_dir / "journal.sqlite3").exists():
        return
    journal = SqliteJournal(found.books_dir)
    try:
        seq = 0
        while page := journal.since(seq):
            judged = (each.data for each in page if each.kind == "verdict" and each.data.get("shadow"))
            yield from map(Verdict.model_validate, judged)
            seq = page[-1].seq
    finally:
        journal.close()


async def _tried(found: Settings, old: str, new: str, texts: Path) -> list[Verdict]:
    """The prompts of a file, by one policy with the other as its shadow; only what is local is asked."""
    from ..moderation.classifiers.checkers import open_classifiers
    from ..moderation.house import load as load_house
    from ..moderation.moderator import Moderator
    from ..moderation.policy import load

    checkers = open_classifiers(None, found.text_classifier)
    house = load_house(found.house_rules)
    moderator = Moderator(load(old), checkers, house=house, shadow=load(new))
    return [await moderator.prompt(text) for text in _lines(texts)]


def _lines(texts: Path) -> list[str]:
    import json

    from ..errors import FileMissing, InvalidInput

    try:
        lines = [line for line in texts.read_text(encoding="utf-8").splitlines() if line.strip()]
        return [json.loads(line)["text"] if texts.suffix == ".jsonl" else line for line in lines]
    except OSError as exc:
        raise FileMissing(f"{texts} cannot be read: {exc.strerror}.") from exc
    except (ValueError, KeyError, TypeError) as exc:
        raise InvalidInput(f"{texts} is no file of prompts in UTF-8, one a line.") from exc


def _tell(result: Comparison) -> None:
    out = console()
    out.print(f"[bold]{result.shadow}[/] beside [bold]{result.policy}[/]")
    counts = f"{result.same} the same, {result.stricter} stricter, {result.milder} milder"
    out.print(f"  {result.judged} judged: {counts}")
    if not result.differences:
        return
    shown = table("Differences", "what", "decided", "would be", "by", "how often", "such as")
    for each in result.differences:
        such = ", ".join(digest[:12] for digest in each.examples[:2])
        shown.add_row(each.subject, each.decided, each.would_be, plain(each.rule), str(each.count), such)
    out.print(shown)
