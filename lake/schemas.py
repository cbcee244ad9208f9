"""The lake's tables: columns with their documentation, partitions and sort order, as Iceberg schemas.

Column names follow The Stack v2 wherever a column means the same. Times are UTC without a zone. Field ids are positions
in these lists, so a new column goes at the end of its table.
"""

from dataclasses import dataclass

from pyiceberg.partitioning import PartitionField, PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.table.sorting import NullOrder, SortDirection, SortField, SortOrder
from pyiceberg.transforms import IdentityTransform, MonthTransform
from pyiceberg.types import (
    BinaryType,
    BooleanType,
    DoubleType,
    IcebergType,
    ListType,
    LongType,
    NestedField,
    StringType,
    TimestampType,
)

from ..engine.parquet import FILE_BYTES

NAMESPACE = "code"

TYPES: dict[str, type[IcebergType]] = {
    "string": StringType,
    "long": LongType,
    "double": DoubleType,
    "boolean": BooleanType,
    "binary": BinaryType,
    "timestamp": TimestampType,
}


@dataclass(frozen=True, kw_only=True)
class Table:
    """One table: `columns` are (name, type, documentation); a type ending in `!` may not be NULL.

    `partition` holds column names, or `month(column)`. `sort` is the order rows are written in within a file;
    a file that has reached `file_bytes` is finished.
    """

    name: str
    doc: str
    columns: tuple[tuple[str, str, str], ...]
    partition: tuple[str, ...] = ()
    sort: tuple[str, ...] = ()
    file_bytes: int = FILE_BYTES

    def schema(self) -> Schema:
        """The Iceberg schema; list elements take ids from 1000 up, as ids are unique in a table."""
        fields = []
        for number, (name, kind, doc) in enumerate(self.columns, start=1):
            base = kind.rstrip("!")
            field_type: IcebergType = (
                ListType(element_id=1000 + number, element=StringType(), element_required=False)
                if base == "list"
                else TYPES[base]()
            )
            fields.append(
                NestedField(field_id=number, name=name, field_type=field_type, required=kind.endswith("!"), doc=doc)
            )
        return Schema(*fields)

    def field_id(self, column: str) -> int:
        """The field id of `column`."""
        return [name for name, _, _ in self.columns].index(column) + 1

    def partition_columns(self) -> tuple[tuple[str, str], ...]:
        """(key in the hive path, source column) for each partition field."""
        return tuple(
            (f"{item[6:-1].removesuffix('_date')}_month", item[6:-1]) if item.startswith("month(") else (item, item)
            for item in self.partition
        )

    def partition_spec(self) -> PartitionSpec:
        """The Iceberg partition spec."""
        return PartitionSpec(
            *(
                PartitionField(
                    source_id=self.field_id(column),
                    field_id=2000 + number,
                    transform=IdentityTransform() if key == column else MonthTransform(),
                    name=key if key != column else column,
                )
                for number, (key, column) in enumerate(self.partition_columns())
            )
        )

    def sort_order(self) -> SortOrder:
        """The Iceberg sort order."""
        return SortOrder(
            *(
                SortField(
                    source_id=self.field_id(column),
                    transform=IdentityTransform(),
                    direction=SortDirection.ASC,
                    null_order=NullOrder.NULLS_FIRST,
                )
                for column in self.sort
            )
        )


_STAGE = ("stage_hash", "string!", "hash of the code version and settings of the stage that wrote the row")
_BLOB = ("blob_id", "string!", "SWHID of the content without its prefix: git's sha1 of the blob, 40 hex digits")
_METRICS = (
    ("num_lines", "long", "lines of the decoded text, as str.splitlines() counts them; NULL if not decoded"),
    ("avg_line_length", "double", "characters a line, line ends left out"),
    ("max_line_length", "long", "characters of the longest line"),
    ("alphanum_fraction", "double", "share of characters that are letters or digits"),
    ("alpha_fraction", "double", "share of characters that are letters"),
)

REPOS = Table(
    name="repos",
    doc="One visit of one repository: what was seen, where and when",
    columns=(
        ("repo_name", "string!", "name the source gives it: owner/name, or the package's name"),
        ("repo_url", "string!", "origin URL (a purl for packages): with visit_date it identifies the visit"),
        ("source", "string!", "the source as the user named it"),
        ("host", "string", "host of the origin"),
        ("owner", "string", "owner of the repository on its host"),
        ("vcs", "string!", "git, hg, svn, archive, package, forge or folder"),
        ("fork_of", "string", "repo_name of the repository this one was forked from"),
        ("stars", "long", "stars at the visit"),
        ("forks", "long", "forks at the visit"),
        ("branch_name", "string", "branch that was read; the default branch unless another was asked for"),
        ("visit_date", "timestamp!", "when it was visited"),
        ("snapshot_id", "string", "SWHID hex of the snapshot (all branches)"),
        ("revision_id", "string", "SWHID hex of the revision, or the version for packages"),
        (
            "directory_id",
            "string",
            "SWHID hex of the root directory: git's sha1 of the tree; NULL if a file was unread",
        ),
        ("revision_date", "timestamp", "author date of the revision"),
        ("author", "string", "author of the revision, name <mail>"),
        ("committer", "string", "committer of the revision, name <mail>"),
        ("committer_date", "timestamp", "commit date of the revision"),
        ("parents", "list", "SWHID hex of the parent revisions"),
        ("declared_license", "string", "licence as the source declares it, word for word, one candidate a line"),
        ("num_files", "long!", "files of this visit, dropped ones left out"),
        ("length_bytes", "long!", "bytes of those files"),
        ("release_id", "string", "SWHID hex of the release: of the annotated tag that was asked for"),
    ),
    partition=("month(visit_date)",),
    sort=("repo_name",),
)

