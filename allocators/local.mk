noinst_LIBRARIES += allocators/liballoc.a
allocators_liballoc_a_SOURCES = \
	allocators/alloc.h \
	allocators/libc.c \
	allocators/null.c \
	allocators/options.c \
	allocators/options.h \
	allocators/pages/arena.c \
	allocators/pages/mmap.c \
	allocators/resize.c \
	allocators/table.c \
	allocators/watermark.c
