-- The revisions that a main branch points to, directly or by a release.
--
-- Reads   revision (a stream; dates in microseconds since 1970), heads, releases.
-- Columns of the table `revisions`: id, directory, author, date, committer, committer_date.
CREATE TABLE revisions AS
SELECT DISTINCT ON (id) id, directory, author, date, committer, committer_date
FROM revision
SEMI JOIN (
    SELECT target AS head FROM heads WHERE target_type = 'revision'
    UNION
    SELECT target FROM releases WHERE target_type = 'revision'
) ON head = revision.id
