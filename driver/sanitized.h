/* sanitized.h - whether this is built for AddressSanitizer, which puts a malloc of its own in place and takes its time. */
#ifndef HEAPBENCH_SANITIZED_H
#define HEAPBENCH_SANITIZED_H

#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED 1
#elif defined(__has_feature)
#define SANITIZED __has_feature(address_sanitizer)
#else
#define SANITIZED 0
#endif

#endif
