/* The sandbox: the only process of the container that owns a task's network namespace.
 *
 * It holds the namespace, reaps children, ends with code 0 on SIGTERM, and carries TCP between the namespace and the
 * pytest process over its own stdin and stdout, which that process has attached to: "the link".
 *
 *     sandbox [NAME=PORT]...    listen on 127.0.0.1:PORT (0: any free port) for a service of the host; names: services[]
 *
 * Where there are endpoints, it gives the namespace ECS's link-local addresses before anything else: 169.254.170.2:80 leads
 * to that listener, and the instance metadata service cannot be reached. For that it needs NET_ADMIN, and a namespace that is
 * a task's own. What could not be set up is the host's to judge: the hello says it. NET_ADMIN then only stays within reach
 * for the names, and is gone for good once they are served.
 *
 * Names: when the host asks for it, queries by UDP to the nameservers of /etc/resolv.conf, which the engine gives to all
 * containers of the namespace, come here and go on to the host. It answers them, or has the nameserver itself asked.
 *
 * The link is a sequence of frames, big endian: stream (4 bytes), type (1), length of the payload (3), payload.
 *
 *     HELLO      ->   "ECSL", version (2), number of services (2), own address (4), the step of the link-local addresses that
 *                     failed (2; 0: none) and its errno (2), then service (2) and port (2) of each
 *     OPEN       ->   somebody connected to a service: its number (2). The stream's id is even
 *     CONNECT    <-   connect to address (4) and port (2); 0.0.0.0 is the namespace's own address. The id is odd
 *     CONNECTED  ->   it is connected: data may flow
 *     REFUSED    ->   it is not: errno (2), Linux's number. The stream is over
 *     DATA       <->  at most PAYLOAD bytes, and no more than the other side has granted
 *     GRANT      <->  that many bytes more may be sent (4). Every stream starts with WINDOW, both ways
 *     END        <->  no more data from this side. After both ENDs the stream is over
 *     RESET      <->  the stream is over at once
 *     NAMES      <-   serve names from now on
 *     NAMED      ->   they are served; errno (2) where they cannot be, else 0
 *     QUERY      ->   a DNS message, with an id of our own
 *     ANSWER     <-   the DNS message that answers the query of its id
 *     ASK        <-   the query again, for its nameserver to answer
 *
 * The last five are of no stream: 0. A query that is lost, or has QUERIES younger ones, is not answered; who asked it does so
 * again, as of any nameserver.
 *
 * A frame of a stream that is over is ignored (it may have crossed a RESET); anything else that breaks the rules ends the
 * program with a message on stderr. Nothing blocks: a stream that is not read fills its own window and no other.
 *
 * When the host is gone (end of file on stdin) every stream is reset and the listeners close, so that an application sees
 * an error instead of waiting, but the namespace is held until a signal ends the program, and the nameserver still asked.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/netfilter/nf_nat.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum {
    VERSION = 3,
    MAX_STREAMS = 1024,
    WINDOW = 256 * 1024,
    FRAME = 32 * 1024, /* the chunk that the engines copy by */
    HEADER = 8,
    PAYLOAD = FRAME - HEADER,
    RESERVE = 64,       /* room in the output for the control frames that one step can cause */
    WORK = 8 * 1024,    /* room without which no stream is served: no tiny frames */
    SPARE_FILES = 16,
    QUERIES = 256,      /* that wait for an answer */
    QUERY_SIZE = 4096,  /* no query is longer */
    QUERY_HEADER = 12,
    NAMESERVERS = 3,    /* as many as a resolver looks at */
    DNS_PORT = 53,
};

enum frame_type {
    HELLO = 1, OPEN, CONNECT, CONNECTED, REFUSED, DATA, GRANT, END, RESET, NAMES, NAMED, QUERY, ANSWER, ASK
};

enum exit_code { BAD_USAGE = 64, BAD_FRAME = 65, SYSTEM_FAILED = 71 };

static const char *const services[] = {"aws", "endpoints"}; /* service 1, 2, ... */
enum { ENDPOINTS_SERVICE = 2, SERVICES = sizeof services / sizeof services[0] };

enum { BEFORE_ROUTING = -100 }; /* the stage at which output changes its destination */

enum setup_step { ALL_SET, METADATA_ROUTE, METADATA_ROUTE_6, ENDPOINTS_ROUTE, ENDPOINTS_RULE };

struct stream {
    uint32_t id; /* 0: the slot is free */
    int fd;
    int connecting;
    int ended;        /* the application has no more to say, and END is sent */
    int host_ended;   /* the host has sent END */
    uint32_t granted; /* bytes that may still be sent to the host */
    uint32_t eaten;   /* bytes passed to the application and not granted again yet */
    uint8_t *ring;    /* WINDOW bytes for the application, mapped while any wait */
    uint32_t start, used;
};

static struct stream streams[MAX_STREAMS];
static int stream_limit = MAX_STREAMS;
static int stream_top; /* no slot from here on is in use */
static uint32_t next_id = 2;

static struct { int number, fd; uint16_t port; } listeners[SERVICES];
static int listener_count;
static struct { enum setup_step step; int error; } setup_failure;
static int out_of_files; /* accept failed for want of something: try again a little later */

