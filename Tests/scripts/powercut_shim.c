// Put in front of libsqlite3 by LD_PRELOAD: a server that breaks one of its promises, for the controls of powercut.py.
//
//   POWERCUT_SYNCHRONOUS=NORMAL|OFF   every `synchronous=FULL` becomes this
//   POWERCUT_KEEP_LOG=1               a checkpoint that would empty the log does nothing and says it did
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef int (*exec_function)(void *, const char *, void *, void *, char **);
typedef int (*checkpoint_function)(void *, const char *, int, int *, int *);

static const char full[] = "synchronous=FULL";

int sqlite3_exec(void *database, const char *script, void *callback, void *context, char **message) {
    exec_function next = (exec_function)dlsym(RTLD_NEXT, "sqlite3_exec");
    const char *wanted = getenv("POWERCUT_SYNCHRONOUS");
    const char *found = script && wanted ? strstr(script, full) : 0;
    if (!found) return next(database, script, callback, context, message);
    char *changed = 0;
    if (asprintf(&changed, "%.*ssynchronous=%s%s", (int)(found - script), script, wanted, found + strlen(full)) < 0) abort();
    int code = next(database, changed, callback, context, message);
    free(changed);
    return code;
}

int sqlite3_wal_checkpoint_v2(void *database, const char *name, int mode, int *pages, int *carried) {
    const int truncate = 3;
    if (mode == truncate && getenv("POWERCUT_KEEP_LOG")) return 0;
    return ((checkpoint_function)dlsym(RTLD_NEXT, "sqlite3_wal_checkpoint_v2"))(database, name, mode, pages, carried);
}
