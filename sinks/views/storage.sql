-- How much disk does each table of the cube take?
-- Units: rows and parts as they lie there now (rows of one key merge in the background); bytes on disk, compressed;
--   raw_bytes before compression; bytes_per_million_rows; since and until = first and last window, by month for minutes and hours
--   and by year for days (NULL for tables without windows).
SELECT
    table,
    sum(rows) AS rows,
    count() AS parts,
    sum(bytes_on_disk) AS bytes,
    sum(data_uncompressed_bytes) AS raw_bytes,
    if(rows = 0, NULL, toUInt64(1000000 * bytes / rows)) AS bytes_per_million_rows,
    minIf(toNullable(min_time), startsWith(table, 'engagement_')) AS since,
    maxIf(toNullable(max_time), startsWith(table, 'engagement_')) AS until
FROM system.parts
WHERE database = '{database}' AND active
GROUP BY table
ORDER BY bytes DESC, table
