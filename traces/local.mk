noinst_LIBRARIES += traces/libtraces.a
traces_libtraces_a_SOURCES = traces/error.c traces/error.h traces/trace.c traces/trace.h traces/reader.h \
	traces/format.h traces/column.c traces/column.h traces/native.c traces/writer.c \
	traces/source.c traces/source.h traces/map.h \
	traces/import/import.c traces/import/import.h traces/import/android.c traces/import/wee_alloc.c \
	traces/plan.c traces/plan.h
traces_libtraces_a_CPPFLAGS = $(AM_CPPFLAGS) $(TRACE_LIBS_CFLAGS)

bin_PROGRAMS += trace
trace_SOURCES = traces/tool/main.c traces/tool/tool.h traces/tool/convert.c traces/tool/info.c
trace_LDADD = traces/libtraces.a $(TRACE_LIBS_LIBS)