FILES = Table(
    name="files",
    doc="One path in one visit; every occurrence is kept",
    columns=(
        ("repo_name", "string!", "repos.repo_name"),
        ("repo_url", "string!", "repos.repo_url"),
        ("visit_date", "timestamp!", "repos.visit_date"),
        ("revision_id", "string", "repos.revision_id"),
        ("path", "string!", "path in the repository with / between names; undecodable bytes as \\xNN"),
        _BLOB,
        ("mode", "string!", "git file mode: 100644, 100755, 120000 (symbolic link)"),
        ("length_bytes", "long!", "bytes of the content"),
        ("language", "string", "Linguist's language of this path and content"),
        ("language_type", "string", "Linguist's type: programming, data, markup, prose"),
        ("language_group", "string", "Linguist's group, the language itself where it has none"),
        ("extension", "string", "last suffix of the name, lower case, without the dot"),
        ("is_vendor", "boolean", "third-party path by Linguist's vendor rules"),
        ("is_generated", "boolean", "generated by Linguist's rules on path and content; NULL where no rule was run"),
        ("is_documentation", "boolean", "documentation path by Linguist's rules"),
        ("is_test", "boolean", "test path; NULL where no rule was run"),
        ("detector", "string", "name and data version of what named the language"),
        (
            "derived_from",
            "string",
            "blob_id of the notebook this text was made from; its path lies below the notebook's",
        ),
    ),
    partition=("month(visit_date)",),
    sort=("repo_name", "path"),
)

BLOBS = Table(
    name="blobs",
    doc="One distinct content, stored once however often it was seen",
    columns=(
        _BLOB,
        ("sha1", "string!", "sha1 of the bytes: the key of Software Heritage's object store"),
        ("sha256", "string!", "sha256 of the bytes"),
        ("length_bytes", "long!", "bytes of the content"),
        ("src_encoding", "string", "encoding the bytes decode from; NULL if binary or unknown"),
        ("is_binary", "boolean!", "a NUL byte in the first 8,000 bytes, git's rule"),
        ("content", "binary", "the bytes as they were read; NULL for contents that are not kept (see drops)"),
        *_METRICS,
        ("language", "string", "language at first sight"),
        ("repo_name", "string!", "repository of first sight"),
        ("path", "string!", "path of first sight"),
        ("first_seen", "timestamp!", "visit_date of first sight"),
    ),
    partition=("language",),
    sort=("repo_name", "path"),
)

LICENSES = Table(
    name="licenses",
    doc="One licence finding in one blob; offsets in characters of the decoded text, end exclusive",
    columns=(
        _BLOB,
        ("spdx", "string!", "SPDX licence expression"),
        ("start_offset", "long", "first character of the evidence"),
        ("end_offset", "long", "one past its last character"),
        ("score", "double", "confidence from 0 to 1"),
        ("rule", "string", "rule or template that matched"),
        ("detector", "string!", "detector and version"),
        _STAGE,
    ),
)

FINDINGS = Table(
    name="findings",
    doc="One span of personal data or of a secret in one blob; offsets in characters, end exclusive",
    columns=(
        _BLOB,
        ("kind", "string!", "email, ip, phone, card, api_key, private_key, password, jwt …"),
        ("start_offset", "long!", "first character of the span"),
        ("end_offset", "long!", "one past its last character"),
        ("detector", "string!", "detector and version"),
        ("score", "double", "confidence from 0 to 1"),
        ("replacement", "string", "text that stands for the span in code.content"),
        _STAGE,
    ),
)

DUPLICATES = Table(
    name="duplicates",
    doc="One member of one cluster of near-duplicates",
    columns=(
        _BLOB,
        ("cluster_id", "string!", "smallest blob_id of the cluster"),
        ("jaccard", "double!", "verified Jaccard similarity to the representative"),
        ("representative", "string!", "blob_id kept for the cluster"),
        _STAGE,
    ),
)

SYMBOLS = Table(
    name="symbols",
    doc="One definition, import or call in one blob; byte spans, end exclusive, lines from 1",
    columns=(
        _BLOB,
        ("language", "string", "language whose grammar parsed the blob"),
        ("kind", "string!", "function, class, method, import, call …"),
        ("name", "string!", "the symbol's name"),
        ("qualified_name", "string", "name with its enclosing scopes"),
        ("parent", "string", "qualified name of the enclosing symbol"),
        ("start_byte", "long!", "first byte"),
        ("end_byte", "long!", "one past the last byte"),
        ("start_line", "long!", "first line"),
        ("end_line", "long!", "last line"),
        ("docstring_start_byte", "long", "first byte of its documentation"),
        ("docstring_end_byte", "long", "one past the last byte of its documentation"),
        _STAGE,
    ),
    partition=("language",),
)

