import random
from collections.abc import Callable, Iterator

import pytest
from tree_sitter import Node, Parser
from tree_sitter_language_pack import SupportedLanguage, get_language

from codelake.engine.syntax.words import IDENTIFIERS, KEYWORDS, is_word

GRAMMARS: dict[str, SupportedLanguage] = {"C#": "csharp", "C++": "cpp"}


def leaves(node: Node) -> Iterator[Node]:
    if not node.child_count:
        yield node
    for child in node.children:
        yield from leaves(child)


@pytest.mark.parametrize("language", IDENTIFIERS)
def test_identifiers_and_keywords_are_words(
    language: str,
    sources: dict[str, list[bytes]],
    broken: Callable[[bytes, random.Random], bytes],
    is_word_at: Callable[[bytes, int, int], bool],
) -> None:
    grammar = get_language(GRAMMARS.get(language, language.lower()))  # type: ignore[arg-type]
    parser = Parser(grammar)
    rnd = random.Random(language)
    texts = sources[language][:6] + [broken(rnd.choice(sources[language]), rnd) for _ in range(150)]
    seen: set[str] = set()
    for text in texts:
        for node in leaves(parser.parse(text).root_node):
            token = text[node.start_byte : node.end_byte].decode(errors="replace")
            if node.is_named and node.type in IDENTIFIERS[language] and is_word(token):
                seen.add(node.type)
                assert is_word_at(text, node.start_byte, node.end_byte), (token, text)
            elif not node.is_named and node.type in KEYWORDS.get(language, ()):
                seen.add(node.type)
                assert token == node.type, text
                assert is_word_at(text, node.start_byte, node.end_byte), (token, text)
    assert seen & IDENTIFIERS[language]
    known = {grammar.node_kind_for_id(i) for i in range(grammar.node_kind_count)}
    assert known >= IDENTIFIERS[language] | KEYWORDS.get(language, frozenset())


@pytest.mark.parametrize("language", KEYWORDS)
def test_no_keyword_can_end_a_rule(language: str) -> None:
    """After one the parser always shifts, so it does not recover by making one up (`ts_parser__handle_error`)."""
    grammar = get_language(GRAMMARS.get(language, language.lower()))  # type: ignore[arg-type]
    for symbol in range(1, grammar.node_kind_count):
        word = grammar.node_kind_for_id(symbol)
        if word not in KEYWORDS[language] or grammar.node_kind_is_named(symbol):
            continue
        after = {grammar.next_state(state, symbol) for state in range(grammar.parse_state_count)} - {0}
        for state in after:
            ahead = grammar.lookahead_iterator(state)
            assert ahead is not None
            assert all(grammar.next_state(state, following) for following, _ in ahead), word
