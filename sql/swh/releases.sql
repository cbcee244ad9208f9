-- The releases that a main branch points to.
--
-- Reads   release (a stream), heads.
-- Columns of the table `releases`: id, target, target_type.
CREATE TABLE releases AS
SELECT DISTINCT id, target, target_type
FROM release
SEMI JOIN (SELECT target AS head FROM heads WHERE target_type = 'release') ON head = release.id
