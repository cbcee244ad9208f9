"""Source code to match patterns against: files of the standard library, and a page in each of some languages."""

import random
import re
import sysconfig
from collections.abc import Callable
from pathlib import Path

import pytest

SNIPPETS = {
    "C": """#include <stdio.h>
#define MAX(a, b) ((a) > (b) ? (a) : (b))
typedef struct node { int value; struct node *next; } node_t;
enum color { RED = 0x1F, GREEN = 'g' };
static unsigned long total_of(const node_t *list) {
    unsigned long sum = 0UL; double d = 1.5f;
    for (const node_t *at = list; at != NULL; at = at->next) sum += at->value;
    while (sum > 10L) { switch (sum % 3) { case 0: goto done; default: sum -= sizeof(int); } }
done:
    printf("total\\teval %lu\\n", sum);
    return MAX(sum, 1);
}
""",
    "C#": """using System;
namespace Demo {
    public class Loader<T> where T : class {
        private readonly int count = 0x1F; char c = 'x'; double d = 1.5f;
        public string Name { get; set; } = $"eval {1 + 2}\\tname";
        public async Task<T> Load(string path) { var text = await File.ReadAllTextAsync(path); return Parse(text ?? "");
        }
        static void Main(string[] args) { foreach (var a in args) Console.WriteLine(a); }
    }
}
""",
    "C++": """#include <vector>
namespace demo { template <typename T> class Stack : public Base<T> {
 public:
  explicit Stack(size_t n) : items_(n) {}
  friend class Tester; using value_type = T;
  T pop() { if (items_.empty()) throw std::out_of_range("empty\\teval"); auto v = items_.back(); return v; }
  decltype(auto) size() const noexcept { return items_.size() + 1'000ULL + 0x1Fu + 5ms; }
 private:
  std::vector<T> items_;
};
int main() { try { Stack<int> s(3); s.pop(); } catch (const std::exception &e) { delete &e; } return sizeof(int); }
}
""",
    "Go": """package main

import (
	"fmt"
	str "strings"
)

type Point struct{ X, Y int }
type Shape interface{ Area() float64 }

const limit, letter = 0x1F + 1i, 'x'

func (p *Point) Scale(by int) (err error) {
	defer fmt.Println("scaled\\teval", p.X)
	for i, s := range str.Split("a,b", ",") { go func() { p.X += i * len(s) }() }
	m := map[string]chan int{}
	select { case v := <-m["a"]: p.Y = v; default: }
	switch p.X { case 1: return fmt.Errorf("one %d", by); }
	return nil
}
""",
    "Java": """package demo;
import java.util.List;
public abstract class Loader<T extends Comparable<T>> implements Runnable {
    private static final long LIMIT = 1_000L; char letter = 'x'; float f = 1.5f;
    enum Color { RED, GREEN }
    @Override public void run() throws IllegalStateException {
        for (String name : List.of("a\\teval", "b")) { if (name instanceof String s) System.out.println(s + 0x1F); }
        try { assert LIMIT > 0; throw new RuntimeException("x"); } catch (Exception e) { load(e); } finally { done(); }
        switch (letter) { case 'x': break; default: while (true) return; }
    }
    abstract T load(Object o);
}
""",
    "JavaScript": """import React, { useState as state } from 'react';
export class Loader extends Base {
  #count = 10n; static $el = null;
  async load(url, { retries = 0x1F, ...rest } = {}) {
    try { const { data } = await fetch(`${url}?eval=${retries}`, rest); return data.map((x) => x + 1); }
    catch (error) { if (!(error instanceof TypeError)) throw new Error("bad\\teval" + typeof error); }
    finally { delete this.cache; }
  }
}
for (const key of Object.keys(window)) { label: while (true) { switch (key) { case 'a': break label; } } }
var re = /ab+c/gi.test(name); let f = function* gen() { yield 1; };
""",
    "PHP": """<?php
namespace Demo;
use Some\\Thing;
final class Loader extends Base implements Runnable {
    private ?int $count = 0x1F;
    public function load(string $path, ...$rest): array {
        foreach ($rest as $key => $value) { echo "eval {$value} $key\\t\\x41name"; }
        try { return json_decode(file_get_contents($path), true) ?? []; } catch (\\Exception $e) {
            throw new Thing('x'); }
    }
}
?><b><?= strlen($name) ?></b>
""",
    "Rust": """use std::collections::HashMap;
#[derive(Debug, Clone)]
pub struct Point<'a, T: Copy> { pub x: T, name: &'a str }
impl<'a, T: Copy> Point<'a, T> {
    pub fn scale(&mut self, by: T) -> Result<u8, String> {
        let mut map: HashMap<String, f64> = HashMap::new();
        map.insert(format!("eval\\t{}", self.name), 1.5f64);
        for (i, c) in r#"raw "x""#.chars().enumerate() { if c == 'x' { return Ok(i as u8 + 1u8); } }
        match map.get("a") { Some(v) if *v > 0.0 => unsafe { Ok(*(v as *const f64 as *const u8)) },
            _ => Err("no".into()),
        }
    }
}
fn point<'a>(x: u8, name: &'a str) -> Point<'a, u8> { Point { x, name } }
macro_rules! twice { ($x:expr) => { $x + $x }; }
""",
    "TypeScript": """import { Injectable } from '@angular/core';
export interface Options<T> extends Base { readonly name?: keyof T; size: number; }
export abstract class Loader<T extends object> implements Service {
  private cache: Map<string, T> = new Map();
  constructor(public readonly http: Http) { super(); }
  async load<K>(url: string, opts: Partial<Options<T>> = {}): Promise<T | undefined> {
    try { return (await this.http.get(`${url}/eval`)) as T; } catch (e) { throw new Error('bad\\teval'); }
  }
}
enum Color { Red = 0x1F, Green = 'g' }
type Fn = (a: string) => asserts a is 'x'; var v = { a, b: 1n } satisfies Options<any>;
""",
}

