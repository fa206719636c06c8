// libcurl with OpenSSL: the calls whose number of arguments is open, which Swift can't make, one for each type
// of argument, and the certificates that are believed.
#ifndef TOCSIN_CCURL_SHIM_H
#define TOCSIN_CCURL_SHIM_H

#define CURL_DISABLE_TYPECHECK
#ifndef OPENSSL_SUPPRESS_DEPRECATED
#define OPENSSL_SUPPRESS_DEPRECATED  // as COpenSSL does: what is included first decides
#endif
#include <curl/curl.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>

#if LIBCURL_VERSION_NUM < 0x075800
#error "libcurl 7.88 or later is needed"
#endif

// Options of a transfer.

static inline CURLcode ccurl_set_number(CURL *handle, CURLoption option, long value) {
    return curl_easy_setopt(handle, option, value);
}
static inline CURLcode ccurl_set_size(CURL *handle, CURLoption option, curl_off_t value) {
    return curl_easy_setopt(handle, option, value);
}
static inline CURLcode ccurl_set_text(CURL *handle, CURLoption option, const char *value) {
    return curl_easy_setopt(handle, option, value);
}
static inline CURLcode ccurl_set_pointer(CURL *handle, CURLoption option, const void *value) {
    return curl_easy_setopt(handle, option, value);
}
static inline CURLcode ccurl_set_list(CURL *handle, CURLoption option, struct curl_slist *value) {
    return curl_easy_setopt(handle, option, value);
}

// What is called, all with the same pointer of ours.

typedef size_t (*ccurl_bytes)(char *, size_t, size_t, void *);
typedef int (*ccurl_trace)(CURL *, curl_infotype, char *, size_t, void *);

static inline void ccurl_set_answer(CURL *handle, ccurl_bytes head, ccurl_bytes body, void *context) {
    curl_easy_setopt(handle, CURLOPT_HEADERFUNCTION, head);
    curl_easy_setopt(handle, CURLOPT_HEADERDATA, context);
    curl_easy_setopt(handle, CURLOPT_WRITEFUNCTION, body);
    curl_easy_setopt(handle, CURLOPT_WRITEDATA, context);
}
static inline void ccurl_set_upload(CURL *handle, ccurl_bytes read, void *context) {
    curl_easy_setopt(handle, CURLOPT_READFUNCTION, read);
    curl_easy_setopt(handle, CURLOPT_READDATA, context);
}
static inline void ccurl_set_trace(CURL *handle, ccurl_trace trace, void *context) {
    curl_easy_setopt(handle, CURLOPT_DEBUGFUNCTION, trace);
    curl_easy_setopt(handle, CURLOPT_DEBUGDATA, context);
    curl_easy_setopt(handle, CURLOPT_VERBOSE, 1L);
}
static inline void ccurl_set_progress(CURL *handle, curl_xferinfo_callback progress, void *context) {
    curl_easy_setopt(handle, CURLOPT_XFERINFOFUNCTION, progress);
    curl_easy_setopt(handle, CURLOPT_XFERINFODATA, context);
    curl_easy_setopt(handle, CURLOPT_NOPROGRESS, 0L);
}
static inline void ccurl_set_guard(
    CURL *handle, curl_opensocket_callback open, curl_prereq_callback before, void *context
) {
    curl_easy_setopt(handle, CURLOPT_OPENSOCKETFUNCTION, open);
    curl_easy_setopt(handle, CURLOPT_OPENSOCKETDATA, context);
    curl_easy_setopt(handle, CURLOPT_PREREQFUNCTION, before);
    curl_easy_setopt(handle, CURLOPT_PREREQDATA, context);
}

// `store` is an X509_STORE. It is counted, not copied: parsing some 140 authorities takes 24 ms of a
// processor, for each connection.
static inline CURLcode ccurl_believe(CURL *handle, void *context, void *store) {
    (void)handle;
    SSL_CTX *tls = (SSL_CTX *)context;
    SSL_CTX_set1_cert_store(tls, (X509_STORE *)store);
    // Work that a server could choose the size of, on a thread that is everybody's: Diffie-Hellman in numbers
    // of its choice (a tenth of a second and more for each handshake), handshakes again and again.
    SSL_CTX_set_options(tls, SSL_OP_NO_RENEGOTIATION);
    return SSL_CTX_set_cipher_list(tls, "ECDHE+AESGCM:ECDHE+CHACHA20:ECDHE+AES:RSA+AES") == 1 &&
                   SSL_CTX_set1_groups_list(tls, "X25519:P-256:P-384:P-521") == 1
               ? CURLE_OK
               : CURLE_SSL_CIPHER;
}
static inline void ccurl_set_roots(CURL *handle, void *store) {
    curl_easy_setopt(handle, CURLOPT_CAINFO, NULL);
    curl_easy_setopt(handle, CURLOPT_CAPATH, NULL);
    curl_easy_setopt(handle, CURLOPT_SSL_CTX_FUNCTION, ccurl_believe);
    curl_easy_setopt(handle, CURLOPT_SSL_CTX_DATA, store);
}

// What is known of a transfer.

static inline long ccurl_number(CURL *handle, CURLINFO info) {
    long value = 0;
    return curl_easy_getinfo(handle, info, &value) == CURLE_OK ? value : 0;
}
static inline curl_off_t ccurl_size(CURL *handle, CURLINFO info) {
    curl_off_t value = 0;
    return curl_easy_getinfo(handle, info, &value) == CURLE_OK ? value : 0;
}
static inline int ccurl_has_connection(CURL *handle) {
    curl_socket_t value = CURL_SOCKET_BAD;
    return curl_easy_getinfo(handle, CURLINFO_ACTIVESOCKET, &value) == CURLE_OK && value != CURL_SOCKET_BAD;
}

// The multi handle.

static inline void ccurl_multi_set(CURLM *multi, CURLMoption option, long value) {
    curl_multi_setopt(multi, option, value);
}
// The next transfer that is over, with its result; NULL: none.
static inline CURL *ccurl_next_over(CURLM *multi, CURLcode *result) {
    int left = 0;
    CURLMsg *message = curl_multi_info_read(multi, &left);
    while (message && message->msg != CURLMSG_DONE) message = curl_multi_info_read(multi, &left);
    if (!message) return NULL;
    *result = message->data.result;
    return message->easy_handle;
}

#endif
