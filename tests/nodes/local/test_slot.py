"""Which pipelines stay in memory, and what happens when there is not enough of it; with weights of plain bytes."""

from __future__ import annotations

import gc
import os
import threading
import weakref
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mintmark.errors import OutOfMemory
from mintmark.nodes.local.memory import Need, Room
from mintmark.nodes.local.recipe import Checkpoint, Lora, Memory, Recipe
from mintmark.nodes.local.slot import Held, Means, Slot

MIB = 2**20
SIZE = 10 * MIB
"""Of each pipeline here."""
IN_TIME_S = 20.0


class Weights:
    """Something whose life can be followed."""


class Loaded:
    def __init__(self, recipe: Recipe) -> None:
        self.recipe = recipe
        self.parts = {"net": Weights()}
        self.bytes = SIZE


class Device:
    """A GPU of so many MiB that others fill besides us, and the models of others on it."""

    def __init__(self, size: int, limit: int | None = None) -> None:
        self.size = size
        self.limit = limit
        self.loads: list[Recipe] = []
        self.alive: list[weakref.ref[Weights]] = []
        self.fails: Callable[[Recipe], None] = lambda recipe: None
        self.free: dict[str, Callable[[], int]] = {}
        self.asked: list[int] = []
        self.slot = Slot(
            Means(
                load=self.load,
                need=lambda recipe, room: Need(SIZE, SIZE // 2, MIB),
                room=self.room,
                device=lambda: "cuda:0",
                ram=lambda: 100 * SIZE,
                limit=lambda: self.limit,
                neighbours=self,
            )
        )

    @property
    def taken(self) -> int:
        return sum(SIZE for each in self.alive if each() is not None)

    def room(self, held: int) -> Room:
        return Room("cuda:0", self.size, self.size - self.taken, self.size - self.taken + held)

    def load(self, recipe: Recipe) -> Any:
        self.loads.append(recipe)
        made = Loaded(recipe)
        self.alive.append(weakref.ref(made.parts["net"]))
        self.fails(recipe)
        return made

    def make_room(self, need: int, device: Any) -> None:
        self.asked.append(need)

    def came(self, held: Held, free: Callable[[], int]) -> None:
        self.free[held.name] = free

    def left(self, held: Held) -> None:
        del self.free[held.name]


@pytest.fixture
def device() -> Device:
    return Device(100 * MIB)


@pytest.fixture
def recipe(tmp_path: Path) -> Callable[..., Recipe]:
    def make(name: str = "a", memory: Memory = "auto") -> Recipe:
        path = tmp_path / f"{name}.safetensors"
        if not path.exists():
            path.write_bytes(b"")
        its = Checkpoint(name=path.name, path=str(path), kind="file", family="sdxl", size=SIZE, stamp=0)
        return Recipe(checkpoint=its, memory=memory)

    return make


def names(device: Device) -> list[str]:
    return [name.partition(".")[0] for name, _ in device.slot.held()]


def test_a_pipeline_is_loaded_once_whatever_is_added_to_it(device: Device, recipe: Any) -> None:
    for each in (recipe(), recipe().with_lora(Lora(name="l", path="l")), recipe()):
        with device.slot.using(each) as loaded:
            assert loaded.recipe == replace(recipe(), memory="full")
    assert len(device.loads) == 1
    assert device.slot.held() == [("a.safetensors", SIZE)]
    assert device.slot.files() == ["a.safetensors"]


def test_another_type_of_numbers_is_another_pipeline(device: Device, recipe: Any) -> None:
    for dtype in ("float32", "float16"):
        with device.slot.using(replace(recipe(), dtype=dtype)):
            pass
    assert len(device.loads) == 2


def test_a_file_that_was_replaced_is_loaded_anew_and_the_old_one_is_gone(device: Device, recipe: Any) -> None:
    its = recipe()
    with device.slot.using(its):
        pass
    os.utime(its.checkpoint.path, ns=(1, 1))
    with device.slot.using(its):
        pass
    assert len(device.loads) == 2
    assert names(device) == ["a"]
    assert device.taken == SIZE


def test_an_error_that_somebody_keeps_keeps_nothing_that_the_work_had(device: Device, recipe: Any) -> None:
    made: list[weakref.ref[Weights]] = []

    def work(loaded: Any) -> None:
        pipe = Weights()
        made.append(weakref.ref(pipe))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt) as caught:
        device.slot.run(recipe(), work)
    gc.collect()
    assert made[0]() is None
    assert caught.value.__traceback__ is not None


