// SPDX-License-Identifier: GPL-2.0
/* Since 6.19 kernel_connect() takes a struct sockaddr_unsized, before a struct sockaddr. */
#include "probe.h"

#ifdef DDSNAP_PROBE_new
#define PROBED sockaddr_unsized
#else
#define PROBED sockaddr
#endif

static int __maybe_unused ddsnap_probe(struct socket *sock, struct PROBED *addr, int len)
{
	return kernel_connect(sock, addr, len, 0);
}
