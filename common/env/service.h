// What a daemon says to, and hears from, the system it runs on: sd_notify(3) and termination
// signals.
//
// Invariants: NotifySystemd does nothing when NOTIFY_SOCKET is not set. BlockTerminationSignals
//             must run before the first thread is made; then only WaitForTermination sees SIGTERM,
//             SIGINT and SIGHUP.
// Threading:  as stated.
#pragma once

#include <string>
#include <string_view>

namespace holdfast {

void NotifySystemd(std::string_view state);  // "READY=1", "STOPPING=1"
void NotifyReloading();                      // a reload begins; READY=1 ends it
void BlockTerminationSignals();
int WaitForTermination();  // the signal
void ForbidCoreDumps();    // PR_SET_DUMPABLE=0: keys are in memory
// Before the first thread: buffers of a chunk's size are kept for the next chunk, in at most two
// arenas. By default each is given back to the kernel and faulted in again, page by page (half of
// the controller's time), and every thread keeps its own.
void KeepBuffersForReuse();
std::string OwnDirectory();  // of this program's file; empty when it is not known
// Of the calling thread and of those that it makes; 0 leaves it as it is. For the whole process:
// before its first thread.
void SetNiceness(int nice);

}  // namespace holdfast
