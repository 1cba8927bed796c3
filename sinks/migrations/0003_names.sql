-- What countries are called. `tagpulse migrate` fills the table from sinks/countries.csv.

CREATE TABLE countries
(
    code String,
    name String,
    region LowCardinality(String)
)
ENGINE = ReplacingMergeTree
ORDER BY code;
