"""A labelled set of secrets and personal data in code: `generate(seed)`; written before any rule, and not changed since.

Each case is a small file in one of some twenty languages: neutral lines, one planted value (positives) or one look-alike
(hard negatives), neutral lines. Every value is random. Nothing in it is a person's data or a key that was ever issued:
names and mail domains are invented syllables, keys are random in the shape their vendor documents (with the checksum,
where one is known), numbers are random in the shape of their national or industry plan.

A gold span is what must not stand in a released text: the address, the number, the key, the password (not the name it is
assigned to, nor the host of its URL), the whole private-key block.
"""

# ruff: noqa: E501 (contexts are tables: one a line)

import base64
import hashlib
import hmac
import ipaddress
import json
import random
import string
import uuid
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

SEED = 20_261_123
"""The seed of the frozen set: figures are of `generate(SEED)`. Other seeds are for other uses."""

PII = frozenset({"email", "ipv4", "ipv6", "phone", "credit_card", "iban"})
"""Kinds that are personal data; the others are secrets."""

DIGITS, LOWER, UPPER = string.digits, string.ascii_lowercase, string.ascii_uppercase
ALNUM = DIGITS + UPPER + LOWER
HEX = "0123456789abcdef"
URLSAFE = ALNUM + "-_"
BASE64 = ALNUM + "+/"


@dataclass(frozen=True)
class Case:
    """One file: `spans` are (start, end) in characters of what must be found; empty for hard negatives."""

    kind: str
    family: str
    language: str
    text: str
    spans: tuple[tuple[int, int], ...]

    @property
    def positive(self) -> bool:
        return bool(self.spans)


Random = random.Random
Planted = tuple[str, str, str]  # language, lines that hold the value, the value


# Neutral lines that stand around a planted value.

FILLER: dict[str, tuple[str, ...]] = {
    "Python": (
        "import os\nimport sys\nfrom pathlib import Path\n",
        "def load(path: Path) -> dict[str, int]:\n    return {line: len(line) for line in path.open()}\n",
        "class Reader:\n    def __init__(self, root):\n        self.root = root\n        self.count = 0\n",
        "# Retry twice, then give up.\nfor attempt in range(3):\n    if run(attempt):\n        break\n",
        'logger.info("read %d rows from %s", count, name)\n',
    ),
    "JavaScript": (
        "const fs = require('fs');\nconst path = require('path');\n",
        "function sum(values) {\n  return values.reduce((a, b) => a + b, 0);\n}\n",
        "module.exports = { sum, mean };\n",
        "app.get('/items/:id', async (req, res) => {\n  res.json(await items.find(req.params.id));\n});\n",
    ),
    "TypeScript": (
        "import { Component, OnInit } from '@angular/core';\n",
        "export interface Item {\n  id: number;\n  name: string;\n  tags?: string[];\n}\n",
        "export const byName = (a: Item, b: Item): number => a.name.localeCompare(b.name);\n",
    ),
    "Java": (
        "package org.sample.store;\n\nimport java.util.List;\nimport java.util.Map;\n",
        "    private final Map<String, Integer> counts = new HashMap<>();\n",
        '    @Override\n    public String toString() {\n        return "Store{" + counts.size() + "}";\n    }\n',
    ),
    "Go": (
        'package main\n\nimport (\n\t"context"\n\t"fmt"\n\t"net/http"\n)\n',
        'func check(err error) {\n\tif err != nil {\n\t\tpanic(fmt.Errorf("store: %w", err))\n\t}\n}\n',
        "type Store struct {\n\tmu    sync.Mutex\n\titems map[string]int\n}\n",
    ),
    "Rust": (
        "use std::collections::HashMap;\nuse std::io::{self, Read};\n",
        "impl Store {\n    pub fn len(&self) -> usize {\n        self.items.len()\n    }\n}\n",
        "#[derive(Debug, Clone, PartialEq)]\npub struct Item {\n    pub id: u64,\n}\n",
    ),
    "C": (
        "#include <stdio.h>\n#include <stdlib.h>\n#include <string.h>\n",
        "static int compare(const void *a, const void *b)\n{\n    return *(const int *)a - *(const int *)b;\n}\n",
        "#define MAX_ITEMS 128\n",
    ),
    "C++": (
        "#include <vector>\n#include <string>\n#include <algorithm>\n",
        "template <typename T>\nT clamp(T value, T low, T high) {\n  return std::max(low, std::min(value, high));\n}\n",
        "std::vector<std::string> names;\nnames.reserve(16);\n",
    ),
    "C#": (
        "using System;\nusing System.Collections.Generic;\nusing System.Linq;\n",
        "        public int Count => items.Count;\n",
        "        [HttpGet]\n        public IEnumerable<Item> Get() => items.OrderBy(i => i.Name);\n",
    ),
    "Ruby": (
        "require 'json'\nrequire 'net/http'\n",
        "def total(items)\n  items.map(&:price).sum\nend\n",
        "class Item < ApplicationRecord\n  validates :name, presence: true\nend\n",
    ),
    "PHP": (
        "<?php\nnamespace App\\Http;\n\nuse App\\Models\\Item;\n",
        "function total(array $items): int\n{\n    return array_sum(array_column($items, 'price'));\n}\n",
    ),
    "Shell": (
        "#!/usr/bin/env bash\nset -euo pipefail\n",
        'for file in "$@"; do\n  wc -l "$file"\ndone\n',
        "mkdir -p build/output\ncp -r assets build/\n",
    ),
    "Kotlin": (
        "package org.sample\n\nimport kotlinx.coroutines.*\n",
        "data class Item(val id: Long, val name: String)\n",
    ),
    "Swift": (
        "import Foundation\nimport UIKit\n",
        "struct Item: Codable {\n    let id: Int\n    let name: String\n}\n",
    ),
    "YAML": (
        "name: build\non: [push]\n",
        "services:\n  web:\n    image: nginx:latest\n    restart: always\n",
        "logging:\n  level: info\n  format: text\n",
    ),
    "JSON": (),
    "TOML": ('[tool.format]\nline-length = 100\nquote-style = "double"\n', "[server]\nworkers = 4\ndebug = false\n"),
    "INI": ("[general]\nverbose = yes\ncolour = auto\n", "[paths]\nroot = /var/lib/app\n"),
    "Properties": ("app.name=store\napp.mode=production\n", "logging.level.root=INFO\n"),
    "Dotenv": ("APP_ENV=production\nAPP_DEBUG=false\n", "LOG_LEVEL=info\nPORT=3000\n"),
    "XML": (
        '<?xml version="1.0" encoding="UTF-8"?>\n<configuration>\n  <mode>fast</mode>\n',
        '  <cache enabled="true">\n    <size>128</size>\n  </cache>\n',
    ),
    "HTML": (
        '<!doctype html>\n<html lang="en">\n<head><title>Store</title></head>\n',
        '<ul class="menu">\n  <li><a href="/about">About</a></li>\n</ul>\n',
    ),
    "Markdown": (
        "# Store\n\nA small service that counts items.\n",
        "## Usage\n\n```sh\nmake run\n```\n",
        "- fast\n- small\n- tested\n",
    ),
    "SQL": (
        "CREATE TABLE items (\n  id BIGINT PRIMARY KEY,\n  name VARCHAR(80) NOT NULL\n);\n",
        "SELECT name, count(*) FROM items GROUP BY name ORDER BY 2 DESC;\n",
    ),
    "Dockerfile": ("FROM python:3.11-slim\nWORKDIR /app\n", "COPY . /app\nRUN pip install -r requirements.txt\n"),
    "HCL": ('terraform {\n  required_version = ">= 1.5"\n}\n', 'resource "null_resource" "wait" {\n}\n'),
    "Text": ("Notes\n=====\n", "The build takes about ten minutes.\n", "See the manual for the other options.\n"),
    "Log": ("INFO starting worker pool\n", "DEBUG cache warmed in 132 ms\nINFO ready\n"),
    "CSS": ("body { margin: 0; padding: 0 }\n", ".menu > li { display: inline-block; }\n"),
    "Diff": ("diff --git a/store.py b/store.py\n", "@@ -10,6 +10,7 @@ def load(path):\n     rows = []\n"),
}

SYLLABLES = [
    "va",
    "ke",
    "lo",
    "ri",
    "ma",
    "to",
    "sen",
    "dul",
    "bra",
    "fin",
    "gor",
    "hes",
    "jun",
    "kal",
    "mir",
    "nev",
    "pol",
    "qua",
    "rus",
    "tas",
    "ulm",
    "vor",
    "wen",
    "xan",
    "yel",
    "zor",
    "bel",
    "cam",
    "dex",
    "fol",
    "gri",
    "hul",
]
ENDINGS = [
    "com",
    "com",
    "com",
    "net",
    "org",
    "io",
    "dev",
    "de",
    "fr",
    "co.uk",
    "nl",
    "se",
    "pl",
    "cn",
    "ru",
    "in",
    "br",
    "com.au",
    "ch",
    "it",
    "es",
    "eu",
]
WORDS = [
    "sunset",
    "river",
    "copper",
    "falcon",
    "garden",
    "thunder",
    "maple",
    "silver",
    "orchid",
    "pepper",
    "winter",
    "rocket",
    "marble",
    "cactus",
    "velvet",
    "harbor",
    "lantern",
    "meadow",
    "comet",
    "pilot",
    "saddle",
    "timber",
    "anchor",
    "breeze",
    "canyon",
    "ember",
    "glacier",
    "hazel",
    "ivory",
    "jasper",
]


def pick(rng: Random, alphabet: str, length: int) -> str:
    """`length` random characters of `alphabet`."""
    return "".join(rng.choices(alphabet, k=length))


def invented(rng: Random, low: int = 2, high: int = 3) -> str:
    """An invented word of `low` to `high` syllables."""
    return "".join(rng.choices(SYLLABLES, k=rng.randint(low, high)))


def host(rng: Random) -> str:
    """An invented host name."""
    name = rng.choice(["", "", "", "db.", "mail.", "api.", "prod-1."]) + invented(rng)
    return f"{name}{rng.choice(['', '', 'soft', '-labs', '-systems', '24'])}.{rng.choice(ENDINGS)}"


