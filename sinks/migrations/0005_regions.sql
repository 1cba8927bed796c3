-- Where countries lie by UN M49, from which regions follow (docs/data-model.md). `tagpulse migrate` fills it.
ALTER TABLE countries ADD COLUMN subregion LowCardinality(String)
COMMENT 'sub-region of UN M49, such as South-eastern Asia; empty where M49 gives none';
