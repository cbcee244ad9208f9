"""The training loop: one process, exact resume, and metrics a person can read while it runs.

`train` goes on from the newest checkpoint of its run folder by itself. Every update is a function of the checkpoint,
the stream and the recipe alone, so a run killed and resumed on the same machine writes the same bytes as one that was
never stopped (asserted on a CPU; an accelerator's attention backward adds in no fixed order).
"""

import hashlib
import importlib.util
import json
import math
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any, Protocol

import torch
from torch import Tensor

from ..engine import plot
from ..engine.errors import ModelError
from . import checkpoint
from .config import Recipe
from .llama import Llama
from .loss import IGNORED, next_token_loss
from .optim import adamw, learning_rate

METRICS, PLOT = "metrics.jsonl", "loss.png"
# settings that a resumed run may change: they move the end of the run or what it writes down, not what it computes;
# the tokenizer is compared by content instead of by path
_FREE = {"train.steps", "train.log_every", "train.checkpoint_every", "train.keep_last", "data.tokenizer"}


class Batch(Protocol):
    """Packed rows: `tokens` and `positions` int32 [B, T + 1], `labels` int64 [B, T] with -100 where not learnt."""

    @property
    def tokens(self) -> Tensor: ...
    @property
    def positions(self) -> Tensor: ...
    @property
    def labels(self) -> Tensor: ...


class Loader(Protocol):
    """Endless batches; its state, a small JSON dictionary, is the position after the batch last taken."""

    def __next__(self) -> Batch: ...
    def state_dict(self) -> dict[str, Any]: ...
    def load_state_dict(self, state: dict[str, Any]) -> None: ...
    def close(self) -> None: ...


class Stream(Protocol):
    """What `lake.stream` returns, as far as training needs it."""

    def loader(self, *, batch_size: int, rank: int = 0, world_size: int = 1) -> Loader: ...


@dataclass(frozen=True, kw_only=True)
class TrainResult:
    """The end of a run: its last checkpoint, updates and tokens in all, and the logged loss (nats) by step."""

    run_dir: Path
    checkpoint: Path
    steps: int
    tokens: int
    skipped: int
    losses: dict[int, float]


@dataclass(frozen=True, kw_only=True)
class _Identity:
    """What must not change between a run and its resumption."""

    recipe: dict[str, Any]
    plan: dict[str, Any]
    tokenizer_sha256: str

    def differences(self, state: checkpoint.RunState) -> list[str]:
        """One line for each setting of the saved run that is not what it is now."""
        saved = _flatten("recipe", state.recipe) | _flatten("plan", state.plan)
        saved["tokenizer sha256"] = state.tokenizer_sha256
        now = _flatten("recipe", self.recipe) | _flatten("plan", self.plan)
        now["tokenizer sha256"] = self.tokenizer_sha256
        names = [name for name in {**saved, **now} if name.removeprefix("recipe.") not in _FREE]
        absent = "(absent)"
        return [
            f"{name}: {saved.get(name, absent)!r} in the checkpoint, {now.get(name, absent)!r} now"
            for name in names
            if saved.get(name, absent) != now.get(name, absent)
        ]


@dataclass(kw_only=True)
class _Run:
    """What changes while training."""

    model: Llama
    optimizer: torch.optim.AdamW
    skipped: Tensor  # on the model's device, like loss and grad_norm, so that no step waits to read it
    loss: Tensor
    grad_norm: Tensor
    stream: dict[str, Any]
    step: int
    tokens: int
    seconds_before: float
    started: float
    marked_at: float  # when, and at how many tokens, the rate was last measured
    marked_tokens: int
    metrics: dict[str, Any]
    saved_step: int
    updating: bool = False  # within an update, where the weights belong to no step