def chosen_case(rng: Random, words: str) -> str:
    """The words in one of the naming styles: snake, SCREAMING, kebab, camel, Pascal."""
    parts = words.split("_")
    style = rng.choice(["snake", "snake", "screaming", "screaming", "camel", "pascal", "kebab"])
    if style == "screaming":
        return "_".join(parts).upper()
    if style == "camel":
        return parts[0] + "".join(p.capitalize() for p in parts[1:])
    if style == "pascal":
        return "".join(p.capitalize() for p in parts)
    return ("-" if style == "kebab" else "_").join(parts)


def identifier(rng: Random, words: str) -> str:
    """`chosen_case`, but valid as an identifier."""
    return chosen_case(rng, words).replace("-", "_")


# Values.


def email(rng: Random) -> str:
    first, last = invented(rng), invented(rng)
    local = rng.choice(
        [
            f"{first}.{last}",
            f"{first[0]}{last}",
            f"{first}_{last}{rng.randint(1, 99)}",
            f"{first}{rng.randint(1950, 2005)}",
            f"{first}.{last}+{rng.choice(WORDS)}",
            f"{first.upper()}.{last.capitalize()}",
            f"{first}-{last}",
        ]
    )
    domain = rng.choice(
        [f"{invented(rng, 3, 4)}.{rng.choice(ENDINGS)}", f"{rng.randint(11, 99)}{invented(rng)}.com", host(rng)]
    )
    return f"{local}@{domain}"


def ipv4(rng: Random) -> str:
    while True:
        address = ipaddress.IPv4Address(rng.getrandbits(32))
        if address.is_global and not address.is_multicast and 0 not in address.packed and 10 < address.packed[0] < 224:
            return str(address)


def ipv6(rng: Random) -> str:
    groups = [
        rng.choice(["2a01", "2a02", "2600", "2607", "2404", "2a10"]),
        *(f"{rng.getrandbits(16):x}" for _ in range(7)),
    ]
    style = rng.choice(["full", "short", "tail", "padded"])
    if style == "full":
        return ":".join(groups)
    if style == "padded":
        return ":".join(g.zfill(4) for g in groups)
    if style == "short":
        return ":".join(groups[:4]) + "::" + f"{rng.randint(1, 0xFFFF):x}"
    return ":".join(groups[:3]) + "::" + ":".join(groups[4:6])


def phone(rng: Random) -> str:
    def n(count: int) -> str:
        return pick(rng, DIGITS, count)

    area, exchange = (
        rng.choice(["212", "305", "312", "415", "503", "617", "702", "713", "808", "919"]),
        rng.choice("23467") + rng.choice("2346") + n(1),
    )
    return rng.choice(
        [
            f"({area}) {exchange}-{n(4)}",
            f"{area}-{exchange}-{n(4)}",
            f"{area}.{exchange}.{n(4)}",
            f"+1 ({area}) {exchange}-{n(4)}",
            f"+1-{area}-{exchange}-{n(4)}",
            f"+1{area}{exchange}{n(4)}",
            f"+44 20 7{n(3)} {n(4)}",
            f"+447{rng.choice('45678')}{n(8)}",
            f"+49 30 {n(8)}",
            f"+49 (0)89 {n(7)}",
            f"+49 151 {n(8)}",
            f"+33 6 {n(2)} {n(2)} {n(2)} {n(2)}",
            f"+91 9{n(4)} {n(5)}",
            f"+86 138 {n(4)} {n(4)}",
            f"+55 11 9{n(4)}-{n(4)}",
            f"+81 90-{n(4)}-{n(4)}",
            f"+61 4{n(2)} {n(3)} {n(3)}",
            f"+34 6{n(2)} {n(3)} {n(3)}",
            f"+31 6 {n(8)}",
            f"+48 5{n(2)} {n(3)} {n(3)}",
            f"0044 20 7{n(3)} {n(4)}",
        ]
    )


def luhn_digit(digits: str) -> str:
    """The check digit that makes `digits` followed by it pass Luhn's test."""
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit) * (2 if place % 2 == 0 else 1)
        total += value - 9 if value > 9 else value
    return str(-total % 10)


def card(rng: Random) -> str:
    prefix, length = rng.choice(
        [("4", 16), ("51", 16), ("53", 16), ("55", 16), ("2303", 16), ("34", 15), ("37", 15), ("6011", 16)]
    )
    body = prefix + pick(rng, DIGITS, length - len(prefix) - 1)
    number = body + luhn_digit(body)
    separator = rng.choice(["", "", " ", "-"])
    groups = [4, 6, 5] if length == 15 else [4, 4, 4, 4]
    parts, at = [], 0
    for size in groups:
        parts.append(number[at : at + size])
        at += size
    return separator.join(parts)


IBAN_SHAPES = {
    "DE": "n18", "FR": "n20a2n1a2", "GB": "a4n14", "ES": "n20", "IT": "a1n22", "NL": "a4n10", "PL": "n24", "CH": "n17",
    "SE": "n20", "BE": "n12", "AT": "n16", "PT": "n21", "NO": "n11", "DK": "n14", "IE": "a4n14",
}  # fmt: skip


def iban_check(country: str, body: str) -> str:
    """The two check digits of ISO 13616."""
    number = "".join(str(int(c, 36)) for c in f"{body}{country}00")
    return f"{98 - int(number) % 97:02d}"


def iban(rng: Random) -> str:
    country, shape = rng.choice(sorted(IBAN_SHAPES.items()))
    body, at = "", 0
    while at < len(shape):
        end = at + 1
        while end < len(shape) and shape[end].isdigit():
            end += 1
        body += pick(rng, DIGITS if shape[at] == "n" else UPPER, int(shape[at + 1 : end]))
        at = end
    if country == "BE":
        body = body[:10] + f"{int(body[:10]) % 97 or 97:02d}"
    compact = country + iban_check(country, body) + body
    return compact if rng.random() < 0.5 else " ".join(compact[i : i + 4] for i in range(0, len(compact), 4))


def base62(number: int, width: int) -> str:
    out = ""
    while number:
        number, rest = divmod(number, 62)
        out = ALNUM[rest] + out
    return out.rjust(width, "0")


def with_crc(rng: Random, prefix: str) -> str:
    """A token of GitHub's and npm's scheme: 30 random characters and their CRC-32 in base 62."""
    body = pick(rng, ALNUM, 30)
    return prefix + body + base62(zlib.crc32(body.encode()), 6)


def base64_text(rng: Random, size: int, *, urlsafe: bool = False) -> str:
    data = rng.randbytes(size)
    return (base64.urlsafe_b64encode(data).rstrip(b"=") if urlsafe else base64.b64encode(data)).decode()


SECRET_PART = {"slack_webhook": "/services/", "discord_webhook": "/webhooks/", "telegram_url": "/bot"}
"""What the secret begins after, for providers whose value is a URL."""

