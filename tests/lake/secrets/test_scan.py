"""What is found, and what is not: tables by kind, written without a look at bench/secrets_data.py.

Keys are put together here, so that no scanner of repositories takes this file for a leak.
"""

import base64
import json
import random
import string
import zlib

import pytest

from codelake.engine.errors import LakeError
from codelake.lake.secrets import Allow, Finding, scan

ALNUM = string.ascii_letters + string.digits
HEX = "0123456789abcdef"


def chars(alphabet: str, count: int, seed: int = 1) -> str:
    return "".join(random.Random(seed * 1000 + count).choices(alphabet, k=count))


def crc_token(prefix: str) -> str:
    body = chars(ALNUM, 30)
    number, digits = zlib.crc32(body.encode()), ""
    while number:
        number, rest = divmod(number, 62)
        digits = (string.digits + string.ascii_uppercase + string.ascii_lowercase)[rest] + digits
    return prefix + body + digits.rjust(6, "0")


def token(header: dict[str, str]) -> str:
    def part(value: dict[str, str]) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()

    return f"{part(header)}.{part({'sub': 'x', 'scope': 'write'})}.{chars(ALNUM, 43)}"


def found(text: str, **options: object) -> list[tuple[str, str]]:
    return [(f.kind, text[f.start_offset : f.end_offset]) for f in scan(text, **options)]


def pem(name: str, lines: int = 6, newline: str = "\n") -> str:
    body = [chars(ALNUM + "+/", 64, seed) for seed in range(lines)]
    return newline.join([f"-----BEGIN {name}-----", *body, f"-----END {name}-----"])


SHAPES = {
    "aws_access_key": "AKIA" + "2Q7JHRMV5ZKTPW3D",
    "github_token": crc_token("ghp_"),
    "npm_token": crc_token("npm_"),
    "gitlab_token": "glpat-" + chars(ALNUM, 20),
    "slack_token": "xoxb-" + "2481937465-" + chars(ALNUM, 24),
    "stripe_key": "sk_" + "live_" + chars(ALNUM, 24),
    "google_api_key": "AIza" + chars(ALNUM, 35),
    "openai_key": "sk-" + chars(ALNUM, 20) + "T3BlbkFJ" + chars(ALNUM, 20, 2),
    "anthropic_key": "sk-ant-" + "api03-" + chars(ALNUM, 95),
    "huggingface_token": "hf_" + chars(string.ascii_letters, 34),
    "pypi_token": "pypi-AgE" + "IcHlwaS5vcmc" + chars(ALNUM, 100),
    "sendgrid_key": "SG." + chars(ALNUM, 22) + "." + chars(ALNUM, 43),
    "telegram_token": "5829103746:AA" + chars(ALNUM, 33),
    "digitalocean_token": "dop_v1_" + chars(HEX, 64),
    "databricks_token": "dapi" + chars(HEX, 32),
    "mailchimp_key": chars(HEX, 32) + "-us12",
    "grafana_token": "glsa_" + chars(ALNUM, 32) + "_" + chars(HEX, 8),
    "vault_token": "hvs." + chars(ALNUM, 90),
    "age_secret_key": "AGE-SECRET-KEY-1" + chars("QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L", 58),
    "azure_client_secret": "abc8Q~" + chars(ALNUM, 34),
    "jwt": token({"alg": "RS256", "typ": "JWT"}),
}


@pytest.mark.parametrize("kind", SHAPES)
@pytest.mark.parametrize(
    "context", ["{}", "f('{}')", "# see {}, or not", '{{"k":"{}"}}', "a\\n{}", "x={}&y=1", "é {} ü"]
)
def test_a_key_is_found_whole_by_its_shape(kind, context):
    text = context.format(SHAPES[kind])
    assert found(text) == [(kind, SHAPES[kind])]


