# pi-bench: measuring on boards in the network. The program is driver/pi/pi-bench, since make pi-bench is what runs it.
pi_files = \
	driver/pi/__init__.py \
	driver/pi/board.py \
	driver/pi/board.sh \
	driver/pi/by_board.sh \
	driver/pi/fleet.py \
	driver/pi/follow.py \
	driver/pi/link.py \
	driver/pi/pi_bench.py \
	driver/pi/program.py \
	driver/pi/report.py \
	driver/pi/sweep.py \
	driver/pi/words.py
pidir = $(pkgdatadir)/driver/pi
dist_pi_DATA = $(pi_files)
bin_SCRIPTS += driver/pi/pi-bench
CLEANFILES += driver/pi/pi-bench
dist_man_MANS += driver/pi/pi-bench.1
driver/pi/pi-bench: analysis/script.in Makefile
	@$(MKDIR_P) driver/pi
	$(AM_V_GEN)module=driver/pi/pi_bench up=../..; $(make_script)

## make pi-bench PI="USER@BOARD...": measures on boards in the network, or those of HOSTS=FILE; more with PI_OPTIONS="..."
.PHONY: pi-bench
pi-bench: driver/pi/pi-bench
	@./driver/pi/pi-bench $(PI_OPTIONS) $(if $(HOSTS),--hosts='$(HOSTS)') $(PI) || $(failed_work_is_a_row)

# ---- Tests ----------------------------------------------------------------------------------------------------------

EXTRA_DIST += driver/pi/tests/network.py driver/pi/tests/vm.py
# What takes longest begins first: else it is the last, beside nothing.
pi_plain_tests = \
	driver/pi/tests/qemu_board.py \
	driver/pi/tests/runner.py \
	driver/pi/tests/cross.sh \
	driver/pi/tests/fleet.py
dist_check_SCRIPTS += $(pi_plain_tests)
if PLAIN_BUILD
TESTS += $(pi_plain_tests)
endif
pi_tests = \
	driver/pi/tests/errors.py \
	driver/pi/tests/throttled.py \
	driver/pi/tests/units.py
dist_check_SCRIPTS += $(pi_tests)
TESTS += $(pi_tests)

## make check-board: all shipped recordings on an arm64 Linux in QEMU, by 64-bit and 32-bit programs
.PHONY: check-board
check-board: all
	@BOARD_TRACES=all top_srcdir='$(top_srcdir)' top_builddir='$(top_builddir)' \
	  $(PYTHON) '$(srcdir)/driver/pi/tests/qemu_board.py'