static struct name_place { uint32_t nameserver; int listener, asker; } name_places[NAMESERVERS];
static int name_place_count; /* 0: names are not served */
static struct query { struct sockaddr_in client; uint16_t number, id; int place, waits; } queries[QUERIES]; /* by our number */
static uint16_t next_query;

static uint8_t input[2 * FRAME], output[4 * FRAME];
static uint32_t input_used, output_used;

/* ---- words for people ---- */

static void say(const char *text) {
    if (write(2, text, strlen(text)) < 0) return; /* nobody listens: nothing to do about it */
}

static void say_number(uint32_t number) {
    char digits[11], *p = digits + sizeof digits;
    *--p = 0;
    do *--p = (char)('0' + number % 10);
    while (number /= 10);
    say(p);
}

static _Noreturn void fail(int code, const char *what, const char *unit, uint32_t number) {
    say("sandbox: ");
    say(what);
    say(unit);
    say_number(number);
    say("\n");
    _exit(code);
}

static _Noreturn void system_failed(const char *what) { fail(SYSTEM_FAILED, what, ": errno ", (uint32_t)errno); }
static _Noreturn void bad_frame(const char *what, uint32_t id) { fail(BAD_FRAME, what, ", stream ", id); }

/* ---- bytes ---- */

static void put(uint8_t *at, int size, uint32_t value) {
    while (size--) at[size] = (uint8_t)value, value >>= 8;
}

static uint32_t get(const uint8_t *at, int size) {
    uint32_t value = 0;
    while (size--) value = value << 8 | *at++;
    return value;
}

static uint32_t room(void) { return sizeof output - output_used; }

static void put_header(uint32_t id, enum frame_type type, uint32_t length) {
    uint8_t *at = output + output_used;
    put(at, 4, id);
    put(at + 4, 1, type);
    put(at + 5, 3, length);
    output_used += HEADER + length;
}

/* Append a control frame. The caller has made sure of RESERVE bytes of room. */
static void send_frame(uint32_t id, enum frame_type type, int size, uint32_t value) {
    put(output + output_used + HEADER, size, value);
    put_header(id, type, (uint32_t)size);
}

/* ---- streams ---- */

static struct stream *find_stream(uint32_t id) {
    for (int i = 0; i < stream_top; i++)
        if (streams[i].id == id) return &streams[i];
    return NULL;
}

static struct stream *make_stream(uint32_t id, int fd) {
    for (int i = 0; i < stream_limit; i++) {
        if (streams[i].id) continue;
        streams[i] = (struct stream){.id = id, .fd = fd, .granted = WINDOW};
        if (i >= stream_top) stream_top = i + 1;
        return &streams[i];
    }
    return NULL;
}

static void free_ring(struct stream *s) {
    if (s->ring) munmap(s->ring, WINDOW);
    s->ring = NULL;
    s->start = 0;
}

static void free_stream(struct stream *s) {
    free_ring(s);
    close(s->fd);
    s->id = 0;
    while (stream_top && !streams[stream_top - 1].id) stream_top--;
}

/* Close so that the peer sees a reset, not an end. */
static void set_abort(int fd) {
    struct linger linger = {.l_onoff = 1};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
}

static void abort_stream(struct stream *s) {
    set_abort(s->fd);
    free_stream(s);
}

static void break_stream(struct stream *s) {
    send_frame(s->id, RESET, 0, 0);
    abort_stream(s);
}

static int would_block(void) { return errno == EAGAIN || errno == EINTR; }

