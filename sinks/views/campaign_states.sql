-- Which campaigns are defined, and from which event time on are their hashtags counted as one, exactly?
-- No parameters. One row per campaign that was not removed.
-- exact_from: begin of the first minute (UTC) that no event counted under another definition can lie in. An event lies at
--   most max_future_s after the clock of the claim it was counted under, so this is the latest clock of a claim by rules
--   without this very definition, plus that. It moves while workers still count by older rules. 1970-01-01: always was.
-- A backfill counts again what lies before its end: of claims before that only those are left that it could not count, whose
--   latest event time it keeps. Claims that were forgotten have left their rules and clocks in rules_used.
WITH
    newest AS
    (
        SELECT *, concat(name, '.', toString(first_version)) AS definition
        FROM (SELECT *, min(version) OVER (PARTITION BY name, hashtags) AS first_version FROM campaigns)
        ORDER BY name, version DESC LIMIT 1 BY name
    ),
    used AS
    (
        SELECT toString(topic) AS topic, incarnation, partition, toString(rules) AS rules, clock, next
        FROM claims WHERE records > 0
        UNION ALL
        SELECT toString(topic), incarnation, partition, toString(rules), max(last_clock), max(next_offset)
        FROM rules_used GROUP BY topic, incarnation, partition, rules
    ),
    backfills AS
    (
        SELECT
            substring(log, position(log, '@') + 1) AS definition, substring(log, 1, position(log, '@') - 1) AS topic,
            incarnation, partition, maxIf(next, done) AS counted_to, maxIf(clock, done AND rules = '') AS lost_until
        FROM (SELECT toString(topic) AS log, incarnation, partition, next, done, rules, clock FROM backfill_claims)
        GROUP BY definition, topic, incarnation, partition
    ),
    without AS
    (
        SELECT newest.definition AS definition, texts.version AS rules, JSONExtractUInt(texts.text, 'max_future_s') AS max_future_s
        FROM newest
        CROSS JOIN
        (
            SELECT counted.version AS version, rules.text AS text
            FROM (SELECT DISTINCT rules AS version FROM used) AS counted
            LEFT ANY JOIN rules ON rules.version = counted.version
        ) AS texts
        WHERE arraySort(JSONExtract(texts.text, 'tag_groups', newest.name, 'Array(String)')) != newest.hashtags
    )
SELECT
    newest.name AS name,
    newest.version AS version,
    newest.hashtags AS hashtags,
    newest.stickers AS stickers,
    newest.since AS since,
    newest.until AS until,
    newest.countries AS countries,
    newest.defined_by AS defined_by,
    newest.defined_at AS defined_at,
    if(empty(newest.hashtags) OR unsure.until = 0, toDateTime(0, 'UTC'),
       toStartOfMinute(toDateTime(ceil(unsure.until), 'UTC')) + 60) AS exact_from
FROM newest
LEFT ANY JOIN
(
    SELECT definition, max(until) AS until
    FROM
    (
        SELECT without.definition AS definition, by_log.last_clock + without.max_future_s AS until
        FROM without
        INNER JOIN
        (
            SELECT topic, incarnation, partition, rules, max(clock) AS last_clock
            FROM used GROUP BY topic, incarnation, partition, rules
        ) AS by_log ON by_log.rules = without.rules
        LEFT ANTI JOIN backfills ON backfills.definition = without.definition AND backfills.topic = by_log.topic
            AND backfills.incarnation = by_log.incarnation AND backfills.partition = by_log.partition
        UNION ALL
        SELECT backfills.definition AS definition, max(used.clock) + without.max_future_s AS until
        FROM backfills
        INNER JOIN used ON used.topic = backfills.topic AND used.incarnation = backfills.incarnation
            AND used.partition = backfills.partition
        INNER JOIN without ON without.definition = backfills.definition AND without.rules = used.rules
        WHERE used.next > backfills.counted_to
        GROUP BY backfills.definition, without.max_future_s
        UNION ALL
        SELECT definition, lost_until AS until FROM backfills
    )
    GROUP BY definition
) AS unsure ON unsure.definition = newest.definition
WHERE NOT newest.removed
ORDER BY name
