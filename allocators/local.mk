noinst_LIBRARIES += allocators/liballoc.a
allocators_liballoc_a_SOURCES = allocators/alloc.h
