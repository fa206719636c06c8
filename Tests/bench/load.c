/* A load generator for HTTP/1.1 on loopback: a fixed schedule, without coordinated omission.
 *
 *   load --port PORT --request FILE [--values FILE] [--first N] [--connections 64] [--rate PER_SECOND]
 *        (--seconds S | --count N) [--timeout 10]
 *
 * FILE holds the bytes of one request. Every "@ID@" in it becomes an id of a fixed width, so that its Content-Length holds: the
 * request's number, from --first on, as ten digits; with --values the line of that number (all of one length, taken in turn).
 *
 * With --rate, request i is due at start + i / rate, whatever became of those before. It takes the connection that has been idle for
 * longest; if all are busy it waits, and its latency counts from the moment at which it was due. What is unanswered `timeout`
 * seconds after the last was due counts with the latency it had reached by then. Without --rate each connection sends its next
 * request when the one before was answered (as wrk does), and a latency counts from the sending.
 *
 * One line of JSON comes out. `late_p99_ms` is the generator's own delay: from due to sent, of requests that found an idle
 * connection. An answer needs a Content-Length (or 204, 304); another one breaks its connection, which is then opened again.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

enum { HEAD_BYTES = 16384, SUB_BUCKETS = 128, BUCKETS = 58 * SUB_BUCKETS, ID_DIGITS = 10 };
#define SECOND 1000000000LL

/* Latencies in nanoseconds: 128 buckets for each power of two, so none is wider than 0.8 % of its value. */
typedef struct {
    uint64_t counts[BUCKETS], total;
    int64_t max;
} Histogram;

typedef struct {
    int fd;
    bool is_busy, is_in_body, closes;
    char *request; /* a copy of the template, with this connection's ids in it */
    size_t sent;
    int64_t due, idle_since;
    char head[HEAD_BYTES + 1];
    size_t head_length, body_left;
    int status;
} Connection;

static struct {
    int port, connections;
    long long first, count;
    double rate, seconds, timeout;
} options = {.connections = 64, .timeout = 10};

static char *template, *values;
static size_t template_length, *id_places, id_count, id_width = ID_DIGITS, value_count;
static Connection *connections;
static int *idle, idle_head, idle_count; /* a ring of those without a request */
static int epoll;
static long long sent, answered, not_2xx, broken;
static int64_t start, last_answer;
static Histogram latencies, lateness;

static void fail(const char *what) {
    fprintf(stderr, "load: %s: %s\n", what, strerror(errno));
    exit(1);
}

static int64_t now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * SECOND + time.tv_nsec;
}

static void record(Histogram *histogram, int64_t value) {
    uint64_t v = value < 0 ? 0 : (uint64_t)value;
    int shift = v < SUB_BUCKETS ? 0 : 56 - __builtin_clzll(v); /* v >> shift is in 128..255 */
    histogram->counts[v < SUB_BUCKETS ? v : (uint64_t)shift * SUB_BUCKETS + (v >> shift)]++;
    histogram->total++;
    if (value > histogram->max) histogram->max = value;
}

/* The upper edge of the bucket that holds the percentile, in milliseconds; never above the maximum. */
static double percentile(const Histogram *histogram, double percent) {
    uint64_t wanted = (uint64_t)(histogram->total * percent / 100 + 0.999999), seen = 0;
    for (uint64_t i = 0; i < BUCKETS; i++) {
        seen += histogram->counts[i];
        if (seen < wanted || seen == 0) continue;
        uint64_t shift = i < 2 * SUB_BUCKETS ? 0 : i / SUB_BUCKETS - 1;
        double edge = (double)((i - shift * SUB_BUCKETS + 1) << shift);
        return (edge > histogram->max ? (double)histogram->max : edge) / 1e6;
    }
    return 0;
}

static char *read_file(const char *path, size_t *length) {
    FILE *file = fopen(path, "rb");
    if (!file) fail(path);
    char *bytes = NULL;
    size_t capacity = 0;
    *length = 0;
    do {
        capacity = capacity ? capacity * 2 : 65536;
        bytes = realloc(bytes, capacity + 1);
        if (!bytes) fail("memory");
        *length += fread(bytes + *length, 1, capacity - *length, file);
    } while (*length == capacity);
    fclose(file);
    bytes[*length] = 0;
    return bytes;
}

/* Lines of one length; `values` keeps them one after the other, each with its line feed. */
static void read_values(const char *path) {
    size_t length;
    values = read_file(path, &length);
    id_width = strcspn(values, "\n");
    value_count = length / (id_width + 1);
    bool is_even = value_count > 0 && length == value_count * (id_width + 1);
    for (size_t i = 0; is_even && i < value_count; i++) {
        is_even = memchr(values + i * (id_width + 1), '\n', id_width + 1) == values + i * (id_width + 1) + id_width;
    }
    if (!is_even) {
        fprintf(stderr, "load: %s: not lines of one length, each ended by a line feed\n", path);
        exit(1);
    }
}

