// SPDX-License-Identifier: GPL-2.0
#include "ddsnapd/daemon/open_report.h"

#include <string_view>

#include <fmt/format.h>

#include "ddsnapd/disk/origin_identity.h"
#include "ddsnapd/service/service_error.h"

namespace ddsnap::daemon {

void tell_opened(const snapstore::OpenReport& report, const Options& options, ServiceLog& log)
{
    if (!report.clean) {
        log.log(Severity::info, "Replaying journal");
        log.log(Severity::info, fmt::format("{} records replayed, {} blocks discarded",
                                            report.replayed_records, report.discarded_blocks));
    }
    if (report.lost > 0) {
        log.log(Severity::error,
                fmt::format("{} snapshots are lost: the store had failed, and the origin was written without "
                            "copies",
                            report.lost));
    }
    if (report.origin_differing > 0) {
        log.log(Severity::error,
                fmt::format("the origin {} has changed while the daemon did not run: {} of {} compared "
                            "places differ. Was the origin written past the volume? Snapshots are wrong "
                            "in the chunks that they share with those places",
                            options.origin, report.origin_differing, report.origin_compared));
    }
    if (report.origin_renamed) {
        log.log(Severity::info,
                fmt::format("the origin {} is another device than before, with the same content",
                            options.origin));
    }
}

std::string cannot_open(const snapstore::Error& error, const snapstore::Store& store, const Options& options,
                        const Disks& disks)
{
    if (error.code != snapstore::Errc::other_origin) {
        return fmt::format("cannot open the store {}: {}", options.store, to_service_error(error).message);
    }
    const std::string now = identity_of_device(disks.origin.fd.get());
    const std::string_view before = store.origin().identity();
    return fmt::format("store {} on origin {}: {} (now: {}; known: {}). Was a disk renamed? If the "
                       "disk was exchanged on purpose: zumastor accept origin VOL",
                       options.store, options.origin, error.what, now.empty() ? "not known" : now,
                       before.empty() ? "not known" : before);
}

} // namespace ddsnap::daemon