static void no_delay(int fd) {
    int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

/* ---- from the application to the host ---- */

static int may_read(const struct stream *s) { return !s->connecting && !s->ended && s->granted; }

static void end_if_done(struct stream *s) {
    if (s->ended && s->host_ended && !s->used) free_stream(s);
}

static void read_application(struct stream *s) {
    uint32_t most = room() - RESERVE - HEADER;
    if (most > PAYLOAD) most = PAYLOAD;
    if (most > s->granted) most = s->granted;
    ssize_t count = read(s->fd, output + output_used + HEADER, most);
    if (count > 0) {
        put_header(s->id, DATA, (uint32_t)count);
        s->granted -= (uint32_t)count;
    } else if (count == 0) {
        s->ended = 1;
        send_frame(s->id, END, 0, 0);
        end_if_done(s);
    } else if (!would_block()) {
        break_stream(s);
    }
}

/* ---- from the host to the application ---- */

static void was_eaten(struct stream *s, uint32_t count) {
    s->eaten += count;
    if (s->eaten < WINDOW / 4 || s->host_ended) return;
    send_frame(s->id, GRANT, 4, s->eaten);
    s->eaten = 0;
}

static void write_application(struct stream *s) {
    uint32_t first = WINDOW - s->start < s->used ? WINDOW - s->start : s->used;
    struct iovec parts[2] = {{s->ring + s->start, first}, {s->ring, s->used - first}};
    ssize_t count = writev(s->fd, parts, 2);
    if (count < 0) {
        if (!would_block()) break_stream(s);
        return;
    }
    s->start = (s->start + (uint32_t)count) % WINDOW;
    s->used -= (uint32_t)count;
    was_eaten(s, (uint32_t)count);
    if (s->used) return;
    free_ring(s);
    if (s->host_ended) shutdown(s->fd, SHUT_WR);
    end_if_done(s);
}

static void keep(struct stream *s, const uint8_t *data, uint32_t size) {
    if (!s->ring) {
        s->ring = mmap(NULL, WINDOW, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (s->ring == MAP_FAILED) {
            s->ring = NULL;
            break_stream(s);
            return;
        }
    }
    uint32_t end = (s->start + s->used) % WINDOW, first = WINDOW - end < size ? WINDOW - end : size;
    memcpy(s->ring + end, data, first);
    memcpy(s->ring, data + first, size - first);
    s->used += size;
}

static void take_data(struct stream *s, const uint8_t *data, uint32_t size) {
    if (s->connecting || s->host_ended) bad_frame("data before the connection or after the end", s->id);
    if (size > WINDOW - s->used - s->eaten) bad_frame("more data than was granted", s->id);
    if (!s->used && size) {
        ssize_t count = write(s->fd, data, size);
        if (count < 0 && !would_block()) {
            break_stream(s);
            return;
        }
        if (count > 0) {
            was_eaten(s, (uint32_t)count);
            data += count;
            size -= (uint32_t)count;
        }
    }
    if (size) keep(s, data, size);
}

static void take_end(struct stream *s) {
    if (s->connecting || s->host_ended) bad_frame("an end before the connection or after the end", s->id);
    s->host_ended = 1;
    if (!s->used) shutdown(s->fd, SHUT_WR);
    end_if_done(s);
}

static void take_grant(struct stream *s, uint32_t count) {
    if (count > WINDOW - s->granted) bad_frame("a grant beyond the window", s->id);
    s->granted += count;
}

/* ---- connections out of the namespace ---- */

/* The first address that is not loopback; 0 where there is none. An application that listens on 127.0.0.1 alone must not
 * be reached through it, as it is not on Fargate. */
static uint32_t own_address(void) {
    struct ifreq found[32];
    struct ifconf query = {.ifc_len = sizeof found, .ifc_req = found};
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    uint32_t address = 0;
    if (fd < 0) return 0;
    if (ioctl(fd, SIOCGIFCONF, &query) == 0)
        for (unsigned i = 0; !address && i < (unsigned)query.ifc_len / sizeof found[0]; i++) {
            uint32_t ip = ntohl(((struct sockaddr_in *)&found[i].ifr_addr)->sin_addr.s_addr);
            if (ip >> 24 != 127) address = ip;
        }
    close(fd);
    return address;
}

static void connect_stream(uint32_t id, uint32_t address, uint16_t port) {
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};
    if (id % 2 == 0 || find_stream(id)) bad_frame("a connect with an id that is even or in use", id);
    if (!address && !(address = own_address())) {
        send_frame(id, REFUSED, 2, ENETUNREACH);
        return;
    }
    to.sin_addr.s_addr = htonl(address);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    struct stream *s = fd < 0 ? NULL : make_stream(id, fd);
    if (!s) {
        send_frame(id, REFUSED, 2, fd < 0 ? (uint32_t)errno : EMFILE);
        if (fd >= 0) close(fd);
        return;
    }
    no_delay(fd);
    s->connecting = 1;
    if (connect(fd, (struct sockaddr *)&to, sizeof to) < 0 && errno != EINPROGRESS) {
        send_frame(id, REFUSED, 2, (uint32_t)errno);
        free_stream(s);
    }
}

static void finish_connect(struct stream *s) {
    int error = 0;
    socklen_t size = sizeof error;
    getsockopt(s->fd, SOL_SOCKET, SO_ERROR, &error, &size);
    s->connecting = 0;
    if (error) {
        send_frame(s->id, REFUSED, 2, (uint32_t)error);
        free_stream(s);
    } else {
        send_frame(s->id, CONNECTED, 0, 0);
    }
}

/* ---- connections to a service of the host ---- */

static void listen_for(const char *argument) {
    for (int i = 0; i < SERVICES; i++) {
        size_t length = strlen(services[i]);
        if (strncmp(argument, services[i], length) || argument[length] != '=') continue;
        uint32_t port = 0;
        const char *digit = argument + length + 1;
        while (*digit >= '0' && *digit <= '9' && port <= 65535) port = port * 10 + (uint32_t)(*digit++ - '0');
        if (*digit || digit == argument + length + 1 || port > 65535 || listener_count == SERVICES) break;
        struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
        at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        int on = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
        socklen_t size = sizeof at;
        if (fd < 0 || bind(fd, (struct sockaddr *)&at, sizeof at) < 0 || listen(fd, MAX_STREAMS) < 0 ||
            getsockname(fd, (struct sockaddr *)&at, &size) < 0)
            fail(SYSTEM_FAILED, argument, ": cannot listen, errno ", (uint32_t)errno);
        listeners[listener_count].number = i + 1;
        listeners[listener_count].port = ntohs(at.sin_port);
        listeners[listener_count++].fd = fd;
        return;
    }
    say("sandbox: usage: sandbox [aws=PORT] [endpoints=PORT]\n");
    _exit(BAD_USAGE);
}

static void accept_clients(int listener) {
    while (room() >= RESERVE) {
        int fd = accept4(listeners[listener].fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0) {
            if (errno == ECONNABORTED || errno == EINTR) continue;
            out_of_files = errno != EAGAIN;
            return;
        }
        if (!make_stream(next_id, fd)) {
            set_abort(fd);
            close(fd);
            continue;
        }
        no_delay(fd);
        send_frame(next_id, OPEN, 2, (uint32_t)listeners[listener].number);
        do next_id += 2;
        while (!next_id || find_stream(next_id));
    }
}

/* ---- the link-local addresses ---- */

/* Messages to the kernel, one after the other. */
struct batch {
    uint32_t size;
    struct nlmsghdr *last;
    _Alignas(NLMSG_ALIGNTO) uint8_t bytes[4096]; /* the largest batch takes half of it */
};

static void *append(struct batch *b, const void *data, size_t size) {
    uint8_t *at = b->bytes + b->size;
    memcpy(at, data, size);
    b->size += (uint32_t)NLMSG_ALIGN(size);
    if (b->last) b->last->nlmsg_len += (uint32_t)NLMSG_ALIGN(size);
    return at;
}

static void begin(struct batch *b, int type, int flags, const void *body, size_t size) {
    struct nlmsghdr header = {sizeof header, (uint16_t)type, (uint16_t)(NLM_F_REQUEST | flags), 0, 0};
    b->last = NULL;
    b->last = append(b, &header, sizeof header);
    append(b, body, size);
}

static struct nlattr *add(struct batch *b, int type, const void *data, size_t size) {
    struct nlattr header = {(uint16_t)(NLA_HDRLEN + size), (uint16_t)type};
    struct nlattr *at = append(b, &header, sizeof header);
    append(b, data, size);
    return at;
}

static void add_text(struct batch *b, int type, const char *text) { add(b, type, text, strlen(text) + 1); }

static struct nlattr *open_nest(struct batch *b, int type) { return add(b, type | NLA_F_NESTED, "", 0); }

static void close_nest(const struct batch *b, struct nlattr *nest) {
    nest->nla_len = (uint16_t)(b->bytes + b->size - (uint8_t *)nest);
}

/* Send a batch, in which one message asks for an answer; return 0 or the errno of the first message that failed. */
static int ask_kernel(const struct batch *b, int protocol) {
    struct { struct nlmsghdr header; struct nlmsgerr body; } answer = {0};
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol);
    if (fd < 0) return errno;
    /* The kernel has answered when send returns. */
    int failed = send(fd, b->bytes, b->size, 0) < 0 || recv(fd, &answer, sizeof answer, MSG_DONTWAIT) < 0;
    int error = failed ? errno : answer.header.nlmsg_type == NLMSG_ERROR ? -answer.body.error : EPROTO;
    close(fd);
    return error;
}

