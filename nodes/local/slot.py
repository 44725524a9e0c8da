"""The local slot: pipelines in memory, one of them at work. Those used the least recently go first, by bytes.

There is one slot a process, as there is one device. Pipelines are known by their recipe without what is added to it and
taken off again, and by the state of their files: one whose file was replaced is loaded anew.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from ... import log
from ...errors import OutOfMemory
from . import memory
from .memory import Mode, Need, Room
from .recipe import Recipe
from .versions import changed_ns

if TYPE_CHECKING:
    from .loading import Loaded

T = TypeVar("T")
logger = log.get("nodes.local.slot")


@dataclass(eq=False)
class Held:
    """A pipeline that is in memory. ``weights`` is in bytes; ``in_ram``: on the device only while they work."""

    recipe: Recipe
    mode: Mode
    stamp: int
    loaded: Loaded
    weights: int
    in_ram: bool
    users: int = 0
    unwanted: bool = False
    """Goes as soon as nobody works with it."""

    @property
    def name(self) -> str:
        return self.recipe.checkpoint.name

    @property
    def file(self) -> str:
        """The checkpoint's file or folder by its own name, as workers tell what they have in memory."""
        return PurePath(self.recipe.checkpoint.path).name


class Neighbours(Protocol):
    """Others in this process who hold models on the same device, and may want its memory."""

    def make_room(self, need: int, device: Any) -> None:
        """So many bytes are about to be taken: let go of what is in the way."""

    def came(self, held: Held, free: Callable[[], int]) -> None:
        """This is in memory now. ``free`` lets go of it, and tells how many bytes that gave; for any thread."""

    def left(self, held: Held) -> None:
        """It is gone."""


class Nobody:
    """There are none."""

    def make_room(self, need: int, device: Any) -> None: ...

    def came(self, held: Held, free: Callable[[], int]) -> None: ...

    def left(self, held: Held) -> None: ...


@dataclass
class Means:
    """How a slot finds things out and gets them done; a test has its own."""

    load: Callable[[Recipe], Loaded]
    need: Callable[[Recipe, Room], Need]
    room: Callable[[int], Room]
    """Of the device, where so many bytes of ours could be freed."""
    device: Callable[[], Any]
    ram: Callable[[], int]
    """Of the machine, in bytes."""
    limit: Callable[[], int | None]
    """In how many bytes pipelines are kept; None: a share of what there is."""
    neighbours: Neighbours = field(default_factory=Nobody)


