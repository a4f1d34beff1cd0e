// The same for what speaks gRPC.
#include <grpcpp/grpcpp.h>

#include "cmake/precompiled_base.h"
