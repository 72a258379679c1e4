noinst_LIBRARIES += traces/libtraces.a
traces_libtraces_a_SOURCES = traces/error.c traces/error.h traces/trace.c traces/trace.h traces/reader.h \
	traces/format.h traces/column.c traces/column.h traces/native.c traces/writer.c \
	traces/source.c traces/source.h traces/map.h \
	traces/import/import.c traces/import/import.h traces/import/android.c traces/import/wee_alloc.c \
	traces/synth/synth.c traces/synth/synth.h traces/synth/churn.c traces/synth/kernel.c \
	traces/plan.c traces/plan.h
# What a program that opens traces links with: the models read their options as allocators do.
traces_libs = traces/libtraces.a allocators/liballoc.a $(TRACE_LIBS_LIBS)
traces_libtraces_a_CPPFLAGS = $(AM_CPPFLAGS) $(TRACE_LIBS_CFLAGS)

bin_PROGRAMS += trace
trace_SOURCES = traces/tool/main.c traces/tool/tool.h traces/tool/convert.c traces/tool/info.c \
	traces/tool/spread.c traces/tool/spread.h
trace_CPPFLAGS = $(AM_CPPFLAGS) $(JANSSON_CFLAGS)
trace_LDADD = $(traces_libs) $(JANSSON_LIBS)

# make bench-trace TRACES="a.trace b.trace": speed and size, for people; never part of the checks.
EXTRA_PROGRAMS = traces/bench
traces_bench_SOURCES = traces/bench.c
traces_bench_LDADD = $(traces_libs)
CLEANFILES += traces/bench$(EXEEXT)
bench-trace: traces/bench$(EXEEXT)
	traces/bench$(EXEEXT) $(TRACES)
.PHONY: bench-trace