@pytest.mark.parametrize(
    "text",
    [
        crc_token("ghp_")[:-1] + "!",
        "ghp_" + chars(ALNUM, 36),  # its checksum is wrong
        "AKIA" + "IOSFODNN7EXAMPLE",
        "AKIA" + "XXXXXXXXXXXXXXXX",
        "XAKIA" + "2Q7JHRMV5ZKTPW3D",
        "eyJ" + "hbGciOi.notjson.signature",
        "risk-based-approach-to-everything-that-is-long",
        "data:" + chars(HEX, 40),
        "AIza" + chars(ALNUM, 60),
        "sk_" + "test_4eC39HqLyjWDarjtT1zdp7dc",
    ],
)
def test_what_only_looks_like_a_key_is_left(text):
    assert found(text) == []


PASSWORDS = [
    'password = "Tr0ub4dor&3"',
    "password: 'Tr0ub4dor&3'",
    'DB_PASSWORD="Tr0ub4dor&3"',
    "export DB_PASSWORD=Tr0ub4dor#3",
    '{"password": "Tr0ub4dor&3"}',
    "{'db': {'passwd': 'Tr0ub4dor&3'}}",
    'String dbPassword = "Tr0ub4dor&3";',
    'const char *password = "Tr0ub4dor&3";',
    'char password[] = "Tr0ub4dor&3";',
    'let password: &str = "Tr0ub4dor&3";',
    'password := "Tr0ub4dor&3"',
    'password: Optional[str] = "Tr0ub4dor&3"',
    '"password" => "Tr0ub4dor&3",',
    "<password>Tr0ub4dor*3</password>",
    '<add key="password" value="Tr0ub4dor*3"/>',
    'connect(user="x", password="Tr0ub4dor&3")',
    'props.setProperty("password", "Tr0ub4dor&3");',
    "os.environ['PASSWORD'] = 'Tr0ub4dor&3'",
    'os.getenv("PASSWORD", "Tr0ub4dor&3")',
    'if password == "Tr0ub4dor&3":',
    "Server=x;User Id=sa;Password=Tr0ub4dor!3;",
    "tool --password=Tr0ub4dor3 run",
    "tool --password Tr0ub4dor3 run",
    "IDENTIFIED BY 'Tr0ub4dor&3'",
    "CREATE ROLE x WITH PASSWORD 'Tr0ub4dor&3'",
    '\\"password\\": \\"Tr0ub4dor&3\\"',
    "password: Tr0ub4dor3\n",
    "password=Tr0ub4dor3\r\n",
    "- name: DB_PASSWORD\n  value: 'Tr0ub4dor&3'",
    "curl -u admin:Tr0ub4dor3 https://ci.tofinmir.org/",
    "mysql -u root -pTr0ub4dor3 store",
    "sshpass -p 'Tr0ub4dor&3' ssh x",
    "ENV ADMIN_PASSWORD Tr0ub4dor3\n",
    "jdbc:mysql://db/x?user=a&password=Tr0ub4dor3&ssl=true",
    'userPassword = @"Tr0ub4dor&3"',
    "log in with password `Tr0ub4dor&3`",
    "postgres://app:Tr0ub4dor3@db.tofinmir.org:5432/x",
    "redis://:Tr0ub4dor3@cache:6379/0",
    'sql.Open("mysql", "app:Tr0ub4dor3@tcp(db:3306)/x")',
]


@pytest.mark.parametrize("text", PASSWORDS)
def test_a_password_is_found_by_the_name_it_is_given_to(text):
    values = [value for _, value in found(text)]
    assert len(values) == 1
    assert values[0].startswith("Tr0ub4dor")
    assert values[0] in ("Tr0ub4dor&3", "Tr0ub4dor#3", "Tr0ub4dor*3", "Tr0ub4dor!3", "Tr0ub4dor3")


