// The verbs of `holdfast`, one file each: parse, ask the client, render.
//
// Every Add puts one subcommand into `program`; its callback sets context.exit_code. Every help
// ends with two examples.
// Threading:  one thread; `context` outlives `program`.
#pragma once

#include <string>
#include <vector>

#include "common/config/command_line.h"
#include "controller/cli/context.h"

namespace holdfast::cli {

void AddInit(Command& program, Context& context);
void AddEnroll(Command& program, Context& context);
void AddAgent(Command& program, Context& context);
void AddSource(Command& program, Context& context);
void AddStatus(Command& program, Context& context);
void AddBackup(Command& program, Context& context);
void AddSnapshots(Command& program, Context& context);
void AddLs(Command& program, Context& context);
void AddFind(Command& program, Context& context);
void AddCat(Command& program, Context& context);
void AddDiff(Command& program, Context& context);
void AddRestore(Command& program, Context& context);
void AddExport(Command& program, Context& context);
void AddVerify(Command& program, Context& context);
void AddScrub(Command& program, Context& context);
void AddForget(Command& program, Context& context);
void AddUndelete(Command& program, Context& context);
void AddRetention(Command& program, Context& context);
void AddQuota(Command& program, Context& context);
void AddGc(Command& program, Context& context);
void AddSchedule(Command& program, Context& context);
void AddObjective(Command& program, Context& context);
void AddConfig(Command& program, Context& context);
void AddAlert(Command& program, Context& context);
void AddContact(Command& program, Context& context);
void AddAudit(Command& program, Context& context);

}  // namespace holdfast::cli
