# The replay driver. Its parts are a library, so that tests link what they test.
noinst_LIBRARIES += driver/libdriver.a
driver_libdriver_a_SOURCES = \
	$(worker_files) $(dynamic_files) \
	driver/fields.h \
	driver/arena_search.c driver/arena_search.h \
	driver/board.c driver/board.h \
	driver/cli.c driver/cli.h \
	driver/clock.c driver/clock.h \
	driver/columns.c driver/columns.h \
	driver/cooldown.c driver/cooldown.h \
	driver/emulated.c driver/emulated.h \
	driver/figures.c driver/figures.h \
	driver/histogram.c driver/histogram.h \
	driver/icount/command.c driver/icount/summary.c \
	driver/host.c driver/host.h \
	driver/in_path.c driver/in_path.h \
	driver/sanitized.h \
	driver/launch.c driver/launch.h \
	driver/list.c driver/list.h \
	driver/progress.c driver/progress.h \
	driver/row.c driver/row.h \
	driver/row_figures.c driver/row_figures.h \
	driver/run.c driver/run.h \
	driver/statistics.c driver/statistics.h \
	driver/study.c driver/study_open.c \
	driver/sweep.c driver/sweep.h \
	driver/table.c driver/table.h \
	driver/vcgencmd.c driver/vcgencmd.h
# What a run is made of; beside this it needs the allocators, and no library.
worker_files = \
	driver/bench.h driver/dynamic.h driver/job.h driver/op.h driver/loop.h \
	driver/alone.c driver/alone.h \
	driver/arena.c \
	driver/first_access.c driver/first_access.h \
	driver/guard.c driver/guard.h \
	driver/icount/call.c driver/icount/call.h driver/icount/marks.h \
	driver/icount/icount.h driver/icount/pass.c \
	driver/core.c driver/core.h \
	driver/cycles.c driver/cycles.h \
	driver/heap_map.c driver/heap_map.h \
	driver/last_cache.c driver/last_cache.h \
	driver/latency.c \
	driver/libc_heap.c driver/libc_heap.h \
	driver/line.c driver/line.h \
	driver/oracle.c driver/oracle.h \
	driver/own_text.c driver/own_text.h \
	driver/packing.c driver/packing.h \
	driver/pages.c driver/pages.h \
	driver/plant.c driver/plant.h \
	driver/repetitions.c \
	driver/rewind.c driver/rewind.h \
	driver/proc.c driver/proc.h \
	driver/shadow.c driver/shadow.h \
	driver/shared_file.c driver/shared_file.h \
	driver/slowest.c driver/slowest.h \
	driver/slowest_replay.c driver/slowest_replay.h \
	driver/space.c \
	driver/spec.c driver/spec.h \
	driver/study_op.c driver/study.h \
	driver/sysfs.c driver/sysfs.h \
	driver/throughput.c \
	driver/timer.c driver/timer.h \
	driver/touched.c driver/touched.h \
	driver/verify.c \
	driver/worker.c driver/worker.h
if STATIC
dynamic_files = driver/dynamic_none.c
else
dynamic_files = driver/dynamic.c
endif
nodist_driver_libdriver_a_SOURCES = driver/build.h
driver_libdriver_a_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_builddir) $(JANSSON_CFLAGS) \
	-DICOUNT_PLUGIN_INSTALLED="\"$(pkglibexecdir)/`echo icount.so | $(installed_name)`\"" \
	-DICOUNT_WORKER_INSTALLED="\"$(pkglibexecdir)/`echo worker-aarch64 | $(installed_name)`\"" \
	-DICOUNT_WORKER_ROOT="\"$(AARCH64_ROOT)\""
driver_libs = driver/libdriver.a traces/libtraces.a allocators/liballoc.a \
	$(TRACE_LIBS_LIBS) $(JANSSON_LIBS) -lm

