#include "controller/cli/follow_jobs.h"

#include <map>

#include "common/base/error.h"
#include "common/report/json.h"
#include "controller/cli/render/progress.h"
#include "controller/cli/render/text.h"
#include "fmt/format.h"

namespace holdfast::cli {
namespace {

constexpr absl::Duration kFirstRetry = absl::Seconds(1);
constexpr absl::Duration kMaxRetry = absl::Seconds(15);
constexpr absl::Duration kGiveUpAfter = absl::Minutes(5);
constexpr absl::Duration kSecondPress = absl::Seconds(5);

enum class Ending { kDone, kLeft, kLost };

ProgressBoard::Options BoardOptions(Context& context) {
  ProgressBoard::Options options;
  options.columns = context.terminal.Columns();
  options.style = context.json                         ? ProgressStyle::kJson
                  : context.terminal.ErrorIsTerminal() ? ProgressStyle::kBars
                                                       : ProgressStyle::kLines;
  return options;
}

class Follower {
 public:
  Follower(Context& context, OperatorClient& client, JobKind kind,
           const std::vector<FollowedJob>& jobs)
      : context_(context),
        client_(client),
        kind_(kind),
        jobs_(jobs),
        board_(BoardOptions(context), context.env.clock, context.json ? context.out : context.err) {
    for (const FollowedJob& job : jobs_) board_.AddRow(job.job_id, job.label);
  }

  int Run() {
    const Ending ending = Watch();
    board_.Close();
    int code = PrintResults();
    if (ending == Ending::kLost) code = WorstExitCode({code, Report(context_, lost_)});
    if (ending == Ending::kLeft) {
      code = WorstExitCode(
          {code, Report(context_, Error(ErrorKind::kFailed, 1141,
                                        "stopped watching: the jobs go on without this command",
                                        "See how they end with 'holdfast status'."))});
    }
    return code;
  }

 private:
  std::vector<Bytes> Open() const {
    std::vector<Bytes> ids;
    for (const FollowedJob& job : jobs_) {
      if (!results_.contains(job.job_id)) ids.push_back(job.job_id);
    }
    return ids;
  }

  void Take(const JobEvent& event) {
    answered_at_ = context_.env.clock.Monotonic();
    if (const auto* progress = std::get_if<JobProgress>(&event)) {
      board_.Update(*progress);
      return;
    }
    const JobResult& result = std::get<JobResult>(event);
    if (!results_.emplace(result.job_id, result).second) return;
    board_.Finish(result, OutcomeText(kind_, result));
  }

  Ending Watch() {
    absl::Duration wait = kFirstRetry;
    answered_at_ = context_.env.clock.Monotonic();
    bool asked = false;
    for (;;) {
      const std::vector<Bytes> open = Open();
      if (open.empty()) return Ending::kDone;
      const absl::Duration heard_before = answered_at_;
      const std::stop_token stop =
          asked ? context_.interrupts.second() : context_.interrupts.first();
      const absl::Status status = client_.WatchJobs(
          open, [this](const JobEvent& event) { Take(event); },
          cancelled_ ? std::stop_token() : stop);
      if (!asked && context_.interrupts.first().stop_requested() && !Open().empty()) {
        asked = true;
        if (!AskToCancel()) return Ending::kLeft;
        continue;
      }
      if (Open().empty()) return Ending::kDone;
      if (!status.ok() && !IsRetryable(status) && !absl::IsCancelled(status)) {
        lost_ = WithContext(status, "unable to watch the jobs");
        return Ending::kLost;
      }
      if (answered_at_ != heard_before) wait = kFirstRetry;
      if (!Reconnect(&wait, status)) return Ending::kLost;
    }
  }

  // True when the jobs are now being cancelled, false to leave them alone.
  bool AskToCancel() {
    if (context_.terminal.InputIsTerminal()) {
      board_.Note("interrupted: the jobs go on. Press Ctrl-C again within 5 s to cancel them.");
      if (context_.env.clock.SleepFor(kSecondPress, context_.interrupts.second())) return false;
    } else if (!context_.interrupts.second().stop_requested()) {
      return false;
    }
    cancelled_ = true;
    for (const Bytes& id : Open()) {
      if (const absl::Status status = client_.CancelJob(id); !status.ok()) {
        board_.Note("unable to cancel a job: " + Escaped(MessageOf(status)));
      }
    }
    board_.Note("cancelling …");
    return true;
  }

  bool Reconnect(absl::Duration* wait, const absl::Status& status) {
    if (context_.env.clock.Monotonic() - answered_at_ > kGiveUpAfter) {
      lost_ = Error(ErrorKind::kUnreachable, 1140,
                    fmt::format("unable to watch the jobs any longer: {}",
                                status.ok() ? "the controller ends every watch early"
                                            : Escaped(MessageOf(status))),
                    "The jobs may go on: see 'holdfast status' when the controller is back.");
      return false;
    }
    if (!told_) board_.Note("the connection to the controller is lost, trying again …");
    told_ = true;
    context_.env.clock.SleepFor(*wait, context_.interrupts.first());
    *wait = std::min(*wait * 2, kMaxRetry);
    return true;
  }

  int PrintResults() {
    std::vector<int> codes;
    for (const FollowedJob& job : jobs_) {
      const auto found = results_.find(job.job_id);
      if (found == results_.end()) continue;
      const JobResult& result = found->second;
      codes.push_back(static_cast<int>(result.exit_code));
      if (context_.json) {
        context_.out << JsonLine({{"event", "result"},
                                  {"source", Escaped(job.label)},
                                  {"job", ToHex(job.job_id)},
                                  {"exit", result.exit_code},
                                  {"report", ParsedJson(result.report_json)}})
                     << std::flush;
      } else if (const std::string details = DetailText(kind_, result); !details.empty()) {
        context_.err << Escaped(job.label) << ":\n" << details;
      }
      const absl::Status status = StatusOfResult(result);
      if (!status.ok()) Report(context_, status);
    }
    return WorstExitCode(codes);
  }

  Context& context_;
  OperatorClient& client_;
  const JobKind kind_;
  const std::vector<FollowedJob>& jobs_;
  ProgressBoard board_;
  std::map<Bytes, JobResult> results_;
  absl::Duration answered_at_;
  absl::Status lost_;
  bool told_ = false;
  bool cancelled_ = false;
};

}  // namespace

int FollowJobs(Context& context, OperatorClient& client, JobKind kind,
               const std::vector<FollowedJob>& jobs) {
  if (jobs.empty()) {
    return Report(context, Error(ErrorKind::kFailed, 1142,
                                 "unable to follow the work: the controller started no job"));
  }
  return Follower(context, client, kind, jobs).Run();
}

}  // namespace holdfast::cli