@pytest.mark.parametrize(
    "text",
    [
        "password = getpass('Password: ')",
        "password = request.form['password']",
        "self.password = password",
        "password: str",
        "password: str = None",
        "def f(user, password=None, token=''):",
        "password = ${DB_PASSWORD}",
        'password = "${DB_PASSWORD}"',
        'password: "{{ vault_password }}"',
        'password = "<your password>"',
        'password = "********"',
        'password = os.environ["DB_PASSWORD"]',
        'PASSWORD_FIELD = "user_password"',
        'password_label = "Enter your password"',
        '"password": "Passwort"',
        '<input type="password" name="password" placeholder="Password">',
        "password VARCHAR(255) NOT NULL",
        'Password string `json:"password"`',
        "if (password.length < 8) return;",
        "password_hash = hash_password(password)",
        "--password PASSWORD    the password to use",
        "mysql -u root -p store",
        "postgres://user:password@localhost/db",
        "postgres://user:${PASSWORD}@db/x",
        "https://user:pass@host/",
        'url = f"postgres://{user}:{password}@{host}/{name}"',
        "curl -u $USER:$PASSWORD https://x",
        'password = "changeme"',
        "bypass: 'abc123def'",
        "compass = 'N0rth1234'",
        "pwd = '/home/x1/y2'",
        "passwordInput = findViewById(R.id.password1)",
        "password.setText(R.string.abc12345)",
    ],
)
def test_code_about_passwords_is_left(text):
    assert found(text) == []


RANDOM = chars(ALNUM, 32)


@pytest.mark.parametrize(
    "text",
    [
        f'api_key = "{RANDOM}"',
        f"API_KEY={RANDOM}",
        f'"apiKey": "{RANDOM}"',
        f"client-secret: {RANDOM}",
        f'const ACCESS_TOKEN: &str = "{RANDOM}";',
        f"X-Api-Key: {RANDOM}",
        f'token := "{RANDOM}"',
        f"config.secret_key_base = '{RANDOM}'",
        f"--auth-token={RANDOM}",
        f"Authorization: Bearer {RANDOM}",
        f'process.env.SECRET || "{RANDOM}"',
    ],
)
def test_a_random_string_is_found_by_the_name_it_is_given_to(text):
    assert [value for _, value in found(text)] == [RANDOM]


@pytest.mark.parametrize(
    "text",
    [
        f'sha256 = "{chars(HEX, 64)}"',
        f"uses: actions/checkout@{chars(HEX, 40)}",
        f'"integrity": "sha512-{chars(ALNUM, 86)}=="',
        f'primary_key = "{RANDOM}"',
        f'public_key = "{RANDOM}"',
        f"next_page_token: {RANDOM}",
        'token = "begin_of_the_statement_marker"',
        "secret_name = 'projects/store/secrets/db-main'",
        'apiKey = "your-api-key-goes-right-here"',
        "token = lexer.next_token_of_kind(KIND2)",
        f"<img src='data:image/png;base64,{chars(ALNUM, 400)}'>",
        "session_id = '6f2b1c3e-8d4a-4f5b-9c6d-7e8f9a0b1c2d'",
        'secret = "0123456789abcdef0123456789abcdef"',
        'token_url = "https://login.tofinmir.org/oauth2/v2.0/token"',
    ],
)
def test_a_random_string_with_another_name_is_left(text):
    assert found(text) == []


def test_a_random_string_without_a_name_is_found_at_level_high_only():
    text = f"start('{RANDOM}')"
    assert found(text) == []
    assert found(text, level="high") == [("high_entropy", RANDOM)]


@pytest.mark.parametrize(
    "name",
    [
        "RSA PRIVATE KEY",
        "PRIVATE KEY",
        "EC PRIVATE KEY",
        "OPENSSH PRIVATE KEY",
        "ENCRYPTED PRIVATE KEY",
        "PGP PRIVATE KEY BLOCK",
    ],
)
@pytest.mark.parametrize("newline", ["\n", "\r\n", "\\n", '\\n" +\n    "', "\n    ", "\n# ", "\n// "])
def test_a_private_key_is_found_whole(name, newline):
    block = pem(name, newline=newline)
    assert found(f"before\nkey = '{block}'\nafter") == [("private_key", block)]


def test_a_private_key_without_its_end_is_found_as_far_as_it_goes():
    block = pem("RSA PRIVATE KEY").rpartition("\n")[0]
    assert found(f"{block}\n\nand so on") == [("private_key", block)]


