-- What is said of the licence of each file: by itself, by a path pattern, and by the nearest folder that says anything.
--
-- Reads   paths(tree, path), all files; own_licenses, license_scopes, license_patterns (lake/licenses/propagate.py).
-- Columns tree, path; own, own_source; pattern, precedence, pattern_source; scope, scope_source, scope_how; all but the
--         first two NULL where nothing is said. What holds follows from the distinct (own, pattern, precedence, scope),
--         of which there are few (`settlements`).
--
-- Cost: each distinct folder is joined once with each folder above it, by equality.
CREATE OR REPLACE TABLE stated_licenses AS
WITH files AS (
    SELECT tree, path, regexp_extract(path, '^(.*)/', 1) AS directory FROM paths
),
ancestors AS (
    SELECT tree, directory, depth, array_to_string(names[1:depth], '/') AS above
    FROM (
        SELECT *, unnest(range(len(names) + 1)) AS depth
        FROM (
            SELECT DISTINCT tree, directory, CASE WHEN directory = '' THEN [] ELSE string_split(directory, '/') END AS names
            FROM files
            -- A tree that says nothing costs nothing more.
            SEMI JOIN license_scopes USING (tree)
        )
    )
),
nearest AS (
    SELECT ancestors.tree, ancestors.directory, max_by(scopes, depth) AS found
    FROM ancestors
    JOIN license_scopes AS scopes ON scopes.tree = ancestors.tree AND scopes.directory = ancestors.above
    GROUP BY ALL
),
matched AS (
    SELECT files.tree, files.path, max_by(patterns, patterns."order") AS found
    FROM files
    JOIN license_patterns AS patterns ON patterns.tree = files.tree AND regexp_full_match(files.path, patterns.regex)
    GROUP BY ALL
)
SELECT
    files.tree, files.path,
    own.spdx AS own, own.source AS own_source,
    matched.found.spdx AS pattern, matched.found.precedence AS precedence, matched.found.source AS pattern_source,
    nearest.found.spdx AS scope, nearest.found.source AS scope_source, nearest.found.how AS scope_how
FROM files
LEFT JOIN own_licenses AS own USING (tree, path)
LEFT JOIN matched USING (tree, path)
LEFT JOIN nearest USING (tree, directory);
