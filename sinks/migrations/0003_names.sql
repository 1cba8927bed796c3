-- What countries are called. `tagpulse migrate` fills the table from sinks/countries.csv.

CREATE TABLE countries
(
    code String,
    name String,
    region LowCardinality(String)
)
ENGINE = ReplacingMergeTree
ORDER BY code;

-- For queries of one's own: dictGet('tagpulse.country_names', 'region', tuple(country)). The views do without it.
-- {dictionary_login}: on a server a dictionary logs in to read its table; `tagpulse migrate` puts its own login here.
CREATE DICTIONARY country_names
(
    code String,
    name String,
    region String
)
PRIMARY KEY code
SOURCE(CLICKHOUSE({dictionary_login}QUERY 'SELECT code, name, region FROM {database}.countries FINAL'))
LAYOUT(COMPLEX_KEY_HASHED())
LIFETIME(MIN 300 MAX 600);
