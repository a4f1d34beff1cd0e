// Goal: an alert, what was told of it and to whom are there together after a reopen; each channel
// gets its oldest message that is due, and what died under way waits again as repeated.
#include "controller/catalog/alert_book.h"

#include "tests/unit/controller/catalog/catalog_fixture.h"

namespace holdfast::catalog {
namespace {

class AlertBookTest : public CatalogTest {
 protected:
  AlertBook& book() { return catalog_->alerts(); }

  static MessageRow To(const std::string& channel, std::uint64_t created_at_ms) {
    MessageRow message;
    message.message_id = channel + std::to_string(created_at_ms);
    message.channel = channel;
    message.created_at_ms = created_at_ms;
    message.next_at_ms = created_at_ms;
    return message;
  }
  // An open alert with one message to "mail".
  AlertChange Raise(const std::string& key, std::uint64_t at_ms) {
    AlertChange change;
    AlertRow alert;
    alert.key = key;
    alert.subject = "db";
    alert.title = "the backup failed";
    alert.opened_at_ms = alert.last_at_ms = at_ms;
    change.alert = alert;
    change.events.push_back({at_ms, "failure", "db", 3, "it failed"});
    change.messages.push_back(To("mail", at_ms));
    EXPECT_TRUE(book().Apply(&change).ok());
    return change;
  }
  void Put(const AlertRow& alert, std::vector<MessageRow> messages = {}) {
    AlertChange change;
    change.alert = alert;
    change.messages = std::move(messages);
    ASSERT_TRUE(book().Apply(&change).ok());
  }
};

TEST_F(AlertBookTest, AChangeIsThereWhollyAfterAReopen) {
  const AlertChange change = Raise("failure/db", 10);
  Reopen();
  const AlertRow alert = book().GetAlert(change.alert->id).value();
  EXPECT_EQ(alert.key, "failure/db");
  EXPECT_EQ(alert.title, "the backup failed");
  EXPECT_EQ(alert.opened_at_ms, 10u);
  EXPECT_EQ(book().NewestAlert("failure/db").value()->id, alert.id);
  EXPECT_FALSE(book().NewestAlert("failure/cache").value().has_value());
  EXPECT_EQ(book().OpenAlerts()->size(), 1u);
  EXPECT_EQ(book().RecentAlerts(10)->size(), 1u);
  EXPECT_EQ(book().RecentEvents(10).value().at(0).text, "it failed");
  const auto messages = book().MessagesOf(alert.id).value();
  ASSERT_EQ(messages.size(), 1u);
  EXPECT_EQ(book().GetMessage(messages[0].id)->message_id, "mail10");
}

TEST_F(AlertBookTest, WhatIsNotThereIsSaid) {
  const absl::Status alert = book().GetAlert(5).status();
  EXPECT_EQ(KindOf(alert), ErrorKind::kNotFound) << alert;
  EXPECT_EQ(CodeOf(alert), 5500);
  const absl::Status message = book().GetMessage(5).status();
  EXPECT_EQ(KindOf(message), ErrorKind::kNotFound) << message;
  EXPECT_EQ(CodeOf(message), 5502);
}

TEST_F(AlertBookTest, CountsAreThoseOfWhatIsNotResolved) {
  AlertChange one = Raise("failure/db", 10);
  AlertChange two = Raise("failure/cache", 20);
  AlertCounts counts = book().CountAlerts().value();
  EXPECT_EQ(counts.open, 2u);
  EXPECT_EQ(counts.acknowledged, 0u);
  EXPECT_EQ(counts.waiting_messages, 2u);
  EXPECT_EQ(counts.dead_messages, 0u);

  two.alert->state = AlertState::kAcknowledged;
  two.messages[0].state = MessageState::kDead;
  Put(*two.alert, two.messages);
  counts = book().CountAlerts().value();
  EXPECT_EQ(counts.open, 1u);
  EXPECT_EQ(counts.acknowledged, 1u);
  EXPECT_EQ(counts.waiting_messages, 1u);
  EXPECT_EQ(counts.dead_messages, 1u);

  two.alert->state = AlertState::kResolved;
  Put(*two.alert);
  counts = book().CountAlerts().value();
  EXPECT_EQ(counts.acknowledged, 0u);
  EXPECT_EQ(counts.dead_messages, 0u) << "nobody waits for it any more";
}

TEST_F(AlertBookTest, AChannelGetsItsOldestThatIsDue) {
  Raise("failure/db", 30);
  AlertChange more;
  more.messages = {To("mail", 20), To("pager", 5)};
  ASSERT_TRUE(book().Apply(&more).ok());
  EXPECT_EQ(book().NextMessage("pager", 100).value()->message_id, "pager5");
  EXPECT_FALSE(book().NextMessage("slack", 100).value().has_value());
  ASSERT_TRUE(book().NextMessage("mail", 100).value().has_value());

  MessageRow sending = book().NextMessage("pager", 100).value().value();
  sending.state = MessageState::kSending;
  sending.attempts = 1;
  AlertChange attempt;
  attempt.messages = {sending};
  ASSERT_TRUE(book().Apply(&attempt).ok());
  Reopen();
  EXPECT_EQ(book().ReviveAttempts().value(), 1u);
  const MessageRow revived = book().GetMessage(sending.id).value();
  EXPECT_EQ(revived.state, MessageState::kWaiting);
  EXPECT_TRUE(revived.repeated) << "it may have arrived";
  EXPECT_EQ(book().UnfinishedMessages()->size(), 3u);
}

TEST_F(AlertBookTest, SilencesHoldUntilTheyEnd) {
  AlertChange change;
  change.silence = SilenceRow{0, "db", 10, 100, "ann", "moving"};
  ASSERT_TRUE(book().Apply(&change).ok());
  EXPECT_EQ(book().SilencesAt(50).value().at(0).reason, "moving");
  EXPECT_TRUE(book().SilencesAt(100)->empty());
  ASSERT_TRUE(
      book().EndSilence(change.silence->id, {60, "ann", "alert.silence", "db", "ended"}).ok());
  EXPECT_TRUE(book().SilencesAt(70)->empty());
  const absl::Status again =
      book().EndSilence(change.silence->id, {70, "ben", "alert.silence", "db", "ended"});
  EXPECT_EQ(KindOf(again), ErrorKind::kNotFound) << again;
  EXPECT_EQ(CodeOf(again), 5501);
}

TEST_F(AlertBookTest, MarksAndWatchesAreKept) {
  EXPECT_EQ(book().GetMark("told").value(), 0u);
  AlertChange change;
  change.marks = {{"told", 7}};
  ASSERT_TRUE(book().Apply(&change).ok());
  change.marks = {{"told", 9}};
  ASSERT_TRUE(book().Apply(&change).ok());
  EXPECT_EQ(book().GetMark("told").value(), 9u);
  const auto source = IdOf<SourceId>(1);
  EXPECT_EQ(book().WatchedSince(source, 11).value(), 11u);
  EXPECT_EQ(book().WatchedSince(source, 50).value(), 11u);
}

TEST_F(AlertBookTest, HistoryGoesAndWhatIsOpenStays) {
  const AlertChange open = Raise("failure/db", 10);
  AlertChange over = Raise("failure/cache", 20);
  over.alert->state = AlertState::kResolved;
  over.alert->resolved_at_ms = 30;
  over.messages[0].state = MessageState::kDelivered;
  over.messages[0].done_at_ms = 30;
  Put(*over.alert, over.messages);
  ASSERT_TRUE(book().ForgetHistory(100).ok());
  EXPECT_TRUE(book().GetAlert(open.alert->id).ok());
  EXPECT_EQ(book().MessagesOf(open.alert->id)->size(), 1u);
  EXPECT_TRUE(absl::IsNotFound(book().GetAlert(over.alert->id).status()));
  EXPECT_TRUE(book().RecentEvents(10)->empty());
}

}  // namespace
}  // namespace holdfast::catalog
