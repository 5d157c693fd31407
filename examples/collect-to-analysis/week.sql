WITH panes AS (
  SELECT "key" AS station, "window", start, CAST(json_extract_string(results, '$.mean') AS DOUBLE) AS mean
  FROM read_json('panes/**/*.ndjson.gz', format = 'newline_delimited', columns = {
    key: 'VARCHAR', "window": 'VARCHAR', start: 'TIMESTAMP', results: 'JSON'
  })
),
hours AS (
  SELECT station, hour(start) AS hour, avg(mean) AS mean, count(*) AS days
  FROM panes WHERE "window" = 'hourly' GROUP BY ALL
)
SELECT
  station,
  arg_max(hour, mean) AS worst_hour,
  max(mean) AS mean_then,
  (SELECT count(*) FROM panes WHERE "window" = 'daily' AND mean > 15 AND panes.station = hours.station) AS days_above,
  168 - sum(days) AS hours_missing
FROM hours
GROUP BY station
ORDER BY station;
