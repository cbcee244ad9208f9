import pyarrow as pa
import pytest

from codelake.engine.duck import Evaluator
from codelake.engine.errors import StreamError
from codelake.engine.scan import classify
from codelake.engine.tables import TableFiles

SCHEMA = pa.schema(
    [
        ("blob_id", pa.string()),
        ("content", pa.large_string()),
        ("language", pa.string()),
        ("stars", pa.int64()),
        ("tags", pa.list_(pa.string())),
        ("origin", pa.struct([("host", pa.string())])),
    ]
)
TABLES = {
    "code": TableFiles(name="code", snapshot=7, schema=SCHEMA, files=()),
    "notes": TableFiles(name="notes", snapshot=1, schema=pa.schema([("body", pa.string())]), files=()),
}
ROWS = pa.table(
    {
        "blob_id": ["00ff", "11ff", "22ff"],
        "content": ["a", "B", None],
        "language": ["C", "Rust", "C"],
        "stars": [1, 2, 3],
        "tags": [["x"], [], None],
        "origin": [{"host": "h"}, None, {"host": "g"}],
    },
    schema=SCHEMA,
)


@pytest.mark.parametrize(
    ("sql", "texts", "columns"),
    [
        ("SELECT content FROM code", ["a", "B", None], "blob_id content"),
        ("from Code", ["a", "B", None], "blob_id content language stars tags origin"),
        ("SELECT c.Content AS text FROM code AS c WHERE C.stars > 1", ["B", None], "blob_id content stars"),
        ("SELECT language FROM code WHERE stars IN (1, 3)", ["C", "C"], "blob_id language stars"),
        ("SELECT stars, lower(content) AS small FROM code WHERE small = 'b'", ["b"], "blob_id content stars"),
        ("SELECT lower(content) AS content FROM code WHERE content = 'B'", ["b"], "blob_id content"),
        ("SELECT language AS content, content AS other FROM code WHERE other = 'a'", ["C"], "blob_id content language"),
        ("SELECT tags[1] FROM code WHERE len(tags) > 0", ["x"], "blob_id tags"),
        ("SELECT list_transform(tags, lambda t: t || '!')[1] AS text FROM code", ["x!", None, None], "blob_id tags"),
        ("SELECT [t FOR t IN tags IF t > 'a'][1] AS text FROM code", ["x", None, None], "blob_id tags"),
        ("SELECT code.origin.host FROM code WHERE origin.host IS NOT NULL", ["h", "g"], "blob_id origin"),
        ("SELECT 'constant' AS text FROM code", ["constant"] * 3, "blob_id"),
        (
            "SELECT split_part(content, 'x', 1) FROM code WHERE if(stars = 1, true, false)",
            ["a"],
            "blob_id content stars",
        ),
        ("SELECT COLUMNS('cont.*') FROM code", ["a", "B", None], "blob_id content language stars tags origin"),
        (
            "SELECT * EXCLUDE (blob_id, content) REPLACE ('y' || language AS language) RENAME (stars AS n) FROM code",
            ["yC", "yRust", "yC"],
            "blob_id content language stars tags origin",
        ),
        (
            "SELECT content FROM code WHERE content ILIKE 'A' AND NOT regexp_matches(content, 'z') "
            "AND stars BETWEEN 0 AND 2 AND CASE WHEN stars > 0 THEN true ELSE false END "
            "AND coalesce(content COLLATE nocase = 'A', false)",
            ["a"],
            "blob_id content stars",
        ),
    ],
)
def test_scans_are_recognised_and_run(sql: str, texts: list[str | None], columns: str) -> None:
    scan = classify(sql, TABLES)
    assert scan.columns == tuple(columns.split())
    with Evaluator() as evaluator:
        found, blob_ids = scan.texts(ROWS.select(list(scan.columns)), evaluator)
    assert found.to_pylist() == texts
    assert blob_ids is not None
    assert len(blob_ids) == len(texts)


def test_a_table_without_blob_id_has_no_keys() -> None:
    scan = classify("SELECT body FROM notes", TABLES)
    with Evaluator() as evaluator:
        assert scan.texts(pa.table({"body": ["x"]}), evaluator)[1] is None


def test_layout_of_the_sql_does_not_matter() -> None:
    one = classify("select content from code where stars>1 and language='C'", TABLES)
    two = classify("SELECT content\n  FROM code -- all\n  WHERE (stars > 1) AND language = 'C';", TABLES)
    assert one.sql == two.sql