# kind: (value, names of the variable it is assigned to; "" where the value must be recognised by itself)
PROVIDERS: dict[str, tuple[Callable[[Random], str], tuple[str, ...]]] = {
    "aws_access_key": (lambda r: r.choice(["AKIA", "ASIA"]) + pick(r, UPPER + "234567", 16), ("aws_access_key_id", "")),
    "aws_secret_key": (lambda r: pick(r, BASE64, 40), ("aws_secret_access_key", "aws_secret_key")),
    "github": (lambda r: with_crc(r, r.choice(["ghp_", "gho_", "ghs_", "ghu_"])), ("github_token", "gh_token", "")),
    "github_fine": (lambda r: f"github_pat_{pick(r, ALNUM, 22)}_{pick(r, ALNUM, 59)}", ("github_token", "")),
    "gitlab": (lambda r: "glpat-" + pick(r, URLSAFE, 20), ("gitlab_token", "private_token", "")),
    "slack": (
        lambda r: f"xox{r.choice('bp')}-{pick(r, DIGITS, 12)}-{pick(r, DIGITS, 12)}-{pick(r, ALNUM, 24)}",
        ("slack_token", "bot_token", ""),
    ),
    "slack_webhook": (
        lambda r: (
            "https://hooks.slack.com/services/T"
            + pick(r, UPPER + DIGITS, 8)
            + "/B"
            + pick(r, UPPER + DIGITS, 8)
            + "/"
            + pick(r, ALNUM, 24)
        ),
        ("webhook_url", "slack_url", ""),
    ),
    "stripe": (
        lambda r: r.choice(["sk_live_", "rk_live_"]) + pick(r, ALNUM, 24),
        ("stripe_key", "stripe_secret_key", ""),
    ),
    "google_api": (lambda r: "AIza" + pick(r, URLSAFE, 35), ("google_api_key", "maps_key", "")),
    "google_oauth": (lambda r: "GOCSPX-" + pick(r, URLSAFE, 28), ("client_secret", "google_client_secret")),
    "openai": (
        lambda r: r.choice(
            [
                f"sk-{pick(r, ALNUM, 20)}T3BlbkFJ{pick(r, ALNUM, 20)}",
                f"sk-proj-{pick(r, URLSAFE, 74)}T3BlbkFJ{pick(r, URLSAFE, 74)}",
            ]
        ),
        ("openai_api_key", "api_key", ""),
    ),
    "anthropic": (lambda r: f"sk-ant-api03-{pick(r, URLSAFE, 93)}AA", ("anthropic_api_key", "")),
    "huggingface": (lambda r: "hf_" + pick(r, LOWER + UPPER, 34), ("hf_token", "huggingface_token", "")),
    "npm": (lambda r: with_crc(r, "npm_"), ("npm_token", "_authToken", "")),
    "pypi": (lambda r: "pypi-AgEIcHlwaS5vcmc" + pick(r, URLSAFE, 155), ("pypi_token", "twine_password", "")),
    "sendgrid": (lambda r: f"SG.{pick(r, URLSAFE, 22)}.{pick(r, URLSAFE, 43)}", ("sendgrid_api_key", "")),
    "twilio": (lambda r: "SK" + pick(r, HEX, 32), ("twilio_api_key", "twilio_key")),
    "mailgun": (lambda r: "key-" + pick(r, HEX, 32), ("mailgun_api_key", "mailgun_key")),
    "mailchimp": (lambda r: f"{pick(r, HEX, 32)}-us{r.randint(1, 20)}", ("mailchimp_api_key", "mailchimp_key")),
    "discord": (
        lambda r: (
            f"{base64.b64encode(pick(r, '123456789', 18).encode()).decode().rstrip('=')}.{pick(r, URLSAFE, 6)}.{pick(r, URLSAFE, 27)}"
        ),
        ("discord_token", "bot_token"),
    ),
    "discord_webhook": (
        lambda r: f"https://discord.com/api/webhooks/{pick(r, '123456789', 18)}/{pick(r, URLSAFE, 68)}",
        ("webhook_url", ""),
    ),
    "telegram": (lambda r: f"{pick(r, '123456789', 9)}:AA{pick(r, URLSAFE, 33)}", ("telegram_token", "bot_token", "")),
    "digitalocean": (lambda r: "dop_v1_" + pick(r, HEX, 64), ("do_token", "digitalocean_token", "")),
    "shopify": (lambda r: "shpat_" + pick(r, HEX, 32), ("shopify_token", "")),
    "square": (lambda r: "sq0atp-" + pick(r, URLSAFE, 22), ("square_token", "")),
    "azure_storage": (lambda r: base64_text(r, 64), ("account_key", "azure_storage_key")),
    "azure_ad": (
        lambda r: f"{pick(r, ALNUM, 3)}8Q~{pick(r, URLSAFE + '.~', 34)}",
        ("azure_client_secret", "client_secret"),
    ),
    "databricks": (lambda r: "dapi" + pick(r, HEX, 32), ("databricks_token", "")),
    "newrelic": (lambda r: "NRAK-" + pick(r, UPPER + DIGITS, 27), ("new_relic_api_key", "")),
    "grafana": (lambda r: f"glsa_{pick(r, ALNUM, 32)}_{pick(r, HEX, 8)}", ("grafana_token", "")),
    "vault": (lambda r: "hvs." + pick(r, URLSAFE, 95), ("vault_token", "")),
    "doppler": (lambda r: "dp.pt." + pick(r, ALNUM, 43), ("doppler_token", "")),
    "linear": (lambda r: "lin_api_" + pick(r, ALNUM, 40), ("linear_api_key", "")),
    "notion": (lambda r: "ntn_" + pick(r, DIGITS, 11) + pick(r, ALNUM, 35), ("notion_token", "")),
    "airtable": (lambda r: f"pat{pick(r, ALNUM, 14)}.{pick(r, HEX, 64)}", ("airtable_token", "")),
    "postman": (lambda r: f"PMAK-{pick(r, HEX, 24)}-{pick(r, HEX, 34)}", ("postman_api_key", "")),
    "atlassian": (
        lambda r: "ATATT3xFfGF0" + pick(r, URLSAFE, 171) + "=" + pick(r, HEX.upper()[:16], 8),
        ("jira_token", ""),
    ),
    "facebook": (lambda r: "EAACEdEose0cBA" + pick(r, ALNUM, 120), ("facebook_token", "access_token")),
    "mapbox": (
        lambda r: f"sk.eyJ1IjoiZ{pick(r, ALNUM, 60)}.{pick(r, URLSAFE, 22)}",
        ("mapbox_token", "mapbox_secret_token"),
    ),
    "sentry": (lambda r: "sntryu_" + pick(r, HEX, 64), ("sentry_auth_token", "")),
    "supabase": (lambda r: "sbp_" + pick(r, HEX, 40), ("supabase_token", "")),
    "docker": (lambda r: "dckr_pat_" + pick(r, URLSAFE, 27), ("docker_token", "docker_password", "")),
    "rubygems": (lambda r: "rubygems_" + pick(r, HEX, 48), ("rubygems_api_key", "")),
    "age": (lambda r: "AGE-SECRET-KEY-1" + pick(r, "QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L", 58), ("", "age_key")),
    "groq": (lambda r: "gsk_" + pick(r, ALNUM, 52), ("groq_api_key", "")),
    "replicate": (lambda r: "r8_" + pick(r, ALNUM, 37), ("replicate_api_token", "")),
    "pulumi": (lambda r: "pul-" + pick(r, HEX, 40), ("pulumi_access_token", "")),
    "telegram_url": (
        lambda r: f"https://api.telegram.org/bot{pick(r, '123456789', 10)}:AA{pick(r, URLSAFE, 33)}/sendMessage",
        ("url", ""),
    ),
    "firebase_fcm": (
        lambda r: f"AAAA{pick(r, URLSAFE, 7)}:APA91b{pick(r, URLSAFE, 134)}",
        ("fcm_server_key", "server_key"),
    ),
    "datadog": (lambda r: pick(r, HEX, 32), ("datadog_api_key", "dd_api_key")),
    "heroku": (lambda r: str(uuid.UUID(int=r.getrandbits(128), version=4)), ("heroku_api_key",)),
    "cloudflare": (lambda r: pick(r, URLSAFE, 40), ("cloudflare_api_token", "cf_api_token")),
}


def private_key_block(rng: Random) -> str:
    kind = rng.choice(["RSA", "EC", "OPENSSH", "", "ENCRYPTED", "DSA", "PGP"])
    start = {
        "RSA": b"\x30\x82\x04\xa4\x02\x01\x00\x02\x82\x01\x01\x00",
        "EC": b"\x30\x77\x02\x01\x01\x04\x20",
        "OPENSSH": b"openssh-key-v1\x00\x00\x00\x00\x04none",
        "": b"\x30\x82\x04\xbd\x02\x01\x00\x30\x0d",
        "ENCRYPTED": b"\x30\x82\x05\x0e\x30\x40\x06\x09",
        "DSA": b"\x30\x82\x01\xbb\x02\x01\x00\x02\x81\x81\x00",
        "PGP": b"\x95\x01\xd8\x04",
    }[kind]
    body = base64.b64encode(start + rng.randbytes(rng.choice([110, 300, 600, 1190]))).decode()
    width = 70 if kind == "OPENSSH" else 64
    lines = [body[i : i + width] for i in range(0, len(body), width)]
    if kind == "PGP":
        name = "PGP PRIVATE KEY BLOCK"
        lines = ["", *lines, "=" + pick(rng, BASE64, 4)]
    else:
        name = f"{kind} PRIVATE KEY".strip()
    return "\n".join([f"-----BEGIN {name}-----", *lines, f"-----END {name}-----"])


def jwt(rng: Random) -> str:
    def part(value: object) -> str:
        return base64.urlsafe_b64encode(json.dumps(value, separators=(",", ":")).encode()).rstrip(b"=").decode()

    algorithm = rng.choice(["HS256", "HS256", "RS256", "ES256"])
    header: dict[str, str] = {"alg": algorithm, "typ": "JWT"}
    if rng.random() < 0.3:
        header["kid"] = pick(rng, HEX, 16)
    payload = {
        "sub": pick(rng, DIGITS, 9),
        "role": rng.choice(["admin", "user"]),
        "iat": rng.randint(1_500_000_000, 1_790_000_000),
    }
    signed = f"{part(header)}.{part(payload)}"
    size = {"HS256": 32, "RS256": 256, "ES256": 64}[algorithm]
    mac = hmac.new(rng.randbytes(32), signed.encode(), hashlib.sha256).digest() if size == 32 else rng.randbytes(size)
    return f"{signed}.{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}"


def password(rng: Random) -> str:
    word, other = rng.choice(WORDS), rng.choice(WORDS)
    return rng.choice(
        [
            pick(rng, ALNUM, rng.randint(8, 20)),
            pick(rng, ALNUM + "!#%*-_+=?", rng.randint(10, 20)),
            pick(rng, ALNUM + "!@#^*-_+?.", rng.randint(10, 16)),
            f"{word.capitalize()}{rng.randint(1, 2029)}!",
            f"{word}{rng.randint(10, 9999)}",
            f"{word}_{other}_{rng.randint(1, 99)}",
            f"{word.capitalize()}@{rng.randint(100, 9999)}",
            word.replace("e", "3").replace("a", "4").replace("o", "0") + str(rng.randint(1, 99)) + "$",
            f"{word}{other}",
        ]
    )


def url_password(rng: Random) -> str:
    return rng.choice(
        [
            pick(rng, ALNUM, rng.randint(8, 20)),
            pick(rng, ALNUM + "-_.!", rng.randint(10, 18)),
            f"{rng.choice(WORDS)}{rng.randint(10, 9999)}",
        ]
    )


def generic_key(rng: Random) -> str:
    return rng.choice(
        [
            pick(rng, HEX, rng.choice([32, 40, 64])),
            pick(rng, ALNUM, rng.randint(24, 48)),
            pick(rng, URLSAFE, rng.randint(24, 64)),
            base64_text(rng, rng.choice([24, 32, 48])),
            pick(rng, ALNUM + "!@#%^&*(-_=+)", 50),
        ]
    )


# Contexts. `{n}` is the name, `{v}` the value.

