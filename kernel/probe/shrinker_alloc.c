// SPDX-License-Identifier: GPL-2.0
/* Since 6.7 shrinkers are allocated, before they were embedded and registered. */
#include "probe.h"

#ifdef DDSNAP_PROBE_new

static struct shrinker * __maybe_unused ddsnap_probe(void)
{
	struct shrinker *shrinker = shrinker_alloc(0, "probe");

	if (shrinker) {
		shrinker->private_data = shrinker;
		shrinker_register(shrinker);
	}
	return shrinker;
}

#else

static int __maybe_unused ddsnap_probe(struct shrinker *shrinker)
{
	return register_shrinker(shrinker, "probe");
}

#endif