static int add_route(struct rtmsg route, const void *address, const void *source) {
    const int loopback = 1; /* its index in every namespace */
    size_t size = route.rtm_dst_len / 8;
    struct batch b = {0};
    begin(&b, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_ACK, &route, sizeof route);
    add(&b, RTA_DST, address, size);
    if (source) {
        add(&b, RTA_PREFSRC, source, size);
        add(&b, RTA_OIF, &loopback, sizeof loopback);
    }
    return ask_kernel(&b, NETLINK_ROUTE);
}

/* Let every connection to the address fail at once. No failure where it cannot be reached anyway, as without IPv6. */
static int prohibit(const struct sockaddr *at, socklen_t size, const void *address, uint8_t bits) {
    int error = add_route((struct rtmsg){.rtm_family = (uint8_t)at->sa_family,
                                         .rtm_dst_len = bits,
                                         .rtm_table = RT_TABLE_MAIN,
                                         .rtm_protocol = RTPROT_STATIC,
                                         .rtm_scope = RT_SCOPE_UNIVERSE,
                                         .rtm_type = RTN_PROHIBIT},
                          address, NULL);
    if (!error) return 0;
    int fd = socket(at->sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    /* Of a datagram socket this asks for the route and sends nothing. */
    if (fd < 0 || connect(fd, at, size) < 0) error = 0;
    if (fd >= 0) close(fd);
    return error;
}

static int prohibit_metadata(void) {
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(80)};
    inet_pton(AF_INET, "169.254.169.254", &at.sin_addr);
    return prohibit((struct sockaddr *)&at, sizeof at, &at.sin_addr, 32);
}

static int prohibit_metadata_6(void) {
    struct sockaddr_in6 at = {.sin6_family = AF_INET6, .sin6_port = htons(80)};
    inet_pton(AF_INET6, "fd00:ec2::254", &at.sin6_addr);
    return prohibit((struct sockaddr *)&at, sizeof at, &at.sin6_addr, 128);
}

/* Make the address local. Where nothing leads to it no packet would come as far as the rule; and whatever the rule does
 * not take is refused at once. */
static int route_endpoints(uint32_t address) {
    uint32_t source = htonl(INADDR_LOOPBACK);
    return add_route((struct rtmsg){.rtm_family = AF_INET,
                                    .rtm_dst_len = 32,
                                    .rtm_table = RT_TABLE_LOCAL,
                                    .rtm_protocol = RTPROT_STATIC,
                                    .rtm_scope = RT_SCOPE_HOST,
                                    .rtm_type = RTN_LOCAL},
                     &address, &source);
}

static void begin_nf(struct batch *b, int type, int flags, uint8_t family, uint16_t resource) {
    struct nfgenmsg body = {family, NFNETLINK_V0, htons(resource)};
    begin(b, type, flags, &body, sizeof body);
}

