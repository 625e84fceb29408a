#include "ranks.h"

static void gather_nothing(struct ranks *ranks, void *slots, size_t bytes)
{
    (void)ranks;
    (void)slots;
    (void)bytes;
}

static int agree_with_itself(struct ranks *ranks, struct failure *failure)
{
    (void)ranks;
    return failure->status;
}

struct ranks ranks_single(void)
{
    const struct ranks single = { 0, 1, gather_nothing, agree_with_itself };
    return single;
}

size_t ranks_first_shard(const struct ranks *ranks)
{
    return SHARDS / ranks->count * ranks->rank;
}

size_t ranks_end_shard(const struct ranks *ranks)
{
    return SHARDS / ranks->count * (ranks->rank + 1);
}
