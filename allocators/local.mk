# The allocators, the page sources, and their tests. A new one is a line in allocator_files and one in table.c.
allocator_files = \
	allocators/alloc.h \
	allocators/bitmap.c \
	allocators/bitmap.h \
	allocators/bitmap_check.c \
	allocators/bitmap_runs.c \
	allocators/block_table.c \
	allocators/block_table.h \
	allocators/buddy.c \
	allocators/buddy.h \
	allocators/chunks.h \
	allocators/classes.c \
	allocators/classes.h \
	allocators/freelist.c \
	allocators/guard.c \
	allocators/guard.h \
	allocators/libc.c \
	allocators/links.h \
	allocators/marks.h \
	allocators/null.c \
	allocators/options.c \
	allocators/options.h \
	allocators/page_map.c \
	allocators/page_map.h \
	allocators/pages/arena.c \
	allocators/pages/avl.c \
	allocators/pages/bitmap.c \
	allocators/pages/buddy.c \
	allocators/pages/mmap.c \
	allocators/pages/stack.c \
	allocators/pool.c \
	allocators/resize.c \
	allocators/segfit.c \
	allocators/short_links.h \
	allocators/slab.c \
	allocators/slab.h \
	allocators/slab_caches.c \
	allocators/slab_check.c \
	allocators/slab_magazines.c \
	allocators/slab_pages.c \
	allocators/slob.c \
	allocators/slob.h \
	allocators/slob_check.c \
	allocators/table.c \
	allocators/tagged.h \
	allocators/tagged_far.h \
	allocators/tagged_regions.h \
	allocators/tags.h \
	allocators/tlsf.c \
	allocators/treap.h \
	allocators/watermark.c

noinst_LIBRARIES += allocators/liballoc.a
allocators_liballoc_a_SOURCES = $(allocator_files)

# ---- Tests ----------------------------------------------------------------------------------------------------------

allocator_test_files = \
	allocators/skeleton.c \
	allocators/tests/cases.c \
	allocators/tests/cases.h \
	allocators/tests/counted.c \
	allocators/tests/counted.h \
	allocators/tests/model.c \
	allocators/tests/model.h \
	driver/alone.c \
	driver/alone.h

dist_check_SCRIPTS += allocators/tests/freestanding.sh
if PLAIN_BUILD
TESTS += allocators/tests/freestanding.sh
endif

# On other machines, by cross compilers and emulators of their own.
machine_tests = \
	allocators/tests/machines/aarch64.sh \
	allocators/tests/machines/armhf.sh \
	allocators/tests/machines/i386.sh
dist_check_SCRIPTS += $(machine_tests)
EXTRA_DIST += allocators/tests/machines/machine.sh allocators/tests/machines/cmocka.h
if PLAIN_BUILD
TESTS += $(machine_tests)
endif

# What a plug-in is: one allocator as a shared object. The driver's tests load it.
check_PROGRAMS += allocators/skeleton.so
allocators_skeleton_so_SOURCES = allocators/skeleton.c allocators/resize.c
allocators_skeleton_so_CFLAGS = $(AM_CFLAGS) -fPIC
allocators_skeleton_so_LDFLAGS = -shared

if HAVE_CMOCKA
allocator_tests = \
	allocators/tests/adversary \
	allocators/tests/avl \
	allocators/tests/bitmap \
	allocators/tests/buddy \
	allocators/tests/classes \
	allocators/tests/contract \
	allocators/tests/faults \
	allocators/tests/guard \
	allocators/tests/options \
	allocators/tests/page_map \
	allocators/tests/page_sources \
	allocators/tests/plugin \
	allocators/tests/segfit \
	allocators/tests/simple \
	allocators/tests/slab \
	allocators/tests/slob \
	allocators/tests/tlsf \
	allocators/tests/two_ends \
	allocators/tests/zero
allocators_tests_adversary_SOURCES = allocators/tests/adversary.c driver/alone.c driver/alone.h
allocators_tests_adversary_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
allocators_tests_adversary_LDADD = $(traces_libs) $(CMOCKA_LIBS)
allocators_tests_avl_SOURCES = allocators/tests/avl.c
allocators_tests_avl_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
allocators_tests_avl_LDADD = $(CMOCKA_LIBS)
allocators_tests_bitmap_SOURCES = allocators/tests/bitmap.c allocators/tests/counted.c allocators/tests/counted.h
allocators_tests_bitmap_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
allocators_tests_bitmap_LDADD = allocators/liballoc.a $(CMOCKA_LIBS)
allocators_tests_buddy_SOURCES = allocators/tests/buddy.c $(allocator_test_files)
allocators_tests_buddy_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
allocators_tests_buddy_LDADD = allocators/liballoc.a $(CMOCKA_LIBS)
allocators_tests_classes_SOURCES = allocators/tests/classes.c
allocators_tests_classes_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
allocators_tests_classes_LDADD = allocators/liballoc.a $(CMOCKA_LIBS)
allocators_tests_contract_SOURCES = allocators/tests/contract.c $(allocator_test_files)
allocators_tests_contract_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
allocators_tests_contract_LDADD = allocators/liballoc.a $(CMOCKA_LIBS)
allocators_tests_faults_SOURCES = allocators/tests/faults.c $(allocator_test_files)
allocators_tests_faults_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
allocators_tests_faults_LDADD = allocators/liballoc.a $(CMOCKA_LIBS)
allocators_tests_guard_SOURCES = allocators/tests/guard.c $(allocator_test_files)
allocators_tests_guard_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
allocators_tests_guard_LDADD = allocators/liballoc.a $(CMOCKA_LIBS)
allocators_tests_options_SOURCES = allocators/tests/options.c
allocators_tests_options_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
allocators_tests_options_LDADD = allocators/liballoc.a $(CMOCKA_LIBS)
allocators_tests_page_map_SOURCES = allocators/tests/page_map.c allocators/tests/counted.c allocators/tests/counted.h
allocators_tests_page_map_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
allocators_tests_page_map_LDADD = allocators/liballoc.a $(CMOCKA_LIBS)
allocators_tests_page_sources_SOURCES = allocators/tests/page_sources.c $(allocator_test_files)
allocators_tests_page_sources_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
allocators_tests_page_sources_LDADD = allocators/liballoc.a $(CMOCKA_LIBS)
allocators_tests_plugin_SOURCES = allocators/tests/plugin.c allocators/tests/counted.c allocators/tests/counted.h \
	allocators/tests/model.c allocators/tests/model.h