class Slot:
    """See the module. Everything may be called from any thread."""

    def __init__(self, means: Means) -> None:
        self._means = means
        self._turn = threading.RLock()
        """Whoever has it works with a pipeline, or loads one."""
        self._lock = threading.RLock()
        self._held: list[Held] = []
        """The least recently used first."""

    def held(self) -> list[tuple[str, int]]:
        """(checkpoint's name, bytes of its weights) of what is in memory, the least recently used first."""
        with self._lock:
            return [(each.name, each.weights) for each in self._held]

    def files(self) -> list[str]:
        """The names of their files, without the folders they are in."""
        with self._lock:
            return sorted({each.file for each in self._held})

    def run(self, recipe: Recipe, work: Callable[[Loaded], T]) -> T:
        """What ``work`` makes with the recipe's pipeline. Where memory does not suffice everything is freed, and where
        the recipe's mode is ``auto`` it is done once more in the next lower one.

        Raises what :meth:`using` raises, and what ``work`` does.
        """
        lower: Mode | None = None
        try:
            with self.using(recipe) as loaded:
                return work(loaded)
        except OutOfMemory as failed:
            lower = failed.data.get("lower")
            if lower is None:
                raise
            memory.forget(failed)
            said = failed.message
        logger.warning("%s Trying it with memory: %s.", said, lower, extra=log.action("memory_lowered"))
        with self.using(replace(recipe, memory=lower)) as loaded:
            return work(loaded)

    @contextmanager
    def using(self, recipe: Recipe) -> Iterator[Loaded]:
        """The recipe's pipeline, loaded where it is not there yet; nobody else works with one until the block ends.

        Raises OutOfMemory, with everything freed, where it does not fit or the block ran out of memory; its data has
        the mode to try next as ``lower``, where the recipe allows one. Raises what loading raises.
        """
        with self._turn:
            held: Held | None = None
            try:
                held = self._ready(recipe)
                yield held.loaded
            except BaseException as exc:
                if isinstance(exc, OutOfMemory) or not memory.is_out_of_memory(exc):
                    memory.forget(exc)  # hosts and logs keep errors: no weights with them
                    raise
                self._leave(held)
                failed, held = self._failed(recipe, held), None
                memory.forget(exc)
                memory.give_back()
                raise failed from None
            finally:
                self._leave(held)

    def free(self, wanted: int | None = None) -> int:
        """Let go of pipelines, the least recently used first, until so many bytes are free; None: of all. How many that
        were. One that is at work goes when it is done, and does not count."""
        freed, gone = 0, []
        with self._lock:
            for each in list(self._held):
                if wanted is not None and freed >= wanted:
                    break
                if each.users:
                    each.unwanted = each.unwanted or wanted is None
                else:
                    gone.append(each)
                    freed += each.weights
        self._drop(gone)
        return freed

    # -- within -------------------------------------------------------------------------------------------------------

    def _ready(self, recipe: Recipe) -> Held:
        """What is held of the recipe, or what is loaded for it now; at work from here on."""
        stamp = stamp_of(recipe)
        return self._found(recipe, stamp) or self._load(recipe, stamp)

    def _found(self, recipe: Recipe, stamp: int) -> Held | None:
        """What is held of the recipe; with ``auto`` in whichever mode that is. What is there of older files goes."""
        with self._lock:
            same = [each for each in self._held if _is_same(each.recipe, recipe)]
            found = next((each for each in reversed(same) if each.stamp == stamp and not each.unwanted), None)
            stale = [each for each in same if each.stamp != stamp and not each.users]
            if found is not None:
                found.users += 1
                self._held.remove(found)
                self._held.append(found)
        self._drop(stale)
        return found

    def _load(self, recipe: Recipe, stamp: int) -> Held:
        means = self._means
        room = means.room(self._bytes())
        need = means.need(recipe, room)
        mode = memory.mode_for(recipe, need, room)
        made = replace(recipe.bare, memory=mode)
        in_ram = not room.is_cpu and mode != "full"
        self._make_room(need, mode, room, in_ram)
        try:
            loaded = means.load(made)
        except BaseException as exc:
            memory.forget(exc)
            memory.give_back()
            raise
        held = Held(made, mode, stamp, loaded, int(loaded.bytes), in_ram, users=1)
        with self._lock:
            self._held.append(held)
        means.neighbours.came(held, lambda: self._let_go(held))
        return held

    def _make_room(self, need: Need, mode: Mode, room: Room, in_ram: bool) -> None:
        """Ours that were used the least recently go for what is kept at most, native models and more of ours for what
        the device has."""
        self._shrink_to(self._budget(room, in_ram) - need.weights, in_ram)
        self._means.neighbours.make_room(need.usual(mode), self._means.device())
        lacking = need.usual(mode) - self._means.room(0).now
        if lacking > 0:
            self.free(lacking)

    def _bytes(self, *, in_ram: bool | None = None) -> int:
        with self._lock:
            return sum(each.weights for each in self._held if in_ram in (None, each.in_ram))

    def _budget(self, room: Room, in_ram: bool) -> int:
        limit = self._means.limit()
        if limit is not None:
            return limit
        if in_ram or room.is_cpu:
            return int(self._means.ram() * memory.RAM_SHARE)
        return int(room.total * memory.DEVICE_SHARE)

    def _shrink_to(self, most: int, in_ram: bool) -> None:
        """Let go of the least recently used of those that are in the same memory, until they take no more than this."""
        gone, size = [], self._bytes(in_ram=in_ram)
        with self._lock:
            for each in self._held:
                if size <= most:
                    break
                if each.in_ram == in_ram and not each.users:
                    gone.append(each)
                    size -= each.weights
        self._drop(gone)

    def _leave(self, held: Held | None) -> None:
        if held is None:
            return
        with self._lock:
            held.users -= 1
            held.weights = int(held.loaded.bytes)  # ControlNets may have come to them
            unwanted = held.unwanted and not held.users
        if unwanted:
            self._drop([held])

    def _failed(self, recipe: Recipe, held: Held | None) -> OutOfMemory:
        """Frees everything, and says what happened."""
        room = self._means.room(self._bytes())
        need = self._means.need(recipe, room)
        mode = held.mode if held is not None else memory.mode_for(recipe, need, room)
        self.free()
        failed = memory.too_small(recipe, need, room, mode, tried=True)
        if recipe.memory == "auto":
            failed.data["lower"] = memory.below(mode, room)
        return failed

    def _let_go(self, held: Held) -> int:
        """For a neighbour who wants its memory: how many bytes that gave; none while it is at work."""
        with self._lock:
            if held not in self._held:
                return 0
            if held.users:
                held.unwanted = True
                return 0
        self._drop([held])
        return held.weights

    def _drop(self, several: list[Held]) -> None:
        with self._lock:
            for each in several:
                each.unwanted = each.unwanted or each.users > 0  # work began on it since it was chosen
            gone = [each for each in several if each in self._held and not each.users]
            self._held = [each for each in self._held if each not in gone]
        for each in gone:
            # Whoever still has the value, such as a call in a traceback, holds an empty one.
            each.loaded.parts.clear()
            self._means.neighbours.left(each)
            logger.info("%s is no longer in memory", each.name, extra=log.action("pipeline_freed"))
        if gone:
            memory.give_back()


def _is_same(held: Recipe, asked: Recipe) -> bool:
    bare = asked.bare
    return held == (replace(bare, memory=held.memory) if bare.memory == "auto" else bare)


def stamp_of(recipe: Recipe) -> int:
    """Of the checkpoint's files as they are now: the newest of their times of change, in nanoseconds.

    A recipe may be older: hosts keep what Load Pipeline gave.
    """
    its = recipe.checkpoint
    return max(changed_ns(Path(each)) for each in (its.path, its.config) if each)


# -- this process's ---------------------------------------------------------------------------------------------------

_slot: Slot | None = None
_made = threading.Lock()


def slot() -> Slot:
    """The slot of this process."""
    global _slot
    with _made:
        if _slot is None:
            _slot = Slot(_means())
        return _slot


def free_all() -> int:
    """Let go of all pipelines of this process; how many bytes that gave."""
    return _slot.free() if _slot is not None else 0


def files_in_memory() -> list[str]:
    """The files of the pipelines that this process holds."""
    return _slot.files() if _slot is not None else []


def _means() -> Means:
    from . import comfy_memory, loading

    return Means(
        load=loading.load,
        need=lambda recipe, room: memory.need_of(recipe, cpu=room.is_cpu),
        room=lambda held: memory.room(memory.device_here(), held),
        device=memory.device_here,
        ram=memory.ram,
        limit=_limit,
        neighbours=comfy_memory.neighbours() or Nobody(),
    )


def _limit() -> int | None:
    from ..host import is_known
    from ..worker import current

    found = current().settings.local_memory_gib if is_known() else None
    return None if found is None else found * 2**30
