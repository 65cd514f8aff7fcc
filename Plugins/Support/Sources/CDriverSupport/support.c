#define _GNU_SOURCE
#include "CDriverSupport.h"
#include <fcntl.h>
#include <unistd.h>

int kn_support_pipe(int ends[2]) { return pipe2(ends, O_CLOEXEC); }

int kn_support_spawn_close_from(posix_spawn_file_actions_t *actions, int from) {
    return posix_spawn_file_actions_addclosefrom_np(actions, from);
}
