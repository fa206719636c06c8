// The C library's allocator, told how a server wants it. Nothing happens where it is not glibc's.
#ifndef TOCSIN_CALLOCATOR_H
#define TOCSIN_CALLOCATOR_H

// Blocks from `bytes` on are mapped by themselves and given back to the system when they are freed; there are at most `arenas` heaps.
void callocator_tune(int bytes, int arenas);

// Gives free memory back to the system.
void callocator_trim(void);

#endif
