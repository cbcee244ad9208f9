"""Training runs of a lake: recipe, pinned stream, checkpoints in runs/<name>/ and their rows in `checkpoints`."""

import json
import os
import re
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from .engine.errors import ModelError
from .engine.optional import require
from .lake.history import resolve

if TYPE_CHECKING:
    from .api import Lake
    from .engine.tokenizer import LoadedTokenizer
    from .model.config import Recipe
    from .model.train import TrainResult

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


def run(
    lake: "Lake",
    recipe: str | os.PathLike[str],
    *,
    name: str | None,
    overrides: Mapping[str, object],
    on_step: Callable[[int, Mapping[str, float]], None] | None,
) -> "TrainResult":
    """Begin the run `name` of `recipe` in this lake, or go on with it where its last checkpoint is."""
    require("torch")
    require("safetensors")
    from .engine.tokenizer import load
    from .model import checkpoint
    from .model.config import load_recipe
    from .model.train import train

    asked = load_recipe(recipe if isinstance(recipe, str) else Path(recipe), {k: str(v) for k, v in overrides.items()})
    name = name or Path(recipe).stem
    if not _NAME.fullmatch(name):
        raise ModelError(f"run name {name!r}: use letters, digits, '.', '_' and '-'")
    run_dir = lake._folder("runs") / name
    tokenizer_path = _tokenizer(lake, asked.data.tokenizer)
    tokenizer = load(tokenizer_path)
    settings = _fit(asked, tokenizer, stated={key.split(".")[-1] for key in overrides})
    begun = checkpoint.latest(run_dir)
    # The data a run was begun on stays its data: rows committed since belong to the next run.
    pinned = checkpoint.read_trainer(begun)["plan"].get("snapshot") if begun else None
    with ExitStack() as stack:
        past = stack.enter_context(lake.at(pinned)) if pinned is not None else lake
        stream = past.stream(
            settings.data.sql, tokenizer=tokenizer_path, seq_len=settings.data.seq_len, seed=settings.data.seed
        )
        progress = stack.enter_context(lake._display(f"train {name}"))

        def step(number: int, metrics: dict[str, Any]) -> None:
            loss = "not finite" if metrics["loss"] is None else f"{metrics['loss']:.3f}"
            progress(number, settings.train.steps, note=f"loss {loss}, {metrics['tokens_per_second']:,.0f} tokens/s")
            if on_step is not None:
                on_step(number, metrics)

        if begun is not None:
            # A process killed right after it saved a checkpoint has not recorded it.
            _record(lake, name, begun, checkpoint.read_trainer(begun), stream.plan.sha256)
        return train(
            settings,
            stream,
            run_dir=run_dir,
            tokenizer_path=tokenizer_path,
            plan=stream.plan.to_dict(),
            on_step=step,
            on_checkpoint=lambda path, trainer: _record(lake, name, path, trainer, stream.plan.sha256),
        )


def _tokenizer(lake: "Lake", named: str) -> Path:
    """The tokenizer a recipe names: a path, or a file of the lake's tokenizers/."""
    inside = lake._folder("tokenizers")
    for path in (Path(named), inside / named, inside / f"{named}.json"):
        if path.is_file():
            return path
    found = sorted(path.name for path in inside.glob("*.json")) if inside.is_dir() else []
    raise ModelError(
        f"tokenizer {named!r} is not there; in this lake: {', '.join(found) or 'none'}. "
        "Name one with --set tokenizer=NAME, or make one with `codelake tokenizer train`"
    )


def _fit(recipe: "Recipe", tokenizer: "LoadedTokenizer", *, stated: set[str]) -> "Recipe":
    """The recipe with the vocabulary and the special ids of its tokenizer, which a preset cannot know."""
    model = recipe.model
    if "vocab_size" not in stated:
        model = replace(model, vocab_size=tokenizer.vocab_size)
    elif tokenizer.vocab_size > model.vocab_size:
        raise ModelError(f"vocab_size={model.vocab_size} is too small: the tokenizer has {tokenizer.vocab_size} tokens")
    return replace(recipe, model=replace(model, bos_token_id=tokenizer.bos_id, eos_token_id=tokenizer.eos_id))


def _record(lake: "Lake", name: str, path: Path, trainer: Mapping[str, Any], plan: str) -> None:
    """A row in `checkpoints`, unless the same step of the run has one."""
    step = int(trainer["step"])
    if lake.sql("SELECT 1 FROM checkpoints WHERE run = ? AND step = ?", params=[name, step]).fetchall():
        return
    snapshot = trainer["plan"]["snapshot"]
    table = trainer["plan"]["table"]
    releases = [r for r in lake.releases() if resolve(lake.catalog, r.version)[table] == snapshot]
    row = {
        "run": name,
        "step": step,
        "tokens": int(trainer["tokens"]),
        "path": str(path),
        "saved_at": datetime.now(UTC).replace(tzinfo=None),
        "loss": trainer["metrics"].get("loss"),
        "metrics": json.dumps(trainer["metrics"]),
        "release": releases[-1].version if releases else None,
        "snapshot": snapshot,
        "sql": trainer["plan"]["sql"],
        "plan": plan,
        "recipe": json.dumps(trainer["recipe"]),
        "versions": json.dumps(trainer["versions"]),
    }
    with lake.commit(f"checkpoint {name} step {step}") as commit:
        commit.append("checkpoints", pa.Table.from_pylist([row]))
