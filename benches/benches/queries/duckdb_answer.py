"""Asks DuckDB one question over gzipped log objects, and prints what it came to in one line."""

import resource
import sys
import time

import duckdb

question, threads, way, key, folder = sys.argv[1:]
connection = duckdb.connect(config={"threads": threads})
# It is shown where nobody asked, and what is printed is read.
connection.execute("set enable_progress_bar = false")
files = folder + "/**/*.json.gz"
# The fastest ways that were found. `records`, and a format that fits objects of one line, without both of which it takes up
# to twenty times as long; of the count, the one column that it needs; of the needle, records as JSON, of which those that
# don't hold the key's text are left out before they are parsed.
named = """read_json(
    ?, columns = {Records: '%s'}, records = 'true', format = 'newline_delimited', maximum_object_size = 1000000000
)"""
# Columns are found out, and each record is read whole. Without a larger maximum no object of ours is read.
usual = "read_json_auto(?, maximum_object_size = 1000000000)"
queries = {
    ("count", "named"): (
        "select record.eventName, count(*) from (select unnest(Records) as record from "
        + named % "STRUCT(eventName VARCHAR)[]"
        + ") group by 1",
        [files],
    ),
    ("needle", "named"): (
        "select record from (select unnest(Records) as record from "
        + named % "JSON[]"
        + ") where contains(record::varchar, ?) and record->>'$.userIdentity.accessKeyId' = ?",
        [files, key, key],
    ),
    ("count", "usual"): (
        "select record.eventName, count(*) from (select unnest(Records) as record from " + usual + ") group by 1",
        [files],
    ),
    ("needle", "usual"): (
        "select record from (select unnest(Records) as record from "
        + usual
        + ") where record.userIdentity.accessKeyId = ?",
        [files, key],
    ),
}
query, values = queries[question, way]
started, on_processors = time.perf_counter(), time.process_time()
rows = connection.execute(query, values).fetchall()
took, on_processors = time.perf_counter() - started, time.process_time() - on_processors
records = sum(row[1] for row in rows) if question == "count" else len(rows)
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
print(len(rows), records, round(took * 1e9), round(on_processors * 1e9), peak)
