# The analysis: programs in Python over results. Each program is analysis/PROGRAM.py with a small script that finds it.
analysis_programs = compare plot publish
analysis_files = \
	analysis/__init__.py \
	analysis/answer.py \
	analysis/claims.py \
	analysis/command.py \
	analysis/compare.py \
	analysis/figures.py \
	analysis/latex.py \
	analysis/load.py \
	analysis/plot.py \
	analysis/publish.py \
	analysis/statistics.py \
	analysis/style.py \
	analysis/summary.py
plot_files = \
	analysis/plots/__init__.py \
	analysis/plots/base.py \
	analysis/plots/heapmap.py \
	analysis/plots/instructions.py \
	analysis/plots/latency.py \
	analysis/plots/memory.py \
	analysis/plots/pareto.py \
	analysis/plots/scaling.py \
	analysis/plots/throughput.py

# Where they are installed the folders stand to each other as in the source tree.
analysisdir = $(pkgdatadir)/analysis
dist_analysis_DATA = $(analysis_files)
templatesdir = $(analysisdir)/templates
dist_templates_DATA = analysis/templates/report.css analysis/templates/report.html.j2 analysis/templates/report.js
plotsdir = $(analysisdir)/plots
dist_plots_DATA = $(plot_files)
resultsdir = $(pkgdatadir)/results
dist_results_DATA = results/schema.json
EXTRA_DIST += results/example.svg

# What proves the harness needs the tree, and is not installed.
selftest_files = analysis/one_state.py analysis/selftest.py analysis/selftest_repeat.py analysis/selftest_stat.py \
	analysis/worst_case.py
EXTRA_DIST += $(selftest_files)

bin_SCRIPTS += $(analysis_programs)
dist_man_MANS += analysis/compare.1 analysis/plot.1 analysis/publish.1
noinst_SCRIPTS += selftest
CLEANFILES += $(analysis_programs) selftest
EXTRA_DIST += analysis/script.in
make_script = python='$(PYTHON)'; test "$$python" != no || python=/usr/bin/python3; \
	$(SED) -e "s|@""PYTHON@|$$python|" -e "s|@""script@|`basename $@`|g" -e "s|@""module@|$$module|g" \
	  -e "s|@""up@|$$up|" -e 's|@''srcdir@|$(srcdir)|' -e 's|@''pkgdatadir@|$(pkgdatadir)|' \
	  '$(srcdir)/analysis/script.in' > $@.new && chmod +x $@.new && mv $@.new $@
$(analysis_programs) selftest: analysis/script.in Makefile
	$(AM_V_GEN)module=analysis/$@ up=.; $(make_script)

# ---- Pictures and the report ------------------------------------------------------------------------------------------

# The newest results, unless said otherwise.
RESULTS = `ls -t results/*.jsonl 2>/dev/null | head -n 1`
need_results = results="$(RESULTS)"; test -n "$$results" || \
  { echo 'no results yet; make demo or make bench writes some' >&2; exit 1; }

## make plots RESULTS="FILE...": every picture as PDF, SVG and PNG in plots/, of these results (the newest of results/)
## make report RESULTS="FILE...": one page of these results, results/report.html, and a LaTeX fragment in results/report-tex/
.PHONY: plots
plots: plot
	@$(need_results); ./plot all --directory=plots $$results
.PHONY: report
report: publish
	@$(need_results); ./publish --output=results/report.html --latex=results/report-tex $$results

## make bench-report: how long the report of 12 traces takes, and how large it is
EXTRA_DIST += analysis/tests/large.py
.PHONY: bench-report
bench-report: replay publish driver/icount/icount.so
	@top_srcdir='$(top_srcdir)' $(PYTHON) '$(srcdir)/analysis/tests/large.py'

# ---- What the measurements can tell apart -----------------------------------------------------------------------------

## make selftest-stat: an allocator against itself and copies slower by 1, 2 and 5 %: false alarms, what is found; 10 to 35 minutes
## make selftest-repeat: three sweeps of all, the last beside a busy loop, and how far their figures are apart; 40 minutes or more
.PHONY: selftest-stat selftest-repeat
selftest-stat: replay selftest driver/tests/slowed.so
	@./selftest stat
selftest-repeat: replay selftest
	@./selftest repeat

# ---- Tests ----------------------------------------------------------------------------------------------------------

analysis_tests = \
	analysis/tests/claims_test.py \
	analysis/tests/compare_test.py \
	analysis/tests/hosts_test.py \
	analysis/tests/load_test.py \
	analysis/tests/page_test.py \
	analysis/tests/plot_test.py \
	analysis/tests/publish_test.py \
	analysis/tests/selftest_test.py \
	analysis/tests/statistics_test.py \
	analysis/tests/summary_test.py \
	analysis/tests/types_test.py \
	analysis/tests/units_test.py
EXTRA_DIST += analysis/tests/browser.py analysis/tests/common.py
dist_check_SCRIPTS += $(analysis_tests)
if !CROSS_COMPILING
TESTS += $(analysis_tests)
endif
