"""The rules for keys of known shape, one row a shape: literals to look for, the pattern that must stand there, a check.

Patterns are RE2 on the UTF-8 bytes of the text (`\\w` is ASCII) and match at the literal, or up to `back` bytes before it.
Shapes are those that vendors document, or publish for the scanning of secrets.
"""

# ruff: noqa: E501 (a table: one shape a line)

from collections.abc import Callable
from typing import NamedTuple

from . import validators
from .spans import words


class Rule(NamedTuple):
    """One shape. The group `v`, if there is one, is the secret itself.

    score: how sure a match is, from 0 to 1. back: how many bytes before the literal a match may begin. check: of the
    secret. reach: how many bytes from the literal on are looked at. inside: whether it may stand within a word.
    then: what must follow a literal that is short, and so frequent, for the pattern to be tried at all.
    """

    kind: str
    anchors: tuple[bytes, ...]
    pattern: bytes
    score: float = 0.95
    back: int = 0
    check: Callable[[bytes], bool] | None = None
    reach: int = 512
    inside: bool = False
    then: bytes = b""


def _basic(token: bytes) -> bool:
    user, colon, secret = validators.unbase64(token).partition(b":")
    return bool(colon and user and len(secret) > 3) and secret.isascii() and not validators.stands_in(secret)


def _bearer(token: bytes) -> bool:
    return validators.looks_random(token) and not token.startswith(b"eyJ")  # a JWT has a rule of its own


def _url_password(secret: bytes) -> bool:
    return (
        secret[:1] not in b"$%{"
        and not validators.stands_in(secret)
        and secret.lower() not in words("no_url_passwords")
        and not secret.isdigit()
    )


