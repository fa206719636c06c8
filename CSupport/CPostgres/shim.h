// libpq, PostgreSQL's client library.
#ifndef TOCSIN_CPOSTGRES_SHIM_H
#define TOCSIN_CPOSTGRES_SHIM_H

#include <libpq-fe.h>

#endif
