// The parts of libcrypto 3 that Native uses: SHA-256 on a plain struct, random bytes, constant-time
// comparison, AES-GCM.
//
// Why the SHA256_* functions that OpenSSL 3 marks as deprecated: their state is a plain C struct, so a keyed
// state can be prepared once and copied on the stack, without the locks, look-ups and allocations of
// EVP_MD_CTX. They are in every 3.x release. When one drops them, EVP_MD_CTX_copy_ex is the (slower)
// replacement.
#ifndef TOCSIN_COPENSSL_SHIM_H
#define TOCSIN_COPENSSL_SHIM_H

#ifndef OPENSSL_SUPPRESS_DEPRECATED
#define OPENSSL_SUPPRESS_DEPRECATED
#endif

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <openssl/sha.h>

#endif
