/*
 * call.c - calls between marks, in assembly: a compiler would move the marks, and what stands between them.
 *
 * icount_call() hands its first four arguments on in the registers where they are. Both kinds of calls keep the stack
 * aligned to 16 as the ABIs of both instruction sets want it.
 */
#include "driver/icount/call.h"

#include "driver/icount/marks.h"

#ifdef ICOUNT_SET

/* The assembly below has these numbers. */
_Static_assert(offsetof(struct page_source, alloc_page) == 0, "alloc_page() comes first");
_Static_assert(offsetof(struct page_source, free_page) == 8, "then free_page()");
_Static_assert(offsetof(struct page_source, ctx) == 32, "the context is behind four functions");
_Static_assert(offsetof(struct page_source, alloc_far) == 56, "alloc_far() comes last");

#define TEXT_(x) #x
#define TEXT(x)  TEXT_(x)

/* A global function of these instructions. */
#define FUNCTION(name, body)                                                                                           \
    __asm__(".text\n.balign 16\n.globl " name "\n.type " name ", %function\n" name ":\n" body ".size " name            \
            ", . - " name "\n")

#ifdef __x86_64__
#define MARK(n) ".byte 0x0f, 0x1f, 0x80\n.long " TEXT(MARK_X86_64_MAGIC) " + " n "\n"
#define PAGES(function)                                                                                                \
    MARK("2")                                                                                                          \
    "mov " function "(%rdi), %rax\n"                                                                                   \
    "mov 32(%rdi), %rdi\n"                                                                                             \
    "sub $8, %rsp\n"                                                                                                   \
    "call *%rax\n"                                                                                                     \
    "add $8, %rsp\n" MARK("3") "ret\n"

FUNCTION("icount_call", "sub $8, %rsp\n" MARK("0") "call *%r8\n" MARK("1") "add $8, %rsp\nret\n");
#else
#define MARK(n) "movz xzr, #(" TEXT(MARK_AARCH64_MAGIC) " + " n ")\n"
#define PAGES(function)                                                                                                \
    MARK("2")                                                                                                          \
    "stp x29, x30, [sp, #-16]!\n"                                                                                      \
    "ldr x9, [x0, #" function "]\n"                                                                                    \
    "ldr x0, [x0, #32]\n"                                                                                              \
    "blr x9\n"                                                                                                         \
    "ldp x29, x30, [sp], #16\n" MARK("3") "ret\n"

FUNCTION("icount_call", "stp x29, x30, [sp, #-16]!\n" MARK("0") "blr x4\n" MARK("1") "ldp x29, x30, [sp], #16\nret\n");
#endif

FUNCTION("icount_alloc_page", PAGES("0"));
FUNCTION("icount_alloc_far", PAGES("56"));
FUNCTION("icount_free_page", PAGES("8"));
FUNCTION("icount_nothing", "ret\n");

#endif