# QEMU loads it, which has no sanitizers and is of the build machine's own instruction set.
pkglibexec_PROGRAMS += driver/icount/icount.so
driver_icount_icount_so_SOURCES = driver/icount/plugin.c driver/icount/marks.h
driver_icount_icount_so_CFLAGS = -std=gnu11 $(WARN_CFLAGS) -fPIC -fvisibility=hidden
driver_icount_icount_so_LDFLAGS = -shared
driver_icount_icount_so_LDADD =

# A worker for another instruction set, by a cross compiler with options of its own.
other_worker_files = driver/icount/worker_main.c $(worker_files) driver/dynamic.c traces/plan_map.c traces/error.c \
	$(allocator_files)
EXTRA_DIST += driver/icount/worker_main.c
if HAVE_AARCH64
pkglibexec_SCRIPTS += driver/icount/worker-aarch64
CLEANFILES += driver/icount/worker-aarch64
driver/icount/worker-aarch64: $(other_worker_files) traces/plan.h traces/trace.h traces/error.h
	@$(MKDIR_P) driver/icount
	$(AM_V_CCLD)cd '$(srcdir)' && $(AARCH64_CC) -O2 -std=gnu11 $(WARN_CFLAGS) -I. -D_GNU_SOURCE \
	  `printf '%s\n' $(other_worker_files) | grep '\.c$$'` -o '$(abs_builddir)'/$@ -lm
endif

bin_PROGRAMS += replay
dist_man_MANS += driver/replay.1
replay_SOURCES = driver/main.c
replay_CPPFLAGS = $(driver_libdriver_a_CPPFLAGS)
replay_LDFLAGS = $(STATIC_LDFLAGS)
replay_LDADD = $(driver_libs)

# What was built, from what: every result carries it. Written anew each time, touched only when it changed. A build of
# a copy of the tree is told the revision.
build_revision = `test ! -e '$(top_srcdir)/.git' || git -C '$(top_srcdir)' describe --always --dirty 2>/dev/null`
BUILT_SOURCES = driver/build.h
CLEANFILES += driver/build.h
.PHONY: driver-build-facts
$(driver_libdriver_a_OBJECTS): | driver/build.h
driver/build.h: driver-build-facts
	@$(MKDIR_P) driver; revision=$(build_revision); \
	{ echo '/* build.h - made by the build: what it is and how it was made. */'; \
	  echo '#define BUILD_VERSION "$(PACKAGE_VERSION)"'; \
	  echo "#define BUILD_REVISION \"$$revision\""; \
	  flags=`echo $(CPPFLAGS) $(CFLAGS) $(SAN_CFLAGS)`; echo "#define BUILD_FLAGS \"$$flags\""; \
	} > $@.new; \
	if cmp -s $@.new $@; then rm -f $@.new; else mv $@.new $@; fi

# bash-completion looks for a file of the program's name.
EXTRA_DIST += driver/completion.bash
completionsdir = $(datadir)/bash-completion/completions
completed_programs = replay record trace compare plot publish pi-bench
install-data-local:
	@$(MKDIR_P) '$(DESTDIR)$(completionsdir)'; names=; \
	for program in $(completed_programs); do \
	  names="$$names -e s/heapbench-$$program/`echo $$program | $(installed_name)`/"; done; \
	for program in $(completed_programs); do \
	  $(SED) $$names '$(srcdir)/driver/completion.bash' \
	    >'$(DESTDIR)$(completionsdir)'/`echo $$program | $(installed_name)` || exit 1; done
uninstall-local:
	@cd '$(DESTDIR)$(completionsdir)' 2>/dev/null || exit 0; \
	for program in $(completed_programs); do rm -f `echo $$program | $(installed_name)`; done

# ---- Boards ---------------------------------------------------------------------------------------------------------

EXTRA_DIST += .ci/check-machine driver/pi/cross.sh driver/pi/sysroot.sh driver/pi/target.sh
clean-local:
	rm -rf cross

## make check-machines MACHINES="NAME...": all tests that run here, on aarch64, armhf and s390x in QEMU's emulator
MACHINES = aarch64 armhf s390x
.PHONY: check-machines
check-machines:
	@failed=; for machine in $(MACHINES); do \
	  '$(srcdir)/.ci/check-machine' $$machine || failed="$$failed $$machine"; done; \
	test -z "$$failed" || { echo "check-machines: failed:$$failed" >&2; exit 1; }

