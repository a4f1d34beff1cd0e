#include "controller/alert/alert_desk.h"

#include "common/base/error.h"
#include "common/log/log.h"
#include "controller/alert/digest.h"
#include "fmt/format.h"

namespace holdfast::alert {
namespace {

constexpr absl::Duration kLookAtOutbox = absl::Milliseconds(500);
constexpr absl::Duration kAfterTrouble = absl::Seconds(10);
constexpr absl::Duration kHistory = absl::Hours(24 * 90);
constexpr int kBeatsMissed = 3;
constexpr char kDigestMark[] = "digest";

// Waits in small pieces: a clock that tests move ends the wait.
bool WaitUntil(Clock& clock, absl::Duration monotonic, const std::stop_token& stop) {
  while (clock.Monotonic() < monotonic) {
    if (!clock.SleepFor(absl::Milliseconds(200), stop)) return false;
  }
  return !stop.stop_requested();
}

}  // namespace

AlertDesk::AlertDesk(DeskOptions options) : options_(std::move(options)) {}

EngineOptions AlertDesk::EngineOptionsNow() const {
  const AlertConfig& config = options_.config;
  EngineOptions options{options_.origin, config.link, config.remind, {}};
  options.routing.contacts = config.contacts;
  options.routing.steps = config.steps;
  options.routing.providers = config.providers;
  for (const auto& channel : channels_) {
    ChannelFacts facts{channel->name(), notify::Severity::kInfo, channel->TakesAcknowledgements()};
    for (const notify::ChannelConfig& one : config.channels) {
      if (one.name == facts.name) facts.least = one.least;
    }
    options.routing.channels.push_back(std::move(facts));
  }
  return options;
}

AlertConfig AlertDesk::config() const {
  std::lock_guard lock(mutex_);
  return options_.config;
}

std::vector<AlertDesk::ChannelView> AlertDesk::Channels() const {
  std::lock_guard lock(mutex_);
  const EngineOptions options = EngineOptionsNow();
  std::vector<ChannelView> views;
  for (std::size_t i = 0; i < channels_.size(); ++i) {
    views.push_back({channels_[i]->name(), std::string(channels_[i]->kind()),
                     channels_[i]->target(), options.routing.channels[i].least});
  }
  return views;
}

AlertDesk::~AlertDesk() {
  for (std::jthread& thread : threads_) thread.request_stop();
}

absl::StatusOr<std::unique_ptr<AlertDesk>> AlertDesk::Open(DeskOptions options) {
  std::unique_ptr<AlertDesk> desk(new AlertDesk(std::move(options)));
  DeskOptions& own = desk->options_;
  desk->channels_ = std::move(own.channels);
  if (desk->channels_.empty()) {
    for (const notify::ChannelConfig& config : own.config.channels) {
      desk->channels_.push_back(notify::MakeChannel(own.env, config));
    }
  }
  ASSIGN_OR_RETURN(AckTokens tokens, AckTokens::Open(own.env, own.key_path));
  desk->tokens_ = std::make_unique<AckTokens>(std::move(tokens));
  catalog::Catalog& catalog = *own.catalog;
  desk->engine_ = std::make_unique<Engine>(
      own.env, catalog.alerts(), desk->EngineOptionsNow(),
      [&catalog](const SourceId& source) { return SourceLabel(catalog, source); },
      desk->tokens_.get());
  RETURN_IF_ERROR(desk->engine_->Start());
  RETURN_IF_ERROR(desk->EndUnusedHeartbeat());
  return desk;
}

absl::Status AlertDesk::Reconfigure(AlertConfig config) {
  std::vector<std::unique_ptr<notify::Channel>> channels;
  for (const notify::ChannelConfig& one : config.channels) {
    channels.push_back(notify::MakeChannel(options_.env, one));
  }
  std::lock_guard threads_lock(threads_mutex_);
  for (std::jthread& thread : threads_) thread.request_stop();
  threads_.clear();
  {
    std::lock_guard lock(mutex_);
    options_.config = std::move(config);
    channels_ = std::move(channels);
  }
  missed_beats_ = 0;
  absl::Status status = engine_->Reconfigure(EngineOptionsNow());
  if (status.ok()) status = EndUnusedHeartbeat();
  if (started_) StartThreads();
  return status;
}

absl::Status AlertDesk::EndUnusedHeartbeat() {
  if (options_.config.heartbeat) return absl::OkStatus();
  return engine_->Resolve(KeyOf(kHeartbeat, "controller"), "There is no heartbeat any more.");
}

void AlertDesk::Start() {
  std::lock_guard lock(threads_mutex_);
  started_ = true;
  StartThreads();
}

void AlertDesk::StartThreads() {
  threads_.emplace_back([this](std::stop_token stop) { Watch(std::move(stop)); });
  for (const auto& channel : channels_) {
    threads_.emplace_back(
        [this, &channel](std::stop_token stop) { Deliver(*channel, std::move(stop)); });
  }
  if (options_.config.heartbeat) {
    threads_.emplace_back([this](std::stop_token stop) { BeatAlways(std::move(stop)); });
  }
}

absl::Status AlertDesk::JudgeState() {
  ASSIGN_OR_RETURN(const Facts facts, options_.facts->Look());
  return engine_->Reconcile(facts, Judge(facts, options_.config.limits, options_.env.clock.Now()));
}

// What is known goes its way also while the rules cannot see.
absl::Status AlertDesk::LookOnce() {
  const absl::Status judged = JudgeState();
  RETURN_IF_ERROR(engine_->Escalate());
  RETURN_IF_ERROR(SendDigestWhenDue());
  RETURN_IF_ERROR(ForgetOldHistory());
  return judged;
}

absl::Status AlertDesk::SendDigestWhenDue() {
  if (!options_.config.digest || channels_.empty()) return absl::OkStatus();
  catalog::AlertBook& book = options_.catalog->alerts();
  const absl::Time now = options_.env.clock.Now();
  const absl::Time due = DigestDue(*options_.config.digest, now);
  const auto due_ms = static_cast<std::uint64_t>(absl::ToUnixMillis(due));
  ASSIGN_OR_RETURN(const std::uint64_t done, book.GetMark(kDigestMark));
  if (done >= due_ms) return absl::OkStatus();
  if (done == 0) {  // the first is the next one
    catalog::AlertChange change;
    change.marks.emplace_back(kDigestMark, due_ms);
    return book.Apply(&change);
  }
  ASSIGN_OR_RETURN(notify::Message digest, MakeDigest(*options_.catalog, now));
  return engine_
      ->Announce(std::move(digest), options_.config.digest->channels,
                 std::make_pair(std::string(kDigestMark), due_ms))
      .status();
}

absl::Status AlertDesk::ForgetOldHistory() {
  const absl::Duration now = options_.env.clock.Monotonic();
  if (now - history_forgotten_ < absl::Hours(24)) return absl::OkStatus();
  history_forgotten_ = now;
  return options_.catalog->alerts().ForgetHistory(
      static_cast<std::uint64_t>(absl::ToUnixMillis(options_.env.clock.Now() - kHistory)));
}

void AlertDesk::Watch(std::stop_token stop) {
  std::string last_trouble;
  do {
    const absl::Status status = LookOnce();
    const std::string trouble = MessageOf(status);
    if (!status.ok() && trouble != last_trouble) log::Failure(status);
    last_trouble = trouble;
  } while (WaitUntil(options_.env.clock, options_.env.clock.Monotonic() + kLookEvery, stop));
}

absl::StatusOr<int> AlertDesk::DeliverDue(notify::Channel& channel, std::stop_token stop) {
  int count = 0;
  for (; !stop.stop_requested(); ++count) {
    ASSIGN_OR_RETURN(const auto outgoing, engine_->Claim(channel.name()));
    if (!outgoing) return count;
    const notify::Delivery delivery = channel.Deliver(outgoing->message, stop);
    RETURN_IF_ERROR(engine_->Finish(outgoing->row, delivery));
  }
  return count;
}

void AlertDesk::Deliver(notify::Channel& channel, std::stop_token stop) {
  absl::Duration wait = kLookAtOutbox;
  while (options_.env.clock.SleepFor(wait, stop)) {
    const auto count = DeliverDue(channel, stop);
    if (!count.ok()) log::Failure(count.status());
    wait = count.ok() ? kLookAtOutbox : kAfterTrouble;
  }
}

void AlertDesk::Beat(std::stop_token stop) {
  const HeartbeatConfig& heartbeat = *options_.config.heartbeat;
  const notify::Delivery delivery = notify::JudgeReply(
      notify::Exchange({std::string(heartbeat.url.view()), {}, ""}, heartbeat.network, stop));
  if (stop.stop_requested()) return;
  absl::Status status;
  if (delivery.kind == notify::Delivery::Kind::kDelivered) {
    missed_beats_ = 0;
    status = engine_->Resolve(KeyOf(kHeartbeat, "controller"), "The heartbeat arrives again.");
  } else if (++missed_beats_ == kBeatsMissed) {
    status = engine_->Raise(
        {KeyOf(kHeartbeat, "controller"), kHeartbeat, "heartbeat", notify::Severity::kWarning,
         "the heartbeat does not arrive", delivery.cause,
         "Look at alerts.heartbeat in controller.yaml and at the network: the service that waits "
         "for the heartbeat will say that the controller is gone.",
         false});
  }
  if (!status.ok()) log::Failure(status);
}

void AlertDesk::BeatAlways(std::stop_token stop) {
  do {
    Beat(stop);
  } while (WaitUntil(options_.env.clock,
                     options_.env.clock.Monotonic() + options_.config.heartbeat->every, stop));
}

}  // namespace holdfast::alert
