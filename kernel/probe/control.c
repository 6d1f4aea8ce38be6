// SPDX-License-Identifier: GPL-2.0
/*
 * Are the probes to be believed? The new form has all that they include, and must compile;
 * the old one calls what no kernel has, and must not.
 */
#include "probe.h"

static int __maybe_unused ddsnap_probe(struct dm_target *ti)
{
#ifdef DDSNAP_PROBE_new
	return dm_noflush_suspending(ti);
#else
	return ddsnap_no_kernel_has_this(ti);
#endif
}
