# The analysis: programs in Python over results. Each program is analysis/PROGRAM.py with a small script that finds it.
analysis_programs = compare
analysis_files = \
	analysis/__init__.py \
	analysis/command.py \
	analysis/compare.py \
	analysis/load.py \
	analysis/statistics.py

# Where they are installed the folders stand to each other as in the source tree.
analysisdir = $(pkgdatadir)/analysis
dist_analysis_DATA = $(analysis_files)
resultsdir = $(pkgdatadir)/results
dist_results_DATA = results/schema.json

bin_SCRIPTS += $(analysis_programs)
CLEANFILES += $(analysis_programs)
EXTRA_DIST += analysis/script.in
$(analysis_programs): analysis/script.in Makefile
	$(AM_V_GEN)python='$(PYTHON)'; test "$$python" != no || python=/usr/bin/python3; \
	$(SED) -e "s|@""PYTHON@|$$python|" -e 's|@''script@|$@|g' -e 's|@''srcdir@|$(srcdir)|' \
	  -e 's|@''pkgdatadir@|$(pkgdatadir)|' '$(srcdir)/analysis/script.in' > $@.new && chmod +x $@.new && mv $@.new $@

# ---- Tests ----------------------------------------------------------------------------------------------------------

analysis_tests = \
	analysis/tests/compare_test.py \
	analysis/tests/load_test.py \
	analysis/tests/statistics_test.py \
	analysis/tests/types_test.py
EXTRA_DIST += analysis/tests/common.py
dist_check_SCRIPTS += $(analysis_tests)
TESTS += $(analysis_tests)