# ---- Measuring ------------------------------------------------------------------------------------------------------

# The shell expands them: a source folder may have a space in its name.
shipped_traces = '$(top_srcdir)'/traces/*.trace

# Exit code 1: that an allocator cannot do a trace is one of the things to be seen.
failed_work_is_a_row = test $$? -eq 1

## make demo: all shipped traces against all allocators, in some two minutes, with a report; rows in results/demo.jsonl
.PHONY: demo bench
demo: replay publish
	@$(MKDIR_P) results; rm -f results/demo.jsonl
	@./replay --runs=2 --limit=2 --json=results/demo.jsonl $(shipped_traces) || $(failed_work_is_a_row)
	@./publish --output=results/report.html results/demo.jsonl || test $$? -eq 4

# What claims on allocators are judged by, beside the shipped traces; analysis/claims.py names them.
bench_models = model:churn model:kernel model:churn:min=64:max=64 model:churn:min=8:max=16 \
	model:churn:live=100:ops=200000 model:apart

## make bench: these and the models, with more runs; rows and tables in results/bench-DATE.jsonl and .txt
BENCH_RUNS = 15
BENCH_LIMIT = 120
bench: replay
	@$(MKDIR_P) results; name=results/bench-`date +%Y%m%d-%H%M%S`; \
	./replay --alloc=all,oracle,foreign --runs=$(BENCH_RUNS) --limit=$(BENCH_LIMIT) --json=$$name.jsonl \
	  --passes=verify,space,throughput,latency,instructions $(shipped_traces) $(bench_models) > $$name.txt || $(failed_work_is_a_row) && \
	cat $$name.txt && echo "rows: $$name.jsonl, tables: $$name.txt"

## make bench-scaling: the instructions of ops, mean and worst, as the live blocks grow from 10^3 to 10^6
SCALING_ALLOC = pool,buddy,slab,segfit,tlsf
EXTRA_DIST += driver/scaling.py
.PHONY: bench-scaling
bench-scaling: replay driver/icount/icount.so
	@$(MKDIR_P) results; rm -f results/scaling.jsonl; \
	for live in 1000 10000 100000 1000000; do \
	  ./replay --alloc=$(SCALING_ALLOC) --passes=instructions --json=results/scaling.jsonl \
	    model:churn:live=$$live:ops=`expr 1000000 + 3 \* $$live` >/dev/null || $(failed_work_is_a_row) || exit 1; \
	done; \
	$(PYTHON) '$(srcdir)/driver/scaling.py' <results/scaling.jsonl

# ---- Tests ----------------------------------------------------------------------------------------------------------

# An allocator that goes wrong on demand, one built for another contract, and one that is slower by a chosen amount.
check_PROGRAMS += driver/tests/faulty.so driver/tests/other_abi.so driver/tests/slowed.so
driver_tests_faulty_so_SOURCES = driver/tests/faulty.c
driver_tests_faulty_so_CFLAGS = $(AM_CFLAGS) -fPIC
driver_tests_faulty_so_LDFLAGS = -shared
driver_tests_other_abi_so_SOURCES = driver/tests/faulty.c
driver_tests_other_abi_so_CPPFLAGS = $(AM_CPPFLAGS) -DFAULTY_ABI=999
driver_tests_other_abi_so_CFLAGS = $(AM_CFLAGS) -fPIC
driver_tests_other_abi_so_LDFLAGS = -shared
driver_tests_slowed_so_SOURCES = driver/tests/slowed.c allocators/segfit.c allocators/resize.c
driver_tests_slowed_so_CFLAGS = $(AM_CFLAGS) -fPIC
driver_tests_slowed_so_LDFLAGS = -shared

EXTRA_DIST += driver/tests/tap.py

# It takes the place of QEMU in a test.
check_PROGRAMS += driver/icount/tests/step
driver_icount_tests_step_SOURCES = driver/icount/tests/step.c driver/icount/marks.h
dist_check_SCRIPTS += driver/icount/tests/icount.py
# It runs QEMU itself, of this machine's programs and of its own worker for aarch64.
if !CROSS_COMPILING
TESTS += driver/icount/tests/icount.py
endif
driver_scripts = \
	driver/tests/alone.py \
	driver/tests/arena.py \
	driver/tests/command_line.py \
	driver/tests/completion.py \
	driver/tests/faults.py \
	driver/tests/foreign.py \
	driver/tests/formats.py \
	driver/tests/guard.py \
	driver/tests/latency.py \
	driver/tests/manuals.py \
	driver/tests/oracle.py \
	driver/tests/preload.py \
	driver/tests/results.py \
	driver/tests/throttle.py
dist_check_SCRIPTS += $(driver_scripts)
TESTS += $(driver_scripts)

if HAVE_CMOCKA
driver_tests = driver/tests/board_test driver/tests/core_test driver/tests/heap_map_test driver/tests/last_cache_test \
	driver/tests/latency_test driver/tests/numbers_test driver/tests/own_text_test driver/tests/packing_test driver/tests/repetitions_test driver/tests/rewind_test \
	driver/tests/shadow_test driver/tests/slowest_test driver/tests/study_test driver/tests/touch_test driver/tests/worker_test
check_PROGRAMS += $(driver_tests)
TESTS += $(driver_tests)
driver_test_cppflags = $(driver_libdriver_a_CPPFLAGS) $(CMOCKA_CFLAGS)
driver_test_libs = $(driver_libs) $(CMOCKA_LIBS)
driver_tests_core_test_CPPFLAGS = $(driver_test_cppflags)
driver_tests_core_test_LDADD = $(driver_test_libs)
driver_tests_board_test_CPPFLAGS = $(driver_test_cppflags)
driver_tests_board_test_LDADD = $(driver_test_libs)
driver_tests_last_cache_test_CPPFLAGS = $(driver_test_cppflags)
driver_tests_last_cache_test_LDADD = $(driver_test_libs)
driver_tests_latency_test_CPPFLAGS = $(driver_test_cppflags)
driver_tests_latency_test_LDADD = $(driver_test_libs)
driver_tests_numbers_test_CPPFLAGS = $(driver_test_cppflags)
driver_tests_numbers_test_LDADD = $(driver_test_libs)
driver_tests_own_text_test_CPPFLAGS = $(driver_test_cppflags)
driver_tests_own_text_test_LDADD = $(driver_test_libs)
driver_tests_packing_test_CPPFLAGS = $(driver_test_cppflags)
driver_tests_packing_test_LDADD = $(driver_test_libs)
driver_tests_repetitions_test_CPPFLAGS = $(driver_test_cppflags)
driver_tests_repetitions_test_LDADD = $(driver_test_libs)
driver_tests_shadow_test_CPPFLAGS = $(driver_test_cppflags)
driver_tests_shadow_test_LDADD = $(driver_test_libs)
driver_tests_slowest_test_CPPFLAGS = $(driver_test_cppflags)
driver_tests_slowest_test_LDADD = $(driver_test_libs)
driver_tests_heap_map_test_CPPFLAGS = $(driver_test_cppflags)
driver_tests_heap_map_test_LDADD = $(driver_test_libs)
driver_tests_rewind_test_CPPFLAGS = $(driver_test_cppflags)
driver_tests_rewind_test_LDADD = $(driver_test_libs)
driver_tests_worker_test_CPPFLAGS = $(driver_test_cppflags)
driver_tests_worker_test_LDADD = $(driver_test_libs)
driver_tests_study_test_CPPFLAGS = $(driver_test_cppflags)
driver_tests_study_test_LDADD = $(driver_test_libs)
driver_tests_touch_test_CPPFLAGS = $(driver_test_cppflags)
driver_tests_touch_test_LDADD = $(driver_test_libs)
endif
