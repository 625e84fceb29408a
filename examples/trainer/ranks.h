/*
 * How ranks work together. Each batch is cut into SHARDS parts whatever the number of ranks, and every rank has whole
 * shards: what is computed for a shard has the same bits on any rank, and is put together in the order of the shards.
 */
#ifndef TRAINER_RANKS_H
#define TRAINER_RANKS_H

#include "failure.h"

#include <stddef.h>

enum { SHARDS = 4 };

struct ranks {
    size_t rank, count; /* count divides SHARDS */

    /* `slots` holds SHARDS slots of `bytes` each: every rank has filled in those of its shards and gets the others'. */
    void (*gather)(struct ranks *ranks, void *slots, size_t bytes);

    /*
     * Whether all ranks are well: if not, each gets the failure of the first that is not. To be called by all before
     * they gather, so that none waits for a rank that has given up.
     */
    int (*agree)(struct ranks *ranks, struct failure *failure);
};

/* One process that has all shards. */
struct ranks ranks_single(void);

size_t ranks_first_shard(const struct ranks *ranks);
size_t ranks_end_shard(const struct ranks *ranks);

#endif
