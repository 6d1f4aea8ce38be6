// SPDX-License-Identifier: GPL-2.0
#include "store/origin_check.h"

#include <array>

#include "format/crc32c.h"
#include "store/io_group.h"

namespace snapstore {

Task<Result<void>> OriginCheck::compare_samples(OpenReport& report)
{
    constexpr std::size_t kDepth = 16; // reads at once
    const AlignedBuffer buffer(kDepth * kBlockSize.value);
    std::array<OriginSample*, kDepth> reading{};
    IoGroup<kDepth> group;
    origin_.renew();
    for (auto next = origin_.record.samples.begin(); next != origin_.record.samples.end();) {
        group.clear();
        for (; next != origin_.record.samples.end() && !group.full(); ++next) {
            if (next->epoch != 0) {
                reading[group.size()] = &*next;
                group.add(*ctx_.devices.origin, IoRequest::Op::read, block_offset(next->block),
                          buffer.block(group.size()));
            }
        }
        (void)co_await group;
        if (auto ok = ctx_.may_go_on_opening(); !ok) {
            co_return ok;
        }
        for (std::size_t i = 0; i < group.size(); ++i) {
            if (group.status(i) != IoStatus::ok) {
                continue; // says nothing
            }
            const bool differs = crc32c(buffer.block(i)) != reading[i]->crc;
            ++report.origin_compared;
            report.origin_differing += differs ? 1 : 0;
            if (differs) {
                *reading[i] = OriginSample{};
            }
        }
    }
    co_return Result<void>{};
}

// After the replay, before anything is written or answered.
Task<Result<void>> OriginCheck::check(OpenReport& report)
{
    if (auto ok = co_await compare_samples(report); !ok) {
        co_return ok;
    }
    const bool by_content = report.origin_compared > 0;
    const bool renamed =
        compare_identities(origin_.record.identity_text(), ctx_.config.origin_identity) == Likeness::other;
    const bool other = by_content ? report.origin_differing > report.origin_compared / 2 : renamed;
    if (other && ctx_.config.other_origin == OtherOrigin::refuse) {
        co_return fail(Errc::other_origin,
                       by_content ? "the store belongs to another origin: this one has other content"
                                  : "the store belongs to another origin: this one is another device");
    }
    report.origin_accepted = other;
    report.origin_renamed = renamed && !other;
    if (other) {
        origin_.record.samples = {};
        if (ctx_.config.other_origin == OtherOrigin::lose_snapshots) {
            report.lost += state_.lose_snapshots(Epoch{~std::uint32_t{0}});
        }
    }
    if (!ctx_.config.origin_identity.empty()) {
        origin_.record.set_identity(ctx_.config.origin_identity);
    }
    co_return Result<void>{};
}

} // namespace snapstore
