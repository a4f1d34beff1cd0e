// pg_dump's script as a list of items, cut by its own headings, and any script as statements.
//
// Hides:      SQL lexing: quotes, E strings, dollar quotes, comments.
// Invariants: I1  The items' texts together are the script; a heading inside a quoted string or a
//                 function body does not cut.
//             I2  A statement ends at ';' outside quotes and comments and comes without comments
//                 before it.
// Backslash commands of psql have no meaning here: a script can run nothing but SQL.
// Threading:  values and pure functions; one SqlScanner per text.
#pragma once

#include <functional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "common/base/bytes.h"

namespace holdfast::restore {

struct DumpItem {
  std::string name;    // as the heading prints it; empty for the preamble
  std::string type;    // "TABLE", "EVENT TRIGGER", …
  std::string schema;  // "-" when it has none
  std::string sql;
};

std::vector<DumpItem> SplitDump(std::string_view script);  // the first item is the preamble
// The same items with event triggers at the end: one that exists fires for whatever comes after it.
std::vector<DumpItem> EventTriggersLast(std::vector<DumpItem> items);
std::vector<std::string> SplitStatements(std::string_view script);

// The same script, in which a plain primary key or unique constraint of one of `tables` (as the
// dump prints them) is made of an index that is built first: that leaves the table readable, which
// ADD CONSTRAINT alone does not. The outcome is the same.
std::string WithIndexesFirst(std::string_view script, const std::set<std::string>& tables);

// Follows a text character by character and knows whether it is inside a quote or comment.
class SqlScanner {
 public:
  void Step(char c);
  bool InCode() const { return state_ == State::kCode; }
  bool InLineComment() const { return state_ == State::kLineComment; }
  bool InComment() const { return InLineComment() || state_ == State::kBlockComment; }

 private:
  enum class State {
    kCode,
    kQuote,
    kEscapeQuote,
    kIdentifier,
    kDollar,
    kLineComment,
    kBlockComment
  };
  void StepCode(char c);
  void StepDollar(char c);

  State state_ = State::kCode;
  char previous_ = '\0';
  char before_previous_ = '\0';
  bool escaped_ = false;  // in kEscapeQuote: after a backslash
  bool in_tag_ = false;   // in kCode: between the dollars that open a quote
  int comment_depth_ = 0;
  std::string tag_;            // of the open dollar quote, without dollars
  std::string candidate_;      // what follows a '$'
  bool in_candidate_ = false;  // in kDollar: after a '$' that may close it
};

// Statements out of a stream of any length, for the script of large objects.
class StatementStream {
 public:
  explicit StatementStream(std::function<absl::Status(const std::string&)> execute)
      : execute_(std::move(execute)) {}
  absl::Status Feed(ByteView bytes);
  bool AtEnd() const { return blank_; }  // false: the stream was cut inside a statement

 private:
  std::function<absl::Status(const std::string&)> execute_;
  SqlScanner scanner_;
  std::string statement_;
  bool blank_ = true;  // nothing but space and comments so far
};

// The identifier at the start of `text`, unquoted; empty when there is none.
std::string LeadingIdentifier(std::string_view text);

}  // namespace holdfast::restore
