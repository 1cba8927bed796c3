-- How far is each partition counted, and when did the months of a period change last?
-- Parameters: since and until (UTC, [since, until)): the period in question.
-- Units: counted_to = the next offset to count; counted_at = when its newest finished claim was made; open = 1 while a delta is
--   announced and has not landed whole; changed_at = the newest claim with rows in a month of the period, NULL if none is
--   remembered (claims_kept_days): late events after the fact; as_of = now. Moments are UTC.
-- Kafka's end is not known here: `tagpulse status` adds the lag, and says whether the period is final.
SELECT
    counted.topic AS topic,
    counted.partition AS partition,
    counted.counted_to AS counted_to,
    counted.counted_at AS counted_at,
    counted.open AS open,
    counted.changed_at AS changed_at,
    now64(3, 'UTC') AS as_of
FROM
(
    SELECT
        topic, incarnation, partition,
        maxIf(next, done) AS counted_to,
        maxIf(claimed_at, done) AS counted_at,
        max((first, next, done)).3 = 0 AS open,
        maxIf(toNullable(claimed_at), arrayExists(
            month -> month BETWEEN toYYYYMM({since:DateTime('UTC')}) AND toYYYYMM({until:DateTime('UTC')} - 1),
            months)) AS changed_at
    FROM claims
    GROUP BY topic, incarnation, partition
) AS counted
LEFT ANY JOIN (SELECT topic, max(incarnation) AS in_force FROM incarnations GROUP BY topic) AS lives ON lives.topic = counted.topic
WHERE counted.incarnation >= lives.in_force
ORDER BY topic, partition
