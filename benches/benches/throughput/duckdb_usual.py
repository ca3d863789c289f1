"""Counts an event over gzipped log objects by the query that one writes first, and prints what it came to in one line."""

import resource
import sys
import time

import duckdb

threads, event, folder = sys.argv[1:]
connection = duckdb.connect(config={"threads": threads})
# It is shown where nobody asked, and what is printed is read.
connection.execute("set enable_progress_bar = false")
# Columns are found out, and each record is read whole. Without a larger maximum no object of ours is read.
query = """
    select count(*)
    from (
        select unnest(Records) as record
        from read_json_auto(?, maximum_object_size = 1000000000)
    )
    where record.eventName = ?
"""
started, on_processors = time.perf_counter(), time.process_time()
(found,) = connection.execute(query, [folder + "/**/*.json.gz", event]).fetchone()
took, on_processors = time.perf_counter() - started, time.process_time() - on_processors
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
print(0, 0, found, round(took * 1e9), round(on_processors * 1e9), peak)
