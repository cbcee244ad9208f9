"""Byte-level BPE for source code: train one, save it, and load any Hugging Face tokenizer.json for a stream."""

import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

from .errors import StreamError

END_OF_TEXT = "<|endoftext|>"
# Sentinel names of Qwen2.5-Coder, which inference servers already know for fill-in-the-middle and repository context.
SPECIAL_TOKENS = (
    END_OF_TEXT,
    "<|fim_prefix|>",
    "<|fim_middle|>",
    "<|fim_suffix|>",
    "<|fim_pad|>",
    "<|repo_name|>",
    "<|file_sep|>",
)
# The pre-tokenizer llama.cpp calls "qwen2": contractions, words with one leading mark, single digits, punctuation runs,
# line ends, indentation. Every character belongs to exactly one match, so nothing of the text is lost.
QWEN2_PATTERN = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
# Names of the end and begin tokens in published tokenizers (GPT-2, Llama 2 and 3, Gemma, DeepSeek).
EOS_NAMES = ("<|endoftext|>", "</s>", "<|end_of_text|>", "<eos>", "[EOS]", "<|eos|>", "<｜end▁of▁sentence｜>")
BOS_NAMES = ("<s>", "<|begin_of_text|>", "<bos>", "[BOS]", "<|bos|>", "<|startoftext|>", "<｜begin▁of▁sentence｜>")

TokenIds = npt.NDArray[np.int32]


def train_bpe(texts: Iterator[list[str]], *, vocab_size: int = 32_000) -> Tokenizer:
    """Train a byte-level BPE tokenizer on batches of texts; the same texts give the same tokenizer.

    Ids 0 to 6 are the special tokens (0 is `<|endoftext|>`, both BOS and EOS), then 256 bytes, then merges. Text that
    supports fewer merges gives a smaller vocabulary: look at `get_vocab_size()`. Decoding gives each text back exactly.
    Raises StreamError if `vocab_size` cannot hold the bytes and the special tokens, or if there is no text at all.
    """
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    smallest = len(SPECIAL_TOKENS) + len(alphabet)
    if vocab_size < smallest:
        raise StreamError(f"vocab_size={vocab_size} is too small: bytes and special tokens alone take {smallest}")
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(QWEN2_PATTERN), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=list(SPECIAL_TOKENS),
        initial_alphabet=alphabet,
        show_progress=False,
    )
    characters = 0

    def counted() -> Iterator[list[str]]:
        nonlocal characters
        for batch in texts:
            characters += sum(map(len, batch))
            yield batch

    tokenizer.train_from_iterator(counted(), trainer)
    if not characters:
        raise StreamError("no text to train a tokenizer on: the query selects nothing, or only empty texts")
    return tokenizer


def save(tokenizer: Tokenizer, path: str | Path) -> Path:
    """Write `tokenizer` as a tokenizer.json at `path`, whole or not at all, and return the path."""
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        with partial.open("w", encoding="utf-8") as sink:
            sink.write(tokenizer.to_str(pretty=True))
            sink.flush()
            os.fsync(sink.fileno())
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)
    return target


@dataclass(frozen=True, kw_only=True)
class LoadedTokenizer:
    """A tokenizer ready to encode untrusted text.

    vocab_size is one more than the highest id (what an embedding needs). sha256 is that of the canonical JSON, so it
    does not depend on the file's layout. path is None for a tokenizer that was given as an object.
    """

    tokenizer: Tokenizer
    bos_id: int
    eos_id: int
    vocab_size: int
    sha256: str
    path: Path | None

    def encode_batch(self, texts: Sequence[str]) -> list[TokenIds]:
        """Token ids (int32) of each text, without BOS or EOS; `<|endoftext|>` inside a text is ordinary text."""
        encodings = self.tokenizer.encode_batch_fast(list(texts), add_special_tokens=False)
        return [np.array(encoding.ids, dtype=np.int32) for encoding in encodings]


def load(tokenizer: str | Path | Tokenizer) -> LoadedTokenizer:
    """Load a tokenizer.json, or take a Tokenizer as it is (it is copied, never changed).

    Truncation and padding settings are removed: a stream cuts and pads by itself. Where a tokenizer has no begin token,
    the end token stands for it. Raises StreamError if the file cannot be read or no end token is known.
    """
    path = None
    if isinstance(tokenizer, Tokenizer):
        text = tokenizer.to_str()
    else:
        path = Path(tokenizer)
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise StreamError(f"cannot read the tokenizer {path}: {error}") from error
    try:
        own = Tokenizer.from_str(text)
    except Exception as error:  # tokenizers raises plain Exception for a file it cannot parse
        raise StreamError(f"{path or 'the tokenizer'} is not a Hugging Face tokenizer.json: {error}") from error
    own.no_truncation()
    own.no_padding()
    canonical = json.dumps(json.loads(own.to_str()), sort_keys=True, separators=(",", ":"))
    own.encode_special_tokens = True
    special = {token.content: index for index, token in own.get_added_tokens_decoder().items() if token.special}
    eos = _first(EOS_NAMES, special)
    if eos is None:
        raise StreamError(
            f"{path or 'the tokenizer'} has no known end-of-text token among its special tokens "
            f"({', '.join(special) or 'none'}); known are {', '.join(EOS_NAMES)}"
        )
    bos = _first(BOS_NAMES, special)
    return LoadedTokenizer(
        tokenizer=own,
        bos_id=eos if bos is None else bos,
        eos_id=eos,
        vocab_size=1 + max(own.get_vocab(with_added_tokens=True).values()),
        sha256=hashlib.sha256(canonical.encode()).hexdigest(),
        path=path,
    )


def _first(names: Sequence[str], ids: dict[str, Any]) -> int | None:
    return next((int(ids[name]) for name in names if name in ids), None)
