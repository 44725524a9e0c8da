"""The house's rule: imports go down only, and heavy libraries come in late. Read from the code itself."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LAYERS = (
    frozenset({"nodes", "runner", "orchestrator", "cli", "client"}),
    frozenset({"generation"}),
    frozenset({"providers", "moderation", "metering", "provenance", "storage", "workflows"}),
    frozenset({"addresses", "clock", "config", "discovery", "errors", "log", "tracing"}),
)
FLOOR = LAYERS[3] - {"config"}
"""What everything may import, also what stands outside."""
BESIDE = {("providers", "metering"), ("metering", "storage")}
"""Allowed within a layer: one way only, so that there is no circle."""
OUTSIDE = frozenset({"sandbox"})
"""Stands beside the house: whoever runs it may start it."""
FREE = {
    "orchestrator.link": frozenset(),
    "orchestrator.execution": frozenset({"link"}),
    "orchestrator.jobs": frozenset(),
    "orchestrator.metrics": frozenset({"jobs", "webhooks"}),
    "orchestrator.access": frozenset({"jobs"}),
    "orchestrator.webhooks": frozenset({"jobs", "access"}),
    "runner.comfy_api": frozenset(),
    "storage.assets": frozenset(),
    "providers.catalog": frozenset(),
    "moderation.policies": frozenset(),
}
"""What a room within a folder may import of the folder's other rooms. One that is not named here may only not close a
circle; knowing a type is no circle."""
LIGHT = {"orchestrator.link": frozenset({"generation", *LAYERS[3]}), "client": LAYERS[3], "sandbox": FLOOR}
"""What may be imported at all, by those who need less than their layer allows."""
HEAVY = ("aiohttp", "pydantic", "c2pa", "sqlite3", "PIL", "numpy", "torch")


def folders() -> list[str]:
    return sorted(path.parent.name for path in ROOT.glob("*/__init__.py") if path.parent.name != "tests")


def rooms(folder: str) -> list[str]:
    """The folders within a folder that hold code, nested ones too."""
    inner = (path.parent for path in (ROOT / folder).rglob("__init__.py"))
    return sorted(".".join(path.relative_to(ROOT).parts) for path in inner if path != ROOT / folder)


def between(folder: str, *, types: bool = True) -> dict[str, set[str]]:
    """Which rooms of a folder import which; without ``types``, imports for a type checker alone do not count."""
    names = {each.split(".")[1] for each in rooms(folder)}
    found: dict[str, set[str]] = {name: set() for name in names}
    for name in names:
        for path in sorted((ROOT / folder / name).rglob("*.py")):
            parts = [module.split(".") for module, is_ours in imported(path, types=types) if is_ours]
            found[name] |= {to[1] for to in parts if to[0] == folder and len(to) > 1 and to[1] in names - {name}}
    return found


def sources(part: str) -> list[Path]:
    single = ROOT / f"{part}.py"
    return [single] if single.exists() else sorted((ROOT / part).rglob("*.py"))


def imported(path: Path, *, types: bool = True) -> Iterator[tuple[str, bool]]:
    """(module, whether it is ours) of every import in a file, ours without the package's name; late ones too."""
    package = path.relative_to(ROOT).parent.parts
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree if types else _Running().visit(tree)):
        if isinstance(node, ast.Import):
            yield from ((alias.name, False) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = tuple((node.module or "").split(".")) if node.module else ()
            if node.level == 0:
                yield ".".join(module), False
                continue
            base = package[: len(package) - node.level + 1]
            for alias in node.names:
                yield ".".join((*base, *module, alias.name)), True
        elif isinstance(node, ast.Call):
            yield from _by_name(node, package)


class _Running(ast.NodeTransformer):
    """Leaves out what only a type checker reads."""

    def visit_If(self, node: ast.If) -> ast.AST | list[ast.stmt]:
        return node.orelse if ast.unparse(node.test) == "TYPE_CHECKING" else self.generic_visit(node)


def _by_name(call: ast.Call, package: tuple[str, ...]) -> Iterator[tuple[str, bool]]:
    """``importlib.import_module("x")`` and ``import_module("..x", package=__package__)``."""
    name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    if name != "import_module" or not call.args or not isinstance(call.args[0], ast.Constant):
        return
    text = str(call.args[0].value)
    level = len(text) - len(text.lstrip("."))
    base = package[: len(package) - level + 1] if level else ()
    yield ".".join((*base, *filter(None, text.lstrip(".").split(".")))), level > 0


def ours(part: str) -> set[tuple[str, str]]:
    """(file, module of ours) for everything a part imports from another part."""
    found = set()
    for path in sources(part):
        for module, is_ours in imported(path):
            top = module.partition(".")[0]
            if is_ours and top not in (part, "__version__", "") and not top.startswith("__"):
                found.add((path.relative_to(ROOT).as_posix(), module))
    return found


def level(part: str) -> int:
    return next(number for number, layer in enumerate(LAYERS) if part in layer)


def allowed(part: str, module: str) -> bool:
    other = module.partition(".")[0]
    if part == "cli" or (other in OUTSIDE and level(part) == 0 and part != "orchestrator"):
        return True
    if other in OUTSIDE:
        return False
    if (part, other) in BESIDE or (part == "runner" and module.startswith("nodes.host")):
        return True
    return level(part) < level(other) or level(part) == level(other) == 3


def test_every_folder_of_the_house_has_its_place() -> None:
    assert set(folders()) == set().union(*LAYERS[:3]) | OUTSIDE | {"config"}


@pytest.mark.parametrize("part", sorted(set().union(*LAYERS)))
def test_imports_go_down_only(part: str) -> None:
    assert [(file, module) for file, module in sorted(ours(part)) if not allowed(part, module)] == []


@pytest.mark.parametrize(
    ("part", "module"),
    [
        ("generation", "nodes.host"),
        ("storage", "metering.prices"),
        ("metering", "providers.model"),
        ("orchestrator", "sandbox.Sandbox"),
        ("runner", "nodes.worker"),
        ("log", "generation.call"),
        ("providers", "moderation.base"),
    ],
)
def test_the_rule_refuses_what_goes_up_or_across(part: str, module: str) -> None:
    assert not allowed(part, module)


def test_the_orchestrator_knows_workers_by_their_wire_alone() -> None:
    assert {module for _, module in ours("orchestrator") if module.partition(".")[0] in ("nodes", "runner")} == set()


@pytest.mark.parametrize("part", sorted(LIGHT))
def test_some_need_less_than_their_layer_allows(part: str) -> None:
    """The sandbox shares no wire code with the adapters it checks, the client is a client, the link only carries."""
    folder = part.partition(".")[0]
    parts = {module.partition(".")[0] for file, module in ours(folder) if file.startswith(part.replace(".", "/"))}
    assert parts - LIGHT[part] == set()


@pytest.mark.parametrize("room", sorted(FREE))
def test_a_room_knows_no_more_of_its_neighbours_than_it_may(room: str) -> None:
    folder, name = room.split(".")
    assert between(folder)[name] <= FREE[room]


@pytest.mark.parametrize("folder", folders())
def test_no_two_rooms_of_a_folder_need_each_other(folder: str) -> None:
    left = between(folder, types=False)
    while free := [name for name, needs in left.items() if not needs & left.keys()]:
        for name in free:
            del left[name]
    assert left == {}, "these close a circle"


def test_the_floor_needs_nothing_of_ours_but_errors_and_log() -> None:
    for part in sorted(LAYERS[3]):
        assert {module.partition(".")[0] for _, module in ours(part)} <= {"errors", "log"}, part
    assert ours("errors") == ours("log") == ours("clock") == set()


def test_the_clock_is_asked_in_one_place() -> None:
    """Whoever needs the time takes it as a value or a function, and a test can set it."""
    asked = {"now", "utcnow", "today"}
    for part in sorted(set().union(*LAYERS, OUTSIDE) - {"clock"}):
        for path in sources(part):
            calls = [node.func for node in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(node, ast.Call)]
            named = {(getattr(f.value, "id", ""), f.attr) for f in calls if isinstance(f, ast.Attribute)}
            assert not {name for name in named if name[0] in ("datetime", "date") and name[1] in asked}, path


@pytest.mark.parametrize("part", sorted(set().union(*LAYERS, OUTSIDE) - {"nodes", "runner"}))
def test_only_nodes_know_comfyui_and_torch(part: str) -> None:
    foreign = {"comfy_api", "torch", "diffusers", "folder_paths", "comfy", "comfy_execution"}
    asked = [path for path in sources(part) if path != ROOT / "moderation" / "classifiers" / "transformer.py"]
    found = {module for path in asked for module, is_ours in imported(path) if not is_ours}
    assert {module for module in found if module.partition(".")[0] in foreign} == set()


def test_our_modules_are_imported_relatively() -> None:
    """Cloned into ComfyUI the package has another name."""
    for part in sorted(set().union(*LAYERS, OUTSIDE)):
        for path in sources(part):
            named = {module for module, is_ours in imported(path) if not is_ours}
            assert not {module for module in named if module.partition(".")[0] == "mintmark"}, path


def test_every_file_postpones_its_annotations() -> None:
    for part in sorted(set().union(*LAYERS, OUTSIDE)):
        for path in sources(part):
            text = path.read_text(encoding="utf-8")
            bare = all(isinstance(node, ast.Expr) for node in ast.parse(text).body)
            assert bare or "from __future__ import annotations" in text, path


@pytest.mark.parametrize("module", ["mintmark", "mintmark.providers.catalog", "mintmark.config", "mintmark.errors"])
def test_importing_the_pack_pulls_in_nothing_heavy(module: str) -> None:
    code = f"import json, sys, {module}; print(json.dumps(sorted(sys.modules)))"
    out = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    assert set(HEAVY) & set(json.loads(out)) == set()


def loaded(path: Path, seen: set[Path]) -> set[str]:
    """The modules that are not ours that importing this file imports, through files of ours too."""
    if path in seen:
        return set()
    seen.add(path)
    package = path.relative_to(ROOT).parent.parts
    found = {alias.name for node in _at_once(path) if isinstance(node, ast.Import) for alias in node.names}
    for node in (node for node in _at_once(path) if isinstance(node, ast.ImportFrom)):
        if node.level == 0:
            found.add(node.module or "")
            continue
        base = (*package[: len(package) - node.level + 1], *(node.module or "").split("."))
        for parts in (base, *((*base, alias.name) for alias in node.names)):
            place = ROOT.joinpath(*filter(None, parts))
            for file in (place.with_suffix(".py"), place / "__init__.py"):
                found |= loaded(file, seen) if file.is_file() else set()
    return found


def _at_once(path: Path) -> list[ast.stmt]:
    tree = _Running().visit(ast.parse(path.read_text(encoding="utf-8")))
    return [each for each in tree.body if isinstance(each, ast.Import | ast.ImportFrom)]


def test_loading_the_palette_pulls_in_nothing_heavy() -> None:
    seen: set[Path] = set()
    foreign = {module.partition(".")[0] for module in loaded(ROOT / "nodes" / "extension.py", seen)}
    assert foreign & set(HEAVY) == set()
    assert {"comfy_api"} <= foreign
    assert ROOT / "nodes" / "text_to_image.py" in seen


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("from ..nodes import host", ("nodes.host", True)),
        ("def f():\n    from ..nodes.worker import current", ("nodes.worker.current", True)),
        ("import importlib\nimportlib.import_module('..nodes', package=__package__)", ("nodes", True)),
        ("import torch.nn", ("torch.nn", False)),
    ],
)
def test_the_rule_sees_late_and_hidden_imports(
    source: str, found: tuple[str, bool], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "orchestrator" / "a.py"
    path.parent.mkdir()
    path.write_text(source)
    monkeypatch.setattr(sys.modules[__name__], "ROOT", tmp_path)
    assert found in list(imported(path))
