-- Names and regions for queries of one's own: dictGet('tagpulse.country_names', 'region', tuple(country)).
-- The views do without it. On a server a dictionary logs in to read its table: {dictionary_login} is the login of
-- whoever ran `tagpulse migrate` last, so run that again after a change of password.
CREATE OR REPLACE DICTIONARY country_names
(
    code String,
    name String,
    region String,
    subregion String
)
PRIMARY KEY code
SOURCE(CLICKHOUSE({dictionary_login}QUERY 'SELECT code, name, region, subregion FROM {database}.countries FINAL'))
LAYOUT(COMPLEX_KEY_HASHED())
LIFETIME(MIN 300 MAX 600)