/* Makes the template: "@ID@" becomes `id_width` bytes, and `id_places` says where. */
static void read_template(const char *path) {
    size_t length;
    char *text = read_file(path, &length), *end = text + length, *from = text;
    for (char *at = text; (at = memmem(at, end - at, "@ID@", 4)); at += 4) id_count++;
    template = malloc(length + id_count * id_width + 1);
    id_places = malloc((id_count + 1) * sizeof *id_places);
    if (!template || !id_places) fail("memory");
    for (size_t i = 0; i <= id_count; i++) {
        char *at = i < id_count ? memmem(from, end - from, "@ID@", 4) : end;
        memcpy(template + template_length, from, at - from);
        template_length += at - from;
        if (i == id_count) break;
        id_places[i] = template_length;
        template_length += id_width;
        from = at + 4;
    }
    free(text);
}

static void fill_in(Connection *c, long long number) {
    char digits[32];
    const char *id = digits;
    if (values) id = values + ((size_t)number % value_count) * (id_width + 1);
    else snprintf(digits, sizeof digits, "%0*lld", ID_DIGITS, number);
    for (size_t i = 0; i < id_count; i++) memcpy(c->request + id_places[i], id, id_width);
}

static void open_connection(Connection *c) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(options.port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int one = 1;
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (c->fd < 0 || connect(c->fd, (struct sockaddr *)&address, sizeof address)) fail("connect");
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    fcntl(c->fd, F_SETFL, O_NONBLOCK);
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLET, .data.fd = c - connections};
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, c->fd, &event)) fail("epoll_ctl");
}

static void become_idle(Connection *c, int64_t at) {
    c->is_busy = false;
    c->idle_since = at;
    idle[(idle_head + idle_count++) % options.connections] = c - connections;
}

/* Closed by the server, or an answer that can't be read: the request is counted as broken and not sent again. */
static void reopen(Connection *c) {
    close(c->fd);
    open_connection(c);
    if (!c->is_busy) return;
    broken++;
    become_idle(c, now());
}

static void send_more(Connection *c) {
    while (c->sent < template_length) {
        ssize_t n = send(c->fd, c->request + c->sent, template_length - c->sent, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return; /* full: epoll says when there is room; broken: reading finds out */
        c->sent += n;
    }
}

static void begin(Connection *c, int64_t due, int64_t at) {
    fill_in(c, options.first + sent++);
    c->is_busy = true;
    c->is_in_body = c->closes = false;
    c->sent = c->head_length = 0;
    c->due = due;
    send_more(c);
    if (options.rate > 0 && c->idle_since <= due) record(&lateness, at - due);
}

/* The head is whole: status and length of the body. False: not to be understood. */
static bool read_head(Connection *c, const char *end) {
    c->status = strncmp(c->head, "HTTP/1.1 ", 9) ? 0 : atoi(c->head + 9);
    bool has_length = c->status == 204 || c->status == 304;
    c->body_left = 0;
    for (char *line = strstr(c->head, "\r\n"); line && line < end; line = strstr(line, "\r\n")) {
        line += 2;
        if (!strncasecmp(line, "content-length:", 15)) {
            has_length = true;
            c->body_left = strtoull(line + 15, NULL, 10);
        } else if (!strncasecmp(line, "connection: close", 17)) {
            c->closes = true;
        }
    }
    return c->status >= 200 && has_length;
}

static void finish(Connection *c) {
    last_answer = now();
    record(&latencies, last_answer - c->due);
    answered++;
    if (c->status > 299) not_2xx++;
    become_idle(c, last_answer);
    if (c->closes) reopen(c);
}

/* Reads what there is. Edge-triggered: until nothing is left. */
static void receive(Connection *c) {
    static char body[1 << 18];
    for (;;) {
        int fd = c->fd;
        ssize_t n = c->is_in_body ? recv(fd, body, sizeof body, 0) : recv(fd, c->head + c->head_length, HEAD_BYTES - c->head_length, 0);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0 && errno == EAGAIN) return;
        if (n <= 0 || !c->is_busy) return reopen(c);
        size_t of_body = n;
        if (!c->is_in_body) {
            c->head_length += n;
            c->head[c->head_length] = 0;
            char *end = strstr(c->head, "\r\n\r\n");
            if (!end && c->head_length < HEAD_BYTES) continue;
            if (!end || !read_head(c, end)) return reopen(c);
            c->is_in_body = true;
            of_body = c->head + c->head_length - (end + 4);
        }
        if (of_body > c->body_left) return reopen(c);
        c->body_left -= of_body;
        if (c->body_left > 0) continue;
        finish(c);
        if (c->fd != fd) return;
    }
}

static int64_t due_time(long long index) { return start + (int64_t)(index * (SECOND / options.rate)); }

/* Sends what is due as far as there are idle connections. Returns when the next one is due, or 0 when an answer has to come first. */
static int64_t send_due(int64_t stop) {
    while (idle_count > 0 && (options.count == 0 || sent < options.count)) {
        int64_t at = now(), due = options.rate > 0 ? due_time(sent) : at;
        if (options.count == 0 && at >= stop) return 0;
        if (due > at) return due;
        Connection *c = &connections[idle[idle_head]];
        idle_head = (idle_head + 1) % options.connections;
        idle_count--;
        begin(c, due, at);
    }
    return 0;
}

