// SPDX-License-Identifier: GPL-2.0
/*
 * Since 7.3 a kernel thread finds no file, but for what it does with process 1's file system
 * context; before it shared that. Without it a thread's connect() compiles, and finds no socket.
 */
#include "probe.h"

#ifdef DDSNAP_PROBE_new

static int __maybe_unused ddsnap_probe(struct socket *sock)
{
	scoped_with_init_fs()
		return kernel_sock_shutdown(sock, SHUT_RDWR);
	return current->real_fs != userspace_init_fs;
}

#else

#ifdef scoped_with_init_fs
#error "not the old form: kernel threads have a file system context of their own"
#endif

/* An error if the name is taken: so it is, with or without that macro. */
enum { userspace_init_fs };

static int __maybe_unused ddsnap_probe(void)
{
	return userspace_init_fs;
}

#endif