ASSIGN: tuple[tuple[str, str, bool], ...] = (
    # language, line, whether the name must be an identifier
    ("Python", '{n} = "{v}"\n', True),
    ("Python", "{n} = '{v}'\n", True),
    ("Python", "    client = Client(host=\"db1\", {n}='{v}', timeout=30)\n", True),
    ("Python", 'CONFIG = {"{n}": "{v}", "debug": True}\n', False),
    ("Python", "os.environ['{n}'] = '{v}'\n", False),
    ("Python", '    {n}: str = "{v}"\n', True),
    ("Python", 'settings.setdefault("{n}", "{v}")\n', False),
    ("Python", '{n} = os.getenv("{n}", "{v}")\n', True),
    ("JavaScript", "const {n} = '{v}';\n", True),
    ("JavaScript", "  {n}: '{v}',\n", True),
    ("JavaScript", "process.env.{n} = process.env.{n} || \"{v}\";\n", True),
    ("JavaScript", "app.use(session({ {n}: `{v}`, resave: false }));\n", True),
    ("TypeScript", "export const {n}: string = '{v}';\n", True),
    ("TypeScript", "  private readonly {n} = \"{v}\";\n", True),
    ("Java", '    private static final String {n} = "{v}";\n', True),
    ("Java", '        props.put("{n}", "{v}");\n', False),
    ("Java", '        config.setProperty("{n}", "{v}");\n', False),
    ("Go", 'const {n} = "{v}"\n', True),
    ("Go", '\t{n} := "{v}"\n', True),
    ("Go", '\t\t{n}: "{v}",\n', True),
    ("Rust", 'const {n}: &str = "{v}";\n', True),
    ("Rust", '    let {n} = String::from("{v}");\n', True),
    ("C", '#define {n} "{v}"\n', True),
    ("C", 'static const char *{n} = "{v}";\n', True),
    ("C++", 'const std::string {n}{"{v}"};\n', True),
    ("C#", '        public const string {n} = "{v}";\n', True),
    ("C#", '        {n} = @"{v}",\n', True),
    ("Ruby", "  {n}: '{v}',\n", True),
    ("Ruby", "  :{n} => '{v}',\n", True),
    ("Ruby", "config.{n} = \"{v}\"\n", True),
    ("PHP", "define('{n}', '{v}');\n", True),
    ("PHP", "    '{n}' => '{v}',\n", False),
    ("PHP", "${n} = \"{v}\";\n", True),
    ("Shell", "export {n}={v}\n", True),
    ("Shell", "{n}='{v}'\n", True),
    ("Shell", './deploy.sh --{n}={v} --region eu\n', False),
    ("Kotlin", 'const val {n} = "{v}"\n', True),
    ("Swift", 'let {n} = "{v}"\n', True),
    ("YAML", "    {n}: {v}\n", False),
    ("YAML", '  {n}: "{v}"\n', False),
    ("YAML", "      - {n}={v}\n", True),
    ("YAML", "        - name: {n}\n          value: '{v}'\n", False),
    ("JSON", '{"name": "store", "{n}": "{v}", "port": 80}\n', False),
    ("JSON", '{\n  "{n}": "{v}"\n}\n', False),
    ("TOML", '{n} = "{v}"\n', False),
    ("INI", "{n} = {v}\n", False),
    ("INI", "{n}={v}\n", False),
    ("Properties", "app.{n}={v}\n", False),
    ("Dotenv", "{n}={v}\n", True),
    ("Dotenv", '{n}="{v}"\n', True),
    ("XML", "  <{n}>{v}</{n}>\n", True),
    ("XML", '  <add key="{n}" value="{v}" />\n', False),
    ("XML", '  <property name="{n}">{v}</property>\n', False),
    ("Dockerfile", "ENV {n}={v}\n", True),
    ("Dockerfile", "ENV {n} {v}\n", True),
    ("HCL", '  {n} = "{v}"\n', True),
    ("Markdown", "Set `{n}` to `{v}` before you start.\n", False),
    ("Markdown", "```\n{n}={v}\n```\n", True),
    ("Diff", '+{n} = "{v}"\n', True),
    ("Log", "DEBUG request sent {n}={v} status=200\n", True),
)  # fmt: skip

BARE: tuple[tuple[str, str], ...] = (
    ("Python", "# old one was {v}, rotate it\n"),
    ("Python", 'client = Client("{v}")\n'),
    ("JavaScript", "fetch(url, { headers: { Authorization: 'Bearer {v}' } });\n"),
    ("JavaScript", 'login("{v}").then(start);\n'),
    ("Go", '\tc := client.New(ctx, "{v}")\n'),
    ("Shell", 'curl -H "Authorization: Bearer {v}" https://api.service.io/v1/items\n'),
    ("Shell", "tool login {v}\n"),
    ("YAML", "      run: tool login {v}\n"),
    ("YAML", "  - {v}\n"),
    ("Markdown", "Use this for staging: {v}\n"),
    ("Text", "{v}\n"),
    ("C", '    connect_with("{v}");\n'),
    ("Java", '        return new Client("{v}");\n'),
    ("Log", "WARN rejected credential {v} from worker 3\n"),
    ("JSON", '["{v}", "other"]\n'),
    ("HTML", "<script>init('{v}');</script>\n"),
)

JWT_LINES = (
    *BARE,
    ("HTML", '<input type="hidden" name="session" value="{v}">\n'),
    ("Shell", 'curl -b "sid={v}" https://shop.service.io/\n'),
    ("Text", "GET /login?jwt={v} HTTP/1.1\n"),
    ("Python", '    token = (\n        "{v}"\n    )\n'),
)

PASSWORD_LINES: tuple[tuple[str, str], ...] = (
    ("Shell", "mysql -u root -p'{v}' store\n"),
    ("Shell", "PGPASSWORD={v} psql -h db1 -U app store\n"),
    ("Shell", "curl -u deploy:{v} https://ci.service.io/job\n"),
    ("Shell", "sshpass -p '{v}' ssh deploy@db1\n"),
    ("Shell", "docker login -u deploy -p {v} registry.service.io\n"),
    ("Shell", "./run.sh --user admin --password {v}\n"),
    ("Text", "machine db1 login deploy password {v}\n"),
    ("Java", '        DriverManager.getConnection(url, props("user", "app", "password", "{v}"));\n'),
    ("SQL", "CREATE USER app WITH PASSWORD '{v}';\n"),
    ("SQL", "ALTER USER 'app'@'localhost' IDENTIFIED BY '{v}';\n"),
    ("XML", '  <user name="admin" password="{v}" roles="manager"/>\n'),
    ("Python", 'auth = HTTPBasicAuth("admin", password="{v}")\n'),
    ("Python", 'if password == "{v}":\n    unlock()\n'),
    ("PHP", "$db = new PDO($dsn, $user, $password = '{v}');\n"),
    ("Markdown", "Log in as `admin` with password `{v}`.\n"),
    ("Markdown", "- user: admin\n- password: {v}\n"),
    ("Ruby", "  password: \"{v}\", host: 'db1'\n"),
    ("YAML", "    MYSQL_ROOT_PASSWORD: {v}\n"),
    ("C#", '        var credentials = new NetworkCredential { UserName = "app", Password = "{v}" };\n'),
)

CONNECTION_LINES: tuple[tuple[str, str], ...] = (
    ("Python", 'engine = create_engine("postgresql+psycopg2://app:{v}@{h}:5432/store")\n'),
    ("Python", "client = MongoClient('mongodb+srv://app:{v}@{h}/store?retryWrites=true')\n"),
    ("Dotenv", "DATABASE_URL=postgres://app:{v}@{h}:5432/store\n"),
    ("Dotenv", "REDIS_URL=redis://:{v}@{h}:6379/0\n"),
    ("YAML", "  url: mysql://root:{v}@{h}/store\n"),
    ("YAML", "  broker: amqp://worker:{v}@{h}:5672//\n"),
    ("JavaScript", "mongoose.connect('mongodb://admin:{v}@{h}:27017/store');\n"),
    ("JavaScript", "const db = pgp(`postgres://app:{v}@{h}/store`);\n"),
    ("Java", 'String url = "jdbc:mysql://{h}:3306/store?user=app&password={v}";\n'),
    ("Java", 'String url = "jdbc:sqlserver://{h}:1433;databaseName=store;user=sa;password={v};";\n'),
    ("C#", 'var c = new SqlConnection("Server={h};Database=store;User Id=sa;Password={v};");\n'),
    ("XML", '  <add name="main" connectionString="Data Source={h};Initial Catalog=store;User ID=sa;Password={v}" />\n'),
    ("JSON", '{"ConnectionStrings": {"Main": "Host={h};Username=app;Password={v};Database=store"}}\n'),
    ("Shell", "git clone https://deploy:{v}@{h}/team/store.git\n"),
    ("Shell", "curl ftp://backup:{v}@{h}/dump.tar.gz -O\n"),
    ("Go", '\tdb, err := sql.Open("mysql", "app:{v}@tcp({h}:3306)/store")\n'),
    ("INI", "sqlalchemy.url = postgresql://app:{v}@{h}/store\n"),
    ("Markdown", "Clone from `https://ci:{v}@{h}/store.git`.\n"),
    ("Text", "extra-index-url = https://reader:{v}@{h}/simple\n"),
)

EMAIL_LINES: tuple[tuple[str, str], ...] = (
    ("Python", '__author__ = "{p} <{v}>"\n'),
    ("Python", "# Written by {p} ({v})\n"),
    ("Python", 'send_mail(subject, body, to=["{v}"])\n'),
    ("C", "/*\n * Copyright (c) 2019 {p} <{v}>\n */\n"),
    ("C++", "// {v}: fixed the overflow\n"),
    ("Java", " * @author <a href=\"mailto:{v}\">{p}</a>\n"),
    ("JavaScript", "  \"author\": \"{p} <{v}> (https://{h})\",\n"),
    ("JSON", '{"name": "{p}", "email": "{v}"}\n'),
    ("YAML", "maintainers:\n  - email: {v}\n    name: {p}\n"),
    ("TOML", 'authors = [{name = "{p}", email = "{v}"}]\n'),
    ("INI", "author_email = {v}\n"),
    ("XML", "    <email>{v}</email>\n"),
    ("HTML", '<a href="mailto:{v}">Write to us</a>\n'),
    ("Markdown", "Questions? Ask <{v}>.\n"),
    ("Markdown", "Contact: {v}.\n"),
    ("SQL", "INSERT INTO users (name, email) VALUES ('{p}', '{v}');\n"),
    ("Shell", 'git config user.email "{v}"\n'),
    ("Text", "From: {p} <{v}>\nSubject: build\n"),
    ("Log", "INFO login user={v} ok\n"),
    ("Diff", "+Signed-off-by: {p} <{v}>\n"),
    ("PHP", "$mailer->addAddress('{v}', '{p}');\n"),
    ("Ruby", "  spec.email = ['{v}']\n"),
    ("Dockerfile", "LABEL maintainer={v}\n"),
    ("Text", "/src/store/ @team {v}\n"),
)  # fmt: skip

