#include "controller/control/job_board.h"

#include <algorithm>
#include <utility>

#include "common/base/error.h"
#include "fmt/format.h"
#include "proto/control.pb.h"
#include "proto/operator.pb.h"

namespace holdfast::control {
namespace {

constexpr std::size_t kKeptJobs = 1000;
constexpr std::chrono::milliseconds kWatchTick{200};

v1::JobResult Lost(const Bytes& id, std::string_view why) {
  v1::JobResult result;
  result.set_job_id(id);
  result.set_exit_code(static_cast<std::uint32_t>(ErrorKind::kUnreachable));
  result.set_error_code(6042);
  result.set_message(fmt::format("unable to follow the job: {}", why));
  result.set_hint("See the agent's log; run the command again.");
  return result;
}

}  // namespace

struct JobBoard::JobState {
  AgentId agent;
  v1::Job job;
  v1::JobProgress progress;
  bool sent = false;
  absl::Time sent_at;
  std::uint64_t version = 0;  // grows with every change
  bool completing = false;    // on_result was called, or is being called
  std::unique_ptr<v1::JobResult> result;
};

bool JobBoard::Reads(const JobState& job, const SourceId& source) {
  return !job.result && job.job.kind() != v1::JOB_KIND_BACKUP &&
         job.job.source_id() == source.view();
}

struct JobBoard::AgentState {
  std::shared_ptr<AgentLink> link;
  absl::Duration detached_at;
  bool config_refused = false;
};

void AgentLink::Push(v1::ControllerMessage message) {
  std::lock_guard lock(mutex_);
  queue_.push_back(std::move(message));
  changed_.notify_all();
}

std::unique_ptr<v1::ControllerMessage> AgentLink::Pop(bool* closed) {
  std::unique_lock lock(mutex_);
  changed_.wait_for(lock, std::chrono::seconds(1), [&] { return closed_ || !queue_.empty(); });
  *closed = closed_;
  if (closed_ || queue_.empty()) return nullptr;
  auto message = std::make_unique<v1::ControllerMessage>(std::move(queue_.front()));
  queue_.pop_front();
  return message;
}

void AgentLink::Close() {
  std::lock_guard lock(mutex_);
  closed_ = true;
  changed_.notify_all();
}

JobBoard::JobBoard(Env env, std::function<void(const v1::Job&, const v1::JobResult&)> on_result)
    : env_(env), on_result_(std::move(on_result)) {}
JobBoard::~JobBoard() = default;

std::shared_ptr<AgentLink> JobBoard::Attach(const AgentId& agent,
                                            const std::vector<Bytes>& running) {
  auto link = std::make_shared<AgentLink>();
  std::vector<Bytes> lost;
  {
    std::lock_guard lock(mutex_);
    AgentState& state = agents_[agent];
    if (state.link) state.link->Close();
    state.link = link;
    state.config_refused = false;
    for (const auto& [id, job] : jobs_) {
      if (job->agent != agent || job->result) continue;
      if (std::find(running.begin(), running.end(), id) != running.end()) {
        if (!std::exchange(job->sent, true)) job->sent_at = env_.clock.Now();
      } else if (job->sent) {
        lost.push_back(id);
      } else {
        Send(*link, job.get());
      }
    }
  }
  for (const Bytes& id : lost) Complete(id, Lost(id, "the agent was restarted while it ran"));
  return link;
}

void JobBoard::Detach(const AgentId& agent, const std::shared_ptr<AgentLink>& link) {
  link->Close();
  std::lock_guard lock(mutex_);
  AgentState& state = agents_[agent];
  if (state.link != link) return;
  state.link = nullptr;
  state.detached_at = env_.clock.Monotonic();
  changed_.notify_all();
}

bool JobBoard::IsConnected(const AgentId& agent) const {
  std::lock_guard lock(mutex_);
  const auto found = agents_.find(agent);
  return found != agents_.end() && found->second.link != nullptr;
}

void JobBoard::NoteConfig(const AgentId& agent, bool refused) {
  std::lock_guard lock(mutex_);
  agents_[agent].config_refused = refused;
}

bool JobBoard::RefusedItsConfig(const AgentId& agent) const {
  std::lock_guard lock(mutex_);
  const auto found = agents_.find(agent);
  return found != agents_.end() && found->second.link && found->second.config_refused;
}

void JobBoard::Disconnect(const AgentId& agent) {
  std::lock_guard lock(mutex_);
  const auto found = agents_.find(agent);
  if (found != agents_.end() && found->second.link) found->second.link->Close();
}

absl::Status JobBoard::Start(const AgentId& agent, const std::string& agent_name,
                             const v1::Job& job) {
  std::lock_guard lock(mutex_);
  const auto found = agents_.find(agent);
  if (found == agents_.end() || !found->second.link) {
    return Error(
        ErrorKind::kUnreachable, 6040,
        fmt::format("unable to start the job: agent '{}' is not connected", Escaped(agent_name)),
        "Start holdfast-agent on that host, or see its log for why it cannot connect.");
  }
  RETURN_IF_ERROR(Add(agent, job));
  Send(*found->second.link, jobs_[job.job_id()].get());
  return absl::OkStatus();
}

absl::Status JobBoard::StartWhenConnected(const AgentId& agent, const v1::Job& job) {
  std::lock_guard lock(mutex_);
  RETURN_IF_ERROR(Add(agent, job));
  const auto found = agents_.find(agent);
  if (found != agents_.end() && found->second.link) {
    Send(*found->second.link, jobs_[job.job_id()].get());
  }
  return absl::OkStatus();
}

absl::Status JobBoard::Add(const AgentId& agent, const v1::Job& job) {
  const SourceId source = SourceId::From(job.source_id()).value_or(SourceId());
  if (job.kind() == v1::JOB_KIND_BACKUP && FindBackup(source) != nullptr) {
    return Error(ErrorKind::kConflict, 6041,
                 "unable to start the backup: one of this source is running",
                 "Wait for it to end; see 'holdfast status'.");
  }
  auto state = std::make_unique<JobState>();
  state->agent = agent;
  state->job = job;
  jobs_[job.job_id()] = std::move(state);
  return absl::OkStatus();
}

void JobBoard::Send(AgentLink& link, JobState* state) {
  state->sent = true;
  state->sent_at = env_.clock.Now();
  v1::ControllerMessage message;
  *message.mutable_job() = state->job;
  link.Push(std::move(message));
}

void JobBoard::Withdraw(const Bytes& job_id) {
  std::lock_guard lock(mutex_);
  const auto job = jobs_.find(job_id);
  if (job != jobs_.end() && !job->second->sent) jobs_.erase(job);
}

const JobBoard::JobState* JobBoard::FindBackup(const SourceId& source) const {
  for (const auto& [id, job] : jobs_) {
    if (!job->result && job->job.kind() == v1::JOB_KIND_BACKUP &&
        job->job.source_id() == source.view()) {
      return job.get();
    }
  }
  return nullptr;
}

std::optional<JobBoard::ActiveBackup> JobBoard::BackupOf(const SourceId& source) const {
  std::lock_guard lock(mutex_);
  const JobState* job = FindBackup(source);
  if (job == nullptr) return std::nullopt;
  return ActiveBackup{job->sent, job->sent_at};
}

absl::Status JobBoard::Cancel(const Bytes& job_id) {
  std::lock_guard lock(mutex_);
  const auto job = jobs_.find(job_id);
  if (job == jobs_.end()) {
    return Error(ErrorKind::kNotFound, 6043, "unable to cancel the job: it is not known");
  }
  const auto agent = agents_.find(job->second->agent);
  if (job->second->result || agent == agents_.end() || !agent->second.link) {
    return absl::OkStatus();
  }
  v1::ControllerMessage message;
  message.mutable_cancel()->set_job_id(job_id);
  agent->second.link->Push(std::move(message));
  return absl::OkStatus();
}

void JobBoard::Report(const AgentId& agent, const v1::JobProgress& progress) {
  std::lock_guard lock(mutex_);
  const auto job = jobs_.find(progress.job_id());
  if (job == jobs_.end() || job->second->agent != agent || job->second->result) return;
  job->second->progress = progress;
  ++job->second->version;
  changed_.notify_all();
}

void JobBoard::Finish(const AgentId& agent, const v1::JobResult& result) {
  {
    std::lock_guard lock(mutex_);
    const auto job = jobs_.find(result.job_id());
    if (job == jobs_.end() || job->second->agent != agent) return;
  }
  Complete(result.job_id(), result);
}

void JobBoard::Complete(const Bytes& id, const v1::JobResult& result) {
  v1::Job job;
  {
    std::lock_guard lock(mutex_);
    const auto found = jobs_.find(id);
    if (found == jobs_.end() || std::exchange(found->second->completing, true)) return;
    job = found->second->job;
  }
  on_result_(job, result);
  std::lock_guard lock(mutex_);
  const auto found = jobs_.find(id);
  if (found == jobs_.end() || found->second->result) return;
  found->second->result = std::make_unique<v1::JobResult>(result);
  ++found->second->version;
  finished_.push_back(id);
  while (finished_.size() > kKeptJobs) {
    jobs_.erase(finished_.front());
    finished_.pop_front();
  }
  changed_.notify_all();
}

void JobBoard::FinishLost() {
  std::vector<Bytes> lost;
  {
    std::lock_guard lock(mutex_);
    const absl::Duration now = env_.clock.Monotonic();
    for (const auto& [id, job] : jobs_) {
      const AgentState& agent = agents_[job->agent];
      if (!job->result && job->sent && !agent.link && now - agent.detached_at > kAgentPatience) {
        lost.push_back(id);
      }
    }
  }
  for (const Bytes& id : lost) Complete(id, Lost(id, "the agent's connection is lost"));
}

absl::Status JobBoard::Watch(const std::vector<Bytes>& job_ids,
                             const std::function<bool(const v1::JobEvent&)>& emit,
                             const std::function<bool()>& stopped) {
  std::map<Bytes, std::uint64_t> seen;
  std::vector<Bytes> open = job_ids;
  while (!open.empty() && !stopped()) {
    FinishLost();
    std::vector<v1::JobEvent> events;
    {
      std::unique_lock lock(mutex_);
      std::vector<Bytes> still_open;
      for (const Bytes& id : open) {
        const auto job = jobs_.find(id);
        if (job == jobs_.end()) {
          return Error(ErrorKind::kNotFound, 6043,
                       "unable to follow the job: it is not known to this controller");
        }
        const JobState& state = *job->second;
        if (state.version == seen[id]) {
          still_open.push_back(id);
          continue;
        }
        seen[id] = state.version;
        v1::JobEvent event;
        if (state.result) {
          *event.mutable_result() = *state.result;
        } else {
          *event.mutable_progress() = state.progress;
          still_open.push_back(id);
        }
        events.push_back(std::move(event));
      }
      open = std::move(still_open);
      if (events.empty() && !open.empty()) changed_.wait_for(lock, kWatchTick);
    }
    for (const v1::JobEvent& event : events) {
      if (!emit(event)) return absl::OkStatus();
    }
  }
  return absl::OkStatus();
}

std::size_t JobBoard::CountUnfinished() const {
  std::lock_guard lock(mutex_);
  return static_cast<std::size_t>(std::count_if(
      jobs_.begin(), jobs_.end(), [](const auto& one) { return !one.second->result; }));
}

bool JobBoard::IsRead(const SourceId& source) const {
  std::lock_guard lock(mutex_);
  return std::any_of(jobs_.begin(), jobs_.end(),
                     [&](const auto& each) { return Reads(*each.second, source); });
}

bool JobBoard::MayRead(const AgentId& agent, const SourceId& source) const {
  std::lock_guard lock(mutex_);
  return std::any_of(jobs_.begin(), jobs_.end(), [&](const auto& each) {
    const JobState& job = *each.second;
    return job.agent == agent && Reads(job, source);
  });
}

}  // namespace holdfast::control
