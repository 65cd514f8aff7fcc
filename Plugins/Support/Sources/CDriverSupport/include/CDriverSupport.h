#pragma once
#include <spawn.h>

// GNU functions that Swift's view of the C library leaves out.

/// A pipe whose ends no other program inherits; 0, or -1 with errno.
int kn_support_pipe(int ends[2]);

/// Makes a started program close every descriptor from that number on; 0, or an error number.
int kn_support_spawn_close_from(posix_spawn_file_actions_t *actions, int from);
