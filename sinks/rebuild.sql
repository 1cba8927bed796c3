-- One partition of a grain, put together again: of the period's windows from a finer grain, of all others as it is.
-- Filled in: staging, finer and coarser (tables), floor (window of the coarser grain that window_start lies in).
-- Parameters: since and until (UTC, [since, until), whole windows of the coarser grain), begin and last (bounds of the
--   partition), kept (YYYYMM: receipts of months before that may be past the TTL of the finer grain).
INSERT INTO {staging} (window_start, event_type, country, hashtag, sticker, events, videos, landed)
SELECT window, event_type, country, hashtag, sticker, sum(events), uniqCombined64MergeState(14)(videos), max(landed)
FROM
(
    SELECT {floor} AS window, event_type, country, hashtag, sticker, events, videos, landed
    FROM {finer}
    WHERE event_type != '__receipt' AND window_start >= {since:DateTime('UTC')} AND window_start < {until:DateTime('UTC')}
      AND window_start >= {begin:DateTime('UTC')} AND window_start <= {last:DateTime('UTC')}
    UNION ALL
    SELECT window_start AS window, event_type, country, hashtag, sticker, events, videos, landed
    FROM {coarser}
    WHERE event_type != '__receipt' AND NOT (window_start >= {since:DateTime('UTC')} AND window_start < {until:DateTime('UTC')})
      AND window_start >= {begin:DateTime('UTC')} AND window_start <= {last:DateTime('UTC')}
    UNION ALL
    SELECT {floor} AS window, event_type, country, hashtag, sticker, events, videos, landed
    FROM {finer}
    WHERE event_type = '__receipt' AND toYYYYMM(window_start) >= {kept:UInt32}
      AND window_start >= {begin:DateTime('UTC')} AND window_start <= {last:DateTime('UTC')}
    UNION ALL
    SELECT window_start AS window, event_type, country, hashtag, sticker, events, videos, landed
    FROM {coarser}
    WHERE event_type = '__receipt' AND toYYYYMM(window_start) < {kept:UInt32}
      AND window_start >= {begin:DateTime('UTC')} AND window_start <= {last:DateTime('UTC')}
)
GROUP BY window, event_type, country, hashtag, sticker
