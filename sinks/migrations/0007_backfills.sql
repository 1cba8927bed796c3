-- Campaigns that were counted again for the time before their definition (docs/protocol.md, backfills).

-- One chain per definition and log: topic is 'topic@name.version', version the first that had these hashtags. A claim
-- covers claims of that log whole. Where rules = '', its events could not be counted again, and clock is the latest
-- time that any of them may have.
CREATE TABLE backfill_claims AS claims;