def train(
    recipe: Recipe,
    stream: Stream,
    *,
    run_dir: Path,
    tokenizer_path: Path,
    plan: Mapping[str, Any],
    on_step: Callable[[int, dict[str, Any]], None] | None = None,
    on_checkpoint: Callable[[Path, dict[str, Any]], None] | None = None,
    device: torch.device | str | None = None,
) -> TrainResult:
    """Train a model from the stream into `run_dir` until `recipe.train.steps`, resuming what is already there.

    `plan` is whatever JSON identifies the stream's contents. `on_step(step, metrics)` is called at each logged step,
    `on_checkpoint(folder, trainer)` after each save, with the contents of its `trainer.json`. `device` defaults to
    the GPU if there is one. A step whose loss or gradient is not finite changes nothing and is counted as skipped.
    Ctrl-C ends the step, saves, and raises KeyboardInterrupt; a second one stops at once.

    Writes `metrics.jsonl` (loss in nats a label, seconds since the run first began, tokens as positions fed to the
    model), `loss.png` if the extra `plot` is installed, and checkpoints. Raises ModelError if the run was started with
    another recipe, plan or tokenizer, naming each difference, or if a checkpoint cannot be read or written.
    """
    tokenizer = _read_tokenizer(tokenizer_path)
    identity = _Identity(
        recipe=recipe.to_dict(),
        plan=json.loads(json.dumps(plan)),
        tokenizer_sha256=hashlib.sha256(tokenizer).hexdigest(),
    )
    found = checkpoint.latest(run_dir)
    resumed = None if found is None else checkpoint.load(found)
    if resumed is not None:
        differences = identity.differences(resumed.state)
        if differences:
            raise ModelError(
                f"cannot resume {resumed.path}, it was trained differently:\n  " + "\n  ".join(differences)
                + "\nput these back, or train into another run folder"
            )  # fmt: skip
        if resumed.state.step >= recipe.train.steps:
            return _result(run_dir, resumed.path)
    run = _start(recipe, resumed, torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu")))
    run_dir.mkdir(parents=True, exist_ok=True)
    _cut_metrics(run_dir / METRICS, run.step)

    def save() -> Path:
        state = checkpoint.RunState(
            step=run.step, tokens=run.tokens, stream=run.stream, plan=identity.plan, recipe=identity.recipe,
            tokenizer_sha256=identity.tokenizer_sha256, metrics=_measure(run, recipe),
        )  # fmt: skip
        folder = checkpoint.save(
            run_dir, model=run.model, optimizer=run.optimizer, state=state, tokenizer=tokenizer,
            keep_last=recipe.train.keep_last,
        )  # fmt: skip
        run.saved_step = run.step
        plot_losses(run_dir)
        if on_checkpoint:
            on_checkpoint(folder, checkpoint.read_trainer(folder))
        run.marked_at, run.marked_tokens = time.perf_counter(), run.tokens  # saving is no part of training speed
        return folder

    loader = stream.loader(batch_size=recipe.data.batch_size, rank=0, world_size=1)
    try:
        if resumed is not None:
            loader.load_state_dict(resumed.state.stream)  # before the first batch, with which prefetching starts
        with _deferred_interrupt() as interrupted:
            try:
                while run.step < recipe.train.steps:
                    _advance(run, recipe, loader)
                    last = run.step == recipe.train.steps
                    if last or run.step % recipe.train.log_every == 0:
                        _append_metrics(run_dir / METRICS, _measure(run, recipe))
                        if on_step:
                            on_step(run.step, run.metrics)
                    if last or run.step % recipe.train.checkpoint_every == 0:
                        folder = save()
                    if interrupted():
                        raise KeyboardInterrupt  # noqa: TRY301 - one way out, whoever asked for it
            except KeyboardInterrupt:
                if run.saved_step < run.step and not run.updating:
                    save()
                raise
    finally:
        loader.close()
    return _result(run_dir, folder)


def plot_losses(run_dir: Path) -> Path | None:
    """Draw the logged loss of a run to `loss.png`; None, and nothing drawn, where the extra `plot` is not installed."""
    if importlib.util.find_spec("altair") is None or importlib.util.find_spec("vl_convert") is None:
        return None
    columns = ("step", "loss")
    drawn = plot.chart(
        plot.Plot(mark="line", x="step", y="loss"),
        columns,
        list(_losses(run_dir).items()),
        labels={"loss": "training loss, nats a token"},
        title=run_dir.resolve().name,
    )
    (run_dir / PLOT).write_bytes(plot.picture(drawn, "png"))
    return run_dir / PLOT


def backward(model: Llama, batches: Sequence[Batch]) -> Tensor:
    """Add the gradient of the mean loss over all valid labels of all `batches`; returns that loss (nats, detached).

    Dividing each batch by its own count instead would weigh a label in a half-padded batch double. Without a single
    valid label the loss is not a number.
    """
    device = next(model.parameters()).device
    valid = sum(int((batch.labels != IGNORED).sum()) for batch in batches)  # on the CPU: the device is not asked
    total = torch.zeros((), device=device)
    for batch in batches:
        tokens, positions, labels = (
            x.to(device, non_blocking=True) for x in (batch.tokens, batch.positions, batch.labels)
        )
        loss_sum, _ = next_token_loss(model, tokens, positions, labels)
        loss = loss_sum / valid
        loss.backward()  # type: ignore[no-untyped-call]
        total += loss.detach()
    return total


def _start(recipe: Recipe, resumed: checkpoint.Checkpoint | None, device: torch.device) -> _Run:
    torch.manual_seed(recipe.train.seed)
    model = Llama(recipe.model).to(device)
    optimizer = adamw(model, recipe.train)
    state = None
    if resumed is not None:
        checkpoint.restore(resumed, model, optimizer)
        state = resumed.state
    now = time.perf_counter()
    return _Run(
        model=model,
        optimizer=optimizer,
        skipped=torch.tensor(float(state.metrics["skipped"]) if state else 0.0, device=device),
        loss=torch.zeros((), device=device),
        grad_norm=torch.zeros((), device=device),
        stream=state.stream if state else {},
        step=state.step if state else 0,
        tokens=state.tokens if state else 0,
        seconds_before=state.metrics["seconds"] if state else 0.0,
        started=now,
        marked_at=now,
        marked_tokens=state.tokens if state else 0,
        metrics=state.metrics if state else {},
        saved_step=state.step if state else 0,
    )


def _advance(run: _Run, recipe: Recipe, loader: Loader) -> None:
    """One update, from as many batches as the recipe accumulates."""
    batches = [_take(loader, run.step) for _ in range(recipe.train.grad_accumulation)]
    for group in run.optimizer.param_groups:
        group["lr"] = learning_rate(run.step, recipe.train)
    run.updating = True
    run.loss = backward(run.model, batches)
    run.grad_norm = torch.nn.utils.clip_grad_norm_(run.model.parameters(), recipe.train.grad_clip)
    bad = 1.0 - (run.loss.isfinite() & run.grad_norm.isfinite()).float()
    # how torch's GradScaler tells the fused kernel to leave everything as it is, without the host reading `bad`
    run.optimizer.found_inf = bad  # type: ignore[attr-defined]
    run.optimizer.step()
    run.optimizer.zero_grad(set_to_none=True)
    run.skipped += bad
    run.step += 1
    run.tokens += sum(batch.labels.numel() for batch in batches)
    run.stream = loader.state_dict()
    run.updating = False


def _take(loader: Loader, step: int) -> Batch:
    try:
        return next(loader)
    except StopIteration:
        raise ModelError(f"the stream ended at step {step}: training needs one without end") from None


def _measure(run: _Run, recipe: Recipe) -> dict[str, Any]:
    """The metrics of the current step, read from the device once however often they are asked for."""
    if run.metrics.get("step") != run.step:
        loss, grad_norm = run.loss.item(), run.grad_norm.item()  # waits for the device: the clock is read after
        now = time.perf_counter()
        run.metrics = {
            "step": run.step,
            "loss": loss if math.isfinite(loss) else None,
            "lr": learning_rate(run.step - 1, recipe.train),
            "grad_norm": grad_norm if math.isfinite(grad_norm) else None,
            "tokens": run.tokens,
            "tokens_per_second": round((run.tokens - run.marked_tokens) / (now - run.marked_at), 1),
            "seconds": round(run.seconds_before + now - run.started, 3),
            "skipped": int(run.skipped.item()),
        }
        run.marked_at, run.marked_tokens = now, run.tokens
    return run.metrics


def _append_metrics(file: Path, metrics: dict[str, Any]) -> None:
    with file.open("a", encoding="utf-8") as out:
        out.write(json.dumps(metrics, allow_nan=False) + "\n")


def _read_metrics(file: Path) -> list[dict[str, Any]]:
    """Logged lines up to the first that a killed process left unfinished."""
    lines: list[dict[str, Any]] = []
    for text in file.read_text(encoding="utf-8").splitlines() if file.exists() else []:
        try:
            lines.append(json.loads(text))
        except ValueError:
            break
    return lines


def _cut_metrics(file: Path, step: int) -> None:
    """Drop lines of steps after `step`: they are about to be trained, and logged, again."""
    if not file.exists():
        return
    kept = [json.dumps(line) + "\n" for line in _read_metrics(file) if line["step"] <= step]
    work = file.with_suffix(".tmp")
    work.write_text("".join(kept), encoding="utf-8")
    work.replace(file)


def _losses(run_dir: Path) -> dict[int, float]:
    lines = _read_metrics(run_dir / METRICS)
    return {line["step"]: math.nan if line["loss"] is None else line["loss"] for line in lines}


def _result(run_dir: Path, folder: Path) -> TrainResult:
    trainer = checkpoint.read_trainer(folder)
    return TrainResult(
        run_dir=run_dir, checkpoint=folder, steps=trainer["step"], tokens=trainer["tokens"],
        skipped=trainer["metrics"]["skipped"], losses=_losses(run_dir),
    )  # fmt: skip


def _read_tokenizer(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ModelError(f"cannot read the tokenizer {path}: {error}") from error


def _flatten(prefix: str, value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        return {prefix: value}
    return {name: leaf for key, each in value.items() for name, leaf in _flatten(f"{prefix}.{key}", each).items()}


@contextmanager
def _deferred_interrupt() -> Iterator[Callable[[], bool]]:
    """Let the first Ctrl-C wait for the end of the step: amid an update there is no consistent state to save.

    Yields a function that tells whether one came. Only the main thread receives signals; elsewhere nothing changes,
    and neither where the process was started with Ctrl-C ignored.
    """
    previous = signal.getsignal(signal.SIGINT)
    asked = threading.Event()
    if threading.current_thread() is not threading.main_thread() or previous in (signal.SIG_IGN, None):
        yield asked.is_set
        return

    def note(_number: int, _frame: FrameType | None) -> None:
        asked.set()
        signal.signal(signal.SIGINT, previous)

    signal.signal(signal.SIGINT, note)
    try:
        yield asked.is_set
    finally:
        signal.signal(signal.SIGINT, previous)
