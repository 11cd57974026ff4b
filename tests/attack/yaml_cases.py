"""Broken files of the configuration: each must be refused in one line that names the place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

KEY = "training.n_trials"
GOOD = "training:\n  n_trials: 3\n"


@dataclass(frozen=True)
class YamlCase:
    """A broken file.

    Args:
        name: What is wrong.
        file: Its name.
        content: What it holds.
        place: Line or key that the message must name; ``None`` where any will do.
    """

    name: str
    file: str
    content: bytes
    place: int | str | None = None

    def is_named(self, message: str) -> bool:
        """Tell whether a message names the place: the file and the line, or the key."""
        if isinstance(self.place, str):
            return self.place in message
        return self.file in message and (self.place is None or f"line {self.place}," in message)

    def write(self, conf: Path) -> str:
        """Write the file into an environment of its own; return the environment's name."""
        folder = conf / "attack"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / self.file).write_bytes(self.content)
        return folder.name


BROKEN: Mapping[str, tuple[str | bytes, int | str | None]] = {
    "tab": ("training:\n\tn_trials: 3\n", 2),
    "tab in a value's indent": ("training:\n  n_trials: 3\n\tseed: 1\n", 3),
    "unclosed list": ("training:\n  n_trials: [1, 2\n", None),
    "unclosed mapping": ("training: {n_trials: 1\nseed: 2\n", None),
    "unclosed quote": ('training:\n  sampler: "tpe\n', None),
    "unknown anchor": ("training:\n  n_trials: *many\n", 2),
    "duplicate key": ("training:\n  n_trials: 3\n  n_trials: 4\n", 3),
    "duplicate block": (GOOD + GOOD, 3),
    "python tag": ("training: !!python/object/apply:os.system ['touch owned']\n", 1),
    "unknown tag": ("training:\n  n_trials: !many 3\n", 2),
    "binary tag": ("training:\n  n_trials: !!int many\n", None),
    "latin-1": ("training:\n  # é\n  sampler: é\n".encode("latin-1"), None),
    "utf-16": (GOOD.encode("utf-16"), None),
    "null byte": (b"training:\n  sampler: a\0b\n", None),
    "control character": (b"training:\n  sampler: a\x07b\n", None),
    "wrong indent": ("training:\n  n_trials: 3\n seed: 1\n", 3),
    "missing colon": ("training:\n  n_trials 3\n  seed: 1\n", None),
    "colon in a value": ("training:\n  sampler: a: b\n", 2),
    "list at the top": ("- training\n- models\n", None),
    "merge of a text": ("training:\n  <<: text\n  n_trials: 3\n", None),
    "list as a key": ("training:\n  ? [1, 2]\n  : 3\n", None),
    "unclosed placeholder": ("training:\n  n_trials: ${seed\n", KEY),
    "unknown resolver": ("training:\n  n_trials: ${magic:3}\n", KEY),
    "unknown global": ("training:\n  n_trials: ${globals:unheard_of}\n", KEY),
    "unknown reference": ("training:\n  n_trials: ${unheard_of}\n", KEY),
    "reference to itself": ("training:\n  n_trials: ${training.n_trials}\n", KEY),
    "unset variable": ("training:\n  n_trials: ${oc.env:RIGHTFIT_UNHEARD_OF}\n", KEY),
    "empty placeholder": ("training:\n  n_trials: ${}\n", KEY),
    "anchor that holds itself": ("training: &a\n  pausing: *a\n", None),
    "two documents": ("training: {n_trials: 3}\n---\ntraining: {n_trials: 4}\n", None),
    "percent directive": ("%YAML 9.9\n---\ntraining: {n_trials: 3}\n", None),
    "stray bracket": ("training:\n  n_trials: ]3\n", 2),
    "backtick": ("training:\n  sampler: `tpe`\n", 2),
    "at sign": ("training:\n  sampler: @tpe\n", 2),
    "long whole number": (f"training:\n  n_trials: {'9' * 5_000}\n", None),
}


def list_cases() -> list[YamlCase]:
    """Return broken files of parameters, and of the other kinds of configuration."""
    cases = [
        YamlCase(name, "parameters_attack.yml", _encode(content), place)
        for name, (content, place) in BROKEN.items()
    ]
    for file in ("catalog_attack.yml", "globals.yml", "credentials.yml"):
        for name in ("tab", "unclosed list", "unknown anchor", "duplicate key", "latin-1",
                     "python tag", "unknown tag", "null byte"):  # fmt: skip
            content, place = BROKEN[name]
            cases.append(YamlCase(f"{name} in {file}", file, _encode(content), place))
    return cases


def _encode(content: str | bytes) -> bytes:
    return content if isinstance(content, bytes) else content.encode()
