#pragma once
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

// What Swift's Glibc module cannot reach: system calls without a wrapper, and work that one short-lived thread does
// inside another network namespace. A thread that has changed its namespace is never reused; it ends with the call.
// Every function answers a non-negative result, or the negated errno.

/// A descriptor that becomes readable when the process ends.
int kn_pidfd_open(pid_t pid);

/// An anonymous file in memory holding `length` bytes, positioned at its start, closed on exec.
int kn_memory_file(const void *bytes, size_t length);

/// A pipe: the reading end in `ends[0]` does not wait, both are closed on exec.
int kn_pipe(int ends[2]);

/// Starts the program `arguments[0]` in "/" and in a process group of its own, with these three descriptors and no
/// others, and with all signals as a new process has them; answers its identifier.
int kn_start(char *const arguments[], char *const environment[], int input, int output, int complaint);

/// A bound, listening, non-blocking, close-on-exec TCP socket made inside the namespace at `namespace_path`.
/// `address` is in network byte order, `port` in host byte order.
int kn_listen_in_namespace(const char *namespace_path, uint32_t address, uint16_t port, int backlog);

/// Sends one gratuitous ARP announcement for each address (network byte order) out of `interface`.
int kn_announce_in_namespace(
    const char *namespace_path, const char *interface, const uint32_t *addresses, size_t count);

/// Writes `value` to /proc/sys/`name` as the namespace sees it.
int kn_write_setting_in_namespace(const char *namespace_path, const char *name, const char *value);

/// Reads /proc/sys/`name` as the namespace sees it; answers the number of bytes put into `buffer`.
int kn_read_setting_in_namespace(const char *namespace_path, const char *name, char *buffer, size_t capacity);

/// The generation of the namespace's nft rules: a 32-bit number that every committed transaction, whoever makes it,
/// counts up by one.
int64_t kn_rule_generation_in_namespace(const char *namespace_path);
