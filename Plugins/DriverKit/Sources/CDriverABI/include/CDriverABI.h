#pragma once
#include <stdint.h>
#include <string.h>

// What a driver library and its host compare before either touches a Swift type of the other.
// Everything here is `static inline` or a literal, so each image carries the values it was compiled with.

/// Raised by hand when the meaning of the descriptor itself changes.
#define KN_DRIVERKIT_ABI 1

/// Digest of DriverKit's sources: `Config/scripts/driverkit-hash.sh --write` keeps it current, TidyTests check it. It
/// stands in this header, not in Swift, because a changed C header recompiles every importer.
#define KN_DRIVERKIT_INTERFACE_HASH "a3189386122dd0da"

/// "KNDR"
#define KN_DRIVER_MAGIC 0x4b4e4452u

typedef struct {
    uint32_t magic;
    uint32_t descriptor_size;
    uint32_t abi;
    uint32_t reserved;
    const char *compiler;
    const char *interface_hash;
    const char *name;
    const char *version;
    /// Returns a retained DriverFactory object.
    void *(*make_factory)(void);
} kn_driver_descriptor;

static inline uint32_t kn_driverkit_abi(void) { return KN_DRIVERKIT_ABI; }
static inline uint32_t kn_driver_magic(void) { return KN_DRIVER_MAGIC; }
static inline const char *kn_driverkit_interface_hash(void) { return KN_DRIVERKIT_INTERFACE_HASH; }
static inline const char *kn_compiler_version(void) { return __VERSION__; }

/// Fills and returns this image's one descriptor. Called by the library's entry point. Name and version are copied,
/// because a string literal of Swift lives no longer than the call that it is passed to.
static inline const kn_driver_descriptor *kn_describe_driver(
    const char *name, const char *version, void *(*make_factory)(void)
) {
    static kn_driver_descriptor descriptor;
    static char own_name[64], own_version[64];
    strncpy(own_name, name, sizeof own_name - 1);
    strncpy(own_version, version, sizeof own_version - 1);
    descriptor.magic = KN_DRIVER_MAGIC;
    descriptor.descriptor_size = (uint32_t)sizeof(kn_driver_descriptor);
    descriptor.abi = KN_DRIVERKIT_ABI;
    descriptor.compiler = __VERSION__;
    descriptor.interface_hash = KN_DRIVERKIT_INTERFACE_HASH;
    descriptor.name = own_name;
    descriptor.version = own_version;
    descriptor.make_factory = make_factory;
    return &descriptor;
}
