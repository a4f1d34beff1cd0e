#include <nlohmann/json.hpp>

#include "common/base/error.h"
#include "common/format/wire.h"
#include "common/notify/channels.h"
#include "common/notify/retry.h"
#include "tests/fuzz/targets.h"
#include "tests/support/seeded_rng.h"

namespace holdfast::fuzz {
namespace {

// Of a cause: what the other side said, escaped, and what is said about it.
constexpr std::size_t kCauseLimitBytes = 1000;

bool HasControls(std::string_view text) {
  return std::any_of(text.begin(), text.end(),
                     [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; });
}

// An answer: its status, what it asks for, its body.
void JudgeAnswer(Reader answer) {
  notify::HttpOutcome outcome;
  outcome.replied = true;
  outcome.reply.status = answer.U16() % 1000;
  outcome.reply.retry_after = absl::Seconds(static_cast<std::int64_t>(answer.U64()));
  outcome.reply.body = answer.Raw(answer.remaining());
  const notify::Delivery delivery = notify::JudgeReply(outcome);
  const bool took = outcome.reply.status >= 200 && outcome.reply.status < 300;
  HOLDFAST_CHECK((delivery.kind == notify::Delivery::Kind::kDelivered) == took);
  HOLDFAST_CHECK(!HasControls(delivery.cause) && delivery.cause.size() <= kCauseLimitBytes);
  test::SeededRng rng(1);
  for (const std::uint64_t attempts : {0, 1, 5, 1000}) {
    const absl::Duration wait = notify::RetryDelay(attempts, delivery.retry_after, rng);
    HOLDFAST_CHECK(wait >= absl::Seconds(5) && wait <= absl::Hours(6));
  }
}

void LookAtUrl(std::string_view text) {
  HOLDFAST_CHECK(!HasControls(notify::RedactedUrl(text).substr(text.find("://") + 1)));
  for (const bool allow_private : {false, true}) {
    if (!notify::IsUsableUrl(text, {allow_private})) continue;
    HOLDFAST_CHECK(!HasControls(text) && text.find(' ') == std::string_view::npos);
    HOLDFAST_CHECK(!HasControls(notify::RedactedUrl(text)));
    HOLDFAST_CHECK(allow_private || text.starts_with("https://"));
  }
}

// Names and texts from elsewhere in a message, as receivers and people get it.
void ShowMessage(const std::string& text) {
  notify::Message message;
  message.id = "msg_1";
  message.kind = "failure";
  message.subject = message.title = message.text = message.hint = message.origin = text;
  message.facts = {{text, text}};
  const auto json = nlohmann::json::parse(notify::PublicJson(message), nullptr, false);
  HOLDFAST_CHECK(json.is_object() && json["data"]["kind"] == "failure");
  HOLDFAST_CHECK(notify::Html(message).find("<script") == std::string::npos);
  (void)notify::PlainText(message);
  const auto kept = notify::MessageFromJson(notify::ToJson(message));
  HOLDFAST_CHECK(kept.ok() && kept->kind == "failure" && kept->facts.size() <= 1);
}

}  // namespace

void Reply(ByteView input) {
  JudgeAnswer(Reader(input));
  LookAtUrl(input);
  ShowMessage(std::string(input));
  const auto message = notify::MessageFromJson(input);
  if (message.ok()) {
    const std::string json = notify::ToJson(*message);
    HOLDFAST_CHECK(notify::ToJson(notify::MessageFromJson(json).value()) == json);
  } else {
    HOLDFAST_CHECK(KindOf(message.status()) == ErrorKind::kIntegrity);
  }
}

}  // namespace holdfast::fuzz