def test_a_private_key_with_headers_is_found_whole():
    lines = pem("RSA PRIVATE KEY").split("\n")
    block = "\n".join(
        [lines[0], "Proc-Type: 4,ENCRYPTED", f"DEK-Info: AES-128-CBC,{chars(HEX.upper(), 32)}", "", *lines[1:]]
    )
    assert found(block) == [("private_key", block)]


@pytest.mark.parametrize(
    "text",
    [
        pem("CERTIFICATE"),
        pem("PUBLIC KEY"),
        pem("PGP PUBLIC KEY BLOCK"),
        'HEADER = "-----BEGIN RSA PRIVATE KEY-----"',
        "-----BEGIN RSA PRIVATE KEY-----\n...\n-----END RSA PRIVATE KEY-----",
        "-----BEGIN PRIVATE KEY-----\n<your key>\n-----END PRIVATE KEY-----",
    ],
)
def test_certificates_and_empty_blocks_are_left(text):
    assert found(text) == []


PERSONAL = {
    "email": ["kelori.vandul@tofinmir.org", "k.v+x@sub.tofin-mir.co.uk", "KELORI_9@163mir.com", "k@tofinmir.museum"],
    "ipv4": ["51.15.222.9", "185.199.108.153", "91.198.174.192"],
    "ipv6": ["2a01:4f8:c17:2e5b::1", "2607:f8b0:4004:0c07:0000:0000:0000:0064", "2a02:26f0:6d:4::b81b:1234"],
    "phone": ["+49 89 63648018", "+1 (415) 867-2231", "+44 20 7183 8750", "+33 1 44 27 63 50", "+14158672231"],
    "credit_card": ["4539 1488 0343 6467", "5425-2334-3010-9903", "374283210039842"],
    "iban": ["DE02120300000000202051", "FR14 3000 1019 0100 00Z6 7067 032", "NL20INGB0001234567"],
}  # fmt: skip


def luhn_right(digits: str) -> str:
    for last in string.digits:
        number = digits[:-1] + last
        total = sum(sum(divmod(int(d) * (1 + i % 2), 10)) for i, d in enumerate(reversed(number)))
        if total % 10 == 0:
            return last
    raise AssertionError


def iban_right(value: str) -> str:
    compact = value.replace(" ", "")
    number = "".join(str(int(c, 36)) for c in compact[4:] + compact[:2] + "00")
    check = f"{98 - int(number) % 97:02d}"
    return value[:2] + check + value[4:]


for kind, right in (
    ("credit_card", lambda v: v[:-1] + luhn_right("".join(c for c in v if c.isdigit()))),
    ("iban", iban_right),
):
    PERSONAL[kind] = [right(v) for v in PERSONAL[kind]]


@pytest.mark.parametrize(("kind", "value"), [(k, v) for k, vs in PERSONAL.items() for v in vs])
@pytest.mark.parametrize(
    "context", ['"{}"', "<p>{}</p>", "call or write to {}, please", "'{}',", "host {}\n", "{}", "é: {}"]
)
def test_personal_data_is_found(kind, value, context):
    assert found(context.format(value)) == [(kind, value)]


@pytest.mark.parametrize(
    "text",
    [
        "kelori@example.com",
        "kelori@mail.example.org",
        "kelori@host.test",
        "kelori@localhost",
        "git@github.com:a/b.git",
        "ssh://git@github.com/a/b",
        "logo@2x.png",
        "lodash@4.17.21",
        "@pytest.mark.skip",
        "x = a@b.T",
        r"[\w.]+@[\w]+\.com",
        "user@host",
        "https://kelori@tofinmir.org/x",
        "127.0.0.1 10.1.2.3 192.168.1.1 172.16.9.9 0.0.0.0 255.255.255.255 224.0.0.1 169.254.1.1",
        "192.0.2.7 198.51.100.8 203.0.113.9",
        "nameserver 8.8.8.8",
        'version = "51.15.222.9"',
        "linux-51.15.222.9.tar.gz",
        "Chrome/51.15.222.9",
        "1.3.6.1.4.1.311",
        "section 51.15.222.9",
        "300.1.2.3",
        "01.02.03.04",
        "std::a::b",
        "fe80::1 ::1 2001:db8::1 ff02::2",
        "2021:10:11:12",
        "00:1a:2b:3c:4d:5e",
        "4539 1488 0343 6461",
        "4242 4242 4242 4242",
        "0.4539148803436467",
        "DE89 3704 0044 0532 0130 00",
        "DE02120300000000202052",
        "2024-01-15 12:30:45",
        "1700000000000",
        "555-0123 (212) 555-0142 +1 415 555 0100",
        "978-3-16-148410-0",
        "+1.23456789012",
        "0x2125551234",
        "192-168-100-1001",
    ],
)
def test_what_only_looks_like_personal_data_is_left(text):
    assert found(text) == []


