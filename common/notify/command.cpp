// A local program that gets the message on its stdin.
#include "common/base/bytes.h"
#include "common/base/error.h"
#include "common/env/process.h"
#include "common/notify/channels.h"
#include "fmt/format.h"

namespace holdfast::notify {
namespace {

constexpr char kTryLater[] = "exited with status 75";
constexpr char kExited[] = "exited with status ";

class CommandChannel final : public Channel {
 public:
  explicit CommandChannel(CommandOptions options) : options_(std::move(options)) {}
  const std::string& name() const override { return options_.name; }
  std::string_view kind() const override { return "command"; }
  std::string target() const override { return options_.argv[0]; }
  bool TakesAcknowledgements() const override { return true; }

  Delivery Deliver(const Message& message, std::stop_token stop) override {
    const std::string json = PublicJson(message) + "\n";
    ProcessOptions process;
    process.argv = options_.argv;
    process.standard_input = json;
    process.deadline = options_.time;
    const auto result = RunProcess(
        process, [](ByteView) { return absl::OkStatus(); }, std::move(stop));
    if (result.ok()) return Delivery::Done();
    const std::string cause = Escaped(MessageOf(result.status()), 300);
    const bool ended = cause.find(kExited) != std::string::npos;
    if (!ended || cause.find(kTryLater) != std::string::npos) {
      return {Delivery::Kind::kTryAgain, cause, {}, !ended};
    }
    return Delivery::Never(cause);
  }

 private:
  const CommandOptions options_;
};

}  // namespace

std::unique_ptr<Channel> MakeCommand(CommandOptions options) {
  return std::make_unique<CommandChannel>(std::move(options));
}

}  // namespace holdfast::notify