/* nf_tables wants its numbers big endian. */
static void add_number(struct batch *b, int type, int value) {
    uint32_t number = htonl((uint32_t)value);
    add(b, type, &number, sizeof number);
}

/* Add an expression to a rule. In those that we use the first attributes are numbers, and the next one is data. */
static void add_expression(struct batch *b, const char *name, const int numbers[4], const void *data, size_t size) {
    struct nlattr *element = open_nest(b, NFTA_LIST_ELEM);
    add_text(b, NFTA_EXPR_NAME, name);
    struct nlattr *attributes = open_nest(b, NFTA_EXPR_DATA);
    int type = 1;
    for (; type <= 4 && numbers[type - 1] >= 0; type++) add_number(b, type, numbers[type - 1]);
    if (data) {
        struct nlattr *nest = open_nest(b, type);
        add(b, NFTA_DATA_VALUE, data, size);
        close_nest(b, nest);
    }
    close_nest(b, attributes);
    close_nest(b, element);
}

/* What leaves the namespace for a port of an address, and where on its loopback it goes instead. */
struct redirect {
    uint32_t address;
    uint8_t protocol;
    uint16_t port, not_from, to; /* not_from: a port whose packets are left alone; 0: none */
};

/* ip daddr ADDRESS meta l4proto PROTOCOL th dport PORT [th sport != NOT_FROM] redirect to :TO */
static void add_redirect(struct batch *b, const struct redirect *r) {
    enum { REG = NFT_REG_1, NETWORK = NFT_PAYLOAD_NETWORK_HEADER, TRANSPORT = NFT_PAYLOAD_TRANSPORT_HEADER };
    const uint16_t port = htons(r->port), not_from = htons(r->not_from), to = htons(r->to);
    struct nlattr *rule = open_nest(b, NFTA_RULE_EXPRESSIONS);
    add_expression(b, "payload", (int[4]){REG, NETWORK, 16, 4}, NULL, 0);
    add_expression(b, "cmp", (int[4]){REG, NFT_CMP_EQ, -1}, &r->address, sizeof r->address);
    add_expression(b, "meta", (int[4]){REG, NFT_META_L4PROTO, -1}, NULL, 0);
    add_expression(b, "cmp", (int[4]){REG, NFT_CMP_EQ, -1}, &r->protocol, sizeof r->protocol);
    add_expression(b, "payload", (int[4]){REG, TRANSPORT, 2, 2}, NULL, 0);
    add_expression(b, "cmp", (int[4]){REG, NFT_CMP_EQ, -1}, &port, sizeof port);
    if (not_from) {
        add_expression(b, "payload", (int[4]){REG, TRANSPORT, 0, 2}, NULL, 0);
        add_expression(b, "cmp", (int[4]){REG, NFT_CMP_NEQ, -1}, &not_from, sizeof not_from);
    }
    add_expression(b, "immediate", (int[4]){REG, -1}, &to, sizeof to);
    add_expression(b, "redir", (int[4]){REG, REG, NF_NAT_RANGE_PROTO_SPECIFIED, -1}, NULL, 0);
    close_nest(b, rule);
}

/* table ip ecs { chain CHAIN { type nat hook output priority PRIORITY; ip daddr ... } } */
static int redirect(const char *chain, int priority, const struct redirect *redirects, int count) {
    enum { NFT = NFNL_SUBSYS_NFTABLES << 8, OUTPUT_HOOK = 3 };
    struct batch b = {0};
    begin_nf(&b, NFNL_MSG_BATCH_BEGIN, 0, AF_UNSPEC, NFNL_SUBSYS_NFTABLES);
    begin_nf(&b, NFT | NFT_MSG_NEWTABLE, NLM_F_CREATE, AF_INET, 0);
    add_text(&b, NFTA_TABLE_NAME, "ecs");
    begin_nf(&b, NFT | NFT_MSG_NEWCHAIN, NLM_F_CREATE, AF_INET, 0);
    add_text(&b, NFTA_CHAIN_TABLE, "ecs");
    add_text(&b, NFTA_CHAIN_NAME, chain);
    struct nlattr *hook = open_nest(&b, NFTA_CHAIN_HOOK);
    add_number(&b, NFTA_HOOK_HOOKNUM, OUTPUT_HOOK);
    add_number(&b, NFTA_HOOK_PRIORITY, priority);
    close_nest(&b, hook);
    add_text(&b, NFTA_CHAIN_TYPE, "nat");
    for (int i = 0; i < count; i++) {
        int last = i == count - 1; /* the one that asks for an answer, which tells of the whole batch */
        begin_nf(&b, NFT | NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND | (last ? NLM_F_ACK : 0), AF_INET, 0);
        add_text(&b, NFTA_RULE_TABLE, "ecs");
        add_text(&b, NFTA_RULE_CHAIN, chain);
        add_redirect(&b, &redirects[i]);
    }
    begin_nf(&b, NFNL_MSG_BATCH_END, 0, AF_UNSPEC, NFNL_SUBSYS_NFTABLES);
    return ask_kernel(&b, NETLINK_NETFILTER);
}

static int succeeds(enum setup_step step, int error) {
    setup_failure.step = error ? step : ALL_SET;
    setup_failure.error = error;
    return !error;
}

