-- Which campaigns are defined, and from which event time on are their hashtags counted as one, exactly?
-- No parameters. One row per campaign that was not removed.
-- exact_from: begin of the first minute (UTC) that no event counted under another definition can lie in. An event lies at
--   most max_future_s after the clock of the claim it was counted under, so this is the latest clock of a claim by rules
--   without this very definition, plus that. It moves while workers still count by older rules. 1970-01-01: always was.
-- Claims that were forgotten have left their rules and clocks in rules_used.
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
    toDateTime(maxIf(
        toStartOfMinute(toDateTime(ceil(used.last_clock) + used.max_future_s, 'UTC')) + 60,
        used.last_clock > 0 AND notEmpty(newest.hashtags)
            AND arraySort(JSONExtract(used.text, 'tag_groups', newest.name, 'Array(String)')) != newest.hashtags
    ), 'UTC') AS exact_from
FROM
(
    SELECT * FROM campaigns ORDER BY name, version DESC LIMIT 1 BY name
) AS newest
CROSS JOIN
(
    SELECT
        any(texts.text) AS text,
        max(counted.last_clock) AS last_clock,
        JSONExtractUInt(text, 'max_future_s') AS max_future_s
    FROM
    (
        SELECT toString(rules) AS version, max(clock) AS last_clock FROM claims WHERE records > 0 GROUP BY version
        UNION ALL
        SELECT toString(rules) AS version, max(last_clock) AS last_clock FROM rules_used GROUP BY version
        UNION ALL
        SELECT '' AS version, 0. AS last_clock
    ) AS counted
    LEFT ANY JOIN rules AS texts ON texts.version = counted.version
    GROUP BY counted.version
) AS used
WHERE NOT newest.removed
GROUP BY name, version, hashtags, stickers, since, until, countries, defined_by, defined_at
ORDER BY name