# fmt: off
RULES: tuple[Rule, ...] = (
    Rule("aws_access_key", (b"AKIA", b"ASIA", b"ABIA", b"ACCA"), rb"A(?:KIA|SIA|BIA|CCA)[A-Z2-7]{16}"),
    Rule(
        "github_token",
        (b"ghp_", b"gho_", b"ghu_", b"ghs_", b"ghr_"),
        rb"gh[pousr]_[A-Za-z0-9]{36}",
        1.0,
        check=validators.crc32_base62,
    ),
    Rule("github_token", (b"github_pat_",), rb"github_pat_[A-Za-z0-9]{22}_[A-Za-z0-9]{59}"),
    Rule("gitlab_token", (b"glpat-", b"gldt-", b"glrt-", b"glptt-", b"glcbt-"), rb"gl(?:pat|dt|rt|ptt|cbt)-[\w\-]{20,64}(?:\.[0-9a-z.]{9,12})?"),
    Rule("slack_token", (b"xoxb-", b"xoxp-", b"xoxa-", b"xoxr-", b"xoxs-", b"xoxe-"), rb"xox[baprse]-[0-9A-Za-z\-]{20,}"),
    Rule("slack_token", (b"xapp-",), rb"xapp-\d-[A-Z0-9]{8,13}-\d{8,15}-[0-9a-f]{60,70}"),
    Rule("slack_webhook", (b"hooks.slack.com/",), rb"hooks\.slack\.com/(?:services|workflows)/(?P<v>[A-Z0-9]{8,12}/[A-Z0-9]{8,12}/[A-Za-z0-9/]{20,48})"),
    Rule("discord_webhook", (b"/api/webhooks/",), rb"/api/webhooks/(?P<v>\d{17,20}/[\w\-]{60,80})", inside=True),
    Rule("teams_webhook", (b".webhook.office.com/",), inside=True, pattern=rb"\.webhook\.office\.com/webhookb2/(?P<v>[0-9a-f\-]{36}@[0-9a-f\-]{36}/IncomingWebhook/[0-9a-z]{32}/[0-9a-f\-]{36})"),
    Rule("stripe_key", (b"sk_live_", b"rk_live_", b"sk_test_", b"rk_test_"), rb"[sr]k_(?:live|test)_[A-Za-z0-9]{20,}"),
    Rule("stripe_webhook_secret", (b"whsec_",), rb"whsec_[A-Za-z0-9+/]{32,64}={0,2}"),
    Rule("google_api_key", (b"AIza",), rb"AIza[\w\-]{35}"),
    Rule("google_oauth_secret", (b"GOCSPX-",), rb"GOCSPX-[\w\-]{28}"),
    Rule("google_oauth_token", (b"ya29.",), rb"ya29\.[\w\-]{30,}", reach=1100),
    Rule("openai_key", (b"sk-",), rb"sk-(?:(?:proj|svcacct|admin|None)-)?[\w\-]{16,}T3BlbkFJ[\w\-]{16,}"),
    Rule("anthropic_key", (b"sk-ant-",), rb"sk-ant-(?:api|admin|sid|oat)\d{2}-[\w\-]{80,}"),
    Rule("openrouter_key", (b"sk-or-v1-",), rb"sk-or-v1-[0-9a-f]{64}"),
    Rule("huggingface_token", (b"hf_", b"api_org_"), rb"(?:hf_|api_org_)[A-Za-z]{34}"),
    Rule("groq_key", (b"gsk_",), rb"gsk_[A-Za-z0-9]{52}"),
    Rule("replicate_token", (b"r8_",), rb"r8_[A-Za-z0-9]{37}"),
    Rule("perplexity_key", (b"pplx-",), rb"pplx-[A-Za-z0-9]{48}"),
    Rule("xai_key", (b"xai-",), rb"xai-[A-Za-z0-9]{80}"),
    Rule("npm_token", (b"npm_",), rb"npm_[A-Za-z0-9]{36}", 1.0, check=validators.crc32_base62),
    Rule("pypi_token", (b"pypi-AgE",), rb"pypi-AgE[\w\-]{50,}", reach=1100),
    Rule("rubygems_key", (b"rubygems_",), rb"rubygems_[0-9a-f]{48}"),
    Rule("crates_token", (b"cio",), rb"cio[A-Za-z0-9]{32}", 0.6, then=rb"[A-Za-z0-9]{12}", check=validators.looks_random),
    Rule("docker_token", (b"dckr_pat_", b"dckr_oat_"), rb"dckr_[po]at_[\w\-]{27,32}"),
    Rule("sendgrid_key", (b"SG.",), rb"SG\.[\w\-]{20,24}\.[\w\-]{39,50}"),
    Rule("twilio_key", (b"SK",), rb"SK[0-9a-f]{32}", then=rb"[0-9a-f]{8}"),
    Rule("twilio_account", (b"AC",), rb"AC[0-9a-f]{32}", 0.4, then=rb"[0-9a-f]{8}"),
    Rule("mailgun_key", (b"key-",), rb"key-[0-9a-f]{32}"),
    Rule("mailgun_key", (b"pubkey-",), rb"pubkey-[0-9a-f]{32}", 0.6),
    Rule("mailchimp_key", (b"-us",), rb"[0-9a-f]{32}-us\d{1,2}", back=32),
    Rule("telegram_token", (b":AA",), rb"\d{8,10}:AA[\w\-]{33}", back=10, inside=True),
    Rule("azure_storage_key", (b"AccountKey=", b"SharedAccessKey="), rb"(?:AccountKey|SharedAccessKey)=(?P<v>[A-Za-z0-9+/]{43,86}={1,2})"),
    Rule("azure_client_secret", (b"Q~",), rb"[A-Za-z0-9_~.\-]{3}\dQ~[A-Za-z0-9_~.\-]{31,34}", back=4),
    Rule("azure_sas", (b"sig=",), rb"sig=(?P<v>[A-Za-z0-9]{10,}(?:%2[BbFf]|[A-Za-z0-9+/]){20,50}(?:%3[Dd]|=))"),
    Rule("digitalocean_token", (b"dop_v1_", b"doo_v1_", b"dor_v1_"), rb"do[opr]_v1_[0-9a-f]{64}"),
    Rule("shopify_token", (b"shpat_", b"shpca_", b"shppa_", b"shpss_"), rb"shp(?:at|ca|pa|ss)_[0-9a-fA-F]{32}"),
    Rule("square_token", (b"sq0atp-", b"sq0csp-"), rb"sq0(?:atp-[\w\-]{22}|csp-[\w\-]{43})"),
    Rule("square_token", (b"EAAA",), rb"EAAA[a-zA-Z0-9\-_]{60}"),
    Rule("braintree_token", (b"access_token$",), rb"access_token\$(?:production|sandbox)\$[0-9a-z]{16}\$[0-9a-f]{32}"),
    Rule("databricks_token", (b"dapi",), rb"dapi[0-9a-f]{32}(?:-\d)?"),
    Rule("newrelic_key", (b"NRAK-", b"NRAL-", b"NRII-", b"NRJS-", b"NRRA-"), rb"NR(?:AK-[A-Z0-9]{27}|II-[\w\-]{32}|JS-[0-9a-f]{19}|RA-[0-9a-f]{42})"),
    Rule("grafana_token", (b"glsa_", b"glc_"), rb"gl(?:sa_[A-Za-z0-9]{32}_[0-9A-Fa-f]{8}|c_[A-Za-z0-9+/]{32,}={0,2})"),
    Rule("vault_token", (b"hvs.", b"hvb.", b"hvr."), rb"hv[sbr]\.[\w\-]{24,}"),
    Rule("terraform_token", (b".atlasv1.",), rb"[A-Za-z0-9]{14}\.atlasv1\.[\w\-=]{60,80}", back=14),
    Rule("doppler_token", (b"dp.pt.", b"dp.st.", b"dp.ct.", b"dp.sa.", b"dp.scim.", b"dp.audit."), rb"dp\.(?:pt|st|ct|sa|scim|audit)\.(?:[a-z0-9_\-]{2,35}\.)?[A-Za-z0-9]{40,44}"),
    Rule("linear_key", (b"lin_api_", b"lin_oauth_"), rb"lin_(?:api|oauth)_[A-Za-z0-9]{32,64}"),
    Rule("notion_token", (b"ntn_",), rb"ntn_\d{11}[A-Za-z0-9]{35}"),
    Rule("notion_token", (b"secret_",), rb"secret_[A-Za-z0-9]{43}", 0.9, check=validators.looks_random),
    Rule("airtable_token", (b"pat",), rb"pat[A-Za-z0-9]{14}\.[0-9a-f]{64}", then=rb"[A-Za-z0-9]{14}\."),
    Rule("postman_key", (b"PMAK-",), rb"PMAK-[0-9a-f]{24}-[0-9a-f]{34}"),
    Rule("atlassian_token", (b"ATATT3", b"ATCTT3", b"ATBB"), rb"AT(?:ATT3|CTT3|BB)[\w\-]{24,}(?:=[0-9A-F]{8})?"),
    Rule("figma_token", (b"figd_",), rb"figd_[\w\-]{40}"),
    Rule("facebook_token", (b"EAAC", b"EAAB", b"EAAG"), rb"EAA[A-Z][A-Za-z0-9]{80,}"),
    Rule("dropbox_token", (b"sl.",), rb"sl\.(?:u\.)?[\w\-]{130,}", reach=1200),
    Rule("mapbox_token", (b"sk.eyJ",), rb"sk\.eyJ[\w\-]{30,}\.[\w\-]{20,24}"),
    Rule("sentry_token", (b"sntrys_", b"sntryu_"), rb"sntry(?:u_[0-9a-f]{64}|s_[\w+/=\-]{60,})"),
    Rule("supabase_token", (b"sbp_", b"sb_secret_"), rb"sb(?:p_[0-9a-f]{40}|_secret_[\w\-]{31,40})"),
    Rule("planetscale_token", (b"pscale_",), rb"pscale_(?:tkn|pw|oauth)_[\w\-.]{32,64}"),
    Rule("pulumi_token", (b"pul-",), rb"pul-[0-9a-f]{40}"),
    Rule("sonar_token", (b"squ_", b"sqp_", b"sqa_"), rb"sq[upa]_[0-9a-f]{40}"),
    Rule("fly_token", (b"fm2_", b"fo1_"), rb"f(?:m2_[A-Za-z0-9+/]{100,}={0,3}|o1_[\w\-]{43})", reach=1200),
    Rule("heroku_key", (b"HRKU-",), rb"HRKU-[\w\-]{36,80}"),
    Rule("circleci_token", (b"CCIPAT_", b"CCIPRJ_"), rb"CCIP(?:AT|RJ)_[A-Za-z0-9]{20,24}_[0-9a-f]{40}"),
    Rule("buildkite_token", (b"bkua_", b"bkct_"), rb"bk(?:ua|ct)_[A-Za-z0-9]{32,40}"),
    Rule("clojars_token", (b"CLOJARS_",), rb"CLOJARS_[0-9a-f]{60}"),
    Rule("jfrog_token", (b"AKCp", b"cmVmdGtu"), rb"(?:AKCp[A-Za-z0-9]{69}|cmVmdGtu[A-Za-z0-9]{56})"),
    Rule("artifactory_token", (b"eyJ2ZXIiOi",), rb"eyJ2ZXIiOi[\w\-]{20,}\.[\w\-]{20,}\.[\w\-]{20,}", reach=8192),
    Rule("age_secret_key", (b"AGE-SECRET-KEY-1",), rb"AGE-SECRET-KEY-1[QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L]{58}"),
    Rule("firebase_key", (b":APA91b",), rb"AAAA[\w\-]{7}:APA91b[\w\-]{120,}", back=11),
    Rule("onepassword_token", (b"ops_eyJ",), rb"ops_eyJ[\w\-]{200,}={0,2}", reach=2200),
    Rule("duffel_token", (b"duffel_",), rb"duffel_(?:test|live)_[\w\-=]{43}"),
    Rule("easypost_key", (b"EZAK", b"EZTK"), rb"EZ[AT]K[A-Za-z0-9]{54}"),
    Rule("shippo_token", (b"shippo_",), rb"shippo_(?:live|test)_[0-9a-f]{40}"),
    Rule("jwt", (b"eyJ",), rb"eyJ[\w\-]{8,}\.[\w\-]{4,}\.[\w\-]*(?:\.[\w\-]{4,}\.[\w\-]{4,})?", 0.95, check=validators.jwt, reach=16384),
    Rule("basic_auth", (b"Basic ", b"basic "), rb"[Bb]asic (?P<v>[A-Za-z0-9+/_\-]{8,}={0,2})", 0.8, check=_basic),
    Rule("bearer_token", (b"Bearer ", b"bearer "), rb"[Bb]earer (?P<v>[A-Za-z0-9._~+/\-]{16,}=*)", 0.8, check=_bearer, reach=1100),
    Rule("connection_string", (b"://",), rb"://[^\s:/@\"'<>`\\]*:(?P<v>[^\s/:@\"'<>`\\]{2,200})@[\w\[.\-]", 0.9, check=_url_password, reach=320, inside=True),
    Rule("connection_string", (b"@tcp(", b"@unix("), rb"[\w.\-]+:(?P<v>[^\s:@\"'`]{2,200})@(?:tcp|unix)\(", 0.9, back=240, check=_url_password, inside=True),
    Rule("password", (b"curl ", b"wget ", b"docker login "), rb"(?:curl|wget|docker)[^\n|;]*?\s(?:-u|--user)[ =]?[\"']?[^\s:\"'=\-]+:(?P<v>[^\s\"']{4,200})", 0.8, check=_url_password),
    Rule("password", (b"mysql", b"mariadb", b"sshpass ", b"docker login "), rb"(?:mysql\w*|mariadb\w*|sshpass|docker login)(?:\s[^\n|;]*?)?\s(?:-p|--password[ =])[\"']?(?P<v>[^\s\"']{4,200})", 0.8, check=_url_password),
    Rule("password", (b"sshpass ", b"docker login "), rb"(?:sshpass|docker login)(?:\s[^\n|;]*?)?\s-p [\"']?(?P<v>[^\s\"'\-][^\s\"']{3,200})", 0.8, check=_url_password),
)
# fmt: on
