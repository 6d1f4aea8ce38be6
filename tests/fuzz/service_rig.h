// SPDX-License-Identifier: GPL-2.0
// The volume service on small simulated disks, for targets that speak to it.
#pragma once

#include <memory>
#include <optional>
#include <random>

#include "ddsnapd/service/volume_service.h"
#include "tests/fuzz/fuzz.h"
#include "tests/support/sim_disk.h"

namespace zumastor::fuzz {

class ServiceRig final : public ddsnap::ServiceLog, public ddsnap::ClientProbe {
public:
    ServiceRig(); // a new volume, open
    ~ServiceRig() override;
    ServiceRig(const ServiceRig&) = delete;
    ServiceRig& operator=(const ServiceRig&) = delete;

    ddsnap::VolumeService& service() noexcept { return *service_; }
    std::uint64_t now() const noexcept { return now_; }

    bool step(); // one completion; false if there is none
    void run();
    void tick(std::uint64_t ms);

    template <class T>
    using Pending = std::shared_ptr<std::optional<T>>;
    template <class T>
    Pending<T> begin(snapstore::Task<T> task)
    {
        auto pending = std::make_shared<std::optional<T>>();
        snapstore::spawn(service_->frames(), await(service_->frames(), std::move(task), pending));
        return pending;
    }
    // Lets time pass until the operation has ended. One that does not end is a finding.
    template <class T>
    T finish(const Pending<T>& pending)
    {
        for (int i = 0; i < kPatience && !*pending; ++i) {
            tick(kStepMs);
        }
        if (!*pending) {
            finding("an operation does not end");
        }
        return std::move(**pending);
    }
    // Closes the service, opens the store again and checks it: whatever was said to the service, the store is
    // in order.
    void shut_down();

    void log(ddsnap::Severity, std::string_view) noexcept override {}
    bool proven_gone(const snapstore::Attachment&) noexcept override { return clients_gone; }

    bool clients_gone = false; // all that are not connected

private:
    static constexpr int kPatience = 20'000;
    static constexpr std::uint64_t kStepMs = 10'000;

    template <class T>
    static snapstore::Task<void> await(snapstore::FramePool&, snapstore::Task<T> task, Pending<T> pending)
    {
        pending->emplace(co_await task);
    }
    void start();

    std::mt19937_64 random_{1};
    test::SimDisk origin_;
    test::SimDisk store_;
    std::unique_ptr<ddsnap::VolumeService> service_;
    std::uint64_t now_ = 1'000'000'000;
};

} // namespace zumastor::fuzz