def test_levels_are_nested():
    text = "\n".join(
        [
            *SHAPES.values(),
            *PASSWORDS,
            *(v for vs in PERSONAL.values() for v in vs),
            f'api_key = "{RANDOM}"',
            f"x('{RANDOM[::-1]}')",
        ]
    )
    low, default, high = (
        {(f.start_offset, f.end_offset) for f in scan(text, level=level)} for level in ("low", "default", "high")
    )
    assert low < default < high


def test_an_unknown_level_is_refused():
    with pytest.raises(LakeError, match="levels are low, default, high"):
        scan("", level="loud")  # type: ignore[arg-type]


def test_allowed_values_patterns_and_kinds_are_left():
    text = 'kelori@tofinmir.org noreply@tofinmir.org password = "Tr0ub4dor&3"'
    assert len(found(text)) == 3
    assert [k for k, _ in found(text, allow=Allow(values=frozenset({"kelori@tofinmir.org"})))] == ["email", "password"]
    assert [k for k, _ in found(text, allow=Allow(patterns=(r".*@tofinmir\.org",)))] == ["password"]
    assert [k for k, _ in found(text, allow=Allow(kinds=frozenset({"password"})))] == ["email", "email"]
    assert [v for k, v in found(text, allow=Allow(noreply=True))] == ["kelori@tofinmir.org", "Tr0ub4dor&3"]
    with pytest.raises(LakeError, match="not a regular expression"):
        scan(text, allow=Allow(patterns=("(",)))


def test_authors_are_found_if_asked_for():
    text = (
        "# Copyright (c) 2019-2021 Kelori van Dul <x@example.com>\n# Copyright 2020 Tofinmir Inc.\n"
        " * @author Zeljko Ulm\n__author__ = 'Ana Mirdul'\n"
    )
    assert found(text) == []
    assert found(text, authors=True) == [
        ("author", "Kelori van Dul"),
        ("author", "Zeljko Ulm"),
        ("author", "Ana Mirdul"),
    ]


def test_of_overlapping_findings_the_kind_that_comes_first_covers_both():
    key = SHAPES["github_token"]
    assert found(f'api_key = "{key}"') == [("github_token", key)]
    # The password in a URL, not a mail address that begins in it.
    assert found("amqp://app:Tr0ub4dor3@mq.tofinmir.org/") == [("connection_string", "Tr0ub4dor3")]


def test_offsets_are_characters_of_the_text():
    text = "ü𝄞 kelori@tofinmir.org 漢 51.15.222.9"
    assert found(text) == [("email", "kelori@tofinmir.org"), ("ipv4", "51.15.222.9")]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\0",
        "\ud800",
        "a\0b\udfff kelori@tofinmir.org \ud800\udc00 51.15.222.9",
        "@",
        "@@@@",
        "://",
        ":@",
        "+",
        "(",
        "-----BEGIN ",
    ],
)
def test_any_string_is_taken(text):
    for finding in scan(text, level="high", authors=True):
        assert isinstance(finding, Finding)
        assert text[finding.start_offset : finding.end_offset] in ("kelori@tofinmir.org", "51.15.222.9")


def test_the_same_line_twice_is_found_in_both_places():
    line = "contact: kelori@tofinmir.org\n"
    findings = scan(line * 3)
    assert [f.start_offset for f in findings] == [9 + len(line) * n for n in range(3)]


