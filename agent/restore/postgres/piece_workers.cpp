#include "agent/restore/postgres/piece_workers.h"

#include <atomic>
#include <thread>

#include "common/base/error.h"
#include "common/concurrency/first_error.h"
#include "common/concurrency/start_thread.h"
#include "fmt/format.h"

namespace holdfast::restore {

absl::Status ForEachPiece(const LoadTarget& target, const std::vector<TablePiece>& pieces,
                          const PieceWork& work, std::stop_token stop) {
  FirstError errors;
  std::atomic<std::size_t> next = 0;
  const std::stop_callback forward(
      stop, [&] { errors.Report(Error(ErrorKind::kFailed, 3107, "the restore was stopped")); });
  const auto run = [&]() -> absl::Status {
    std::unique_ptr<source::PgCopy> copy;
    for (std::size_t i = next++; i < pieces.size(); i = next++) {
      if (copy == nullptr) {
        ASSIGN_OR_RETURN(copy, source::PgCopy::Open(target.connection, errors.stop_token()));
        if (target.superuser) {
          // Triggers of extension tables must not see rows that are only being put back.
          RETURN_IF_ERROR(copy->Execute("SET session_replication_role = replica"));
        }
      }
      const source::TableFacts& facts = pieces[i].table->facts;
      RETURN_IF_ERROR(
          WithContext(work(pieces[i], *copy),
                      fmt::format("table '{}'", Escaped(facts.schema + "." + facts.name))));
    }
    return absl::OkStatus();
  };
  {
    std::vector<std::jthread> threads;
    errors.Report(StartThreads(std::max(1, target.workers), &threads,
                               [&] { return [&] { errors.Report(run()); }; }));
  }
  return errors.status();
}

}  // namespace holdfast::restore
