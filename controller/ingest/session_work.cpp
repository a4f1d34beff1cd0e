#include "controller/ingest/session_work.h"

#include <chrono>

#include "common/env/fail_point.h"
#include "controller/ingest/recovered_packs.h"

namespace holdfast::ingest {
namespace {

// What is synced and acknowledged together: much less than the agent may have unacknowledged, so
// that it is never kept waiting, and soon when no more comes.
constexpr std::size_t kGroupMessages = 16;
constexpr std::size_t kGroupBytes = 4u << 20;
constexpr std::chrono::milliseconds kGroupPatience(10);

}  // namespace

SessionWork::SessionWork(const Into& into, const DomainId& domain, SessionReplies& replies)
    : into_(into),
      replies_(replies),
      room_(into.budget),
      writer_(into.catalog, into.store, domain) {}

void SessionWork::Bring(ReceivedObjects objects, std::stop_token stop) {
  const std::size_t bytes = objects.bytes;
  if (!room_.Take(bytes, stop)) return;
  queue_.Push({std::move(objects), std::nullopt}, bytes, stop);
}

void SessionWork::Bring(CommitInput commit, std::stop_token stop) {
  queue_.Push({{}, std::move(commit)}, 0, stop);
}

void SessionWork::Close() { queue_.Close(); }

absl::Status SessionWork::Run(std::stop_token stop) {
  for (;;) {
    auto items = appended_ > acknowledged_
                     ? queue_.PopAllWithin(kGroupPatience, kGroupMessages, stop, kGroupBytes)
                     : std::make_optional(queue_.PopAll(kGroupMessages, stop, kGroupBytes));
    const bool at_end = items && items->empty();
    if (at_end && stop.stop_requested()) return absl::OkStatus();
    RETURN_IF_ERROR(items && !at_end ? Do(*items) : Acknowledge());
    if (at_end) return absl::OkStatus();
  }
}

absl::Status SessionWork::Do(std::vector<Item>& items) {
  for (Item& item : items) {
    RETURN_IF_ERROR(item.commit ? Commit(*item.commit) : Append(item.objects));
    item.objects.objects.clear();
    room_.Give(item.objects.bytes);
    if (writer_.unsynced_bytes() >= kGroupBytes) RETURN_IF_ERROR(Acknowledge());
  }
  return absl::OkStatus();
}

absl::Status SessionWork::Append(ReceivedObjects& received) {
  for (std::size_t i = 0; i < received.objects.size(); ++i) {
    RETURN_IF_ERROR(
        writer_.Append(received.ids[i], received.objects[i], std::move(received.bases[i])));
  }
  appended_ += received.objects.size();
  return absl::OkStatus();
}

absl::Status SessionWork::Acknowledge() {
  const std::uint64_t bytes = writer_.unsynced_bytes();
  RETURN_IF_ERROR(writer_.Flush());
  into_.quota.Stored(bytes);
  if (appended_ == acknowledged_) return absl::OkStatus();
  acknowledged_ = appended_;
  HOLDFAST_FAIL_POINT("ingest.send-stored");
  replies_.OnStored(acknowledged_);
  return absl::OkStatus();
}

absl::Status SessionWork::Commit(CommitInput& input) {
  RETURN_IF_ERROR(Acknowledge());
  RETURN_IF_ERROR(writer_.Finish());
  // What a snapshot needs is in the store before it counts: packs of runs before this one too.
  RETURN_IF_ERROR(MoveRest(into_.catalog, into_.store));
  input.stored_bytes = writer_.stored_bytes();
  ASSIGN_OR_RETURN(const catalog::CommitResult result,
                   CommitRun(into_.env, into_.catalog, into_.store, input));
  HOLDFAST_FAIL_POINT("ingest.send-committed");
  replies_.OnCommitted(result);
  return absl::OkStatus();
}

}  // namespace holdfast::ingest
