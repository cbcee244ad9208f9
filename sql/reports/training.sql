-- Models trained on the lake
-- How did the loss of each training run fall?
--
-- Section Models
-- Reads   checkpoints
-- Columns run       name of the run
--         step      updates so far
--         tokens    tokens seen so far
--         loss      training loss, nats a token
--         release   release it was trained on, – for none
--         saved_at  when the checkpoint was saved (UTC)
-- Plot    line x=step y=loss color=run
-- Says    The newest checkpoint, step {last[step]} of {last[run]}, has a loss of {last[loss]} nats a token;
--         checkpoints in all: {rows}.
-- Empty   `checkpoints` has no rows: `codelake train nano` trains a small model on this lake.
SELECT run, step, tokens, round(loss, 4) AS loss, release, saved_at
FROM checkpoints
ORDER BY saved_at, run, step
