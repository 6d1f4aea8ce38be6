// SPDX-License-Identifier: GPL-2.0
#include "tools/common/other_origin.h"

#include "snapstore/store.h"

namespace zumastor {

std::string why_other_origin(const StorePaths& paths)
{
    try {
        OfflineStore(paths).close();
    } catch (const OtherOriginFailure& failure) {
        return failure.what();
    }
    return {};
}

std::string describe_acceptance(const StorePaths& paths, bool keep_snapshots)
{
    return "store " + paths.store.given + " belongs to another origin than " + paths.origin.given + ": " +
           (keep_snapshots ? "its snapshots will show the content of this origin wherever they shared "
                             "chunks with the other"
                           : "its snapshots, which shared chunks with the other origin, will be given up");
}

std::size_t accept_origin(const StorePaths& paths, bool keep_snapshots)
{
    OfflineStore store(paths, keep_snapshots ? snapstore::OtherOrigin::keep_snapshots
                                             : snapstore::OtherOrigin::lose_snapshots);
    const std::size_t lost = store.opened().lost;
    store.close();
    return lost;
}

} // namespace zumastor