def test_context_is_seen_at_the_start_of_a_text():
    assert found("51.15.222.9 is the server") == [("ipv4", "51.15.222.9")]
    assert found("v51.15.222.9") == found("version 51.15.222.9") == []


@pytest.mark.parametrize("text", ["a" * 5000 + SHAPES["jwt"], SHAPES["jwt"] + "\0" * 70_000 + SHAPES["gitlab_token"]])
def test_what_stands_far_away_does_not_matter(text):
    assert {value for _, value in found(f"{text[:5000]} {text[5000:]}")} <= set(SHAPES.values())


def test_findings_and_allowances_travel_between_processes():
    import pickle

    text = "mail kelori@tofinmir.org"
    assert pickle.loads(pickle.dumps((scan(text), Allow(kinds=frozenset({"iban"}))))) == (
        scan(text),
        Allow(kinds=frozenset({"iban"})),
    )


def test_without_re2_the_error_says_how_to_get_it(monkeypatch):
    import sys

    from codelake.engine.errors import MissingDependencyError
    from codelake.lake.secrets import spans

    monkeypatch.setitem(sys.modules, "re2", None)
    spans.compiled.cache_clear()
    with pytest.raises(MissingDependencyError, match="pip install google-re2"):
        scan("x")
    spans.compiled.cache_clear()


def test_kingfisher_gives_what_it_hides_too_but_no_documented_keys():
    pytest.importorskip("kingfisher_sdk", reason="pip install kingfisher-secret-scanner")
    from codelake.lake.secrets import kingfisher

    key, secret = SHAPES["aws_access_key"], chars(ALNUM + "/+", 40, 7)
    text = f"é AWS_KEY={key}\nAWS_SECRET={secret}\nmail kelori@tofinmir.org AWS_KEY=AKIA" + "IOSFODNN7EXAMPLE\n"
    data = text.encode()
    # The secret is a part of the key's finding (`visible=False`): redacting what is visible would leave it.
    assert {data[s.start : s.end].decode() for s in kingfisher.find(data)} == {key, secret}
    assert [v for _, v in found(text, kingfisher=True)] == [key, secret, "kelori@tofinmir.org"]


def test_without_kingfisher_the_error_says_how_to_get_it(monkeypatch):
    import sys

    from codelake.engine.errors import MissingDependencyError
    from codelake.lake.secrets import kingfisher

    monkeypatch.setitem(sys.modules, "kingfisher_sdk", None)
    kingfisher._scanner.cache_clear()
    with pytest.raises(MissingDependencyError, match="pip install kingfisher-secret-scanner"):
        scan("x", kingfisher=True)
    kingfisher._scanner.cache_clear()


@pytest.mark.parametrize(
    "text",
    [
        'FUNCTION_PASS("expandvp2")',
        "pass `dtype=float64` to keep it",
        "type: ['TEXT', 'PASSWORD', 'CHECKBOX']",
        '["secretsmanager:GetSecretValue", "ec2:AuthorizeSecurityGroupEgress"]',
        '"AWS::IAM::AccessKey": "bf29289b78d371e3"',
        '"arn:aws:secretsmanager:*:*:secret:A4BNetworkProfile*"',
        "publicKeyToken='1fc8b3b9a1e18e3b'",
        "private_key: ed25519.Ed25519PrivateKey",
        "nid_key = self._lib.NID_aes_256_cbc",
        "5570 5571 5572 5573 5574 5575",
        "mpf((1, 6458161865649291, -53, 53))",
        "IGNORE # 2431213435251354",
        "US\t+465042-1012439\tAmerica/North_Dakota",
        "DFARS 252.227-7013",
        "V8 upgraded to 4.6.85.25 from 4.5.103.35",
        'ObjectIdentifier("2.5.29.33")',
        "123.123.123.123",
        'replace "username" and/or "password" with "userinfo1"',
    ],
)
def test_what_real_code_has_is_left(text):
    # Each was found once, in the packages of a Python environment or in Debian's /usr/share.
    assert found(text) == []
