/* xxhash.c - the whole of libxxhash as one source, from the header that Debian's libxxhash-dev ships: work for a compiler. */
#define XXH_STATIC_LINKING_ONLY
#define XXH_IMPLEMENTATION
#include <xxhash.h>
