// SPDX-License-Identifier: GPL-2.0
// What every part of the volume service may use: the store, the sessions, the read locks, and what
// coroutines wait for. Each part (Attachments, OriginWrites, SnapshotRequests, Squash, Barrier, the resizes,
// Removal, Handshake) is given this and the parts that it may call, which are those before it in core.h.
#pragma once

#include "ddsnapd/service/sessions.h"

namespace ddsnap {

struct Common {
    Common(snapstore::Devices devices, const snapstore::StoreConfig& store_config,
           const ServiceConfig& its_config, ServiceLog& its_log, snapstore::StoreObserver& observer,
           Reactions& reactions)
        : config(its_config), log(its_log), store(devices, store_config, observer), events(reactions),
          sessions(config, log, counters, locks, events)
    {}

    const ServiceConfig config;
    ServiceLog& log;
    snapstore::Store store;
    ServiceCounters counters;
    ReadLocks locks;
    Events events;
    Sessions sessions;
};

} // namespace ddsnap
