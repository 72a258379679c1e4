# Reading, writing, importing and compiling traces. A new foreign format is a line here and one in import/import.c, a
# new model a line here and one in synth/synth.c.
trace_files = \
	traces/error.c traces/error.h traces/trace.c traces/trace.h traces/reader.h \
	traces/format.h traces/column.c traces/column.h traces/native.c traces/writer.c \
	traces/source.c traces/source.h traces/map.h traces/write_all.h \
	traces/import/import.c traces/import/import.h traces/import/android.c traces/import/wee_alloc.c \
	traces/synth/synth.c traces/synth/synth.h traces/synth/churn.c traces/synth/kernel.c \
	traces/synth/adversary.c \
	traces/synth/apart.c \
	traces/plan.c traces/plan_map.c traces/plan.h \
	traces/unpack.h
# A build without libarchive, for a program that is to depend on little, refuses compressed traces.
if HAVE_LIBARCHIVE
trace_files += traces/unpack_archive.c
else
trace_files += traces/unpack_plain.c
endif

noinst_LIBRARIES += traces/libtraces.a
traces_libtraces_a_SOURCES = $(trace_files)
# What a program that opens traces links with: the models read their options as allocators do.
traces_libs = traces/libtraces.a allocators/liballoc.a $(TRACE_LIBS_LIBS)
traces_libtraces_a_CPPFLAGS = $(AM_CPPFLAGS) $(TRACE_LIBS_CFLAGS)
# Decoding is loops over columns, which -O2 does not vectorise; CFLAGS given to make still has the last word.
traces/libtraces_a-column.$(OBJEXT) traces/libtraces_a-native.$(OBJEXT) traces/libtraces_a-plan.$(OBJEXT): CFLAGS += -O3

bin_PROGRAMS += trace
dist_man_MANS += traces/tool/trace.1
trace_SOURCES = traces/tool/main.c traces/tool/tool.h traces/tool/convert.c traces/tool/info.c \
	traces/tool/spread.c traces/tool/spread.h
trace_CPPFLAGS = $(AM_CPPFLAGS) $(JANSSON_CFLAGS)
trace_LDFLAGS = $(STATIC_LDFLAGS)
trace_LDADD = $(traces_libs) $(JANSSON_LIBS)

## make bench-trace TRACES="FILE...": speed and size of traces, for people; never part of the checks
EXTRA_PROGRAMS = traces/bench
traces_bench_SOURCES = traces/bench.c
traces_bench_LDADD = $(traces_libs)
CLEANFILES += traces/bench$(EXEEXT)
bench-trace: traces/bench$(EXEEXT)
	traces/bench$(EXEEXT) $(TRACES)
.PHONY: bench-trace

# ---- Tests ----------------------------------------------------------------------------------------------------------

dist_check_SCRIPTS += traces/tests/trace.sh traces/tests/foreign.sh
TESTS += traces/tests/trace.sh traces/tests/foreign.sh

dist_check_SCRIPTS += traces/tests/big_endian.sh
if PLAIN_BUILD
TESTS += traces/tests/big_endian.sh
endif

if HAVE_CMOCKA
trace_tests = traces/tests/format traces/tests/import traces/tests/plan
trace_test_common = traces/tests/common.c traces/tests/common.h
trace_test_cflags = $(AM_CFLAGS) $(CMOCKA_CFLAGS) $(TRACE_LIBS_CFLAGS)
traces_tests_format_SOURCES = traces/tests/format.c $(trace_test_common)
traces_tests_format_CFLAGS = $(trace_test_cflags)
traces_tests_format_LDADD = $(traces_libs) $(CMOCKA_LIBS)
traces_tests_import_SOURCES = traces/tests/import.c $(trace_test_common)
traces_tests_import_CFLAGS = $(trace_test_cflags)
traces_tests_import_LDADD = $(traces_libs) $(CMOCKA_LIBS)
traces_tests_plan_SOURCES = traces/tests/plan.c $(trace_test_common)
traces_tests_plan_CFLAGS = $(trace_test_cflags)
traces_tests_plan_LDADD = $(traces_libs) $(CMOCKA_LIBS)
if HAVE_LIBARCHIVE
trace_tests += traces/tests/compressed
traces_tests_compressed_SOURCES = traces/tests/compressed.c $(trace_test_common)
traces_tests_compressed_CFLAGS = $(trace_test_cflags)
traces_tests_compressed_LDADD = $(traces_libs) $(CMOCKA_LIBS)
endif
check_PROGRAMS += $(trace_tests)
TESTS += $(trace_tests)
endif

# Always under the sanitizers, with objects of its own.
if HAVE_SANITIZERS
check_PROGRAMS += traces/tests/fuzz
TESTS += traces/tests/fuzz
traces_tests_fuzz_SOURCES = traces/tests/fuzz.c traces/tests/common.c traces/tests/common.h \
	$(trace_files) allocators/options.c
traces_tests_fuzz_CFLAGS = -std=gnu11 $(WARN_CFLAGS) $(SANITIZE_CFLAGS) $(TRACE_LIBS_CFLAGS)
traces_tests_fuzz_LDADD = $(TRACE_LIBS_LIBS)
endif

EXTRA_DIST += traces/README