@pytest.mark.parametrize(
    ("sql", "found"),
    [
        ("SELECT content FROM code JOIN notes ON true", "a join"),
        ("SELECT content FROM code, notes", "a join"),
        ("SELECT content FROM (SELECT content FROM code)", "a subquery"),
        ("SELECT content FROM code WHERE stars IN (SELECT 1)", "a subquery"),
        ("SELECT content FROM code WHERE EXISTS (SELECT 1)", "a subquery"),
        ("SELECT content FROM code WHERE stars = ANY ([1, 2])", "a subquery"),
        ("SELECT content FROM code UNION ALL SELECT body FROM notes", "a set operation"),
        ("SELECT max(content) FROM code", r"max\(\)"),
        ("SELECT geomean(stars)::VARCHAR AS content FROM code", r"aggregate function avg\(\)"),
        ("SELECT DISTINCT content FROM code", "DISTINCT"),
        ("SELECT content, row_number() OVER () FROM code", "a window function"),
        ("SELECT content FROM code QUALIFY row_number() OVER () = 1", "QUALIFY"),
        ("SELECT content FROM code GROUP BY content", "GROUP BY"),
        ("SELECT content FROM code GROUP BY ALL", "GROUP BY"),
        ("SELECT 'x' AS text FROM code HAVING stars > 1", "HAVING"),
        ("SELECT content FROM code ORDER BY stars", "ORDER BY"),
        ("SELECT content FROM code LIMIT 3", "LIMIT"),
        ("SELECT content FROM code LIMIT 3%", "LIMIT"),
        ("SELECT content FROM code OFFSET 3", "LIMIT"),
        ("SELECT content FROM code TABLESAMPLE 10%", "SAMPLE"),
        ("SELECT content FROM code USING SAMPLE 10", "SAMPLE"),
        ("WITH a AS (SELECT 1) SELECT content FROM code", "CTE"),
        ("SELECT content FROM read_text('/etc/hosts')", "table function read_text"),
        ("SELECT unnest(tags) AS content FROM code", "table function unnest"),
        ("SELECT content FROM code WHERE random() < 0.5", r"random\(\), whose answer"),
        ("SELECT content || uuid() AS content FROM code", r"uuid\(\)"),
        ("SELECT content FROM code WHERE now() > '2026-01-01'", r"now\(\)"),
        ("SELECT content FROM code WHERE current_date > '2026-01-01'", "current_date"),
        ("SELECT content FROM code WHERE current_timestamp > '2026-01-01'", "current_timestamp"),
        ("SELECT content FROM code WHERE ago(INTERVAL 1 DAY) > '2026-01-01'", "current_timestamp"),
        ("SELECT content FROM code WHERE current_setting('threads') = '1'", "current_setting"),
        ("SELECT content FROM code WHERE stars = ?", "a parameter"),
        ("SELECT content FROM code AT (VERSION => 3)", "AT"),
        ("SELECT x FROM code AS c(x)", "column aliases"),
        ("DESCRIBE code", "DESCRIBE"),
        ("VALUES ('a')", "VALUES"),
        ("SELECT 'a' AS text", "no table"),
        ("SELECT content FROM code; SELECT 1", "2 statements"),
        ("", "0 statements"),
        ("COPY code TO 'x'", "not a SELECT"),
        ("SELEC content", "syntax error"),
    ],
)
def test_what_cannot_be_streamed_is_named(sql: str, found: str) -> None:
    with pytest.raises(StreamError, match=f"{found}.*; only a scan of one table"):
        classify(sql, TABLES)


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        ("SELECT content FROM cod", "unknown table cod; nearest: code"),
        ("SELECT content FROM other.code", r"unknown table other\.code; nearest: code"),
        ("SELECT content FROM '/etc/hosts'", "unknown table /etc/hosts; nearest: code, notes"),
        ("SELECT contents FROM code", "unknown column contents; nearest: content"),
        ("SELECT content FROM code c WHERE c.langage = 'C'", r"unknown column c\.langage; nearest: language"),
        ("SELECT content FROM code WHERE localtimestamp > '2026-01-01'", "unknown column localtimestamp"),
        ("SELECT lowr(content) FROM code", "unknown function lowr; nearest: lower"),
        ("SELECT blob_id, language FROM code", "VARCHAR columns here: blob_id, language"),
        ("SELECT stars FROM code", "VARCHAR columns here: none"),
        ("SELECT stars AS content, language FROM code", "column content is int64"),
    ],
)
def test_mistakes_are_explained(sql: str, message: str) -> None:
    with pytest.raises(StreamError, match=message):
        classify(sql, TABLES)


def test_a_value_that_an_expression_cannot_take_is_an_error() -> None:
    scan = classify("SELECT content FROM code WHERE language::INTEGER > 1", TABLES)
    with Evaluator() as evaluator, pytest.raises(StreamError, match="Could not convert string 'C'"):
        scan.texts(ROWS.select(list(scan.columns)), evaluator)


def test_the_evaluator_reaches_neither_files_nor_python() -> None:
    ROWS_ELSEWHERE = ROWS
    assert ROWS_ELSEWHERE.num_rows == 3
    with Evaluator() as evaluator:
        for sql in ("SELECT * FROM read_text('/etc/hosts')", "FROM ROWS_ELSEWHERE", "SET threads = 2"):
            with pytest.raises(StreamError):
                evaluator.arrow(sql)