def test_what_was_used_the_least_recently_goes_first(device: Device, recipe: Any) -> None:
    device.limit = 2 * SIZE
    for name in ("a", "b", "a", "c"):
        with device.slot.using(recipe(name)):
            pass
    assert names(device) == ["a", "c"]
    assert device.taken == 2 * SIZE


def test_without_a_limit_a_share_of_the_device_is_kept(recipe: Any) -> None:
    device = Device(4 * SIZE)
    for name in "abcd":
        with device.slot.using(recipe(name)):
            pass
    assert names(device) == ["b", "c", "d"], "80%, so three of four"


def test_offloaded_pipelines_take_none_of_the_devices_share(device: Device, recipe: Any) -> None:
    device.limit = SIZE
    with device.slot.using(recipe("a", "offload")), device.slot.using(recipe("b", "full")):
        pass
    assert names(device) == ["a", "b"]


def test_native_models_are_asked_to_make_room_before_anything_is_loaded(device: Device, recipe: Any) -> None:
    with device.slot.using(recipe()):
        pass
    assert device.asked == [SIZE + SIZE // 8], "the weights, and a quarter of the largest part for the work"


def test_ours_make_room_where_native_models_did_not(recipe: Any) -> None:
    device = Device(2 * SIZE, limit=100 * SIZE)
    for name in ("a", "b"):
        with device.slot.using(recipe(name, "full")):
            pass
    assert names(device) == ["b"]


def test_a_neighbour_frees_what_is_not_at_work(device: Device, recipe: Any) -> None:
    with device.slot.using(recipe("a")):
        pass
    assert device.free["a.safetensors"]() == SIZE
    assert device.taken == 0 and device.free == {}


def test_what_is_at_work_stays_until_it_is_done(device: Device, recipe: Any) -> None:
    with device.slot.using(recipe("a")):
        pass
    with device.slot.using(recipe("b")) as loaded:
        assert device.slot.free() == SIZE, "of the one that is not at work"
        assert device.free["b.safetensors"]() == 0
        assert loaded.parts
    assert device.slot.held() == []
    assert device.taken == 0


class Handover:
    """A lock; when it is first let go of, somebody else is quicker."""

    def __init__(self, lock: Any, begin: Callable[[], None]) -> None:
        self._lock, self._begin = lock, [begin]

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(self, *_: object) -> None:
        self._lock.release()
        if self._begin:
            self._begin.pop()()


def test_work_that_begins_while_others_free_keeps_its_weights_until_it_is_done(device: Device, recipe: Any) -> None:
    with device.slot.using(recipe()):
        pass
    with ExitStack() as work:
        begun: list[Any] = []
        lock = Handover(device.slot._lock, lambda: begun.append(work.enter_context(device.slot.using(recipe()))))
        device.slot._lock = lock  # type: ignore[assignment]
        device.slot.free()
        assert begun[0].parts
        assert names(device) == ["a"]
    assert names(device) == []


def test_some_bytes_are_freed_from_the_least_recently_used(device: Device, recipe: Any) -> None:
    for name in "abc":
        with device.slot.using(recipe(name)):
            pass
    assert device.slot.free(SIZE + 1) == 2 * SIZE
    assert names(device) == ["c"]


def test_freeing_does_not_wait_for_the_work(device: Device, recipe: Any) -> None:
    at_work, go_on = threading.Event(), threading.Event()

    def work() -> None:
        with device.slot.using(recipe("a")):
            at_work.set()
            assert go_on.wait(IN_TIME_S)

    thread = threading.Thread(target=work)
    thread.start()
    assert at_work.wait(IN_TIME_S)
    assert device.slot.free() == 0
    go_on.set()
    thread.join(IN_TIME_S)
    assert device.slot.held() == []


def test_pipelines_work_one_at_a_time(device: Device, recipe: Any) -> None:
    inside: list[str] = []

    def work(name: str) -> None:
        with device.slot.using(recipe(name)):
            inside.append(name)
            assert inside == [name]
            inside.remove(name)

    threads = [threading.Thread(target=work, args=(name,)) for name in "abcabc"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(IN_TIME_S)
    assert len(device.loads) == 3


def test_a_failed_load_leaves_nothing_behind(device: Device, recipe: Any) -> None:
    def fail(_: Recipe) -> None:
        raise ValueError("The file is odd.")

    device.fails = fail
    with pytest.raises(ValueError, match="odd") as caught, device.slot.using(recipe()):
        pass
    gc.collect()
    assert device.taken == 0 and device.slot.held() == []
    assert caught.value is not None, "though somebody keeps the error"


# -- not enough of it -------------------------------------------------------------------------------------------------


def test_what_cannot_fit_is_refused_before_it_is_loaded(recipe: Any) -> None:
    device = Device(MIB)
    with pytest.raises(OutOfMemory) as caught, device.slot.using(recipe()):
        pass
    assert device.loads == []
    assert caught.value.message.startswith("a.safetensors does not fit on cuda:0: with memory sequential")
    assert "1.0 MiB are free" in caught.value.message
    assert (caught.value.data["need"], caught.value.data["free"]) == (2 * MIB + SIZE // 8, MIB)


def test_auto_takes_the_first_mode_that_fits(recipe: Any) -> None:
    for size, mode in ((13 * MIB, "full"), (8 * MIB, "offload"), (4 * MIB, "sequential")):
        device = Device(size)
        with device.slot.using(recipe()) as loaded:
            assert loaded.recipe.memory == mode


def test_a_mode_that_was_chosen_is_kept_to_and_what_would_fit_is_said(recipe: Any) -> None:
    device = Device(8 * MIB)
    with pytest.raises(OutOfMemory) as caught, device.slot.using(recipe(memory="full")):
        pass
    assert device.loads == []
    assert "memory offload (6.2 MiB)" in caught.value.hint


def test_out_of_memory_frees_everything_and_is_tried_once_more_in_the_next_lower_mode(
    device: Device, recipe: Any
) -> None:
    with device.slot.using(recipe("b")):
        pass
    taken: list[int] = []

    def work(loaded: Any) -> str:
        own = Weights()
        device.alive.append(weakref.ref(own))
        taken.append(device.taken)
        if loaded.recipe.memory == "full":
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 1 bytes.")
        return str(loaded.recipe.memory)

    assert device.slot.run(recipe(), work) == "offload"
    assert [each.memory for each in device.loads] == ["full", "full", "offload"]
    assert taken == [3 * SIZE, 2 * SIZE], "the other pipeline, this one and what it had made are gone by then"
    with device.slot.using(recipe()):
        assert len(device.loads) == 3, "auto goes on with what worked"


def test_it_is_tried_no_third_time(device: Device, recipe: Any) -> None:
    def work(loaded: Any) -> str:
        raise MemoryError

    with pytest.raises(OutOfMemory) as caught:
        device.slot.run(recipe(), work)
    assert [each.memory for each in device.loads] == ["full", "offload"]
    assert "a.safetensors ran out of memory on cuda:0 (memory: offload)" in caught.value.message
    assert device.slot.held() == [] and device.taken == 0


def test_a_mode_that_was_chosen_is_not_tried_in_another(device: Device, recipe: Any) -> None:
    def work(loaded: Any) -> str:
        raise MemoryError

    with pytest.raises(OutOfMemory):
        device.slot.run(recipe(memory="full"), work)
    assert len(device.loads) == 1


def test_loading_that_runs_out_of_memory_is_tried_lower_too(device: Device, recipe: Any) -> None:
    def fail(asked: Recipe) -> None:
        if asked.memory == "full":
            raise RuntimeError("MPS backend out of memory")

    device.fails = fail
    assert device.slot.run(recipe(), lambda loaded: loaded.recipe.memory) == "offload"
    gc.collect()
    assert device.taken == SIZE


def test_another_error_is_passed_on_and_nothing_is_freed_for_it(device: Device, recipe: Any) -> None:
    def work(loaded: Any) -> str:
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    with pytest.raises(RuntimeError, match="mat1"):
        device.slot.run(recipe(), work)
    assert names(device) == ["a"]
