"""The workflows that are there by name: those shipped with the package, and the folders a user adds.

A folder holds ``<name>/<version>.json``. Nothing is cached: a published file is found at once, and reading one takes
less time than the job it describes.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from pathlib import Path

from ..errors import InvalidWorkflow, UnknownVersion, UnknownWorkflow, UsageError
from .format import SLUG, WorkflowVersion
from .reading import read_sound
from .semver import Range, Version

SHIPPED = Path(__file__).parent / "library"
"""The folder that comes with the package."""


class Library:
    """Workflow versions by name, from the shipped folder and ``paths``.

    The same release may stand in several folders as long as it is the same, digest for digest: a release is immutable,
    and a folder cannot quietly change what a name means elsewhere. A folder of ``paths`` that does not exist is empty.
    """

    def __init__(self, paths: Iterable[Path] = ()) -> None:
        self._folders = list(dict.fromkeys([SHIPPED, *paths]))

    def names(self) -> list[str]:
        """The names of all workflows, sorted."""
        found = {
            file.parent.name
            for folder in self._folders
            for file in folder.glob("*/*.json")
            if not file.parent.name.startswith(".")
        }
        return sorted(found)

    def versions(self, name: str) -> list[str]:
        """All versions of a workflow, oldest first.

        Raises UnknownWorkflow, and InvalidWorkflow for a file whose name is no version.
        """
        return [str(version) for version in sorted(self._files(name))]

    def resolve(self, reference: str) -> WorkflowVersion:
        """The highest version that ``name``, ``name@1.0.0``, ``name@^1``, ``name@1`` ... admits.

        A pre-release is only chosen when the reference names one (``name@1.1.0-rc.1``, ``name@^1.1.0-rc.1``).
        Raises UnknownWorkflow or UnknownVersion, with what is close in the hint, and InvalidWorkflow for a file that is
        broken or contradicts its path, itself, or its twin in another folder.
        """
        name, _, wanted = reference.partition("@")
        files = self._files(name)
        try:
            admitted = [version for version in files if Range.parse(wanted).admits(version)]
        except ValueError as exc:
            raise UnknownVersion(f"{reference}: {exc}.", hint=_known(name, files)) from exc
        if not admitted:
            asked = f"version {wanted}" if wanted else "release"
            raise UnknownVersion(f"The workflow {name} has no {asked}.", hint=_known(name, files))
        return _same(files[max(admitted)])

    def load_all(self) -> tuple[list[WorkflowVersion], list[UsageError]]:
        """Every version that can be used, by name and version, and an error for every file that cannot."""
        versions: list[WorkflowVersion] = []
        errors: list[UsageError] = []
        for name in self.names():
            try:
                files = self._files(name)
            except UsageError as exc:
                errors.append(exc)
                continue
            for _, paths in sorted(files.items()):
                try:
                    versions.append(_same(paths))
                except UsageError as exc:
                    errors.append(exc)
        return versions, errors

    def _files(self, name: str) -> dict[Version, list[Path]]:
        known = self.names()
        # Only a name that was listed ever becomes part of a path.
        if name not in known:
            raise UnknownWorkflow(f"There is no workflow {name!r}.", hint=suggestion(name, known))
        if not re.fullmatch(SLUG, name):
            raise InvalidWorkflow(
                f"The folder {name!r} is no workflow name.",
                hint="Rename it to lower-case letters, digits and single hyphens.",
            )
        files: dict[Version, list[Path]] = {}
        for folder in self._folders:
            for file in sorted((folder / name).glob("*.json")):
                files.setdefault(_version_of(file), []).append(file)
        return files


def _version_of(file: Path) -> Version:
    try:
        return Version.parse(file.stem)
    except ValueError as exc:
        raise InvalidWorkflow(
            f"{file}: the file's name is no version.", hint=f"Rename it, for example to {file.with_name('1.0.0.json')}."
        ) from exc


def _same(paths: list[Path]) -> WorkflowVersion:
    first, *others = [(path, read_sound(path)) for path in paths]
    for path, version in others:
        if version.digest != first[1].digest:
            raise InvalidWorkflow(
                f"{path} and {first[0]} are both {version.label}, but differ.",
                hint="A release never changes: give the changed one a new version.",
            )
    return first[1]


def suggestion(name: str, known: list[str]) -> str:
    """What to say to somebody who named a workflow that is not there."""
    if name.endswith(".json") or "/" in name or "\\" in name:
        return "A workflow is called by its name; put the file at <name>/<version>.json in a workflow folder."
    if close := difflib.get_close_matches(name, known, n=3):
        return f"Did you mean {' or '.join(close)}?"
    return f"Known are: {', '.join(known)}."


def _known(name: str, files: dict[Version, list[Path]]) -> str:
    versions = [str(version) for version in sorted(files, reverse=True)]
    more = f" and {len(versions) - 8} older" if len(versions) > 8 else ""
    return f"There is {', '.join(f'{name}@{version}' for version in versions[:8])}{more}."
