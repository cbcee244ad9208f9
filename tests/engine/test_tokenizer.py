import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, pre_tokenizers

from codelake.engine import tokenizer as tok
from codelake.engine.errors import StreamError

CODE = [
    "def parse(text):\n    return [line.strip() for line in text.splitlines()]\n",
    "for (int i = 0; i < 2026; i++) {\r\n\tsum += values[i];\r\n}\r\n",
    "fn main() { println!(\"{}\", parse(\"12345\")); }\n",
] * 20  # fmt: skip


@pytest.fixture(scope="module")
def trained() -> Tokenizer:
    return tok.train_bpe(iter([CODE[:7], CODE[7:]]), vocab_size=340)


@pytest.fixture(scope="module")
def loaded(trained: Tokenizer) -> tok.LoadedTokenizer:
    return tok.load(trained)


def test_special_tokens_come_first_then_the_bytes(trained: Tokenizer) -> None:
    assert [trained.id_to_token(i) for i in range(7)] == list(tok.SPECIAL_TOKENS)
    assert trained.token_to_id("<|endoftext|>") == 0
    assert all(len(trained.id_to_token(i) or "") == 1 for i in range(7, 7 + 256))
    assert trained.get_vocab_size() == 340


@settings(max_examples=200, deadline=None)
@given(st.text())
def test_any_text_comes_back_exactly(text: str) -> None:
    tokenizer = _small()
    assert tokenizer.tokenizer.decode(tokenizer.encode_batch([text])[0], skip_special_tokens=False) == text


@pytest.mark.parametrize(
    "text",
    [
        "a\r\nb\rc\n",
        "\0\0x\0",
        "👩‍👩‍👧‍👦🏴‍☠️",
        "e\u0301\u0301 \u0301",
        "\ufeffx",
        "  \t \n\n   x",
        "<|endoftext|>a<|fim_pad|>",
        "ﬁ Å ℵ",
    ],
)
def test_awkward_text_comes_back_exactly(loaded: tok.LoadedTokenizer, text: str) -> None:
    assert loaded.tokenizer.decode(loaded.encode_batch([text])[0], skip_special_tokens=False) == text


def test_digits_are_tokens_of_their_own() -> None:
    tokenizer = tok.load(tok.train_bpe(iter([["2026 2026 2026 2026"] * 50]), vocab_size=300))
    assert len(tokenizer.encode_batch(["2026"])[0]) == 4


def test_names_of_special_tokens_in_a_file_are_ordinary_text(loaded: tok.LoadedTokenizer) -> None:
    for ids in loaded.encode_batch(["x = '<|endoftext|>'", *tok.SPECIAL_TOKENS, "<|fim_middle|><|fim_prefix|>"]):
        assert ids.dtype == np.int32
        assert ids.min() >= len(tok.SPECIAL_TOKENS)


def test_the_same_texts_give_the_same_file(trained: Tokenizer, tmp_path: Path) -> None:
    again = tok.train_bpe(iter([CODE]), vocab_size=340)
    assert tok.save(again, tmp_path / "a.json").read_bytes() == tok.save(trained, tmp_path / "b.json").read_bytes()


def test_little_text_gives_a_smaller_vocabulary() -> None:
    assert 263 < tok.train_bpe(iter([["abab abab"]]), vocab_size=32_000).get_vocab_size() < 300


def test_no_text_is_an_error() -> None:
    nothing: list[list[list[str]]] = [[], [[]], [["", ""]]]
    for texts in nothing:
        with pytest.raises(StreamError, match="no text to train"):
            tok.train_bpe(iter(texts))


def test_a_vocabulary_too_small_for_the_bytes_is_an_error() -> None:
    with pytest.raises(StreamError, match="263"):
        tok.train_bpe(iter([CODE]), vocab_size=262)


def test_an_error_of_the_source_of_texts_is_not_hidden() -> None:
    def texts() -> Iterator[list[str]]:
        yield ["abc"]
        raise ValueError("disk gone")

    with pytest.raises(ValueError, match="disk gone"):
        tok.train_bpe(texts())


def test_save_leaves_the_old_file_when_writing_fails(
    trained: Tokenizer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tok.save(trained, tmp_path / "deep" / "t.json")
    before = path.read_bytes()

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space"):
        tok.save(tok.train_bpe(iter([["other"]]), vocab_size=270), path)
    assert path.read_bytes() == before
    assert [p.name for p in path.parent.iterdir()] == ["t.json"]


def test_load_knows_ids_size_and_identity(trained: Tokenizer, tmp_path: Path) -> None:
    path = tok.save(trained, tmp_path / "t.json")
    loaded = tok.load(path)
    assert (loaded.bos_id, loaded.eos_id, loaded.vocab_size, loaded.path) == (0, 0, 340, path)
    path.write_text(json.dumps(json.loads(path.read_text()), indent=7))
    assert tok.load(path).sha256 == loaded.sha256 == tok.load(trained).sha256
    other = tok.train_bpe(iter([CODE]), vocab_size=339)
    assert tok.load(other).sha256 != loaded.sha256


def test_load_leaves_the_given_tokenizer_alone(trained: Tokenizer) -> None:
    own = Tokenizer.from_str(trained.to_str())
    own.enable_truncation(3)
    own.enable_padding(length=9)
    loaded = tok.load(own)
    assert own.encode("<|endoftext|>").ids[0] == 0
    assert own.truncation is not None
    assert len(loaded.encode_batch([CODE[0]])[0]) > 9
    assert loaded.sha256 == tok.load(trained).sha256


def test_load_finds_other_families_and_refuses_none() -> None:
    llama = Tokenizer(models.BPE(vocab={"a": 0}, merges=[]))
    llama.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    llama.add_special_tokens(["<unk>", "<s>", "</s>"])
    loaded = tok.load(llama)
    assert (loaded.bos_id, loaded.eos_id) == (2, 3)
    nameless = Tokenizer(models.BPE(vocab={"a": 0, "</s>": 1}, merges=[]))
    nameless.add_special_tokens(["<pad>"])
    with pytest.raises(StreamError, match="<pad>"):
        tok.load(nameless)


def test_load_says_what_is_wrong_with_a_file(tmp_path: Path) -> None:
    with pytest.raises(StreamError, match=r"nowhere\.json"):
        tok.load(tmp_path / "nowhere.json")
    (tmp_path / "bad.json").write_text("{}")
    with pytest.raises(StreamError, match=r"bad\.json is not a Hugging Face"):
        tok.load(tmp_path / "bad.json")


_CACHE: list[tok.LoadedTokenizer] = []


def _small() -> tok.LoadedTokenizer:
    if not _CACHE:
        _CACHE.append(tok.load(tok.train_bpe(iter([CODE]), vocab_size=340)))
    return _CACHE[0]