IPV4_LINES: tuple[tuple[str, str], ...] = (
    ("Python", 'HOST = "{v}"\n'),
    ("Python", "sock.connect(('{v}', 8080))\n"),
    ("JavaScript", "const url = 'http://{v}:3000/api';\n"),
    ("Java", '        this.address = "{v}";\n'),
    ("Go", '\tconn, err := net.Dial("tcp", "{v}:22")\n'),
    ("Text", "    server {v}:8080 weight=5;\n"),
    ("Text", "{v}\tdb-master\n"),
    ("Shell", "ssh deploy@{v}\n"),
    ("Shell", "iptables -A INPUT -s {v} -j DROP\n"),
    ("Shell", "rsync -av build/ deploy@{v}:/srv/www\n"),
    ("YAML", "      ansible_host: {v}\n"),
    ("YAML", "  externalIPs:\n    - {v}\n"),
    ("JSON", '{"ip": "{v}", "seen": 3}\n'),
    ("INI", "bind = {v}\n"),
    ("Properties", "server.host={v}\n"),
    ("Dotenv", "DB_HOST={v}\n"),
    ("Log", '{v} - - [12/Mar/2021:10:11:12 +0000] "GET / HTTP/1.1" 200 512\n'),
    ("Log", "WARN failed password for root from {v} port 52144 ssh2\n"),
    ("C", '    inet_pton(AF_INET, "{v}", &addr.sin_addr);\n'),
    ("Markdown", "The server is at {v}.\n"),
    ("SQL", "INSERT INTO hits (ip, n) VALUES ('{v}', 3);\n"),
    ("PHP", "$config['host'] = '{v}';\n"),
    ("XML", "  <address>{v}</address>\n"),
    ("HCL", '  cidr_blocks = ["{v}/32"]\n'),
)

IPV6_LINES: tuple[tuple[str, str], ...] = (
    ("Python", 'HOST = "{v}"\n'),
    ("JavaScript", "server.listen(8080, '{v}');\n"),
    ("Go", '\tip := net.ParseIP("{v}")\n'),
    ("Text", "    listen [{v}]:443 ssl;\n"),
    ("Text", "{v} db-master\n"),
    ("YAML", "  address: '{v}'\n"),
    ("JSON", '{"ip": "{v}"}\n'),
    ("Log", "INFO accepted connection from {v} port 40110\n"),
    ("Shell", "ping6 -c 3 {v}\n"),
    ("C", '    inet_pton(AF_INET6, "{v}", &addr.sin6_addr);\n'),
    ("INI", "bind6 = {v}\n"),
    ("Shell", "ip -6 addr add {v}/64 dev eth0\n"),
    ("Markdown", "It answers at `{v}` too.\n"),
    ("Text", "www IN AAAA {v}\n"),
)

PHONE_LINES: tuple[tuple[str, str], ...] = (
    ("Python", 'PHONE = "{v}"\n'),
    ("Python", 'user = User(name="{p}", phone="{v}")\n'),
    ("Python", "# Call {p} on {v} before you restart it\n"),
    ("JavaScript", "const contact = { name: '{p}', mobile: '{v}' };\n"),
    ("JSON", '{"name": "{p}", "phone_number": "{v}"}\n'),
    ("YAML", "  telephone: \"{v}\"\n"),
    ("XML", "    <phone>{v}</phone>\n"),
    ("HTML", '<a href="tel:{v}">Call us</a>\n'),
    ("HTML", "<p>Tel: {v}</p>\n"),
    ("HTML", "<p>Fax: {v}</p>\n"),
    ("Markdown", "Phone: {v}\n"),
    ("Markdown", "You can reach the office at {v}.\n"),
    ("SQL", "INSERT INTO contacts (name, phone) VALUES ('{p}', '{v}');\n"),
    ("Text", "Emergency contact: {p}, {v}\n"),
    ("Text", "Cell: {v}\n"),
    ("Java", '        contact.setPhoneNumber("{v}");\n'),
    ("Ruby", "  phone: '{v}',\n"),
    ("PHP", "    'tel' => '{v}',\n"),
    ("Text", "TEL;TYPE=WORK,VOICE:{v}\n"),
    ("Swift", 'let support = Phone("{v}")\n'),
)  # fmt: skip

CARD_LINES: tuple[tuple[str, str], ...] = (
    ("Python", 'card = Card(number="{v}", month=4, year=2027)\n'),
    ("Python", "pay('{v}', amount=100)\n"),
    ("JavaScript", "const cardNumber = '{v}';\n"),
    ("JSON", '{"card": {"number": "{v}", "cvc": "123"}}\n'),
    ("YAML", '  credit_card: "{v}"\n'),
    ("SQL", "INSERT INTO cards (holder, pan) VALUES ('{p}', '{v}');\n"),
    ("Java", '        request.setCardNumber("{v}");\n'),
    ("XML", "    <CardNumber>{v}</CardNumber>\n"),
    ("Log", "DEBUG charge card={v} exp=04/27 ok\n"),
    ("Text", "{p};{v};04/27\n"),
    ("C#", '        Pan = "{v}",\n'),
    ("PHP", "$request->card = '{v}';\n"),
    ("Markdown", "Charge it to {v}.\n"),
)

IBAN_LINES: tuple[tuple[str, str], ...] = (
    ("Python", 'IBAN = "{v}"\n'),
    ("Python", "transfer(to='{v}', amount=10)\n"),
    ("JSON", '{"iban": "{v}", "bic": "XXXXDEFF"}\n'),
    ("YAML", "  account: {v}\n"),
    ("Java", '        payment.setIban("{v}");\n'),
    ("HTML", "<p>Bank account: {v}</p>\n"),
    ("Markdown", "Donations: {v}\n"),
    ("XML", "    <IBAN>{v}</IBAN>\n"),
    ("SQL", "INSERT INTO accounts VALUES ('{p}', '{v}');\n"),
    ("Text", "{p}, IBAN {v}\n"),
    ("PHP", "$account = '{v}';\n"),
)

PASSWORD_NAMES = (
    "password", "password", "password", "passwd", "pwd", "db_password", "db_pass", "postgres_password", "mysql_root_password",
    "admin_password", "smtp_password", "user_password", "passphrase", "redis_password", "root_password", "ldap_bind_password",
    "keystore_password", "ftp_pass", "login_password", "default_password",
)  # fmt: skip

SECRET_NAMES = (
    "api_key", "api_key", "apikey", "secret_key", "client_secret", "access_token", "auth_token", "secret", "encryption_key",
    "signing_secret", "webhook_secret", "app_secret", "private_token", "consumer_secret", "api_secret", "session_secret",
    "jwt_secret", "service_key", "refresh_token", "master_key", "bearer_token", "api_token", "token", "secret_token",
    "shared_secret", "access_key", "x_api_key", "acme_api_key", "weather_api_key", "oauth_token", "secret_key_base",
    "csrf_secret", "hmac_key", "aes_key", "deploy_token",
)  # fmt: skip


def fill(line: str, rng: Random, value: str, name: str = "") -> str:
    """A context with its value, name, an invented person {p} and host {h}."""
    person = f"{invented(rng).capitalize()} {invented(rng).capitalize()}"
    for slot, text in (("{n}", name), ("{p}", person), ("{h}", host(rng)), ("{v}", value)):
        line = line.replace(slot, text)
    return line


UNQUOTED = frozenset(ALNUM + "-_.+/=~:@!?*%#")
"""What may stand without quotes in every language that has such values."""


def assigned(rng: Random, words: str, value: str) -> Planted:
    language, line, strict = rng.choice(ASSIGN)
    while not UNQUOTED.issuperset(value) and line[line.index("{v}") - 1] not in "\"'`{":
        language, line, strict = rng.choice(ASSIGN)
    name = identifier(rng, words) if strict else chosen_case(rng, words)
    return language, fill(line, rng, value, name), value


def in_lines(rng: Random, lines: tuple[tuple[str, str], ...], value: str) -> Planted:
    language, line = rng.choice(lines)
    return language, fill(line, rng, value), value


def plant_provider(rng: Random, kind: str) -> Planted:
    make, names = PROVIDERS[kind]
    value, name = make(rng), rng.choice(names)
    language, text, _ = assigned(rng, name, value) if name else in_lines(rng, BARE, value)
    secret = value.rpartition(SECRET_PART[kind])[2] if kind in SECRET_PART else value
    return language, text, secret.removesuffix("/sendMessage")


def plant_private_key(rng: Random) -> Planted:
    block = private_key_block(rng)
    lines = block.split("\n")
    language, text, value = rng.choice(
        [
            ("Text", f"{block}\n", block),
            ("Python", f'KEY = """{block}"""\n', block),
            ("JavaScript", f"const key = `{block}`;\n", block),
            (
                "JSON",
                json.dumps({"type": "service_account", "private_key": block + "\n"}) + "\n",
                block.replace("\n", "\\n"),
            ),
            ("YAML", "tls.key: |\n" + "".join(f"  {x}\n" for x in lines), "\n".join(f"  {x}" for x in lines)[2:]),
            ("Go", f"var key = []byte(`{block}`)\n", block),
            ("Java", 'String key = "' + '\\n" +\n    "'.join(lines) + '";\n', '\\n" +\n    "'.join(lines)),
            ("C", "const char *key =\n" + "\n".join(f'    "{x}\\n"' for x in lines) + ";\n", '\\n"\n    "'.join(lines)),
            ("Ruby", f"KEY = <<~PEM\n{block}\nPEM\n", block),
            ("Dotenv", 'KEY="' + "\\n".join(lines) + '"\n', "\\n".join(lines)),
            ("Text", block.replace("\n", "\r\n") + "\r\n", block.replace("\n", "\r\n")),
            ("Diff", "".join(f"+{x}\n" for x in lines), "\n".join(f"+{x}" for x in lines)[1:]),
        ]
    )
    return language, text, value


def plant_password(rng: Random) -> Planted:
    value = password(rng)
    return (
        assigned(rng, rng.choice(PASSWORD_NAMES), value) if rng.random() < 0.6 else in_lines(rng, PASSWORD_LINES, value)
    )


def plant_jwt(rng: Random) -> Planted:
    value = jwt(rng)
    return (
        assigned(rng, rng.choice(["token", "jwt", "id_token", "access_token"]), value)
        if rng.random() < 0.5
        else in_lines(rng, JWT_LINES, value)
    )


def plant_phone(rng: Random) -> Planted:
    return in_lines(rng, PHONE_LINES, phone(rng))


