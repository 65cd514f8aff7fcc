#define _GNU_SOURCE
#include "CNetworkNamespace.h"
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

int kn_pidfd_open(pid_t pid) {
    int descriptor = (int)syscall(SYS_pidfd_open, pid, 0);
    return descriptor < 0 ? -errno : descriptor;
}

int kn_memory_file(const void *bytes, size_t length) {
    int descriptor = memfd_create("kilonova", MFD_CLOEXEC);
    if (descriptor < 0) return -errno;
    size_t written = 0;
    while (written < length) {
        ssize_t count = write(descriptor, (const char *)bytes + written, length - written);
        if (count < 0) {
            if (errno == EINTR) continue;
            int error = errno;
            close(descriptor);
            return -error;
        }
        written += (size_t)count;
    }
    lseek(descriptor, 0, SEEK_SET);
    return descriptor;
}

int kn_pipe(int ends[2]) {
    if (pipe2(ends, O_CLOEXEC) != 0) return -errno;
    fcntl(ends[0], F_SETFL, O_NONBLOCK);
    return 0;
}

int kn_start(char *const arguments[], char *const environment[], int input, int output, int complaint) {
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attributes);
    posix_spawn_file_actions_adddup2(&actions, input, 0);
    posix_spawn_file_actions_adddup2(&actions, output, 1);
    posix_spawn_file_actions_adddup2(&actions, complaint, 2);
    posix_spawn_file_actions_addclosefrom_np(&actions, 3);
    posix_spawn_file_actions_addchdir_np(&actions, "/");
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &all);
    posix_spawnattr_setpgroup(&attributes, 0);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
    pid_t child = 0;
    int error = posix_spawn(&child, arguments[0], &actions, &attributes, arguments, environment);
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    return error != 0 ? -error : child;
}

struct visit {
    int namespace_descriptor;
    int (*work)(void *);
    void *argument;
    int result;
};

static void *visit_main(void *pointer) {
    struct visit *visit = pointer;
    visit->result = setns(visit->namespace_descriptor, CLONE_NEWNET) != 0 ? -errno : visit->work(visit->argument);
    return NULL;
}

static int in_namespace(const char *path, int (*work)(void *), void *argument) {
    int descriptor = open(path, O_RDONLY | O_CLOEXEC);
    if (descriptor < 0) return -errno;
    struct visit visit = {descriptor, work, argument, 0};
    pthread_t thread;
    int error = pthread_create(&thread, NULL, visit_main, &visit);
    if (error == 0) pthread_join(thread, NULL);
    close(descriptor);
    return error != 0 ? -error : visit.result;
}

struct listen_request {
    uint32_t address;
    uint16_t port;
    int backlog;
};

static int listen_work(void *pointer) {
    struct listen_request *request = pointer;
    int descriptor = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (descriptor < 0) return -errno;
    int on = 1;
    struct sockaddr_in address = {0};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = request->address;
    address.sin_port = htons(request->port);
    if (setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
        bind(descriptor, (struct sockaddr *)&address, sizeof address) != 0 ||
        listen(descriptor, request->backlog) != 0) {
        int error = errno;
        close(descriptor);
        return -error;
    }
    return descriptor;
}

int kn_listen_in_namespace(const char *path, uint32_t address, uint16_t port, int backlog) {
    struct listen_request request = {address, port, backlog};
    return in_namespace(path, listen_work, &request);
}

struct announce_request {
    const char *interface;
    const uint32_t *addresses;
    size_t count;
};

struct __attribute__((packed)) announcement {
    uint8_t destination[6], source[6];
    uint16_t ether_type, hardware, protocol;
    uint8_t hardware_length, protocol_length;
    uint16_t operation;
    uint8_t sender_hardware[6];
    uint32_t sender;
    uint8_t target_hardware[6];
    uint32_t target;
};

