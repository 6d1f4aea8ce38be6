/* SPDX-License-Identifier: GPL-2.0 */
/*
 * compat.h - the differences between the kernels that dm-ddsnap builds on.
 *
 * ddsnap-config.h is made by compiling both forms in probe/NAME.c for each NAME: the one that
 * compiles is there. Nothing else in the module asks which kernel it is built for.
 */
#ifndef DDSNAP_COMPAT_H
#define DDSNAP_COMPAT_H

#include <linux/blkdev.h>
#include <linux/device-mapper.h>
#include <linux/fs_struct.h>
#include <linux/net.h>
#include <linux/shrinker.h>
#include <linux/slab.h>
#include <linux/un.h>

#include "ddsnap-config.h"

#ifdef DDSNAP_HAVE_blk_mode
#define DDSNAP_MODE_WRITE BLK_OPEN_WRITE
#else
#define DDSNAP_MODE_WRITE FMODE_WRITE
#endif

#ifdef DDSNAP_HAVE_sockaddr_unsized
#define DDSNAP_SOCKADDR sockaddr_unsized
#else
#define DDSNAP_SOCKADDR sockaddr
#endif

/* For a kernel thread: the socket is where process 1 sees it. */
static inline int ddsnap_connect(struct socket *sock, struct sockaddr_un *addr, int flags)
{
#ifdef DDSNAP_HAVE_init_fs
	scoped_with_init_fs()
#endif
		return kernel_connect(sock, (struct DDSNAP_SOCKADDR *)addr, sizeof(*addr), flags);
}

struct ddsnap_shrinker {
#ifdef DDSNAP_HAVE_shrinker_alloc
	struct shrinker *shrinker;
#else
	struct shrinker shrinker;
	bool registered;
#endif
};

typedef unsigned long (*ddsnap_shrink_fn)(struct shrinker *s, struct shrink_control *sc);

#ifdef DDSNAP_HAVE_shrinker_alloc

static inline int ddsnap_shrinker_register(struct ddsnap_shrinker *s, ddsnap_shrink_fn count,
					   ddsnap_shrink_fn scan, const char *name)
{
	s->shrinker = shrinker_alloc(0, "dm-ddsnap:%s", name);
	if (!s->shrinker)
		return -ENOMEM;
	s->shrinker->count_objects = count;
	s->shrinker->scan_objects = scan;
	s->shrinker->seeks = DEFAULT_SEEKS;
	s->shrinker->private_data = s;
	shrinker_register(s->shrinker);
	return 0;
}

static inline void ddsnap_shrinker_unregister(struct ddsnap_shrinker *s)
{
	if (s->shrinker)
		shrinker_free(s->shrinker);
	s->shrinker = NULL;
}

static inline struct ddsnap_shrinker *to_ddsnap_shrinker(struct shrinker *shrinker)
{
	return shrinker->private_data;
}

#else

static inline int ddsnap_shrinker_register(struct ddsnap_shrinker *s, ddsnap_shrink_fn count,
					   ddsnap_shrink_fn scan, const char *name)
{
	int r;

	s->shrinker.count_objects = count;
	s->shrinker.scan_objects = scan;
	s->shrinker.seeks = DEFAULT_SEEKS;
	r = register_shrinker(&s->shrinker, "dm-ddsnap:%s", name);
	s->registered = !r;
	return r;
}

static inline void ddsnap_shrinker_unregister(struct ddsnap_shrinker *s)
{
	if (s->registered)
		unregister_shrinker(&s->shrinker);
	s->registered = false;
}

static inline struct ddsnap_shrinker *to_ddsnap_shrinker(struct shrinker *shrinker)
{
	return container_of(shrinker, struct ddsnap_shrinker, shrinker);
}

#endif

#endif /* DDSNAP_COMPAT_H */
