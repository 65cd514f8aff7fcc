#pragma once
#include <fcntl.h>
#include <libxl.h>
#include <libxl_utils.h>
#include <linux/fs.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <xenstore.h>

// libxl's structures are unions keyed by a type, and its calls are macros over versions of themselves. Swift sees
// these few functions instead. Nothing here has state of its own.

/// Takes a line that libxl or a library below it has to say; the text lives as long as the call.
typedef void (*kn_xen_line)(void *opaque, int level, const char *text);

typedef struct {
    xentoollog_logger logger;
    kn_xen_line line;
    void *opaque;
} kn_xen_logger;

static void kn_xen_message(
    xentoollog_logger *logger, xentoollog_level level, int number, const char *context, const char *format, va_list list
) __attribute__((format(printf, 5, 0), unused));
static void kn_xen_message(
    xentoollog_logger *logger, xentoollog_level level, int number, const char *context, const char *format, va_list list
) {
    kn_xen_logger *own = (kn_xen_logger *)logger;
    char text[1024];
    (void)context;
    vsnprintf(text, sizeof text, format, list);
    if (number >= 0) {
        size_t used = strlen(text);
        snprintf(text + used, sizeof text - used, ": %s", strerror(number));
    }
    own->line(own->opaque, (int)level, text);
}

/// Opens Xen. Its loggers live as long as the process: libraries below may log after the context is gone.
static inline int kn_xen_open(libxl_ctx **context, kn_xen_line line, void *opaque) {
    kn_xen_logger *logger = calloc(1, sizeof *logger);
    logger->logger.vmessage = kn_xen_message;
    logger->line = line;
    logger->opaque = opaque;
    int status = libxl_ctx_alloc(context, LIBXL_VERSION, 0, &logger->logger);
    if (status != 0) return status;
    // The host process has children of its own: libxl may reap only those that it started.
    static const libxl_childproc_hooks hooks = {.chldowner = libxl_sigchld_owner_libxl_always_selective_reap};
    libxl_childproc_setmode(*context, &hooks, NULL);
    return 0;
}

#define KN_XEN_PV 1
#define KN_XEN_PVH 2
#define KN_XEN_HVM 3

typedef struct {
    const char *path;
    const char *device;
    int read_only;
} kn_xen_disk;

typedef struct {
    unsigned char mac[6];
    const char *bridge;
    const char *name;
    int mtu;
} kn_xen_interface;

/// A guest as libxl shall make it. Everything is copied.
typedef struct {
    int kind;
    const char *name;
    unsigned char uuid[16];
    int vcpus;
    unsigned long long memory_kib;
    const char *kernel;
    const char *ramdisk;
    const char *command_line;
    const char *vnc_listen;
} kn_xen_guest;

