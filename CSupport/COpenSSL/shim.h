// The parts of OpenSSL 3 that Native uses: SHA-256 on a plain struct, random bytes, constant-time
// comparison, AES-GCM (libcrypto); TLS over buffers, X.509 certificates and keys in PEM (libssl).
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

#include <openssl/bio.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/sha.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

// What follows are macros of ssl.h and err.h, which Swift cannot import.

// TLS 1.2 and 1.3 alone, ciphers of TLS 1.2 with forward secrecy and authenticated encryption alone, no
// compression, no renegotiation. Buffers of records are given back while a connection is silent. Sessions are
// resumed by tickets, so nothing is kept for them. 0 when OpenSSL refuses something.
static inline int copenssl_context_prepare(SSL_CTX *context) {
    SSL_CTX_set_options(context, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION);
    SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_AUTO_RETRY);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    static const unsigned char name[] = "tocsin";
    return SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION)
        && SSL_CTX_set_max_proto_version(context, TLS1_3_VERSION)
        && SSL_CTX_set_cipher_list(context, "ECDHE+AESGCM:ECDHE+CHACHA20")
        && SSL_CTX_set_num_tickets(context, 1)
        && SSL_CTX_set_session_id_context(context, name, sizeof name - 1);
}

// Narrows the versions, for tests of one of them. `version` is the number on the wire: 0x0303 or 0x0304.
static inline int copenssl_context_set_version(SSL_CTX *context, int version) {
    return SSL_CTX_set_min_proto_version(context, version) && SSL_CTX_set_max_proto_version(context, version);
}

// RFC 7301, 3.2: a client that names protocols, none of them ours, is refused by an alert.
static inline int copenssl_select_http(
    SSL *session, const unsigned char **chosen, unsigned char *chosen_length,
    const unsigned char *offered, unsigned int offered_length, void *unused) {
    (void)session;
    (void)unused;
    static const unsigned char ours[] = "\x08http/1.1\x08http/1.0";
    const int found = SSL_select_next_proto(
        (unsigned char **)chosen, chosen_length, ours, sizeof ours - 1, offered, offered_length);
    return found == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_ALERT_FATAL;
}

static inline void copenssl_context_answer_http(SSL_CTX *context) {
    SSL_CTX_set_alpn_select_cb(context, copenssl_select_http, (void *)0);
}

static inline int copenssl_context_add_chain(SSL_CTX *context, X509 *certificate) {
    return (int)SSL_CTX_add1_chain_cert(context, certificate);
}

static inline int copenssl_set_server_name(SSL *session, const char *name) {
    return (int)SSL_set_tlsext_host_name(session, name);
}

// Turns a BIO's call into "nothing now, ask again".
static inline void copenssl_retry_read(BIO *bio) { BIO_set_retry_read(bio); }
static inline void copenssl_clear_retry(BIO *bio) { BIO_clear_retry_flags(bio); }

#endif
