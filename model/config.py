"""What a model is and how it is trained, as frozen settings that are checked when they are made.

`ModelConfig` uses Hugging Face's Llama field names, so its dictionary is a `config.json`. A recipe is one TOML file
with the tables [model], [data] and [train]; `nano` and the other shipped recipes are found by name. Torch is not
imported here: the command line reads and prints recipes without paying for it.
"""

import json
import math
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import MISSING, asdict, dataclass, fields
from importlib.resources import files
from pathlib import Path
from types import UnionType
from typing import Any, Protocol, TypeVar, get_args, get_origin, get_type_hints

from ..engine.errors import ModelError, nearest


class HasDict(Protocol):
    """A `transformers` configuration, or anything else with its `to_dict`."""

    def to_dict(self) -> dict[str, Any]: ...


@dataclass(frozen=True, kw_only=True)
class ModelConfig:
    """The shape of a Llama; names, meanings and defaults are those of transformers' `LlamaConfig`.

    `num_key_value_heads` and `head_dim` left at 0 are derived: one key-value head a query head, and
    `hidden_size // num_attention_heads`. Raises ModelError for a shape that cannot be built.
    """

    vocab_size: int
    hidden_size: int
    intermediate_size: int
    num_hidden_layers: int
    num_attention_heads: int
    num_key_value_heads: int = 0
    head_dim: int = 0
    max_position_embeddings: int = 2048
    rms_norm_eps: float = 1e-6
    rope_theta: float = 10000.0
    tie_word_embeddings: bool = False
    bos_token_id: int | None = 1
    eos_token_id: int | None = 2
    pad_token_id: int | None = None

    def __post_init__(self) -> None:
        for name in ("vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads",
                     "max_position_embeddings", "rms_norm_eps", "rope_theta"):  # fmt: skip
            _check(getattr(self, name) > 0, f"model.{name}", "above 0", getattr(self, name))
        _check(self.hidden_size % self.num_attention_heads == 0, "model.hidden_size",
               f"a multiple of num_attention_heads ({self.num_attention_heads})", self.hidden_size)  # fmt: skip
        if self.num_key_value_heads == 0:
            object.__setattr__(self, "num_key_value_heads", self.num_attention_heads)
        if self.head_dim == 0:
            object.__setattr__(self, "head_dim", self.hidden_size // self.num_attention_heads)
        _check(self.num_key_value_heads > 0 and self.num_attention_heads % self.num_key_value_heads == 0,
               "model.num_key_value_heads", f"a divisor of num_attention_heads ({self.num_attention_heads})",
               self.num_key_value_heads)  # fmt: skip
        _check(self.head_dim > 0 and self.head_dim % 2 == 0, "model.head_dim", "even and above 0", self.head_dim)
        for name in ("bos_token_id", "eos_token_id", "pad_token_id"):
            token = getattr(self, name)
            _check(token is None or 0 <= token < self.vocab_size, f"model.{name}",
                   f"absent or in [0, {self.vocab_size})", token)  # fmt: skip

    @classmethod
    def from_hf(cls, config: "Mapping[str, Any] | str | Path | HasDict") -> "ModelConfig":
        """Read a Hugging Face configuration: a dictionary, a `config.json` (or its folder), or an object.

        Reads what transformers 4 and 5 write. Raises ModelError naming the field for whatever this Llama does not
        compute: another model type, biases, a scaled RoPE, another activation, attention dropout, quantised weights.
        """
        settings = _read_hf(config)
        rope = settings.get("rope_parameters") or settings.get("rope_scaling") or {}
        expected = {
            "model_type": ("llama", settings.get("model_type", "llama")),
            "attention_bias": (False, bool(settings.get("attention_bias"))),
            "mlp_bias": (False, bool(settings.get("mlp_bias"))),
            "hidden_act": ("silu", settings.get("hidden_act", "silu")),
            "attention_dropout": (0, settings.get("attention_dropout") or 0),
            "quantization_config": (None, settings.get("quantization_config")),
            "rope_parameters.rope_type": ("default", rope.get("rope_type", rope.get("type", "default"))),
            "rope_parameters.partial_rotary_factor": (1, rope.get("partial_rotary_factor", 1)),
        }
        for name, (supported, found) in expected.items():
            if found != supported:
                raise ModelError(f"{name} is {found!r}: only {supported!r} is implemented")
        known = {f.name: settings[f.name] for f in fields(cls) if f.name in settings}
        if "rope_theta" in rope:
            known["rope_theta"] = rope["rope_theta"]
        for derived in ("num_key_value_heads", "head_dim"):
            if derived in known and known[derived] is None:
                del known[derived]
        return _build(cls, known, "model")

    def to_hf(self) -> dict[str, Any]:
        """The `config.json` of this model, as transformers 5 writes it; `LlamaConfig(**config.to_hf())` loads it."""
        settings = asdict(self)
        theta = settings.pop("rope_theta")
        return settings | {
            "architectures": ["LlamaForCausalLM"],
            "model_type": "llama",
            "hidden_act": "silu",
            "attention_bias": False,
            "attention_dropout": 0.0,
            "mlp_bias": False,
            "rope_parameters": {"rope_theta": theta, "rope_type": "default"},
        }

    @property
    def parameters(self) -> int:
        """How many trainable numbers the model holds; a tied embedding counts once."""
        width, query = self.hidden_size, self.num_attention_heads * self.head_dim
        attention = 2 * width * query + 2 * width * self.num_key_value_heads * self.head_dim
        layer = attention + 3 * width * self.intermediate_size + 2 * width
        embeddings = self.vocab_size * width * (1 if self.tie_word_embeddings else 2)
        return embeddings + self.num_hidden_layers * layer + width

    def flops_per_token(self, seq_len: int) -> int:
        """Floating-point operations of one trained token (forward and backward) in rows of `seq_len` tokens.

        6 N + 12 L H T (PaLM, arXiv:2204.02311, appendix B): N parameters without the embedding lookup, which
        multiplies nothing (a tied table does, as the output projection), L layers, H = heads x head_dim, T = seq_len.
        Attention counts as if neither causal nor cut at document starts, so the work really done is less.
        """
        lookup = 0 if self.tie_word_embeddings else self.vocab_size * self.hidden_size
        attention = 12 * self.num_hidden_layers * self.num_attention_heads * self.head_dim * seq_len
        return 6 * (self.parameters - lookup) + attention


def tinyllama() -> ModelConfig:
    """TinyLlama 1.1B (arXiv:2401.02385): 1,100,048,384 parameters."""
    return ModelConfig(
        vocab_size=32000, hidden_size=2048, intermediate_size=5632, num_hidden_layers=22, num_attention_heads=32,
        num_key_value_heads=4, head_dim=64, max_position_embeddings=2048, rms_norm_eps=1e-5,
    )  # fmt: skip


def nano(vocab_size: int = 8192) -> ModelConfig:
    """The smallest Llama that visibly learns code, made for two CPU cores.

    Its width was chosen by measuring: after 40 CPU-seconds on Python source, models 96 and 128 wide had seen fewer
    tokens and had a higher validation loss.
    """
    return ModelConfig(
        vocab_size=vocab_size,
        hidden_size=64,
        intermediate_size=192,
        num_hidden_layers=4,
        num_attention_heads=2,
        num_key_value_heads=1,
        head_dim=32,
        max_position_embeddings=1024,
        rms_norm_eps=1e-5,
        tie_word_embeddings=True,
    )


PRESETS: dict[str, Callable[[], ModelConfig]] = {"nano": nano, "tinyllama": tinyllama}


@dataclass(frozen=True, kw_only=True)
class DataConfig:
    """Which rows are trained on: a query over the lake, a tokenizer, and how tokens become rows.

    `batch_size` is rows of `seq_len` tokens in one forward pass; `tokenizer` is a path to a `tokenizer.json`.
    """

    sql: str
    tokenizer: str
    seq_len: int
    batch_size: int
    seed: int = 0

    def __post_init__(self) -> None:
        _check(bool(self.sql.strip()), "data.sql", "a query", self.sql)
        _check(self.seq_len > 0, "data.seq_len", "above 0", self.seq_len)
        _check(self.batch_size > 0, "data.batch_size", "above 0", self.batch_size)
        _check(self.seed >= 0, "data.seed", "0 or above", self.seed)


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """How the model is optimised; steps count optimizer updates, of `grad_accumulation` batches each.

    `schedule` is "cosine" or "wsd" (warmup, stable, decay over the last `decay_fraction` of the steps). Defaults are
    TinyLlama's (arXiv:2401.02385) where it states them; `decay_fraction` is within the 10-20 % that
    arXiv:2405.18392 finds to match a full cosine. `keep_last` is how many checkpoints stay on disk.
    """

    steps: int
    lr: float = 4e-4
    min_lr: float = 4e-5
    warmup_steps: int = 0
    schedule: str = "cosine"
    decay_fraction: float = 0.2
    weight_decay: float = 0.1
    betas: tuple[float, float] = (0.9, 0.95)
    grad_clip: float = 1.0
    grad_accumulation: int = 1
    seed: int = 0
    log_every: int = 10
    checkpoint_every: int = 1000
    keep_last: int = 3

    def __post_init__(self) -> None:
        for name in ("steps", "lr", "grad_clip", "grad_accumulation", "log_every", "checkpoint_every", "keep_last"):
            value = getattr(self, name)
            _check(value > 0 and math.isfinite(value), f"train.{name}", "above 0", value)
        for name in ("warmup_steps", "weight_decay", "seed"):
            value = getattr(self, name)
            _check(value >= 0 and math.isfinite(value), f"train.{name}", "0 or above", value)
        _check(0 <= self.min_lr <= self.lr, "train.min_lr", f"in [0, train.lr = {self.lr}]", self.min_lr)
        _check(self.schedule in ("cosine", "wsd"), "train.schedule", '"cosine" or "wsd"', self.schedule)
        _check(0 < self.decay_fraction <= 1, "train.decay_fraction", "in (0, 1]", self.decay_fraction)
        _check(all(0 <= beta < 1 for beta in self.betas), "train.betas", "two numbers in [0, 1)", self.betas)


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Everything that decides a training run except the contents of the lake."""

    model: ModelConfig
    data: DataConfig
    train: TrainConfig

    def __post_init__(self) -> None:
        longest = self.model.max_position_embeddings
        _check(self.data.seq_len <= longest, "data.seq_len", f"at most model.max_position_embeddings ({longest})",
               self.data.seq_len)  # fmt: skip

    def to_dict(self) -> dict[str, Any]:
        """Plain tables of plain values; `Recipe.from_dict` reads them back, also after a trip through JSON."""
        tables = asdict(self)
        tables["train"]["betas"] = list(self.train.betas)
        return tables

    @classmethod
    def from_dict(cls, tables: Mapping[str, Any]) -> "Recipe":
        """Check tables of settings as a recipe file holds them; raises ModelError naming the key that is wrong."""
        for table in tables:
            if table not in SECTIONS:
                raise ModelError(f"unknown table [{table}]{_suggest(table, list(SECTIONS))}")
            if not isinstance(tables[table], Mapping):
                raise ModelError(f"[{table}] must be a table of settings, not {tables[table]!r}")
        model = dict(tables.get("model", {}))
        preset = model.pop("preset", None)
        if preset is not None:
            if preset not in PRESETS:
                raise ModelError(f"model.preset: unknown preset {preset!r}{_suggest(str(preset), list(PRESETS))}")
            model = asdict(PRESETS[preset]()) | model
        return cls(
            model=_build(ModelConfig, model, "model"),
            data=_build(DataConfig, tables.get("data", {}), "data"),
            train=_build(TrainConfig, tables.get("train", {}), "train"),
        )


SECTIONS: dict[str, type] = {"model": ModelConfig, "data": DataConfig, "train": TrainConfig}


def shipped_recipes() -> list[str]:
    """Names of the recipes that come with CodeLake."""
    folder = files(__package__) / "recipes"
    return sorted(Path(entry.name).stem for entry in folder.iterdir() if entry.name.endswith(".toml"))


def load_recipe(name_or_path: str | Path, overrides: Mapping[str, str] | None = None) -> Recipe:
    """Read a recipe by shipped name or by path, with settings replaced.

    `overrides` maps `"train.steps"`, or `"steps"` where only one table has that key, to the text a user typed.
    Raises ModelError for an unknown name, key, type or value, naming the nearest known one.

    >>> load_recipe("nano", {"train.steps": "50"}).train.steps
    50
    """
    text, place = _read_recipe(name_or_path)
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ModelError(f"{place} is not valid TOML: {error}") from error
    for name, value in (overrides or {}).items():
        table, key = _locate(name)
        tables.setdefault(table, {})[key] = _parse(table, key, value)
    try:
        return Recipe.from_dict(tables)
    except ModelError as error:
        raise ModelError(f"{place}: {error}") from None


def _read_recipe(name_or_path: str | Path) -> tuple[str, str]:
    names, path = shipped_recipes(), Path(name_or_path)
    if isinstance(name_or_path, str) and name_or_path in names:
        return (files(__package__) / "recipes" / f"{name_or_path}.toml").read_text(), f"recipe {name_or_path}"
    try:
        return path.read_text(encoding="utf-8"), str(path)
    except FileNotFoundError:
        known = f"shipped recipes: {', '.join(names)}"
        raise ModelError(f"no recipe {str(name_or_path)!r}, neither a file nor a shipped name ({known})") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ModelError(f"cannot read the recipe {path}: {error}") from error


def _keys(table: str) -> dict[str, Any]:
    hints = get_type_hints(SECTIONS[table])
    return hints | {"preset": str} if table == "model" else hints


def _locate(name: str) -> tuple[str, str]:
    """`"train.steps"` or `"steps"` as (table, key)."""
    full = [f"{table}.{key}" for table in SECTIONS for key in _keys(table)]
    found = [name] if name in full else [each for each in full if each.split(".")[1] == name]
    if len(found) > 1:
        raise ModelError(f"setting {name!r} is ambiguous: write {' or '.join(found)}")
    if not found:
        known = full if "." in name else [each.split(".")[1] for each in full]
        raise ModelError(f"unknown setting {name!r}{_suggest(name, known)}")
    table, _, key = found[0].partition(".")
    return table, key


def _parse(table: str, key: str, text: str) -> Any:
    """The text of an override as the value a TOML file would have given for it."""
    if _keys(table)[key] is str:
        return text
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text  # not a number, list or boolean: the type check names the key and what it wants


_Settings = TypeVar("_Settings", ModelConfig, DataConfig, TrainConfig)


def _build(cls: type[_Settings], values: Mapping[str, Any], table: str) -> _Settings:
    hints = get_type_hints(cls)
    for key in values:
        if key not in hints:
            raise ModelError(f"unknown key {table}.{key}{_suggest(key, list(_keys(table)))}")
    for entry in fields(cls):
        if entry.default is MISSING and entry.name not in values:
            hint = " (or model.preset)" if cls is ModelConfig else ""
            raise ModelError(f"{table}.{entry.name} is missing{hint}")
    return cls(**{key: _coerce(value, hints[key], f"{table}.{key}") for key, value in values.items()})


def _coerce(value: Any, kind: Any, name: str) -> Any:
    """`value` as the annotated type of its field; a whole number is accepted for a float, nothing else is bent."""
    if isinstance(kind, UnionType):
        return None if value is None else _coerce(value, get_args(kind)[0], name)
    if get_origin(kind) is tuple:
        parts = get_args(kind)
        if not isinstance(value, list | tuple) or len(value) != len(parts):
            raise ModelError(f"{name} must be a list of {len(parts)} numbers, not {value!r}")
        return tuple(_coerce(each, part, name) for each, part in zip(value, parts, strict=True))
    accepted = (int, float) if kind is float else kind
    if not isinstance(value, accepted) or (isinstance(value, bool) and kind is not bool):
        words = {int: "a whole number", float: "a number", str: "text", bool: "true or false"}
        raise ModelError(f"{name} must be {words[kind]}, not {value!r}")
    return float(value) if kind is float else value


def _read_hf(config: "Mapping[str, Any] | str | Path | HasDict") -> dict[str, Any]:
    if isinstance(config, Mapping):
        return dict(config)
    if not isinstance(config, str | Path):
        return config.to_dict()
    path = Path(config)
    path = path / "config.json" if path.is_dir() else path
    try:
        settings = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(f"cannot read the model configuration {path}: {error}") from error
    if not isinstance(settings, dict):
        raise ModelError(f"cannot read the model configuration {path}: it is not a JSON object")
    return settings


def _suggest(name: str, known: list[str]) -> str:
    close = nearest(name, known)
    return f"; did you mean {' or '.join(close)}?" if close else f"; known: {', '.join(known)}"


def _check(holds: bool, name: str, wanted: str, found: object) -> None:
    if not holds:
        raise ModelError(f"{name} must be {wanted}, not {found!r}")
