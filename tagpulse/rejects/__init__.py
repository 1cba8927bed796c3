"""Working with rejected records: what they mean, as files, and sent again."""