DROPS = Table(
    name="drops",
    doc="One file or blob left out, by which stage, and why",
    columns=(
        ("blob_id", "string", "content, NULL if it could not be read"),
        ("path", "string", "path of the occurrence"),
        ("repo_name", "string", "repository of the occurrence"),
        ("stage", "string!", "stage that left it out"),
        ("reason", "string!", "why, one word: binary, empty, too-large, unreadable, exact-duplicate …"),
        ("value", "string", "what was measured or found"),
        ("threshold", "string", "the limit it was held against"),
        ("repo_url", "string", "origin of the occurrence"),
        ("visit_date", "timestamp", "visit of the occurrence"),
    ),
    partition=("stage",),
)

OPTOUTS = Table(
    name="optouts",
    doc="One request to leave code out",
    columns=(
        ("request_id", "string!", "identifier of the request"),
        ("kind", "string!", "owner, repository, author or file"),
        ("value", "string!", "whom or what it names"),
        ("requester", "string", "who asked"),
        ("evidence", "string", "how it was verified"),
        ("status", "string!", "received, granted, refused, applied"),
        ("requested_at", "timestamp!", "when it was received"),
        ("decided_at", "timestamp", "when it was decided"),
        ("applied_at", "timestamp", "when every version had been cleared"),
    ),
)

CODE = Table(
    name="code",
    doc="The curated row people query and train on: one canonical occurrence of each kept content",
    columns=(
        _BLOB,
        ("repo_name", "string!", "repository of the canonical occurrence"),
        ("path", "string!", "its path"),
        ("content", "string!", "decoded text, redacted"),
        ("language", "string!", "Linguist's language"),
        ("language_type", "string", "programming, data, markup, prose"),
        ("license_type", "string!", "permissive, weak-copyleft, copyleft, public-domain, … unknown, none"),
        ("license", "string", "SPDX expression that holds for this file"),
        ("detected_licenses", "list", "SPDX licences found for it"),
        ("extension", "string", "last suffix, lower case, without the dot"),
        ("is_vendor", "boolean", "third-party path"),
        ("is_generated", "boolean", "generated file; NULL where no rule was run"),
        ("is_documentation", "boolean", "documentation path"),
        ("is_test", "boolean", "test path; NULL where no rule was run"),
        ("length_bytes", "long!", "bytes of the original content"),
        ("src_encoding", "string!", "encoding the original was decoded from"),
        *_METRICS,
        ("num_occurrences", "long!", "occurrences of this content in the latest visits"),
        ("repo_url", "string!", "origin URL"),
        ("host", "string", "host of the origin"),
        ("owner", "string", "owner on its host"),
        ("vcs", "string!", "git, hg, svn, archive, package, forge or folder"),
        ("fork_of", "string", "repository it was forked from"),
        ("stars", "long", "stars at the visit"),
        ("forks", "long", "forks at the visit"),
        ("branch_name", "string", "branch that was read at that visit"),
        ("visit_date", "timestamp!", "first visit that had this content at this path"),
        ("snapshot_id", "string", "SWHID hex of the snapshot of that visit"),
        ("revision_id", "string", "SWHID hex of its revision, or the version for packages"),
        ("directory_id", "string", "SWHID hex of its root directory"),
        ("revision_date", "timestamp", "author date of the revision"),
        ("committer_date", "timestamp", "commit date of the revision"),
    ),
    partition=("language", "license_type"),
    sort=("repo_name", "path"),
    # Files are written anew when a row in them changes, and shared by every release that has them unchanged.
    file_bytes=16_000_000,
)

CHECKPOINTS = Table(
    name="checkpoints",
    doc="One saved model",
    columns=(
        ("run", "string!", "name of the training run"),
        ("step", "long!", "optimizer steps taken"),
        ("tokens", "long!", "tokens trained on"),
        ("path", "string!", "folder of the checkpoint"),
        ("saved_at", "timestamp!", "when it was saved"),
        ("loss", "double", "training loss at the step, nats a token"),
        ("bpb", "double", "bits per byte on held-out text"),
        ("metrics", "string", "all metrics as JSON"),
        ("release", "string", "release it was trained on, if any"),
        ("snapshot", "long", "Iceberg snapshot of the table it was trained on"),
        ("sql", "string", "the query that was its training set"),
        ("plan", "string", "sha256 of the stream's plan"),
        ("recipe", "string", "recipe as JSON"),
        ("versions", "string", "versions of what trained it, as JSON"),
    ),
    partition=("run",),
)

TABLES: dict[str, Table] = {
    table.name: table
    for table in (
        REPOS,
        FILES,
        BLOBS,
        LICENSES,
        FINDINGS,
        DUPLICATES,
        SYMBOLS,
        DROPS,
        OPTOUTS,
        CODE,
        CHECKPOINTS,
    )
}
