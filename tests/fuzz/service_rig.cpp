// SPDX-License-Identifier: GPL-2.0
#include "tests/fuzz/service_rig.h"

#include "tests/support/sim_world.h"

namespace zumastor::fuzz {

using snapstore::Bytes;

namespace {

constexpr std::uint64_t kOrigin = 256ULL << 10;
constexpr std::uint64_t kStore = 2ULL << 20;
constexpr std::uint64_t kMs = 1'000'000;
const snapstore::StoreConfig kConfig{Bytes{256ULL << 10}, 64, Bytes{256ULL << 10}, Bytes{64ULL << 10}};

// An empty store. Made once: each input begins with a copy.
std::vector<std::byte> empty_store()
{
    test::WorldConfig config;
    config.origin = Bytes{kOrigin};
    config.store = Bytes{kStore};
    test::SimWorld world(1, config);
    if (!world.initialize()) {
        finding("a store cannot be made");
    }
    const auto content = world.store_disk().content();
    return {content.begin(), content.end()};
}

} // namespace

ServiceRig::ServiceRig() : origin_(Bytes{kOrigin}, random_), store_(Bytes{kStore}, random_)
{
    static const std::vector<std::byte> kImage = empty_store();
    std::copy(kImage.begin(), kImage.end(), store_.content().begin());
    for (std::size_t i = 0; i < kOrigin; i += 4096) {
        origin_.content()[i] = static_cast<std::byte>(i / 4096);
    }
    start();
}

ServiceRig::~ServiceRig() = default;

void ServiceRig::start()
{
    const snapstore::Devices devices{&origin_, &store_, nullptr};
    service_ =
        std::make_unique<ddsnap::VolumeService>(devices, kConfig, ddsnap::ServiceConfig{}, *this, *this);
    const auto opened = begin(service_->open());
    run();
    if (!*opened || !**opened) {
        finding("the store does not open");
    }
    tick(0);
}

bool ServiceRig::step() { return origin_.pump() || store_.pump(); }

void ServiceRig::run()
{
    while (step()) {
    }
}

void ServiceRig::tick(std::uint64_t ms)
{
    now_ += ms * kMs;
    service_->on_tick(now_);
    run();
}

void ServiceRig::shut_down()
{
    if (!finish(begin(service_->close()))) {
        finding("the service does not close");
    }
    start();
    const auto report = finish(begin(service_->store().upkeep().check(true)));
    if (!report || !report->damage.empty() || report->leaked_chunks != 0) {
        finding("the store is damaged");
    }
    if (!finish(begin(service_->close()))) {
        finding("the service does not close");
    }
}

} // namespace zumastor::fuzz
