# The recorder: the tool, and the library that it preloads.
bin_PROGRAMS += record
dist_man_MANS += traces/record/record.1
record_SOURCES = traces/record/record.c traces/record/recording.c traces/record/recording.h \
	traces/record/image.c traces/record/image.h traces/record/blocks.c traces/record/blocks.h \
	traces/record/ring_reader.c traces/record/ring_reader.h traces/record/ring.h traces/record/futex.c
record_CPPFLAGS = $(AM_CPPFLAGS) -DLIBRARY_INSTALLED="\"$(pkglibexecdir)/`echo preload.so | $(installed_name)`\""
record_LDADD = traces/libtraces.a $(TRACE_LIBS_LIBS)

# No libtool for one library; no sanitizer in it, since it has to work in programs that have none.
pkglibexec_PROGRAMS += traces/record/preload.so
traces_record_preload_so_SOURCES = traces/record/preload.c traces/record/ring_writer.c traces/record/ring_writer.h \
	traces/record/ring.h traces/record/futex.c
traces_record_preload_so_CFLAGS = -std=gnu11 $(WARN_CFLAGS) -fPIC -fvisibility=hidden -fno-builtin
traces_record_preload_so_LDFLAGS = -shared
traces_record_preload_so_LDADD =

# target runs under the recorder: built without sanitizers too.
check_PROGRAMS += traces/record/tests/target traces/record/tests/count
traces_record_tests_target_CFLAGS = -std=gnu11 $(WARN_CFLAGS) -O1 -fno-builtin
traces_record_tests_target_LDADD = -lpthread
traces_record_tests_count_LDADD = $(traces_libs)
dist_check_SCRIPTS += traces/record/tests/record.sh
TESTS += traces/record/tests/record.sh
if HAVE_CMOCKA
check_PROGRAMS += traces/record/tests/image
traces_record_tests_image_SOURCES = traces/record/tests/image.c traces/record/image.c traces/record/blocks.c \
	traces/record/ring_reader.c traces/record/futex.c
traces_record_tests_image_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
traces_record_tests_image_LDADD = $(traces_libs) $(CMOCKA_LIBS)
TESTS += traces/record/tests/image
endif

# The shipped recordings, and what makes them again.
EXTRA_DIST += traces/CATALOG traces/record-all traces/cc1.trace traces/lld.trace traces/perl.trace traces/python3.trace \
	traces/sqlite3.trace traces/threads.trace traces/record/workloads/json_workload.py \
	traces/record/workloads/pipeline.py traces/record/workloads/shop.sql traces/record/workloads/xxhash.c

EXTRA_DIST += traces/record/overhead.py
## make bench-record: what recording costs two programs, beside heaptrack
.PHONY: bench-record
bench-record: record traces/record/preload.so
	'$(srcdir)/traces/record/overhead.py' --record ./record --workloads '$(srcdir)/traces/record/workloads' \
	  --output results/record-overhead.jsonl $(BENCH_RECORD_FLAGS)
