-- What people call things. `tagpulse migrate` fills the countries from sinks/countries.csv.

CREATE TABLE countries
(
    code String,
    name String,
    region LowCardinality(String)
)
ENGINE = ReplacingMergeTree
ORDER BY code;

CREATE DICTIONARY country_names
(
    code String,
    name String,
    region String
)
PRIMARY KEY code
SOURCE(CLICKHOUSE(QUERY 'SELECT code, name, region FROM {database}.countries FINAL'))
LAYOUT(COMPLEX_KEY_HASHED())
LIFETIME(MIN 300 MAX 600);

-- Direct: asked for the few tags of an answer, it reads only those from the table.
CREATE DICTIONARY hashtag_displays
(
    hashtag String,
    display String
)
PRIMARY KEY hashtag
SOURCE(CLICKHOUSE(DB '{database}' TABLE 'hashtag_names'))
LAYOUT(COMPLEX_KEY_DIRECT());