POSITIVES: dict[str, tuple[int, Callable[[Random], Planted]]] = {
    "email": (150, lambda r: in_lines(r, EMAIL_LINES, email(r))),
    "ipv4": (120, lambda r: in_lines(r, IPV4_LINES, ipv4(r))),
    "ipv6": (80, lambda r: in_lines(r, IPV6_LINES, ipv6(r))),
    "phone": (120, plant_phone),
    "credit_card": (100, lambda r: in_lines(r, CARD_LINES, card(r))),
    "iban": (80, lambda r: in_lines(r, IBAN_LINES, iban(r))),
    "private_key": (90, plant_private_key),
    "jwt": (90, plant_jwt),
    "password": (240, plant_password),
    "connection_string": (160, lambda r: in_lines(r, CONNECTION_LINES, url_password(r))),
    "high_entropy": (240, lambda r: assigned(r, r.choice(SECRET_NAMES), generic_key(r))),
}


# Hard negatives: family -> (language, lines) that must give no finding.


def negative(*choices: tuple[str, str]) -> Callable[[Random], tuple[str, str]]:
    """One of the (language, text) choices, its slots filled with random look-alikes."""

    def make(rng: Random) -> tuple[str, str]:
        language, text = rng.choice(choices)
        return language, fill_negative(text, rng)

    return make


