// Notes which work a thread was at when it crashed the process, so that the next start can leave that work alone.
//
// `ccrash_open` opens the file of notes and catches the signals of a crash. A thread says what it is at with `ccrash_enter`. When the thread crashes while it is at some work, the 8 bytes of the work's mark are appended to the file (host byte order) and the
// signal goes on as if it had not been caught. A process that is killed from outside leaves no note.
#ifndef TOCSIN_CCRASH_H
#define TOCSIN_CCRASH_H

#include <stdint.h>

// Answers 0, or the errno of what failed. To be called once, before any thread enters.
int ccrash_open(const char *path);
// The work that the calling thread is at from now on; 0: none. Answers what it was at before.
uint64_t ccrash_enter(uint64_t mark);

#endif
