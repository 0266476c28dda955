-- One row per commit; the partitions are days of UTC, made when they are needed and dropped when they are over.
CREATE TABLE history_commits (
  room text NOT NULL,
  rev bigint NOT NULL,
  commit_id bigint NOT NULL,
  prev_rev bigint NOT NULL,
  prev_id bigint NOT NULL,
  at_ms bigint NOT NULL,
  record bytea NOT NULL,
  PRIMARY KEY (room, rev, commit_id, at_ms)
) PARTITION BY RANGE (at_ms);
CREATE INDEX history_commits_time ON history_commits (room, at_ms, rev);

-- The states to replay from, one per room and day.
CREATE TABLE history_states (
  room text NOT NULL,
  rev bigint NOT NULL,
  commit_id bigint NOT NULL,
  at_ms bigint NOT NULL,
  record bytea NOT NULL,
  PRIMARY KEY (room, rev, commit_id, at_ms)
) PARTITION BY RANGE (at_ms);

-- When somebody was shown online and offline last.
CREATE TABLE history_people (
  user_id text PRIMARY KEY,
  last_online_ms bigint,
  last_offline_ms bigint
);

-- One row per event, for people and other tools.
CREATE VIEW history_events AS
SELECT c.room, (step ->> 'rev')::bigint AS rev, e.place AS seq, e.event ->> 'event' AS event, step ->> 'by' AS by,
  to_timestamp(c.at_ms / 1000.0) AS at, c.at_ms, e.event AS fields
FROM history_commits c,
  jsonb_array_elements(convert_from(c.record, 'UTF8')::jsonb -> 'steps') AS step,
  jsonb_array_elements(step -> 'events') WITH ORDINALITY AS e (event, place);