static int announce_work(void *pointer) {
    struct announce_request *request = pointer;
    int descriptor = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(ETH_P_ARP));
    if (descriptor < 0) return -errno;
    int result = 0;
    struct ifreq query = {0};
    snprintf(query.ifr_name, sizeof query.ifr_name, "%s", request->interface);
    struct sockaddr_ll link = {0};
    link.sll_family = AF_PACKET;
    link.sll_ifindex = (int)if_nametoindex(request->interface);
    if (link.sll_ifindex == 0 || ioctl(descriptor, SIOCGIFHWADDR, &query) != 0) result = -errno;
    for (size_t index = 0; result == 0 && index < request->count; index++) {
        struct announcement frame = {0};
        memset(frame.destination, 0xff, 6);
        memcpy(frame.source, query.ifr_hwaddr.sa_data, 6);
        frame.ether_type = htons(ETH_P_ARP);
        frame.hardware = htons(1);
        frame.protocol = htons(ETH_P_IP);
        frame.hardware_length = 6;
        frame.protocol_length = 4;
        frame.operation = htons(1);
        memcpy(frame.sender_hardware, query.ifr_hwaddr.sa_data, 6);
        frame.sender = frame.target = request->addresses[index];
        if (sendto(descriptor, &frame, sizeof frame, 0, (struct sockaddr *)&link, sizeof link) < 0) result = -errno;
    }
    close(descriptor);
    return result;
}

int kn_announce_in_namespace(const char *path, const char *interface, const uint32_t *addresses, size_t count) {
    struct announce_request request = {interface, addresses, count};
    return in_namespace(path, announce_work, &request);
}

struct setting_request {
    const char *name;
    const char *value;
    char *buffer;
    size_t capacity;
};

static int setting_work(void *pointer) {
    struct setting_request *request = pointer;
    char path[256];
    if (snprintf(path, sizeof path, "/proc/sys/%s", request->name) >= (int)sizeof path) return -ENAMETOOLONG;
    int descriptor = open(path, (request->value ? O_WRONLY : O_RDONLY) | O_CLOEXEC);
    if (descriptor < 0) return -errno;
    ssize_t count = request->value ? write(descriptor, request->value, strlen(request->value))
                                   : read(descriptor, request->buffer, request->capacity);
    int result = count < 0 ? -errno : (int)count;
    close(descriptor);
    return result;
}

int kn_write_setting_in_namespace(const char *path, const char *name, const char *value) {
    struct setting_request request = {name, value, NULL, 0};
    return in_namespace(path, setting_work, &request);
}

int kn_read_setting_in_namespace(const char *path, const char *name, char *buffer, size_t capacity) {
    struct setting_request request = {name, NULL, buffer, capacity};
    return in_namespace(path, setting_work, &request);
}

struct generation_request {
    uint32_t generation;
};

static int generation_work(void *pointer) {
    struct generation_request *request = pointer;
    struct {
        struct nlmsghdr header;
        struct nfgenmsg family;
    } question = {0};
    question.header.nlmsg_len = sizeof question;
    question.header.nlmsg_type = (NFNL_SUBSYS_NFTABLES << 8) | NFT_MSG_GETGEN;
    question.header.nlmsg_flags = NLM_F_REQUEST;
    question.family.version = NFNETLINK_V0;
    _Alignas(struct nlmsghdr) char answer[4096];
    struct timeval limit = {2, 0};
    int descriptor = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER);
    if (descriptor < 0) return -errno;
    ssize_t count = -1;
    if (setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit) == 0 &&
        send(descriptor, &question, sizeof question, 0) == (ssize_t)sizeof question)
        count = recv(descriptor, answer, sizeof answer, 0);
    int error = count < 0 ? errno : 0;
    close(descriptor);
    if (error != 0) return -error;
    const struct nlmsghdr *header = (const struct nlmsghdr *)answer;
    if (!NLMSG_OK(header, (size_t)count) || header->nlmsg_type == NLMSG_ERROR) return -EPROTO;
    const char *end = answer + header->nlmsg_len;
    const char *position = (const char *)NLMSG_DATA(header) + NLMSG_ALIGN(sizeof(struct nfgenmsg));
    while (position + sizeof(struct nlattr) <= end) {
        const struct nlattr *attribute = (const struct nlattr *)position;
        if (attribute->nla_len < sizeof *attribute) break;
        if ((attribute->nla_type & NLA_TYPE_MASK) == NFTA_GEN_ID && attribute->nla_len >= sizeof *attribute + 4) {
            uint32_t value;
            memcpy(&value, position + NLA_ALIGN(sizeof *attribute), sizeof value);
            request->generation = ntohl(value);
            return 0;
        }
        position += NLA_ALIGN(attribute->nla_len);
    }
    return -EPROTO;
}

int64_t kn_rule_generation_in_namespace(const char *path) {
    struct generation_request request = {0};
    int result = in_namespace(path, generation_work, &request);
    return result < 0 ? result : (int64_t)request.generation;
}
