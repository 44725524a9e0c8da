"""What a worker tells of itself, read from its answers."""

from __future__ import annotations

from mintmark.orchestrator.fleet.capabilities import Capabilities, merged, packs_of, versions_of


def test_versions_are_read_and_what_is_not_told_is_none() -> None:
    assert versions_of({"system": {"os": "posix", "comfyui_version": "0.33.0"}}) == ("0.33.0", "posix")
    assert versions_of({"system": {"comfyui_version": 7}}) == (None, None)
    assert versions_of({"system": []}) == versions_of({}) == (None, None)


def test_packs_are_the_folders_that_nodes_come_from() -> None:
    info = {
        "KSampler": {"python_module": "nodes"},
        "A": {"python_module": "custom_nodes.mintmark"},
        "B": {"python_module": "custom_nodes.mintmark"},
        "C": {"python_module": "custom_nodes.impact-pack"},
        "D": "odd",
    }
    assert packs_of(info) == ["impact-pack", "mintmark"]


def test_sizes_are_found_by_the_names_that_workers_tell_of_their_memory() -> None:
    folders = merged([("checkpoints", {"sd\\xl/base.safetensors": 7, "unknown.ckpt": None}), ("loras", {})])
    assert set(folders) == {"checkpoints"}
    assert Capabilities(boot_id="b", asked_at=0, folders=folders).sizes == {"base.safetensors": 7}