def fill_negative(text: str, rng: Random) -> str:
    """`text` with each slot replaced by a value of its own."""

    def failing_luhn() -> str:
        while True:
            digits = pick(rng, DIGITS, 16)
            if luhn_digit(digits[:-1]) != digits[-1] and digits[0] != "0":
                return digits

    def failing_iban() -> str:
        body = pick(rng, DIGITS, 18)
        return f"DE{(int(iban_check('DE', body)) + 1) % 98:02d}{body}"

    slots: dict[str, Callable[[], str]] = {
        "{md5}": lambda: pick(rng, HEX, 32),
        "{sha1}": lambda: pick(rng, HEX, 40),
        "{short}": lambda: pick(rng, HEX, 7),
        "{sha256}": lambda: pick(rng, HEX, 64),
        "{sha512}": lambda: pick(rng, HEX, 128),
        "{b32}": lambda: base64_text(rng, 32),
        "{b48}": lambda: base64_text(rng, 48),
        "{b64}": lambda: base64_text(rng, 64),
        "{asset}": lambda: base64_text(rng, 180),
        "{uuid}": lambda: str(uuid.UUID(int=rng.getrandbits(128), version=4)),
        "{UUID}": lambda: str(uuid.UUID(int=rng.getrandbits(128), version=4)).upper(),
        "{word}": lambda: rng.choice(WORDS),
        "{name}": lambda: invented(rng),
        "{n1}": lambda: str(rng.randint(0, 9)),
        "{n2}": lambda: str(rng.randint(10, 99)),
        "{n3}": lambda: str(rng.randint(100, 999)),
        "{n4}": lambda: str(rng.randint(1000, 9999)),
        "{n5}": lambda: str(rng.randint(10000, 99999)),
        "{time}": lambda: str(rng.randint(1_400_000_000, 1_790_000_000)),
        "{ms}": lambda: str(rng.randint(1_400_000_000_000, 1_790_000_000_000)),
        "{day}": lambda: f"{rng.randint(2001, 2026)}-{rng.randint(1, 12):02d}-{rng.randint(1, 28):02d}",
        "{clock}": lambda: f"{rng.randint(0, 23):02d}:{rng.randint(0, 59):02d}:{rng.randint(0, 59):02d}",
        "{serial}": failing_luhn,
        "{noiban}": failing_iban,
        "{colour}": lambda: pick(rng, HEX, 6),
        "{hex8}": lambda: pick(rng, HEX, 8),
        "{HEX8}": lambda: pick(rng, HEX.upper(), 8),
        "{mac}": lambda: ":".join(pick(rng, HEX, 2) for _ in range(6)),
        "{private}": lambda: rng.choice([f"10.{rng.randint(0, 255)}.{rng.randint(0, 255)}.{rng.randint(1, 254)}", f"192.168.{rng.randint(0, 255)}.{rng.randint(1, 254)}", f"172.{rng.randint(16, 31)}.{rng.randint(0, 255)}.{rng.randint(1, 254)}", "127.0.0.1", "0.0.0.0", "255.255.255.0", "169.254.169.254"]),
        "{docip}": lambda: rng.choice(["192.0.2.", "198.51.100.", "203.0.113."]) + str(rng.randint(1, 254)),
        "{docmail}": lambda: rng.choice([f"{invented(rng)}@example.com", f"{invented(rng)}.{invented(rng)}@example.org", "user@example.net", f"{invented(rng)}@mail.example.com", f"{invented(rng)}@localhost", f"{invented(rng)}@host.test", f"{invented(rng)}@nowhere.invalid"]),
        "{resolver}": lambda: rng.choice(["8.8.8.8", "8.8.4.4", "1.1.1.1", "1.0.0.1", "9.9.9.9", "208.67.222.222", "208.67.220.220"]),
        "{vendor}": lambda: rng.choice(["AKIAIOSFODNN7EXAMPLE", "AKIAI44QH8DHBEXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "sk_" + "test_4eC39HqLyjWDarjtT1zdp7dc"]),
        "{testcard}": lambda: rng.choice(["4242424242424242", "4111111111111111", "4111 1111 1111 1111", "5555555555554444", "378282246310005", "4000056655665556", "6011111111111117"]),
        "{testiban}": lambda: rng.choice(["DE89370400440532013000", "GB29NWBK60161331926819", "GB82WEST12345698765432", "FR1420041010050500013M02606"]),
        "{mixed}": lambda: pick(rng, ALNUM, 22),
    }  # fmt: skip
    for slot, make in slots.items():
        while slot in text:
            text = text.replace(slot, make(), 1)
    return text


SAMPLE_JWT = (
    "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIxMjM0NTY3ODkwIiwibmFtZSI6IkpvaG4gRG9lIiwiaWF0IjoxNTE2MjM5MDIyfQ."
    "SflKxwRJSMeKKF2QT4fwpMeJf36POk6yJV_adQssw5c"
)  # the first token jwt.io shows

NEGATIVES: dict[str, Callable[[Random], tuple[str, str]]] = {
    "git sha": negative(
        ("YAML", "      - uses: actions/checkout@{sha1}\n"),
        ("Text", "commit {sha1}\nMerge: {short} {short}\n"),
        ("Python", 'REVISION = "{sha1}"\n'),
        ("Markdown", "Fixed in {sha1} and {short}.\n"),
        ("Diff", "index {short}..{short} 100644\n"),
        ("TOML", 'rev = "{sha1}"\n'),
        ("JSON", '{"commit": "{sha1}", "branch": "main"}\n'),
        ("Dockerfile", "ARG GIT_COMMIT={sha1}\n"),
    ),
    "hash": negative(
        ("Python", 'assert hashlib.sha256(data).hexdigest() == "{sha256}"\n'),
        ("Python", 'EXPECTED_MD5 = "{md5}"\n'),
        ("Text", "{sha256}  store-1.2.tar.gz\n"),
        ("Text", "{md5} *setup.exe\n"),
        ("Ruby", '  sha256 "{sha256}"\n'),
        ("Shell", 'echo "{sha256}  tool.tgz" | sha256sum -c -\n'),
        ("JSON", '{"etag": "{md5}", "checksum": "{sha1}"}\n'),
        ("Java", '        assertEquals("{sha1}", digest(file));\n'),
        ("YAML", "    digest: sha256:{sha256}\n"),
        ("Dockerfile", "FROM alpine@sha256:{sha256}\n"),
        ("Text", "sha512 {sha512}\n"),
    ),
    "lockfile": negative(
        ("JSON", '      "integrity": "sha512-{b64}",\n'),
        ("Text", '  integrity sha512-{b64}\n  resolved "https://registry.yarnpkg.com/ms/-/ms-2.1.3.tgz#{sha1}"\n'),
        ("Text", "golang.org/x/net v0.17.0 h1:{b32}\n"),
        ("TOML", 'checksum = "{sha256}"\n'),
        ("TOML", '    {file = "click-8.1.7.tar.gz", hash = "sha256:{sha256}"},\n'),
        ("Text", "requests==2.31.0 \\\n    --hash=sha256:{sha256}\n"),
        ("HTML", '<script src="/app.js" integrity="sha384-{b48}" crossorigin="anonymous"></script>\n'),
        ("JSON", '    "_sources": {"narHash": "sha256-{b32}"}\n'),
        ("YAML", "  resolution: {integrity: sha512-{b64}}\n"),
    ),
    "uuid": negative(
        ("Python", 'ID = "{uuid}"\n'),
        ("JSON", '{"id": "{uuid}", "parent": "{uuid}"}\n'),
        ("C#", '[assembly: Guid("{uuid}")]\n'),
        ("XML", '  <Project Id="{{UUID}}" Path="store.csproj"/>\n'),
        ("SQL", "INSERT INTO items (uuid, name) VALUES ('{uuid}', '{word}');\n"),
        ("YAML", "  session_id: {uuid}\n"),
        ("Text", "UUID={uuid} /data ext4 defaults 0 2\n"),
        ("C++", '// {{UUID}}\nMIDL_INTERFACE("{uuid}")\n'),
    ),
    "asset": negative(
        ("CSS", ".logo { background: url(data:image/png;base64,{asset}) }\n"),
        ("HTML", '<img alt="" src="data:image/gif;base64,{asset}">\n'),
        ("CSS", "@font-face { src: url('data:font/woff2;base64,{asset}') format('woff2') }\n"),
        ("JavaScript", '//# sourceMappingURL=data:application/json;base64,{asset}\n'),
        ("Python", 'ICON = b"""\n{asset}\n"""\n'),
        ("JSON", '{"image/png": "{asset}"}\n'),
        ("XML", "  <data mimetype=\"application/x-microsoft.net.object.binary.base64\">\n    <value>{asset}</value>\n  </data>\n"),
        ("JSON", '{"version":3,"mappings":"AAAA,SAASA,IAAIC,GAAG,CAACC,QAAQ,EAAE;AACzB,IAAI,KAAK,GAAG,CAAC"}\n'),
    ),
    "version": negative(
        ("C#", '[assembly: AssemblyVersion("{n1}.{n1}.{n1}.{n1}")]\n'),
        ("Text", "Chrome/{n2}.0.{n4}.{n2} Safari/537.36\n"),
        ("Python", '__version__ = "{n1}.{n2}.{n1}.{n1}"\n'),
        ("Text", "linux-2.6.{n2}.{n1}.tar.gz\n"),
        ("XML", "  <dependentAssembly version=\"{n1}.{n1}.{n1}.{n1}\"/>\n"),
        ("Markdown", "## Changes in version {n1}.{n1}.{n2}.{n1}\n"),
        ("XML", "    <Reference Include=\"Core, Version={n1}.{n1}.{n1}.{n1}, Culture=neutral\"/>\n"),
        ("Text", "libstore.so.{n1}.{n1}.{n2}.{n1}\n"),
        ("JSON", '{"FileVersion": "{n2}.{n1}.{n2}.{n1}"}\n'),
        ("Text", "store-{n1}.{n2}.{n1}.{n1}-py3-none-any.whl\n"),
    ),
    "section number or oid": negative(
        ("C++", "  // [temp.deduct] {n2}.{n1}.{n1}.{n1}\n"),
        ("C", "  /* ISO C99 {n1}.{n2}.{n1}.{n1}: see the note */\n"),
        ("Python", 'OID = "1.3.6.1.4.1.{n4}.{n1}.{n2}"\n'),
        ("C", '    { "2.5.29.{n2}", "subjectKeyIdentifier" },\n'),
        ("Markdown", "### {n1}.{n1}.{n1}.{n1} Other rules\n"),
        ("Text", "See section {n1}.{n2}.{n1}.{n1} of the manual\n"),
        ("Java", '    // RFC 5280, {n1}.{n1}.{n1}.{n1}\n    static final String OID = "1.2.840.113549.1.1.{n2}";\n'),
    ),
    "documentation mail": negative(
        ("Python", 'EMAIL = "{docmail}"\n'),
        ("JSON", '{"email": "{docmail}"}\n'),
        ("Markdown", "Replace {docmail} by your own.\n"),
        ("YAML", "    email: {docmail}\n"),
        ("HTML", '<input type="email" placeholder="{docmail}">\n'),
        ("Shell", "git config user.email {docmail}\n"),
    ),
    "not a mail": negative(
        ("Shell", "git clone git@github.com:{name}/{word}.git\n"),
        ("Shell", "npm install {word}@{n1}.{n2}.{n1} @types/node@{n2}\n"),
        ("HTML", '<img src="logo@2x.png" srcset="icon@3x.png 3x">\n'),
        ("Java", "    @Test\n    @Override\n"),
        ("Python", "@app.route('/items')\n@cache\n"),
        ("Shell", "ssh root@{word}-1\nscp x deploy@{word}:/srv\n"),
        ("JavaScript", "import x from '@{name}/{word}.js';\n"),
        ("Python", "C = A@B.T\n"),
        ("CSS", "@media (max-width: 40em) { a { color: red } }\n"),
        ("Text", "libstore.so.1@@STORE_{n1}.{n2}\n"),
        ("PHP", "$value = @$array['x'];\n"),
        ("Text", "{word}-{name}@{n1}.{n2}.{n1}.tgz\n"),
    ),
    "mail regex": negative(
        ("Python", "EMAIL = re.compile(r'[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+\\.[A-Za-z]{2,}')\n"),
        ("JavaScript", "const mail = /^[^\\s@]+@[^\\s@]+\\.[^\\s@]+$/;\n"),
        ("Java", '    static final String MAIL = "^(.+)@(\\\\S+)$";\n'),
        ("PHP", "preg_match('/^[\\w.+-]+@\\w+\\.\\w{2,}$/', $mail);\n"),
        ("Ruby", "  VALID = /\\A[\\w+\\-.]+@[a-z\\d\\-]+(\\.[a-z\\d\\-]+)*\\.[a-z]+\\z/i\n"),
    ),
    "private or documentation address": negative(
        ("Python", 'HOST = "{private}"\n'),
        ("YAML", "  bind: {private}\n"),
        ("Text", "    server {private}:8080;\n"),
        ("Markdown", "Open http://{private}:3000 in a browser.\n"),
        ("Python", 'ADDRESS = "{docip}"\n'),
        ("Markdown", "For example {docip} is refused.\n"),
        ("JSON", '{"subnet": "{private}"}\n'),
        ("Python", 'ADDRESS = "2001:db8::{n4}"\n'),
        ("Text", "listen [::1]:80;\nlisten [::]:443;\n"),
        ("Text", "inet6 fe80::{n4}:{n3}ff:fe{n2}:{n4} prefixlen 64\n"),
        ("Python", 'ADDRESS = "2001:0db8:85a3:0000:0000:8a2e:0370:{n4}"\n'),
    ),
    "resolver": negative(
        ("Text", "nameserver {resolver}\n"),
        ("YAML", "  dns: [{resolver}]\n"),
        ("Shell", "ping -c 1 {resolver}\n"),
        ("Python", 's.connect(("{resolver}", 80))\n'),
        ("Text", "nameserver 2001:4860:4860::8888\n"),
    ),
    "not an address": negative(
        ("C++", "using std::chrono::steady_clock;\nfoo::bar::baz(a::b);\n"),
        ("Text", "at {day} {clock} ok\n"),
        ("Rust", "let x = Vec::<u8>::new(); a::b::c();\n"),
        ("Text", "ether {mac} txqueuelen 1000\n"),
        ("Python", "x = a[1::2]; y = b[::2]; z = c[:1:]\n"),
        ("CSS", "a::before, p::after { content: '' }\n"),
        ("Python", 'SSH_FINGERPRINT = "{mac}:{mac}"\n'),
        ("Text", "[{clock}.{n3}] pool: drained {n2} items\n"),
        ("Ruby", "A::B.new(1..2)\nC::DEAD::BEEF\n"),
    ),
    "vendor's test key": negative(
        ("Python", 'KEY = "{vendor}"\n'),
        ("Markdown", "export AWS_ACCESS_KEY_ID={vendor}\n"),
        ("YAML", "  api_key: {vendor}\n"),
        ("JavaScript", "const stripe = new Stripe('{vendor}');\n"),
        ("Python", f'TOKEN = "{SAMPLE_JWT}"\n'),
        ("Markdown", f"    Authorization: Bearer {SAMPLE_JWT}\n"),
    ),
    "test card or account": negative(
        ("JavaScript", "const cardNumber = '{testcard}';\n"),
        ("Python", "pay('{testcard}', amount=100)\n"),
        ("Markdown", "| {testcard} | succeeds |\n"),
        ("JSON", '{"card": {"number": "{testcard}"}}\n'),
        ("Python", 'IBAN = "{testiban}"\n'),
        ("Java", '        payment.setIban("{testiban}");\n'),
    ),
    "number": negative(
        ("JSON", '{"serial": "{serial}"}\n'),
        ("Python", "ORDER = '{serial}'\n"),
        ("SQL", "INSERT INTO orders VALUES ({serial}, '{word}');\n"),
        ("Python", 'ACCOUNT = "{noiban}"\n'),
        ("Python", "STARTED = {time}\nENDED = {ms}\n"),
        ("C", "static const uint32_t table[] = { {n5}, {n5}, {n5}, {n5} };\n"),
        ("Text", "ISBN 978-{n1}-{n3}-{n5}-{n1}\n"),
        ("Python", "x = [0.{n5}{n5}{n5}, 1.{n5}{n5}{n5}e-{n2}]\n"),
        ("Text", "order no. {n4}-{n4}-{n3}\n"),
        ("XML", '  <path d="M{n3}.{n3}-{n3}.{n2}c{n1}.{n3}-{n2}.{n2}l{n3} {n3}.{n4}z"/>\n'),
        ("C", "#define MAGIC 0x{hex8}{hex8}ULL\n"),
        ("JSON", '{"lat": {n2}.{n5}{n3}, "lon": -{n3}.{n5}{n3}}\n'),
    ),
    "date or phone": negative(
        ("Text", "{day} {clock} worker started\n"),
        ("SQL", "INSERT INTO log VALUES ('{day} {clock}');\n"),
        ("Python", "WHEN = '{day}T{clock}.{n3}+02:00'\n"),
        ("Text", "build {n4}-{n2}-{n2} took {n3}.{n3}.{n4} units\n"),
        ("Python", "SIZE = (1920, 1080)\nRANGE = '{n3}-{n4}'\n"),
        ("Text", "pages {n3}-{n3}, volume {n2}({n1})\n"),
        ("JSON", '{"id": {n5}{n5}, "next": {n5}{n5}}\n'),
        ("C", "  0x{HEX8}, 0x{HEX8}, 0x{HEX8},\n"),
        ("Text", "{n3} {n3} {n4} {n3} {n3} {n4}\n{n3} {n3} {n4} {n3} {n3} {n4}\n"),
        ("Text", "20{n2}{n2}{n2}{n2}{n2}{n2}\n"),
    ),
    "colour": negative(
        ("CSS", "a { color: #{colour}; background: #{colour} }\n"),
        ("Python", 'COLOURS = ["#{colour}", "#{colour}", "#{colour}"]\n'),
        ("XML", "  <color name=\"accent\">#ff{colour}</color>\n"),
        ("Swift", "let accent = UIColor(hex: 0x{colour})\n"),
    ),
    "minified": negative(
        ("JavaScript", "!function(e,t){\"object\"==typeof exports?t(exports):t(e.{word}={})}(this,function(e){var t=e.key||\"\",n=e.token;return t+n});\n"),
        ("JavaScript", "var a=function(e){return e&&e.__esModule?e:{default:e}},password=\"password\",r=a(n({n3}));\n"),
        ("JavaScript", "(self.webpackChunk=self.webpackChunk||[]).push([[{n3}],{{n4}:(e,t,n)=>{n.d(t,{Z:()=>r})}}]);\n"),
        ("JavaScript", "const {secret:s,token:k}=t,u=`${s}:${k}`;n.exports={apiKey:e.apiKey,secretKey:e.secretKey};\n"),
        ("CSS", ".a{b:c}.{word}-{n3}{margin:0 0 {n1}px}.key{font:1em x}\n"),
        ("HTML", '<link href="/static/main.{hex8}.chunk.css"><script src="/app.{md5}.js"></script>\n'),
    ),
    "placeholder": negative(
        ("Dotenv", "API_KEY=${API_KEY}\n"),
        ("Markdown", 'export API_KEY="<your-api-key>"\n'),
        ("YAML", "  password: ${{ secrets.DB_PASSWORD }}\n"),
        ("YAML", "  password: {{ .Values.db.password }}\n"),
        ("Python", 'API_KEY = "YOUR_API_KEY_HERE"\n'),
        ("Dotenv", "SECRET_KEY=changeme\n"),
        ("INI", "password = xxxxxxxxxxxx\n"),
        ("JSON", '{"api_key": "********", "token": "..."}\n'),
        ("Markdown", "postgres://user:password@localhost:5432/db\n"),
        ("Shell", 'curl -H "Authorization: Bearer $TOKEN" https://api.service.io\n'),
        ("Properties", "spring.datasource.password=@db.password@\n"),
        ("YAML", "  url: postgres://${DB_USER}:${DB_PASSWORD}@${DB_HOST}/store\n"),
        ("Markdown", "Set `token` to `ghp_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx`.\n"),
        ("Markdown", "Set `OPENAI_API_KEY` to `sk-...`.\n"),
        ("XML", "  <password>%DB_PASSWORD%</password>\n"),
        ("Python", 'url = f"https://{user}:{password}@{host}/x"\n'),
        ("HCL", "  password = var.db_password\n"),
        ("PHP", "define('DB_PASSWORD', 'password_here');\n"),
        ("Text", "-----BEGIN RSA PRIVATE KEY-----\n...\n-----END RSA PRIVATE KEY-----\n"),
        ("YAML", "  secret_key: REPLACE_WITH_YOUR_SECRET_KEY\n"),
        ("JavaScript", "const apiKey = '{YOUR_API_KEY}';\n"),
        ("Shell", "mysql -u root -p\"$MYSQL_PASSWORD\" store\n"),
    ),
    "code about secrets": negative(
        ("Python", "password = input('Password: ')\nself.password = password\n"),
        ("Python", "token = os.environ['API_TOKEN']\n"),
        ("Python", 'def login(user: str, password: str, token: str | None = None):\n'),
        ("Python", "token = tokenizer.next_token()\nkey = node.key\n"),
        ("Python", 'PASSWORD_FIELD = "password"\nTOKEN_HEADER = "X-Auth-Token"\n'),
        ("JavaScript", "const apiKey = process.env.API_KEY;\n"),
        ("JavaScript", "const { password } = req.body;\nif (!password) throw new Error('password is required');\n"),
        ("JavaScript", "  password: { type: String, required: true, minlength: 8 },\n"),
        ("Java", '    @Value("${db.password}")\n    private String password;\n'),
        ("Java", "        this.secretKey = secretKey;\n        String token = getToken(request);\n"),
        ("Go", '\tPassword string `json:"password,omitempty"`\n'),
        ("Go", '\ttoken := os.Getenv("TOKEN")\n\tkey := []byte(cfg.SecretKey)\n'),
        ("HTML", '<input type="password" name="password" id="password" autocomplete="current-password">\n'),
        ("JSON", '{"password": "Passwort", "forgot_password": "Passwort vergessen?"}\n'),
        ("YAML", "  password_hint: Enter your password\n  token_type: bearer\n"),
        ("C", "    case TOKEN_STRING: return parse_string(token);\n"),
        ("C#", "        public string Password { get; set; }\n"),
        ("Ruby", "  validates :password, length: { minimum: 8 }\n  token = SecureRandom.hex(20)\n"),
        ("PHP", "$password = $_POST['password'];\n$hash = password_hash($password, PASSWORD_DEFAULT);\n"),
        ("SQL", "ALTER TABLE users ADD COLUMN password_hash VARCHAR(255) NOT NULL;\n"),
        ("Python", 'primary_key = "customer_id"\nsort_key = "created_at"\nforeign_key = "orders.customer_id"\n'),
        ("TypeScript", "  password = new FormControl('', [Validators.required]);\n  accessToken?: string;\n"),
        ("Rust", "    pub fn token(&self) -> &Token { &self.token }\n"),
        ("Shell", 'read -rs -p "Password: " PASSWORD\nexport TOKEN=$(cat /run/token)\n'),
        ("Markdown", "The API key is read from the environment; the password is never stored.\n"),
        ("Python", 'raise ValueError("api_key must be a string")\nsecret_name = "prod/db/main"\n'),
        ("YAML", "        valueFrom:\n          secretKeyRef:\n            name: store-secrets\n            key: db-password\n"),
        ("Python", 'special_tokens = {"bos_token": "<s>", "eos_token": "</s>", "pad_token": "[PAD]"}\n'),
        ("Kotlin", "val token = intent.getStringExtra(EXTRA_TOKEN)\n"),
        ("JavaScript", "key: 'ArrowLeft', token: 'punctuation', secret: false, password: null,\n"),
    ),
    "public key or certificate": negative(
        ("Text", "-----BEGIN CERTIFICATE-----\n{asset}\n-----END CERTIFICATE-----\n"),
        ("Text", "-----BEGIN PUBLIC KEY-----\n{asset}\n-----END PUBLIC KEY-----\n"),
        ("Text", "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABAQ{asset} deploy-key\n"),
        ("Text", "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI{b32}\n"),
        ("Text", "-----BEGIN PGP PUBLIC KEY BLOCK-----\n\n{asset}\n-----END PGP PUBLIC KEY BLOCK-----\n"),
        ("Text", "Key fingerprint = {HEX8} {HEX8} {HEX8} {HEX8} {HEX8}\n"),
        ("Python", 'PEM_HEADER = "-----BEGIN RSA PRIVATE KEY-----"\n'),
        ("YAML", "  public_key: {b32}\n"),
    ),
    "long names and alphabets": negative(
        ("Python", 'ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"\n'),
        ("JavaScript", "const key = 'navigation.settings.account.notifications.enabled';\n"),
        ("Java", "        CustomerNotificationPreferencesRepositoryFactoryBean secretFactory = create();\n"),
        ("Python", 'token = "begin_of_statement_marker_with_long_name"\n'),
        ("C", '    const char *key = "org.freedesktop.NetworkManager.Settings.Connection";\n'),
        ("JSON", '{"access_key": "settings.keyboard.shortcuts.access", "secret": "story.secret.ending"}\n'),
        ("Python", 'secret_path = "/var/lib/store/secrets/production/database"\n'),
        ("JavaScript", "const tokenUrl = 'https://login.service.io/oauth2/v2.0/token';\n"),
        ("Java", 'String signature = "(Ljava/lang/String;Ljava/util/Map;)Ljavax/crypto/SecretKey;";\n'),
        ("Python", 'KEYBOARD = "qwertyuiopasdfghjklzxcvbnm1234567890"\n'),
        ("Text", "AbstractSingletonProxyFactoryBeanSecretTokenResolverStrategyProvider\n"),
        ("YAML", "  key: checkout-v2-{{ checksum \"package-lock.json\" }}\n"),
    ),
    "public identifier": negative(
        ("HTML", "<script>ga('create', 'UA-{n5}{n3}-{n1}', 'auto');</script>\n"),
        ("JavaScript", "const client_id = '{n5}{n5}-{word}.apps';\n"),
        ("JSON", '{"etag": "W/\\"{short}-{mixed}\\""}\n'),
        ("Text", "https://cdn.service.io/a/{mixed}/v{n1}/image_{n4}x{n4}.jpg\n"),
        ("Text", "https://docs.service.io/d/{mixed}{mixed}/edit#gid={n5}\n"),
        ("XML", '  <Component Id="cmp{HEX8}{HEX8}{HEX8}{HEX8}" Guid="*"/>\n'),
        ("Text", "urn:uuid:{uuid} v{n1}.{n2}.{n1}\n"),
        ("JSON", '{"cell_type": "code", "id": "{hex8}", "kernel": "python3"}\n'),
        ("Text", "trace_id={md5} span_id={hex8}{hex8}\n"),
        ("YAML", "  cache-key: deps-{sha256}\n"),
    ),
}  # fmt: skip

NEGATIVES_EACH = 75
PROVIDERS_EACH = 8


def surrounded(rng: Random, language: str, body: str) -> tuple[str, int]:
    """`body` between neutral lines of its language, and where it begins."""
    blocks = FILLER.get(language, ())
    before = "".join(rng.sample(blocks, k=rng.randint(0, min(2, len(blocks)))))
    after = "".join(rng.sample(blocks, k=rng.randint(0, min(2, len(blocks)))))
    return f"{before}{body}{after}", len(before)


def positive_case(rng: Random, kind: str, family: str, planted: Planted) -> Case:
    language, body, value = planted
    text, offset = surrounded(rng, language, body)
    start = offset + body.index(value)
    return Case(kind, family, language, text, ((start, start + len(value)),))


def generate(seed: int = SEED) -> Iterator[Case]:
    """All cases of a seed, the same ones in the same order each time; each family has a generator of its own."""
    for kind, (count, plant) in POSITIVES.items():
        rng = random.Random(f"{seed} {kind}")
        for _ in range(count):
            yield positive_case(rng, kind, kind, plant(rng))
    for provider in PROVIDERS:
        rng = random.Random(f"{seed} provider {provider}")
        for _ in range(PROVIDERS_EACH):
            yield positive_case(rng, "provider_key", provider, plant_provider(rng, provider))
    for family, make in NEGATIVES.items():
        rng = random.Random(f"{seed} negative {family}")
        for _ in range(NEGATIVES_EACH):
            language, body = make(rng)
            text, _ = surrounded(rng, language, body)
            yield Case("", family, language, text, ())


def main() -> None:
    """Print how many cases there are of each kind, and the hash of them all."""
    counts: dict[str, int] = {}
    digest = hashlib.sha256()
    for case in generate():
        counts[case.kind or "hard negatives"] = counts.get(case.kind or "hard negatives", 0) + 1
        digest.update(repr(case).encode())
    for kind, count in counts.items():
        print(f"{count:6} {kind}")
    print(f"sha256 {digest.hexdigest()}")


if __name__ == "__main__":
    main()