static inline libxl_domain_config *kn_xen_config(
    const kn_xen_guest *guest, const kn_xen_disk *disks, int disk_count, const kn_xen_interface *interfaces,
    int interface_count
) {
    libxl_domain_config *config = calloc(1, sizeof *config);
    libxl_domain_config_init(config);
    libxl_domain_type type = guest->kind == KN_XEN_PV ? LIBXL_DOMAIN_TYPE_PV
        : guest->kind == KN_XEN_PVH ? LIBXL_DOMAIN_TYPE_PVH : LIBXL_DOMAIN_TYPE_HVM;
    config->c_info.type = type;
    config->c_info.name = strdup(guest->name);
    memcpy(config->c_info.uuid.uuid, guest->uuid, 16);
    libxl_domain_build_info *build = &config->b_info;
    libxl_domain_build_info_init_type(build, type);
    build->max_vcpus = guest->vcpus;
    libxl_bitmap_init(&build->avail_vcpus);
    build->avail_vcpus.size = (uint32_t)(guest->vcpus + 7) / 8;
    build->avail_vcpus.map = calloc(1, build->avail_vcpus.size);
    for (int cpu = 0; cpu < guest->vcpus; cpu++) libxl_bitmap_set(&build->avail_vcpus, cpu);
    build->max_memkb = guest->memory_kib;
    build->target_memkb = guest->memory_kib;
    if (guest->kernel) build->kernel = strdup(guest->kernel);
    if (guest->ramdisk) build->ramdisk = strdup(guest->ramdisk);
    if (guest->command_line) build->cmdline = strdup(guest->command_line);
    if (guest->kind == KN_XEN_HVM) {
        build->u.hvm.boot = strdup("cd");
        build->u.hvm.serial = strdup("pty");
        libxl_defbool_set(&build->u.hvm.vnc.enable, guest->vnc_listen != NULL);
        if (guest->vnc_listen) {
            build->u.hvm.vnc.listen = strdup(guest->vnc_listen);
            libxl_defbool_set(&build->u.hvm.vnc.findunused, true);
        }
        libxl_defbool_set(&build->u.hvm.sdl.enable, false);
    }
    config->num_disks = disk_count;
    config->disks = calloc((size_t)disk_count + 1, sizeof *config->disks);
    for (int index = 0; index < disk_count; index++) {
        libxl_device_disk *disk = &config->disks[index];
        libxl_device_disk_init(disk);
        disk->pdev_path = strdup(disks[index].path);
        disk->vdev = strdup(disks[index].device);
        disk->format = LIBXL_DISK_FORMAT_RAW;
        disk->backend = LIBXL_DISK_BACKEND_PHY;
        disk->readwrite = !disks[index].read_only;
    }
    config->num_nics = interface_count;
    config->nics = calloc((size_t)interface_count + 1, sizeof *config->nics);
    for (int index = 0; index < interface_count; index++) {
        libxl_device_nic *nic = &config->nics[index];
        libxl_device_nic_init(nic);
        nic->devid = index;
        memcpy(nic->mac, interfaces[index].mac, 6);
        nic->bridge = strdup(interfaces[index].bridge);
        nic->ifname = strdup(interfaces[index].name);
        nic->mtu = interfaces[index].mtu;
        nic->nictype = guest->kind == KN_XEN_HVM ? LIBXL_NIC_TYPE_VIF_IOEMU : LIBXL_NIC_TYPE_VIF;
    }
    config->on_poweroff = LIBXL_ACTION_ON_SHUTDOWN_DESTROY;
    config->on_reboot = LIBXL_ACTION_ON_SHUTDOWN_RESTART;
    config->on_crash = LIBXL_ACTION_ON_SHUTDOWN_PRESERVE;
    return config;
}

/// Makes a guest that is still paused. On failure the domain is gone, or `domain` names what is left of it.
static inline int kn_xen_create(libxl_ctx *context, libxl_domain_config *config, unsigned *domain) {
    uint32_t made = INVALID_DOMID;
    int status = libxl_domain_create_new(context, config, &made, NULL, NULL);
    *domain = made;
    return status;
}

/// Makes a guest from its saved memory; it is still paused.
static inline int kn_xen_restore(libxl_ctx *context, libxl_domain_config *config, int file, unsigned *domain) {
    uint32_t made = INVALID_DOMID;
    libxl_domain_restore_params parameters;
    libxl_domain_restore_params_init(&parameters);
    parameters.stream_version = 2;
    int status = libxl_domain_create_restore(context, config, &made, file, -1, &parameters, NULL, NULL);
    libxl_domain_restore_params_dispose(&parameters);
    *domain = made;
    return status;
}

static inline void kn_xen_config_free(libxl_domain_config *config) {
    libxl_domain_config_dispose(config);
    free(config);
}

static inline int kn_xen_destroy(libxl_ctx *context, unsigned domain) {
    return libxl_domain_destroy(context, domain, NULL);
}
static inline int kn_xen_pause(libxl_ctx *context, unsigned domain) {
    return libxl_domain_pause(context, domain, NULL);
}
static inline int kn_xen_unpause(libxl_ctx *context, unsigned domain) {
    return libxl_domain_unpause(context, domain, NULL);
}
/// Asks the guest to go down: through its drivers for Xen, else by the power button.
static inline int kn_xen_ask_down(libxl_ctx *context, unsigned domain) {
    int status = libxl_domain_shutdown(context, domain, NULL);
    if (status == ERROR_NOPARAVIRT) status = libxl_send_trigger(context, domain, LIBXL_TRIGGER_POWER, 0, NULL);
    return status;
}
static inline int kn_xen_interrupt(libxl_ctx *context, unsigned domain) {
    return libxl_send_trigger(context, domain, LIBXL_TRIGGER_NMI, 0, NULL);
}
static inline int kn_xen_save(libxl_ctx *context, unsigned domain, int file) {
    return libxl_domain_suspend(context, domain, file, 0, NULL);
}

static inline const unsigned char *kn_xen_uuid(const libxl_dominfo *domain) { return domain->uuid.uuid; }
static inline int kn_xen_reason(const libxl_dominfo *domain) { return domain->shutdown ? (int)domain->shutdown_reason : -1; }

/// Lets a file share another's blocks, where the file system can.
static inline int kn_xen_clone_file(int target, int source) { return ioctl(target, FICLONE, source); }
