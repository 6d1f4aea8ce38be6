// SPDX-License-Identifier: GPL-2.0
#include "tools/zumastor/replication/verify_server.h"

#include <unistd.h>

#include <csignal>

#include "tools/common/failure.h"
#include "tools/stream/byte_stream.h"

namespace zumastor {
namespace {

using Side = VerifyEnd::Side;

void answer_hashes(VerifyEnd& end, const VerifyRequest& request, Pipes pipes)
{
    const std::uint64_t unit = request.what == Ask::hash ? kVerifyUnit : end.chunk_bytes();
    end.hash({request.bytes, unit}, request.first, request.count,
             [&](std::uint64_t, const stream::RangeHash& hash) { write_line(pipes.to, format_hash(hash)); });
}

// True if the session goes on.
bool answer(VerifyEnd& end, const VerifyRequest& request, bool may_repair, Pipes pipes)
{
    if (request.what == Ask::hash || request.what == Ask::chunks) {
        answer_hashes(end, request, pipes);
        return true;
    }
    if (request.what == Ask::send && may_repair && end.side() == Side::upstream) {
        stream::SendOptions options;
        options.bytes_per_second = request.bytes_per_second;
        end.send(request.runs, options, pipes.to);
        return false;
    }
    VerifyAnswer said;
    try {
        if (request.what == Ask::open) {
            said.bytes = end.open(request.snapshot);
        } else if (request.what == Ask::take && may_repair && end.side() == Side::replica) {
            end.take(pipes.from);
        } else {
            throw Failure(Exit::usage, std::string("the other side asked for '") + name_of(request.what) +
                                           "', which it may not");
        }
    } catch (const Failure& failure) {
        write_line(pipes.to, format(VerifyAnswer{0, refusal_of(failure)}));
        throw;
    } catch (const stream::TransferError& error) {
        write_line(pipes.to, format(VerifyAnswer{0, refusal_of(Failure(Exit::failed, error.what()))}));
        throw;
    }
    write_line(pipes.to, format(said));
    return request.what == Ask::open;
}

} // namespace

void serve_verify(Volume& volume, VerifyEnd::Side side, bool may_repair)
{
    const Pipes pipes{STDIN_FILENO, STDOUT_FILENO};
    (void)std::signal(SIGPIPE, SIG_IGN); // a peer that has gone is an error with a text
    VerifyEnd end(volume, side);
    try {
        write_line(pipes.to, format(end.hello()));
        for (bool more = true; more;) {
            const VerifyRequest request = parse_verify_request(read_line(pipes.from));
            more = request.what != Ask::end && answer(end, request, may_repair, pipes);
        }
    } catch (const stream::TransferError& error) {
        throw Failure(Exit::failed, volume.what() + ": " + error.what());
    }
}

} // namespace zumastor
