"""Checkpoints: folders that are Hugging Face models and also hold all a run needs to go on exactly.

    run/LATEST                       the step of the newest checkpoint, a number
    run/step-00000100/config.json    ─┐
                      model.safetensors   what `LlamaForCausalLM.from_pretrained` reads
                      tokenizer.json     ─┘
                      optimizer.safetensors   AdamW moments by parameter name, and torch's random generators
                      trainer.json            step, stream position, recipe, plan, versions, and a sha256 of every file

A checkpoint is written beside its place, synced, and renamed, and only then does LATEST name it; a process killed at
any instant leaves the previous one loadable. Nothing is pickled, so a checkpoint from a stranger runs no code.
"""

import hashlib
import json
import os
import platform
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from ..engine.errors import ModelError
from .config import ModelConfig
from .llama import Llama

FORMAT_VERSION = 1
CONFIG, WEIGHTS, TOKENIZER = "config.json", "model.safetensors", "tokenizer.json"
OPTIMIZER, TRAINER, LATEST = "optimizer.safetensors", "trainer.json", "LATEST"
_LEFTOVER = ".tmp-"  # what a killed save leaves behind starts with this, and so is never taken for a checkpoint


@dataclass(frozen=True, kw_only=True)
class RunState:
    """Where a run is, as `trainer.json` holds it; every value is JSON.

    `step` counts optimizer updates (skipped ones too), `tokens` the positions fed to the model, `metrics` are those
    of this step, `stream` is the loader's own state, and `plan` what the stream was planned from.
    """

    step: int
    tokens: int
    stream: dict[str, Any]
    plan: dict[str, Any]
    recipe: dict[str, Any]
    tokenizer_sha256: str
    metrics: dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """A loaded checkpoint: `weights` is the model's whole state dict, `optimizer` the tensors of its file."""

    path: Path
    config: ModelConfig
    weights: dict[str, Tensor]
    optimizer: dict[str, Tensor]
    state: RunState


def save(
    run_dir: Path, *, model: Llama, optimizer: torch.optim.Optimizer, state: RunState, tokenizer: bytes, keep_last: int
) -> Path:
    """Write the checkpoint of `state.step`, point LATEST at it, and delete all but the `keep_last` newest.

    `tokenizer` is the content of a `tokenizer.json`. Checkpoints of later steps, left by a run that was set back, are
    not touched; one of the same step is replaced. Raises ModelError when the disk refuses.
    """
    target = run_dir / _folder(state.step)
    work = run_dir / f"{_LEFTOVER}{target.name}"
    try:
        run_dir.mkdir(parents=True, exist_ok=True)
        _remove_leftovers(run_dir)
        work.mkdir()
        (work / CONFIG).write_text(_json(model.config.to_hf()), encoding="utf-8")
        (work / TOKENIZER).write_bytes(tokenizer)
        save_file(_weights(model), work / WEIGHTS, metadata={"format": "pt"})
        save_file(_optimizer_tensors(model, optimizer), work / OPTIMIZER)
        manifest = {path.name: _describe(path) for path in sorted(work.iterdir())}
        (work / TRAINER).write_text(_json(_trainer(state, manifest)), encoding="utf-8")
        for path in work.iterdir():
            _sync(path)
        _sync(work)
        if target.exists():
            target.rename(run_dir / f"{_LEFTOVER}replaced-{target.name}")
        work.rename(target)
        _sync(run_dir)
        _write_pointer(run_dir, state.step)
        older = sorted(step for step in _steps(run_dir) if step <= state.step)[:-keep_last]
        for step in older:
            # a rename first, so that a kill amid the deletion leaves no half-empty checkpoint
            (run_dir / _folder(step)).rename(run_dir / f"{_LEFTOVER}old-{_folder(step)}")
        _remove_leftovers(run_dir)
    except (OSError, SafetensorError) as error:
        raise ModelError(f"cannot save the checkpoint {target}: {error}") from error
    return target


def latest(run_dir: Path) -> Path | None:
    """The checkpoint to go on from: the one LATEST names, else the highest step that is complete, else None."""
    try:
        pointed = run_dir / _folder(int((run_dir / LATEST).read_text(encoding="utf-8")))
    except (OSError, ValueError):
        pointed = None
    if pointed is not None and _is_complete(pointed):
        return pointed
    newest_first = sorted(_steps(run_dir), reverse=True)
    return next((run_dir / _folder(step) for step in newest_first if _is_complete(run_dir / _folder(step))), None)


def load(path: Path) -> Checkpoint:
    """Read a checkpoint onto the CPU, every file checked against the sha256 it was written with.

    Raises ModelError naming the file that is missing, cut short or altered, or written by a newer format.
    """
    trainer = read_trainer(path)
    for name, written in trainer["files"].items():
        if not (path / name).is_file():
            raise ModelError(f"the checkpoint is incomplete: {path / name} is missing")
        if _describe(path / name) != written:
            raise ModelError(f"the checkpoint is damaged: {path / name} is not what was saved (size or sha256 differs)")
    config = ModelConfig.from_hf(path / CONFIG)
    weights = _tensors(path / WEIGHTS)
    if config.tie_word_embeddings:
        weights["lm_head.weight"] = weights["model.embed_tokens.weight"]
    state = RunState(**{name: trainer[name] for name in RunState.__dataclass_fields__})
    return Checkpoint(path=path, config=config, weights=weights, optimizer=_tensors(path / OPTIMIZER), state=state)