TSX = """import * as React from 'react';
interface Props { name: string; onLoad?: (x: number) => void }
export function Panel({ name, onLoad }: Props): JSX.Element {
  const [size, setSize] = React.useState<number>(0x1F);
  return <div className="panel eval" onClick={() => setSize(size + 1)}>{name} &amp; more<Child.Item {...props} /></div>;
}
"""

_SNIPPETS = r"""
1 0x 0x1F 1L 1j 1e5 1.5f 2.j 0b1 1u8 1n 9_ \t \x41 \u0041 \101 \ " ' ` r" f" b" u8" L" r#"
{ } ( ) [ ] < > 'x
!r ! %d % $ ${ # #{ @ & &amp <!-- /* // */ #define #if ; : , . => -> :: ? / ~ <?php ?> in not async return é
"""
INSERTED = [*_SNIPPETS.split(), '"' * 3, "\n", "\r", "\\\n", "\0"]


@pytest.fixture(scope="session")
def library() -> list[bytes]:
    """Files of the standard library of at most 12 KB, the same ones for the same Python."""
    root = Path(sysconfig.get_paths()["stdlib"])
    names = "abc ast bisect bdb chunk cmd code codeop colorsys contextlib copy filecmp fnmatch glob hmac html/parser"
    names += " json/decoder json/encoder keyword linecache operator pprint queue reprlib sched shelve shlex stat string"
    names += " textwrap timeit token tty types uuid wave zipapp email/charset logging/handlers unittest/case"
    paths = [root / f"{name}.py" for name in names.split()]
    return [path.read_bytes()[:12_000] for path in paths if path.exists()]


@pytest.fixture(scope="session")
def sources(library: list[bytes]) -> dict[str, list[bytes]]:
    """Source code by Linguist's name of its language."""
    return {"Python": library, **{name: [text.encode()] for name, text in SNIPPETS.items()}, "TSX": [TSX.encode()]}


@pytest.fixture(scope="session")
def broken() -> Callable[[bytes, random.Random], bytes]:
    """Breaks source code: snippets put before words or anywhere, cuts, words joined."""
    return _broken


def _broken(source: bytes, rnd: random.Random) -> bytes:
    text = source.decode()
    if len(text) > 1500:
        start = rnd.randrange(len(text) - 1000)
        text = text[start : start + rnd.randrange(100, 1000)]
    for _ in range(rnd.choice([1, 2, 4, 8, 20])):
        at = rnd.randrange(len(text) + 1)
        match rnd.randrange(5):
            case 0:
                text = text[:at] + rnd.choice(INSERTED) + text[at:]
            case 1 | 2:
                while at < len(text) and not (text[at].isalpha() and not text[at - 1 : at].isalnum()):
                    at += 1
                text = text[:at] + rnd.choice(INSERTED) + text[at:]
            case 3:
                text = text[:at] + text[at + rnd.choice([1, 1, 2, 5, 30]) :]
            case 4:
                text = text[:at].rstrip() + text[at:].lstrip()
    return text.encode()


_BEFORE = re.compile(rb"(?:\A|[^0-9A-Za-z_]|[\\!#%$@&?][0-9A-Za-z_]*|'[0-9A-Za-z_]|[0-9][0-9A-Za-z_.']*)\Z")
_AFTER = re.compile(rb"\Z|[^0-9A-Za-z_]")


@pytest.fixture(scope="session")
def is_word_at() -> Callable[[bytes, int, int], bool]:
    """Whether content[start:end] is a word as `Literal` has it."""
    return lambda content, start, end: bool(
        _BEFORE.search(content[max(0, start - 200) : start]) and _AFTER.match(content, end)
    )
