#pragma once
#include <stdint.h>

// What a driver library and its host compare before either touches a Swift type of the other.
// Everything here is `static inline` or a literal, so each image carries the values it was compiled with.

/// Raised by hand when the meaning of the descriptor itself changes.
#define KN_DRIVERKIT_ABI 1

/// Digest of DriverKit's sources, kept current by `make generate` and checked by TidyTests. It stands in this
/// header, not in Swift, because a changed C header recompiles every importer.
#define KN_DRIVERKIT_INTERFACE_HASH "0000000000000000"

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

/// Fills and returns this image's one descriptor. Called by the library's entry point.
static inline const kn_driver_descriptor *kn_describe_driver(
    const char *name, const char *version, void *(*make_factory)(void)
) {
    static kn_driver_descriptor descriptor;
    descriptor.magic = KN_DRIVER_MAGIC;
    descriptor.descriptor_size = (uint32_t)sizeof(kn_driver_descriptor);
    descriptor.abi = KN_DRIVERKIT_ABI;
    descriptor.compiler = __VERSION__;
    descriptor.interface_hash = KN_DRIVERKIT_INTERFACE_HASH;
    descriptor.name = name;
    descriptor.version = version;
    descriptor.make_factory = make_factory;
    return &descriptor;
}
