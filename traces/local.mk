noinst_LIBRARIES += traces/libtraces.a
traces_libtraces_a_SOURCES = traces/error.c traces/error.h traces/trace.h traces/plan.h
traces_libtraces_a_CPPFLAGS = $(AM_CPPFLAGS) $(TRACE_LIBS_CFLAGS)
