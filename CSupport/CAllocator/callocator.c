#include "include/callocator.h"

#include <stdlib.h>

#ifdef __GLIBC__
#include <malloc.h>

void callocator_tune(int bytes, int arenas) {
    mallopt(M_MMAP_THRESHOLD, bytes);
    mallopt(M_TRIM_THRESHOLD, 4 * bytes);
    mallopt(M_ARENA_MAX, arenas);
}

void callocator_trim(void) { malloc_trim(0); }
#else
void callocator_tune(int bytes, int arenas) {
    (void)bytes;
    (void)arenas;
}

void callocator_trim(void) {}
#endif