allocators_tests_plugin_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
allocators_tests_plugin_LDADD = allocators/liballoc.a $(CMOCKA_LIBS)
allocators_tests_segfit_SOURCES = allocators/tests/segfit.c $(allocator_test_files)
allocators_tests_segfit_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
allocators_tests_segfit_LDADD = allocators/liballoc.a $(CMOCKA_LIBS)
allocators_tests_simple_SOURCES = allocators/tests/simple.c $(allocator_test_files)
allocators_tests_simple_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
allocators_tests_simple_LDADD = allocators/liballoc.a $(CMOCKA_LIBS)
allocators_tests_slab_SOURCES = allocators/tests/slab.c allocators/tests/counted.c allocators/tests/counted.h
allocators_tests_slab_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
allocators_tests_slab_LDADD = allocators/liballoc.a $(CMOCKA_LIBS)
allocators_tests_slob_SOURCES = allocators/tests/slob.c
allocators_tests_slob_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
allocators_tests_slob_LDADD = allocators/liballoc.a $(CMOCKA_LIBS)
allocators_tests_tlsf_SOURCES = allocators/tests/tlsf.c
allocators_tests_tlsf_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
allocators_tests_tlsf_LDADD = allocators/liballoc.a $(CMOCKA_LIBS)
allocators_tests_two_ends_SOURCES = allocators/tests/two_ends.c $(allocator_test_files)
allocators_tests_two_ends_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
allocators_tests_two_ends_LDADD = allocators/liballoc.a $(CMOCKA_LIBS)
allocators_tests_zero_SOURCES = allocators/tests/zero.c $(allocator_test_files)
allocators_tests_zero_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
allocators_tests_zero_LDADD = allocators/liballoc.a $(CMOCKA_LIBS)

# The same, with the allocators themselves under the sanitizers, unless all is built with them.
if HAVE_SANITIZERS
if !SANITIZERS
allocator_tests += \
	allocators/tests/contract_sanitized \
	allocators/tests/guard_sanitized \
	allocators/tests/options_sanitized \
	allocators/tests/page_sources_sanitized
sanitized_cflags = $(AM_CFLAGS) $(CMOCKA_CFLAGS) $(SANITIZE_CFLAGS)
allocators_tests_contract_sanitized_SOURCES = allocators/tests/contract.c $(allocator_files) $(allocator_test_files)
allocators_tests_contract_sanitized_CFLAGS = $(sanitized_cflags)
allocators_tests_contract_sanitized_LDADD = $(CMOCKA_LIBS)
allocators_tests_guard_sanitized_SOURCES = allocators/tests/guard.c $(allocator_files) $(allocator_test_files)
allocators_tests_guard_sanitized_CFLAGS = $(sanitized_cflags)
allocators_tests_guard_sanitized_LDADD = $(CMOCKA_LIBS)
allocators_tests_options_sanitized_SOURCES = allocators/tests/options.c $(allocator_files)
allocators_tests_options_sanitized_CFLAGS = $(sanitized_cflags)
allocators_tests_options_sanitized_LDADD = $(CMOCKA_LIBS)
allocators_tests_page_sources_sanitized_SOURCES = allocators/tests/page_sources.c $(allocator_files) \
	$(allocator_test_files)
allocators_tests_page_sources_sanitized_CFLAGS = $(sanitized_cflags)
allocators_tests_page_sources_sanitized_LDADD = $(CMOCKA_LIBS)
endif
endif

check_PROGRAMS += $(allocator_tests)
TESTS += $(allocator_tests)
endif

## make stress: the model checker on every allocator and page source, 10^8 operations in all, and as many under the sanitizers
STRESS_OPS = 100000000
stress_test = allocators/tests/contract
if HAVE_SANITIZERS
if !SANITIZERS
stress_test += allocators/tests/contract_sanitized
endif
endif
.PHONY: stress
stress: $(stress_test)
	@for test in $(stress_test); do \
	  CMOCKA_MESSAGE_OUTPUT=TAP HEAPBENCH_MODEL_OPS=$(STRESS_OPS) $$test || exit; \
	done

## make sizes: the bytes of text of each allocator and page source, without a C library, on four machines
.PHONY: sizes
sizes:
	@top_srcdir='$(srcdir)' $(SHELL) '$(srcdir)/allocators/tests/freestanding.sh' | awk ' \
	  /^# .*, bytes of text:$$/ { column[++n] = substr($$2, 1, length($$2) - 1); next } \
	  /^# +[0-9]+ allocators/ { if (!($$3 in seen)) { seen[$$3] = 1; file[++files] = $$3 } text[$$3, n] = $$2 } \
	  END { printf "%-28s", "bytes of text"; for (c = 1; c <= n; c++) printf "%9s", column[c]; print ""; \
	    for (f = 1; f <= files; f++) { printf "%-28s", file[f]; \
	      for (c = 1; c <= n; c++) printf "%9s", (file[f], c) in text ? text[file[f], c] : "-"; print "" } }'
