// Slack: an incoming webhook with Block Kit.
#include <nlohmann/json.hpp>

#include "common/notify/channels.h"
#include "fmt/format.h"

namespace holdfast::notify {
namespace {

using SlackJson = nlohmann::ordered_json;

// Slack's limits, in characters; bytes are never fewer.
constexpr std::size_t kHeaderLimit = 150;
constexpr std::size_t kSectionLimit = 3000;
constexpr std::size_t kFieldLimit = 2000;
constexpr std::size_t kFieldsPerSection = 10;
constexpr std::size_t kFieldsMost = 40;

// At most `limit` bytes, cut between characters.
std::string Cut(std::string text, std::size_t limit) {
  if (text.size() <= limit) return text;
  std::size_t end = limit - 3;
  while (end > 0 && (text[end] & 0xc0) == 0x80) --end;
  return text.substr(0, end) + "…";
}

// Mentions and links begin with '<': text from elsewhere must not make any.
std::string Marked(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '&') {
      out += "&amp;";
    } else if (c == '<') {
      out += "&lt;";
    } else if (c == '>') {
      out += "&gt;";
    } else {
      out += c;
    }
  }
  return out;
}

SlackJson Section(const std::string& text) {
  return {{"type", "section"},
          {"text", {{"type", "mrkdwn"}, {"text", Cut(Marked(text), kSectionLimit)}}}};
}

SlackJson Blocks(const Message& message) {
  SlackJson blocks = SlackJson::array();
  blocks.push_back(
      {{"type", "header"},
       {"text", {{"type", "plain_text"}, {"text", Cut(Headline(message), kHeaderLimit)}}}});
  if (!message.text.empty()) blocks.push_back(Section(message.text));
  if (!message.hint.empty()) blocks.push_back(Section("What to do: " + message.hint));
  const std::size_t facts = std::min(message.facts.size(), kFieldsMost);
  for (std::size_t begin = 0; begin < facts; begin += kFieldsPerSection) {
    SlackJson fields = SlackJson::array();
    for (std::size_t i = begin; i < std::min(facts, begin + kFieldsPerSection); ++i) {
      const Fact& fact = message.facts[i];
      fields.push_back(
          {{"type", "mrkdwn"},
           {"text",
            Cut(fmt::format("*{}*\n{}", Marked(fact.label), Marked(fact.value)), kFieldLimit)}});
    }
    blocks.push_back({{"type", "section"}, {"fields", std::move(fields)}});
  }
  if (!message.acknowledge_url.empty()) {
    blocks.push_back(
        {{"type", "section"},
         {"text",
          {{"type", "mrkdwn"},
           {"text", fmt::format("<{}|I take care of it>", message.acknowledge_url)}}}});
  }
  std::string footer = fmt::format("{}   {}", message.origin, message.id);
  if (message.possibly_repeated) footer += "   (may be a repetition)";
  blocks.push_back({{"type", "context"},
                    {"elements", {{{"type", "mrkdwn"}, {"text", Cut(Marked(footer), 1000)}}}}});
  return blocks;
}

class SlackChannel final : public Channel {
 public:
  explicit SlackChannel(SlackOptions options) : options_(std::move(options)) {}
  const std::string& name() const override { return options_.name; }
  std::string_view kind() const override { return "slack"; }
  std::string target() const override { return RedactedUrl(options_.url.view()); }

  Delivery Deliver(const Message& message, std::stop_token stop) override {
    const SlackJson json = {{"text", Cut(Marked(Headline(message)), kSectionLimit)},
                            {"blocks", Blocks(message)}};
    HttpPost post;
    post.url = options_.url.view();
    post.headers = {"Content-Type: application/json"};
    post.body = json.dump(-1, ' ', false, SlackJson::error_handler_t::replace);
    return JudgeReply(Exchange(post, options_.network, std::move(stop)));
  }

 private:
  const SlackOptions options_;
};

}  // namespace

std::unique_ptr<Channel> MakeSlack(SlackOptions options) {
  return std::make_unique<SlackChannel>(std::move(options));
}

}  // namespace holdfast::notify