static void run(void) {
    struct epoll_event events[256], event = {.events = EPOLLIN, .data.fd = -1};
    int timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    if (timer < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, timer, &event)) fail("timer");
    start = last_answer = now();
    for (int i = 0; i < options.connections; i++) become_idle(&connections[i], start);
    /* A schedule is a number of requests; only a run without one ends by the clock. */
    if (options.rate > 0 && options.count == 0) options.count = (long long)(options.rate * options.seconds);
    int64_t stop = start + (int64_t)(options.seconds * SECOND);
    int64_t last_due = options.rate > 0 ? due_time(options.count) : options.count ? INT64_MAX / 2 : stop;
    int64_t end = last_due + (int64_t)(options.timeout * SECOND);
    while (now() < end) {
        int64_t next = send_due(stop);
        bool is_all_sent = options.count ? sent == options.count : now() >= stop;
        if (is_all_sent && idle_count == options.connections) return;
        struct itimerspec when = {.it_value = {.tv_sec = next / SECOND, .tv_nsec = next % SECOND}};
        timerfd_settime(timer, TFD_TIMER_ABSTIME, &when, NULL); /* 0 disarms it */
        int ready = epoll_wait(epoll, events, 256, 100);
        for (int i = 0; i < ready; i++) {
            if (events[i].data.fd < 0) continue;
            Connection *c = &connections[events[i].data.fd];
            if (c->is_busy && c->sent < template_length) send_more(c);
            receive(c);
        }
    }
}

/* What was due and has no answer counts as well, with the time that it has waited. */
static long long count_unanswered(void) {
    int64_t at = now();
    long long unanswered = 0;
    for (int i = 0; i < options.connections; i++) {
        if (!connections[i].is_busy) continue;
        record(&latencies, at - connections[i].due);
        unanswered++;
    }
    for (long long i = sent; options.rate > 0 && i < options.count; i++, unanswered++) record(&latencies, at - due_time(i));
    return unanswered;
}

static void read_options(int argc, char **argv) {
    static const struct option known[] = {
        {"port", 1, 0, 'p'}, {"request", 1, 0, 'q'}, {"values", 1, 0, 'v'}, {"first", 1, 0, 'f'}, {"connections", 1, 0, 'c'},
        {"rate", 1, 0, 'r'}, {"seconds", 1, 0, 's'}, {"count", 1, 0, 'n'},  {"timeout", 1, 0, 't'}, {0}};
    const char *request = NULL;
    for (int option; (option = getopt_long(argc, argv, "", known, NULL)) != -1;) {
        switch (option) {
        case 'p': options.port = atoi(optarg); break;
        case 'q': request = optarg; break;
        case 'v': read_values(optarg); break;
        case 'f': options.first = atoll(optarg); break;
        case 'c': options.connections = atoi(optarg); break;
        case 'r': options.rate = atof(optarg); break;
        case 's': options.seconds = atof(optarg); break;
        case 'n': options.count = atoll(optarg); break;
        case 't': options.timeout = atof(optarg); break;
        default: exit(2);
        }
    }
    bool has_end = options.seconds > 0 || options.count > 0;
    if (!request || options.port < 1 || options.connections < 1 || options.first < 0 || !has_end) {
        fprintf(stderr, "load: wants --port, --request, and --seconds or --count\n");
        exit(2);
    }
    read_template(request);
}

int main(int argc, char **argv) {
    prctl(PR_SET_PDEATHSIG, SIGKILL); /* it ends with who started it */
    read_options(argc, argv);
    /* On a schedule it must not wait for a core behind the server that it measures. Only root may; late_p99_ms says how it went. */
    if (options.rate > 0) setpriority(PRIO_PROCESS, 0, -10);
    epoll = epoll_create1(EPOLL_CLOEXEC);
    connections = calloc(options.connections, sizeof *connections);
    idle = calloc(options.connections, sizeof *idle);
    if (epoll < 0 || !connections || !idle) fail("memory");
    for (int i = 0; i < options.connections; i++) {
        connections[i].request = malloc(template_length + 1);
        if (!connections[i].request) fail("memory");
        memcpy(connections[i].request, template, template_length);
        open_connection(&connections[i]);
    }
    run();
    long long unanswered = count_unanswered();
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    double cpu = usage.ru_utime.tv_sec + usage.ru_stime.tv_sec + (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
    printf("{\"requests\": %lld, \"seconds\": %.6f, \"p50_ms\": %.3f, \"p99_ms\": %.3f, \"p999_ms\": %.3f, \"max_ms\": %.3f, "
           "\"not_2xx\": %lld, \"broken\": %lld, \"unanswered\": %lld, \"late_p99_ms\": %.3f, \"cpu_seconds\": %.3f}\n",
           answered, (last_answer - start) / 1e9, percentile(&latencies, 50), percentile(&latencies, 99), percentile(&latencies, 99.9),
           latencies.max / 1e6, not_2xx, broken, unanswered, percentile(&lateness, 99), cpu);
    return 0;
}