static void set_up_link_local(uint16_t port) {
    uint32_t endpoints = inet_addr("169.254.170.2");
    struct redirect http = {.address = endpoints, .protocol = IPPROTO_TCP, .port = 80, .to = port};
    (void)(succeeds(METADATA_ROUTE, prohibit_metadata()) && succeeds(METADATA_ROUTE_6, prohibit_metadata_6()) &&
           succeeds(ENDPOINTS_ROUTE, route_endpoints(endpoints)) &&
           succeeds(ENDPOINTS_RULE, redirect("out", BEFORE_ROUTING, &http, 1)));
}

/* Hold no capability but NET_ADMIN: in use, only within reach, or neither. What is dropped does not come back. */
static int hold_net_admin(int in_use, int within_reach) {
    const uint32_t net_admin = 1u << CAP_NET_ADMIN;
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct held[_LINUX_CAPABILITY_U32S_3] = {{0}};
    if (syscall(SYS_capget, &header, held) < 0) return errno;
    if (in_use && !(held[0].permitted & net_admin)) return EPERM;
    struct __user_cap_data_struct wanted[_LINUX_CAPABILITY_U32S_3] = {{0}};
    if (within_reach) wanted[0].permitted = held[0].permitted & net_admin;
    if (in_use) wanted[0].effective = net_admin;
    return syscall(SYS_capset, &header, wanted) < 0 ? errno : 0;
}

/* ---- names ---- */

/* Read the IPv4 nameservers that the engine's containers have; a resolver that finds none at all asks its own machine. */
static int find_nameservers(uint32_t found[NAMESERVERS]) {
    static const char word[] = "nameserver";
    char text[4096];
    int count = 0, others = 0, fd = open("/etc/resolv.conf", O_RDONLY | O_CLOEXEC);
    ssize_t size = fd < 0 ? 0 : read(fd, text, sizeof text - 1);
    if (fd >= 0) close(fd);
    text[size > 0 ? size : 0] = 0;
    char *rest = NULL;
    for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
        struct in_addr address;
        char *end = NULL, *key = strtok_r(line, " \t\r", &end), *value = strtok_r(NULL, " \t\r", &end);
        if (!key || !value || strcmp(key, word) || count + others == NAMESERVERS) continue;
        if (inet_pton(AF_INET, value, &address) == 1) found[count++] = address.s_addr;
        else others++;
    }
    if (!count && !others) found[count++] = htonl(INADDR_LOOPBACK);
    return count;
}

static uint16_t port_of(int fd) {
    struct sockaddr_in at = {0};
    socklen_t size = sizeof at;
    return getsockname(fd, (struct sockaddr *)&at, &size) < 0 ? 0 : ntohs(at.sin_port);
}

/* Let the rules see everything anew: what the kernel has tracked, a port that asked the nameserver before, passes them by.
 * Where it cannot, such ports are led aright half a minute later. */
static void forget_tracked(void) {
    struct batch b = {0};
    begin_nf(&b, NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_DELETE, NLM_F_ACK, AF_INET, 0);
    (void)ask_kernel(&b, NETLINK_NETFILTER);
}

/* Open what takes the queries to a nameserver, and what asks it. */
static int open_place(struct name_place *place) {
    struct sockaddr_in here = {.sin_family = AF_INET}, there = {.sin_family = AF_INET, .sin_port = htons(DNS_PORT)};
    here.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    there.sin_addr.s_addr = place->nameserver;
    place->listener = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    place->asker = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (place->listener < 0 || place->asker < 0 || bind(place->listener, (struct sockaddr *)&here, sizeof here) < 0)
        return errno;
    /* One that cannot be reached answers nobody. */
    if (connect(place->asker, (struct sockaddr *)&there, sizeof there) < 0) return errno == ENETUNREACH ? 0 : errno;
    return 0;
}

static void close_names(void) {
    for (int i = 0; i < name_place_count; i++) {
        if (name_places[i].listener >= 0) close(name_places[i].listener);
        if (name_places[i].asker >= 0) close(name_places[i].asker);
    }
    name_place_count = 0;
}

static int serve_names(void) {
    uint32_t nameservers[NAMESERVERS];
    struct redirect redirects[NAMESERVERS];
    int count = find_nameservers(nameservers), error = count ? 0 : EAFNOSUPPORT;
    for (int i = 0; i < count && !error; i++) {
        struct name_place *place = &name_places[name_place_count++];
        *place = (struct name_place){.nameserver = nameservers[i], .listener = -1, .asker = -1};
        error = open_place(place);
        redirects[i] = (struct redirect){.address = place->nameserver,
                                         .protocol = IPPROTO_UDP,
                                         .port = DNS_PORT,
                                         .not_from = port_of(place->asker),
                                         .to = port_of(place->listener)};
    }
    if (error || (error = hold_net_admin(1, 1))) return error;
    /* Docker leads them to its own port at the stage after. */
    error = redirect("names", BEFORE_ROUTING - 1, redirects, count);
    if (!error) forget_tracked();
    int dropped = hold_net_admin(0, error != 0); /* the host may ask once more */
    return error ? error : dropped;
}

static void begin_names(void) {
    int error = name_place_count ? 0 : serve_names();
    if (error) close_names();
    send_frame(0, NAMED, 2, (uint32_t)error);
}

