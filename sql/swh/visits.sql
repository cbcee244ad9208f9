-- Every full visit of the origins asked for.
--
-- Reads   origin_visit_status, origin_visit (streams; dates in microseconds since 1970), wanted(origin),
--         patterns(pattern).
-- Columns of the table `visits`: origin, date, snapshot, type.
CREATE TABLE visits AS
SELECT DISTINCT s.origin, s.date, s.snapshot, coalesce(s.type, v.type) AS type
FROM (
    SELECT *
    FROM origin_visit_status
    WHERE status = 'full' AND snapshot IS NOT NULL AND date IS NOT NULL
      AND (origin IN (SELECT w.origin FROM wanted w)
           OR EXISTS (SELECT 1 FROM patterns p WHERE origin LIKE p.pattern ESCAPE '\'))
) s
-- Old messages of the archive have no type in the status; the visit has it.
LEFT JOIN (SELECT DISTINCT origin, visit, type FROM origin_visit) v USING (origin, visit)