def restore(checkpoint: Checkpoint, model: Llama, optimizer: torch.optim.Optimizer) -> None:
    """Put a checkpoint's weights, moments and random generators in place; raises ModelError if they do not fit."""
    try:
        model.load_state_dict(checkpoint.weights, strict=True)
    except RuntimeError as error:
        raise ModelError(f"{checkpoint.path / WEIGHTS} does not fit the model: {error}") from error
    saved = checkpoint.optimizer
    for name, parameter in model.named_parameters():
        for key in ("step", "exp_avg", "exp_avg_sq"):
            if f"{name}.{key}" in saved:
                # cloned, so that the tensors are aligned as fresh ones are and do not share the file's mapping
                optimizer.state[parameter][key] = saved[f"{name}.{key}"].clone().to(parameter.device)
    torch.set_rng_state(saved["rng.cpu"].clone())
    device = next(model.parameters()).device
    if device.type == "cuda" and "rng.cuda" in saved:
        torch.cuda.set_rng_state(saved["rng.cuda"].clone(), device)


def read_trainer(path: Path) -> dict[str, Any]:
    """The checked contents of a checkpoint's `trainer.json`; raises ModelError naming the file."""
    file = path / TRAINER
    try:
        trainer = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ModelError(f"the checkpoint is incomplete: {file} is missing") from None
    except (OSError, ValueError) as error:
        raise ModelError(f"the checkpoint is damaged: {file}: {error}") from error
    found = trainer.get("format_version") if isinstance(trainer, dict) else None
    if isinstance(found, int) and found > FORMAT_VERSION:
        raise ModelError(f"{file} has format version {found}; this CodeLake reads up to {FORMAT_VERSION}: upgrade it")
    needed = {*RunState.__dataclass_fields__, "files"}
    if not isinstance(trainer, dict) or found != FORMAT_VERSION or needed - trainer.keys():
        raise ModelError(f"the checkpoint is damaged: {file} is not a trainer state of CodeLake")
    required = {CONFIG, WEIGHTS, TOKENIZER, OPTIMIZER}
    if not isinstance(trainer["files"], dict) or required - trainer["files"].keys():
        raise ModelError(f"the checkpoint is damaged: {file} does not list {', '.join(sorted(required))}")
    return trainer


def _trainer(state: RunState, manifest: Mapping[str, Any]) -> dict[str, Any]:
    versions = {"codelake": version("codelake"), "python": platform.python_version(), "torch": torch.__version__}
    sql = state.recipe["data"]["sql"]
    return {"format_version": FORMAT_VERSION} | asdict(state) | {"sql": sql, "versions": versions, "files": manifest}


def _weights(model: Llama) -> dict[str, Tensor]:
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in model.state_dict().items()}
    if model.config.tie_word_embeddings:
        del tensors["lm_head.weight"]  # one tensor under two names; readers restore it from tie_word_embeddings
    return tensors


def _optimizer_tensors(model: Llama, optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    tensors = {"rng.cpu": torch.get_rng_state()}
    device = next(model.parameters()).device
    if device.type == "cuda":
        tensors["rng.cuda"] = torch.cuda.get_rng_state(device)
    for name, parameter in model.named_parameters():
        for key, value in optimizer.state.get(parameter, {}).items():
            tensors[f"{name}.{key}"] = value.detach().cpu().contiguous()
    return tensors


def _tensors(path: Path) -> dict[str, Tensor]:
    try:
        return dict(load_file(path))
    except (OSError, SafetensorError) as error:
        raise ModelError(f"the checkpoint is damaged: {path}: {error}") from error


def _is_complete(path: Path) -> bool:
    """Whether every file is there with its size: cheap, so that a look for the latest does not read gigabytes."""
    try:
        files = json.loads((path / TRAINER).read_text(encoding="utf-8"))["files"]
        return all((path / name).stat().st_size == written["bytes"] for name, written in files.items())
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False


def _describe(path: Path) -> dict[str, Any]:
    with path.open("rb") as file:
        return {"bytes": path.stat().st_size, "sha256": hashlib.file_digest(file, "sha256").hexdigest()}


def _folder(step: int) -> str:
    return f"step-{step:08d}"


def _steps(run_dir: Path) -> list[int]:
    """Steps that have a folder, as numbers: names sort wrongly once a step outgrows its eight digits."""
    names = (path.name.removeprefix("step-") for path in run_dir.glob("step-*"))
    return [int(name) for name in names if name.isdecimal() and _folder(int(name)) == f"step-{name}"]


def _remove_leftovers(run_dir: Path) -> None:
    for path in run_dir.glob(f"{_LEFTOVER}*"):
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()


def _write_pointer(run_dir: Path, step: int) -> None:
    work = run_dir / f"{_LEFTOVER}{LATEST}"
    work.write_text(f"{step}\n", encoding="utf-8")
    _sync(work)
    work.replace(run_dir / LATEST)
    _sync(run_dir)


def _sync(path: Path) -> None:
    """Make a file's contents, or a folder's names, survive a power cut."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _json(value: Any) -> str:
    return json.dumps(value, indent=2, sort_keys=True, allow_nan=False) + "\n"
