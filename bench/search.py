"""Search quality: `python -m bench.search CHECKPOINT [--json] [--pairs N]`.

Work: functions of the standard library that runs this, without their docstrings; the question is a docstring's first
line and the answer its own function. Figures are MRR@10. Vector search is held against the mean of the same model's
last hidden states over the same functions, hybrid search against words alone (BM25, LanceDB).
"""

import argparse
import ast
import random
import sysconfig
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import torch
from safetensors.torch import load_file

from codelake.engine.tokenizer import load
from codelake.model.config import ModelConfig
from codelake.model.embed import Embedder
from codelake.model.llama import Llama
from codelake.model.retrieve import Index

from . import Figure, show

DEPTH = 10
Pair = tuple[str, str]


def functions(root: Path) -> list[Pair]:
    """(first line of the docstring, source without it) of each documented function below `root`."""
    found = []
    for path in sorted(root.rglob("*.py")):
        inside = path.relative_to(root).parts
        if "site-packages" in inside or any("test" in part for part in inside):
            continue
        try:
            source = path.read_text(encoding="utf-8")
            tree = ast.parse(source)
        except (UnicodeDecodeError, SyntaxError, ValueError):
            continue  # files that test the parser itself
        lines = source.splitlines()
        for node in ast.walk(tree):
            text = ast.get_docstring(node) if isinstance(node, ast.FunctionDef) else None
            if not isinstance(node, ast.FunctionDef) or not text or len(text.split()) < 5 or len(node.body) < 2:
                continue
            first = node.body[0]
            body = lines[node.lineno - 1 : first.lineno - 1] + lines[first.end_lineno or 0 : node.end_lineno]
            found.append((text.splitlines()[0], "\n".join(body)))
    return found


def mrr(ranks: list[int | None]) -> float:
    """Mean reciprocal rank; None is not found."""
    return float(np.mean([1 / rank if rank else 0.0 for rank in ranks]))


def by_index(pairs: list[Pair], index: Index, kind: str) -> float:
    """MRR@10 of one kind of search."""
    ranks: list[int | None] = []
    for number, (question, _) in enumerate(pairs):
        paths = list(dict.fromkeys(hit.path for hit in index.search(question, k=3 * DEPTH, kind=kind)))[:DEPTH]
        ranks.append(paths.index(str(number)) + 1 if str(number) in paths else None)
    return mrr(ranks)


def hidden_states(checkpoint: Path) -> Callable[[str], npt.NDArray[np.float32]]:
    """Text to the unit mean of the model's last hidden states."""
    config = ModelConfig.from_hf(checkpoint / "config.json")
    tokenizer, model = load(checkpoint / "tokenizer.json"), Llama(config).eval()
    state = load_file(checkpoint / "model.safetensors")
    if config.tie_word_embeddings:
        state["lm_head.weight"] = state["model.embed_tokens.weight"]
    model.load_state_dict(state)

    @torch.inference_mode()
    def encode(text: str) -> npt.NDArray[np.float32]:
        ids = [tokenizer.bos_id, *map(int, tokenizer.encode_batch([text])[0])][: config.max_position_embeddings]
        mean = model(torch.tensor(ids)[None], hidden=True)[0].mean(0)
        return np.asarray(torch.nn.functional.normalize(mean, dim=0).numpy())

    return encode


def measure(checkpoint: Path, count: int) -> list[Figure]:
    """Both figures on `count` pairs."""
    pairs = functions(Path(sysconfig.get_paths()["stdlib"]))
    pairs = random.Random(0).sample(pairs, min(count, len(pairs)))
    rows = [
        {
            "blob_id": str(number),
            "repo_name": "cpython",
            "path": str(number),
            "language": "Python",
            "license": "Python-2.0",
            "license_type": "permissive",
            "content": code,
        }
        for number, (_, code) in enumerate(pairs)
    ]
    with tempfile.TemporaryDirectory(prefix="codelake-bench-") as work, Index(work) as index:
        index.build(iter(pa.Table.from_pylist(rows).to_batches()), Embedder(checkpoint))
        words, vector, hybrid = (by_index(pairs, index, kind) for kind in ("text", "vector", "hybrid"))
    encode = hidden_states(checkpoint)
    questions, answers = (np.stack([encode(pair[side]) for pair in pairs]) for side in (0, 1))
    mean = answers.mean(axis=0)
    similar = (questions - mean) @ (answers - mean).T
    ranks = [int((row >= row[number]).sum()) for number, row in enumerate(similar)]
    hidden = mrr([rank if rank <= DEPTH else None for rank in ranks])
    unit = f"MRR@{DEPTH}"
    return [
        Figure(bench="search", figure="vector", value=vector, unit=unit, peer="mean hidden state", peer_value=hidden),
        Figure(bench="search", figure="hybrid", value=hybrid, unit=unit, peer="BM25 alone", peer_value=words),
    ]


def main() -> None:
    """Measure one checkpoint."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkpoint", type=Path, help="a checkpoint folder of `codelake train`")
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    parser.add_argument("--pairs", type=int, default=1000)
    options = parser.parse_args()
    show(measure(options.checkpoint, options.pairs), as_json=options.json)


if __name__ == "__main__":
    main()
