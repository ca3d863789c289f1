"""Asks chdb one question over gzipped log objects, and prints what it came to in one line."""

import resource
import sys
import time

import chdb

question, threads, _, key, folder = sys.argv[1:]
# The fastest ways that were found: of the count, the one member that it needs; of the needle, records as texts, of which
# those that don't hold the key's text are left out before they are parsed.
source = "file('%s/**/*.json.gz', 'JSONEachRow', 'Records Array(%s)')"
settings = f"""settings max_threads = {int(threads)}, input_format_json_read_objects_as_strings = 1,
    input_format_json_ignore_unknown_keys_in_named_tuple = 1,
    input_format_json_defaults_for_missing_elements_in_named_tuple = 1"""
queries = {
    "count": "select arrayJoin(Records).1 as name, count() from "
    + source % (folder, "Tuple(eventName String)")
    + " group by name ",
    "needle": "select arrayJoin(arrayFilter(record -> position(record, '%s') > 0 " % key
    + "and JSONExtractString(record, 'userIdentity', 'accessKeyId') = '%s', Records)) from " % key
    + source % (folder, "String")
    + " ",
}
started, on_processors = time.perf_counter(), time.process_time()
lines = chdb.query(queries[question] + settings, "TabSeparated").bytes().splitlines()
took, on_processors = time.perf_counter() - started, time.process_time() - on_processors
records = sum(int(line.rsplit(b"\t", 1)[1]) for line in lines) if question == "count" else len(lines)
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
print(len(lines), records, round(took * 1e9), round(on_processors * 1e9), peak)