/* Take the next query, QUERY_SIZE bytes at most, and give it a number of ours for its id. Return its size; 0: none waits. */
static uint32_t take_query(int place, uint8_t *message) {
    for (;;) {
        struct sockaddr_in client;
        socklen_t length = sizeof client;
        ssize_t size = recvfrom(name_places[place].listener, message, QUERY_SIZE, MSG_TRUNC, (struct sockaddr *)&client, &length);
        if (size < 0) return 0;
        if (size < QUERY_HEADER || size > QUERY_SIZE) continue;
        uint16_t number = next_query++;
        queries[number % QUERIES] = (struct query){client, number, (uint16_t)get(message, 2), place, 1};
        put(message, 2, number);
        return (uint32_t)size;
    }
}

static void read_queries(int place) {
    uint32_t size;
    while (room() >= WORK && (size = take_query(place, output + output_used + HEADER))) put_header(0, QUERY, size);
}

static struct query *find_query(const uint8_t *message) {
    uint16_t number = (uint16_t)get(message, 2);
    struct query *q = &queries[number % QUERIES];
    return q->waits && q->number == number ? q : NULL;
}

static void answer_query(uint8_t *message, uint32_t size) {
    struct query *q = find_query(message);
    if (!q) return;
    q->waits = 0;
    put(message, 2, q->id);
    /* It is as lost as any datagram where it cannot be sent. */
    (void)sendto(name_places[q->place].listener, message, size, 0, (struct sockaddr *)&q->client, sizeof q->client);
}

static void ask_nameserver(const uint8_t *message, uint32_t size) {
    struct query *q = find_query(message);
    if (!q) return;
    int asker = name_places[q->place].asker;
    /* What it refused before is reported now, and the message not sent: once more. */
    if (send(asker, message, size, 0) < 0) (void)send(asker, message, size, 0);
}

static void read_nameserver(int place) {
    static uint8_t message[65536];
    for (int i = 0; i < QUERIES; i++) {
        ssize_t size = recv(name_places[place].asker, message, sizeof message, 0);
        if (size < 0) return;
        if (size >= QUERY_HEADER) answer_query(message, (uint32_t)size);
    }
}

/* Poll, or not, for the queries to each nameserver and its answers: 2 * NAMESERVERS entries. */
static void poll_names(struct pollfd *polled, int ready) {
    for (int i = 0; i < NAMESERVERS; i++) {
        int wanted = ready && i < name_place_count;
        polled[2 * i] = (struct pollfd){.fd = wanted ? name_places[i].listener : -1, .events = POLLIN};
        polled[2 * i + 1] = (struct pollfd){.fd = wanted ? name_places[i].asker : -1, .events = POLLIN};
    }
}

static void take_names_frame(uint32_t id, uint32_t type, uint8_t *data, uint32_t size) {
    if (id) bad_frame("a frame of names with a stream", id);
    if (type == NAMES ? size : size < QUERY_HEADER) bad_frame("a frame of the wrong size", id);
    if (type == NAMES) begin_names();
    else if (!name_place_count) bad_frame("an answer to no query", id);
    else if (type == ANSWER) answer_query(data, size);
    else ask_nameserver(data, size);
}

/* ---- the link ---- */

static void say_hello(void) {
    uint8_t *at = output + HEADER;
    memcpy(at, "ECSL", 4);
    put(at + 4, 2, VERSION);
    put(at + 6, 2, (uint32_t)listener_count);
    put(at + 8, 4, own_address());
    put(at + 12, 2, setup_failure.step);
    put(at + 14, 2, (uint32_t)setup_failure.error);
    at += 16;
    for (int i = 0; i < listener_count; i++, at += 4) {
        put(at, 2, (uint32_t)listeners[i].number);
        put(at + 2, 2, listeners[i].port);
    }
    put_header(0, HELLO, (uint32_t)(at - output - HEADER));
}

static _Noreturn void hold_only(void) {
    for (int i = 0; i < listener_count; i++) close(listeners[i].fd);
    while (stream_top) abort_stream(&streams[stream_top - 1]);
    /* Whoever wants to look at a task that was kept still has the engine's names in it. */
    for (;;) {
        struct pollfd polled[2 * NAMESERVERS];
        poll_names(polled, 1);
        if (poll(polled, 2 * NAMESERVERS, -1) <= 0) continue;
        for (int i = 0; i < name_place_count; i++) {
            for (uint32_t size; polled[2 * i].revents && (size = take_query(i, output));) ask_nameserver(output, size);
            if (polled[2 * i + 1].revents) read_nameserver(i);
        }
    }
}

static void take_frame(uint32_t id, uint32_t type, uint8_t *data, uint32_t size) {
    if (type == NAMES || type == ANSWER || type == ASK) {
        take_names_frame(id, type, data, size);
        return;
    }
    static const uint8_t sizes[] = {[CONNECT] = 6, [GRANT] = 4};
    if (type != CONNECT && type != DATA && type != GRANT && type != END && type != RESET)
        bad_frame("a frame of a type that is not the host's to send", id);
    if (type != DATA && size != (type < sizeof sizes ? sizes[type] : 0)) bad_frame("a frame of the wrong size", id);
    if (!id) bad_frame("a frame without a stream", id);
    if (type == CONNECT) {
        connect_stream(id, get(data, 4), (uint16_t)get(data + 4, 2));
        return;
    }
    struct stream *s = find_stream(id);
    if (!s) return;
    if (type == DATA) take_data(s, data, size);
    else if (type == GRANT) take_grant(s, get(data, 4));
    else if (type == END) take_end(s);
    else abort_stream(s);
}

