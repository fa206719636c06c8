// SQLite 3, and what Swift cannot import of it: cast macros and variadic functions.
//
// Every function answers an SQLite result code. Lengths are bytes; no text needs a terminating NUL.
#ifndef TOCSIN_CSQLITE_SHIM_H
#define TOCSIN_CSQLITE_SHIM_H

#include <sqlite3.h>
#include <stdint.h>

// Extended result codes: macros with shifts, which Swift cannot import. As SQLITE_x, named CSQLITE_x.

static const int CSQLITE_BUSY_RECOVERY = SQLITE_BUSY_RECOVERY;
static const int CSQLITE_BUSY_SNAPSHOT = SQLITE_BUSY_SNAPSHOT;
static const int CSQLITE_BUSY_TIMEOUT = SQLITE_BUSY_TIMEOUT;
static const int CSQLITE_CONSTRAINT_CHECK = SQLITE_CONSTRAINT_CHECK;
static const int CSQLITE_CONSTRAINT_FOREIGNKEY = SQLITE_CONSTRAINT_FOREIGNKEY;
static const int CSQLITE_CONSTRAINT_NOTNULL = SQLITE_CONSTRAINT_NOTNULL;
static const int CSQLITE_CONSTRAINT_PRIMARYKEY = SQLITE_CONSTRAINT_PRIMARYKEY;
static const int CSQLITE_CONSTRAINT_ROWID = SQLITE_CONSTRAINT_ROWID;
static const int CSQLITE_CONSTRAINT_TRIGGER = SQLITE_CONSTRAINT_TRIGGER;
static const int CSQLITE_CONSTRAINT_UNIQUE = SQLITE_CONSTRAINT_UNIQUE;
static const int CSQLITE_IOERR_READ = SQLITE_IOERR_READ;
static const int CSQLITE_IOERR_WRITE = SQLITE_IOERR_WRITE;
static const int CSQLITE_IOERR_FSYNC = SQLITE_IOERR_FSYNC;
static const int CSQLITE_IOERR_NOMEM = SQLITE_IOERR_NOMEM;
static const int CSQLITE_READONLY_DBMOVED = SQLITE_READONLY_DBMOVED;

// Binding. `copy`: SQLite copies at once, the caller may free. `borrow`: the bytes must live and stay
// unchanged until the parameter is bound anew, its bindings are cleared or the statement is finalized.
// A null pointer with length 0 is an empty value, never SQL NULL (SQLite itself would bind NULL).

static inline int csqlite_bind_text_copy(
    sqlite3_stmt *statement, int index, const void *bytes, uint64_t length) {
    const char *text = bytes ? (const char *)bytes : "";
    return sqlite3_bind_text64(statement, index, text, length, SQLITE_TRANSIENT, SQLITE_UTF8);
}

static inline int csqlite_bind_text_borrow(
    sqlite3_stmt *statement, int index, const void *bytes, uint64_t length) {
    const char *text = bytes ? (const char *)bytes : "";
    return sqlite3_bind_text64(statement, index, text, length, SQLITE_STATIC, SQLITE_UTF8);
}

static inline int csqlite_bind_blob_copy(
    sqlite3_stmt *statement, int index, const void *bytes, uint64_t length) {
    return sqlite3_bind_blob64(statement, index, bytes ? bytes : "", length, SQLITE_TRANSIENT);
}

static inline int csqlite_bind_blob_borrow(
    sqlite3_stmt *statement, int index, const void *bytes, uint64_t length) {
    return sqlite3_bind_blob64(statement, index, bytes ? bytes : "", length, SQLITE_STATIC);
}

// Switches of one connection (sqlite3_db_config is variadic). `on` is 0 or 1.

static inline int csqlite_set_defensive(sqlite3 *database, int on) {
    return sqlite3_db_config(database, SQLITE_DBCONFIG_DEFENSIVE, on, (int *)0);
}

static inline int csqlite_set_no_checkpoint_on_close(sqlite3 *database, int on) {
    return sqlite3_db_config(database, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, on, (int *)0);
}

// Whether "x" may mean the string 'x' in SELECT, INSERT, UPDATE and DELETE.
static inline int csqlite_set_double_quoted_strings_dml(sqlite3 *database, int on) {
    return sqlite3_db_config(database, SQLITE_DBCONFIG_DQS_DML, on, (int *)0);
}

// Whether "x" may mean the string 'x' in CREATE statements.
static inline int csqlite_set_double_quoted_strings_ddl(sqlite3 *database, int on) {
    return sqlite3_db_config(database, SQLITE_DBCONFIG_DQS_DDL, on, (int *)0);
}

static inline int csqlite_set_trusted_schema(sqlite3 *database, int on) {
    return sqlite3_db_config(database, SQLITE_DBCONFIG_TRUSTED_SCHEMA, on, (int *)0);
}

static inline int csqlite_set_load_extension(sqlite3 *database, int on) {
    return sqlite3_db_config(database, SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, on, (int *)0);
}

// Slots of small memory (bytes each, count of them) for one connection; 0 slots turn it off. Before any
// statement.
static inline int csqlite_set_lookaside(sqlite3 *database, int slot_size, int slots) {
    return sqlite3_db_config(database, SQLITE_DBCONFIG_LOOKASIDE, (void *)0, slot_size, slots);
}

// Switches of the process (sqlite3_config is variadic): only before the first connection, not thread-safe.

// Allocation counters cost a global lock for each malloc; nothing here reads them.
static inline int csqlite_set_memory_statistics(int on) {
    return sqlite3_config(SQLITE_CONFIG_MEMSTATUS, on);
}

// Receives SQLite's own error log. The callback must not call SQLite.
static inline int csqlite_set_log(void (*log)(void *context, int code, const char *message), void *context) {
    return sqlite3_config(SQLITE_CONFIG_LOG, log, context);
}

#endif