/* Take the frames that are complete while there is room for what they may cause; tell whether one had to wait. */
static int take_frames(void) {
    uint32_t done = 0;
    int waiting = 0;
    while (input_used - done >= HEADER) {
        uint8_t *at = input + done;
        uint32_t size = get(at + 5, 3);
        if (size > PAYLOAD) bad_frame("a frame that is too long", get(at, 4));
        if (input_used - done < HEADER + size) break;
        if ((waiting = room() < RESERVE)) break;
        take_frame(get(at, 4), at[4], at + HEADER, size);
        done += HEADER + size;
    }
    memmove(input, input + done, input_used - done);
    input_used -= done;
    return waiting;
}

static void read_host(void) {
    ssize_t count = read(0, input + input_used, sizeof input - input_used);
    if (count > 0) input_used += (uint32_t)count;
    else if (count == 0 || !would_block()) hold_only();
}

static void write_host(void) {
    if (!output_used) return;
    ssize_t count = write(1, output, output_used);
    if (count < 0) {
        if (!would_block()) hold_only();
        return;
    }
    output_used -= (uint32_t)count;
    memmove(output, output + count, output_used);
}

static short interest(const struct stream *s) {
    if (s->connecting) return POLLOUT;
    return (short)((may_read(s) ? POLLIN : 0) | (s->used ? POLLOUT : 0));
}

static void serve_stream(struct stream *s) {
    uint32_t id = s->id;
    if (s->connecting) {
        finish_connect(s);
        return;
    }
    if (s->used) write_application(s);
    if (s->id == id && may_read(s)) read_application(s);
}

/* Wait for anything and serve it. While the host does not take our output nothing else is touched: whatever one
 * step produces then fits into RESERVE. */
static void wait_and_serve(void) {
    enum { NAMES_AT = 2, LISTENERS_AT = NAMES_AT + 2 * NAMESERVERS };
    static struct pollfd polled[LISTENERS_AT + SERVICES + MAX_STREAMS];
    static int first;
    int open_for_work = room() >= WORK, count = stream_top, accepting = !out_of_files;
    polled[0] = (struct pollfd){.fd = open_for_work ? 0 : -1, .events = POLLIN};
    polled[1] = (struct pollfd){.fd = output_used ? 1 : -1, .events = POLLOUT};
    poll_names(polled + NAMES_AT, open_for_work);
    for (int i = 0; i < listener_count; i++)
        polled[LISTENERS_AT + i] = (struct pollfd){.fd = open_for_work && accepting ? listeners[i].fd : -1, .events = POLLIN};
    struct pollfd *of_stream = polled + LISTENERS_AT + listener_count;
    for (int i = 0; i < count; i++) {
        short events = streams[i].id && open_for_work ? interest(&streams[i]) : 0;
        /* Left out when nothing is wanted: a hang-up is always reported, and would spin. */
        of_stream[i] = (struct pollfd){.fd = events ? streams[i].fd : -1, .events = events};
    }
    if (poll(polled, (nfds_t)(LISTENERS_AT + listener_count + count), accepting ? -1 : 100) < 0) return;
    out_of_files = 0;
    if (count) first = (first + 1) % count;
    for (int i = 0; i < count && room() >= WORK; i++) {
        int at = (first + i) % count;
        if (of_stream[at].revents) serve_stream(&streams[at]);
    }
    for (int i = 0; i < listener_count; i++)
        if (polled[LISTENERS_AT + i].revents) accept_clients(i);
    for (int i = 0; i < name_place_count; i++) {
        if (polled[NAMES_AT + 2 * i].revents) read_queries(i);
        if (polled[NAMES_AT + 2 * i + 1].revents) read_nameserver(i);
    }
    if (polled[0].revents) read_host();
}

static void leave(int signal_number) {
    (void)signal_number;
    _exit(0);
}

static void raise_file_limit(void) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0) return;
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    if (limit.rlim_cur < MAX_STREAMS + SPARE_FILES)
        stream_limit = limit.rlim_cur > SPARE_FILES ? (int)limit.rlim_cur - SPARE_FILES : 0;
}

int main(int argc, char **argv) {
    /* The first process of a pid namespace gets no signal that it has no handler for. */
    const int ends[] = {SIGTERM, SIGINT, SIGHUP, SIGQUIT};
    for (unsigned i = 0; i < sizeof ends / sizeof ends[0]; i++) signal(ends[i], leave);
    signal(SIGCHLD, SIG_IGN); /* the kernel reaps */
    signal(SIGPIPE, SIG_IGN);
    raise_file_limit();
    for (int i = 1; i < argc; i++) listen_for(argv[i]);
    for (int i = 0; i < listener_count; i++)
        if (listeners[i].number == ENDPOINTS_SERVICE) set_up_link_local(listeners[i].port);
    if ((errno = hold_net_admin(0, 1))) system_failed("capset");
    for (int fd = 0; fd < 2; fd++) fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
    say_hello();
    for (;;) {
        int waiting = take_frames();
        write_host();
        if (!waiting || room() < RESERVE) wait_and_serve();
    }
}
